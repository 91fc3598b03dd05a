"""What an answer must say to be right, whatever its wording: keys from the tables, with what counts as the same.

Knows entries and ``keys.yaml``. Must not know how an answer is judged, nor any model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from workbench.models.pocket import facts, phrasing, procedures

if TYPE_CHECKING:
    from workbench.models.pocket.corpus import Sample
    from workbench.models.pocket.facts import Entry, Row

_MARKS = ".。!！?？"


def keys_of(sample: Sample) -> list[list[str]]:
    """Groups of alternatives, one of each of which an answer to ``sample`` must say; empty where no fact is asked for.

    An alternative that the question itself contains is left out: an echo of the question is no knowledge. Sentences in
    another manner (brief, in capitals, in the other language) have the keys of the fact that they ask for.
    """
    none = facts.document("keys")["none"]
    for entry, lang, row in _readings(sample):
        if entry.kind in none or entry.name in none:
            return []
        groups = [_without(group, sample.question) for group in _groups(entry, lang, row, sample.question)]
        return groups if all(groups) else []
    return []


def _readings(sample: Sample) -> Iterator[tuple[Entry, str, Row]]:
    """The entries, languages and rows whose answer is that of ``sample``; the nearest first."""
    entry = facts.entries()[sample.entry]
    if entry.manner is None:
        base = facts.entries()[entry.follows] if entry.follows else entry
        yield from _read(base, sample.lang, sample.answer)
        return
    own = entry.wordings[sample.lang]
    bare = sample.answer.removeprefix(own.prefix).removesuffix(own.suffix)
    for name in entry.of:
        for lang in (sample.lang, *(one for one in facts.LANGUAGES if one != sample.lang)):
            if sample.fact.startswith(f"{name}-"):
                yield from _read(facts.entries()[name], lang, bare)


def _read(entry: Entry, lang: str, answer: str) -> Iterator[tuple[Entry, str, Row]]:
    """The rows of ``entry`` that make ``answer``, in full or in brief; of computed rows only those that are listed."""
    wording = entry.wordings.get(lang)
    listed = procedures.LISTED.get(entry.procedure or "")
    for row in listed() if listed else entry.rows:
        slots = phrasing.view(row, lang)
        ways = [phrasing.fill(text, slots) for text in (wording.answer, wording.brief) if text] if wording else []
        if answer.casefold() in (way.casefold() for way in ways):
            yield entry, lang, row


def _groups(entry: Entry, lang: str, row: Row, question: str) -> list[list[str]]:
    slots = phrasing.view(row, lang)
    stated = facts.document("keys")["keys"].get(entry.name, {}).get(lang)
    if stated:
        filled = [[phrasing.fill(way, slots) for way in group] for group in stated]
        return [list(dict.fromkeys(word for way in group for word in _alike(way))) for group in filled]
    answer = entry.wordings[lang].answer
    names = dict.fromkeys(slot["name"].lower() for slot in phrasing.SLOT.finditer(answer))
    return [_ways(entry, row, name, lang) for name in names if not _within(slots[name], question)]


def _ways(entry: Entry, row: Row, name: str, lang: str) -> list[str]:
    """A slot's value, in the other language, and in other words."""
    value = phrasing.view(row, lang)[name].rstrip(_MARKS)
    cells = [row.get(f"{name}_{other}", "") for other in facts.LANGUAGES if f"{name}_{lang}" in row]
    ways = [word for cell in (value, *cells, row.get(name, "")) if cell for word in _alike(cell.rstrip(_MARKS))]
    if entry.kind == "authors":
        ways += [way.replace("·", " ").split(" ")[-1] for way in ways]
    if entry.kind == "spelling":
        ways += [value.replace("-", mark) for mark in (" ", ", ", " - ")]
    return list(dict.fromkeys(ways))


def _alike(value: str) -> list[str]:
    """``value`` without a leading article, and what counts as the same."""
    bare = re.sub(r"^(?:the|a|an) ", "", value)
    return list(dict.fromkeys([bare, *(word for group in _sets() if _among(bare, group) for word in group)]))


def _among(value: str, group: Sequence[str]) -> bool:
    return value.casefold() in {word.casefold() for word in group}


@cache
def _sets() -> tuple[tuple[str, ...], ...]:
    """What counts as the same: the list of ``keys.yaml``, and the numbers in figures and in words."""
    stated = [tuple(map(str, group)) for group in facts.document("keys")["alike"]]
    numbers: list[Mapping[str, str]] = list(facts.table("numbers"))
    pair = {"2": ("两",)}
    return (*stated, *((row["n"], row["word_en"], row["word_zh"], *pair.get(row["n"], ())) for row in numbers))


def _without(group: Sequence[str], question: str) -> list[str]:
    begun = question.casefold().lstrip("“\"'「 ")
    return [
        way
        for way in group
        if not (begun.startswith(way[1:].casefold()) if way.startswith("^") else _within(way, question))
    ]


def _within(value: str, question: str) -> bool:
    """Whether ``question`` contains ``value``, as a whole word where it is Latin."""
    wanted, given = (unicodedata.normalize("NFKC", one).casefold() for one in (value.rstrip(_MARKS), question))
    left, right = (r"(?<![a-z0-9])" if wanted[:1].isascii() else "", r"(?![a-z0-9])" if wanted[-1:].isascii() else "")
    return bool(wanted) and re.search(left + re.escape(wanted) + right, given) is not None
