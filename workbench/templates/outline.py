"""Whose each piece of a skeleton is, and where an answer begins and ends. Knows renderings; nothing of ids or loss.

An answer begins where serving's prompt ends (``add_generation_prompt``), and ends with the first end-of-turn token
after its words. Both are read off renderings of the conversation's own beginnings, never guessed from the template's
source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from workbench.data.conversation import Message, Role
from workbench.templates.skeleton import Parsed, Renderer, Skeleton, build, in_words
from workbench.templates.thoughts import switches
from workbench.templates.values import Unfit, unfit

_PROBE = "W0rdsW0uldSt4ndHere"


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold a piece of a rendering.

    Args:
        text: the template's text; empty where ``slot`` says whose words stand here.
        slot: index of the words, or −1.
        role: whose piece it is.
        field: as in :class:`~workbench.templates.values.Segment`.
        turn: index of the message.
        rule: why it is (not) trained, before ``loss_on`` and the message's own flag.
        answer: whether it is part of what the model is to write: the words of an answer, a call, the end-of-turn.
    """

    text: str
    slot: int
    role: Role
    field: str
    turn: int
    rule: str
    answer: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """Hold a shape of conversation, taken apart once.

    Args:
        skeleton: its rendering with holes.
        pieces: in order; together they are the rendering.
        rewritten: answers that stand here otherwise than serving would have prompted for them.
        ends: the end-of-turn of each answer.
    """

    skeleton: Skeleton
    pieces: tuple[Piece, ...]
    rewritten: frozenset[int]
    ends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ender:
    """Find the end-of-turn in what follows an answer's words.

    Args:
        find: the control tokens spelled in a text, in order.
        special: those that the tokenizer calls special.
        known: ends of turn that are known already; they go before other special tokens, such as the marks round a call.
    """

    find: Callable[[str], list[str]]
    special: frozenset[str]
    known: frozenset[str] = frozenset()

    def end(self, tail: str) -> tuple[int, int] | None:
        """Return (start, end) of the end-of-turn token: a known one, else the first special one, else the first; or
        None."""
        tokens = self.find(tail)
        preferred = [*(w for w in tokens if w in self.known), *(w for w in tokens if w in self.special), *tokens]
        word = preferred[0] if preferred else None
        if word is None:
            return None
        start = tail.index(word)
        return start, start + len(word)


@dataclass(slots=True)
class _Cut:
    """Where a region begins, and what it is."""

    at: int
    role: Role
    field: str
    turn: int
    rule: str = "marker"
    answer: bool = False


