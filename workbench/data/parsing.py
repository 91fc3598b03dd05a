"""A raw row of each format to a conversation. Knows the formats' fields; nothing of files, templates or tokenizers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.data.calls import calls, spoken_calls, tools
from workbench.data.conversation import Conversation, Message, Role
from workbench.data.fields import (
    BadRow,
    Place,
    Row,
    clean,
    kind,
    listed,
    mapped,
    optional_text,
    required,
    shorten,
)
from workbench.data.pictures import PICTURE, picture_paths, place_pictures
from workbench.errors import nearest

_OPENAI: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_SHAREGPT: dict[str, Role] = {
    **_OPENAI,
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
    "ipython": "tool",
}


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a format names the speaker, the words, and the roles."""

    who: str
    what: str
    roles: dict[str, Role]


_CALLING = ("function_call", "tool_call")
_THOUGHTS = ("thinking", "reasoning_content")
_FLAGS = ("train", "loss", "weight", "output_with_loss")
ESCAPED = "_meta"  # where the writer puts what would be mistaken for a field
EXTRAS = "message_extras"  # meta: what single messages held beyond their fields, by index


def parse(row: Row, form: str, *, xtuner: bool = False) -> Conversation:
    """The conversation of a row in the format ``form``.

    Args:
        row: the raw row.
        form: a key of ``FORMATS``.
        xtuner: read as XTuner does: Alpaca's instruction and input are joined with a line break even where the input
            is empty, and a system text beside ``messages`` is not theirs.

    Raises:
        BadRow: a field is missing or not what the format says.
    """
    left = dict(row.value)
    extras: dict[str, Any] = {}
    if form == "alpaca":
        messages = _alpaca(left, row.place, xtuner)
    elif form == "text":
        # Plain text is one assistant's message and nothing else: all of it is trained, and no template adds a marker.
        messages = [Message("assistant", clean(required(left, "text", row.place), row.place, "text"))]
        left.pop("text")
    else:
        # XTuner's reading of messages knows no system text beside them
        aside = {"system": left.pop("system")} if xtuner and form == "messages" and "system" in left else {}
        messages = _TURNS[form](left, row.place, extras)
        left |= aside
    return _finish(messages, left, extras, row.place, form)


def _finish(
    messages: list[Message], left: dict[str, Any], extras: dict[str, Any], place: Place, form: str
) -> Conversation:
    """Pictures, tools and the labels of the row; what is left is kept as meta."""
    offered = tools(left.pop("tools", None), place)
    messages = place_pictures(messages, left, place)
    known = {"kind": "text"} if form == "text" else {}
    for key in ("group", "kind", "lang"):
        if type(left.get(key)) is str and key not in known and not _another_kind(key, left[key], messages):
            known[key] = clean(left.pop(key), place, key)
    escaped = left.pop(ESCAPED) if isinstance(left.get(ESCAPED), dict) else {}
    meta = {**left, **escaped}
    if extras:
        meta[EXTRAS] = extras
    return Conversation(tuple(messages), source=f"{place.file}:{place.row}", tools=offered, meta=meta, **known)


def _another_kind(key: str, value: str, messages: list[Message]) -> bool:
    """Whether a set's own column ``kind: text`` stands beside a dialogue: only one answer alone is plain text, of which
    all is trained and nothing marked."""
    return (key, value) == ("kind", "text") and [message.role for message in messages] != ["assistant"]


def _alpaca(left: dict[str, Any], place: Place, xtuner: bool) -> list[Message]:
    instruction = clean(required(left, "instruction", place), place, "instruction")
    answer = clean(required(left, "output", place), place, "output")
    given = optional_text(left, "input", place)
    system = optional_text(left, "system", place)
    messages = [Message("system", system)] if system else []
    for at, pair in enumerate(listed(left.get("history") or [], place, "history")):
        field = f"history[{at}]"
        turn = listed(pair, place, field)
        if len(turn) != 2:
            raise BadRow("data.history_pair", place, field=field, found=len(turn), given=shorten(turn))
        messages += [
            Message("user", clean(turn[0], place, f"{field}[0]")),
            Message("assistant", clean(turn[1], place, f"{field}[1]")),
        ]
    for key in ("instruction", "input", "output", "system", "history"):
        left.pop(key, None)
    joined = f"{instruction}\n{given}" if xtuner or (instruction and given) else instruction or given
    # XTuner's reading of Alpaca knows neither system nor history
    return [*([] if xtuner else messages), Message("user", joined), Message("assistant", answer)]


