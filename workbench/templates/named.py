"""The 26 named templates. Knows their strings and how a conversation's turns go into them; nothing of tokens.

Source of the strings: XTuner 0.1.23, ``xtuner/utils/templates.py``.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

from workbench.data.conversation import Conversation, Message
from workbench.errors import BadInput, UnknownName, nearest
from workbench.templates.thoughts import AFTER, BEFORE
from workbench.templates.values import LossOn, Segment, Unfit

JOIN = "\n"  # between messages of one role that follow one another


@dataclass(frozen=True, slots=True)
class Spec:
    """Hold the strings of one named template; the fields are explained in ``named.yaml``."""

    name: str
    instruction: str
    system: str | None = None
    suffix: str = ""
    suffix_ends: bool = False
    sep: str = ""
    stop_words: tuple[str, ...] = ()
    header: str = ""


@lru_cache(maxsize=1)
def specs() -> dict[str, Spec]:
    """Return all named templates by name."""
    import yaml

    loaded = yaml.safe_load(files(__package__).joinpath("named.yaml").read_text(encoding="utf-8"))
    return {
        name: Spec(name, **{**fields, "stop_words": tuple(fields.get("stop_words", ()))})
        for name, fields in loaded.items()
    }


def spec(name: str) -> Spec:
    """Return the strings of the template ``name``.

    Raises:
        UnknownName: no such template; the nearest ones are named.
    """
    if name not in specs():
        raise UnknownName("templates.unknown", given=name, nearest=nearest(name, specs()))
    return specs()[name]


@dataclass(frozen=True, slots=True)
class Turn:
    """Hold a question and its answer, as the named templates see a conversation.

    Args:
        system: the system's text before the question, or empty.
        user: the question.
        answer: the assistant's message, or None where it is still to come.
        first: index of the first message of the turn.
        asked: index of the (last) user's message.
        answered: index of the assistant's message.
    """

    system: str
    user: str
    answer: Message | None
    first: int
    asked: int
    answered: int


def turns(conversation: Conversation, *, generation_prompt: bool = False) -> list[Turn]:
    """Return the turns of a conversation, by our rules.

    An answer without a question before it is no turn: at the start it is left out, later it makes the conversation
    unfit. What follows the last answer is left out, unless a ``generation_prompt`` is asked for.

    Raises:
        Unfit: tools, or two answers in a row.
    """
    rounds: list[Turn] = []
    pending: list[tuple[int, Message]] = []
    for index, message in enumerate(conversation.messages):
        if message.role == "tool" or message.tool_calls:
            raise Unfit("tools")
        if message.role != "assistant":
            pending.append((index, message))
        elif any(m.role == "user" for _, m in pending):
            rounds.append(_turn(pending, index, message))
            pending = []
        elif rounds:
            raise Unfit("role_order")
    if conversation.tools:
        raise Unfit("tools")
    if generation_prompt:
        if not any(m.role == "user" for _, m in pending):
            raise BadInput("templates.prompt_needs_user")
        rounds.append(_turn(pending, len(conversation.messages), None))
    return rounds


def _turn(pending: list[tuple[int, Message]], answered: int, answer: Message | None) -> Turn:
    systems = [m.content for _, m in pending if m.role == "system" and m.content]
    users = [(i, m.content) for i, m in pending if m.role == "user"]
    return Turn(JOIN.join(systems), JOIN.join(text for _, text in users), answer, pending[0][0], users[-1][0], answered)


@dataclass(frozen=True, slots=True)
class NamedTemplate:
    """Hold a named template, bound to a tokenizer's BOS and EOS.

    Args:
        spec: its strings.
        bos: the tokenizer's BOS as text, or empty; written where a turn begins anew, unless the template writes it.
        bos_ids: its ids.
        eos: the tokenizer's EOS as text; written and trained after each answer unless the suffix takes its place.
        eos_ids: its ids.
        default: the system text with which a conversation begins that has none.
    """

    spec: Spec
    bos: str = ""
    bos_ids: tuple[int, ...] = ()
    eos: str = ""
    eos_ids: tuple[int, ...] = ()
    default: str = ""

    @property
    def name(self) -> str:
        """Return the template's name."""
        return self.spec.name

    @property
    def stop_words(self) -> tuple[str, ...]:
        """Return the end-of-turn first, then the other texts at which generation stops."""
        end = self.spec.suffix if self.spec.suffix_ends else self.eos
        candidates = [end, self.spec.suffix, *self.spec.stop_words, self.eos]
        return tuple(dict.fromkeys(word for word in candidates if word))

    @property
    def ends(self) -> tuple[str, ...]:
        """Return the texts with which its answers end: the suffix, the EOS, or both."""
        return tuple(word for word in (self.spec.suffix, "" if self.spec.suffix_ends else self.eos) if word)

    def segments(
        self, conversation: Conversation, *, loss_on: LossOn = "assistant", generation_prompt: bool = False
    ) -> list[Segment]:
        """Return the rendered conversation, cut into segments; see :class:`workbench.templates.values.Template`.

        Raises:
            Unfit: two answers in a row, or tools, which these templates do not know.
            BadInput: a system message, and the template has no place for one.
        """
        if conversation.kind == "text":
            return self._bare(conversation)
        rounds = turns(conversation, generation_prompt=generation_prompt)
        if not rounds:
            raise Unfit("no_answer")
        last = max((t.answered for t in rounds if t.answer is not None), default=-1)
        segments: list[Segment] = []
        fresh = True
        if begins := bool(self.default) and not (rounds[0].system or conversation.messages[0].role == "system"):
            rounds[0] = replace(rounds[0], system=self.default)
        for number, turn in enumerate(rounds, start=1):
            segments += self._prompt(turn, number, fresh, conversation.source)
            if turn.answer is not None:
                segments += self._answer(turn.answer, turn.answered, loss_on, turn.answered == last)
            fresh = not self.spec.suffix_ends
        if begins:
            first = next(
                index for index, piece in enumerate(segments) if (piece.role, piece.field) == ("system", "content")
            )
            segments[first] = replace(segments[first], rule="default_system")
        return [_everything(piece) for piece in segments] if loss_on == "all" else segments

    def _prompt(self, turn: Turn, number: int, fresh: bool, source: str) -> Iterator[Segment]:
        pieces: list[Segment] = []
        if turn.system:
            if self.spec.system is None:
                raise BadInput("templates.no_system", template=self.name, source=source or "-")
            for text, slot in _pieces(self.spec.system):
                content = turn.system if slot else text
                pieces.append(_piece("system", "content" if slot else "system", content, not slot, turn.first))
        instruction = self.spec.instruction.removesuffix(self.spec.header)
        for text, slot in _pieces(instruction):
            content = {"input": turn.user, "round": str(number), "": text}[slot]
            is_question = slot == "input"
            pieces.append(_piece("user", "content" if is_question else "user", content, not is_question, turn.asked))
        pieces.append(_piece("assistant", "assistant", self.spec.header, True, turn.answered))
        pieces = [piece for piece in pieces if piece.text]
        opening = pieces[0]
        doubled = self.bos and opening.control and opening.text.startswith(self.bos)
        if fresh and self.bos_ids and not doubled:
            yield Segment(self.bos, opening.role, "bos", False, True, turn.first, "bos", self.bos_ids)
        yield from pieces

    def _answer(self, answer: Message, index: int, loss_on: LossOn, last: bool) -> Iterator[Segment]:
        trained, rule = trained_by(answer, loss_on, last)
        thought = ((BEFORE, True), (answer.thinking, False), (AFTER, True)) if answer.thinking else ()
        for content, control in (*thought, (answer.content, False)):
            if content:
                yield Segment(content, "assistant", "content", trained, control, index, rule or "answer")
        rule = rule or "end"
        if self.spec.suffix:
            yield Segment(self.spec.suffix, "assistant", "end", trained, True, index, rule)
        if not self.spec.suffix_ends and self.eos_ids:
            yield Segment(self.eos, "assistant", "end", trained, True, index, rule, self.eos_ids)
        if self.spec.sep:
            yield Segment(self.spec.sep, "assistant", "sep", False, True, index, "sep")

    def _bare(self, conversation: Conversation) -> list[Segment]:
        return bare(conversation, self.bos, self.bos_ids, self.eos, self.eos_ids)

    def fingerprint(self, tokenizer: Any) -> str:
        """Return sha256 of the rendered and encoded probe conversation."""
        from workbench.templates.pieces import fingerprint

        return fingerprint(self, tokenizer)


