"""The tokenizer's own chat template. Knows how its trained parts are found and proved; refuses what cannot be proved.

Nothing relies on ``{% generation %}`` marks: most templates have none, and some leave the end-of-turn out of them.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from workbench.data.conversation import Conversation, Message
from workbench.errors import BadInput
from workbench.templates.codec import codec
from workbench.templates.named import bare, trained_by
from workbench.templates.outline import Ender, Outline, Outliner
from workbench.templates.skeleton import Parsed, Renderer, parse, placeholder_of
from workbench.templates.thoughts import CLOSE, spoken
from workbench.templates.values import LossOn, Segment, Unfit, unfit

NAME = "chat_template"
_SHAPES = 512  # outlines kept; a shape is a sequence of roles (and tool calls)

_made: WeakKeyDictionary[Any, tuple[tuple[Any, ...], OwnTemplate]] = WeakKeyDictionary()
_lock = threading.Lock()


def own_template(tokenizer: Any) -> OwnTemplate:
    """Return the tokenizer's chat template, proved on probe conversations.

    Raises:
        BadInput: there is none, it cannot be rendered, or its trained parts cannot be proved.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise BadInput("templates.no_chat_template")
    key = (
        str(tokenizer.chat_template), len(tokenizer), tokenizer.bos_token, tokenizer.eos_token,
        placeholder_of(tokenizer),
    )  # fmt: skip
    with _lock:
        cached = _made.get(tokenizer)
    if cached and cached[0] == key:
        return cached[1]
    try:
        template = OwnTemplate(tokenizer)
    except ValueError as error:  # several templates, and none of them the default
        refusal = unfit("refused", "several", reason=error)
        raise BadInput("templates.broken_template", note=refusal.note, mend=refusal.mend) from None
    template.prove(tokenizer)
    with _lock:
        _made[tokenizer] = (key, template)
    return template


