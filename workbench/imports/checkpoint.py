"""A pickled checkpoint's contents, told by a process that may do nothing else. Knows that process and what it may say;
opens no pickle itself."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, Failed
from workbench.export.tensors import DTYPES
from workbench.imports.lying import Lying

SECONDS = 180
MOST_TOLD = 256 << 20
_PROGRAM = Path(__file__).with_name("pickled.py")
_POINTER = b"version https://git-lfs"
_NUMPY_OR_TORCH_LEGACY = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclass(frozen=True, slots=True)
class Contents:
    """Hold what a checkpoint holds; no tensor has been read.

    Args:
        file: the file.
        tensors: by their path in it, ("state_dict", name) or (name,).
        values: what else it says of itself, by dotted path: ``meta.cfg``, ``meta.iter`` …
        shapes: DeepSpeed's groups of (name, shape), in the order in which they lie.
        classes: the names that its pickle holds.
        keys: of its top level.
    """

    file: Path
    tensors: Mapping[tuple[str, ...], Lying]
    values: Mapping[str, Any]
    shapes: tuple[tuple[tuple[str, tuple[int, ...]], ...], ...]
    classes: tuple[str, ...]
    keys: tuple[str, ...]

    def under(self, key: str) -> dict[str, Lying]:
        """Return the tensors of a group, by their names; of ``""`` those at the top."""
        if not key:
            return {path[0]: tensor for path, tensor in self.tensors.items() if len(path) == 1}
        return {path[1]: tensor for path, tensor in self.tensors.items() if len(path) == 2 and path[0] == key}

    def weights(self) -> dict[str, Lying]:
        """Return what was trained: of the group that this kind of file keeps it in, else what stands at the top."""
        return self.under("state_dict") or self.under("module") or self.under("model") or self.under("")


def contents(file: Path) -> Contents:
    """Return what ``file`` holds.

    Raises:
        BadInput: it is a pointer, empty, of an old or another format, damaged, or names a class that no checkpoint
            has; nothing of it is run. Failed: it took too long.
    """
    refuse_at_sight(file)
    record = _ask(file)
    if "refused" in record:
        values = {str(key): value for key, value in record.get("values", {}).items()}
        raise BadInput(f"imports.refused.{record['refused']}", file=file, **values)
    try:
        return _checked(file, record)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BadInput("imports.refused.odd_tensor", file=file) from error


def refuse_at_sight(file: Path) -> None:
    """Refuse a file that cannot be a checkpoint, before it is opened.

    Raises:
        BadInput: by its first bytes it is no zip of torch's.
    """
    with file.open("rb") as opened:
        head = opened.read(64)
    if not head:
        raise BadInput("imports.refused.empty", file=file)
    if head.startswith(_POINTER):
        raise BadInput("imports.refused.pointer", file=file, size=file.stat().st_size)
    if head.startswith(_NUMPY_OR_TORCH_LEGACY):
        raise BadInput("imports.refused.legacy", file=file)
    if not head.startswith(b"PK\x03\x04"):
        raise BadInput("imports.refused.no_zip", file=file)


def _ask(file: Path) -> dict[str, Any]:
    command = [sys.executable, "-I", "-S", "-B", str(_PROGRAM), str(file.absolute())]
    variables = {name: os.environ[name] for name in ("SYSTEMROOT", "LD_LIBRARY_PATH", "LANG") if name in os.environ}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.run(  # noqa: S603  our own program, by its path; the file's name is an argument
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                timeout=SECONDS,
                check=False,
                env=variables,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed("imports.refused.too_slow", file=file, seconds=SECONDS) from error
        size = out.seek(0, 2)
        out.seek(0)
        errors.seek(0)
        if process.returncode != 0 or not 0 < size <= MOST_TOLD:
            last = errors.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
            raise BadInput(
                "imports.refused.gave_up", file=file, reason=(last[-1][:200] if last else process.returncode)
            )
        record: dict[str, Any] = json.loads(out.read())
        return record


def _checked(file: Path, record: Mapping[str, Any]) -> Contents:
    """What was told, each place in the file seen to be in it."""
    length = file.stat().st_size
    tensors = {tuple(entry["path"]): _lying(file, entry, length) for entry in record["tensors"]}
    shapes = tuple(tuple((str(name), tuple(size)) for name, size in group) for group in record["shapes"])
    return Contents(file, tensors, record["values"], shapes, tuple(record["classes"]), tuple(record["keys"]))


def _lying(file: Path, entry: Mapping[str, Any], length: int) -> Lying:
    shape, stride = tuple(map(int, entry["shape"])), tuple(map(int, entry["stride"]))
    width, start = DTYPES[entry["dtype"]][1], int(entry["start"])
    numel = math.prod(shape)
    span = 1 + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) if numel else 0
    if min((start, *shape, *stride)) < 0 or start + span * width > length:
        raise ValueError("outside the file")
    ranges = ((file, start, span * width),) if span else ()
    return Lying(entry["dtype"], shape, ranges, None if _in_order(shape, stride) else stride)


def _in_order(shape: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    step = 1
    for n, actual in zip(reversed(shape), reversed(stride), strict=True):
        if n != 1 and actual != step:
            return 0 in shape
        step *= n
    return True