def bare(
    conversation: Conversation, bos: str, bos_ids: tuple[int, ...], eos: str, eos_ids: tuple[int, ...]
) -> list[Segment]:
    """Segment continued pre-training: the bare text and the EOS, all trained."""
    segments = [Segment(bos, "assistant", "bos", False, True, 0, "bos", bos_ids)] if bos_ids else []
    for index, message in enumerate(conversation.messages):
        if message.content:
            segments.append(Segment(message.content, "assistant", "content", True, False, index, "text"))
    if eos_ids:
        segments.append(Segment(eos, "assistant", "end", True, True, len(conversation.messages) - 1, "end", eos_ids))
    return segments


def trained_by(answer: Message, loss_on: LossOn, last: bool) -> tuple[bool, str]:
    """Tell whether an answer is trained, and the rule where it is not the ordinary one."""
    if answer.train is not None:
        return (True, "") if answer.train else (False, "train_false")
    if loss_on == "last" and not last:
        return False, "not_last"
    return True, ""


def _everything(piece: Segment) -> Segment:
    """``loss_on="all"``: whatever is not given from outside (BOS) and not switched off by its message."""
    if piece.trained or piece.field == "bos" or piece.rule == "train_false":
        return piece
    return replace(piece, trained=True, rule="all")


def _piece(role: Any, field: str, content: str, control: bool, turn: int) -> Segment:
    return Segment(content, role, field, False, control, turn, "marker" if control else role)


@lru_cache(maxsize=128)
def _pieces(pattern: str) -> tuple[tuple[str, str], ...]:
    """The literal pieces and the slots of a ``{slot}`` pattern, in order."""
    pieces: list[tuple[str, str]] = []
    for literal, slot, _, _ in string.Formatter().parse(pattern):
        if literal:
            pieces.append((literal, ""))
        if slot:
            pieces.append(("", slot))
    return tuple(pieces)
