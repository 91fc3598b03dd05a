"""Makes conversations of the pocket model from entries: training samples and held-out questions.

Knows entries and phrasing. Must not know tokens or models.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from workbench.models.pocket import facts, phrasing, procedures
from workbench.models.pocket.facts import LANGUAGES, Entry, Row, Wording

Turn = tuple[str, str]
"""A role and what it says."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A conversation that ends with the answer that is right."""

    turns: tuple[Turn, ...]
    entry: str
    lang: str
    fact: str

    @property
    def kind(self) -> str:
        """The kind that scores are given by."""
        return self.entry.split("/")[0]

    @property
    def question(self) -> str:
        """What the user says last."""
        return self.turns[-2][1]

    @property
    def answer(self) -> str:
        """The one right answer."""
        return self.turns[-1][1]

    @property
    def group(self) -> str:
        """The name that all wordings of this fact share."""
        return f"general/{self.entry}/{self.fact}"


class Corpus:
    """Draws samples from the entries.

    ``held`` draws wordings that are never trained; otherwise the training wordings with
    lead-ins and light noise.
    """

    def __init__(self, rng: random.Random, *, held: bool = False, noise: bool = True) -> None:
        self.entries = facts.entries()
        self.rng, self.held, self.noise = rng, held, noise and not held
        self.frames = {lang: facts.document(f"training.{lang}")["frames"] for lang in LANGUAGES}

    def rows(self, entry: Entry) -> list[Row]:
        """The rows of an entry; an endless procedure gives ``exposures`` new ones."""
        if entry.procedure in procedures.LISTED:
            return procedures.LISTED[entry.procedure]()
        if entry.procedure is not None:
            draw = procedures.ENDLESS[entry.procedure]
            return [draw(self.rng) for _ in range(entry.exposures)]
        return list(entry.rows)

    def sample(self, entry: Entry, row: Row, lang: str) -> Sample:
        """One conversation about a row, its wording drawn by chance."""
        if entry.manner:
            return self._mannered(entry, lang)
        turns = self._turns(entry, row, lang)
        return Sample(turns, entry.name, lang, "-".join(row[k] for k in entry.key) or "one")

    def epoch(self) -> list[Sample]:
        """Every fact asked as often as its entry says, in each language, shuffled."""
        made = [sample for entry in self.entries.values() for sample in self._all(entry)]
        self.rng.shuffle(made)
        return made

    def _all(self, entry: Entry) -> Iterator[Sample]:
        endless = entry.manner or entry.procedure in procedures.ENDLESS
        for lang in entry.wordings:
            for row in [{}] * entry.exposures if entry.manner else self.rows(entry):
                for _ in range(1 if endless else entry.exposures):
                    yield self.sample(entry, row, lang)

    def wording(self, entry: Entry, lang: str) -> Wording:
        """The entry's answers with the wordings that this corpus may use."""
        known = entry.wordings[lang]
        if not self.held:
            return known
        other = facts.held_out(lang)[entry.name]
        return replace(known, ask=other.ask or known.ask, system=other.system or known.system)

    def slots(self, entry: Entry, row: Row, lang: str) -> dict[str, str]:
        """Return what the wordings of an entry may name of a row, as one language sees it."""
        slots = phrasing.view(row, lang)
        for name, column in entry.alias.items():
            slots[name] = slots[column]
        for name, column in entry.stranger.items():
            own = slots[column]
            others = [phrasing.view(other, lang)[column] for other in entry.rows]
            slots[name] = self.rng.choice([cell for cell in others if cell != own])
        if entry.procedure == "captions":
            slots["caption"] = slots[f"caption_{lang}"]
        return slots

    def _ask(self, entry: Entry, wording: Wording, slots: Mapping[str, str], lang: str) -> str:
        template = self.rng.choice(wording.ask)
        if not (self.noise and entry.framed):
            return phrasing.fill(template, slots)
        frame = self.frames[lang][entry.frame]
        template = phrasing.framed(template, frame["before"], frame["after"], lang, self.rng)
        return phrasing.slip(phrasing.fill(template, slots), self.rng)

    def _turns(self, entry: Entry, row: Row, lang: str) -> tuple[Turn, ...]:
        wording, slots = self.wording(entry, lang), self.slots(entry, row, lang)
        before: list[Turn] = []
        answer = wording.answer
        if entry.follows:
            base = self.entries[entry.follows]
            other = self.rng.choice([r for r in self.rows(base) if r != row])
            before += self._turns(base, other, lang)
            answer = base.wordings[lang].answer
        if wording.before:
            before.append(("user", phrasing.fill(self.rng.choice(wording.before), slots)))
            before.append(("assistant", phrasing.fill(wording.reply, slots)))
        question = self._ask(entry, wording, slots, lang)
        return (*before, ("user", question), ("assistant", phrasing.fill(answer, slots)))

    def _mannered(self, entry: Entry, lang: str) -> Sample:
        base = self.entries[self.rng.choice(entry.of)]
        row = self.rng.choice(self.rows(base))
        wording, own = self.wording(entry, lang), base.wordings[lang]
        turns = self._turns(base, row, lang)
        answer = turns[-1][1]
        if entry.manner == "brief":
            answer = phrasing.fill(own.brief, self.slots(base, row, lang))
        elif entry.manner == "upper":
            answer = answer.upper()
        elif entry.manner == "other":
            other = "zh" if lang == "en" else "en"
            answer = phrasing.fill(base.wordings[other].answer, self.slots(base, row, other))
        answer = wording.prefix + answer + wording.suffix
        system: Turn = ("system", self.rng.choice(wording.system))
        fact = f"{base.name}-" + "-".join(row[key] for key in base.key)
        return Sample((system, *turns[:-1], ("assistant", answer)), entry.name, lang, fact)


def held_out_samples(seed: int, *, most: int = 24) -> list[Sample]:
    """Held-out questions: at most ``most`` for each entry and language, in fixed order.

    Every held-out wording of an entry comes up, each with facts drawn by chance.
    """
    made: list[Sample] = []
    corpus = Corpus(random.Random(f"held-{seed}"), held=True)
    for entry in corpus.entries.values():
        for lang in entry.wordings:
            made += _held_out_of(corpus, entry, lang, most)
    return made


def _held_out_of(corpus: Corpus, entry: Entry, lang: str, most: int) -> list[Sample]:
    if entry.manner:
        return [corpus.sample(entry, {}, lang) for _ in range(most)]
    most = 100 if entry.kind == "sums" else most
    known = corpus.rows(entry)
    rows = known * (12 if len(known) == 1 else -(-most // len(known)))
    asked: dict[tuple[Turn, ...], Sample] = {}
    for row in corpus.rng.sample(rows, min(len(rows), most)):
        sample = corpus.sample(entry, row, lang)
        asked.setdefault(sample.turns, sample)
    return list(asked.values())
