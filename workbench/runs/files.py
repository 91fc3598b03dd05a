"""Files that are whole or not there: atomic JSON, durable folders, and a sentence for what the disk refuses.

Knows the file system; must not know what a run is.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from workbench.errors import Failed

_NO_SPACE = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}
# bytes of a JSON file of a run: the largest hold a few hundred numbers
LARGEST = 50_000_000


def refused(error: BaseException, path: Path) -> Failed | None:
    """Return the sentence for ``error`` where it is the disk's refusal, else None.

    Libraries written in Rust or C++ wrap the system's error in their own; those are known by their words.
    """
    if isinstance(error, OSError) and error.errno is not None:
        where, reason = error.filename or str(path), error.strerror or str(error)
        if error.errno in _NO_SPACE:
            return Failed("runs.no_space", path=where, reason=reason)
        if error.errno in _NO_PERMISSION:
            return Failed("runs.no_permission", path=where, reason=reason)
        return Failed("runs.os_error", path=where, reason=reason)
    if re.search(rf"No space left on device|os error (?:{'|'.join(str(n) for n in sorted(_NO_SPACE))})\b", str(error)):
        return Failed("runs.no_space", path=str(path), reason=str(error))
    return None


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Turn what the disk refuses inside into a :class:`~workbench.errors.Failed` that names the file."""
    try:
        yield
    except OSError as error:
        raise refused(error, path) or error from error


def jsonable(value: Any) -> Any:
    """Return ``value`` with only what JSON knows: NaN and infinity become null, arrays' scalars numbers, paths
    strings."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):  # half of a surrogate pair, which a model's output may end with, is no text
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _jsonable_many(value)


def number(value: Any) -> float | None:
    """Return ``value`` where it is a number that can be counted with, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        parsed = float(value)
    except OverflowError:
        return None
    return parsed if math.isfinite(parsed) else None


def _jsonable_many(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(item) for item in value]
    if hasattr(value, "tolist"):  # a scalar or an array of torch or numpy, neither of which is imported here
        return jsonable(value.tolist())
    return str(value)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Put ``content`` at ``path`` so that a reader, or a kill at any moment, finds the old or the new, never a part.

    Args:
        path: the file; its folder exists.
        content: everything that it shall hold.
        durable: wait until it is on the disk; a heartbeat need not.

    Raises:
        Failed: no space, no permission; the old file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with saving(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        if durable:
            sync_folder(path.parent)


def write_json(path: Path, value: Mapping[str, Any], *, durable: bool = True) -> None:
    """Write ``value`` as :func:`write_bytes` does."""
    text = json.dumps(jsonable(value), ensure_ascii=False, indent=1, allow_nan=False)
    write_bytes(path, f"{text}\n".encode(), durable=durable)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object that ``path`` holds; None where there is no such file or it holds no JSON object.

    A number that JSON does not have (``Infinity``, ``1e400``) becomes None.
    """
    try:
        value = jsonable(json.loads(read_bounded(path, LARGEST)))
    except (ValueError, RecursionError):
        return None
    except PermissionError as error:
        raise refused(error, path) or error from error
    except OSError:  # not there, a folder, no ordinary file, or far too large
        return None
    return value if isinstance(value, dict) else None


def read_bounded(path: Path, largest: int) -> bytes:
    """Return all bytes of an ordinary file.

    Raises:
        OSError: it cannot be read, is a device, a pipe or a socket, or has more than ``largest`` bytes.
    """
    # a pipe would be waited for until somebody writes to it; whoever opens it so is not made to wait
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "no ordinary file", str(path))
        if status.st_size > largest:
            raise OSError(errno.EFBIG, f"more than {largest // 1_000_000} MB", str(path))
        content = file.read(largest + 1)
    if len(content) > largest:  # files of a system that have no size
        raise OSError(errno.EFBIG, f"more than {largest // 1_000_000} MB", str(path))
    return content


def replace(source: Path, target: Path) -> None:
    """Call ``os.replace``; on Windows wait a moment for a reader that has the target open."""
    for _ in range(50):
        try:
            source.replace(target)
            return
        except PermissionError:  # noqa: PERF203
            if os.name != "nt":
                raise
            time.sleep(0.02)
    source.replace(target)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` last through a power cut, where the system can (Windows cannot)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems refuse to sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make every file under ``folder``, and the folders themselves, last through a power cut."""
    for root, _, names in os.walk(folder):
        for name in names:
            # Windows syncs only what is open for writing
            descriptor = os.open(Path(root) / name, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(root))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
