"""What a person remarks on a run of theirs: a note and a star, in a small file of its folder. Knows that file alone:
no training, no resumption and no card looks at it, and it goes along only where its owner says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.errors import BadInput
from workbench.runs.files import read_json, write_json

FILE = "remarks.json"
# letters of a note: a thought, no diary
LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Remarks:
    """Hold what was remarked on a run.

    Args:
        note: a sentence or two; empty where there is none.
        star: whether it is one to come back to.
    """

    note: str = ""
    star: bool = False


def read_remarks(folder: Path) -> Remarks:
    """Return what was remarked on the run in ``folder``; nothing, where nothing is there or it cannot be read."""
    record = read_json(folder / FILE) or {}
    note = record.get("note")
    return Remarks(note[:LONGEST] if isinstance(note, str) else "", record.get("star") is True)


def remark(folder: Path, note: str | None = None, star: bool | None = None) -> Remarks:
    """Write what is remarked on the run in ``folder``; None leaves one as it is, an empty note takes it away.

    Raises:
        BadInput: the note is too long. Failed: no space, no permission.
    """
    before = read_remarks(folder)
    words = before.note if note is None else note.strip()
    if len(words) > LONGEST:
        raise BadInput("runs.long_note", count=len(words), limit=LONGEST)
    remarks = Remarks(words, before.star if star is None else star)
    write_json(folder / FILE, {"version": 1, "note": remarks.note, "star": remarks.star})
    return remarks
