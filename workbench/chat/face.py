"""Who greets the visitor: name, greeting, example questions. Knows notes and texts; nothing of models or pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.models.notes import part
from workbench.texts import language_of, lookup, text

EXAMPLES = 4
POCKET = "pocket"


@dataclass(frozen=True, slots=True)
class Face:
    """Hold the assistant as it introduces itself.

    Args:
        name: the persona's, else the model's.
        author: who made it; may be empty.
        purpose: what it is for; may be empty.
        questions: the run's own questions, any language.
        known: whether the model was trained to be this persona.
        pocket: whether it is the embedded model, or was made of it: then it says what little that can.
    """

    name: str
    author: str = ""
    purpose: str = ""
    questions: tuple[str, ...] = ()
    known: bool = False
    pocket: bool = False

    def greeting(self, lang: str | None = None) -> str:
        """Return what it says before it is asked. It is shown, and never sent to the model."""
        able = text("web.greeting.space", lang) + text("web.greeting.pocket", lang) if self.pocket else ""
        return self._introduction(lang) + able

    def _introduction(self, lang: str | None) -> str:
        if not self.known:
            return text("web.greeting.model", lang, name=self.name)
        key = "web.greeting.made" if self.author else "web.greeting.persona"
        introduction = text(key, lang, name=self.name, **({"author": self.author} if self.author else {}))
        if self.purpose:
            introduction += text("web.greeting.space", lang) + text("web.greeting.purpose", lang, purpose=self.purpose)
        return introduction

    def examples(self, lang: str | None = None) -> list[str]:
        """Return questions to begin with: the run's own of this language, then the usual ones."""
        usual = list(lookup("web.examples", lang))
        in_language = [q for q in self.questions if language_of(q) == text("web.code", lang)]
        return list(dict.fromkeys([*in_language, *usual]))[:EXAMPLES]


def face_of(note: Mapping[str, Any], model: str) -> Face:
    """Return the face that a folder's note describes; a plain one under the model's name where it names no persona."""
    persona, recipe = part(note, "persona"), part(note, "recipe")
    questions = recipe.get("questions")
    examples = tuple(q for q in questions if isinstance(q, str) and q.strip()) if isinstance(questions, list) else ()
    name = _line(persona.get("name"))
    pocket = (part(note, "base").get("name") or model) == POCKET
    if not name:
        return Face(model, questions=examples, pocket=pocket)
    author, purpose = _line(persona.get("author")), _line(persona.get("purpose"))
    return Face(name, author, purpose, examples, known=True, pocket=pocket)


def _line(value: Any) -> str:
    return " ".join(value.split())[:200] if isinstance(value, str) else ""
