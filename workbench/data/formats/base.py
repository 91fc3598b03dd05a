"""What a format of rows is. Knows rows and messages as values; no format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import Location, Row

# How sure a row's fields are of their format; of several formats that a row fits, the surest is meant.
TEXT, RENDERED, PART, NAMES, MARK, ANSWER = 1, 2, 3, 4, 5, 6

Parser = Callable[[dict[str, Any], Location, dict[str, Any]], list[Message]]


@dataclass(frozen=True, slots=True)
class Format:
    """Hold a layout of rows, and how a row of it becomes messages. One file of this folder each, as ``FORMAT``.

    Args:
        name: what ``--format`` takes.
        fields: the fields by which people know it.
        marks: how sure it is that a row is in this format: one of ``TEXT`` … ``ANSWER``, or 0 where it is not.
        parse: the messages of a row; takes out of the row what it has read, and puts into the last argument what single
            messages held beyond their fields, by index.
        keys: the fields that tell it, to name one that is misspelt.
        as_xtuner: the same as XTuner 0.1.23 reads it, where that differs.
        gather: several rows to one where a row is less than a conversation.
        plain: whether it is plain text: all of it is trained, and no template adds a marker.
    """

    name: str
    fields: str
    marks: Callable[[dict[str, Any]], int]
    parse: Parser
    keys: tuple[str, ...] = ()
    as_xtuner: Parser | None = None
    gather: Callable[[Sequence[Row]], list[Row]] | None = None
    plain: bool = False
