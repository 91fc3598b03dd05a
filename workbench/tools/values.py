"""The values of the tools room: tool, call, result, limits. Knows their one JSON shape; runs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.data.calls import dump
from workbench.data.conversation import Message


class ToolError(Exception):
    """Say in a few words, which the model is told, why there is no result."""


@dataclass(frozen=True, slots=True)
class Tool:
    """Hold a function that is offered to a model.

    Args:
        name: under which it is called.
        schema: JSON text of ``{"type": "function", "function": {"name", "description", "parameters"}}``.
        run: what is called with the arguments by name; may raise :class:`ToolError`.
    """

    name: str
    schema: str
    run: Callable[..., Any]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the JSON schema of the arguments."""
        wanted: Mapping[str, Any] = json.loads(self.schema)["function"].get("parameters") or {}
        return wanted

    @property
    def description(self) -> str:
        """Return what it does, in the words that the model is given."""
        return str(json.loads(self.schema)["function"].get("description") or "")


@dataclass(frozen=True, slots=True)
class Call:
    """Hold a call as a model wrote it.

    Args:
        name: of the tool; empty where it cannot be read.
        arguments: by name.
        id: where it has one.
        raw: the text that was to be a call and is none; empty where it is one.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    raw: str = ""

    @property
    def json(self) -> str:
        """Return the call as conversations hold it: JSON text, its arguments JSON text too."""
        shape = {"type": "function", "function": {"name": self.name, "arguments": dump(dict(self.arguments))}}
        return dump({"id": self.id, **shape} if self.id else shape)

    @property
    def key(self) -> str:
        """Return what is equal for two calls of the same tool with the same arguments."""
        return json.dumps([self.name, dict(self.arguments), self.raw], sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Result:
    """Hold what came of a call.

    Args:
        call: the call.
        text: what the model is told.
        trouble: why it failed, a key under ``tools.trouble``; empty where it did not.
        seconds: that it took.
    """

    call: Call
    text: str
    trouble: str = ""
    seconds: float = 0.0

    @property
    def message(self) -> Message:
        """Return the same as a message of the conversation."""
        return Message("tool", self.text)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limit what an assistant may do with its tools before it must answer.

    Args:
        rounds: answers that consist of calls.
        calls: in one of these.
        characters: of a result.
        seconds: of one call.
        whole: seconds of all calls together.
        repairs: calls that cannot be run (unknown tool, wrong arguments, broken JSON) after which it ends.
    """

    rounds: int = 4
    calls: int = 4
    characters: int = 500
    seconds: float = 2.0
    whole: float = 20.0
    repairs: int = 2
