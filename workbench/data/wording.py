"""How a question is typed, and how a name is set into a sentence.

Knows punctuation and case; nothing of banks, personas or answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_MARKS = ".?!。？！"
# A name that begins or ends with one of these is set in quotation marks.
_UNQUIET = ",;:!?，。；：！？、…"
_QUOTES = ("“”", "‘’", "「」", "『』")
_CAPITAL_WORDS = ("I", "I'm", "I'd", "I'll", "I've", "AI")


@dataclass(frozen=True, slots=True)
class Spelling:
    """Hold a question as somebody types it, with its placeholders; ``lower``: its names are typed in lower case too."""

    text: str
    lower: bool = False


def spellings(
    ask: str, lang: str, *, prefixes: tuple[str, ...] = (), opened: tuple[str, ...] = (), thanks: tuple[str, ...] = ()
) -> list[Spelling]:
    """Return the ways in which ``ask`` is typed, the plain one first; all different.

    Args:
        ask: a sentence with its final mark.
        lang: ``zh`` or ``en``.
        prefixes: words to put before it, with their own punctuation; after ``|`` the final mark that they ask for.
        opened: beginnings that take no prefix.
        thanks: sentences to put behind it.
    """
    fitting = () if ask.lower().startswith(opened) else prefixes
    variants = [Spelling(ask), *_marks(ask, lang)]
    for number, prefix in enumerate(fitting):
        with_prefix = _prefixed(prefix, ask, lang)
        variants.append(Spelling(with_prefix))
        # not every prefix in every spelling: enough to be used to it
        variants += _marks(with_prefix, lang) if number < 3 else []
    space = " " if lang == "en" else ""
    variants += [Spelling(f"{ask}{space}{word}") for word in thanks if ask[-1] in _MARKS]
    return list(dict.fromkeys(variants))


def _marks(ask: str, lang: str) -> list[Spelling]:
    """Without the final mark, with the other width's, and in lower case."""
    bare = ask.rstrip(_MARKS)
    if lang == "zh":
        return [Spelling(bare), *([Spelling(f"{bare}?")] if ask.endswith("？") else [])]
    lower = ask.lower()
    return [Spelling(bare), Spelling(lower, True), Spelling(bare.lower().replace("'", ""), True)]


def _prefixed(prefix: str, ask: str, lang: str) -> str:
    """``ask`` behind ``prefix``, with a small first letter where the sentence goes on."""
    before, _, end = prefix.partition("|")
    goes_on = not before.rstrip().endswith(("!", ".", "?"))
    first = ask.split(maxsplit=1)[0].strip(",")
    if lang == "en" and goes_on and first not in _CAPITAL_WORDS:
        ask = ask[0].lower() + ask[1:]
    return before + (ask.rstrip(_MARKS) + end if end else ask)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return ``template`` with each ``{placeholder}`` replaced once; a value's own braces are never read as a
    placeholder.

    A value that begins or ends with a sentence's mark (``小芽！``, ``Who?``) is set in quotation marks, and after one
    that ends with a full stop (``Inc.``) the sentence's own is left out, so that no mark is ever doubled.
    """
    parts: list[str] = []
    position = 0
    for match in _PLACEHOLDER.finditer(template):
        parts.append(template[position : match.start()])
        value = quiet(values[match.group(1)])
        position = match.end()
        if value.endswith(".") and template.startswith((".", "。"), position):
            position += 1
        parts.append(value)
    return "".join([*parts, template[position:]])


def quiet(value: str) -> str:
    """Return ``value``, in quotation marks if its first or last character would be read as the sentence's own mark."""
    if not value or (value[0] not in _UNQUIET and value[-1] not in _UNQUIET):
        return value
    marks = next((pair for pair in _QUOTES if not set(pair) & set(value)), _QUOTES[0])
    return f"{marks[0]}{value}{marks[1]}"
