"""Sections to passages for continued pre-training. Knows lengths and sentences; nothing of files.

A passage never reaches over a page, and has its page as its group, so that a split leaves a page on one side. What
stands on many pages alike (a running head) is left out, and a passage that stands in two places goes where the first
one goes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.data.conversation import Conversation, Message
from workbench.data.documents.sections import Section
from workbench.data.ordering import normalised

# characters of a passage: enough to say something, few enough for a small model's 512 tokens
SIZE, LEAST = 600, 30
# a line that stands first or last on so many pages, and on so large a share of them, belongs to none
_OFTEN, _SHARE, _EDGE = 3, 0.4, 80
_SENTENCE = re.compile(r"(?<=[。！？；])\s*|(?<=[.;!?])\s+(?=\S)|\n")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Passages:
    """Hold what became of documents.

    Args:
        conversations: a passage each, of the kind ``text``; ``meta`` says file, page and heading.
        sections: how many sections there were.
        empty: pages without a text: pictures of pages, most likely.
        running: lines left out that stand on many pages.
        short: passages left out as too short to say anything.
    """

    conversations: tuple[Conversation, ...]
    sections: int
    empty: int
    running: int
    short: int


def passages(sections: Iterable[Section], *, size: int = SIZE) -> Passages:
    """Cut the sections of one document or of several into passages.

    Args:
        size: characters that a passage has at most; one sentence that is longer is cut between words.
    """
    read = list(sections)
    bare, running = _without_running(read)
    found: list[Conversation] = []
    short = 0
    for section in bare:
        texts = list(_cut(section.paragraphs, size))
        kept = [text for text in texts if len(normalised(text)) >= LEAST or (len(texts) == 1 and _says(text))]
        short += len(texts) - len(kept)
        found += [_conversation(section, number, text) for number, text in enumerate(kept, 1)]
    empty = sum(not section.paragraphs for section in read if section.page)
    return Passages(tuple(_together(found)), len(read), empty, running, short)


def _says(text: str) -> bool:
    return sum(c.isalpha() for c in text) >= LEAST // 3


def _conversation(section: Section, number: int, text: str) -> Conversation:
    file = Path(section.file).name
    place = f"p{section.page}" if section.page else f"s{section.number}"
    meta: dict[str, Any] = {"document": file, "part": number}
    meta |= {"page": section.page} if section.page else {"section": section.number}
    meta |= {"heading": section.heading} if section.heading else {}
    lang = "zh" if sum("\u4e00" <= c <= "\u9fff" for c in text) * 4 > len(text) else "en" if text.isascii() else ""
    return Conversation(
        (Message("assistant", text),), group=f"{section.file}#{place}", kind="text", lang=lang,
        source=f"{section.file}:{section.number}", meta=meta,
    )  # fmt: skip


def _without_running(sections: Sequence[Section]) -> tuple[list[Section], int]:
    """The sections without the lines that stand first or last on many pages, and how many were taken."""
    pages = [section for section in sections if section.page and section.paragraphs]
    seen: Counter[tuple[str, str]] = Counter()
    for section in pages:
        for line in {_key(line) for text in _edges(section) for line in _ends(text)}:
            seen[section.file, line] += 1
    counted = Counter(section.file for section in pages)
    often = {pair for pair, count in seen.items() if count >= _OFTEN and count > _SHARE * counted[pair[0]]}
    taken, found = 0, []
    for section in sections:
        texts = list(section.paragraphs)
        if section.page:
            texts, count = _bare(section, often)
            taken += count
        found.append(replace(section, paragraphs=tuple(text for text in texts if text)))
    return found, taken


def _edges(section: Section) -> list[str]:
    return [section.paragraphs[0], section.paragraphs[-1]]


def _ends(text: str) -> list[str]:
    return [text] if len(text) <= _EDGE else []


def _key(line: str) -> str:
    """A line without its numbers: the page's own is another on each."""
    return _DIGITS.sub("#", normalised(line))


def _bare(section: Section, often: set[tuple[str, str]]) -> tuple[list[str], int]:
    texts = list(section.paragraphs)
    count = 0
    for place in (0, -1):
        while texts and len(texts[place]) <= _EDGE and (section.file, _key(texts[place])) in often:
            texts.pop(place)
            count += 1
    return texts, count


def _cut(paragraphs: Sequence[str], size: int) -> Iterator[str]:
    """Passages of at most ``size`` characters, of whole paragraphs where they fit, else of whole sentences."""
    held = ""
    for text in paragraphs:
        for piece in [text] if len(text) <= size else _sentences(text, size):
            if held and len(held) + 1 + len(piece) > size:
                yield held
                held = ""
            held = f"{held}\n{piece}" if held else piece
    if held:
        yield held


def _sentences(text: str, size: int) -> Iterator[str]:
    """Runs of whole sentences or lines, parted as they were; one that is longer is cut at a space, or where there is
    none."""
    held = ""
    for gap, sentence in _parted(text):
        if held and len(held) + len(gap) + len(sentence) > size:
            yield held
            held = ""
        held += (gap if held else "") + sentence
        if len(held) > size:
            *pieces, held = _pieces(held, size)
            yield from pieces
    if held:
        yield held


def _parted(text: str) -> Iterator[tuple[str, str]]:
    """The sentences of a text, each with what stands between it and the one before it."""
    gap, begin = "", 0
    for found in _SENTENCE.finditer(text):
        if found.start() > begin:
            yield gap, text[begin : found.start()]
            gap = ""
        gap, begin = gap + found.group(), found.end()
    if begin < len(text):
        yield gap, text[begin:]


def _pieces(text: str, size: int) -> list[str]:
    """A text in pieces of at most ``size``, the last one what remains."""
    pieces, begin = list[str](), 0
    while len(text) - begin > size:
        space = text.rfind(" ", begin + size // 2, begin + size)
        end = space if space > 0 else begin + size
        pieces.append(text[begin:end].strip())
        begin = end
    return [*filter(None, pieces), text[begin:].strip()]


def _together(found: Sequence[Conversation]) -> Iterator[Conversation]:
    """The same passages once each; one that stands on two pages makes one group of both."""
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while parent.setdefault(group, group) != group:
            group = parent[group]
        return group

    first: dict[str, Conversation] = {}
    kept = []
    for item in found:
        earlier = first.setdefault(normalised(item.answer), item)
        if earlier is item:
            kept.append(item)
        else:
            parent[root(item.group)] = root(earlier.group)
    for item in kept:
        yield replace(item, group=root(item.group))
