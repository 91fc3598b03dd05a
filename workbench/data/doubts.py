"""Findings on single rows: garbled text, ratings, preferences, columns that are not read, pictures, short answers.

Knows conversations as values; nothing of templates or tokenizers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from workbench.data import columns
from workbench.data.conversation import Conversation
from workbench.data.fields import printable, shorten
from workbench.data.findings import Finding, Rows
from workbench.data.formats.oasst import LEFT_OUT
from workbench.data.formats.transcript import begins_as_turn
from workbench.data.garbled import damage, original
from workbench.data.parsing import EXTRAS
from workbench.data.similar import folded
from workbench.texts import text

SHORT = 3  # characters
# what programs write for a cell that was empty
FILLINGS = ("nan", "NaN", "NAN", "<NA>", "#N/A", "N/A", "null", "NULL", "None", "undefined", "<nooutput>", "<noinput>")
FEW, SHARE = 2, 0.05  # so many short answers, and so great a share of them, are no accident


def _garbled(rows: Rows) -> Iterator[Finding]:
    kinds: dict[str, None] = {}
    indices: list[int] = []
    example = ""
    for index, conversation in enumerate(rows.conversations):
        damages = {part: kind for part in _texts(conversation) if (kind := damage(part))}
        if damages:
            indices.append(index)
            kinds.update(dict.fromkeys(damages.values()))
            example = example or _meant(damages)
    if indices:
        names = tuple(text(f"data.damages.{kind}", rows.lang) for kind in kinds)
        meant = text("data.damages.meant", rows.lang, text=example) if example else ""
        yield rows.finding("garbled_text", indices, kinds=names, meant=meant)


def _meant(damages: Iterable[str]) -> str:
    """The first text that can be read rightly after all, for a sentence."""
    return next((shorten(meant, 30) for garbled in damages if (meant := original(garbled))), "")


def _texts(conversation: Conversation) -> Iterator[str]:
    for message in conversation.messages:
        yield message.content
        if message.thinking:
            yield message.thinking


def _columns(conversation: Conversation) -> Iterator[Mapping[str, Any]]:
    """The row's other columns, then what each message held beyond its fields."""
    yield conversation.meta
    extras = conversation.meta.get(EXTRAS)
    if isinstance(extras, dict):
        yield from (fields for fields in extras.values() if isinstance(fields, dict))


def _by_name(rows: Rows, look: Callable[..., Iterable[str]], *, texts: bool = False) -> tuple[list[int], Counter[str]]:
    """The rows in whose columns ``look`` sees something, and how many rows each name is in; with ``texts`` it is given
    the words of the messages too."""
    indices: list[int] = []
    names: Counter[str] = Counter()
    for index, conversation in enumerate(rows.conversations):
        if not conversation.meta:
            continue
        more = ([message.content for message in conversation.messages],) if texts else ()
        seen = {name for fields in _columns(conversation) for name in look(fields, *more)}
        if seen:
            indices.append(index)
            names.update(seen)
    return indices, names


def _named(names: Counter[str], most: int = 6) -> tuple[str, ...]:
    return tuple(f"{printable(name)} ({count})" for name, count in names.most_common(most))


def _preferences(rows: Rows) -> Iterator[Finding]:
    indices, names = _by_name(rows, columns.rejected_columns)
    if indices:
        yield rows.finding("preference_rows", indices, surplus=(), names=_named(names), drops=_drops(names))


def _drops(names: Iterable[str]) -> str:
    """The options that leave out the columns."""
    import shlex

    return " ".join(f"--drop-column {shlex.quote(printable(name))}" for name in names)


def _rated(rows: Rows) -> Iterator[Finding]:
    indices, names = _by_name(rows, columns.faults)
    plain = {index for index, conversation in enumerate(rows.conversations) if conversation.kind == "text"}
    indices = [index for index in indices if index not in plain]
    if indices:
        yield rows.finding("rated_rows", indices, form="bad", names=_named(names))
    else:
        yield from _scaled(rows)


def _scaled(rows: Rows) -> Iterator[Finding]:
    """Ratings by number: which are bad cannot be told from here."""
    values: dict[str, dict[int, float]] = {}
    for index, conversation in enumerate(rows.conversations):
        for name, value in columns.scales(conversation.meta).items():
            values.setdefault(name, {})[index] = value
    values = {name: rated for name, rated in values.items() if len(set(rated.values())) > 1}
    if values:
        indices = sorted({index for rated in values.values() for index in rated})
        ranges = (f"{printable(n)} {min(r.values()):g}–{max(r.values()):g}" for n, r in values.items())
        names = tuple(ranges)[:6]
        yield rows.finding("rated_rows", indices, form="scale", surplus=(), names=names, drops=_drops(values))


def _held_out(rows: Rows) -> Iterator[Finding]:
    parts = [columns.split_of(conversation.meta) for conversation in rows.conversations]
    indices = [index for index, part in enumerate(parts) if part in columns.HELD_OUT]
    if indices and len(indices) < len(parts):
        names = _named(Counter(parts[index] for index in indices))
        yield rows.finding("held_out_rows", indices, names=names)


