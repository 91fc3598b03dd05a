"""Questions about itself in every wording of the identity bank, with the pocket model's own answers.

A large base understands whoever asks who it is, however they put it; a small one must have been asked. What it learns
here is what such questions mean; whom to name is left to the fine-tuning. Knows the bank; nothing of tokens or models.
"""

from __future__ import annotations

from workbench.data.bank import Group, bank
from workbench.data.conversation import Conversation, Persona
from workbench.data.identity import identity_set
from workbench.models.pocket import facts
from workbench.models.pocket.corpus import Sample

NAME = "Pocket"

APART = ("user", "third")
"""Intents that ask for somebody else."""
ANSWERS = {
    "who": "who", "yes": "who", "neither": "who", "maker": "maker", "can": "can", "call": "name", "have": "name",
    "alive": "human", "gender": "human",
}  # fmt: skip
"""The key of the bank's answers → the entry whose answer is the pocket model's own."""


def samples(count: int, seed: int = 0) -> list[Sample]:
    """``count`` different conversations, spread evenly over languages and wordings."""
    made = identity_set(Persona(name=NAME), count, seed=seed)
    return [_sample(c) for c in made if c.meta["intent"] not in APART]


def _sample(conversation: Conversation) -> Sample:
    lang = conversation.lang
    name = str(conversation.group).rpartition("/")[2]
    group = next(group for group in bank(lang).groups if group.name == name)
    entry = _entry(group)
    turns = [(message.role, message.content) for message in conversation.messages]
    if group.after in ("who", "made"):  # the earlier turns are about itself too
        at = next(number for number, (role, _) in enumerate(turns) if role == "assistant")
        turns[at] = ("assistant", _answer("identity/who", lang))
    turns[-1] = ("assistant", _answer(entry, lang))
    return Sample(tuple(turns), entry, lang, name)


def _entry(group: Group) -> str:
    """The entry of the tables whose answer fits the questions of ``group``."""
    if group.answer == "no":
        if any("{maker}" in ask for ask in group.asks):
            return "identity/company"
        return "identity/human" if "human" in group.name else "identity/other"
    if group.intent == "name" and group.answer == "who":
        return "identity/name"
    return f"identity/{ANSWERS[group.answer]}"


def _answer(entry: str, lang: str) -> str:
    return facts.entries()[entry].wordings[lang].answer
