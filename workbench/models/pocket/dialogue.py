"""Composes conversations of several turns from the samples of the corpus: topics that change and topics that go on.

Knows samples, system texts and what is said between questions. Must not know tokens or models.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache

from workbench.models.pocket import about_itself, facts, phrasing, procedures
from workbench.models.pocket.calling import Calling, digits, expression
from workbench.models.pocket.corpus import Corpus, Sample
from workbench.models.pocket.facts import LANGUAGES, Entry, Row
from workbench.models.pocket.phrasing import fill
from workbench.models.pocket.scenes import Scenes

Turn = tuple[str, str]
"""A role and its text. Beside the chat's own roles: ``wrong`` is an assistant's turn that is not trained, ``call`` and
``result`` are turns in which tool markers are control tokens."""

APART = ("names/recall", "names/hello")
"""Entries that are no question of their own in a conversation."""
EVENNESS = 0.75
"""Power of an entry's share: below 1, small kinds come oftener than their exposures say."""
ITSELF = 4000
"""Different questions about itself to draw from."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What the last question was about, so that it can be asked on about."""

    entry: Entry
    row: Row
    lang: str
    answer: str


def brackets(texts: Sequence[str]) -> tuple[str, ...]:
    """Return all readings of several texts, their outer spaces as written."""
    padded = [(text, text[len(text.rstrip()) :]) for text in texts]
    return tuple(dict.fromkeys(way + tail for text, tail in padded for way in facts.expand(text)))


@cache
def wordings(lang: str, part: str) -> Mapping[str, tuple[str, ...]]:
    """Return the wordings between questions, ``part`` being ``train`` or ``held``."""
    return {name: brackets(texts) for name, texts in facts.document(f"dialogue.{lang}")[part].items()}


@cache
def questions_about_itself(seed: int) -> Mapping[str, tuple[Sample, ...]]:
    """Return questions about itself in the wordings of the identity bank, by language."""
    samples = about_itself.samples(ITSELF, seed)
    return {lang: tuple(s for s in samples if s.lang == lang and len(s.turns) == 2) for lang in LANGUAGES}


