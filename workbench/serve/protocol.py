"""Requests for a chat completion, read and checked; answers as they are sent. Knows OpenAI's shapes; no network.

Whatever a request asks for that is not done here is refused by its name, never left out without a word.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.chat.assistant import Sampling
from workbench.data.calls import calls as read_calls
from workbench.data.conversation import Message
from workbench.data.fields import Location, shallow
from workbench.data.picture import Picture, inline
from workbench.data.pictures import illustrated
from workbench.errors import BadInput, WorkbenchError
from workbench.tools.schema import checked_schema
from workbench.tools.values import Call

LARGEST = 4 * 2**20  # bytes of a request
MOST_MESSAGES, MOST_TOOLS, MOST_STOPS = 2000, 64, 8
MOST_PICTURES = 64  # of a request: the smallest has a hundred bytes, and may be a megabyte of numbers
TOKENS, MOST_TOKENS = 1024, 2**20  # of an answer, where nothing is said of it, and what may be said
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
# what may be asked for, and the values at which it asks for nothing
_KNOWN = {
    "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options", "temperature",
    "top_p", "top_k", "seed", "max_tokens", "max_completion_tokens", "stop", "repetition_penalty",
}  # fmt: skip
_IDLE: Mapping[str, tuple[Any, ...]] = {
    "n": (1,), "logprobs": (False,), "presence_penalty": (0,), "frequency_penalty": (0,), "logit_bias": ({},),
    "response_format": ({"type": "text"},), "modalities": (["text"],), "functions": ([],), "top_logprobs": (0,),
}  # fmt: skip
_HARMLESS = {"user", "metadata", "store", "service_tier", "prompt_cache_key", "safety_identifier", "reasoning_effort"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Hold a request.

    Args:
        model: the name that was asked for; empty where none was.
        messages: all of them, the last a user's or a tool's.
        tools: JSON texts of the tools that are offered.
        choice: empty where the model may call or not; ``required`` where it must; else the name of the tool to call.
        single: whether it may make one call only.
        sampling: how the answer is drawn.
        stops: texts at which it ends.
        stream: whether it is sent in pieces.
        usage: whether a last piece counts the tokens.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[str, ...]
    choice: str
    single: bool
    sampling: Sampling
    stops: tuple[str, ...]
    stream: bool
    usage: bool


def read_request(raw: bytes) -> Asked:
    """Read the body of a request.

    Raises:
        BadInput: it is not as it must be; names the field.
    """
    try:
        body = shallow(json.loads(raw), Location("request", 1))
    except (ValueError, RecursionError):
        raise BadInput("serve.not_json") from None
    if not isinstance(body, dict):
        raise BadInput("serve.not_json")
    for name, value in body.items():
        if value is not None and name not in _KNOWN | _HARMLESS and value not in _IDLE.get(name, ()):
            raise BadInput("serve.not_done", field=name[:60])
    tools = _tools(body.get("tools"))
    choice = _choice(body.get("tool_choice"), tools)
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise BadInput("serve.bad_field", field="stream_options")
    return Asked(
        model=_text(body.get("model") or "", "model"),
        messages=_messages(body.get("messages")),
        tools=() if choice == "none" else tools,
        choice="" if choice == "none" else choice,
        single=not _switch(body, "parallel_tool_calls", default=True),
        sampling=_sampling(body),
        stops=_stops(body.get("stop")),
        stream=_switch(body, "stream"),
        usage=_switch(options, "include_usage"),
    )


def _switch(body: Mapping[str, Any], field: str, *, default: bool = False) -> bool:
    value = body.get(field)
    if value is not None and not isinstance(value, bool):
        raise BadInput("serve.bad_field", field=field)
    return default if value is None else value


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise BadInput("serve.bad_field", field=field)
    return value.encode("utf-8", "replace").decode().replace("\0", "")


def _messages(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value or len(value) > MOST_MESSAGES:
        raise BadInput("serve.bad_field", field="messages")
    items = _in_order(value)
    messages = tuple(_message(item, f"messages[{number}]") for number, item in enumerate(items))
    shown = sum(len(message.images) for message in messages)
    if shown > MOST_PICTURES:
        raise BadInput("web.many_pictures", found=shown, most=MOST_PICTURES)
    if messages[-1].role not in ("user", "tool"):
        raise BadInput("serve.bad_field", field=f"messages[{len(messages) - 1}].role")
    return messages


def _in_order(items: list[Any]) -> list[Any]:
    """Return the messages with results in the order of the calls that they name: a template writes no ids, so a model
    tells results apart by their order alone.

    Raises:
        BadInput: a result names a call that was not made.
    """
    ordered, start = list(items), 0
    while start < len(items):
        ids = _ids(items[start])
        end = start + 1
        while end < len(items) and isinstance(items[end], dict) and items[end].get("role") == "tool":
            end += 1
        if ids:
            for at in range(start + 1, end):
                if items[at].get("tool_call_id") not in (None, *ids):
                    raise BadInput("serve.bad_field", field=f"messages[{at}].tool_call_id")
            named = [item for item in items[start + 1 : end] if item.get("tool_call_id") is not None]
            if len(named) == end - start - 1:
                ordered[start + 1 : end] = sorted(named, key=lambda item: ids.index(item["tool_call_id"]))
        start = end
    return ordered


def _ids(item: Any) -> list[Any]:
    """Return the ids of a message's calls; none where one has none."""
    calls = item.get("tool_calls") if isinstance(item, dict) else None
    ids = [call.get("id") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return ids if all(isinstance(id_, str) for id_ in ids) else []


def _message(value: Any, field: str) -> Message:
    role = ROLES.get(str(value.get("role"))) if isinstance(value, dict) else None
    if role is None:
        raise BadInput("serve.bad_field", field=f"{field}.role")
    for name in ("function_call", "audio", *(() if role == "assistant" else ("tool_calls",))):
        if value.get(name):  # without it the conversation would say something else
            raise BadInput("serve.not_done", field=f"{field}.{name}")
    calls: tuple[str, ...] = ()
    if value.get("tool_calls"):
        try:
            calls = read_calls(value["tool_calls"], Location("request", 1), f"{field}.tool_calls")
        except WorkbenchError:
            raise BadInput("serve.bad_field", field=f"{field}.tool_calls") from None
    content, pictures = _content(value.get("content"), f"{field}.content", bool(calls))
    if pictures and role != "user":
        raise BadInput("serve.not_text", field=f"{field}.content")
    return illustrated(content, pictures) if pictures else Message(role, content, tool_calls=calls)  # type: ignore[arg-type]


def _content(value: Any, field: str, calls: bool) -> tuple[str, list[Picture]]:
    """Return the words of a message, and its pictures."""
    if value is None and calls:
        return "", []
    if not isinstance(value, list):
        return _text(value, field), []
    words, pictures = list[str](), list[Picture]()
    for number, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            words.append(_text(part.get("text"), field))
        elif kind == "image_url":
            pictures.append(_picture(part.get("image_url"), f"{field}[{number}].image_url"))
        else:
            raise BadInput("serve.not_text", field=field)
    return "".join(words), pictures


def _picture(value: Any, field: str) -> Picture:
    """Return a picture whose bytes stand in the request; no address is fetched."""
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str) or url[:5].lower() != "data:":
        raise BadInput("serve.no_picture", field=field)
    return inline(url)


