"""Where a Jinja chat template puts whose words. Knows how to render; nothing of token ids or of what is trained.

The method: render the conversation with a unique sentinel in the place of each text. What stands between the
sentinels is the template's own; where a sentinel stands, the words stand. What the template does to the words (nothing,
or stripping them) is found by padding each sentinel once. The cut is *proved* for each conversation: the skeleton,
filled with its words, must be byte for byte what the template renders.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from workbench.data.conversation import Conversation, Message
from workbench.errors import BadInput
from workbench.templates.marks import MARK, apart
from workbench.templates.parts import in_parts, shows_pictures, wants_parts, with_marks
from workbench.templates.sandbox import TooMuchError, render
from workbench.templates.thoughts import AFTER, BEFORE, CLOSE, OPEN
from workbench.templates.values import Unfit, unfit

# What templates do to the words, most usual first.
CHANGES: tuple[Callable[[str], str], ...] = (
    lambda content: content,
    str.strip,
    str.rstrip,
    str.lstrip,
    lambda content: content.strip("\n"),
    lambda content: content.lstrip("\n"),
    lambda content: content.rstrip("\n"),
    lambda content: json.dumps(content, ensure_ascii=False)[1:-1],
    lambda content: json.dumps(content)[1:-1],
)
_LEFT, _RIGHT = " \n", '"é\n '  # tells all changes apart

# Some templates write today's date into the prompt; a fixed one keeps training, fingerprint and serving the same.
_FIXED_DATE = "26 Jul 2024"


@dataclass(frozen=True, slots=True)
class Slot:
    """Hold words that somebody gave.

    Args:
        message: index of the message.
        kind: ``content``, ``reasoning`` or ``argument`` (a string in a tool call's arguments).
        words: the words.
        mark: the sentinel that stands for them.
    """

    message: int
    kind: str
    words: str
    mark: str


class Renderer:
    """Represent a tokenizer's chat template as a function; refuses in our own words.

    Args:
        tokenizer: whose template and special tokens are taken; the tokenizer itself is not kept.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.template = str(tokenizer.get_chat_template())
        self.with_tools = str(tokenizer.get_chat_template(tools=[]))
        self.options = dict(tokenizer.special_tokens_map)
        if "date_string" in self.template:
            self.options["date_string"] = _FIXED_DATE
        placeholder = placeholder_of(tokenizer)
        self.placeholder = placeholder if placeholder and shows_pictures(self._rendered, placeholder) else ""
        self.in_parts = bool(self.placeholder) or wants_parts(self._rendered)

    def __call__(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] = (), prompt: bool = False) -> str:
        """The rendered text, as ``tokenizer.apply_chat_template(…, tokenize=False)`` gives it (in Jinja's sandbox); of
        a template that shows pictures by itself with their marks in the place of its placeholders.

        Raises:
            Unfit: the template refuses these messages; the note holds its words.
            BadInput: it takes more time or memory than a template may.
        """
        if not self.in_parts:
            return self._rendered(messages, tools, prompt)
        text = self._rendered([in_parts(message, self.placeholder) for message in messages], tools, prompt)
        return with_marks(text, messages, self.placeholder) if self.placeholder else text

    def _rendered(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] = (), prompt: bool = False) -> str:
        from jinja2 import TemplateError

        template = self.with_tools if tools else self.template
        try:
            return render(template, messages, list(tools) or None, add_generation_prompt=prompt, **self.options)
        except TooMuchError as error:
            raise BadInput("templates.too_much", reason=error) from None
        except (TemplateError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            reason = in_words(f"{type(error).__name__}: {error}")
            raise unfit("refused", "raised" if type(error) is TemplateError else "broken", reason=reason) from None

    def prefix_of(
        self, text: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any], prompt: bool
    ) -> int | None:
        """Tell how long the rendering of ``messages`` is, if it is a prefix of ``text``; else, or where refused,
        None."""
        if not messages:
            return 0
        try:
            part = self(messages, tools, prompt)
        except Unfit:
            return None
        return len(part) if text.startswith(part) else None


