"""What an assistant thinks before it answers, in conversations and in renderings. Knows the marks that models put round
a thought; nothing of ids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from workbench.data.conversation import Conversation, Message
from workbench.templates.values import Segment

Thinking = Literal["keep", "empty", "mask"]
THINKING: tuple[Thinking, ...] = get_args(Thinking)
OPEN, CLOSE = "<think>", "</think>"
BEFORE, AFTER = f"{OPEN}\n", f"\n{CLOSE}\n\n"  # round a thought that stands in an answer's own text
# of the families of models that are usual: (what begins a thought, what ends it)
MARKS: tuple[tuple[str, str], ...] = (
    (OPEN, CLOSE),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel>thought", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
)
_SPOKEN = re.compile(rf"\s*{OPEN}(?P<thought>.*?){CLOSE}\s*", re.S)


def switches(source: str) -> list[str]:
    """Return the variables with which a chat template is told whether to think."""
    names = ["enable_thinking"] if re.search(r"\benable_thinking\b", source) else []
    return names + (["thinking"] if re.search(r"(?<![.\w])thinking is (not )?defined", source) else [])


def spoken(message: Message) -> str:
    """Return the thought of an answer: its own field, else what stands between ``<think>`` and ``</think>`` at its
    beginning; empty where there is none."""
    if message.role != "assistant":
        return ""
    match = _SPOKEN.match(message.content)
    return message.thinking.strip() or (match["thought"].strip() if match else "")


def without(conversation: Conversation) -> Conversation:
    """Return the conversation as if nobody had thought."""
    if not any(spoken(message) for message in conversation.messages):
        return conversation
    return conversation.with_messages(*(_bare(m) if spoken(m) else m for m in conversation.messages))


def _bare(message: Message) -> Message:
    return replace(message, thinking="", content=_SPOKEN.sub("", message.content, count=1))


def thought_end(text: str, before: str = "") -> int:
    """Tell where the answer begins in ``text``, after a thought and the white space that follows it; 0 where there is
    none.

    Args:
        text: what a model writes, or is to write.
        before: the prompt's end: some templates begin the thought themselves.
    """
    for opening, closing in MARKS:
        if not before.rstrip().endswith(opening) and not text.lstrip().startswith(opening):
            continue
        thought, mark, answer = text.partition(closing)
        if mark:
            return len(thought) + len(mark) + len(answer) - len(answer.lstrip())
    return 0


@dataclass(frozen=True, slots=True)
class Spoken:
    """Hold what a model wrote, its thought told from its answer.

    Args:
        thought: without its marks; empty where it wrote none.
        answer: what it says; empty while it thinks.
        going: whether the thought has begun and not ended.
    """

    thought: str
    answer: str
    going: bool = False


def parted(text: str) -> Spoken:
    """Return what a model wrote so far, or in all, taken apart. Words that begin with no mark of a thought are the
    answer."""
    bare = text.lstrip()
    opening, closing = next(((a, b) for a, b in MARKS if bare.startswith(a)), ("", ""))
    if not opening:
        return Spoken("", text)
    thought, mark, answer = bare.removeprefix(opening).partition(closing)
    return Spoken(thought.strip(), answer.lstrip() if mark else "", going=not mark)


def begun(prompt: str) -> str:
    """Return the mark with which a prompt begins the thought itself, so that the model does not write it; or empty."""
    bare = prompt.rstrip()
    return next((opening for opening, _ in MARKS if bare.endswith(opening)), "")


def split_thoughts(segments: Sequence[Segment], *, mask: bool) -> list[Segment]:
    """Return the segments with the thoughts told apart from the answers, and without labels where they are masked.

    Together they are the same text; the rule of a thought's pieces is ``thought`` or ``thought_masked``.
    """
    pieces: list[Segment] = []
    for turn, run in _turns(segments):
        if turn < 0:
            pieces += run
            continue
        before = "".join(s.text for s in pieces[-1:] if s.control)
        pieces += _parted(run, thought_end("".join(s.text for s in run), before), mask)
    return pieces


def _turns(segments: Sequence[Segment]) -> Iterator[tuple[int, list[Segment]]]:
    """The runs of segments: (the turn, the words of an answer), or (−1, what is none)."""
    run: list[Segment] = []
    kind = -1
    for segment in segments:
        now = segment.turn if segment.role == "assistant" and segment.field == "content" else -1
        if run and now != kind:
            yield kind, run
            run = []
        kind = now
        run.append(segment)
    if run:
        yield kind, run


def _parted(run: Sequence[Segment], end: int, mask: bool) -> Iterator[Segment]:
    """The pieces of an answer, cut where its thought ends."""
    start = 0
    for segment in run:
        size = max(0, min(len(segment.text), end - start))
        start += len(segment.text)
        if size:
            thought = replace(segment, text=segment.text[:size])
            yield _thought(thought, mask)
        if size < len(segment.text):
            yield replace(segment, text=segment.text[size:])


def _thought(segment: Segment, mask: bool) -> Segment:
    if not segment.trained or segment.rule == "text":
        return segment
    return replace(segment, trained=not mask, rule="thought_masked" if mask else "thought")
