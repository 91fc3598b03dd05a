"""XTuner 0.1.23's labels, id for id. Knows its rules and its quirks; our own rules are in ``encoding``.

Source: XTuner 0.1.23, ``dataset/map_fns``, ``dataset/utils.py`` (the order of its steps), ``dataset/huggingface.py``
(its filter), ``model/utils.py`` (a picture's features in place of its one id, never with a label).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.data.conversation import Conversation
from workbench.data.picture import Picture
from workbench.data.pictures import PICTURE
from workbench.errors import BadInput
from workbench.templates.codec import Codec, codec
from workbench.templates.named import NamedTemplate, Spec, spec
from workbench.templates.values import IGNORE_INDEX, Encoded, Example, Places, Template

# XTuner knows these tokenizers by the name of their class; transformers 5 calls the last one Qwen2Tokenizer
_NO_BOS = ("QWenTokenizer", "QWen2Tokenizer", "Qwen2TokenizerFast", "Qwen2Tokenizer")
_CHATGLM = "ChatGLMTokenizer"
_CHATGLM_BOS = (64790, 64792)
# what stands for a picture in a text that is not yet encoded, which nobody can have written
_MARK = f"P{secrets.token_hex(8)}E"
# … and among the ids, until the cut: XTuner counts it as one
_PICTURE_ID = -200


@dataclass(frozen=True, slots=True)
class _Turn:
    """A turn as XTuner encodes it: texts, each encoded by itself; a picture stands between two parts of the first."""

    given: tuple[str, ...]
    output: str
    with_loss: bool
    eos: bool
    sep: str


def encode_xtuner(
    conversations: Sequence[Conversation],
    tokenizer: Any,
    *,
    template: str | Template | None,
    max_length: int | None,
) -> Encoded:
    """Return ids and labels as XTuner 0.1.23 makes them.

    Args:
        conversations: a conversation of kind ``text`` is read as its pre-training data.
        tokenizer: a Hugging Face tokenizer; that of a model which sees, where there are pictures.
        template: the name of a named template; needed unless all conversations are bare texts.
        max_length: its cut: what is beyond is lost, also in the midst of an answer; a picture counts as one token.

    Raises:
        BadInput: no named template; a role that XTuner does not know; a system text where the template has no place
            for it; a tokenizer without BOS or EOS, where XTuner stops with a TypeError.
    """
    chosen = _spec(template, conversations)
    bos, eos = bos_eos(tokenizer)
    rendered = [_turns(conversation, row, chosen) for row, conversation in enumerate(conversations)]
    pieces = _Pieces(_encode_distinct(rendered, codec(tokenizer)), bos, eos, getattr(tokenizer, "picture_places", None))
    examples: list[Example] = []
    rows: list[int] = []
    dropped: dict[str, list[int]] = {}
    cut: list[int] = []
    for row, turns in enumerate(rendered):
        media = conversations[row].pictures
        if media and (pieces.places is None or any(len(turn.given) > 2 for turn in turns)):
            dropped.setdefault("pictures", []).append(row)  # of two in one turn XTuner stops with an AssertionError
            continue
        example, length = _example(turns, pieces, media, max_length)
        if example.trained:
            examples.append(example)
            rows.append(row)
            cut += [row] if length else []
        else:
            dropped.setdefault("no_label" if turns else "no_answer", []).append(row)
    answers = {row: sum(m.role == "assistant" for m in conversations[row].messages) for row in rows}
    return Encoded(
        examples, rows, dropped, {"end": cut} if cut else {}, answers=answers, apart=_apart(conversations, rows)
    )


def _apart(conversations: Sequence[Conversation], rows: Sequence[int]) -> dict[str, list[tuple[int, int]]]:
    """The answers that XTuner leaves out, and those whose thought, which it does not know, it leaves out."""
    omitted: dict[str, list[tuple[int, int]]] = {"no_question": [], "thought_left_out": []}
    for row in rows:
        has_question = conversations[row].kind == "text"
        for index, message in enumerate(conversations[row].messages):
            has_question = has_question or message.role != "assistant"
            if not has_question and message.train is not False:
                omitted["no_question"].append((row, index))
            elif message.thinking and message.train is not False:
                omitted["thought_left_out"].append((row, index))
    return {reason: where for reason, where in omitted.items() if where}


def bos_eos(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the ids that XTuner puts before a turn and after it.

    Raises:
        BadInput: the tokenizer has none, and its class is not one that XTuner makes an exception for.
    """
    kind = type(tokenizer).__name__
    bos: Any = tokenizer.bos_token_id
    if kind in _NO_BOS:
        bos = ()
    elif kind == _CHATGLM:
        bos = _CHATGLM_BOS
    eos: Any = tokenizer.eos_token_id
    if bos is None:
        raise BadInput("templates.xtuner_no_bos", tokenizer=kind)
    if eos is None:
        raise BadInput("templates.xtuner_no_eos", tokenizer=kind)
    return (bos,) if isinstance(bos, int) else tuple(bos), (eos,) if isinstance(eos, int) else tuple(eos)


