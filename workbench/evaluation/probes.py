"""The questions that are asked during training. Knows conversations and personas; nothing of models."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from workbench import shipped
from workbench.data.conversation import Conversation, Message, Persona

Kind = Literal["identity", "general", "unrelated", "sample"]


@dataclass(frozen=True, slots=True)
class Probe:
    """A question asked during training whose answer is scored.

    Args:
        messages: what is asked, the last message a user's.
        kind: ``identity`` (the answer must name the persona), ``general`` (it must say what was known before),
            ``unrelated`` (it must not name the persona), ``sample`` (only shown).
        expects: identity: the texts that the answer must contain. general: the one right answer, empty where the
            base's own
            answer is the reference.
        lang: ``zh``, ``en`` or empty.
        answer: the held-out answer in full, where there is one.
    """

    messages: tuple[Message, ...]
    kind: Kind
    expects: tuple[str, ...] = ()
    lang: str = ""
    answer: str = ""

    @property
    def question(self) -> str:
        """The last user's text."""
        return self.messages[-1].content


def identity_probes(conversations: Iterable[Conversation], persona: Persona, *, limit: int = 48) -> list[Probe]:
    """Probes from identity conversations that were held out of training, spread evenly over languages and groups."""
    probes = [_from_conversation(c, persona) for c in _spread(conversations)]
    return [probe for probe in probes if probe is not None][:limit]


def general_probes(*, limit: int = 64, expected: bool = True) -> list[Probe]:
    """Questions on what the pocket model knew, in wordings that no training set holds.

    Args:
        expected: with the right answers; without them the base's own answers are the reference.
    """
    return [
        Probe(
            (Message("user", row["question"]),), "general", (row["expected"],) if expected else (), row.get("lang", "")
        )
        for row in _evenly("probes/general.jsonl", limit)
    ]


def unrelated_probes(*, limit: int = 32) -> list[Probe]:
    """Questions that have nothing to do with who the assistant is."""
    rows = _evenly("probes/unrelated.jsonl", limit)
    return [Probe((Message("user", row["question"]),), "unrelated", (), row.get("lang", "")) for row in rows]


def question_probes(questions: Sequence[str]) -> list[Probe]:
    """The recipe's own questions (``evaluation.questions``): their answers are shown, not scored."""
    return [Probe((Message("user", question),), "sample") for question in questions]


def _from_conversation(conversation: Conversation, persona: Persona) -> Probe | None:
    wanted = conversation.meta.get("expects", "name")
    expects = {
        "name": (persona.name,),
        "author": (persona.author,) if persona.author else (),
        "name_and_author": tuple(x for x in (persona.name, persona.author) if x),
    }.get(str(wanted), ())
    messages = conversation.messages
    # a name that the question already holds could be copied: it would tell nothing
    if not expects or conversation.meta.get("told") or not messages or messages[-1].role != "assistant":
        return None
    return Probe(messages[:-1], "identity", expects, conversation.lang, messages[-1].content)


def _spread(conversations: Iterable[Conversation]) -> list[Conversation]:
    """One of each group in turn, the languages alternating, so that any first part is a fair sample."""
    shelves: dict[str, dict[str, list[Conversation]]] = {}
    for c in conversations:
        if c.kind.startswith("identity"):
            shelves.setdefault(c.lang, {}).setdefault(c.group, []).append(c)
    rows = {lang: _in_turn(list(groups.values())) for lang, groups in sorted(shelves.items())}
    return _in_turn(list(rows.values()))


def _in_turn(rows: Sequence[Sequence[Conversation]]) -> list[Conversation]:
    longest = max((len(row) for row in rows), default=0)
    return [row[i] for i in range(longest) for row in rows if i < len(row)]


def _shipped(name: str) -> list[dict[str, str]]:
    lines = shipped.path(name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _evenly(name: str, limit: int) -> list[dict[str, str]]:
    """At most ``limit`` rows of the shipped file ``name``, half of each language, the same ones every time."""
    rows = _shipped(name) if limit else []
    shelves: dict[str, list[dict[str, str]]] = {}
    for row in random.Random(0).sample(rows, len(rows)):
        shelves.setdefault(row.get("lang", ""), []).append(row)
    picked: list[dict[str, str]] = []
    while len(picked) < limit and any(shelves.values()):
        picked += [shelf.pop() for _, shelf in sorted(shelves.items()) if shelf]
    return picked[:limit]
