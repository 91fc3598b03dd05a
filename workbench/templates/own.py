"""The tokenizer's own chat template. Knows how its trained parts are found and proved; refuses what cannot be proved.

Nothing relies on ``{% generation %}`` marks: most templates have none, and some leave the end-of-turn out of them.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from workbench.data.conversation import Conversation, Message
from workbench.errors import BadInput
from workbench.templates.codec import codec
from workbench.templates.named import NamedTemplate, bare, trained_by
from workbench.templates.outline import Ender, Outline, Outliner
from workbench.templates.skeleton import Parsed, Renderer, parse
from workbench.templates.values import LossOn, Segment, Template, Unfit

NAME = "chat_template"
_SHAPES = 512  # outlines kept; a shape is a sequence of roles (and tool calls)

_made: WeakKeyDictionary[Any, tuple[tuple[Any, ...], OwnTemplate]] = WeakKeyDictionary()
_lock = threading.Lock()


def own_template(tokenizer: Any) -> OwnTemplate:
    """The tokenizer's chat template, proved on probe conversations.

    Raises:
        BadInput: there is none, it cannot be rendered, or its trained parts cannot be proved.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise BadInput("templates.no_chat_template")
    key = (str(tokenizer.chat_template), len(tokenizer), tokenizer.bos_token, tokenizer.eos_token)
    with _lock:
        known = _made.get(tokenizer)
    if known and known[0] == key:
        return known[1]
    try:
        template = OwnTemplate(tokenizer)
    except ValueError as error:  # several templates, and none of them the default
        raise BadInput("templates.broken_template", note=error) from None
    template.prove(tokenizer)
    with _lock:
        _made[tokenizer] = (key, template)
    return template


class OwnTemplate:
    """A Jinja chat template whose trained parts are proved, conversation by conversation.

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
        self._outlines: OrderedDict[Any, Outline] = OrderedDict()
        self._outlines_lock = threading.Lock()

    @property
    def stop_words(self) -> tuple[str, ...]:
        """The ends of turn that the probes showed, then the tokenizer's EOS."""
        return tuple(dict.fromkeys(word for word in (*self.ends, self.eos) if word))

    def segments(
        self, conversation: Conversation, *, loss_on: LossOn = "assistant", generation_prompt: bool = False
    ) -> list[Segment]:
        """The rendered conversation, cut into segments; see :class:`workbench.templates.values.Template`.

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
        """The outline whose skeleton, filled with the conversation's words, is byte for byte its rendering."""
        parsed = parse(conversation)
        rendered = self.render(parsed.real, parsed.tools, prompt)
        if self.find_control(parsed.given):
            raise Unfit("unproved", "a control token is spelled in the tools or in the name or keys of a call")
        wrong: Unfit | None = None
        for fresh, reasoning in ((False, False), (False, True), (True, False), (True, True)):
            if reasoning and "</think>" not in rendered + "".join(parsed.words):
                continue
            taken = parse(conversation, reasoning=True) if reasoning else parsed
            try:
                outline = self._outline(conversation, taken, prompt, fresh)
            except Unfit as unfit:
                wrong = wrong or unfit
                continue
            if outline.skeleton.fill(taken.words) == rendered:
                return outline, taken
        raise wrong or Unfit("unproved", "the template treats these words otherwise than others")

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
            words = piece.slot >= 0
            text = outline.skeleton.changed(piece.slot, parsed.slots[piece.slot].words) if words else piece.text
            if not text:
                continue
            trained, why = flags[piece.turn] if piece.answer else (False, "")
            rule = why or piece.rule
            if everything and not trained and why not in ("train_false", "rewritten"):
                trained, rule = True, "all"
            for part, its_rule in self._default(text, piece.role, rule) if not words else [(text, rule)]:
                yield Segment(part, piece.role, piece.field, trained, not words, piece.turn, its_rule)

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
        ends: list[str] = []
        try:
            for probe in _PROBES:
                outline, _ = self._proved(probe, False)
                ends += outline.ends
                self._round_trip(probe, coder)
        except Unfit as unfit:
            key = "broken_template" if unfit.reason == "refused" else "unproved_template"
            raise BadInput(f"templates.{key}", note=unfit.note) from None
        self.ends = tuple(dict.fromkeys(ends))
        self.outliner.ender = replace(self.outliner.ender, known=frozenset(self.ends))
        self.default = self._default_system()

    def _round_trip(self, probe: Conversation, coder: Any) -> None:
        """What is trained decodes to the answers and their ends; each end is one token; the prompt is a prefix."""
        from workbench.templates.encoding import chunk_of, chunks, ids_of, prompt_segments

        segments = self.segments(probe)
        for start, end in chunks(segments):
            run = segments[start:end]
            if not run[0].trained:
                continue
            ids = ids_of(run, coder)
            text = "".join(segment.text for segment in run)
            if not coder.same_text(coder.decode(ids), text):
                raise Unfit("unproved", f"{text!r} is decoded to {coder.decode(ids)!r}")
            if len(coder.encode([chunk_of(run[-1:])])[chunk_of(run[-1:])]) != 1:
                raise Unfit("unproved", f"the end-of-turn {run[-1].text!r} is not a single token")
        prompt = prompt_segments(probe.with_messages(*probe.messages[:-1]), self)
        ids, served = ids_of(segments, coder), ids_of(prompt, coder)
        if ids[: len(served)] != served:
            raise Unfit("unproved", "the tokens of the prompt that serving sends are not those that were trained")

    def _default_system(self) -> str:
        """The system text that the template adds where the conversation has none."""
        asked, told = Message("user", "Hi"), Message("system", "W5y5t3mW")
        plain = self.render([{"role": asked.role, "content": asked.content}])
        try:
            with_system = self.render([{"role": m.role, "content": m.content} for m in (told, asked)])
        except Unfit:
            return ""
        before, found, after = with_system.partition(told.content)
        if not found or not plain.startswith(before) or not plain.endswith(after):
            return ""
        text = plain[len(before) : len(plain) - len(after)]
        return text.strip() if len(before) + len(after) < len(plain) else ""

    def fingerprint(self, tokenizer: Any) -> str:
        """sha256 of the rendered and encoded probe conversations."""
        from workbench.templates.encoding import fingerprint

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