def placeholder_of(tokenizer: Any) -> str:
    """Return the token that stands for a part of a picture; empty where the model of ``tokenizer`` sees none."""
    places = getattr(tokenizer, "picture_places", None)
    return "" if places is None else str(tokenizer.convert_ids_to_tokens(places.image_token) or "")


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Hold a rendering with holes.

    Args:
        text: the rendering with sentinels.
        dicts: the messages with sentinels, as the template got them.
        tools: the tools, as it got them.
        holes: for each sentinel found, in order: (start, end, index of the slot).
        changes: for each slot found what the template does to its words (an index into ``CHANGES``).
    """

    text: str
    dicts: tuple[Mapping[str, Any], ...]
    tools: tuple[Any, ...]
    holes: tuple[tuple[int, int, int], ...]
    changes: Mapping[int, int]

    def fill(self, contents: Sequence[str]) -> str:
        """Return the rendering with ``contents`` in its holes."""
        pieces, last = [], 0
        for start, end, slot in self.holes:
            pieces += [self.text[last:start], self.changed(slot, contents[slot])]
            last = end
        return "".join(pieces) + self.text[last:]

    def changed(self, slot: int, content: str) -> str:
        """Return the words as the template writes them."""
        return CHANGES[self.changes[slot]](content)


@dataclass(slots=True)
class Parsed:
    """Hold a conversation as the template gets it, and once more with sentinels.

    Args:
        real: messages with their words.
        marked: messages with sentinels.
        slots: what the sentinels stand for.
        tools: the tools.
        key: equal for two conversations that differ in nothing but their words.
        given: what is neither a word nor the template's (names in calls, tools), to be searched for control tokens.
    """

    real: list[dict[str, Any]] = field(default_factory=list)
    marked: list[dict[str, Any]] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    tools: list[Any] = field(default_factory=list)
    key: tuple[Any, ...] = ()
    given: str = ""

    @property
    def words(self) -> list[str]:
        """Return the words of all slots."""
        return [slot.words for slot in self.slots]


_NONCE = secrets.token_hex(6)
_MARK = re.compile(rf"W{_NONCE}x\d+Z")


def in_words(text: str) -> str:
    """Return a rendering for people: what stands for somebody's words is an ellipsis."""
    return _MARK.sub("…", text)


def parse(
    conversation: Conversation,
    *,
    reasoning: bool = False,
    thought: str = "",
    as_text: bool = False,
    pictured: bool = False,
) -> Parsed:
    """Take a conversation apart.

    Args:
        conversation: any.
        reasoning: cut ``<think>…</think>`` in answers from what follows, for templates that treat the two differently.
        thought: the field of a message in which the template looks for its thought; empty: it stands in the content.
        as_text: give the arguments of a call as the text of their JSON, for templates that do not take them apart.
        pictured: leave the marks of pictures where they are, for a template that shows them by itself.

    Raises:
        Unfit: a tool or a tool call is not JSON.
    """
    parsed = Parsed(tools=[_json(tool) for tool in conversation.tools])
    shapes: list[Any] = []
    for index, message in enumerate(conversation.messages):
        real: dict[str, Any] = {"role": message.role, "content": message.content}
        marked: dict[str, Any] = {"role": message.role}
        if message.thinking and thought:
            real[thought] = message.thinking
            marked[thought] = _mark(parsed, index, "reasoning", message.thinking)
        elif message.thinking:
            real["content"] = f"{BEFORE}{message.thinking}{AFTER}{message.content}"
        if pictured and MARK.search(message.content):
            marked["content"] = _around_pictures(parsed, index, message.content)
        else:
            marked["content"] = _content(parsed, index, message, reasoning, thought)
        calls = [_call(_json(call), as_text=as_text) for call in message.tool_calls]
        if calls:
            real["tool_calls"] = calls
            marked["tool_calls"] = [_mark_call(parsed, index, call) for call in calls]
        parsed.real.append(real)
        parsed.marked.append(marked)
        # contents are sentinels here, so that equal shapes have equal keys
        calling = json.dumps(marked["tool_calls"]) if calls else ""
        shapes.append((message.role, marked["content"], marked.get(thought, ""), calling))
    outside = [_without_words(call) for m in parsed.marked for call in m.get("tool_calls", ())]
    parsed.given = json.dumps([outside, parsed.tools], ensure_ascii=False) if outside or parsed.tools else ""
    parsed.key = (tuple(shapes), json.dumps(parsed.tools, ensure_ascii=False) if parsed.tools else "")
    return parsed


