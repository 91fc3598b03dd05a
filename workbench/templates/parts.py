"""Messages in parts, for a chat template that shows pictures by itself. Knows messages; nothing of who renders them.

Such a template is given a list where others are given text: ``{"type": "text", "text": …}``, ``{"type": "image"}``. It
writes a placeholder for each picture; the same letters in somebody's words are told from it by being written otherwise
while it renders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.templates.marks import ALIAS, MARK, apart, mark
from workbench.templates.values import Unfit

Render = Callable[[Sequence[Mapping[str, Any]]], str]
_BEFORE, _AFTER = "W0rdsBef0re", "W0rdsAfter"


def shows_pictures(render: Render, placeholder: str) -> bool:
    """Tell whether a template writes the placeholder of a picture where a message holds one.

    Args:
        render: the template, which is given messages in parts.
        placeholder: the token that the model knows as a picture's.
    """
    content = f"{_BEFORE}{mark(0)}{_AFTER}"
    try:
        text = render([in_parts({"role": "user", "content": content}, placeholder)])
    except Unfit:
        return False
    return all(text.count(piece) == 1 for piece in (_BEFORE, placeholder, _AFTER)) and _only_words(text)


def wants_parts(render: Render) -> bool:
    """Tell whether a template writes the words of a message only where it is given them in parts: that of a model which
    sees, read without the model."""
    question = {"role": "user", "content": _BEFORE}
    try:
        plain, text = render([question]), render([in_parts(question, "")])
    except Unfit:
        return False
    return _BEFORE not in plain and _only_words(text) and text.count(_BEFORE) == 1


def _only_words(text: str) -> bool:
    """Whether the list itself is not written, as Python writes it."""
    return "'type'" not in text


def in_parts(message: Mapping[str, Any], placeholder: str) -> dict[str, Any]:
    """Return a message with its content in parts, and letters that look like the placeholder written otherwise."""
    aliased: dict[str, Any] = _replaced(message, placeholder, ALIAS) if placeholder else dict(message)
    content = aliased.get("content")
    if isinstance(content, str):
        pieces = [piece for piece in apart(content) if piece] or [""]
        aliased["content"] = [
            {"type": "image"} if MARK.fullmatch(piece) else {"type": "text", "text": piece} for piece in pieces
        ]
    return aliased


def with_marks(text: str, messages: Sequence[Mapping[str, Any]], placeholder: str) -> str:
    """Return a rendering with the marks of the pictures of ``messages`` in the place of the template's placeholders.

    Raises:
        Unfit: there are more of the ones or of the others.
    """
    contents = [str(message.get("content") or "") for message in messages]
    marks = [found[0] for content in contents for found in MARK.finditer(content)]
    pieces = text.split(placeholder)
    if len(pieces) != len(marks) + 1:
        raise Unfit("picture_lost")
    joined = "".join(piece + mark_of for piece, mark_of in zip(pieces, [*marks, ""], strict=True))
    return joined.replace(ALIAS, placeholder)


def _replaced(node: Any, old: str, new: str) -> Any:
    if isinstance(node, str):
        return node.replace(old, new)
    if isinstance(node, Mapping):
        return {key: _replaced(value, old, new) for key, value in node.items()}
    return [_replaced(item, old, new) for item in node] if isinstance(node, list) else node