class Dialogues:
    """Draws conversations.

    Args:
        avoided: normalised questions (with their language) that are held out, and never drawn.
        held: draw in the wordings that are never trained.
        nameless: no question about who it is among the ordinary ones.
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        avoided: Set[tuple[str, str]] = frozenset(),
        held: bool = False,
        nameless: bool = False,
    ) -> None:
        self.rng, self.held, self.avoided, self.nameless = rng, held, avoided, nameless
        self.corpus = Corpus(rng, held=held)
        self.scenes = Scenes(rng, held=held)
        self.calling = Calling(rng, lambda lang: self.question(lang)[0], held=held)
        self.words = {lang: wordings(lang, "held" if held else "train") for lang in LANGUAGES}
        self.documents = {lang: facts.document(f"dialogue.{lang}") for lang in LANGUAGES}
        self.shares = {lang: self._shares(lang) for lang in LANGUAGES}

    def _shares(self, lang: str) -> tuple[list[Entry], list[float]]:
        entries = [
            entry
            for entry in self.corpus.entries.values()
            if lang in entry.wordings and not entry.manner and not entry.follows and entry.name not in APART
            and entry.kind not in ("follow_up", *(["identity"] if self.nameless else []))
        ]  # fmt: skip
        sizes = [1 if entry.procedure in procedures.ENDLESS else len(self.corpus.rows(entry)) for entry in entries]
        return entries, [(entry.exposures * size) ** EVENNESS for entry, size in zip(entries, sizes, strict=True)]

    def free(self, question: str, lang: str) -> bool:
        """Return whether a question may be drawn."""
        return (lang, phrasing.normalised(question)) not in self.avoided

    def question(self, lang: str) -> tuple[list[Turn], Topic]:
        """Draw an ordinary question with its answer, and what it was about."""
        entries, shares = self.shares[lang]
        while True:
            entry = self.rng.choices(entries, shares)[0]
            row = self.rng.choice(self.corpus.rows(entry))
            sample = self.corpus.sample(entry, row, lang)
            if self.free(sample.question, lang):
                return list(sample.turns), Topic(entry, row, lang, sample.answer)

    def itself(self, lang: str) -> list[Turn]:
        """Draw a question about itself, in the wordings of the identity bank or of the tables."""
        while True:
            if self.held or self.rng.random() < 0.4:
                entry = self.corpus.entries[self.rng.choice(["identity/name", "identity/who", "identity/maker"])]
                sample = self.corpus.sample(entry, {}, lang)
            else:
                sample = self.rng.choice(questions_about_itself(0)[lang])
            if self.free(sample.question, lang):
                return list(sample.turns)

    def phrase(self, form: str, lang: str, /, **slots: str) -> str:
        """Draw a wording of ``form`` and fill it in."""
        return fill(self.rng.choice(self.words[lang][form]), slots)

    def answer(self, form: str, lang: str, /, **slots: str) -> str:
        """Return the one answer to a wording of ``form``."""
        return fill(self.documents[lang]["answers"][form], slots)

    # --- turns that go on from the one before

    def on(self, topic: Topic, name: str = "and") -> tuple[list[Turn], Topic] | None:
        """Ask the same about another row (``and``), or correct what was asked about (``meant``)."""
        form = self.documents[topic.lang]["follow"].get(topic.entry.name)
        rows = [row for row in self.corpus.rows(topic.entry) if row != topic.row] if form else []
        if not rows:
            return None
        row = self.rng.choice(rows)
        slots = self.corpus.slots(topic.entry, row, topic.lang)
        answer = fill(topic.entry.wordings[topic.lang].answer, slots)
        ask = self.phrase(name, topic.lang, x=fill(form, slots))
        return [("user", ask[:1].upper() + ask[1:] if ask[0] != "{" else ask), ("assistant", answer)], Topic(
            topic.entry, row, topic.lang, answer
        )

    def about_the_answer(self, topic: Topic) -> tuple[list[Turn], Topic] | None:
        """Ask for the last answer again, for its reason, shorter, in the other language, or whether it is sure."""
        fact = bool(topic.entry.key) and not topic.entry.stranger and topic.entry.procedure not in procedures.ENDLESS
        names = ["again", "sure", "why"] if fact else ["again"]
        wording = topic.entry.wordings[topic.lang]
        slots = self.corpus.slots(topic.entry, topic.row, topic.lang)
        other = "zh" if topic.lang == "en" else "en"
        if fact and wording.brief:
            names += ["shorter"] * 2
        if fact and other in topic.entry.wordings:
            names += ["other"] * 2
        name = self.rng.choice(names)
        answer = topic.answer
        if name == "sure":
            answer = self.answer("sure", topic.lang, answer=topic.answer)
        elif name == "why":
            answer = self.answer("why", topic.lang)
        elif name == "shorter":
            answer = fill(wording.brief, slots)
        elif name == "other":
            answer = fill(topic.entry.wordings[other].answer, self.corpus.slots(topic.entry, topic.row, other))
        if name in ("shorter", "other"):
            topic = replace(topic, answer=answer)
        return [("user", self.phrase(name, topic.lang)), ("assistant", answer)], topic

    def mistaken(self, lang: str) -> tuple[list[Turn], Topic]:
        """A question with a wrong answer, which is not trained, and perhaps the user's doubt, which mends it."""
        while True:
            turns, topic = self.question(lang)
            rows = [row for row in self.corpus.rows(topic.entry) if row != topic.row]
            if len(turns) == 2 and len(rows) > 3 and topic.entry.name in self.documents[lang]["follow"]:
                break
        other = self.corpus.slots(topic.entry, self.rng.choice(rows), lang)
        slots = other | self._key_slots(topic, lang)
        wrong = fill(topic.entry.wordings[lang].answer, slots)
        turns = [turns[0], ("wrong", wrong)]
        if wrong != topic.answer and self.rng.random() < 0.6:
            name = self.rng.choice(["wrong", "wrong", "sure"])
            turns += [("user", self.phrase(name, lang)), ("assistant", self.answer("wrong", lang, answer=topic.answer))]
        return turns, topic

    def _key_slots(self, topic: Topic, lang: str) -> dict[str, str]:
        slots = self.corpus.slots(topic.entry, topic.row, lang)
        names = {match["name"] for match in phrasing.SLOT.finditer(self.documents[lang]["follow"][topic.entry.name])}
        return {name: slots[name] for name in names}

    # --- what is to be remembered, and copies

    def value(self) -> str:
        """Draw something to copy: a number, a word, a name, an expression, a short JSON."""
        pick = self.rng.random()
        if pick < 0.40:
            return str(digits(self.rng))
        if pick < 0.52:
            return expression(self.rng)
        if pick < 0.60:
            return f"{digits(self.rng)} and {digits(self.rng)}"
        if pick < 0.68:
            return self._short_json()
        return procedures.strings(self.rng)["text"] if pick < 0.9 else procedures.names(self.rng)["name"]

    def _short_json(self) -> str:
        keys = self.rng.sample(["a", "b", "name", "x", "n", "item", "city", "expression"], self.rng.choice([1, 2]))
        values = [digits(self.rng) if self.rng.random() < 0.5 else procedures.names(self.rng)["name"] for _ in keys]
        return json.dumps(dict(zip(keys, values, strict=True)), ensure_ascii=False)

    def short_value(self) -> str:
        """Draw what a system text or a user tells: a number, a name, a word."""
        pick = self.rng.random()
        if pick < 0.6:
            return str(digits(self.rng))
        return (
            procedures.names(self.rng)["name"]
            if pick < 0.8
            else procedures.strings(self.rng)["text"].strip(" .。") or "x"
        )

    def copied(self, lang: str) -> list[Turn]:
        """Ask to repeat a value."""
        entry = self.corpus.entries["repeat/text"]
        while True:
            value = self.value()
            ask = fill(self.rng.choice(self.corpus.wording(entry, lang).ask), {"text": value})
            if self.free(ask, lang):
                return [("user", ask), ("assistant", value)]

    def name_told(self, lang: str) -> tuple[list[Turn], Callable[[], list[Turn]]]:
        """Tell one's name; the second part asks for it, at any later turn."""
        hello, recall = self.corpus.entries["names/hello"], self.corpus.entries["names/recall"]
        row = procedures.names(self.rng)
        ask = fill(self.rng.choice(self.corpus.wording(hello, lang).ask), row)
        answer = fill(recall.wordings[lang].answer, row)
        turns = [("user", ask), ("assistant", fill(hello.wordings[lang].answer, row))]
        return turns, lambda: [("user", self.rng.choice(self.corpus.wording(recall, lang).ask)), ("assistant", answer)]

    def value_told(self, lang: str, what: str) -> tuple[list[Turn], Callable[[], list[Turn]]]:
        """Tell a value to be remembered; the second part asks for it, at any later turn."""
        slots = {"what": what, "value": self.short_value()}
        turns = [("user", self.phrase("keep", lang, **slots)), ("assistant", self.answer("keep", lang, **slots))]
        answer = self.answer("value", lang, **slots)
        return turns, lambda: [("user", self.phrase("recall", lang, **slots)), ("assistant", answer)]
