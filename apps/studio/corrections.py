"""Better answers that a visitor wrote, as rows beside the set. Knows files of conversations; nothing of pages."""

from __future__ import annotations

from dataclasses import replace

from workbench.data import read, write
from workbench.data.conversation import Conversation
from workbench.errors import BadInput

from .workspaces import Workspace

MOST = 200


def add(ws: Workspace, conversation: Conversation) -> int:
    """Put a conversation beside the set that is trained next; returns how many there are then.

    Each number of rows has a file of its own, so that a set that was made of fewer can still be read.

    Raises:
        BadInput: there are too many. Failed: no space.
    """
    data = ws.project.data
    rows = read(data.settings.added) if data.settings.added else []
    if len(rows) >= MOST:
        raise BadInput("studio.too_many_mended", limit=MOST)
    # a kind of its own is trained whole: none of it is held out
    rows = [*rows, replace(conversation, kind=f"mended {len(rows) + 1}")]
    folder = ws.project.folder / "mended"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{len(rows)}.jsonl"
    write(rows, file, overwrite=True)
    data.change(added=str(file))
    ws.project.save()
    return len(rows)
