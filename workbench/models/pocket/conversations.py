"""Strings turns together to whole conversations, behind system texts of all sorts.

Knows dialogues and their shares. Must not know tokens or models.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass

from workbench.models.pocket import procedures
from workbench.models.pocket.dialogue import Dialogues, Topic, Turn
from workbench.models.pocket.facts import LANGUAGES

SYSTEM = 0.34
"""Share of the conversations that stand behind a system text."""
SWITCH = 0.15
"""Chance that a turn is in the other language."""
SHARES = (60, 15, 15, 8, 2)
"""Of chats, tools, copies, pictures and very long chats."""
MANNERS = ("manner/brief", "manner/capitals", "manner/cheer", "manner/polite", "manner/other_language")


Step = tuple[list[Turn], Topic | None, Callable[[], list[Turn]] | None]
"""An exchange, what it was about, and what is to be asked at a later turn."""


@dataclass(slots=True)
class Persona:
    """Who a system text says the assistant is; an empty name is the model's own."""

    name: str = ""


class Conversations:
    """Draws whole conversations by kind.

    Args:
        avoided: normalised questions (with their language) that are never drawn.
        held: draw in the wordings that are never trained.
        nameless: nothing about who the assistant is, and no wrong answers: what is mixed into a learner's training.
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        avoided: Set[tuple[str, str]] = frozenset(),
        held: bool = False,
        nameless: bool = False,
    ) -> None:
        self.rng, self.nameless = rng, nameless
        self.parts = Dialogues(rng, avoided=avoided, held=held, nameless=nameless)
        self.told: set[str] = set()

    # --- system texts

    def beside(self, lang: str, sentences: int) -> str:
        """Return so many sentences of a system text that change no answer."""
        stock = self.parts.documents[lang]["beside"]
        drawn = self.rng.sample(stock, min(sentences, len(stock)))
        return (" " if lang == "en" else "").join(drawn)

    def plain(self, lang: str, most: int = 6) -> str:
        """Draw a system text that changes nothing: a plain one, rules that do not matter here, or both."""
        first = [self.parts.phrase("plain", lang)] if self.rng.random() < 0.75 else []
        count = self.rng.choice([0, 0, 0, 1, 2, most]) if first else self.rng.choice([1, 2, most])
        rest = [self.beside(lang, count)] if count else []
        return (" " if lang == "en" else "").join([*first, *rest])

    def persona(self, lang: str) -> tuple[str, Persona]:
        """Draw a system text that gives the assistant another name."""
        name = procedures.names(self.rng)["name"]
        text = self.parts.phrase(
            "persona", lang, name=name, place=self.rng.choice(self.parts.documents[lang]["places"])
        )
        if self.rng.random() < 0.3:
            text += (" " if lang == "en" else "") + self.beside(lang, self.rng.choice([1, 2, 3]))
        return text, Persona(name)

    # --- kinds of conversations

    def chat(self, turns: int | None = None) -> list[Turn]:
        """Draw a conversation of one to eight turns, a third of them behind a system text."""
        lang = self.rng.choice(LANGUAGES)
        self.told.clear()
        system: list[Turn] = []
        persona = Persona()
        later: list[Callable[[], list[Turn]]] = []
        if self.rng.random() < SYSTEM:
            pick = self.rng.random()
            if pick < 0.15:
                return self.mannered(lang, turns)
            text = self.plain(lang)
            if pick < 0.40 and not self.nameless:
                text, persona = self.persona(lang)
            elif pick < 0.60:
                text, later = self._with_facts(lang, text)
            system = [("system", text)]
        count = turns or self.rng.choice([1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8])
        return [*system, *self._strung(lang, count, persona, later)]

    def _with_facts(self, lang: str, text: str) -> tuple[str, list[Callable[[], list[Turn]]]]:
        asks = []
        space = " " if lang == "en" else ""
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            what = self._untold(lang)
            slots = {"what": what, "value": self.parts.short_value()}
            sentence = self.parts.phrase("fact", lang, **slots)
            text = f"{sentence}{space}{text}" if self.rng.random() < 0.5 else f"{text}{space}{sentence}"
            ask = self.parts.phrase("learnt", lang, **slots)
            answer = self.parts.answer("value", lang, **slots)
            asks.append(_pair(ask, answer))
        return text, asks

    def _untold(self, lang: str) -> str:
        """Draw what a value is called, so that nothing is told twice in a conversation."""
        names = [name for name in self.parts.documents[lang]["what"] if name not in self.told]
        name: str = self.rng.choice(names)
        self.told.add(name)
        return name

    def _strung(self, lang: str, count: int, persona: Persona, later: list[Callable[[], list[Turn]]]) -> list[Turn]:
        turns: list[Turn] = []
        topic: Topic | None = None
        for number in range(count):
            left = count - number
            if later and self.rng.random() < 1.5 / max(1, left):
                turns += later.pop(self.rng.randrange(len(later)))()
                continue
            if self.rng.random() < SWITCH:
                lang = "zh" if lang == "en" else "en"
            more, topic, promise = self._next(lang, topic, persona, bool(turns))
            turns += more
            if promise:
                later.append(promise)
        return turns

    def _next(self, lang: str, topic: Topic | None, persona: Persona, inside: bool) -> Step:
        """Draw the next exchange: one that goes on from the one before, or a new one."""
        pick = self.rng.random()
        if topic is not None and pick < 0.34:
            name = "and" if self.rng.random() < 0.8 else "meant"
            going = self.parts.on(topic, name) if pick < 0.22 else self.parts.about_the_answer(topic)
            if going is not None:
                return *going, None
        pick = self.rng.random()
        if self.nameless and (pick < 0.12 or 0.35 <= pick < 0.40):
            pick = 1.0
        if 0.20 <= pick < 0.25 and "name" not in self.told:
            self.told.add("name")
            return _with_promise(self.parts.name_told(lang))
        if 0.25 <= pick < 0.31:
            return _with_promise(self.parts.value_told(lang, self._untold(lang)))
        return *self._without_promise(pick, lang, topic, persona, inside), None

    def _without_promise(
        self, pick: float, lang: str, topic: Topic | None, persona: Persona, inside: bool
    ) -> tuple[list[Turn], Topic | None]:
        turns: list[Turn]
        if pick < 0.12:
            turns, topic = renamed(self.parts.itself(lang), persona), None
        elif pick < 0.20:
            turns, topic = self.parts.copied(lang), None
        elif pick < 0.35:
            turns, topic = self.parts.scenes.turns(lang, self.rng.choice([1, 1, 2])), None
        elif pick < 0.40:
            turns, topic = self.parts.mistaken(lang)
        elif pick < 0.43 and inside:
            turns = [("user", self.parts.phrase("ok", lang)), ("assistant", self.parts.answer("ok", lang))]
        else:
            turns, topic = self.parts.question(lang)
            if inside and self.rng.random() < 0.25 and topic.entry.framed:
                turns = [("user", self.parts.phrase("topic", lang) + turns[0][1]), *turns[1:]]
            turns = renamed(turns, persona)
        return turns, topic

    def mannered(self, lang: str, turns: int | None = None) -> list[Turn]:
        """Draw a conversation whose system text changes the manner of every answer."""
        entries = [self.parts.corpus.entries[name] for name in MANNERS]
        entry = self.rng.choice([entry for entry in entries if lang in entry.wordings])
        count = turns or self.rng.choice([1, 1, 2, 2, 3, 4, 5])
        drawn: list[Turn] = []
        while count:
            sample = self.parts.corpus.sample(entry, {}, lang)
            if not self.parts.free(sample.question, lang):
                continue
            system, *rest = sample.turns
            drawn += rest if drawn else [self._longer(system, lang), *rest]
            count -= 1
        return drawn

    def _longer(self, system: Turn, lang: str) -> Turn:
        """Perhaps put sentences that change nothing before or behind a system text."""
        pick = self.rng.random()
        if pick < 0.6:
            return system
        space, text = " " if lang == "en" else "", self.beside(lang, self.rng.choice([1, 2, 4]))
        return "system", f"{text}{space}{system[1]}" if pick < 0.8 else f"{system[1]}{space}{text}"

    def copying(self, most: int = 18) -> list[Turn]:
        """Draw copies behind something long: a system text, earlier turns, or both."""
        lang = self.rng.choice(LANGUAGES)
        self.told.clear()
        turns: list[Turn] = []
        if self.rng.random() < 0.75:
            sentences = self.rng.randint(1, most)
            text = self.beside(lang, sentences)
            later: list[Callable[[], list[Turn]]] = []
            if self.rng.random() < 0.4:
                text, later = self._with_facts(lang, text)
            turns.append(("system", text))
            turns += [turn for ask in later for turn in ask()]
        for _ in range(self.rng.choice([0, 0, 1, 2])):
            turns += self.parts.question(lang)[0]
        for _ in range(self.rng.choice([1, 2, 3])):
            turns += self.parts.copied(lang)
        return turns

    def calling(self) -> list[Turn]:
        """Draw a conversation in which tools are offered."""
        lang = self.rng.choice(LANGUAGES)
        text = "" if self.rng.random() < 0.5 else self.plain(lang, most=4)
        return self.parts.calling.turns(lang, text)

    def seeing(self) -> list[Turn]:
        """Draw a conversation about a described picture."""
        lang = self.rng.choice(LANGUAGES)
        turns: list[Turn] = [("system", self.plain(lang))] if self.rng.random() < SYSTEM else []
        for _ in range(self.rng.choice([0, 0, 1])):
            turns += self.parts.question(lang)[0]
        return turns + self.parts.scenes.turns(lang, self.rng.choice([1, 2, 3, 4]))

    def long(self) -> list[Turn]:
        """Draw a conversation of many turns, up to the last positions."""
        return self.chat(self.rng.randint(12, 26))

    def mixed(self, shares: Sequence[float] = SHARES) -> Iterator[list[Turn]]:
        """Draw conversations of all kinds for ever, in the shares of :data:`SHARES` unless others are given."""
        kinds = (self.chat, self.calling, self.copying, self.seeing, self.long)
        while True:
            yield self.rng.choices(kinds, shares)[0]()


def renamed(turns: list[Turn], persona: Persona) -> list[Turn]:
    """Return turns in which the assistant names itself as its system text says."""
    if not persona.name:
        return turns
    return [(role, text.replace("Pocket", persona.name) if role == "assistant" else text) for role, text in turns]


def _pair(question: str, answer: str) -> Callable[[], list[Turn]]:
    return lambda: [("user", question), ("assistant", answer)]


def _with_promise(
    parts: tuple[list[Turn], Callable[[], list[Turn]]],
) -> tuple[list[Turn], None, Callable[[], list[Turn]]]:
    turns, later = parts
    return turns, None, later
