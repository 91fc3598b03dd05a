"""Token ids to text while they come. Knows one thing of tokenizers: that one character can be several tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_BROKEN = "\ufffd"
_LONGEST = 8  # tokens; a character has at most four bytes, so what is still broken after these will stay so


def pieces(ids: Iterable[int], tokenizer: Any, spelled: Sequence[str] = ()) -> Iterator[str]:
    """Yield the text of ``ids``, in pieces that together are the text of all of them; never half a character.

    Control tokens are left out, but for those of ``spelled``, each of which is a piece of its own.

    Only the tokens since the last piece are decoded, with those of the piece before them, since some tokenizers write a
    token differently at the beginning of a text. Bytes that never become a character are left out.
    """
    before: list[int] = []
    waiting: list[int] = []
    markers = {tokenizer.convert_tokens_to_ids(marker): marker for marker in spelled}
    for token in ids:
        if token in markers and token in tokenizer.added_tokens_decoder:
            yield from _whole(_new(before, waiting, tokenizer))
            yield markers[token]
            before, waiting = [], []
            continue
        waiting.append(token)
        piece = _new(before, waiting, tokenizer)
        if piece.endswith(_BROKEN) and len(waiting) < _LONGEST:
            continue
        if piece:
            yield from _whole(piece)
            before, waiting = waiting, []
    yield from _whole(_new(before, waiting, tokenizer))


def _new(before: list[int], waiting: list[int], tokenizer: Any) -> str:
    prefix = _decode(before, tokenizer)
    return _decode([*before, *waiting], tokenizer)[len(prefix) :] if waiting else ""


def _whole(piece: str) -> Iterator[str]:
    clean = piece.replace(_BROKEN, "")
    if clean:
        yield clean


def _decode(ids: list[int], tokenizer: Any) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)) if ids else ""
