"""Rows that are computed rather than listed: sums, ranges, letters, names, strings, captions.

Knows how each procedure makes its rows. Must not know wordings or tokens.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping

from workbench.models.pocket import facts
from workbench.models.pocket.facts import Row

SCRIPTS: tuple[tuple[int, int], ...] = (
    (0x4E00, 0x9FA5),
    (0x4E00, 0x9FA5),
    (0x4E00, 0x9FA5),
    (0x3041, 0x3096),
    (0x30A1, 0x30FA),
    (0xAC00, 0xD7A3),
    (0x0410, 0x044F),
    (0x0391, 0x03C9),
    (0x00C0, 0x017F),
    (0x00C0, 0x017F),
    (0x05D0, 0x05EA),
    (0x0621, 0x064A),
    (0x0E01, 0x0E2E),
    (0x0905, 0x0939),
    (0x1F300, 0x1F64F),
    (0x1F680, 0x1F6C5),
    (0x1F900, 0x1F9FF),
    (0x2600, 0x27BF),
    (0x2010, 0x203A),
    (0x20A0, 0x20BF),
    (0x3400, 0x4DB5),
    (0x20000, 0x2A6D6),
    (0x00A1, 0x00BF),
    (0x1E00, 0x1EFF),
)
"""Ranges of code points from which unusual characters are drawn (Unicode blocks)."""

MARKS = "«»“”‘’\"'()[]{}<>_-–—·.,;:!?/&+*#@$%^~=|\\`《》「」【】、。！？…™©°"


def sums() -> list[Row]:
    """All sums of two digits."""
    digits = range(10)
    return [{"a": str(a), "b": str(b), "c": str(a + b)} for a in digits for b in digits]


def differences() -> list[Row]:
    """All differences of two digits that are not negative."""
    digits = range(10)
    return [{"a": str(a), "b": str(b), "c": str(a - b)} for a in digits for b in digits if b <= a]


def number_pairs() -> list[Row]:
    """Ordered pairs of different digits."""
    return [
        {"a": str(a), "b": str(b), "high": str(max(a, b)), "low": str(min(a, b))}
        for a in range(10)
        for b in range(10)
        if a != b
    ]


def ranges() -> list[Row]:
    """Runs of at least three numbers between 1 and 12."""
    made: list[Row] = []
    for a in range(1, 11):
        for b in range(a + 2, min(a + 9, 12) + 1):
            numbers = [str(n) for n in range(a, b + 1)]
            lists = {"list_comma": ", ".join(numbers), "list_zh": "、".join(numbers)}
            made.append({"a": str(a), "b": str(b), **lists})
    return made


def letters() -> list[Row]:
    """The inner letters of the alphabet with their neighbours."""
    a = string.ascii_uppercase
    return [{"letter": a[i], "next": a[i + 1], "prev": a[i - 1]} for i in range(1, 25)]


def spellings() -> list[Row]:
    """The English words of the table ``words``, spelled with hyphens."""
    return [{"word": row["en"], "spelled": "-".join(row["en"])} for row in facts.table("words")]


def assistants() -> list[Row]:
    """Names of other assistants."""
    return [{"assistant": name} for name in facts.document("names")["assistants"]]


def companies() -> list[Row]:
    """Names of companies and laboratories that make assistants."""
    return [{"company": name} for name in facts.document("names")["companies"]]


def _scripted(rng: random.Random) -> str:
    low, high = rng.choice(SCRIPTS)
    return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 3)))


def _real_name(rng: random.Random) -> str:
    names = facts.document("names")
    if rng.random() < 0.4:
        return str(rng.choice(names["surname"])) + "".join(rng.choice(names["given"]) for _ in range(rng.randint(1, 2)))
    if rng.random() < 0.3:
        return "".join(rng.choice(names["given"]) for _ in range(rng.randint(1, 3)))
    first = str(rng.choice(names["first"]))
    return first if rng.random() < 0.5 else f"{first} {rng.choice(names['last'])}"


def _invented_word(rng: random.Random) -> str:
    word = "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(2, 7)))
    return rng.choice([word, word.capitalize(), word.capitalize(), word.upper()])


def _table_word(rng: random.Random) -> str:
    row = rng.choice(facts.table("words"))
    return row[rng.choice(["en", "zh"])]


def _piece(rng: random.Random) -> str:
    pick = rng.random()
    if pick < 0.30:
        return _scripted(rng)
    if pick < 0.50:
        return _invented_word(rng)
    if pick < 0.65:
        return _real_name(rng)
    if pick < 0.78:
        return str(rng.randint(0, 10 ** rng.randint(1, 4)))
    if pick < 0.90:
        return _table_word(rng)
    return rng.choice(MARKS)


def _wrapped(text: str, rng: random.Random) -> str:
    marks = ["«»", "“”", '""', "''", "()", "《》", "「」", "[]", "<>"]
    pair = rng.choice(marks)
    return pair[0] + text + pair[1]


def mixture(rng: random.Random, most: int = 3) -> str:
    """A text of up to ``most`` pieces of any script, digits and marks."""
    pieces = []
    for _ in range(rng.choice([1, 1, 2, most])):
        piece = _piece(rng)
        pieces.append(_wrapped(piece, rng) if rng.random() < 0.1 else piece)
        pieces.append(rng.choice([" ", " ", "", "_", "-", "·", "'"]))
    return " ".join("".join(pieces[:-1]).split()) or "x"


def _plain(rng: random.Random) -> str:
    """A real name, words, an invented word or a small number: what people give to be repeated."""
    pick = rng.random()
    if pick < 0.40:
        return _real_name(rng)
    if pick < 0.80:
        return " ".join(_table_word(rng) for _ in range(rng.randint(1, 3)))
    return _invented_word(rng) if pick < 0.90 else str(rng.randint(0, 99))


def names(rng: random.Random) -> Row:
    """A person's name: mostly real, some invented, some of one piece in any characters."""
    pick = rng.random()
    name = _real_name(rng) if pick < 0.8 else _invented_word(rng).capitalize() if pick < 0.9 else _scripted(rng)
    return {"name": name.strip(" .。!！?？,，") or "Anna"}


