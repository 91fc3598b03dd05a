"""Weights that lie elsewhere, or that a clone without git-lfs left as pointers. Knows URLs and checksums; no formats.

``weights.json`` of a bundle: {"from": URL or "", "files": {"model/model.safetensors": {"sha256": "…", "size": n}, …}}.
The URL is that of the folder ``model``, as a model hub serves it; everything else travels along.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

from workbench.errors import BadInput, Failed
from workbench.runs.files import sha256

LIST = "weights.json"
_POINTER = b"version https://git-lfs"
_ELSEWHERE = "model/"
_PIECE = 1 << 20
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def describe(folder: Path, names: list[str], source: str = "") -> dict[str, Any]:
    """Return the content of ``weights.json`` for files of ``folder``.

    Args:
        source: the URL that the names of the model's files are appended to; empty where they travel along.
    """
    files = {name: {"sha256": sha256(folder / name), "size": (folder / name).stat().st_size} for name in names}
    return {"from": source, "files": files}


def ensure(folder: Path, tell: Callable[[str], None] = lambda _: None) -> None:
    """See that every file of ``weights.json`` is in ``folder``, whole; fetch those that are not.

    Files that are there are judged by their size, since reading gigabytes would delay each start; what is fetched is
    judged by its checksum, and is put in its place only when that is right.

    Raises:
        Failed: a file is missing or a pointer and there is nowhere to fetch it from, or what came is not it.
        BadInput: the list names a file outside ``folder``.
    """
    file = folder / LIST
    if not file.is_file():
        return
    listed = json.loads(file.read_text(encoding="utf-8"))
    for name, facts in listed["files"].items():
        target = _inside(folder, name)
        if target.is_file() and target.stat().st_size == int(facts["size"]):
            continue
        if not listed.get("from") or not name.startswith(_ELSEWHERE):
            raise Failed("models.lfs_pointer" if _is_pointer(target) else "models.weights_missing", file=name)
        tell(name)
        _fetch(f"{listed['from'].rstrip('/')}/{quote(name.removeprefix(_ELSEWHERE))}", target, facts)


def check_url(url: str) -> str:
    """Return ``url`` as it may stand in a bundle.

    Raises:
        BadInput: it is not https (or this machine's own http), or holds a password.
    """
    parts = urlsplit(url)
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if (parts.scheme != "https" and not plain) or not parts.hostname or "@" in parts.netloc or parts.query:
        raise BadInput("models.bad_url", given=url)
    return url.rstrip("/")


def _inside(folder: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith(("/", "\\")) or ".." in parts or ":" in name or "\\" in name:
        raise BadInput("models.outside", file=name)
    return folder.joinpath(*parts)


def _is_pointer(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(_POINTER)) == _POINTER


def _fetch(url: str, target: Path, facts: Mapping[str, Any]) -> None:
    check_url(url)
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with urlopen(url, timeout=60) as answer, part.open("wb") as out:  # noqa: S310  https, seen to above
            shutil.copyfileobj(_Limited(answer, int(facts["size"])), out, _PIECE)
    except (URLError, OSError) as error:
        part.unlink(missing_ok=True)
        raise Failed("models.not_fetched", url=url, reason=getattr(error, "reason", error)) from error
    if part.stat().st_size != int(facts["size"]) or sha256(part) != facts["sha256"]:
        part.unlink()
        raise Failed("models.wrong_checksum", url=url)
    part.replace(target)


class _Limited:
    """A reader that ends a byte after what is expected, however much is sent."""

    def __init__(self, inner: Any, size: int) -> None:
        self._inner, self._left = inner, size + 1

    def read(self, n: int = _PIECE, /) -> bytes:
        """Read at most ``n`` bytes."""
        piece: bytes = self._inner.read(min(n, self._left))
        self._left -= len(piece)
        return piece
