"""The hand-written banks of identity questions, as values.

Knows the files in ``datasets/identity``; nothing of a persona.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from workbench import shipped


@dataclass(frozen=True, slots=True)
class Group:
    """Hold one wording in several spellings.

    Args:
        name: unique in its language.
        intent: what the questions want to know.
        asks: the spellings, with placeholders.
        answer: the key of the answers.
        expects: what a right answer must contain: ``name``, ``author``, ``name_and_author`` or ``none``.
        form: ``question``, ``request`` or ``statement``; decides which words may be put before it.
        after: the key of the openers that go before it; empty for a first turn.
        system: whether it always stands under a system prompt.
    """

    name: str
    intent: str
    asks: tuple[str, ...]
    answer: str
    expects: str
    form: str = "question"
    after: str = ""
    system: bool = False


@dataclass(frozen=True, slots=True)
class Bank:
    """Hold all that is written for one language.

    Args:
        groups: the wordings, in the order of the file.
        selves: ``self`` and ``self2`` → manner → ``author`` or ``alone`` → a clause without its final mark.
        answers: key → manner → sentences, the main one first.
        prefixes: form → words before a question.
        opened: how a question begins that takes no such words.
        thanks: words after a question.
        systems: neutral system prompts.
        openers: key → pairs of a question and its answer.
        values: placeholder sets: ``others`` (other, maker), ``also``, ``wrong``, ``person``.
    """

    lang: str
    groups: tuple[Group, ...]
    selves: Mapping[str, Mapping[str, Mapping[str, str]]]
    answers: Mapping[str, Mapping[str, tuple[str, ...]]]
    prefixes: Mapping[str, tuple[str, ...]]
    opened: tuple[str, ...]
    thanks: tuple[str, ...]
    systems: tuple[str, ...]
    openers: Mapping[str, tuple[tuple[str, str], ...]]
    others: tuple[Mapping[str, str], ...]
    also: tuple[str, ...]
    wrong: tuple[str, ...]
    person: tuple[str, ...]


@cache
def bank(lang: str) -> Bank:
    """Return the bank of ``lang`` (``zh`` or ``en``)."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content = yaml.load(shipped.path(f"identity/{lang}.yaml").read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
    return Bank(
        lang=lang,
        groups=tuple(_groups(content["intents"])),
        selves={"self": content["self"], "self2": content["self2"]},
        answers={key: {m: tuple(sentences) for m, sentences in by.items()} for key, by in content["answers"].items()},
        prefixes={form: tuple(phrases) for form, phrases in content["prefixes"].items()},
        openers={key: tuple((q, a) for q, a in pairs) for key, pairs in content["openers"].items()},
        others=tuple(content["others"]),
        **{key: tuple(content[key]) for key in ("opened", "thanks", "systems", "also", "wrong", "person")},
    )


def _groups(intents: Mapping[str, Any]) -> list[Group]:
    """The groups of all intents; what a group does not say, its intent says."""
    groups = []
    for intent, entry in intents.items():
        shared = {key: entry[key] for key in ("answer", "expects", "system") if key in entry}
        for name, definition in entry["groups"].items():
            fields = dict(definition) if isinstance(definition, Mapping) else {"ask": definition}
            asks = tuple(fields.pop("ask"))
            groups.append(Group(name=name, intent=intent, asks=asks, **{**shared, **fields}))
    return groups
