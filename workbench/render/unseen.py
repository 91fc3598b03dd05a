"""Characters that show nothing, or steer the direction of others, written by their number. Knows Unicode, no page.

A hidden character in a set is trained like any other, and may carry words that nobody sees (tags, U+E0041).
"""

from __future__ import annotations

import re

# Format characters that are drawn: the signs that stand round Arabic and other numbers.
_DRAWN = "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
# Beside what Unicode calls ignorable: separators of lines, the wide space, and fillers drawn as an empty place.
_EMPTY = "\u2028\u2029\u3000\u115f\u1160\u3164\uffa0\u2800"
_JOINERS = "\u200c\u200d"
_FLAG = "\U0001f3f4"  # the black flag, which tags make a region's


def marked(content: str, *, joiners: bool = True) -> str:
    """Return ``content`` with ⟨U+200B⟩ for what shows nothing; what joins an emoji stays.

    Args:
        content: any text.
        joiners: whether those between letters are marked too, which some scripts (Persian, Hindi) need to be read.
    """
    if content.isascii():
        return content
    import regex

    unseen = rf"[\p{{Cf}}\p{{Default_Ignorable_Code_Point}}{_EMPTY}--[{_DRAWN}]]"
    if not regex.search(unseen, content, regex.VERSION1):
        return content
    finder = regex.compile(unseen, regex.VERSION1)
    emoji = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}|[0-9#*]\ufe0f?\u20e3")

    def mark(content: str) -> str:
        drawn = bool(emoji.match(content))
        return str(finder.sub(lambda match: _one(match, content, drawn, joiners), content))

    return "".join(map(mark, regex.findall(r"\X", content)))


def _one(match: re.Match[str], content: str, emoji: bool, joiners: bool) -> str:
    """What is written for one such character inside the grapheme ``content``."""
    character = match.group()
    selects = character in "\ufe0e\ufe0f\u200d" and match.start() > 0
    tags = content.startswith(_FLAG) and "\U000e0020" <= character <= "\U000e007f" and content.endswith("\U000e007f")
    letters = not joiners and character in _JOINERS and match.start() > 0
    return character if (emoji and (selects or tags)) or letters else f"⟨U+{ord(character):04X}⟩"
