"""What in a set would teach what is not meant. Knows conversations as values; nothing of templates or tokenizers.

What needs a tokenizer is measured by the caller, who stands above this room, and given as :class:`Length`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from workbench.data.comparing import compare
from workbench.data.conversation import Conversation, Persona
from workbench.data.doubts import LOOKS
from workbench.data.findings import CODES, Finding, Rows
from workbench.data.markers import control_tokens, placeholders
from workbench.data.picture_faults import PICTURE_CODES, picture_findings, shared_pictures
from workbench.data.tool_faults import CALL_LOOKS

__all__ = ["CODES", "Finding", "Length", "check"]


@dataclass(frozen=True, slots=True)
class Length:
    """Hold how long a conversation is in tokens.

    Args:
        tokens: all of it, uncut; 0 where it cannot be encoded.
        trained: those with a label, after the cut to the greatest length; None where the template refuses it, which is
            no matter of the row.
    """

    tokens: int
    trained: int | None


def check(
    conversations: Sequence[Conversation],
    *,
    persona: Persona | None = None,
    validation: Sequence[Conversation] | None = None,
    lengths: Sequence[Length] | None = None,
    max_length: int | None = None,
    only: Collection[str] = CODES,
    control: Collection[str] = (),
    lang: str | None = None,
    sees: bool = False,
) -> list[Finding]:
    """Return the findings of a set, in the order of ``CODES``.

    Args:
        conversations: the set that is to be trained on.
        persona: who the assistant is to be; without it, names are compared with one another.
        validation: the set held out, to find what stands in both.
        lengths: of each conversation, in order; without them nothing is said of length, and of trained tokens only
            where the rows themselves switch every answer off.
        max_length: the greatest length in tokens.
        only: the codes to look for.
        control: the tokenizer's own control tokens, beside those of well-known ones.
        lang: the language of the sentences.
        sees: whether the model takes pictures.
    """
    rows = Rows(conversations, lang)
    looks = {**_BY_MESSAGE, **LOOKS, **CALL_LOOKS}
    only = {code for code in only if not (sees and code == "pictures_unseen")}
    findings = [finding for code, look in looks.items() if code in only for finding in look(rows)]
    findings += _pictures(rows, validation, only)
    findings += _control(rows, control)
    findings += compare(rows, persona=persona, validation=validation, only=only)
    findings += _untrained(rows, max_length) if lengths is None else _lengths(rows, lengths, max_length)
    return sorted((finding for finding in findings if finding.code in only), key=lambda f: CODES.index(f.code))


def _pictures(rows: Rows, validation: Sequence[Conversation] | None, only: Collection[str]) -> Iterator[Finding]:
    """The findings on pictures; none is opened where nobody asks for one of these."""
    if set(PICTURE_CODES) & set(only):
        yield from picture_findings(rows)
    if validation is not None and "picture_in_both" in only:
        yield from shared_pictures(rows, validation)


def _where(rows: Rows, bad: Callable[[Conversation], bool]) -> list[int]:
    return [index for index, conversation in enumerate(rows.conversations) if bad(conversation)]


def _placeholders(rows: Rows) -> Iterable[Finding]:
    names: dict[str, None] = {}
    indices = []
    for index, conversation in enumerate(rows.conversations):
        unfilled = [
            name for message in conversation.messages for name in placeholders(message.content + message.thinking)
        ]
        if unfilled:
            indices.append(index)
            names.update(dict.fromkeys(unfilled))
    if indices:
        sets = " ".join(f"--set {name}=…" for name in names)
        yield rows.finding("placeholder_left", indices, names=tuple(f"{{{{{name}}}}}" for name in names), sets=sets)


def _empty(rows: Rows) -> Iterable[Finding]:
    indices = _where(rows, _has_empty_turn)
    if indices:
        yield rows.finding("empty_turn", indices)


def _has_empty_turn(conversation: Conversation) -> bool:
    return any(not (m.content.strip() or m.tool_calls or m.images) for m in conversation.messages)


def _missing(rows: Rows) -> Iterable[Finding]:
    indices = _where(rows, lambda c: not c.messages or c.messages[-1].role != "assistant")
    if indices:
        yield rows.finding("missing_answer", indices)


def _order(rows: Rows) -> Iterable[Finding]:
    indices = _where(rows, lambda c: c.kind != "text" and disordered(c))
    if indices:
        yield rows.finding("role_order", indices)


def disordered(conversation: Conversation) -> bool:
    """Tell whether the roles do not come as: system at most once and first; user and assistant in turn; tool after
    calls."""
    before = ""
    calling = False
    for message in conversation.messages:
        role = message.role
        allowed = {
            "": {"system", "user"},
            "system": {"user"},
            "user": {"assistant"},
            "assistant": {"tool"} if calling else {"user"},
            "tool": {"tool", "assistant"},
        }[before]
        if role not in allowed:
            return True
        before, calling = role, bool(message.tool_calls)
    return False


def _control(rows: Rows, vocabulary: Collection[str]) -> Iterable[Finding]:
    tokens: dict[str, None] = {}
    indices = []
    for index, conversation in enumerate(rows.conversations):
        spelled = [token for message in conversation.messages for token in control_tokens(message, vocabulary)]
        if spelled:
            indices.append(index)
            tokens.update(dict.fromkeys(spelled))
    if indices:
        yield rows.finding("control_tokens_in_text", indices, tokens=tuple(list(tokens)[:8]))


def _untrained(rows: Rows, max_length: int | None) -> Iterable[Finding]:
    """The rows whose own flags switch off every answer: nothing need be counted to see that."""
    answers = ([m.train for m in c.messages if m.role == "assistant"] for c in rows.conversations)
    yield from _no_token(
        rows, [index for index, flags in enumerate(answers) if flags and set(flags) == {False}], max_length
    )


def _no_token(rows: Rows, untrained: list[int], max_length: int | None) -> Iterable[Finding]:
    if untrained:
        limit = "" if max_length is None else f" --max-length {max_length}"
        yield rows.finding("no_trained_token", untrained, limit=limit)


def _lengths(rows: Rows, lengths: Sequence[Length], max_length: int | None) -> Iterable[Finding]:
    longest = max((length.tokens for length in lengths), default=0)
    if max_length is not None:
        long = [index for index, length in enumerate(lengths) if length.tokens > max_length]
        if long:
            yield rows.finding("would_be_truncated", long, max_length=max_length, longest=longest)
    yield from _no_token(rows, [index for index, length in enumerate(lengths) if length.trained == 0], max_length)


_BY_MESSAGE: dict[str, Callable[[Rows], Iterable[Finding]]] = {
    "placeholder_left": _placeholders,
    "empty_turn": _empty,
    "missing_answer": _missing,
    "role_order": _order,
}
