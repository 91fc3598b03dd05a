"""What a persona may be.

Knows characters, and what must never stand in a name; nothing of the sentences that are made with it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from workbench.data.conversation import Persona
from workbench.errors import BadInput, BadSetting, nearest

MANNERS = ("plain", "warm", "brief")
LANGUAGES = ("zh", "en")
LONGEST = {"name": 60, "author": 60, "purpose": 120}  # code points, after NFC

# What templates read as control: it would end the answer, or open another turn, in the midst of the name.
_CONTROL_TOKEN = re.compile(
    r"<\|[^<>]{0,40}\|>|</?s>|\[/?INST\]|<</?SYS>>"
    r"|</?(?:bos|eos|pad|unk|mask|image|video|audio|eoa|eoh|eosys|eom|think|tool_call|tool_response|start_of_turn|end_of_turn)>",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"\{\{[^{}]*\}\}")
_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
# Format characters (Cf) are invisible, and most have no place in a name; these join letters and emoji, or make a flag.
_JOINERS = {"\u200c", "\u200d", *map(chr, range(0xE0020, 0xE0080))}


def checked(persona: Persona) -> Persona:
    """Return the same persona with its texts stripped and in NFC, its languages without doubles.

    Raises:
        BadInput: no name; too long a text; a line break, an invisible character, a control token or an unfilled
            placeholder in one.
        BadSetting: an unknown manner or language.
    """
    name = _clean("name", persona.name)
    if not name:
        raise BadInput("identity.no_name")
    purpose = _clean("purpose", persona.purpose).rstrip(".。!！;；,，、 ")
    if persona.manner not in MANNERS:
        raise BadSetting("identity.unknown_manner", given=persona.manner, nearest=nearest(persona.manner, MANNERS))
    for lang in persona.languages:
        if lang not in LANGUAGES:
            raise BadSetting("identity.unknown_language", given=lang, nearest=nearest(lang, LANGUAGES))
    languages = tuple(dict.fromkeys(persona.languages))
    if not languages:
        raise BadInput("identity.no_language")
    return replace(persona, name=name, author=_clean("author", persona.author), purpose=purpose, languages=languages)


def _clean(field: str, value: str) -> str:
    """``value`` stripped and in NFC, if it may be the persona's ``field``."""
    text = unicodedata.normalize("NFC", value).strip()
    if any(character in _BREAKS for character in text):
        raise BadInput("identity.line_break", field=field, given=value)
    hidden = next((character for character in text if _is_hidden(character)), None)
    if hidden is not None:
        raise BadInput("identity.hidden_character", field=field, given=value, code=f"U+{ord(hidden):04X}")
    for pattern, key in ((_CONTROL_TOKEN, "identity.control_token"), (_PLACEHOLDER, "identity.placeholder")):
        match = pattern.search(text)
        if match:
            raise BadInput(key, field=field, given=value, found=match.group())
    if len(text) > LONGEST[field]:
        raise BadInput("identity.too_long", field=field, length=len(text), longest=LONGEST[field])
    if text and not any(unicodedata.category(character)[0] in "LNPS" for character in text):
        raise BadInput("identity.nothing_visible", field=field, given=value)
    return text


def _is_hidden(character: str) -> bool:
    """Control characters, lone surrogates, the mark of a failed decoding, invisible ones that join nothing."""
    category = unicodedata.category(character)
    return category in {"Cc", "Cs"} or character == "\ufffd" or (category == "Cf" and character not in _JOINERS)