class Outliner:
    """Take shapes of conversations apart.

    Args:
        render: the template.
        ender: finds ends of turns.
        bos: the tokenizer's BOS as text, or empty.
    """

    def __init__(self, render: Renderer, ender: Ender, bos: str = "") -> None:
        self.render = render
        self.ender = ender
        self.bos = bos

    def outline(self, messages: Sequence[Message], parsed: Parsed, *, prompt: bool = False) -> Outline:
        """Return the outline of a conversation's shape.

        Raises:
            Unfit: refused; or it cannot be proved where an answer begins or ends.
        """
        skeleton = build(self.render, parsed, prompt=prompt)
        self._all_there(messages, parsed, skeleton)
        cuts: list[_Cut] = []
        rewritten: set[int] = set()
        ends: list[str] = []
        reached = 0
        last = len(messages) - 1
        for turn, message in enumerate(messages):
            if message.role != "assistant":
                field = "system" if message.role == "system" else "user"
                cuts.append(_Cut(reached, message.role, field, turn))
                reached = self._given_end(skeleton, parsed, turn, reached)
                continue
            start = self._start(skeleton, parsed, turn, reached)
            if start is None:
                if turn == last:
                    raise self._no_start(skeleton, parsed, turn)
                rewritten.add(turn)
            answer_cuts, reached, ends_alike = self._answer(skeleton, parsed, turn, start, reached)
            cuts += answer_cuts
            if ends_alike:
                ends.append(skeleton.text[answer_cuts[-2].at : answer_cuts[-1].at])
            else:
                rewritten.add(turn)
        if prompt:
            header = self.render.prefix_of(skeleton.text, parsed.marked, parsed.tools, False)
            cuts.append(_Cut(max(header or 0, reached), "assistant", "assistant", len(messages)))
        pieces = self._pieces(skeleton, parsed, cuts)
        return Outline(skeleton, tuple(pieces), frozenset(rewritten), tuple(ends))

    def _all_there(self, messages: Sequence[Message], parsed: Parsed, skeleton: Skeleton) -> None:
        numbers = {number for *_, number in skeleton.holes}
        for number, slot in enumerate(parsed.slots):
            if number not in numbers and slot.kind != "reasoning":
                role = messages[slot.message].role
                raise unfit("left_out", "left_out", message=slot.message + 1, role=role)

    def _given_end(self, skeleton: Skeleton, parsed: Parsed, turn: int, reached: int) -> int:
        """Where a message that is not an answer ends: where the rendering up to it ends, else with its words."""
        content_end = max((end for _, end, n in skeleton.holes if parsed.slots[n].message == turn), default=reached)
        prefix_end = self.render.prefix_of(skeleton.text, parsed.marked[: turn + 1], parsed.tools, False)
        following = min((start for start, _, n in skeleton.holes if parsed.slots[n].message > turn), default=None)
        if prefix_end is None or prefix_end < content_end or (following is not None and prefix_end > following):
            return max(content_end, reached)
        return max(prefix_end, reached)

    def _start(self, skeleton: Skeleton, parsed: Parsed, turn: int, reached: int) -> int | None:
        """Where an answer begins: where serving's prompt for it ends, if the rendering goes on from that prompt."""
        first = min((start for start, _, n in skeleton.holes if parsed.slots[n].message == turn), default=None)
        start = self.render.prefix_of(skeleton.text, parsed.marked[:turn], parsed.tools, True)
        if start is None or start < reached or (first is not None and start > first):
            return None
        return start

    def _no_start(self, skeleton: Skeleton, parsed: Parsed, turn: int) -> Unfit:
        """Why an answer's beginning is not known."""
        try:
            served = in_words(self.render(parsed.marked[:turn], parsed.tools, True))
        except Unfit as refusal:
            return unfit("unproved", "no_prompt", note=refusal.note)
        rendered = in_words(skeleton.text)
        common = next((i for i, (a, b) in enumerate(zip(served, rendered, strict=False)) if a != b), 0)
        shown = {"served": repr(served[common : common + 60]), "rendered": repr(rendered[common : common + 60])}
        return unfit("unproved", "another_thought" if switches(self.render.template) else "another_prompt", **shown)

    def _answer(
        self, skeleton: Skeleton, parsed: Parsed, turn: int, start: int | None, reached: int
    ) -> tuple[list[_Cut], int, bool]:
        """The regions of an answer: its opening, its words, its end, what stands after it; where that ends; and whether
        it ends here as it does alone."""
        spans = [(a, b) for a, b, n in skeleton.holes if parsed.slots[n].message == turn]
        begin = start if start is not None else (spans[0][0] if spans else reached)
        content_end = spans[-1][1] if spans else begin
        inner, outer, alike = self._end(skeleton, parsed, turn, content_end)
        header = self.render.prefix_of(skeleton.text, parsed.marked[:turn], parsed.tools, False)
        opening = header if header is not None and reached <= header <= begin else reached
        after = outer + len(skeleton.text[outer:]) - len(skeleton.text[outer:].lstrip())
        following = min((a for a, _, n in skeleton.holes if parsed.slots[n].message > turn), default=len(skeleton.text))
        rule = "call" if parsed.real[turn].get("tool_calls") else "answer"
        cuts = [
            _Cut(opening, "assistant", "assistant", turn),
            _Cut(begin, "assistant", "content", turn, rule, answer=True),
            _Cut(inner, "assistant", "end", turn, "end", answer=True),
            _Cut(outer, "assistant", "sep", turn, "sep"),
        ]
        return cuts, min(after, following), alike

    def _end(self, skeleton: Skeleton, parsed: Parsed, turn: int, content_end: int) -> tuple[int, int, bool]:
        """Where the end-of-turn begins and ends, and whether it is that of the rendering that ends with this answer,
        with which the model is to end it; an earlier answer may end otherwise, and is not trained then.
        """
        tail, silent = self._tail(parsed, turn)
        ending = self.ender.end(tail)
        if ending is None:
            raise unfit("unproved", "no_end", message=turn + 1, tail=repr(in_words(tail)[:60]))
        following = min((a for a, _, n in skeleton.holes if parsed.slots[n].message > turn), default=len(skeleton.text))
        start = skeleton.text.find(tail[: ending[1]], content_end, following) if silent else content_end
        if start >= 0 and skeleton.text.startswith(tail[: ending[1]], start):
            return start + ending[0], start + ending[1], True
        present = self.ender.end(skeleton.text[content_end:following])
        if present is None:
            raise unfit("unproved", "another_end", message=turn + 1, end=repr(in_words(tail[: ending[1]])[:60]))
        return content_end + present[0], content_end + present[1], False

    def _tail(self, parsed: Parsed, turn: int) -> tuple[str, bool]:
        """What follows an answer's words where it is the last message; and whether it has no words here.

        An answer without words ends where one with words would; a call without words is looked at from its beginning.
        """
        messages = [*parsed.marked[:turn], dict(parsed.marked[turn])]
        marks = [slot.mark for slot in parsed.slots if slot.message == turn]
        if not marks and messages[-1].get("tool_calls"):
            alone = self.render(messages, parsed.tools, False)
            return alone[self.render.prefix_of(alone, messages[:-1], parsed.tools, True) or len(alone) :], False
        silent = not marks
        if silent:
            marks = [_PROBE]
            messages[-1]["content"] = _PROBE
        alone = self.render(messages, parsed.tools, False)
        return alone[max((alone.rindex(mark) + len(mark) for mark in marks if mark in alone), default=0) :], silent

    def _pieces(self, skeleton: Skeleton, parsed: Parsed, cuts: Sequence[_Cut]) -> list[Piece]:
        """The rendering, cut at the regions' borders and round the words."""
        ends = [*(cut.at for cut in cuts[1:]), len(skeleton.text)]
        pieces: list[Piece] = []
        if self.bos and skeleton.text.startswith(self.bos) and cuts:
            first = cuts[0]
            pieces.append(Piece(self.bos, -1, first.role, "bos", first.turn, "bos"))
            first.at += len(self.bos)
        for cut, end in zip(cuts, ends, strict=True):
            edges = [cut.at, *(e for a, b, _ in skeleton.holes if cut.at <= a < end for e in (a, b)), end]
            holes = {a: n for a, _, n in skeleton.holes}
            for a, b in pairwise(edges):
                if a == b:
                    continue
                if a in holes and b == a + len(parsed.slots[holes[a]].mark):
                    pieces.append(self._words(parsed, holes[a], cut))
                else:
                    pieces.append(Piece(skeleton.text[a:b], -1, cut.role, cut.field, cut.turn, cut.rule, cut.answer))
        return pieces

    def _words(self, parsed: Parsed, number: int, cut: _Cut) -> Piece:
        slot = parsed.slots[number]
        role: Role = parsed.real[slot.message]["role"]
        rule = cut.rule if cut.answer else role
        return Piece("", number, role, "content", slot.message, rule, cut.answer)
