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
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4}){3}|(?:&#x?[0-9a-fA-F]{2,6};){3}")
# U+FFFD once more misread, and what a debugger fills memory with
_FILLINGS = ("锟斤拷", "烫烫烫", "屯屯屯", "ï»¿", "ï¿½")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_HAN, _HANGUL, _CYRILLIC = re.compile("[\u3400-\u9fff]"), re.compile("[\uac00-\ud7a3]"), re.compile("[Ѐ-ӿ]")
# whose bytes in GBK are no part of a letter of the East in UTF-8, and one of which nearly every sentence has
_SOUND = re.compile("[的是了我在有人这一]")
_JAPANESE = re.compile("[縺繧繝\uff61-\uff9f]")
# what texts of the East are made of, and what their bytes in a wrong encoding may give by chance
_EASTERN, _CYRILLIC_BYTES = re.compile(rb"[\xe3-\xed\xef][\x80-\xbf]{2}"), re.compile(rb"[\xd0\xd1][\x80-\xbf]")
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
    return any(filling in text for filling in _FILLINGS) or bool(original(text))


def _is_escaped(text: str) -> bool:
    """Whether letters stand as escapes; in code they belong to its language."""
    return ("\\u" in text or "&#" in text) and bool(_ESCAPES.search(_CODE.sub("", text)))


_DAMAGES: dict[str, Callable[[str], object]] = {
    "replaced": lambda text: "\ufffd" in text,
    "private": _PRIVATE.search,
    "misread": _is_misread,
    "control": _CONTROL.search,
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
    codecs = ["gb18030", "big5"] if _HAN.search(sample) and not _SOUND.search(sample) else []
    codecs += ["cp932"] if _JAPANESE.search(sample) else []
    codecs += ["cp949"] if _HANGUL.search(sample) else []
    codecs += ["cp1251"] if _CYRILLIC.search(sample) else []
    raws = (sample.encode(codec, "ignore") for codec in codecs)
    meant = (raw.decode("utf-8", "replace") for raw in raws if _is_letters(raw))
    return next((candidate for candidate in meant if 4 * len(_RARE.findall(candidate)) <= len(candidate)), "")


def _is_letters(raw: bytes) -> bool:
    """Whether most bytes beyond ASCII are those of letters of the East, or of a few Cyrillic ones at least, in UTF-8:
    by chance two bytes are often such a letter, and hardly ever two letters."""
    beyond = len(raw) - sum(map(len, _ASCII.findall(raw)))
    eastern, cyrillic = len(_EASTERN.findall(raw)), len(_CYRILLIC_BYTES.findall(raw))
    return (eastern >= 2 and 3 * eastern >= 0.6 * beyond) or (cyrillic >= 4 and 2 * cyrillic >= 0.9 * beyond)


def _western(character: str) -> bytes:
    """The byte that Windows-1252, or where it has none Latin-1, reads as this character; empty where neither does."""
    byte = _WINDOWS.get(character, ord(character))
    return bytes([byte]) if byte < 0x100 else b""
