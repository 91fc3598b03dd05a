"""The mask made visible: one conversation, token by token, as a value. Knows encoding; nothing of HTML or terminals.

A page or a terminal draws what :func:`mask_view` gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.data.conversation import Conversation
from workbench.data.picture import Picture
from workbench.errors import BadInput
from workbench.templates.answers import apart
from workbench.templates.codec import Codec, codec
from workbench.templates.differing import differences, grapheme_edges, parts
from workbench.templates.encoding import (
    answered,
    check_settings,
    chunk_of,
    chunks,
    ids_of,
    prompt_segments,
    rendered,
    without_oldest,
)
from workbench.templates.registry import get, stop_ids
from workbench.templates.system import DefaultSystem, default_system
from workbench.templates.thoughts import Thinking, without
from workbench.templates.values import IGNORE_INDEX, Difference, LossOn, Segment, Template, Unfit


@dataclass(frozen=True, slots=True)
class MaskToken:
    """Hold one token.

    Args:
        index: its place in the sequence, from 0.
        id: its id.
        text: the characters that it writes, or of which it writes a part (its group holds whole characters).
        group: index of its grapheme group.
        role: whose it is.
        field: the template field that produced it, as in :class:`~workbench.templates.values.Segment`.
        label: its id where trained, −100 elsewhere.
        rule: why, a key of the texts: ``templates.rule.…``.
        segment: index of its segment.
        turn: index of its message.
    """

    index: int
    id: int
    text: str
    group: int
    role: str
    field: str
    label: int
    rule: str
    segment: int
    turn: int

    @property
    def trained(self) -> bool:
        """Tell whether it is trained."""
        return self.label != IGNORE_INDEX


@dataclass(frozen=True, slots=True)
class MaskGroup:
    """Hold tokens that together write whole characters: no Chinese character, emoji or accent is torn.

    Args:
        text: what they write.
        start: index of the first token.
        end: one past the last token.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class MaskView:
    """Hold one conversation as it is trained and served.

    Args:
        template: the template's name.
        loss_on: what is trained.
        text: the rendered text of the whole conversation, as trained.
        tokens: all tokens in order.
        groups: grapheme groups in order; ``"".join(g.text for g in groups) == text``.
        segments: the template's segments in order.
        max_length: the length asked for, or None.
        cut: how many messages the cut took away (oldest first).
        prompt_text: the rendered text that serving sends for the last answer.
        prompt_ids: its ids.
        prompt_is_prefix: whether ``prompt_text``, as bytes, is a prefix of ``text``, and its ids of the trained ids.
        differs_at: the first byte at which the two differ, or −1.
        stop_ids: the ids at which generation stops.
        stop_trained: whether the last answer's last trained token is one of them.
        thinking: what is done with thoughts.
        answers: how many answers the conversation holds.
        pictures: of the conversation after the cut, in order.
        square: whether the tokens of a picture are the patches of a square, row by row.
        default: the system text that the template itself put into this conversation; None where it put none.
        apart: reason (a key of the texts, ``templates.apart.…``) -> how many of them are not trained as they stand.
    """

    template: str
    loss_on: str
    text: str
    tokens: tuple[MaskToken, ...]
    groups: tuple[MaskGroup, ...]
    segments: tuple[Segment, ...]
    max_length: int | None
    cut: int
    prompt_text: str
    prompt_ids: tuple[int, ...]
    prompt_is_prefix: bool
    differs_at: int
    stop_ids: tuple[int, ...]
    stop_trained: bool
    thinking: Thinking = "keep"
    answers: int = 0
    apart: Mapping[str, int] = field(default_factory=dict)
    default: DefaultSystem | None = None
    pictures: tuple[Picture, ...] = ()
    square: bool = True

    @property
    def ids(self) -> tuple[int, ...]:
        """Return (T,) token ids."""
        return tuple(token.id for token in self.tokens)

    @property
    def labels(self) -> tuple[int, ...]:
        """Return (T,) labels."""
        return tuple(token.label for token in self.tokens)

    @property
    def trained(self) -> int:
        """Tell how many tokens are trained."""
        return sum(token.trained for token in self.tokens)

    @property
    def share(self) -> float:
        """Return the share of tokens that are trained, 0 … 1."""
        return self.trained / len(self.tokens) if self.tokens else 0.0