def _content(parsed: Parsed, index: int, message: Message, reasoning: bool, field: str) -> str:
    content = message.content
    if message.thinking and not field:
        inner = _mark(parsed, index, "reasoning", message.thinking)
        return f"{BEFORE}{inner}{AFTER}{_mark(parsed, index, 'content', content)}"
    if reasoning and message.role == "assistant" and OPEN in content and CLOSE in content.split(OPEN, 1)[1]:
        before, rest = content.split(OPEN, 1)
        thought, answer = rest.split(CLOSE, 1)
        thinking_text, reply = thought.strip("\n"), answer.lstrip("\n")
        lead, trail = _edges(thought, thinking_text)
        gap = answer[: len(answer) - len(reply)]
        inner = _mark(parsed, index, "reasoning", thinking_text)
        return f"{before}{OPEN}{lead}{inner}{trail}{CLOSE}{gap}{_mark(parsed, index, 'content', reply)}"
    return _mark(parsed, index, "content", content)


def _around_pictures(parsed: Parsed, index: int, content: str) -> str:
    """The content with sentinels, and between them the marks of its pictures as they are."""
    return "".join(
        piece if MARK.fullmatch(piece) else _mark(parsed, index, "content", piece) for piece in apart(content)
    )


def _edges(text: str, inner: str) -> tuple[str, str]:
    start = text.find(inner)
    return text[:start], text[start + len(inner) :]


def _mark(parsed: Parsed, index: int, kind: str, content: str) -> str:
    if not content:
        return ""
    mark = f"W{_NONCE}x{len(parsed.slots)}Z"
    parsed.slots.append(Slot(index, kind, content, mark))
    return mark


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise unfit("refused", "not_json", given=text[:80]) from None


def _call(call: Any, *, as_text: bool) -> dict[str, Any]:
    """A tool call in the form that templates expect: the arguments as a mapping where they are one, or as text."""
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or "name" not in function:
        raise unfit("refused", "not_a_call", given=json.dumps(call, ensure_ascii=False)[:80])
    arguments = function.get("arguments", {})
    if as_text and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    elif isinstance(arguments, str) and not as_text:
        with suppress(ValueError):  # a call may also carry plain text
            arguments = json.loads(arguments)
    entry = {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
    if isinstance(call.get("id"), str):
        entry["id"] = call["id"]
    return entry


def _mark_call(parsed: Parsed, index: int, call: dict[str, Any]) -> dict[str, Any]:
    def marked(node: Any) -> Any:
        if isinstance(node, str):
            return _mark(parsed, index, "argument", node)
        if isinstance(node, dict):
            return {key: marked(value) for key, value in node.items()}
        return [marked(item) for item in node] if isinstance(node, list) else node

    function = call["function"]
    return {**call, "function": {**function, "arguments": marked(function["arguments"])}}


def _without_words(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_words(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_words(item) for item in node]
    return "" if isinstance(node, str) and _NONCE in node else node


def build(render: Renderer, parsed: Parsed, *, prompt: bool = False) -> Skeleton:
    """Return the skeleton of a conversation's shape.

    Raises:
        Unfit: refused by the template; or words that it writes twice or changes in a way that is not known.
    """
    text = render(parsed.marked, parsed.tools, prompt)
    holes = []
    for number, slot in enumerate(parsed.slots):
        count = text.count(slot.mark)
        if count > 1:
            raise unfit("unproved", "twice", message=slot.message + 1, count=count)
        if count:
            start = text.index(slot.mark)
            holes.append((start, start + len(slot.mark), number))
    bare = Skeleton(text, tuple(parsed.marked), tuple(parsed.tools), tuple(sorted(holes)), {n: 0 for *_, n in holes})
    changes = {n: _change(render, parsed, bare, n, prompt) for *_, n in bare.holes}
    return Skeleton(text, bare.dicts, bare.tools, bare.holes, changes)


def _change(render: Renderer, parsed: Parsed, bare: Skeleton, number: int, prompt: bool) -> int:
    """What the template does to the words of one slot, found by padding its sentinel."""
    mark = parsed.slots[number].mark
    padded = f"{_LEFT}{mark}{_RIGHT}"
    got = render(_replaced(parsed.marked, mark, padded), parsed.tools, prompt)
    marks = [slot.mark for slot in parsed.slots]
    for index, change in enumerate(CHANGES):
        marks[number] = change(padded)
        if bare.fill(marks) == got:
            return index
    raise unfit("unproved", "changed", message=parsed.slots[number].message + 1)


def _replaced(node: Any, mark: str, content: str) -> Any:
    if isinstance(node, str):
        return node.replace(mark, content)
    if isinstance(node, dict):
        return {key: _replaced(value, mark, content) for key, value in node.items()}
    return [_replaced(item, mark, content) for item in node] if isinstance(node, list) else node
