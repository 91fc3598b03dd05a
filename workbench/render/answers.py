"""Answers side by side, as HTML. Knows :class:`Answers` and :class:`Sample`; nothing of the models that gave them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from workbench.data.pictures import PICTURE
from workbench.render.boxes import role_text
from workbench.render.markup import escape, spoken_html, table, tag
from workbench.render.pictures import picture_html
from workbench.render.values import AnswerRow, Answers, Sample
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.data.conversation import Conversation, Message
    from workbench.data.picture import Picture

_LABELS = ("base", "best", "last", "merged", "adapter")
_KINDS = ("identity", "task", "general", "unrelated")


def label_text(label: str, lang: str | None = None) -> str:
    """Return ``base``, ``best``, ``last``, ``merged``, ``adapter`` in words; any other label as it is."""
    return text(f"render.labels.{label}", lang) if label in _LABELS else label


def kind_text(kind: str, lang: str | None = None) -> str:
    """Return ``identity``, ``task``, ``general``, ``unrelated`` in words; any other kind as it is."""
    return text(f"render.kinds.{kind}", lang) if kind in _KINDS else kind


def mark_text(right: bool | None, lang: str | None = None) -> str:
    """Return ``✓ right``, ``✗ wrong`` or nothing: a sign and a word, so that no colour is needed."""
    return "" if right is None else text("render.answers.right" if right else "render.answers.wrong", lang)


def answers_html(answers: Answers, *, lang: str | None = None) -> str:
    """Return before and after side by side: a question a row, a model a column."""
    labels = [label_text(label, lang) for label in answers.labels]
    head = [text("render.answers.question", lang), *labels]
    rows = "".join(_row(row, labels, lang) for row in answers.rows)
    top = "".join(tag("th", escape(cell), scope="col") for cell in head)
    parts = f"<thead><tr>{top}</tr></thead>\n<tbody>\n{rows}</tbody>"
    return f'<table class="wb-table wb-answers wb-stacks">{parts}</table>\n'


def _row(row: AnswerRow, labels: Sequence[str], lang: str | None) -> str:
    kind = tag("small", escape(kind_text(row.kind, lang)), class_="wb-kind") if row.kind else ""
    rights = row.right or (None,) * len(row.answers)
    cells = "".join(
        tag("td", _answer(answer, right, lang), data_label=label)
        for answer, right, label in zip(row.answers, rights, labels, strict=True)
    )
    return f'<tr><th scope="row">{spoken_html(row.question)}{" " if kind else ""}{kind}</th>{cells}</tr>\n'


def _answer(answer: str, right: bool | None, lang: str | None) -> str:
    content = spoken_html(answer) if answer.strip() else tag("em", escape(text("render.answers.empty", lang)))
    if right is None:
        return content
    mark = tag("span", escape(mark_text(right, lang)), class_="wb-mark" if right else "wb-mark wb-wrong")
    return f"{content} {mark}"


def conversations_html(conversations: Sequence[Conversation], *, lang: str | None = None) -> str:
    """Return conversations that are learnt: what was said before the last answer, and that answer."""
    head = [escape(text(f"render.answers.{part}", lang)) for part in ("asked", "learnt")]
    rows = [[_before(pair, lang), spoken_html(pair.answer)] for pair in conversations]
    return table(head, rows, class_="wb-conversations")


def _before(conversation: Conversation, lang: str | None) -> str:
    """All but the last answer; each but a lone question with whose it is."""
    messages = conversation.messages[:-1]
    if len(messages) == 1:
        return _message(messages[0], lang)
    return "<br>".join(f"<small>{escape(role_text(m.role, lang))}</small> {_message(m, lang)}" for m in messages)


def _message(message: Message, lang: str | None) -> str:
    return illustrated_html(message.content, message.images, lang=lang)


def illustrated_html(words: str, pictures: Sequence[Picture], *, lang: str | None = None) -> str:
    """Return words, with the pictures where they stand in them."""
    if not pictures:
        return spoken_html(words)
    pieces = words.split(PICTURE, len(pictures))
    shown = [picture_html(picture, lang=lang) for picture in pictures]
    parts = [spoken_html(piece.strip("\n")) if piece.strip() else "" for piece in pieces]
    return "".join(word + drawn for word, drawn in zip_longest(parts, shown, fillvalue=""))


def samples_html(samples: Sequence[Sample], *, lang: str | None = None) -> str:
    """Return what the model answered at the steps of the training: a step a row, a question a column."""
    questions = list(dict.fromkeys(sample.question for sample in samples))
    steps = sorted({sample.step for sample in samples})
    answers = {(sample.step, sample.question): sample.answer for sample in samples}
    word = text("render.curves.step", lang)
    head = [escape(word), *map(spoken_html, questions)]
    rows = [[str(step), *(spoken_html(answers.get((step, q), "–")) for q in questions)] for step in steps]
    return table(head, rows, class_="wb-samples", labels=[word, *questions])
