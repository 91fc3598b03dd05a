"""Text that was read in a wrong encoding, or has lost characters on the way. Knows encodings; nothing of rows.

A file can be UTF-8 without a fault and hold such text all the same: whoever wrote it had misread it before.
"""

from __future__ import annotations

import re
from collections.abc import Callable

SAMPLE = 400  # characters by which a misreading is told
# a run of bytes that a reader put in as they were; of ASCII's controls, tab and line ends are none
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
_QUESTION_MARKS = re.compile(r"[\s?？,，.。!！:：;；]*(?:[?？]\s*){4}[\s?？,，.。!！:：;；]*")
_ESCAPES = re.compile(
    r"(?:\\u[0-9a-fA-F]{4}){3}|(?:&#x?[0-9a-fA-F]{2,6};){3}|(?:\\x[89a-f][0-9a-f]){3}"
    r"|(?<![\w/.?=&-])(?:%[89A-F][0-9A-F]){3}"  # in the midst of an address it is right
    r"|\\n(?=\\n|[A-Z0-9\u4e00-\u9fff*#-]|\Z)|(?:&(?:amp|nbsp|quot|apos|#39|ldquo|rdquo|hellip);.*){2}",
    re.DOTALL,
)
_UNICODE = re.compile(r"(?:\\u[0-9a-fA-F]{4}){3}")
_SPEAKS_OF_CODE = re.compile(r"html|xml|entit|escape|regex|latex|python|转义|实体|换行符", re.IGNORECASE)
# a mark in the midst of a text, and marks that turn the way of reading
_UNSEEN = re.compile("[\ufeff\u202d\u202e]")
# accented letters of the West that only a wrong reading puts beside such signs
_BESIDE = re.compile(
    "Ã[\u00a1-\u00bf\u00ad\u00a0]|Ã (?=[a-zA-Z]|\\Z)|Â[\u00a0\u00a1\u00a3\u00a7\u00a9\u00ab\u00ae\u00b0-\u00bf]"
)
_LONG_RUN = 6
_COMMON = re.compile("[的一是不了在人有我你他这来个到说们么什]")
_RUN = re.compile("[\u00a1-\u00ff]{4,}")
# U+FFFD once more misread, and what a debugger fills memory with
_FILLINGS = ("锟斤拷", "烫烫烫", "屯屯屯", "ï»¿", "ï¿½")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_HAN, _HANGUL, _CYRILLIC = re.compile("[\u3400-\u9fff]"), re.compile("[\uac00-\ud7a3]"), re.compile("[Ѐ-ӿ]")
# whose bytes in GBK are no part of a letter of the East in UTF-8, and one of which nearly every sentence has
_SOUND = re.compile("[的是了我在有人这一]")
_JAPANESE = re.compile("[縺繧繝\uff61-\uff9f]")
# what texts of the East are made of, and what their bytes in a wrong encoding may give by chance
_EASTERN = re.compile(rb"[\xe3-\xed\xef][\x80-\xbf]{2}")
_CYRILLIC_BYTES = re.compile(rb"\xd0[\x81\x84\x86\x87\x90-\xbf]|\xd1[\x80-\x8f\x91\x94\x96\x97]")  # today's letters
_ASCII = re.compile(rb"[\x00-\x7f]+")
_RARE = re.compile(
    "[^\\x00-\\x7f·×°\u2010-\u203f\u2460-\u24ff\u2500-\u26ff\u3000-\u30ff\u3400-\u9fff\uac00-\ud7a3\uff00-\uffefЀ-ӿ]"
)
_LATIN = re.compile("[\u0080-\u00ff]")
_WINDOWS = {bytes([byte]).decode("cp1252", "ignore"): byte for byte in range(0x80, 0xA0)}


def damage(text: str) -> str:
    """Return what is wrong with the characters of a text, a key of ``data.damages``; ``''`` where nothing is."""
    looks = _OF_ASCII if text.isascii() else _DAMAGES
    return next((kind for kind, is_damaged in looks.items() if is_damaged(text)), "")


def _is_misread(text: str) -> bool:
    return any(filling in text for filling in _FILLINGS) or _is_accents(text) or bool(original(text))


def _is_escaped(text: str) -> bool:
    """Whether letters stand as escapes; in code they belong to its language."""
    if not any(mark in text for mark in ("\\", "&", "%")) or _SPEAKS_OF_CODE.search(text):
        return "\\u" in text and bool(_UNICODE.search(_CODE.sub("", text)))
    return bool(_ESCAPES.search(_CODE.sub("", text)))


_DAMAGES: dict[str, Callable[[str], object]] = {
    "replaced": lambda text: "\ufffd" in text,
    "private": _PRIVATE.search,
    "misread": _is_misread,
    "control": lambda text: _CONTROL.search(text) or _UNSEEN.search(text),
    "question_marks": lambda text: "?" in text and _QUESTION_MARKS.fullmatch(text),
    "escaped": _is_escaped,
}
_OF_ASCII = {kind: _DAMAGES[kind] for kind in ("control", "question_marks", "escaped")}


def original(text: str) -> str:
    """Return what a text was before it was read in a wrong encoding, as far as that is left; ``''`` where it was
    not."""
    sample = text[:SAMPLE]
    if _LATIN.search(sample):
        raw = b"".join(_western(character) for character in sample)
        decoded = raw.decode("utf-8", "replace")
        broken = decoded.count("\ufffd")
        if sum(character > "\x7f" for character in decoded) > 5 * broken:
            return decoded
        if _is_accents(sample) and _COMMON.search(
            hanzi := sample.encode("latin-1", "ignore").decode("gb18030", "replace")
        ):
            return hanzi
    codecs = ["gb18030", "big5"] if _HAN.search(sample) and not _SOUND.search(sample) else []
    codecs += ["cp932"] if _JAPANESE.search(sample) else []
    codecs += ["cp949"] if _HANGUL.search(sample) else []
    codecs += ["cp1251"] if _CYRILLIC.search(sample) else []
    raws = (sample.encode(codec, "ignore") for codec in codecs)
    meant = (raw.decode("utf-8", "replace") for raw in raws if _is_letters(raw))
    return next((candidate for candidate in meant if 4 * len(_RARE.findall(candidate)) <= len(candidate)), "")


def _is_accents(text: str) -> bool:
    """Whether accented letters of the West stand in runs, as bytes of another encoding do that was read as theirs: in
    their own languages they stand alone, and beside no such signs."""
    runs = sum(map(len, _RUN.findall(text)))
    letters = sum(character.isalpha() for character in text)
    return bool(_BESIDE.search(text)) or (runs >= _LONG_RUN and runs >= 0.8 * len(_LATIN.findall(text)) > 0.2 * letters)


def _is_letters(raw: bytes) -> bool:
    """Whether most bytes beyond ASCII are those of letters of the East, or of a few Cyrillic ones at least, in UTF-8:
    by chance two bytes are often such a letter, and hardly ever several different ones; a name that is said twice is
    one chance and not two."""
    beyond = len(raw) - sum(map(len, _ASCII.findall(raw)))
    eastern, cyrillic = _EASTERN.findall(raw), _CYRILLIC_BYTES.findall(raw)
    of_the_east = len(set(eastern)) >= 2 and 3 * len(eastern) >= 0.6 * beyond
    return of_the_east or (len(set(cyrillic)) >= 4 and 2 * len(cyrillic) >= 0.9 * beyond)


def _western(character: str) -> bytes:
    """The byte that Windows-1252, or where it has none Latin-1, reads as this character; empty where neither does."""
    byte = _WINDOWS.get(character, ord(character))
    return bytes([byte]) if byte < 0x100 else b""
