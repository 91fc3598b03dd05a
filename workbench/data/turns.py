"""Turns of a row to messages, whatever the format calls them. Knows what a turn may hold; no format and no file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from workbench.data.calls import call, calls, spoken_calls
from workbench.data.conversation import Message, Role
from workbench.data.fields import (
    BadRow,
    Location,
    clean,
    kind,
    listed,
    mapped,
    required,
    shorten,
)
from workbench.data.flags import message_flag, plain_name
from workbench.data.lenient import decoded
from workbench.data.picture import Picture
from workbench.data.pictures import PICTURE, pictures_in, rename_pictures, shown
from workbench.data.thoughts import NAMES as THOUGHTS
from workbench.data.thoughts import thought
from workbench.errors import nearest

OPENAI: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
    "environment": "tool",  # InternLM2's
}
SHAREGPT: dict[str, Role] = {
    **OPENAI,
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "bard": "assistant",
    "bing": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "observation": "tool",
    "tool_response": "tool",
    "function_response": "tool",
    "tool_result": "tool",
    "ipython": "tool",
}
# how sets call the three speakers else
_ALSO: dict[str, Role] = {
    **dict.fromkeys(("system_prompt", "系统"), "system"),
    **dict.fromkeys(("human", "prompter", "person", "customer", "questioner", "用户", "人类", "问", "提问者"), "user"),
    **dict.fromkeys(
        ("ai", "bot", "gpt", "model", "ai_assistant", "chatbot", "助手", "助理", "机器人", "答"), "assistant"
    ),
}
SYSTEM_NAMES = ("system", "system_prompt", "system_message", "系统", "系统提示", "系统提示词")
_HISTORIES = ("history", "histories", "chat_history", "历史", "历史对话", "对话历史")
# how a history names the two sides of a pair
_PAIRS = (
    ("query", "response"), ("question", "answer"), ("user", "assistant"), ("human", "assistant"),
    ("prompt", "response"), ("instruction", "output"), ("input", "output"),
)  # fmt: skip
_CALLING = ("function_call", "tool_call")


@dataclass(frozen=True, slots=True)
class Shape:
    """Hold how a format names the speaker, the words, and the roles."""

    who: str
    what: str
    roles: dict[str, Role]


@dataclass(frozen=True, slots=True)
class Content:
    """Hold what the parts of a content hold.

    Args:
        text: the words, with ``<image>`` where a picture stands.
        images: the pictures, in order.
        thinking: what parts of their own think.
        calls: what parts of their own call.
    """

    text: str
    images: tuple[Picture, ...] = ()
    thinking: str = ""
    calls: tuple[str, ...] = ()


def take_turns(remaining: dict[str, Any], key: str, location: Location) -> list[tuple[str, dict[str, Any]]]:
    """Return the turns under ``key`` with the name of each, taken out of the row; there is at least one."""
    turns = required(remaining, key, location)
    if isinstance(turns, str) and turns.lstrip()[:1] == "[":  # as ModelScope-Agent's set holds them, Python's text
        turns = decoded(clean(turns, location, key), location, key)
    turns = listed(turns, location, key)
    if not turns:
        raise BadRow("data.no_messages", location, field=key)
    del remaining[key]
    return [(f"{key}[{index}]", mapped(turn, location, f"{key}[{index}]")) for index, turn in enumerate(turns)]


def keep_extras(extras: dict[str, Any], index: int, rest: dict[str, Any]) -> None:
    """Remember what a turn held beyond its fields, such as ``tool_call_id``; nulls come from tables and say nothing."""
    remaining = {key: value for key, value in rest.items() if value is not None}
    if remaining:
        extras[str(index)] = remaining


def system_beside(
    remaining: dict[str, Any], messages: list[Message], location: Location, *, parts: bool = False
) -> list[Message]:
    """Return the system text that stands in the row beside its messages, as Anthropic's layout has it; none where the
    messages begin with the same. Only with ``parts`` may it be a list of parts.

    Raises:
        BadRow: the messages have another system text of their own, or two columns differ.
    """
    texts: list[tuple[str, Content]] = []
    named = [(name, key) for name in SYSTEM_NAMES for key in remaining if plain_name(key) == name]
    for name, key in named:
        if remaining.get(key) is None or (name != "system" and not isinstance(remaining[key], str)):
            continue
        value = remaining.pop(key)
        texts.append((key, content_of(value if parts else clean(value, location, key), location, key)))
    remaining.pop("system", None)
    texts = [(key, content) for key, content in texts if content.text]
    prompts = [message.content.strip() for message in messages if message.role == "system"]
    if not texts:
        return []
    _, system = texts[0]
    different = [content.text for _, content in texts[1:] if content.text.strip() != system.text.strip()]
    if prompts[:1] == [system.text.strip()] and not different:
        return []
    if prompts or different:
        raise BadRow("data.two_systems", location, given=shorten(system.text), own=shorten((prompts or different)[0]))
    return [Message("system", system.text, images=system.images)]


def history(remaining: dict[str, Any], location: Location) -> list[Message]:
    """Return the turns before the question, from ``history``: pairs, objects of a pair, or messages."""
    messages: list[Message] = []
    key = next((key for key in remaining if plain_name(key) in _HISTORIES and _is_list(key, remaining[key])), "history")
    for index, turn in enumerate(listed(remaining.pop(key, None) or [], location, key)):
        field = f"{key}[{index}]"
        if isinstance(turn, dict) and "role" in turn:
            messages.append(message(dict(turn), Shape("role", "content", SHAREGPT), location, field))
            continue
        names = next((pair for pair in _PAIRS if isinstance(turn, dict) and turn.keys() >= set(pair)), None)
        pair = [turn[name] for name in names] if names else listed(turn, location, field)
        if len(pair) != 2:
            raise BadRow("data.history_pair", location, field=field, found=len(pair), given=shorten(pair))
        messages += [
            Message("user", clean(pair[0], location, f"{field}[0]")),
            Message("assistant", clean(pair[1], location, f"{field}[1]")),
        ]
    return messages


def _is_list(key: str, value: object) -> bool:
    """Whether a column is a history: of this one name always, of its kin where it is a list, or JSON text of one."""
    return key == "history" or isinstance(value, (list, tuple)) or (isinstance(value, str) and value[:1] == "[")


def row_thinking(remaining: dict[str, Any], location: Location, answer: str) -> str:
    """Return what a row with one answer says that was thought before it; takes it out of the row."""
    columns = {key: value for key, value in remaining.items() if isinstance(value, str)}
    thinking = thought(columns, "assistant", answer, location, "")
    for key in [key for key in remaining if isinstance(remaining[key], str) and key not in columns]:
        del remaining[key]
    return thinking


def message(turn: dict[str, Any], shape: Shape, location: Location, field: str) -> Message:
    """Return the message of a turn; takes out of ``turn`` what it has read."""
    who, what = shape.who, shape.what
    role = role_of(required(turn, who, location, f"{field}."), shape.roles, location, f"{field}.{who}")
    tool_calls = _calls(turn, role, location, field)
    images = _pictures(turn, location, field)
    if turn[who] in _CALLING:
        content = Content("")
        tool_calls = spoken_calls(required(turn, what, location, f"{field}."), location, f"{field}.{what}")
    elif turn.get(what) is None and tool_calls:
        content = Content("")
    else:
        content = content_of(required(turn, what, location, f"{field}."), location, f"{field}.{what}", role)
    for key in (who, what):
        turn.pop(key, None)
    train = message_flag(turn, role, location, field) if turn else None
    if content.thinking:
        turn[next(name for name in THOUGHTS if turn.get(name) is None)] = content.thinking
    thinking = thought(turn, role, content.text, location, f"{field}.") if turn else ""
    read = Message(
        role,
        content.text,
        train=train,
        tool_calls=tool_calls + content.calls,
        images=images + content.images,
        thinking=thinking,
    )
    return shown(read) if read.images else read


def _pictures(turn: dict[str, Any], location: Location, field: str) -> tuple[Picture, ...]:
    """The pictures of a turn, taken out of it."""
    rename_pictures(turn)
    key = "images" if turn.get("images") is not None else "image"
    value = turn.pop(key, None)
    return () if value == "" else pictures_in(value, location, f"{field}.{key}")


def role_of(value: object, roles: dict[str, Role], location: Location, field: str) -> Role:
    """Return the role that a format calls so.

    Raises:
        BadRow: it is not among the format's names of roles.
    """
    name = clean(value, location, field)
    if name not in roles and name in _ALSO:
        return _ALSO[name]
    if name not in roles:
        raise BadRow("data.role", location, field=field, given=shorten(name), nearest=nearest(name, roles))
    return roles[name]


def is_role(name: str) -> bool:
    """Tell whether some format calls a speaker so."""
    plain = plain_name(name)
    return plain in SHAREGPT or plain in _ALSO


def _calls(turn: dict[str, Any], role: Role, location: Location, field: str) -> tuple[str, ...]:
    """The calls of a turn; only an assistant calls, but tables give every message the fields, empty."""
    if role != "assistant":
        for key in ("tool_calls", "function_call"):
            if turn.get(key) not in (None, "", "[]", [], {}):
                raise BadRow("data.calls_role", location, field=f"{field}.{key}", given=role)
            turn.pop(key, None)
        return ()
    tool_calls = calls(turn.pop("tool_calls", None), location, f"{field}.tool_calls")
    if turn.get("function_call") is not None:
        tool_calls += calls([turn.pop("function_call")], location, f"{field}.function_call")
    return tool_calls


def content_of(value: object, location: Location, field: str, role: Role = "system") -> Content:
    """Return the text of a content, and what its parts hold besides; each picture leaves ``<image>`` in its place."""
    if isinstance(value, str):
        return Content(clean(value, location, field))
    if not isinstance(value, (list, tuple)):
        raise BadRow("data.content", location, field=field, kind=kind(value), given=shorten(value))
    parts = [_part(part, location, f"{field}[{index}]", role) for index, part in enumerate(value)]
    return Content(
        "".join(part.text for part in parts),
        tuple(picture for part in parts for picture in part.images),
        "".join(part.thinking for part in parts),
        tuple(text for part in parts for text in part.calls),
    )


def _part(part: object, location: Location, field: str, role: Role) -> Content:
    if isinstance(part, str):
        return Content(clean(part, location, field))
    fields = mapped(part, location, field)
    form = required(fields, "type", location, f"{field}.")
    if form in ("text", "input_text", "output_text"):
        return Content(_part_text(fields, ("text", "value", "content"), location, field))
    if form in ("image_url", "image", "input_image"):
        key = _first(fields, ("image_url", "image", "path", "url", "value")) or str(form)
        if form == "image" and key not in fields:
            return Content(PICTURE)  # the row holds its pictures in a list of its own
        pictures = pictures_in([required(fields, key, location, f"{field}.")], location, f"{field}.{key}")
        return Content(PICTURE * len(pictures), images=pictures)
    if role == "assistant" and form in ("reasoning", "thinking"):
        return Content("", thinking=_part_text(fields, (form, "text", "value", "content"), location, field))
    if role == "assistant" and form == "tool_call" and "value" in fields:
        return Content("", calls=(call(fields["value"], location, f"{field}.value"),))
    raise BadRow("data.part", location, field=f"{field}.type", given=shorten(form))


def _part_text(part: dict[str, Any], names: Collection[str], location: Location, field: str) -> str:
    key = _first(part, names) or next(iter(names))
    return clean(required(part, key, location, f"{field}."), location, f"{field}.{key}")


def _first(part: dict[str, Any], names: Collection[str]) -> str:
    """The first of the names under which the part holds something."""
    return next((name for name in names if part.get(name) is not None), "")
