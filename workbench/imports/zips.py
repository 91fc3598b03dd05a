"""A zip that somebody brings, unpacked where nothing can come of it. Knows zips; nothing of what is in them."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from workbench.errors import BadInput

ENTRIES, GROWTH, SMALL = 20_000, 200, 1 << 24


def is_zip(file: Path) -> bool:
    """Tell whether ``file`` is a zip of files, and not a checkpoint (which is a zip of torch's)."""
    if not file.is_file() or not zipfile.is_zipfile(file):
        return False
    try:
        with zipfile.ZipFile(file) as opened:
            names = opened.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise BadInput("imports.zip.broken", file=file, reason=str(error)[:200]) from error
    return not any(name.count("/") == 1 and name.endswith("/data.pkl") for name in names)


def unpack(file: Path, folder: Path) -> Path:
    """Write the files of ``file`` below ``folder``.

    Raises:
        BadInput: it is damaged, encrypted, or would write elsewhere, or grow without measure.
    """
    try:
        with zipfile.ZipFile(file) as opened:
            entries = opened.infolist()
            _check(file, entries, folder)
            for entry in entries:
                if not entry.is_dir():
                    _write(opened, entry, folder)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, EOFError) as error:
        raise BadInput("imports.zip.broken", file=file, reason=str(error)[:200]) from error
    return folder


def _check(file: Path, entries: list[zipfile.ZipInfo], folder: Path) -> None:
    size = sum(entry.file_size for entry in entries)
    if len(entries) > ENTRIES or size > SMALL + GROWTH * file.stat().st_size:
        raise BadInput("imports.zip.grows", file=file, size=size / 1e9)
    if size > shutil.disk_usage(folder).free:
        raise BadInput("imports.zip.no_space", file=file, size=size / 1e9)
    for entry in entries:
        name = entry.filename.replace("\\", "/")
        link = stat.S_ISLNK(entry.external_attr >> 16)
        if name.startswith("/") or ".." in PurePosixPath(name).parts or ":" in name.split("/")[0] or link:
            raise BadInput("imports.zip.outside", file=file, name=entry.filename[:120])


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    target = folder.joinpath(*PurePosixPath(entry.filename.replace("\\", "/")).parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    remaining = entry.file_size
    with opened.open(entry) as source, target.open("wb") as out:
        while piece := source.read(min(1 << 20, remaining + 1)):
            remaining -= len(piece)
            if remaining < 0:
                raise ValueError(f"{entry.filename[:120]} is longer than it says")
            out.write(piece)