def _tools(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_TOOLS:
        raise BadInput("serve.bad_field", field="tools")
    return tuple(checked_schema(item) for item in value)


def _choice(value: Any, tools: Sequence[str]) -> str:
    names = [json.loads(tool)["function"]["name"] for tool in tools]
    if value in (None, "auto", "none"):
        return "none" if value == "none" else ""
    if isinstance(value, dict):
        function = value.get("function")
        value = function.get("name") if isinstance(function, dict) else None
        if value in names:
            return str(value)
    elif value == "required" and names:
        return "required"
    raise BadInput("serve.bad_field", field="tool_choice")


def _sampling(body: Mapping[str, Any]) -> Sampling:
    longest = body.get("max_completion_tokens")
    longest = body.get("max_tokens") if longest is None else longest
    return Sampling(
        max_new_tokens=_integer(TOKENS if longest is None else longest, "max_tokens", 1, MOST_TOKENS),
        temperature=_number(body.get("temperature") or 0.0, "temperature", 0.0, 5.0),
        top_p=max(0.001, _number(1.0 if body.get("top_p") is None else body["top_p"], "top_p", 0.0, 1.0)),
        top_k=_integer(body.get("top_k") or 0, "top_k", 0, 10**6),
        seed=_integer(body.get("seed") or 0, "seed", -(2**63), 2**63 - 1) % 2**63,
        repetition_penalty=_number(body.get("repetition_penalty") or 1.0, "repetition_penalty", 0.1, 10.0),
    )


def _number(value: Any, field: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BadInput("serve.bad_field", field=field)
    if not low <= value <= high:
        raise BadInput("serve.out_of_range", field=field, low=f"{low:g}", high=f"{high:g}")
    return value


def _integer(value: Any, field: str, low: int, high: int) -> int:
    number = _number(value, field, low, high)
    if number != int(number):
        raise BadInput("serve.bad_field", field=field)
    return int(number)


def _stops(value: Any) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value or []
    if not isinstance(items, list) or len(items) > MOST_STOPS or not all(isinstance(s, str) and s for s in items):
        raise BadInput("serve.bad_field", field="stop")
    return tuple(items)


# --- what is sent ---


@dataclass(frozen=True, slots=True)
class Reply:
    """Make the pieces of one answer, or its whole, of the parts that last.

    Args:
        id: of the answer.
        model: the name under which it is served.
        created: seconds since 1970.
    """

    id: str
    model: str
    created: int

    def _shape(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        shared = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**shared, "choices": choices, **more}

    def piece(self, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        """Return one event of a streamed answer."""
        choice = {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": finish}
        return self._shape("chat.completion.chunk", [choice])

    def counted(self, tokens: Sequence[int]) -> dict[str, Any]:
        """Return the last event of a stream that counts its tokens."""
        return self._shape("chat.completion.chunk", [], usage=usage(tokens))

    def whole(
        self, content: str, calls: Sequence[dict[str, Any]], finish: str, tokens: Sequence[int]
    ) -> dict[str, Any]:
        """Return a whole answer."""
        message: dict[str, Any] = {"role": "assistant", "content": content or (None if calls else ""), "refusal": None}
        if calls:
            message["tool_calls"] = list(calls)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return self._shape("chat.completion", [choice], usage=usage(tokens))


def usage(tokens: Sequence[int]) -> dict[str, int]:
    """Return the counts of a prompt and of its answer."""
    return {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": tokens[0] + tokens[1]}


def wire_call(call: Call, id_: str) -> dict[str, Any]:
    """Return a call as clients expect it: with an id, its arguments JSON text."""
    function = json.loads(call.json)["function"]
    return {"id": call.id or id_, "type": "function", "function": function}


def models(names: Sequence[str]) -> dict[str, Any]:
    """Return the list of models."""
    created = int(time.time())
    rows = [{"id": name, "object": "model", "created": created, "owned_by": "workbench"} for name in names]
    return {"object": "list", "data": rows}


def refusal(error: WorkbenchError, code: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    """Return an error in the shape that clients raise: a sentence with its remedy, and a code."""
    field = error.values.get("field")
    return {"error": {"message": " ".join(str(error).split()), "type": kind, "param": field, "code": code}}
