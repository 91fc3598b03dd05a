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
    """``n`` different conversations in which the assistant says who it is, spread evenly over languages and wordings.

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
    wanted = DEFAULT if n is None else n
    if wanted < 1:
        raise BadInput("identity.too_few", given=wanted)
    rounds = [_language(persona, bank(lang), seed) for lang in persona.languages]
    found = list(itertools.islice(_in_turn(rounds), wanted))
    if len(found) < wanted:
        raise BadInput("identity.too_many", given=wanted, maximum=len(found))
    random.Random(f"{seed}/order").shuffle(found)
    return found


def classic_set(persona: Persona, n: int = CLASSIC) -> list[Conversation]:
    """One pair a language, repeated until there are ``n``: the course's classic set, for the lesson on overfitting.

    Raises:
        BadInput: the persona is not usable, or ``n`` is below 1.
    """
    persona = checked(persona)
    if n < 1:
        raise BadInput("identity.too_few", given=n)
    pairs = []
    for lang in persona.languages:
        held = bank(lang)
        group = next(group for group in held.groups if group.name == "introduce")
        pair = _make(persona, held, replace(group, name="classic"), _Choice(Spelling(group.asks[0])), system="", seed=0)
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
        left = []
        for source in sources:
            found = next(source, None)
            if found is not None:
                yield found
                left.append(source)
        sources = left


def _language(persona: Persona, held: Bank, seed: int) -> Iterator[Conversation]:
    """All conversations of one language: one of each group, then the second of each group, and so on."""
    rng = random.Random(f"{seed}/{held.lang}")
    groups = spread(list(held.groups), lambda group: group.intent, rng)
    return _in_turn([_group(persona, held, group, seed) for group in groups])


def _group(persona: Persona, held: Bank, group: Group, seed: int) -> Iterator[Conversation]:
    """All different conversations of one group, its spellings in turn."""
    rng = random.Random(f"{seed}/{held.lang}/{group.name}")
    asks = list(group.asks)
    rng.shuffle(asks)
    seen = set()
    for choice in _in_turn([_choices(persona, held, group, ask, seed) for ask in asks]):
        system = rng.choice(held.systems) if group.system or (not group.after and rng.random() < _SYSTEM_SHARE) else ""
        made = _make(persona, held, group, choice, system=system, seed=seed)
        if made is None:
            continue
        said = tuple(message.content for message in made.messages if message.role == "user")
        if said not in seen:
            seen.add(said)
            yield made


def _choices(persona: Persona, held: Bank, group: Group, ask: str, seed: int) -> Iterator[_Choice]:
    """Every way to put ``ask``, in random order, the plain ones first for a part of the asks."""
    rng = random.Random(f"{seed}/{held.lang}/{group.name}/{ask}")
    openers: list[tuple[str, str] | None] = list(held.openers[group.after]) if group.after else [None]
    prefixes = () if group.after else held.prefixes[group.form]
    thanks = () if group.after or group.form == "statement" else held.thanks
    typed = spellings(ask, held.lang, prefixes=prefixes, opened=held.opened, thanks=thanks)
    values = _values(persona, held, ask, pairs_only=group.answer == "third")
    found = [_Choice(*way) for way in itertools.product(typed, values, openers)]
    rng.shuffle(found)
    if rng.random() < _PLAIN_SHARE:
        found.sort(key=lambda choice: choice.spelling is not typed[0])
    if rng.random() < _FORMER_SHARE:
        former = next((at for at, choice in enumerate(found) if choice.values.get("other") in held.also), 0)
        found.insert(0, found.pop(former))
    yield from found


def _values(persona: Persona, held: Bank, ask: str, *, pairs_only: bool) -> list[dict[str, str]]:
    """What may stand for the placeholders of ``ask``: never anything that is the persona's own name or author."""
    if "{wrong}" in ask:
        return [{"wrong": name} for name in held.wrong if not _is_own(persona, name)]
    if "{person}" in ask:
        return [{"person": name} for name in held.person if not _is_own(persona, name)]
    if "{other}" not in ask and "{maker}" not in ask:
        return [{}]
    pairs = [dict(pair) for pair in held.others if not any(_is_own(persona, value) for value in pair.values())]
    if "{other2}" in ask:
        # neighbours in the list may come from one maker, so the partner stands further on
        return [{**pair, "other2": pairs[(at + 3) % len(pairs)]["other"]} for at, pair in enumerate(pairs)]
    if "{maker}" in ask:
        return [{"maker": maker} for maker in dict.fromkeys(pair["maker"] for pair in pairs)]
    return pairs + ([] if pairs_only else [{"other": name} for name in held.also if not _is_own(persona, name)])


