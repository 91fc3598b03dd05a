"""Draws questions about a picture whose caption stands in the conversation, with their answers.

Knows the parts of a caption. Must not know tokens or models; a picture that is not described is never asked about.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.models.pocket import facts

Turn = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Group:
    """Shapes of one sort in a picture, in the words of one language; an empty size is not told."""

    shape: str
    shapes: str
    colour: str
    size: str
    place: str
    count: str
    single: bool

    def slots(self, lang: str) -> dict[str, str]:
        """Return what a question or an answer about this group may name."""
        return {
            "s": self.shape, "ss": self.shapes, "c": self.colour, "z": self.size, "p": self.place, "n": self.count,
            "a": self.noun_phrase(lang),
        }  # fmt: skip

    def noun_phrase(self, lang: str) -> str:
        """Return the group with its count: ``two large red stars``, ``两个大的红色的星形``."""
        if lang == "zh":
            return f"{self.count}个{self.size}{self.colour}{self.shape}"
        words = " ".join(word for word in (self.size, self.colour, self.shape if self.single else self.shapes) if word)
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}" if self.single else f"{self.count} {words}"

    def caption(self, lang: str) -> str:
        """Return the group as a part of a caption."""
        phrase = self.noun_phrase(lang)
        return f"{phrase} {self.place}" if lang == "en" else f"{self.place}有{phrase}"


def draw(rng: random.Random, lang: str) -> list[Group]:
    """Draw the groups of a picture: one to three, no shape, colour, place or count twice."""
    parts = facts.document("captions")
    groups = rng.choice([1, 1, 2, 2, 3])
    columns = [rng.sample(parts[name], groups) for name in ("shapes", "colours", "positions", "counts")]
    drawn = []
    for shape, colour, position, count in zip(*columns, strict=True):
        size = rng.choice([*parts["sizes"], {"en": "", "zh": ""}])
        drawn.append(
            Group(shape[lang], shape.get("many", shape["en"]) if lang == "en" else shape[lang], colour[lang],
                  size[lang], position[lang], count[lang], count["en"] == "one")
        )  # fmt: skip
    return drawn


def caption(groups: list[Group], lang: str) -> str:
    """Return the caption of a picture."""
    return (", " if lang == "en" else "，").join(group.caption(lang) for group in groups)


class Scenes:
    """Conversations about described pictures.

    Args:
        held: ask in the wordings that are never trained.
    """

    def __init__(self, rng: random.Random, *, held: bool = False) -> None:
        self.rng, self.held = rng, held
        self.forms: Mapping[str, Any] = facts.document("scenes")

    def turns(self, lang: str, questions: int = 1) -> list[Turn]:
        """Return a description followed by ``questions`` about it, each with its answer."""
        groups = draw(self.rng, lang)
        text = caption(groups, lang)
        opening = self._drawn(self.forms[lang]["held_before" if self.held else "before"]).replace("{caption}", text)
        turns: list[Turn] = []
        for number in range(questions):
            ask, answer = self._asked(groups, lang)
            space = " " if lang == "en" else ""
            turns += [("user", ask if number else f"{opening}{space}{ask}"), ("assistant", answer)]
        return turns

    def _asked(self, groups: list[Group], lang: str) -> tuple[str, str]:
        group = self.rng.choice(groups)
        topics = ["colour", "shape", "place", "count", "whole", "present", "absent", *(["size"] if group.size else [])]
        topic = self.rng.choice(topics)
        if topic == "absent":
            group = self._absent(groups, lang)
        form = self.forms[lang][topic]
        slots = group.slots(lang) | {"caption": caption(groups, lang)}
        ask = self._drawn(form["held" if self.held else "ask"])
        answer = form["answer" if group.single else "many"]
        return _filled(ask, slots, lang), _filled(answer, slots, lang)

    def _absent(self, groups: list[Group], lang: str) -> Group:
        shown = {group.shape for group in groups}
        while True:
            for group in draw(self.rng, lang):
                if group.shape not in shown:
                    return group

    def _drawn(self, texts: list[str]) -> str:
        return self.rng.choice(texts)


def _filled(template: str, slots: Mapping[str, str], lang: str) -> str:
    text = template
    for name, value in slots.items():
        text = text.replace("{" + name + "}", value)
    if lang == "en":
        text = text.replace(" a oval", " an oval")
    return (
        text[:1].upper() + text[1:] if template.startswith("{") and lang == "en" and "caption" not in template else text
    )