def _spec(template: str | Template | None, conversations: Iterable[Conversation]) -> Spec | None:
    if isinstance(template, str) and template:
        return spec(template)
    if isinstance(template, NamedTemplate):
        return template.spec
    if template is None and all(conversation.kind == "text" for conversation in conversations):
        return None
    raise BadInput("templates.xtuner_needs_name")


def _turns(conversation: Conversation, row: int, chosen: Spec | None) -> list[_Turn]:
    if conversation.kind == "text" or chosen is None:
        text = "".join(message.content for message in conversation.messages)
        return [_Turn(("",), text.strip(), True, False, "")]
    where = conversation.source or str(row + 1)
    turns: list[_Turn] = []
    system, user, started = "", "", False
    for message in conversation.messages:
        if message.role == "assistant":
            if not started:
                continue
            prompt = _given(chosen, system, user, len(turns) + 1, where)
            with_loss = message.train is not False
            given, output = tuple(prompt.split(_MARK)), message.content + chosen.suffix
            turns.append(_Turn(given, output, with_loss, not chosen.suffix_ends, chosen.sep))
            system, user = "", ""
            continue
        started = True
        if message.role == "system":
            system = message.content
        elif message.role == "user":
            user += message.content.replace(PICTURE, _MARK, len(message.images))
        else:
            raise BadInput("templates.xtuner_role", role=message.role, source=where)
    return turns


def _given(chosen: Spec, system: str, user: str, number: int, where: str) -> str:
    question = chosen.instruction.format(input=user, round=number)
    if not system:
        return question
    if chosen.system is None:
        raise BadInput("templates.no_system", template=chosen.name, source=where)
    return chosen.system.format(system=system) + question


def _encode_distinct(rendered: Iterable[Sequence[_Turn]], coder: Codec) -> dict[str, tuple[int, ...]]:
    texts = dict.fromkeys(t for turns in rendered for turn in turns for t in (*turn.given, turn.output, turn.sep))
    return dict(zip(texts, coder.native(list(texts)), strict=True))


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Hold the ids of all texts, of what stands before and after a turn, and the places of a picture."""

    texts: dict[str, tuple[int, ...]]
    bos: tuple[int, ...]
    eos: tuple[int, ...]
    places: Places | None


def _example(
    turns: Sequence[_Turn], pieces: _Pieces, media: Sequence[Picture], max_length: int | None
) -> tuple[Example, bool]:
    """The example, and whether it was cut."""
    ids: list[int] = []
    labels: list[int] = []

    def add(piece: tuple[int, ...], trained: bool) -> None:
        ids.extend(piece)
        labels.extend(piece if trained else (IGNORE_INDEX,) * len(piece))

    fresh = True
    for turn in turns:
        if fresh:
            add(pieces.bos, False)
        for number, text in enumerate(turn.given):
            add((_PICTURE_ID,) if number else (), False)
            add(pieces.texts[text], False)
        add(pieces.texts[turn.output], turn.with_loss)
        if turn.eos:
            add(pieces.eos, turn.with_loss)
        fresh = turn.eos
        if turn.sep:
            add(pieces.texts[turn.sep], False)
    return _seen(ids[:max_length], labels[:max_length], media, pieces.places), len(ids) > len(ids[:max_length])


def _seen(ids: Sequence[int], labels: Sequence[int], media: Sequence[Picture], places: Places | None) -> Example:
    """The example, each picture that was not cut off with all of its places."""
    if not media or places is None:
        return Example(tuple(ids), tuple(labels))
    wide_ids: list[int] = []
    wide_labels: list[int] = []
    shown: list[Picture] = []
    for id_, label in zip(ids, labels, strict=True):
        picture = media[len(shown)] if id_ == _PICTURE_ID else None
        piece = (id_,) if picture is None else places.framed(picture)
        shown += [] if picture is None else [picture]
        wide_ids.extend(piece)
        wide_labels.extend((label,) * len(piece))
    return Example(tuple(wide_ids), tuple(wide_labels), media=tuple(shown))