def mask_view(
    conversation: Conversation,
    tokenizer: Any,
    *,
    template: str | Template | None = None,
    loss_on: LossOn = "assistant",
    max_length: int | None = None,
    thinking: Thinking = "keep",
) -> MaskView:
    """Return the view of one conversation.

    Args:
        conversation: it needs an answer.
        tokenizer: a fast tokenizer (offsets are needed).
        template: a named template's name, or None for the tokenizer's own.
        loss_on: as in :func:`workbench.templates.encode`.
        thinking: as there.
        max_length: as there; a conversation that cannot be made to fit is refused.

    Raises:
        BadInput: the conversation would be left out by ``encode``; the sentence says why.
    """
    check_settings(loss_on, max_length, None, thinking)
    chosen, coder = get(template, tokenizer), codec(tokenizer)
    fitted, segments = _fitted(conversation, chosen, coder, loss_on, max_length, thinking)
    tokens, groups = _tokens(segments, coder)
    text = "".join(segment.text for segment in segments)
    prompt = _prompt(without(fitted) if thinking == "empty" else fitted, chosen)
    reasons = dict(Counter(reason for reason, _ in apart(fitted, segments, loss_on=loss_on, thinking=thinking)))
    served = "".join(segment.text for segment in prompt)
    served_ids = tuple(ids_of(prompt, coder)) if prompt else ()
    ids = tuple(token.id for token in tokens)
    differs = _first_difference(served.encode(), text.encode())
    stops = tuple(stop_ids(tokenizer, template=chosen))
    trained = [token for token in tokens if token.trained]
    return MaskView(
        template=chosen.name,
        loss_on=loss_on,
        text=text,
        tokens=tokens,
        groups=groups,
        segments=tuple(segments),
        max_length=max_length,
        cut=len(conversation.messages) - len(fitted.messages),
        prompt_text=served,
        prompt_ids=served_ids,
        prompt_is_prefix=differs < 0 and ids[: len(served_ids)] == served_ids,
        differs_at=differs,
        stop_ids=stops,
        stop_trained=bool(trained) and trained[-1].id in stops,
        thinking=thinking,
        answers=sum(message.role == "assistant" for message in fitted.messages),
        apart=reasons,
        default=default_system(chosen) if any(s.rule == "default_system" for s in segments) else None,
        pictures=fitted.pictures,
        square=getattr(getattr(tokenizer, "picture_places", None), "square", True),
    )


def _fitted(
    conversation: Conversation,
    template: Template,
    coder: Codec,
    loss_on: LossOn,
    max_length: int | None,
    thinking: Thinking,
) -> tuple[Conversation, list[Segment]]:
    """The conversation after the cut, and its segments."""
    candidate: Conversation | None = conversation
    try:
        while candidate is not None:
            candidate = answered(candidate)
            segments = rendered(candidate, template, loss_on, thinking)
            if max_length is None or len(ids_of(segments, coder)) <= max_length:
                return candidate, segments
            candidate = None if candidate.kind == "text" else without_oldest(candidate)
    except Unfit as unfit:
        details = {"template": template.name, "note": unfit.note or "-", "mend": unfit.mend or "-"}
        raise BadInput(f"templates.view_{unfit.reason}", **details) from None
    raise BadInput("templates.view_too_long", max_length=max_length)


def _prompt(conversation: Conversation, template: Template) -> list[Segment]:
    """What serving sends for the last answer."""
    if conversation.kind == "text":
        return []
    last = max(i for i, m in enumerate(conversation.messages) if m.role == "assistant")
    return prompt_segments(conversation.with_messages(*conversation.messages[:last]), template)