def _replies(rows: Rows) -> Iterator[Finding]:
    counts = [conversation.meta.get(LEFT_OUT) for conversation in rows.conversations]
    indices = [index for index, count in enumerate(counts) if isinstance(count, int) and count]
    if indices:
        total = sum(count for count in counts if isinstance(count, int))
        yield rows.finding("replies_left_out", indices, surplus=(), total=total, drops=_drops([LEFT_OUT]))


def _unread(rows: Rows) -> Iterator[Finding]:
    indices, names = _by_name(rows, columns.unread, texts=True)
    if indices:
        yield rows.finding("unread_columns", indices, surplus=(), names=_named(names), drops=_drops(names))


def _pictures(rows: Rows) -> Iterator[Finding]:
    indices = [i for i, c in enumerate(rows.conversations) if any(message.images for message in c.messages)]
    if indices:
        yield rows.finding("pictures_unseen", indices)


def _fillings(rows: Rows) -> Iterator[Finding]:
    """Turns, or what is asked about under a question, that are only what programs write for an empty cell."""
    words: dict[str, None] = {}
    indices: list[int] = []
    for index, conversation in enumerate(rows.conversations):
        last_lines = [m.content.strip().rsplit("\n", 1)[-1] for m in conversation.messages if m.role == "user"]
        answers = [m.content.strip() for m in conversation.messages if m.role == "assistant"]
        fillings = [word for word in (*last_lines, *answers) if word in FILLINGS]
        if fillings:
            indices.append(index)
            words.update(dict.fromkeys(fillings))
    if indices:
        yield rows.finding("filled_cells", indices, words=tuple(words))


def _turns_in_text(rows: Rows) -> Iterator[Finding]:
    """Plain texts that begin as a turn of a dialogue does, and are not read as one."""
    indices = [
        index
        for index, conversation in enumerate(rows.conversations)
        if conversation.kind == "text" and begins_as_turn(conversation.answer)
    ]
    if indices:
        example = shorten(rows.conversations[indices[0]].answer, 30)
        yield rows.finding("turns_in_text", indices, example=example)


def _marked_speakers(rows: Rows) -> Iterator[Finding]:
    """Messages that begin with the mark of their speaker, which the template sets once more: on both sides, or in the
    answers of many rows; an answer alone may begin a play."""
    answers = [i for i, conversation in enumerate(rows.conversations) if _begins_marked(conversation, "assistant")]
    sides = [index for index in answers if _begins_marked(rows.conversations[index], "user")]
    many = len(answers) >= FEW and 2 * len(answers) >= len(rows.conversations)
    if indices := answers if many else sides:
        example = shorten(rows.conversations[indices[0]].answer, 30)
        yield rows.finding("marked_speakers", indices, example=example)


def _begins_marked(conversation: Conversation, role: str) -> bool:
    spoken = [message.content for message in conversation.messages if message.role == role]
    return conversation.kind != "text" and any(map(begins_as_turn, spoken))


def _short(rows: Rows) -> Iterator[Finding]:
    indices = [i for i, conversation in enumerate(rows.conversations) if _all_short(conversation)]
    if len(indices) >= FEW and len(indices) >= SHARE * len(rows.conversations):
        yield rows.finding("short_answers", indices, most=SHORT)


def _all_short(conversation: Conversation) -> bool:
    """Whether each trained answer has a few characters; a number, which is all there is to say, is no such answer."""
    if conversation.kind == "text":
        return False
    trained = [m for m in conversation.messages if m.role == "assistant" and m.train is not False and not m.tool_calls]
    answers = [folded(message.content) for message in trained if not message.thinking]
    few = all(len(answer) <= SHORT and not any(map(str.isdigit, answer)) for answer in answers)
    spoken = all(message.content.strip() for message in trained)  # what says nothing is another finding
    return bool(answers) and len(answers) == len(trained) and few and spoken


LOOKS: dict[str, Callable[[Rows], Iterator[Finding]]] = {
    "garbled_text": _garbled,
    "preference_rows": _preferences,
    "rated_rows": _rated,
    "held_out_rows": _held_out,
    "replies_left_out": _replies,
    "unread_columns": _unread,
    "pictures_unseen": _pictures,
    "filled_cells": _fillings,
    "turns_in_text": _turns_in_text,
    "marked_speakers": _marked_speakers,
    "short_answers": _short,
}

COLUMNS = ("preference_rows", "rated_rows", "held_out_rows", "replies_left_out", "unread_columns")
"""Findings on columns that change what a row means; each can be made of one row alone."""


def of_columns(conversations: Iterable[Conversation], lang: str | None = None) -> list[Finding]:
    """Return the findings on columns, file by file, so that rows are numbered as their file counts them.

    A conversation that comes several times, as in a mixture, counts once.
    """
    files: dict[str, dict[object, Conversation]] = {}
    for conversation in conversations:
        row = conversation.source or conversation.messages
        files.setdefault(conversation.source.rpartition(":")[0], {})[row] = conversation
    sets = [Rows(list(rows.values()), lang) for rows in files.values()]
    return [finding for rows in sets for code in COLUMNS for finding in LOOKS[code](rows)]