def strings(rng: random.Random) -> Row:
    """A short text to copy, one in ten a mixture of any characters."""
    return {"text": _plain(rng) if rng.random() < 0.9 else mixture(rng, 2)}


def captions(rng: random.Random) -> Row:
    """A short picture caption of one to three groups of shapes, in both languages."""
    parts = facts.document("captions")
    groups = rng.choice([1, 1, 2, 2, 3])
    # Nothing comes twice in a caption: what was said of one group cannot be taken for another's.
    chosen = [rng.sample(parts[name], groups) for name in ("positions", "counts", "colours", "shapes")]
    sizes = rng.sample([*parts["sizes"], {"en": "", "zh": ""}], groups)
    texts = [_group(*group) for group in zip(*chosen, sizes, strict=True)]
    return {
        "caption_en": ", ".join(english for english, _ in texts),
        "caption_zh": "，".join(chinese for _, chinese in texts),
    }


Words = Mapping[str, str]


def _group(position: Words, count: Words, colour: Words, shape: Words, size: Words) -> tuple[str, str]:
    words = [size["en"], colour["en"], shape["en"] if count["en"] == "one" else shape["many"]]
    text = " ".join(word for word in words if word)
    article = "an" if text[0] in "aeiou" else "a"
    english = f"{article if count['en'] == 'one' else count['en']} {text} {position['en']}"
    chinese = f"{position['zh']}有{count['zh']}个{size['zh']}{colour['zh']}{shape['zh']}"
    return english, chinese


LISTED: dict[str, Callable[[], list[Row]]] = {
    "sums": sums,
    "differences": differences,
    "number_pairs": number_pairs,
    "ranges": ranges,
    "letters": letters,
    "spellings": spellings,
    "assistants": assistants,
    "companies": companies,
}
"""Procedures with finitely many rows, each asked ``exposures`` times an epoch."""

ENDLESS: dict[str, Callable[[random.Random], Row]] = {
    "names": names,
    "strings": strings,
    "captions": captions,
}
"""Procedures that draw a new row each time."""