class OwnTemplate:
    """Represent a Jinja chat template whose trained parts are proved, conversation by conversation.

    Args:
        tokenizer: whose template it is; it is not kept.
    """

    name = NAME

    def __init__(self, tokenizer: Any) -> None:
        self.render = Renderer(tokenizer)
        coder = codec(tokenizer)
        special = {str(t.content) for t in tokenizer.added_tokens_decoder.values() if t.special}
        self.bos = str(tokenizer.bos_token or "")
        self.eos = str(tokenizer.eos_token or "")
        ender = Ender(coder.find_control, frozenset(special | {self.eos}))
        self.outliner = Outliner(self.render, ender, self.bos)
        self.find_control = coder.find_control
        self.text_bos = _written_bos(tokenizer)
        self.eos_ids = () if tokenizer.eos_token_id is None else (int(tokenizer.eos_token_id),)
        self.ends: tuple[str, ...] = ()
        self.default = ""
        self.thought_field = _thought_field(self.render)
        self._outlines: OrderedDict[Any, Outline] = OrderedDict()
        self._outlines_lock = threading.Lock()

    @property
    def stop_words(self) -> tuple[str, ...]:
        """Return the ends of turn that the probes showed, then the tokenizer's EOS."""
        return tuple(dict.fromkeys(word for word in (*self.ends, self.eos) if word))

    def segments(
        self, conversation: Conversation, *, loss_on: LossOn = "assistant", generation_prompt: bool = False
    ) -> list[Segment]:
        """Return the rendered conversation, cut into segments; see :class:`workbench.templates.values.Template`.

        Raises:
            Unfit: the template refuses the conversation, or its trained parts cannot be proved.
        """
        if conversation.kind == "text":
            eos_ids = self.eos_ids
            return bare(conversation, self.bos if self.text_bos else "", self.text_bos, self.eos, eos_ids)
        trimmed = conversation if generation_prompt else _to_last_answer(conversation)
        outline, parsed = self._proved(trimmed, generation_prompt)
        return list(self._cut(outline, parsed, trimmed.messages, loss_on))

    def _proved(self, conversation: Conversation, prompt: bool) -> tuple[Outline, Parsed]:
        """The outline whose skeleton, filled with the conversation's words, is byte for byte its rendering.

        Calls are given as templates expect them: their arguments as a mapping, or as text where the template would
        refuse a mapping or write it as Python does.
        """
        calls = any(message.tool_calls for message in conversation.messages)
        try:
            return self._fitting(conversation, prompt, as_text=False)
        except Unfit:
            if not calls:
                raise
            with suppress(Unfit):
                return self._fitting(conversation, prompt, as_text=True)
            raise

    def _fitting(self, conversation: Conversation, prompt: bool, *, as_text: bool) -> tuple[Outline, Parsed]:
        pictured = bool(self.render.placeholder)
        options: dict[str, Any] = {"thought": self.thought_field, "as_text": as_text, "pictured": pictured}
        parsed = parse(conversation, **options)
        rendered = self.render(parsed.real, parsed.tools, prompt)
        if any(written in rendered for written in _as_python_writes(parsed)):
            raise unfit("refused", "python_arguments")
        if self.find_control(parsed.given):
            raise unfit("unproved", "control_in_tools")
        wrong: Unfit | None = None
        # a thought at an answer's beginning is told from its words at once: its marks are the model's, not letters
        first = any(spoken(message) for message in conversation.messages)
        for fresh, reasoning in ((False, first), (False, not first), (True, first), (True, not first)):
            if reasoning and CLOSE not in rendered + "".join(parsed.words):
                continue
            shown = parse(conversation, reasoning=True, **options) if reasoning else parsed
            try:
                outline = self._outline(conversation, shown, prompt, fresh)
            except Unfit as refusal:
                wrong = wrong or refusal
                continue
            if outline.skeleton.fill(shown.words) == rendered:
                return outline, shown
        raise wrong or unfit("unproved", "otherwise")

    def _outline(self, conversation: Conversation, parsed: Parsed, prompt: bool, fresh: bool) -> Outline:
        """The outline of this shape, kept; made anew where a kept one did not fit (a template may read the clock)."""
        key = (parsed.key, prompt)
        with self._outlines_lock:
            if not fresh and key in self._outlines:
                self._outlines.move_to_end(key)
                return self._outlines[key]
        outline = self.outliner.outline(conversation.messages, parsed, prompt=prompt)
        with self._outlines_lock:
            self._outlines[key] = outline
            while len(self._outlines) > _SHAPES:
                self._outlines.popitem(last=False)
        return outline

    def _cut(
        self, outline: Outline, parsed: Parsed, messages: tuple[Message, ...], loss_on: LossOn
    ) -> Iterator[Segment]:
        last = max((i for i, m in enumerate(messages) if m.role == "assistant"), default=-1)
        flags = {
            i: (False, "rewritten") if i in outline.rewritten else trained_by(m, loss_on, i == last)
            for i, m in enumerate(messages)
            if m.role == "assistant"
        }
        everything = loss_on == "all"
        for piece in outline.pieces:
            is_content = piece.slot >= 0
            text = outline.skeleton.changed(piece.slot, parsed.slots[piece.slot].words) if is_content else piece.text
            if not text:
                continue
            trained, why = flags[piece.turn] if piece.answer else (False, "")
            rule = why or piece.rule
            if everything and not trained and why not in ("train_false", "rewritten"):
                trained, rule = True, "all"
            for part, its_rule in self._default(text, piece.role, rule) if not is_content else [(text, rule)]:
                yield Segment(part, piece.role, piece.field, trained, not is_content, piece.turn, its_rule)

    def _default(self, text: str, role: str, rule: str) -> list[tuple[str, str]]:
        """A marker's text, with the system text that the template adds by itself cut out."""
        if not self.default or rule != "marker" or self.default not in text or role == "assistant":
            return [(text, rule)]
        before, after = text.split(self.default, 1)
        return [(t, r) for t, r in ((before, rule), (self.default, "default_system"), (after, rule)) if t]

    def prove(self, tokenizer: Any) -> None:
        """Prove the template on probes: render, cut, encode, decode, compare; learn its ends of turn.

        Raises:
            BadInput: it cannot be rendered, or cannot be proved; with the reason.
        """
        coder = codec(tokenizer)
        try:
            ends = self._proved_ends(_PROBES, coder)
        except Unfit as refusal:
            try:  # the template of a model that always thinks
                ends = self._proved_ends([_thinking(probe) for probe in _PROBES], coder)
            except Unfit:
                key = "broken_template" if refusal.reason == "refused" else "unproved_template"
                raise BadInput(f"templates.{key}", note=refusal.note, mend=refusal.mend) from None
        self.ends = tuple(dict.fromkeys(ends))
        self.outliner.ender = replace(self.outliner.ender, known=frozenset(self.ends))
        self.default = self._default_system()

    def _proved_ends(self, probes: Sequence[Conversation], coder: Any) -> list[str]:
        ends: list[str] = []
        for probe in probes:
            outline, _ = self._proved(probe, False)
            ends += outline.ends
            self._round_trip(probe, coder)
        return ends

    def _round_trip(self, probe: Conversation, coder: Any) -> None:
        """What is trained decodes to the answers and their ends; each end is one token; the prompt is a prefix."""
        from workbench.templates.pieces import chunk_of, chunks, ids_of, prompt_segments

        segments = self.segments(probe)
        for start, end in chunks(segments):
            run = segments[start:end]
            if not run[0].trained:
                continue
            ids = ids_of(run, coder)
            text = "".join(segment.text for segment in run)
            if not coder.same_text(coder.decode(ids), text):
                raise unfit("unproved", "another_text", text=repr(text), decoded=repr(coder.decode(ids)))
            if len(coder.encode([chunk_of(run[-1:])])[chunk_of(run[-1:])]) != 1:
                raise unfit("unproved", "end_in_parts", end=repr(run[-1].text))
        prompt = prompt_segments(probe.with_messages(*probe.messages[:-1]), self)
        ids, served = ids_of(segments, coder), ids_of(prompt, coder)
        if ids[: len(served)] != served:
            raise unfit("unproved", "another_tokens")

    def _default_system(self) -> str:
        """The system text that the template adds where the conversation has none."""
        question, system = Message("user", "Hi"), Message("system", "W5y5t3mW")
        plain = self.render([{"role": question.role, "content": question.content}])
        try:
            with_system = self.render([{"role": m.role, "content": m.content} for m in (system, question)])
        except Unfit:
            return ""
        before, separator, after = with_system.partition(system.content)
        if not separator or not plain.startswith(before) or not plain.endswith(after):
            return ""
        text = plain[len(before) : len(plain) - len(after)]
        return text.strip() if len(before) + len(after) < len(plain) else ""

    def fingerprint(self, tokenizer: Any) -> str:
        """Return sha256 of the rendered and encoded probe conversations."""
        from workbench.templates.pieces import fingerprint

        return fingerprint(self, tokenizer)


