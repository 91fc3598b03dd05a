"""Mending what a check found: fill placeholders, change a name, leave rows out. Knows conversations as values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from workbench.data import markers
from workbench.data.conversation import Conversation, Message
from workbench.data.findings import Finding
from workbench.data.parsing import EXTRAS


def fill(conversations: Iterable[Conversation], values: Mapping[str, str]) -> list[Conversation]:
    """Return the conversations with their placeholders (``{{name}}``) filled in; those that ``values`` does not name
    stay."""
    lowered = {name.lower(): value for name, value in values.items()}
    return [
        c.with_messages(
            *(
                replace(m, content=markers.fill(m.content, lowered), thinking=markers.fill(m.thinking, lowered))
                for m in c.messages
            )
        )
        for c in conversations
    ]


def rename(conversations: Iterable[Conversation], old: str, new: str) -> list[Conversation]:
    """Return the conversations with ``old`` replaced by ``new`` in what the assistant says; what the user says
    stays."""
    return [
        c.with_messages(*(_renamed(m, old, new) if m.role == "assistant" else m for m in c.messages))
        for c in conversations
    ]


def _renamed(message: Message, old: str, new: str) -> Message:
    return replace(message, content=message.content.replace(old, new), thinking=message.thinking.replace(old, new))


def drop_columns(conversations: Iterable[Conversation], names: Collection[str]) -> list[Conversation]:
    """Return the conversations without these columns of their rows, and without fields of these names of their
    messages; ``metadata.train`` is a field of the object in ``metadata``."""
    return [replace(conversation, meta=_without(conversation.meta, names)) for conversation in conversations]


def _without(meta: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    columns = {key: _thinned(key, value, names) for key, value in meta.items() if key not in names}
    extras = columns.pop(EXTRAS, None)
    if isinstance(extras, dict):
        fields = {
            index: _without(entry, names) if isinstance(entry, dict) else entry for index, entry in extras.items()
        }
        remaining = {index: entry for index, entry in fields.items() if entry != {}}
        columns |= {EXTRAS: remaining} if remaining else {}
    return columns


def _thinned(key: str, value: Any, names: Collection[str]) -> Any:
    """What an object in a column holds without its fields of these names."""
    if not isinstance(value, dict) or not any(name.startswith(f"{key}.") for name in names):
        return value
    return {field: inner for field, inner in value.items() if f"{key}.{field}" not in names}


def drop(
    conversations: Sequence[Conversation], findings: Iterable[Finding], codes: Collection[str]
) -> list[Conversation]:
    """Return the conversations without those that make up the findings of these codes; of duplicates the first one
    stays."""
    gone = {index for finding in findings if finding.code in codes for index in finding.surplus}
    return [conversation for index, conversation in enumerate(conversations) if index not in gone]
