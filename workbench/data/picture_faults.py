"""Findings on the pictures of a set: missing, damaged, changed by being read, out of place, one of them too often.

Knows pictures through :mod:`workbench.data.imaging`; opens each one once. Knows nothing of models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.data.conversation import Conversation
from workbench.data.fields import BadRow, Location, printable
from workbench.data.findings import Finding, Rows
from workbench.data.imaging import Seen, look, opened
from workbench.data.picture import BadPicture, Picture
from workbench.data.pictures import PICTURE
from workbench.texts import entry, fill, text

if TYPE_CHECKING:
    from PIL.Image import Image

# Which finding each fault of a picture belongs to; all others are damaged files.
_CODES = {
    "missing": "picture_missing", "outside": "picture_outside", "address": "picture_outside",
    "bytes": "picture_too_large", "pixels": "picture_too_large",
}  # fmt: skip
FAULTS = ("picture_missing", "picture_outside", "picture_too_large", "picture_unreadable")
"""Findings for which a row cannot be trained."""
PICTURE_CODES = (*FAULTS, "picture_places", "picture_narrow", "picture_changed", "one_picture")
"""Findings of :func:`picture_findings`."""
# One picture in so great a share of the rows with pictures, and at least so many, is learnt by heart.
SHARE, FEW = 0.2, 5
# Two pictures are one where their small copies differ by less than this, of 255, on average.
ALIKE = 1.5
_SMALL = 16  # pixels of a small copy's side
_PAIRS = 4_000_000  # so many pairs of small copies are compared at most


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was seen of the pictures of a set, by row."""

    faults: dict[str, dict[int, BadPicture]]
    seen: dict[int, list[Seen]]


def picture_findings(rows: Rows) -> Iterator[Finding]:
    """Yield the findings on the pictures of ``rows``, each picture looked at once."""
    if not any(conversation.pictures for conversation in rows.conversations):
        yield from _places(rows)
        return
    looked = _look(rows.conversations)
    for code, faults in looked.faults.items():
        first = next(iter(faults.values()))
        yield rows.finding(code, list(faults), example=first.say(rows.lang), do=first.do(rows.lang))
    yield from _changed(rows, looked.seen)
    narrow = [row for row, seen in looked.seen.items() if any(picture.narrow for picture in seen)]
    if narrow:
        worst = max((p for row in narrow for p in looked.seen[row]), key=lambda p: max(p.width, p.height))
        yield rows.finding("picture_narrow", narrow, surplus=(), size=f"{worst.width} x {worst.height}")
    yield from _places(rows)
    yield from _often(rows)


def refuse_unreadable(conversations: Sequence[Conversation]) -> None:
    """See that every picture of a set can be seen.

    Raises:
        BadRow: names the first row with one that cannot, and how many rows there are like it.
    """
    faults = {row: error for found in _look(conversations).faults.values() for row, error in found.items()}
    if faults:
        row = min(faults)
        file, _, number = conversations[row].source.rpartition(":")
        location = Location(file or "–", int(number) if number.isdigit() else row + 1)
        raise UnseenRow(location, faults[row], len(faults))


class UnseenRow(BadRow):
    """Signal that a row's picture cannot be seen; the sentence begins with the file and the row."""

    def __init__(self, location: Location, fault: BadPicture, count: int) -> None:
        super().__init__("data.unseen_row", location, count=count, fault=fault.key, **fault.values)

    def say(self, lang: str | None = None) -> str:
        """Return the place, then what is wrong with the picture."""
        return super().say(lang) + fill(entry(str(self.values["fault"]), lang)["say"], self.values)

    def do(self, lang: str | None = None) -> str:
        """Return what to do about it, then how the rows are left out."""
        return f"{fill(entry(str(self.values['fault']), lang)['do'], self.values)} {super().do(lang)}"


def _look(conversations: Sequence[Conversation]) -> _Looked:
    faults: dict[str, dict[int, BadPicture]] = {}
    seen: dict[int, list[Seen]] = {}
    results: dict[Picture, Seen | BadPicture] = {}
    for row, conversation in enumerate(conversations):
        for picture in conversation.pictures:
            if picture not in results:
                results[picture] = _result(picture)
            result = results[picture]
            if isinstance(result, BadPicture):
                faults.setdefault(_CODES.get(result.fault, "picture_unreadable"), {}).setdefault(row, result)
            else:
                seen.setdefault(row, []).append(result)
    return _Looked(faults, seen)


def _result(picture: Picture) -> Seen | BadPicture:
    try:
        return look(picture)
    except BadPicture as error:
        return error


