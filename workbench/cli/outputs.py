"""Where a command may write. Knows paths; nothing of what is written."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import BadInput, OutputExists


def guard(out: Path, source: str | None, *, overwrite: bool = False) -> None:
    """Refuse to write over what must stay.

    Args:
        out: the file to be written.
        source: the file that is read; None where nothing is read.
        overwrite: whether another file that is there may be replaced; the source never is.

    Raises:
        BadInput: ``out`` is the source, or a folder.
        OutputExists: ``out`` is there already.
    """
    if not out.exists():
        return
    if out.is_dir():
        raise BadInput("data.out_is_folder", path=out)
    if source and Path(source).exists() and out.samefile(source):
        raise BadInput("data.onto_itself", path=out)
    if not overwrite:
        raise OutputExists("data.out_exists", path=out)