def _turns(left: dict[str, Any], key: str, place: Place) -> list[tuple[str, dict[str, Any]]]:
    """The turns under ``key`` with the name of each; there is at least one."""
    turns = listed(required(left, key, place), place, key)
    if not turns:
        raise BadRow("data.no_messages", place, field=key)
    del left[key]
    return [(f"{key}[{at}]", mapped(turn, place, f"{key}[{at}]")) for at, turn in enumerate(turns)]


def _messages(left: dict[str, Any], place: Place, extras: dict[str, Any]) -> list[Message]:
    if "tools" not in left and left.get("functions") is not None:
        left["tools"] = left.pop("functions")
    turns = [(field, dict(turn)) for field, turn in _turns(left, "messages", place)]
    made = [_message(rest, _Shape("role", "content", _OPENAI), place, field) for field, rest in turns]
    beside = _system_beside(left, made, place)
    for at, (_, rest) in enumerate(turns, len(beside)):
        _keep(extras, at, rest)
    return beside + made


def _system_beside(left: dict[str, Any], messages: list[Message], place: Place) -> list[Message]:
    """The system text that stands in the row beside its messages, as Anthropic's layout has it; none where the
    messages begin with the same.

    Raises:
        BadRow: the messages have another system text of their own.
    """
    given = left.pop("system", None)
    system, images = ("", ()) if given is None else _content(given, place, "system")
    own = [message.content.strip() for message in messages if message.role == "system"]
    if not system or own[:1] == [system.strip()]:
        return []
    if own:
        raise BadRow("data.two_systems", place, given=shorten(system), own=shorten(own[0]))
    return [Message("system", system, images=images)]


def _sharegpt(left: dict[str, Any], place: Place, extras: dict[str, Any]) -> list[Message]:
    key = "conversations" if "conversations" in left or "conversation" not in left else "conversation"
    made = []
    system = optional_text(left, "system", place)
    left.pop("system", None)
    if system:
        made.append(Message("system", system))
    for field, turn in _turns(left, key, place):
        rest = dict(turn)
        names = ("role", "content") if "from" not in turn and "role" in turn else ("from", "value")
        made.append(_message(rest, _Shape(*names, _SHAREGPT), place, field))
        _keep(extras, len(made) - 1, rest)
    return made


def _keep(extras: dict[str, Any], at: int, rest: dict[str, Any]) -> None:
    """Remember what a turn held beyond its fields, such as ``tool_call_id``; nulls come from tables and say nothing."""
    left = {key: value for key, value in rest.items() if value is not None}
    if left:
        extras[str(at)] = left


def _message(turn: dict[str, Any], shape: _Shape, place: Place, field: str) -> Message:
    """The message of a turn; takes out of ``turn`` what it has read."""
    who, what, roles = shape.who, shape.what, shape.roles
    name = clean(required(turn, who, place, f"{field}."), place, f"{field}.{who}")
    if name not in roles:
        near = nearest(name, roles)
        raise BadRow("data.role", place, field=f"{field}.{who}", given=shorten(name), nearest=near)
    role = roles[name]
    made = _calls(turn, role, place, field)
    images = picture_paths(turn.pop("images", None), place, f"{field}.images")
    if name in _CALLING:
        content, made = "", spoken_calls(required(turn, what, place, f"{field}."), place, f"{field}.{what}")
    elif turn.get(what) is None and made:
        content = ""
    else:
        content, parts = _content(required(turn, what, place, f"{field}."), place, f"{field}.{what}")
        images += parts
    train = _train(turn, role, place, field)
    thinking = _thinking(turn, role, place, field)
    for key in (who, what):
        turn.pop(key, None)
    return Message(role, content, train=train, tool_calls=made, images=images, thinking=thinking)