def _is_own(persona: Persona, value: str) -> bool:
    """Whether ``value`` is part of the persona's name or author, or the other way round."""
    given = _fold(value)
    for own in (_fold(persona.name), _fold(persona.author)):
        # one or two letters of the alphabet stand in any word, and make none one's own
        telling = len(own) > (2 if own.isascii() else 1)
        if own and (given in own or (telling and own in given)):
            return True
    return False


def _fold(text: str) -> str:
    """``text`` without case and width."""
    return unicodedata.normalize("NFKC", text).casefold()


def _make(
    persona: Persona, held: Bank, group: Group, choice: _Choice, *, system: str, seed: int
) -> Conversation | None:
    """The conversation, or None where its answer would say what it must not."""
    own = {"name": persona.name, "author": persona.author, "purpose": persona.purpose}
    values = {**own, **choice.values}
    typed = {**own, **{key: value.lower() for key, value in choice.values.items()}} if choice.spelling.lower else values
    messages = [Message("system", system)] if system else []
    if choice.opener:
        messages.append(Message("user", choice.opener[0]))
        messages.append(Message("assistant", fill(_selves(persona, held, choice.opener[1]), values), train=False))
    messages.append(Message("user", fill(choice.spelling.text, typed)))
    prompt = "\n".join(message.content for message in messages)
    key = question_key(tuple(messages))
    answer = fill(_sentence(persona, held, group, random.Random(f"{seed}/{key}")), values)
    expects = _expects(persona, group)
    if expects == "none" and any(said and _fold(said) in _fold(answer) for said in (persona.name, persona.author)):
        return None  # a name such as "Nice" would make a right answer look wrong
    return Conversation(
        (*messages, Message("assistant", answer)),
        group=f"identity/{held.lang}/{group.name}",
        kind="identity",
        lang=held.lang,
        meta={"intent": group.intent, "expects": expects, "told": _told(persona, expects, prompt)},
    )


def _sentence(persona: Persona, held: Bank, group: Group, rng: random.Random) -> str:
    """The answer's sentence with its placeholders; the same question always draws the same one."""
    key = group.answer
    if persona.purpose and f"{key}_purpose" in held.answers:
        key = f"{key}_purpose"
    if not persona.author and f"{key}_alone" in held.answers:
        key = f"{key}_alone"
    by_manner = held.answers[key]
    main, *rest = by_manner.get(persona.manner) or by_manner["plain"]
    said = main if rng.random() < _MAIN_SHARE or not rest else rng.choice(rest)
    return _selves(persona, held, said)


def _selves(persona: Persona, held: Bank, said: str) -> str:
    """``said`` with ``{self}`` and ``{self2}`` written out; name and author stay placeholders."""
    which = "author" if persona.author else "alone"
    for key, by_manner in held.selves.items():
        said = said.replace(f"{{{key}}}", by_manner[persona.manner][which])
    return said


def _expects(persona: Persona, group: Group) -> str:
    """What a right answer contains; without an author, the name."""
    return group.expects if persona.author or group.expects == "none" else "name"


def _told(persona: Persona, expects: str, prompt: str) -> bool:
    """Whether the prompt already says something of what is expected."""
    own = {"name": persona.name, "author": persona.author}
    return any(own[part] in prompt for part in expects.split("_and_") if part in own)
