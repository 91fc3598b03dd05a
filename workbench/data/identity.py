"""Identity sets: a persona's questions and answers.

Knows the banks and the persona; nothing of general conversations, tokens or training.
"""

from __future__ import annotations

import itertools
import random
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from workbench.data.bank import Bank, Group, bank
from workbench.data.conversation import Conversation, Message, Persona
from workbench.data.ordering import question_key, spread
from workbench.data.persona import checked
from workbench.data.wording import Spelling, fill, spellings
from workbench.errors import BadInput

T = TypeVar("T")
DEFAULT = 1200  # of two languages; most spellings of each wording once
CLASSIC = 1000
_PLAIN_SHARE = 0.5  # of the first questions of a wording: typed as written in the bank
_MAIN_SHARE = 0.75  # of the questions: answered with the main sentence
_SYSTEM_SHARE = 0.1  # of the first-turn questions: under a neutral system prompt
_FORMER_SHARE = 0.25  # of the spellings with another assistant's name: first with the embedded base's own


def identity_set(persona: Persona, n: int | None = None, *, seed: int = 0) -> list[Conversation]:
    """Return ``n`` different conversations in which the assistant says who it is, spread evenly over languages and
    wordings.

    Each has ``kind="identity"``, ``lang``, ``group`` (``identity/zh/maker-train``: one wording) and ``meta``:
    ``intent``; ``expects``, what a right answer says (``name``, ``author``, ``name_and_author``; ``none``: neither);
    ``told``, whether the prompt itself already says it (``Are you Sprout?``), so that copying would pass for knowing.

    The earlier answers of a dialogue carry ``train=False``. The same arguments give the same set, on every machine.

    Args:
        persona: who the assistant is to be.
        n: how many, of all languages together; 1200 if not given.
        seed: which of the possible ones.

    Raises:
        BadInput: the persona is not usable, or there are not so many different conversations.
    """
    persona = checked(persona)
    count = DEFAULT if n is None else n
    if count < 1:
        raise BadInput("identity.too_few", given=count)
    rounds = [_language(persona, bank(lang), seed) for lang in persona.languages]
    conversations = list(itertools.islice(_in_turn(rounds), count))
    if len(conversations) < count:
        raise BadInput("identity.too_many", given=count, maximum=len(conversations))
    random.Random(f"{seed}/order").shuffle(conversations)
    return conversations


def classic_set(persona: Persona, n: int = CLASSIC) -> list[Conversation]:
    """Return one pair a language, repeated until there are ``n``: the course's classic set, for the lesson on
    overfitting.

    Raises:
        BadInput: the persona is not usable, or ``n`` is below 1.
    """
    persona = checked(persona)
    if n < 1:
        raise BadInput("identity.too_few", given=n)
    pairs = []
    for lang in persona.languages:
        material = bank(lang)
        group = next(group for group in material.groups if group.name == "introduce")
        pair = _make(
            persona, material, replace(group, name="classic"), _Choice(Spelling(group.asks[0])), system="", seed=0
        )
        pairs += [pair] if pair else []
    return list(itertools.islice(itertools.cycle(pairs), n))


@dataclass(frozen=True, slots=True)
class _Choice:
    """One way to ask: how it is typed, what stands for the placeholders, what was said before."""

    spelling: Spelling
    values: Mapping[str, str] = field(default_factory=dict)
    opener: tuple[str, str] | None = None


def _in_turn(sources: list[Iterator[T]]) -> Iterator[T]:
    """One of each source in turn, until all are empty."""
    while sources:
        remaining = []
        for source in sources:
            conversation = next(source, None)
            if conversation is not None:
                yield conversation
                remaining.append(source)
        sources = remaining


def _language(persona: Persona, material: Bank, seed: int) -> Iterator[Conversation]:
    """All conversations of one language: one of each group, then the second of each group, and so on."""
    rng = random.Random(f"{seed}/{material.lang}")
    groups = spread(list(material.groups), lambda group: group.intent, rng)
    return _in_turn([_group(persona, material, group, seed) for group in groups])


def _group(persona: Persona, material: Bank, group: Group, seed: int) -> Iterator[Conversation]:
    """All different conversations of one group, its spellings in turn."""
    rng = random.Random(f"{seed}/{material.lang}/{group.name}")
    asks = list(group.asks)
    rng.shuffle(asks)
    seen = set()
    for choice in _in_turn([_choices(persona, material, group, ask, seed) for ask in asks]):
        system = (
            rng.choice(material.systems) if group.system or (not group.after and rng.random() < _SYSTEM_SHARE) else ""
        )
        conversation = _make(persona, material, group, choice, system=system, seed=seed)
        if conversation is None:
            continue
        questions = tuple(message.content for message in conversation.messages if message.role == "user")
        if questions not in seen:
            seen.add(questions)
            yield conversation