def _changed(rows: Rows, seen: dict[int, list[Seen]]) -> Iterator[Finding]:
    """What is done to pictures before they are seen, so that nobody is surprised by it."""
    changes = {row: {change for picture in looked for change in picture.changes} for row, looked in seen.items()}
    changed = [row for row, kinds in changes.items() if kinds]
    if changed:
        counts = Counter(change for row in changed for change in sorted(changes[row]))
        named = tuple(f"{text(f'data.picture_changes.{kind}', rows.lang)} ({n})" for kind, n in counts.items())
        yield rows.finding("picture_changed", changed, surplus=(), changes=named)


def _places(rows: Rows) -> Iterator[Finding]:
    for form, is_so in _PLACES.items():
        indices = [index for index, conversation in enumerate(rows.conversations) if is_so(conversation)]
        if indices:
            surplus = indices if form in ("answer", "without") else ()
            yield rows.finding("picture_places", indices, form=form, surplus=surplus)


def _in_answer(conversation: Conversation) -> bool:
    return any(message.role != "user" and message.images for message in conversation.messages)


def _later(conversation: Conversation) -> bool:
    asked = [message for message in conversation.messages if message.role == "user"]
    return any(message.images for message in asked[1:])


def _several(conversation: Conversation) -> bool:
    return any(len(message.images) > 1 for message in conversation.messages)


def _in_front(conversation: Conversation) -> bool:
    return any(not picture.placed for picture in conversation.pictures)


def _without(conversation: Conversation) -> bool:
    """Whether a question shows more places than it has pictures: the words ``<image>`` are then letters."""
    return any(m.role == "user" and m.content.count(PICTURE) > len(m.images) for m in conversation.messages)


_PLACES: dict[str, Callable[[Conversation], bool]] = {
    "front": _in_front,
    "answer": _in_answer,
    "later": _later,
    "several": _several,
    "without": _without,
}


def _often(rows: Rows) -> Iterator[Finding]:
    by_picture: dict[str, list[int]] = {}
    with_pictures = [index for index, conversation in enumerate(rows.conversations) if conversation.pictures]
    for index in with_pictures:
        for key in {_hash(picture) for picture in rows.conversations[index].pictures}:
            by_picture.setdefault(key, []).append(index)
    most = max(by_picture.values(), key=len, default=[])
    if len(most) >= FEW and len(most) > SHARE * len(with_pictures):
        name = rows.conversations[most[0]].pictures[0].name
        share = f"{100 * len(most) / len(with_pictures):.0f} %"
        yield rows.finding("one_picture", most, surplus=(), share=share, picture=printable(name[:60]))


def _hash(picture: Picture) -> str:
    """The hash of a picture's bytes; its name where these cannot be had."""
    try:
        return picture.sha256
    except BadPicture:
        return picture.key


# --- the same picture on both sides ---


def shared_pictures(rows: Rows, validation: Sequence[Conversation]) -> Iterator[Finding]:
    """Yield the finding that pictures of the set stand in the held-out set too: by their pixels, not by their names."""
    ours, theirs = _pixels(rows.conversations), _pixels(validation)
    if not ours or not theirs:
        return
    twins = _twins([copy for copy, _ in ours.values()], [copy for copy, _ in theirs.values()])
    owners, others = [r for _, r in ours.values()], [r for _, r in theirs.values()]
    leaks = {index: others[twin][0] for number, twin in twins.items() for index in owners[number]}
    if leaks:
        held_out = Rows(validation, rows.lang)
        yield rows.finding("picture_in_both", sorted(leaks), theirs=held_out.some(list(leaks.values())))


def _pixels(conversations: Sequence[Conversation]) -> dict[str, tuple[Any, list[int]]]:
    """A small copy of each picture that can be seen, by the hash of its bytes, with the rows that have it."""
    copies: dict[str, tuple[Any, list[int]]] = {}
    for index, conversation in enumerate(conversations):
        for picture in conversation.pictures:
            key = _hash(picture)
            if key not in copies:
                try:
                    copies[key] = (_small(opened(picture)), [])
                except BadPicture:
                    continue
            copies[key][1].append(index)
    return copies


def _small(image: Image) -> Any:
    import numpy as np
    from PIL.Image import Resampling

    return np.asarray(image.resize((_SMALL, _SMALL), Resampling.BOX), dtype=np.float32).reshape(-1)


def _twins(ours: list[Any], theirs: list[Any]) -> dict[int, int]:
    """Of each small copy of ours the first of theirs that is the same to the eye."""
    import numpy as np

    others = np.stack(theirs)
    within = ours[: max(1, _PAIRS // len(theirs))]
    twins = {}
    for number, copy in enumerate(within):
        differences = np.abs(others - copy).mean(axis=1)
        nearest = int(differences.argmin())
        if differences[nearest] < ALIKE:
            twins[number] = nearest
    return twins
