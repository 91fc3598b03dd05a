"""Files in a folder into which several accounts write. Knows the file system; must not know what lies there.

Whoever else writes there may have put a link, a pipe or a giant under any name: nothing is followed, and nothing is
read beyond a few thousand bytes. Whose a file is, its owner on the disk says, never what stands in it.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.runs.files import jsonable, replace, saving
from workbench.runs.process import Lock

# bytes of a file there
LARGEST = 4096
# letters of a name that another account chose
LONGEST = 60
_SHARED = 0o1777 if os.name != "nt" else 0o777
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def account() -> int:
    """Return the number of this process's account; 0 where the system has none."""
    return os.getuid() if hasattr(os, "getuid") else 0


def account_name(number: int) -> str:
    """Return the name of an account, else its number."""
    with suppress(ImportError, KeyError):
        import pwd

        return pwd.getpwuid(number).pw_name
    return str(number)


def open_to_all(folder: Path) -> Path:
    """Make ``folder`` if it is not there: everybody may add files, and only their owner may take them away.

    Raises:
        BadInput: anybody could take away another's files there, or it is no folder. Failed: no permission.
    """
    with saving(folder):
        try:
            folder.mkdir(parents=True)
            folder.chmod(_SHARED)  # what the umask took away
        except FileExistsError:
            pass
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode):
            raise BadInput("line.not_a_folder", folder=folder)
        if os.name != "nt" and status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
            raise BadInput("line.unsafe", folder=folder)
    return folder


def put(path: Path, record: dict[str, Any]) -> None:
    """Write a small object, whole or not at all, which everybody may read.

    Raises:
        Failed: no space, no permission.
    """
    temporary = path.with_name(f".{secrets.token_hex(12)}")  # nobody can have put a link there beforehand
    with saving(path):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(jsonable(record), ensure_ascii=False).encode())
        temporary.chmod(0o644)
        replace(temporary, path)


def look(path: Path) -> tuple[dict[str, Any], os.stat_result] | None:
    """Return what an ordinary small file holds, and whose it is; None where it is gone or no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            return None
        try:
            value = jsonable(json.loads(file.read(LARGEST + 1)))
        except (ValueError, RecursionError, OSError):
            return None
    return (value, status) if isinstance(value, dict) else None


def printable(value: Any) -> str:
    """Return a name that another account chose as a short line without control characters."""
    return "".join(letter for letter in str(value or "") if letter.isprintable())[:LONGEST]


class SharedLock(Lock):
    """Let one process at a time hold a file that any account may hold.

    It is opened to be read only, for that is all that another account may do with it; and it is made apart from being
    opened: in a folder like ``/tmp`` Linux refuses ``O_CREAT`` on a file of another account (fs.protected_regular).
    """

    _LOOKING = (os.O_RDWR if os.name == "nt" else os.O_RDONLY) | _FLAGS

    def _open(self) -> int:
        for _ in range(20):
            try:
                return os.open(self.path, self._LOOKING)
            except FileNotFoundError:  # noqa: PERF203
                with suppress(FileExistsError):
                    os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o644))
                    with suppress(OSError):
                        self.path.chmod(0o644)
        return os.open(self.path, self._LOOKING)
