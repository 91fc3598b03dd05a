"""A folder that is there whole or not at all. Knows the file system; nothing of what goes into the folder."""

from __future__ import annotations

import errno
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import BadInput, Failed, OutputExists, WorkbenchError
from workbench.models.notes import MARK


@contextmanager
def new_folder(
    out: str | Path, *, overwrite: bool = False, sources: Iterable[Path] = (), need: int = 0
) -> Iterator[Path]:
    """Give a temporary sibling of ``out`` to write into; it becomes ``out`` when the block ends well, and vanishes when
    it does not.

    Args:
        out: the folder to make.
        overwrite: replace a folder that this room made before.
        sources: folders that are read; ``out`` must not be one of them nor hold one.
        need: bytes that will be written; refused beforehand where the disk has less.

    Raises:
        OutputExists: ``out`` is not empty. BadInput: it is a file, or one of the sources, or may not be written.
        Failed: no space.
    """
    target = Path(out).expanduser().resolve()
    _check(target, Path(out), overwrite, sources)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
        if need > free:
            raise Failed("export.no_space", path=out, need=need / 1e9, free=free / 1e9)
        part = _beside(target, "part")
    except OSError as error:
        raise write_refusal(error, out) from error
    try:
        yield part
        _put(part, target)
    except OSError as error:
        raise write_refusal(error, out) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_refusal(error: OSError, out: str | Path) -> WorkbenchError:
    """Return a sentence for what the system refused while ``out`` was written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(_existing(Path(out))).free
        return Failed("export.disk_full", path=out, free=free / 1e9)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return BadInput("export.no_permission", path=error.filename or out)
    return Failed("export.refused", path=error.filename or out, reason=error.strerror or error)


def _check(target: Path, out: Path, overwrite: bool, sources: Iterable[Path]) -> None:
    for source in sources:
        path = source.resolve()
        if target == path or target in path.parents:
            raise BadInput("export.output_is_input", path=out, source=source)
    if target.exists() and not target.is_dir():
        raise BadInput("export.output_is_file", path=out)
    if target.is_dir() and any(target.iterdir()):
        if not overwrite:
            raise OutputExists("export.output_exists", path=out)
        # Whatever else lies in a folder named by mistake is not ours to delete.
        if not (target / MARK).is_file():
            raise OutputExists("export.output_foreign", path=out)


def _put(part: Path, target: Path) -> None:
    if not target.exists():
        part.rename(target)
        return
    old = _beside(target, "old")
    try:
        target.rename(old / target.name)
        try:
            part.rename(target)
        except BaseException:
            (old / target.name).rename(target)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _existing(path: Path) -> Path:
    path = path.expanduser().absolute()
    return next((p for p in (path, *path.parents) if p.exists()), Path())


def _beside(target: Path, ending: str) -> Path:
    folder = target.parent / f".{target.name}.{secrets.token_hex(4)}.{ending}"
    folder.mkdir()
    return folder
