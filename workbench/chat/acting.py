"""The loop of an assistant with tools: ask, read its calls, run them, append, ask again. Knows writers and boxes of
tools; nothing of screens, and of models only what a writer does.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from workbench.chat.pieces import pieces
from workbench.chat.sampling import Sampling
from workbench.data.conversation import Message
from workbench.tools.cards import Card, End, card_of
from workbench.tools.forms import Form, form_of
from workbench.tools.parsing import Spoken, sheltered, spoken
from workbench.tools.running import Box
from workbench.tools.values import Call, Result

Stop = Callable[[], bool]
BAD = ("broken", "unknown", "arguments")
"""Troubles of the call itself, of which a model may mend a few."""


class Writer(Protocol):
    """Write an answer to messages: a model here does, or one behind an endpoint."""

    def write(
        self, messages: Sequence[Message], sampling: Sampling, should_stop: Stop, on_cut: Callable[[int], None] | None
    ) -> Generator[str, None, Spoken]:
        """Give the words as they come; the whole answer with its calls at the end."""


class Model(Protocol):
    """Offer what a writer needs of an assistant."""

    @property
    def loaded(self) -> Any:
        """Return the model and its tokenizer."""

    @property
    def template(self) -> str | None:
        """Return the named template; None for the tokenizer's own."""

    def fit(self, question: Any, *, tools: Sequence[str], max_new_tokens: int) -> Any:
        """Return what is sent of messages."""

    def begun(self, prompt: Sequence[int]) -> str:
        """Return the mark of a thought that the prompt itself begins."""

    def tokens(self, ids: Sequence[int], options: Sampling, should_stop: Stop | None) -> Iterator[int]:
        """Yield the answer, token after token."""


def act(
    writer: Writer,
    messages: Sequence[Message],
    box: Box,
    *,
    sampling: Sampling,
    should_stop: Stop | None = None,
    on_cut: Callable[[int], None] | None = None,
) -> Iterator[str | Card | End]:
    """Answer the last of ``messages``, calling tools on the way.

    Gives words as they come, and each call as a card, once when it begins and once with what came of it; last an
    :class:`End` where the limits of ``box`` ended it.
    """
    limits, stop = box.limits, should_stop or (lambda: False)
    asked, seen, number, bad, spent = list(messages), set[str](), 0, 0, 0.0
    for turn in range(1, limits.rounds + 1):
        answer = yield from writer.write(asked, sampling, stop, on_cut)
        if not answer.calls:
            return
        asked.append(answer.message)
        for at, call in enumerate(answer.calls):
            number += 1
            card = card_of(number, turn, call, answer.content)
            yield card
            trouble = "too_many" if at >= limits.calls else "repeated" if call.key in seen else ""
            left = limits.whole - spent
            result = box.refused(call, trouble) if trouble else _run(box, call, left, stop)
            seen.add(call.key)
            spent, bad = spent + result.seconds, bad + (result.trouble in BAD)
            yield card.done(result)
            asked.append(result.message)
            if at >= limits.calls:
                break
            if ended := _ended(result, bad, spent, box):
                yield ended
                return
    yield End("rounds", limits.rounds)


def _run(box: Box, call: Call, left: float, stop: Stop) -> Result:
    return box.run(call, seconds=left, should_stop=stop) if not stop() else box.refused(call, "stopped")


def _ended(result: Result, bad: int, spent: float, box: Box) -> End | None:
    """Return why the answer ends here; None where it goes on."""
    if result.trouble in ("repeated", "stopped"):
        return End(result.trouble)
    if bad > box.limits.repairs:
        return End("repairs", bad)
    return End("late", box.limits.whole) if spent >= box.limits.whole else None


