"""Conversations to examples. Knows segments and codecs; nothing of where a template's strings come from.

Each distinct piece is encoded once, in one batch; a cut keeps answers whole; nothing is left out uncounted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.data.conversation import Conversation, Message
from workbench.data.picture import Picture
from workbench.errors import BadInput, BadSetting
from workbench.templates.answers import apart
from workbench.templates.codec import Chunk, Codec, codec
from workbench.templates.pieces import (
    answered,
    chunk_of,
    chunks,
    ids_of,
    prompt_segments,
    system_head,
    trains,
    without_oldest,
)
from workbench.templates.seeing import check_sight, pictures_of
from workbench.templates.thoughts import THINKING, Thinking, split_thoughts, without
from workbench.templates.values import IGNORE_INDEX, Encoded, Example, LossOn, Prompt, Segment, Template, Unfit

# why a template cannot take a conversation; the template is to be changed, not the data
REFUSALS = ("refused", "left_out", "unproved", "tools")
LOSS_ON: tuple[LossOn, ...] = ("assistant", "last", "all")


def encode(
    conversations: Iterable[Conversation],
    tokenizer: Any,
    *,
    template: str | Template | None = None,
    loss_on: LossOn = "assistant",
    max_length: int | None = None,
    compat: str | None = None,
    thinking: Thinking = "keep",
    empty_ok: bool = False,
) -> Encoded:
    """Encode conversations into token ids and labels.

    Args:
        conversations: any number; those that cannot be encoded or would train nothing are left out and counted.
        tokenizer: a Hugging Face tokenizer.
        template: the name of a named template, a template, or None for the tokenizer's own chat template.
        loss_on: ``assistant`` trains every answer, ``last`` the last one, ``all`` everything; a message's own
            ``train`` goes before.
        max_length: tokens; a longer conversation loses its oldest turns, whole, then its system text; where even its
            last turn is too long it is left out. Never is an answer cut.
        thinking: what was thought before an answer: ``keep`` trains it with the answer, ``mask`` lets the model see it
            without labels, ``empty`` leaves it out.
        empty_ok: whether a template may refuse every conversation; what was in the way stands in the result.
        compat: ``xtuner`` reproduces XTuner 0.1.23 id for id: its roles, its reading of control tokens, its cut.

    Returns:
        Examples with ids and labels (T,), −100 where not trained, and what was left out or cut, by row.

    Raises:
        BadInput: unknown template or setting; a template that cannot be proved; or every conversation was refused.
    """
    from workbench.templates.compat import encode_xtuner
    from workbench.templates.registry import get

    check_settings(loss_on, max_length, compat, thinking)
    rows, where = distinct(conversations)
    if compat:
        return repeated(encode_xtuner(rows, tokenizer, template=template, max_length=max_length), where)
    chosen = get(template, tokenizer)
    encoded = _Batch(chosen, codec(tokenizer), loss_on, max_length, thinking).run(rows)
    if not empty_ok:
        _refuse_if_empty(rows, encoded, chosen)
    return repeated(encoded, where)


def distinct(conversations: Iterable[Conversation]) -> tuple[list[Conversation], list[int]]:
    """Return the conversations that differ in what is encoded, and for each conversation given which of these it is."""
    indices: dict[Any, int] = {}
    rows: list[Conversation] = []
    where: list[int] = []
    for conversation in conversations:
        key = (conversation.messages, conversation.kind == "text", conversation.tools)
        index = indices.setdefault(key, len(rows))
        if index == len(rows):
            rows.append(conversation)
        where.append(index)
    return rows, where


def repeated(encoded: Encoded, where: Sequence[int]) -> Encoded:
    """Return what was encoded once, for every conversation that it stands for; an example is shared, not copied."""
    if len(where) == len(set(where)):
        return encoded
    examples: dict[int, list[Example]] = {}
    for row, example in zip(encoded.rows, encoded.examples, strict=True):
        examples.setdefault(row, []).append(example)
    pairs = [(row, example) for row, index in enumerate(where) for example in examples.get(index, ())]
    reasons = {index: reason for reason, rows in encoded.dropped.items() for index in rows}
    dropped: dict[str, list[int]] = {reason: [] for reason in encoded.dropped}
    for row, index in enumerate(where):
        if index in reasons:
            dropped[reasons[index]].append(row)
    copies: dict[int, list[int]] = {}
    for row, index in enumerate(where):
        copies.setdefault(index, []).append(row)
    return Encoded(
        [example for _, example in pairs],
        [row for row, _ in pairs],
        dropped,
        {what: sorted(row for index in rows for row in copies[index]) for what, rows in encoded.cuts.items()},
        {row: encoded.notes[index] for row, index in enumerate(where) if index in encoded.notes},
        {row: encoded.mends[index] for row, index in enumerate(where) if index in encoded.mends},
        {row: encoded.answers[index] for row, index in enumerate(where) if index in encoded.answers},
        {
            reason: sorted((row, message) for index, message in those for row in copies[index])
            for reason, those in encoded.apart.items()
        },
    )


def check_settings(loss_on: str, max_length: int | None, compat: str | None, thinking: str = "keep") -> None:
    """Refuse unknown settings.

    Raises:
        BadSetting: what was given, and what would be right.
    """
    if loss_on not in LOSS_ON:
        raise BadSetting("templates.bad_loss_on", given=loss_on, known=tuple(LOSS_ON))
    if thinking not in THINKING:
        raise BadSetting("templates.bad_thinking", given=thinking, known=tuple(THINKING))
    if max_length is not None and max_length < 1:
        raise BadSetting("templates.bad_max_length", given=max_length)
    if compat not in (None, "", "xtuner"):
        raise BadSetting("templates.bad_compat", given=compat)
    if compat and loss_on != "assistant":
        raise BadSetting("templates.compat_loss_on", given=loss_on)


def _refuse_if_empty(rows: Sequence[Conversation], encoded: Encoded, template: Template) -> None:
    refused = [(row, reason) for reason in REFUSALS for row in encoded.dropped.get(reason, ())]
    if encoded.examples or not refused:
        return
    row, reason = min(refused)
    raise BadInput(
        f"templates.all_{reason}",
        template=template.name,
        source=rows[row].source or row + 1,
        note=encoded.notes.get(row, "-"),
        mend=encoded.mends.get(row, "-"),
    )


@dataclass(slots=True)
class _Rendered:
    """One conversation on its way: what is encoded in one piece, and whether it is trained."""

    row: int
    conversation: Conversation
    parts: list[tuple[Chunk, tuple[int, ...], bool]]
    apart: list[tuple[str, int]]
    media: tuple[Picture, ...] = ()


@dataclass(slots=True)
class _Batch:
    """One call of :func:`encode`."""

    template: Template
    codec: Codec
    loss_on: LossOn
    max_length: int | None
    thinking: Thinking = "keep"
    ids: dict[Chunk, tuple[int, ...]] = field(default_factory=dict)
    lossy: dict[Chunk, str] = field(default_factory=dict)
    dropped: dict[str, list[int]] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    mends: dict[int, str] = field(default_factory=dict)
    cuts: dict[str, set[int]] = field(default_factory=dict)
    answers: dict[int, int] = field(default_factory=dict)
    apart: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def run(self, rows: Sequence[Conversation]) -> Encoded:
        """Render all, encode what is distinct, put together; shorten and repeat for those that are too long."""
        finished: dict[int, list[Example]] = {}
        waiting = [r for r in (self._render(row, conversation) for row, conversation in enumerate(rows)) if r]
        while waiting:
            self._encode(waiting)
            shortened: list[_Rendered] = []
            for rendered in waiting:
                length = sum(len(fixed_ids or self.ids[chunk]) for chunk, fixed_ids, _ in rendered.parts)
                if self.max_length is None or length <= self.max_length:
                    self._finish(rendered, finished)
                elif rendered.conversation.kind == "text":
                    self._windows(rendered, finished)
                elif shorter := self._shorten(rendered):
                    shortened.append(shorter)
            waiting = shortened
        for reason in self.dropped:
            self.dropped[reason].sort()
        pairs = [(row, example) for row in sorted(finished) for example in finished[row]]
        cuts = {what: sorted(rows & finished.keys()) for what, rows in self.cuts.items() if rows & finished.keys()}
        apart = {reason: sorted(those) for reason, those in self.apart.items()}
        examples, of = [e for _, e in pairs], [row for row, _ in pairs]
        return Encoded(examples, of, self.dropped, cuts, self.notes, self.mends, self.answers, apart)

    def _render(self, row: int, conversation: Conversation) -> _Rendered | None:
        try:
            answerable = answered(conversation)
            segments = rendered(answerable, self.template, self.loss_on, self.thinking)
        except Unfit as unfit:
            self._drop(row, unfit.reason, unfit.note, unfit.mend)
            return None
        parts = []
        for start, end in chunks(segments):
            run = segments[start:end]
            parts.append((chunk_of(run) if not run[0].ids else (), run[0].ids, run[0].trained))
        return _Rendered(
            row,
            conversation,
            parts,
            apart(answerable, segments, loss_on=self.loss_on, thinking=self.thinking),
            pictures_of(answerable, segments),
        )

    def _encode(self, waiting: Iterable[_Rendered]) -> None:
        parts = [(chunk, trained) for r in waiting for chunk, fixed_ids, trained in r.parts if not fixed_ids]
        new = self.codec.encode(chunk for chunk, _ in parts if chunk not in self.ids)
        self.ids.update(new)
        self.lossy.update(self.codec.lossy({chunk: new[chunk] for chunk, trained in parts if trained and chunk in new}))

    def _join(self, rendered: _Rendered) -> tuple[list[int], list[int]]:
        ids: list[int] = []
        labels: list[int] = []
        for chunk, fixed_ids, trained in rendered.parts:
            piece = fixed_ids or self.ids[chunk]
            ids += piece
            labels += piece if trained else (IGNORE_INDEX,) * len(piece)
        return ids, labels

    def _finish(self, rendered: _Rendered, finished: dict[int, list[Example]]) -> None:
        ids, labels = self._join(rendered)
        wrong = [self.lossy[chunk] for chunk, _, trained in rendered.parts if trained and chunk in self.lossy]
        if wrong:
            self._drop(rendered.row, "lossy", wrong[0])
        elif trains(labels):
            finished[rendered.row] = [Example(tuple(ids), tuple(labels), media=rendered.media)]
            self.answers[rendered.row] = sum(m.role == "assistant" for m in rendered.conversation.messages)
            for reason, message in rendered.apart:
                self.apart.setdefault(reason, []).append((rendered.row, message))
        else:
            self._drop(rendered.row, "no_label")

    def _windows(self, rendered: _Rendered, finished: dict[int, list[Example]]) -> None:
        """A bare text that is too long becomes several examples, one after the other; nothing of it is lost."""
        ids, labels = self._join(rendered)
        step = self.max_length or len(ids)
        cuts = [(ids[start : start + step], labels[start : start + step]) for start in range(0, len(ids), step)]
        finished[rendered.row] = [Example(tuple(i), tuple(lab)) for i, lab in cuts]
        self.cuts.setdefault("parted", set()).add(rendered.row)
        self.answers[rendered.row] = 1

    def _shorten(self, rendered: _Rendered) -> _Rendered | None:
        """The conversation without its oldest turn; with one turn left, without its system text; then nothing."""
        shorter = without_oldest(rendered.conversation)
        if shorter is None:
            self._drop(rendered.row, "too_long")
            return None
        if len(shorter.pictures) < len(rendered.conversation.pictures):  # what is asked later may be about it
            self._drop(rendered.row, "picture_too_long")
            return None
        same_head = len(system_head(shorter.messages)) == len(system_head(rendered.conversation.messages))
        lost = "turns" if same_head else "system"
        self.cuts.setdefault(lost, set()).add(rendered.row)
        return self._render(rendered.row, shorter)

    def _drop(self, row: int, reason: str, note: str = "", mend: str = "") -> None:
        self.dropped.setdefault(reason, []).append(row)
        if note:
            self.notes[row] = note
        if mend:
            self.mends[row] = mend


def rendered(conversation: Conversation, template: Template, loss_on: LossOn, thinking: Thinking) -> list[Segment]:
    """Return the segments of a conversation, its thoughts told apart, left out or masked.

    Raises:
        Unfit: as :meth:`Template.segments`.
    """
    check_sight(conversation, template)
    shown = without(conversation) if thinking == "empty" else conversation
    return split_thoughts(template.segments(shown, loss_on=loss_on), mask=thinking == "mask")


def prompt_ids(
    messages: Conversation | Sequence[Message], tokenizer: Any, *, template: str | Template | None = None
) -> Prompt:
    """Return exactly what serving sends: the ids up to where the answer begins, a prefix of the trained ids; and the
    pictures among them.

    Raises:
        BadInput: the messages do not end with a user's or a tool's, or the template refuses them.
    """
    from workbench.templates.registry import get

    ids = ids_of(prompt_segments(messages, get(template, tokenizer)), codec(tokenizer))
    turns = messages.messages if isinstance(messages, Conversation) else messages
    return Prompt(ids, [image for message in turns for image in message.images])
