"""Writes out a template for a row: slots, articles, plurals, lead-ins and light noise.

Knows text only. Must not know kinds, tokens or models.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Mapping, Sequence

SLOT = re.compile(r"\{(?:(?P<article>[aA]) )?(?P<name>\w+)\}")


def view(row: Mapping[str, str], lang: str) -> dict[str, str]:
    """The slots of a row as one language sees them: ``country_en`` is also ``country``."""
    ending = f"_{lang}"
    own = {name[: -len(ending)]: cell for name, cell in row.items() if name.endswith(ending)}
    return {**row, **own}


def plural(noun: str) -> str:
    """The regular English plural of a noun."""
    if noun.endswith(("fish", "sheep", "salmon")):
        return noun
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    if noun.endswith(("s", "x", "sh", "ch", "mango", "potato")):
        return noun + "es"
    return noun + "s"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _value(slots: Mapping[str, str], name: str) -> str:
    if name in slots:
        return slots[name]
    lower = name[0].lower() + name[1:]
    if lower in slots:
        return _capital(slots[lower])
    if name.endswith("s") and name[:-1] in slots:
        return plural(slots[name[:-1]])
    raise KeyError(name)


def fill(template: str, slots: Mapping[str, str]) -> str:
    """The template with every slot written out.

    ``{country}`` takes the cell, ``{Country}`` capitalises it, ``{a animal}`` and ``{A animal}``
    put the English article before it, ``{foods}`` is the plural of ``{food}``.

    Raises:
        KeyError: the row has no such slot.
    """

    def write(match: re.Match[str]) -> str:
        value = _value(slots, match["name"])
        if not match["article"]:
            return value
        article = "an" if value[0].lower() in "aeiou" else "a"
        return f"{article if match['article'] == 'a' else article.capitalize()} {value}"

    return SLOT.sub(write, template)


def normalised(text: str) -> str:
    """What is left of a question when case, spaces and punctuation do not count."""
    folded = unicodedata.normalize("NFKC", text).lower()
    kept = "".join(c for c in folded if c.isalnum() or c in "+-=<>")
    return kept.rstrip("=")


def _typo(text: str, rng: random.Random) -> str:
    """One letter of the template's own words dropped, doubled or swapped; slots stay whole."""
    places = [match.span() for match in re.finditer(r"[A-Za-z]{4,}(?![^{]*\})", text)]
    if not places:
        return text
    start, end = rng.choice(places)
    at = rng.randrange(start, end - 1)
    change = rng.choice(["drop", "double", "swap"])
    middle = {"drop": "", "double": text[at] * 2, "swap": text[at + 1] + text[at]}[change]
    return text[:at] + middle + text[at + (2 if change == "swap" else 1) :]


def framed(template: str, before: Sequence[str], after: Sequence[str], lang: str, rng: random.Random) -> str:
    """The template with perhaps a lead-in, an ending and a slip of the pen."""
    if rng.random() < 0.06:
        template = _typo(template, rng)
    if rng.random() < 0.25:
        template = rng.choice(before) + template
    if rng.random() < 0.10:
        joint = "" if lang == "en" or template[-1] in "。？！：" else "，"
        template = template + joint + rng.choice(after)
    return template


def slip(question: str, rng: random.Random) -> str:
    """The question as people type it: sometimes lower case, without the last mark, and so on."""
    pick = rng.random()
    if pick < 0.20:
        question = question.lower()
    elif pick < 0.22:
        question = question.upper()
    if rng.random() < 0.22:
        question = question.rstrip("?!.。？！ ") or question
    elif rng.random() < 0.12:
        question = question.translate(str.maketrans("？！，：", "?!,:"))
    elif rng.random() < 0.03:
        question = question + rng.choice(["?", "!", "？", " ", "??", "。"])
    return question
