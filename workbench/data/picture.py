"""A picture of a conversation: where it lies, its bytes and their hash. Knows files and limits; decodes nothing.

Whoever wrote the row may be a stranger: a name leads to no file outside the folder of the data, to no pipe or device,
and to no address; nothing is fetched.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from workbench.data.fields import printable
from workbench.data.limits import SHARED, limits
from workbench.errors import BadData

# Bytes of one picture: of a person's own, and of one that somebody else sends.
MOST_BYTES, MOST_BYTES_SHARED = 64_000_000, 16_000_000
# Archives beside the data in which a picture is looked for, and the entries of one.
ARCHIVES, ENTRIES = 8, 2_000_000
# Folders beside the data in which sets keep their pictures.
FOLDERS = ("images", "pictures")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_INLINE = re.compile(r"data:([\w.+/-]*)((?:;[\w.+=-]*)*),", re.IGNORECASE)


class BadPicture(BadData):
    """Signal that a picture cannot be had or seen; ``fault`` names the cause.

    Args:
        fault: one of the keys under ``data.picture``.
        picture: how its row calls it.
        **values: what the sentence names.
    """

    def __init__(self, fault: str, picture: str, **values: object) -> None:
        self.fault = fault
        super().__init__(f"data.picture.{fault}", picture=printable(picture[:200]), **values)


@dataclass(frozen=True, slots=True)
class Picture:
    """Hold where a picture is.

    Args:
        name: as its row calls it: a path within ``folder``, or any name where its bytes are given.
        folder: the folder, or the zip archive, in which its file lies; empty where its bytes are given.
        data: its bytes, as a file would hold them.
        placed: whether its row shows its place; where not, it was put first.
    """

    name: str
    folder: str = ""
    data: bytes = field(default=b"", repr=False)
    placed: bool = field(default=True, compare=False)

    @classmethod
    def of(cls, path: str | Path) -> Picture:
        """Return the picture in a file of one's own."""
        file = Path(path).expanduser().absolute()
        return cls(file.name, str(file.parent))

    @property
    def key(self) -> str:
        """Return what tells it from others without opening a file: its name, or the hash of its bytes."""
        return self.sha256 if self.data else self.name

    @property
    def sha256(self) -> str:
        """Return SHA-256 of its bytes.

        Raises:
            BadPicture: they cannot be had.
        """
        if not self.folder:
            return hashlib.sha256(self.data).hexdigest()
        origin = _origin(self.name, self.folder)
        return _digest(*origin, _stamp(Path(origin[0])))

    def content(self) -> bytes:
        """Return its bytes.

        Raises:
            BadPicture: there is no such file, it leads out of its folder, it is no ordinary file, or has too many
                bytes.
        """
        if not self.folder:
            return _within(self.data, self.name)
        file, entry = _origin(self.name, self.folder)
        return _from_archive(Path(file), entry, self.name) if entry else _from_file(Path(file), self.name)

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types, for another process."""
        return {
            "name": self.name,
            "folder": self.folder,
            "data": base64.b64encode(self.data).decode(),
            "placed": self.placed,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Picture:
        """Return what :meth:`to_dict` gave."""
        return cls(**{**record, "data": base64.b64decode(record["data"])})

    def in_row(self, folder: Path | None = None) -> str:
        """Return how a row of a file in ``folder`` calls it: its path there, else all of its bytes as ``data:``; the
        name as it is where it cannot be had."""
        try:
            if self.folder and folder is not None:
                file, entry = _origin(self.name, self.folder)
                target = Path(file).resolve()
                if not entry and folder.resolve() in target.parents:
                    return target.relative_to(folder.resolve()).as_posix()
            content = self.content()
        except BadPicture:
            return self.name
        return f"data:;name={_label(self.name)};base64,{base64.b64encode(content).decode()}"


def _label(name: str) -> str:
    """The last part of a name in the few characters that may stand before a ``data:`` address's comma."""
    return re.sub(r"[^\w.-]|[^\x00-\x7f]", "_", PurePosixPath(name.replace("\\", "/")).name[:80])


def inline(address: str) -> Picture:
    """Return the picture in a ``data:`` address; one whose bytes are damaged has none."""
    head = _INLINE.match(address)
    if not head:
        return Picture(address[:40], data=b"")
    parameters = head[2].lower().split(";")
    label = next((part.partition("=")[2] for part in head[2].split(";") if part.startswith("name=")), "")
    body = address[head.end() :]
    try:
        data = base64.b64decode(unquote(body), validate=True) if "base64" in parameters else unquote_to_bytes(body)
    except (binascii.Error, ValueError):
        data = b""
    return Picture(label or f"data:{head[1]}", data=data)