def _thinking(turn: dict[str, Any], role: Role, place: Place, field: str) -> str:
    """What an assistant thought before its answer, under either name; tables give every message the fields, empty.

    Raises:
        BadRow: not text; another's message; or both names with different words.
    """
    said: dict[str, str] = {}
    for key in _THOUGHTS:
        value = turn.pop(key, None)
        words = "" if value is None else clean(value, place, f"{field}.{key}")
        if words and role != "assistant":
            raise BadRow("data.thinking_role", place, field=f"{field}.{key}", given=role)
        if words:
            said[key] = words
    if len(set(said.values())) > 1:
        raise BadRow("data.two_thoughts", place, field=field, first=_THOUGHTS[0], second=_THOUGHTS[1])
    return next(iter(said.values()), "")


def _calls(turn: dict[str, Any], role: Role, place: Place, field: str) -> tuple[str, ...]:
    """The calls of a turn; only an assistant calls, but tables give every message the fields, empty."""
    if role != "assistant":
        for key in ("tool_calls", "function_call"):
            if turn.get(key) not in (None, "", "[]", [], {}):
                raise BadRow("data.calls_role", place, field=f"{field}.{key}", given=role)
            turn.pop(key, None)
        return ()
    made = calls(turn.pop("tool_calls", None), place, f"{field}.tool_calls")
    if turn.get("function_call") is not None:
        made += calls([turn.pop("function_call")], place, f"{field}.function_call")
    return made


def _content(value: object, place: Place, field: str) -> tuple[str, tuple[str, ...]]:
    """The text of a content, and the paths of the pictures among its parts; each leaves ``<image>`` in its place."""
    if isinstance(value, str):
        return clean(value, place, field), ()
    if not isinstance(value, (list, tuple)):
        raise BadRow("data.content", place, field=field, kind=kind(value), given=shorten(value))
    texts: list[str] = []
    images: tuple[str, ...] = ()
    for at, part in enumerate(value):
        within = f"{field}[{at}]"
        if isinstance(part, str):
            texts.append(clean(part, place, within))
            continue
        form = required(mapped(part, place, within), "type", place, f"{within}.")
        if form in ("text", "input_text", "output_text"):
            texts.append(clean(required(part, "text", place, f"{within}."), place, f"{within}.text"))
        elif form in ("image_url", "image", "input_image"):
            key = next((k for k in ("image_url", "image", "path", "url") if part.get(k) is not None), str(form))
            texts.append(PICTURE)
            images += picture_paths([required(part, key, place, f"{within}.")], place, f"{within}.{key}")
        else:
            raise BadRow("data.part", place, field=f"{within}.type", given=shorten(form))
    return "".join(texts), images


def _train(turn: dict[str, Any], role: Role, place: Place, field: str) -> bool | None:
    """What ``train``, ``loss`` or ``weight`` says of this message; only an assistant's can be trained."""
    said: dict[str, bool] = {}
    for key in _FLAGS:
        value = turn.pop(key, None)
        if value is None:
            continue
        if isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"
        if not isinstance(value, (bool, int, float)) or value not in (0, 1):
            raise BadRow("data.flag", place, field=f"{field}.{key}", given=shorten(value))
        said[key] = bool(value)
    if len(set(said.values())) > 1:
        raise BadRow("data.flags_differ", place, field=field, given=shorten(said))
    flag = next(iter(said.values()), None)
    if flag and role != "assistant":
        raise BadRow("data.flag_role", place, field=f"{field}.{next(iter(said))}", given=role)
    return flag if role == "assistant" else None


def _xtuner(left: dict[str, Any], place: Place, extras: dict[str, Any]) -> list[Message]:
    made: list[Message] = []
    for field, turn in _turns(left, "conversation", place):
        question = clean(required(turn, "input", place, f"{field}."), place, f"{field}.input")
        answer = clean(required(turn, "output", place, f"{field}."), place, f"{field}.output")
        system = optional_text(turn, "system", place, f"{field}.")
        rest = {k: v for k, v in turn.items() if k not in ("input", "output", "system", "need_eos_token", "sep")}
        train = _train(rest, "assistant", place, field)
        if system:
            made.append(Message("system", system))
        made += [Message("user", question), Message("assistant", answer, train=train)]
        _keep(extras, len(made) - 1, rest)
    return made


_TURNS: dict[str, Callable[[dict[str, Any], Place, dict[str, Any]], list[Message]]] = {
    "messages": _messages,
    "sharegpt": _sharegpt,
    "llava": _sharegpt,
    "xtuner": _xtuner,
}
