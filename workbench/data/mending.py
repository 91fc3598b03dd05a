"""Mending what a check found: fill placeholders, change a name, leave rows out. Knows conversations as values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from workbench.data import markers
from workbench.data.conversation import Conversation
from workbench.data.findings import Finding


def fill(conversations: Iterable[Conversation], values: Mapping[str, str]) -> list[Conversation]:
    """The conversations with their placeholders (``{{name}}``) filled in; those that ``values`` does not name stay."""
    lowered = {name.lower(): value for name, value in values.items()}
    return [
        c.with_messages(*(replace(m, content=markers.fill(m.content, lowered)) for m in c.messages))
        for c in conversations
    ]


def rename(conversations: Iterable[Conversation], old: str, new: str) -> list[Conversation]:
    """The conversations with ``old`` replaced by ``new`` in what the assistant says; what the user says stays."""
    return [
        c.with_messages(
            *(replace(m, content=m.content.replace(old, new)) if m.role == "assistant" else m for m in c.messages)
        )
        for c in conversations
    ]


def drop(
    conversations: Sequence[Conversation], findings: Iterable[Finding], codes: Collection[str]
) -> list[Conversation]:
    """The conversations without those that make up the findings of these codes; of duplicates the first one stays."""
    gone = {at for finding in findings if finding.code in codes for at in finding.surplus}
    return [conversation for at, conversation in enumerate(conversations) if at not in gone]