def _tokens(segments: Sequence[Segment], coder: Codec) -> tuple[tuple[MaskToken, ...], tuple[MaskGroup, ...]]:
    tokens: list[MaskToken] = []
    groups: list[MaskGroup] = []
    for start, end in chunks(segments):
        run = segments[start:end]
        text = "".join(segment.text for segment in run)
        ids, spans = _encoded(run, coder)
        owners = list(_owners(run, start))
        for first, last, begin, stop in _grouped(text, spans):
            index = len(tokens)
            for number in range(first, last):
                owner = owners[min(max(spans[number][0], begin), len(owners) - 1)] if owners else start
                tokens.append(_token(len(tokens), ids[number], spans[number], owner, segments, len(groups), text))
            groups.append(MaskGroup(text[begin:stop], index, len(tokens)))
    return tuple(tokens), tuple(groups)


def _encoded(run: Sequence[Segment], coder: Codec) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    if not run[0].ids:
        return coder.offsets(chunk_of(run))
    size = len(run[0].text)
    return run[0].ids, [(0, size)] * len(run[0].ids)


def _owners(run: Sequence[Segment], first: int) -> Iterator[int]:
    """For each character of a run the index of its segment."""
    for offset, segment in enumerate(run):
        yield from [first + offset] * len(segment.text)


def _token(
    index: int, id_: int, span: tuple[int, int], owner: int, segments: Sequence[Segment], group: int, text: str
) -> MaskToken:
    segment = segments[owner]
    label = id_ if segment.trained else IGNORE_INDEX
    piece = text[span[0] : span[1]]
    return MaskToken(index, id_, piece, group, segment.role, segment.field, label, segment.rule, owner, segment.turn)


def _grouped(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """Runs of tokens that write whole graphemes: first token, one past the last, first character, one past the last.

    Two tokens stay together where they share a character or where the character between them is in the midst of a
    grapheme. The runs cover the whole text, also characters that no token claims (such as a stripped space).
    """
    edges = grapheme_edges(text)
    first, begin, reach = 0, 0, 0
    for number, (start, end) in enumerate(spans):
        if number > first and start >= reach and start in edges and reach > begin:
            yield first, number, begin, start
            first, begin = number, start
        reach = max(reach, end)
    if spans:
        yield first, len(spans), begin, len(text)


def _first_difference(prompt: bytes, text: bytes) -> int:
    """The first byte at which ``text`` does not go on as ``prompt`` does, or −1."""
    if text.startswith(prompt):
        return -1
    return next((i for i, (a, b) in enumerate(zip(prompt, text, strict=False)) if a != b), min(len(prompt), len(text)))


@dataclass(frozen=True, slots=True)
class ViewComparison:
    """Hold two renderings of one conversation, side by side.

    Args:
        a: the first.
        b: the second.
        same_text: whether they are the same bytes.
        same_ids: whether they are the same ids.
        same_trained: whether the same text is trained.
        differs_at: the first byte at which they differ, or −1.
        pieces: the two texts, cut into same and different stretches.
        prompt_pieces: the two served prompts, cut likewise.
    """

    a: MaskView
    b: MaskView
    same_text: bool
    same_ids: bool
    same_trained: bool
    differs_at: int
    pieces: tuple[Difference, ...]
    prompt_pieces: tuple[Difference, ...]


def compare_views(a: MaskView, b: MaskView) -> ViewComparison:
    """Compare two views byte by byte: the texts, the served prompts, and what is trained."""
    first, two = a.text.encode(), b.text.encode()
    same = first == two
    differs = -1 if same else _differing_byte(first, two)
    return ViewComparison(
        a=a,
        b=b,
        same_text=same,
        same_ids=a.ids == b.ids,
        same_trained=_trained_text(a) == _trained_text(b),
        differs_at=differs,
        pieces=differences(parts(a.text, a.segments), parts(b.text, b.segments)),
        prompt_pieces=differences(parts(a.prompt_text, a.segments), parts(b.prompt_text, b.segments)),
    )


def _differing_byte(first: bytes, two: bytes) -> int:
    return next((i for i, (x, y) in enumerate(zip(first, two, strict=False)) if x != y), min(len(first), len(two)))


def _trained_text(view: MaskView) -> list[str]:
    return [segment.text for segment in view.segments if segment.trained]