def _to_last_answer(conversation: Conversation) -> Conversation:
    from workbench.templates.encoding import answered

    return answered(conversation)


def _written_bos(tokenizer: Any) -> tuple[int, ...]:
    """The BOS that the tokenizer itself writes before a bare text; empty where it writes none."""
    given = list(tokenizer("a")["input_ids"])
    return (int(given[0]),) if given and given[0] == tokenizer.bos_token_id else ()


@dataclass(frozen=True, slots=True)
class DefaultSystem:
    """A system text that a template adds by itself.

    Args:
        text: the text; empty where it adds none.
        identity: whether it says who the assistant is or who made it.
    """

    text: str
    identity: bool

    def says(self, lang: str | None = None) -> str:
        """The finding in words."""
        from workbench.texts import text

        kind = "none" if not self.text else "identity" if self.identity else "plain"
        return text(f"templates.default_system.{kind}", lang, text=self.text)


_IDENTITY = re.compile(
    r"\b(made|created|developed|trained|built) by\b|\bname is\b|\bnamed\b|\bcalled [A-Z]"
    r"|\b(You are|I am|I'm|You're) (?!an? |the |not |to |in )[A-Z]\w+"
    r"|由.{1,20}(开发|研发|训练|创建|打造)|名(字|为|叫)|(你|我)(是|叫)(?!一|个|位|名)[^，。,.\s]{1,20}"
    r"|\b(Qwen|InternLM|ChatGPT|GPT-\d|Llama|Mistral|DeepSeek|Gemma|Zephyr|Claude|Gemini|ChatGLM|Baichuan|Yi|Phi)\b"
    r"|通义|书生|浦语|智谱|百川|文心|混元|豆包"
)


def default_system(template: Template) -> DefaultSystem:
    """The system text that a template adds by itself, and whether it asserts an identity.

    A named template adds none without a system message; some put words of their own round it, which are given here.
    """
    if isinstance(template, NamedTemplate):
        around = (template.spec.system or "").replace("{system}", "")
        text = around.strip() if _IDENTITY.search(around) else ""
    else:
        text = str(getattr(template, "default", ""))
    return DefaultSystem(text, bool(_IDENTITY.search(text)))
