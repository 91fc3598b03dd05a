"""Whether answers about pictures come from the pictures. Knows probes and answers; nothing of models or pixels.

Each question about a picture is asked twice more: over another picture, to which it has another right answer, and the
picture is to be described, in the question's language: asked nothing, a model of two languages may speak the other
one. Who sees answers the first otherwise than before, and rightly only by chance; who has only learnt titles answers
the question as if a description had been asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from workbench.data.conversation import Message
from workbench.data.ordering import evenly
from workbench.data.picture import BadPicture
from workbench.data.pictures import PICTURE
from workbench.evaluation.probes import Probe
from workbench.evaluation.scoring import SAME, correct, right, similar
from workbench.templates.values import Places
from workbench.texts import language_of

# Questions that are asked again so.
AGAIN = 24
# The share of pairs that must be answered otherwise.
SEES = 0.6
# What asks for a description, in each language that a question may be told to be in.
DESCRIBE = {"en": "Describe the picture.", "zh": "描述一下图片。"}
PARTS = ("picture", "title", "seen", "wrong")


@dataclass(frozen=True, slots=True)
class Doubled:
    """Hold a probe about a picture, and what else is asked of it.

    Args:
        row: which of the probes it is.
        other: the same question over another picture.
        described: its picture, of which nothing but a description is asked.
    """

    row: int
    other: tuple[Message, ...]
    described: tuple[Message, ...]


def visible(probes: Sequence[Probe], tokenizer: Any) -> tuple[Probe, ...]:
    """Return the probes whose pictures the model of ``tokenizer`` takes: a strip that it does not take is left out of
    what is trained, too."""
    places = getattr(tokenizer, "picture_places", None)
    return tuple(probe for probe in probes if places is None or _is_taken(probe, places))


def _is_taken(probe: Probe, places: Places) -> bool:
    try:
        for message in probe.messages:
            for picture in message.images:
                places.ids(picture)
    except BadPicture:
        return False
    return True


def doubled(probes: Sequence[Probe]) -> list[Doubled]:
    """Return what is asked twice more of the probes about pictures, evenly of all of them."""
    rows = [row for row, probe in enumerate(probes) if probe.kind == "task" and probe.messages[-1].images]
    pairs = []
    for row in evenly(rows, AGAIN):
        partner = _partner(probes, row, rows)
        if partner is not None:
            question = probes[row].messages[-1]
            shown = replace(question, images=probes[partner].messages[-1].images)
            pairs.append(Doubled(row, (*probes[row].messages[:-1], shown), description_of(question)))
    return pairs


def description_of(question: Message) -> tuple[Message, ...]:
    """Return what asks for a description of a question's pictures, in its language."""
    words = [PICTURE] * len(question.images) + [DESCRIBE[language_of(question.content)]]
    return (Message("user", "\n".join(words), images=question.images),)


def scores(
    probes: Sequence[Probe],
    answers: Sequence[str],
    pairs: Sequence[Doubled],
    others: Sequence[str],
    descriptions: Sequence[str],
) -> dict[str, float]:
    """Return the shares that tell whether pictures are seen.

    Args:
        answers: to the probes, in their order.
        others: to the same questions over other pictures, in the order of ``pairs``.
        descriptions: of the pictures.

    Returns:
        ``picture``: right answers that are not only titles, ``title``: answers that are what the picture is described
        by, where something else is right; ``seen``: pairs answered otherwise; ``wrong``: right answers over the
        other picture. A share of nothing is left out.
    """
    if not pairs:
        return {}
    count = len(pairs)
    rows = [(probes[pair.row], answers[pair.row]) for pair in pairs]
    titles = [is_title(probe, answer, said) for (probe, answer), said in zip(rows, descriptions, strict=True)]
    return {
        "picture": sum(correct(p, a) and not title for (p, a), title in zip(rows, titles, strict=True)) / count,
        "title": sum(titles) / count,
        "seen": sum(not right(a, other) for (_, a), other in zip(rows, others, strict=True)) / count,
        "wrong": sum(correct(p, other) for (p, _), other in zip(rows, others, strict=True)) / count,
    }


def is_title(probe: Probe, answer: str, description: str) -> bool:
    """Tell whether ``answer`` is what the picture is described by, and no right answer would be like that."""
    if not answer or similar(answer, description) < SAME:
        return False
    return all(similar(reference, description) < SAME for reference in probe.references)


def _partner(probes: Sequence[Probe], row: int, rows: Sequence[int]) -> int | None:
    """A probe over another picture of as many, at best one that asks much the same and is answered otherwise."""
    mine = probes[row]
    order = [*(other for other in rows if other > row), *(other for other in rows if other < row)]
    fitting = [
        other
        for other in order
        if len(probes[other].messages[-1].images) == len(mine.messages[-1].images)
        and probes[other].messages[-1].images != mine.messages[-1].images
        and probes[other].lang == mine.lang
    ]
    said = {fact for facts in mine.facts for fact in facts}
    otherwise = [o for o in fitting if not said & {fact for facts in probes[o].facts for fact in facts}]
    likeness = {o: similar(mine.references[0], probes[o].references[0]) for o in otherwise}
    return max(otherwise, key=likeness.__getitem__) if otherwise else next(iter(fitting), None)