def most_bytes() -> int:
    """Return how many bytes a picture may have."""
    return MOST_BYTES_SHARED if limits() is SHARED else MOST_BYTES


def _within(data: bytes, name: str) -> bytes:
    if len(data) > most_bytes():
        raise BadPicture("bytes", name, size=len(data) / 1e6, most=most_bytes() / 1e6)
    return data


def _origin(name: str, folder: str) -> tuple[str, str]:
    """The file that holds the picture, and its entry where that is an archive."""
    if _ADDRESS.match(name) or name.startswith("//"):
        raise BadPicture("address", name)
    if not name or "\0" in name:
        raise BadPicture("missing", name or "–", folder=printable(folder))
    root = Path(folder)
    if root.suffix.lower() == ".zip":
        entry = _entry(root, name)
        if entry:
            return str(root), entry
        raise BadPicture("missing", name, folder=printable(folder))
    # on a system with other separators a row may have been written on Windows
    spelling = name if os.sep == "\\" or (root / name).exists() else name.replace("\\", "/")
    outside = None
    for home in (root, *(root / sub for sub in FOLDERS)):
        target = _resolved(home / spelling, name)
        if root.resolve() not in target.parents:
            outside = target
        elif target.exists():
            return str(target), ""
    if outside is not None:
        raise BadPicture("outside", name, folder=printable(folder))
    for archive in _archives(root):
        if entry := _entry(archive, spelling):
            return str(archive), entry
    raise BadPicture("missing", name, folder=printable(folder))


def _resolved(path: Path, name: str) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, a name too long
        raise BadPicture("unreadable", name, reason=str(error)[:120]) from None


def _archives(folder: Path) -> list[Path]:
    """The zip archives beside the data: sets are handed on as a file of rows and one of pictures."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() == ".zip" and file.is_file())
    except OSError:
        return []
    home = folder.resolve()
    return [file for file in files if home in file.resolve().parents][:ARCHIVES]


def _entry(archive: Path, name: str) -> str:
    """The entry of an archive that is called so, or ends so after its folders; ``''`` where there is none."""
    try:
        entries = _entries(str(archive), _stamp(archive))
    except BadPicture:
        return ""
    return entries.get(PurePosixPath(name.replace("\\", "/")).as_posix(), "")


@lru_cache(maxsize=ARCHIVES)
def _entries(archive: str, stamp: tuple[int, int]) -> dict[str, str]:  # noqa: ARG001  another stamp, another archive
    """The entries of an archive by their names, and by the ends of these."""
    import zipfile

    try:
        with zipfile.ZipFile(archive) as opened:
            names = [info.filename for info in opened.infolist()[:ENTRIES] if not info.is_dir()]
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return {}
    ends = {"/".join(parts[depth:]): name for name in names for parts in [name.split("/")] for depth in range(1, 4)}
    return {end: name for end, name in ends.items() if end} | {name: name for name in names}


def _stamp(file: Path) -> tuple[int, int]:
    """What tells whether a file has changed: its size and when it was written."""
    try:
        status = file.stat()
    except OSError as error:
        raise BadPicture("unreadable", file.name, reason=error.strerror or str(error)) from None
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=100_000)
def _digest(file: str, entry: str, stamp: tuple[int, int]) -> str:  # noqa: ARG001  another stamp, another file
    path = Path(file)
    content = _from_archive(path, entry, entry) if entry else _from_file(path, path.name)
    return hashlib.sha256(content).hexdigest()


def _from_file(file: Path, name: str) -> bytes:
    from workbench.runs.files import read_bounded

    size = _stamp(file)[0]
    if size > most_bytes():
        raise BadPicture("bytes", name, size=size / 1e6, most=most_bytes() / 1e6)
    try:
        return read_bounded(file, most_bytes())
    except OSError as error:
        raise BadPicture("unreadable", name, reason=error.strerror or str(error)) from None


def _from_archive(archive: Path, entry: str, name: str) -> bytes:
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(archive) as opened, opened.open(entry) as file:
            return _within(file.read(most_bytes() + 1), name)
    except (OSError, ValueError, KeyError, RuntimeError, NotImplementedError, zlib.error, zipfile.BadZipFile) as error:
        raise BadPicture("unreadable", name, reason=str(error)[:120] or type(error).__name__) from None