class Local:
    """Write with a model of this process.

    Args:
        assistant: the model with its template.
        box: the tools that it is offered.
        forced: what its answer is made to begin with, such as a call's opening; empty for nothing.

    Raises:
        BadInput: its template knows no tools.
    """

    def __init__(self, assistant: Model, box: Box, *, forced: str = "") -> None:
        self.assistant, self.box, self.forced = assistant, box, forced
        self.form = form_for(assistant)
        self.tokens = [0, 0]  # of the last prompt, and of all that was written to it
        self.full = False  # whether the last answer ended at its longest

    def write(
        self, messages: Sequence[Message], sampling: Sampling, should_stop: Stop, on_cut: Callable[[int], None] | None
    ) -> Generator[str, None, Spoken]:
        """Give the words as they come; the whole answer with its calls at the end."""
        from workbench.chat.history import tell_cut

        fitted = self.assistant.fit(messages, tools=self.box.schemas, max_new_tokens=sampling.max_new_tokens)
        if fitted.cut:
            tell_cut(fitted.cut, on_cut)
        written, shown = self.assistant.begun(fitted.ids) + self.forced, 0
        for piece in self._raw([*fitted.ids, *self._opening()], sampling, should_stop):
            written += piece
            visible = _visible(written, self.form)
            if len(visible) > shown:
                yield visible[shown:]
                shown = len(visible)
            if (before := _before_own_result(written, self.form)) is not None:
                written = before
                break
        answer = spoken(written, self.form, self.assistant.loaded.tokenizer, self.box.tools)
        if not answer.calls and len(written) > shown:
            yield written[shown:]
        return answer

    def _opening(self) -> list[int]:
        tokenizer = self.assistant.loaded.tokenizer
        return list(tokenizer(self.forced, add_special_tokens=False)["input_ids"]) if self.forced else []

    def _raw(self, ids: list[int], sampling: Sampling, should_stop: Stop) -> Iterator[str]:
        """Give the text with the markers of calls spelled out; a call that has begun is taken greedily to its end."""
        tokenizer, limit = self.assistant.loaded.tokenizer, sampling.max_new_tokens
        tokens: list[int] = []
        self.tokens, self.full = [len(ids), 0], False

        def counted(how: Sampling) -> Iterator[int]:
            for token in self.assistant.tokens([*ids, *tokens], how, should_stop):
                tokens.append(token)
                self.tokens[1] = len(tokens)
                yield token

        text = self.forced
        for temperature in (sampling.temperature, 0.0):
            how = replace(sampling, temperature=temperature, max_new_tokens=limit - len(tokens))
            for piece in pieces(counted(how), tokenizer, spelled=self.form.control) if len(tokens) < limit else ():
                text += piece
                yield piece
                if temperature > 0 and any(alarm in text for alarm in self.form.alarms):
                    break
            else:
                break
        self.full = len(tokens) >= limit


class Kept:
    """Keep the whole answer of a writer beside its words."""

    def __init__(self, written: Generator[str, None, Spoken]) -> None:
        self._written = written
        self.value = Spoken("")

    def __iter__(self) -> Iterator[str]:
        self.value = yield from self._written


def form_for(assistant: Model) -> Form:
    """Return the form of an assistant's calls.

    Raises:
        BadInput: its template knows no tools.
    """
    from workbench.errors import BadInput

    if assistant.template is not None:
        raise BadInput("tools.named_template", template=assistant.template)
    return form_of(assistant.loaded.tokenizer)


def _visible(text: str, form: Form) -> str:
    """Return what may be shown of an answer so far: nothing from where a call may begin."""
    starts = [start for alarm in form.alarms if (start := text.find(alarm)) >= 0]
    end = min(starts, default=len(text))
    if end == len(text):
        held = max((n for alarm in form.alarms for n in range(1, len(alarm)) if text.endswith(alarm[:n])), default=0)
        end -= held
    return text[:end].rstrip("\n ") if end < len(text) else text


def _before_own_result(text: str, form: Form) -> str | None:
    """Return the answer up to where a model begins to write a result itself, which it is not to; None where it does
    not."""
    if not any(stop in text for stop in form.stops):
        return None
    safe = sheltered(text, form)
    starts = [safe.find(stop) for stop in form.stops if stop in safe]
    return safe[: min(starts)] if starts else None


def heard(
    events: Iterator[str | Card | End],
    on_card: Callable[[Card], Any] | None,
    on_end: Callable[[End], Any] | None,
) -> Iterator[str]:
    """Give the words of an answer; cards and an end go to whoever listens, an end that nobody hears is a warning.

    After a card comes an empty piece, so that a page which draws at each piece draws the card too.
    """
    import warnings

    for event in events:
        if isinstance(event, str):
            yield event
        elif isinstance(event, Card):
            if on_card:
                on_card(event)
                yield ""
        elif on_end:
            on_end(event)
        else:
            warnings.warn(event.says(), stacklevel=3)


def once(writer: Writer, messages: Sequence[Message], sampling: Sampling | None = None) -> Spoken:
    """Return one answer whole, with its calls; none is run."""
    words = Kept(writer.write(messages, sampling or Sampling(), lambda: False, None))
    for _ in words:
        pass
    return words.value