def _choices(persona: Persona, material: Bank, group: Group, ask: str, seed: int) -> Iterator[_Choice]:
    """Every way to put ``ask``, in random order, the plain ones first for a part of the asks."""
    rng = random.Random(f"{seed}/{material.lang}/{group.name}/{ask}")
    openers: list[tuple[str, str] | None] = list(material.openers[group.after]) if group.after else [None]
    prefixes = () if group.after else material.prefixes[group.form]
    thanks = () if group.after or group.form == "statement" else material.thanks
    typed = spellings(ask, material.lang, prefixes=prefixes, opened=material.opened, thanks=thanks)
    values = _values(persona, material, ask, pairs_only=group.answer == "third")
    choices = [_Choice(*way) for way in itertools.product(typed, values, openers)]
    rng.shuffle(choices)
    if rng.random() < _PLAIN_SHARE:
        choices.sort(key=lambda choice: choice.spelling is not typed[0])
    if rng.random() < _FORMER_SHARE:
        former = next((index for index, choice in enumerate(choices) if choice.values.get("other") in material.also), 0)
        choices.insert(0, choices.pop(former))
    yield from choices


def _values(persona: Persona, material: Bank, ask: str, *, pairs_only: bool) -> list[dict[str, str]]:
    """What may stand for the placeholders of ``ask``: never anything that is the persona's own name or author."""
    if "{wrong}" in ask:
        return [{"wrong": name} for name in material.wrong if not _is_own(persona, name)]
    if "{person}" in ask:
        return [{"person": name} for name in material.person if not _is_own(persona, name)]
    if "{other}" not in ask and "{maker}" not in ask:
        return [{}]
    pairs = [dict(pair) for pair in material.others if not any(_is_own(persona, value) for value in pair.values())]
    if "{other2}" in ask:
        # neighbours in the list may come from one maker, so the partner stands further on
        return [{**pair, "other2": pairs[(index + 3) % len(pairs)]["other"]} for index, pair in enumerate(pairs)]
    if "{maker}" in ask:
        return [{"maker": maker} for maker in dict.fromkeys(pair["maker"] for pair in pairs)]
    return pairs + ([] if pairs_only else [{"other": name} for name in material.also if not _is_own(persona, name)])


def _is_own(persona: Persona, value: str) -> bool:
    """Whether ``value`` is part of the persona's name or author, or the other way round."""
    folded = _fold(value)
    for identity in (_fold(persona.name), _fold(persona.author)):
        # one or two letters of the alphabet stand in any word, and make none one's own
        telling = len(identity) > (2 if identity.isascii() else 1)
        if identity and (folded in identity or (telling and identity in folded)):
            return True
    return False


def _fold(text: str) -> str:
    """``text`` without case and width."""
    return unicodedata.normalize("NFKC", text).casefold()


def _make(
    persona: Persona, material: Bank, group: Group, choice: _Choice, *, system: str, seed: int
) -> Conversation | None:
    """The conversation, or None where its answer would say what it must not."""
    identity = {"name": persona.name, "author": persona.author, "purpose": persona.purpose}
    values = {**identity, **choice.values}
    typed = (
        {**identity, **{key: value.lower() for key, value in choice.values.items()}}
        if choice.spelling.lower
        else values
    )
    messages = [Message("system", system)] if system else []
    if choice.opener:
        messages.append(Message("user", choice.opener[0]))
        messages.append(Message("assistant", fill(_selves(persona, material, choice.opener[1]), values), train=False))
    messages.append(Message("user", fill(choice.spelling.text, typed)))
    prompt = "\n".join(message.content for message in messages)
    key = question_key(tuple(messages))
    answer = fill(_sentence(persona, material, group, random.Random(f"{seed}/{key}")), values)
    expects = _expects(persona, group)
    if expects == "none" and any(
        detail and _fold(detail) in _fold(answer) for detail in (persona.name, persona.author)
    ):
        return None  # a name such as "Nice" would make a right answer look wrong
    return Conversation(
        (*messages, Message("assistant", answer)),
        group=f"identity/{material.lang}/{group.name}",
        kind="identity",
        lang=material.lang,
        meta={"intent": group.intent, "expects": expects, "told": _told(persona, expects, prompt)},
    )


def _sentence(persona: Persona, material: Bank, group: Group, rng: random.Random) -> str:
    """The answer's sentence with its placeholders; the same question always draws the same one."""
    key = group.answer
    if persona.purpose and f"{key}_purpose" in material.answers:
        key = f"{key}_purpose"
    if not persona.author and f"{key}_alone" in material.answers:
        key = f"{key}_alone"
    by_manner = material.answers[key]
    main, *rest = by_manner.get(persona.manner) or by_manner["plain"]
    sentence = main if rng.random() < _MAIN_SHARE or not rest else rng.choice(rest)
    return _selves(persona, material, sentence)


def _selves(persona: Persona, material: Bank, sentence: str) -> str:
    """``sentence`` with ``{self}`` and ``{self2}`` written out; name and author stay placeholders."""
    which = "author" if persona.author else "alone"
    for key, by_manner in material.selves.items():
        sentence = sentence.replace(f"{{{key}}}", by_manner[persona.manner][which])
    return sentence


def _expects(persona: Persona, group: Group) -> str:
    """What a right answer contains; without an author, the name."""
    return group.expects if persona.author or group.expects == "none" else "name"


def _told(persona: Persona, expects: str, prompt: str) -> bool:
    """Whether the prompt already says something of what is expected."""
    identity = {"name": persona.name, "author": persona.author}
    return any(identity[part] in prompt for part in expects.split("_and_") if part in identity)
