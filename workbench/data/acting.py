"""A row's messages and tools, whatever of them stands in its texts, to the one shape. Knows messages as values; the
spellings are known next door."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from workbench.data.calls import tools as read_tools
from workbench.data.conversation import Message
from workbench.data.described import described
from workbench.data.fields import Location
from workbench.data.lenient import note
from workbench.data.spelled import acts, results, spells_react, unspelled

Extras = Mapping[str, Any]
Turn = tuple[Message, Any, str]  # a message, what it held beyond its fields, and the name of its field


def acted(
    messages: Sequence[Message], offered: tuple[str, ...], extras: Extras, location: Location, key: str
) -> tuple[list[Message], tuple[str, ...], dict[str, Any]]:
    """Return messages, tools and extras with nothing of them left in the words.

    Args:
        extras: what single messages held beyond their fields, by index.
        key: the field of the row that holds the messages, for errors.

    Raises:
        BadRow: a call is marked in a text that cannot be read.
    """
    turns = [(message, extras.get(str(at)), f"{key}[{at}]") for at, message in enumerate(messages)]
    turns, described_tools = _systems(turns, location)
    offered = offered or described_tools
    if not acts([message for message, _, _ in turns], offered):
        return list(messages), offered, dict(extras)
    names = _names(offered)
    react = spells_react([message for message, _, _ in turns])
    spelt: list[Turn] = []
    for message, extra, field in turns:
        parts = _parts(message, spelt, names, location, field, react=react)
        spelt += [(part, None, field) for part in parts[:-1]]
        spelt.append((parts[-1], extra, field))
    if react and not any(name == "Finish" for m, _, _ in spelt for name in _called(m)):
        offered = tuple(tool for tool in offered if _names([tool]) != {"Finish"})  # ToolBench's answer, now one
    numbered = {str(at): extra for at, (_, extra, _) in enumerate(spelt) if extra}
    return [message for message, _, _ in spelt], offered, numbered


def _systems(turns: Sequence[Turn], location: Location) -> tuple[list[Turn], tuple[str, ...]]:
    """Return the turns with no tools described in a system text, and these."""
    remaining: list[Turn] = []
    tools: tuple[str, ...] = ()
    for message, extra, field in turns:
        plugin = isinstance(extra, Mapping) and "plugin" in str(extra.get("name"))
        text, values = described(message.content, plugin=plugin) if message.role == "system" else ("", [])
        if not values:
            remaining.append((message, extra, field))
            continue
        note(location, field, "words")
        tools += read_tools(values, location, field)
        if text:
            remaining.append((replace(message, content=text), extra, field))
    return remaining, tools


def _parts(
    message: Message, before: Sequence[Turn], names: set[str], location: Location, field: str, *, react: bool
) -> list[Message]:
    """Return the messages that a message stands for."""
    if message.role == "assistant":
        return unspelled(message, names, location, field, react=react)
    if message.role == "tool" or (message.role == "user" and before and before[-1][0].tool_calls):
        return results(message, location, field)
    if message.role == "user" and react and message.content.rstrip().endswith("\nBegin!"):
        return [replace(message, content=message.content.rstrip().removesuffix("\nBegin!").strip())]
    return [message]


def _names(tools: Sequence[str]) -> set[str]:
    functions = [value.get("function", value) for value in map(json.loads, tools) if isinstance(value, dict)]
    return {str(function.get("name")) for function in functions if isinstance(function, dict)}


def _called(message: Message) -> list[str]:
    return [str(json.loads(text)["function"]["name"]) for text in message.tool_calls]