_PROBES = (
    Conversation((Message("user", "What is 2 + 2?"), Message("assistant", "Four. 四 👋"))),
    Conversation(
        (
            Message("user", "你好"),
            Message("assistant", "Hello, there!"),
            Message("user", "And\nnow?"),
            Message("assistant", "Bye."),
        )
    ),
)


def _thought_field(render: Renderer) -> str:
    """The field of a message in which a template looks for what was thought before the answer; empty where it looks
    for none, or only into the content."""
    mark = "W5th0ught"
    for name in ("reasoning_content", "thinking", "reasoning"):
        if name not in render.template:
            continue
        try:
            shown = render([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello", name: mark}])
        except Unfit:
            continue
        if shown.count(mark) == 1:
            return name
    return ""


def _as_python_writes(parsed: Parsed) -> Iterator[str]:
    """The mappings and lists in the arguments of calls as Python writes them, which no model is to learn."""
    waiting = [call["function"]["arguments"] for m in parsed.real for call in m.get("tool_calls", ())]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, (dict, list)):
            continue
        waiting += node.values() if isinstance(node, dict) else node
        written = repr(node)
        if node and written != json.dumps(node, ensure_ascii=False):
            yield written


def _thinking(conversation: Conversation) -> Conversation:
    """The conversation with a thought before each answer."""
    thought = "So they ask that."
    messages = [replace(m, thinking=thought) if m.role == "assistant" else m for m in conversation.messages]
    return conversation.with_messages(*messages)


def _to_last_answer(conversation: Conversation) -> Conversation:
    from workbench.templates.pieces import answered

    return answered(conversation)


def _written_bos(tokenizer: Any) -> tuple[int, ...]:
    """The BOS that the tokenizer itself writes before a bare text; empty where it writes none."""
    ids = list(tokenizer("a")["input_ids"])
    return (int(ids[0]),) if ids and ids[0] == tokenizer.bos_token_id else ()
