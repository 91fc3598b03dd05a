"""Safetensors files, a tensor at a time. Knows the format's bytes; nothing of adapters or models.

The library's own reader maps the whole file into memory and its writer copies a whole shard. A merge needs neither:
here a tensor is read when it is needed and written when it is ready, so memory holds one tensor, not one shard.

Format: 8 bytes, the length of the header, little-endian; the header, JSON; the tensors' bytes without gaps
(https://huggingface.co/docs/safetensors, section "Format").
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from workbench.errors import BadInput
from workbench.models import internlm
from workbench.models.folders import INDEX, WEIGHTS, check_files, check_safetensors, read_object
from workbench.models.headers import header, settings

if TYPE_CHECKING:
    import torch

# name in the file -> (name in torch, bytes an element)
DTYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}
FLOATS = ("F64", "F32", "F16", "BF16")
_PIECE = 1 << 22


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold where a tensor lies.

    Args:
        name: its name in the file.
        file: the file.
        dtype: a key of ``DTYPES``.
        shape: its shape.
        start: offset of its first byte in the file.
        ranges: (offset of the first byte, bytes) of all its parts in order, where they do not lie side by side.
    """

    name: str
    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    ranges: tuple[tuple[int, int], ...] = ()

    @property
    def nbytes(self) -> int:
        """Return bytes that it takes."""
        return size(self.dtype, self.shape)

    @property
    def lies(self) -> tuple[tuple[int, int], ...]:
        """Return (Offset of the first byte, bytes) of all its parts, in order."""
        return self.ranges or ((self.start, self.nbytes),)


def size(dtype: str, shape: Sequence[int]) -> int:
    """Return bytes of a tensor of ``shape``."""
    return math.prod(shape) * DTYPES[dtype][1]


def read_entries(file: Path) -> dict[str, Entry]:
    """Return all tensors of ``file``, in the order of their bytes; no weight is read.

    Raises:
        BadInput: not a safetensors file, cut short, or with a kind of number that is not known here.
    """
    try:
        described, base = header(file)
        end = file.stat().st_size
        entries = [_entry(file, name, entry, base, end) for name, entry in described.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput("export.broken_file", file=file, reason=error) from error
    return {entry.name: entry for entry in sorted(entries, key=lambda e: e.start)}


def _entry(file: Path, name: str, entry: dict[str, Any], base: int, end: int) -> Entry:
    dtype, shape = entry["dtype"], tuple(int(n) for n in entry["shape"])
    start, stop = (base + int(n) for n in entry["data_offsets"])
    if dtype not in DTYPES:
        raise ValueError(f"{name}: {dtype} numbers")
    if min(shape, default=0) < 0 or start < base or stop - start != size(dtype, shape):
        raise ValueError(f"{name}: shape and bytes disagree")
    if stop > end:
        raise ValueError(f"{name}: the file ends after {end} of {stop} bytes")
    return Entry(name, file, dtype, shape, start)


def load(entry: Entry) -> torch.Tensor:
    """Return the tensor itself, on the CPU, in memory of its own."""
    import torch

    kind = getattr(torch, DTYPES[entry.dtype][0])
    raw = torch.empty(entry.nbytes, dtype=torch.uint8)
    if entry.nbytes:
        with entry.file.open("rb", buffering=0) as opened:
            filled, view = 0, raw.numpy().data
            for start, length in entry.lies:
                opened.seek(start)
                _fill(opened, view[filled : filled + length], entry.file)
                filled += length
    return raw.view(kind).reshape(entry.shape)


def _fill(opened: Any, view: memoryview, file: Path) -> None:
    filled = 0
    while filled < len(view):
        got = opened.readinto(view[filled:])
        if not got:
            raise BadInput("export.broken_file", file=file, reason=f"{len(view) - filled} bytes missing")
        filled += got


def dtype_name(tensor: torch.Tensor) -> str:
    """Return the file's name of the tensor's kind of numbers.

    Raises:
        KeyError: it has none.
    """
    return {f"torch.{torch_name}": name for name, (torch_name, _) in DTYPES.items()}[str(tensor.dtype)]


class Writer:
    """Write one safetensors file, tensors in the order announced.

    Use as a context manager. The largest numbers come first, so that each tensor begins at a multiple of its element's
    size.

    Args:
        file: the file to make.
        tensors: (name, dtype, shape) of all that it will hold.
    """

    def __init__(self, file: Path, tensors: Iterable[tuple[str, str, tuple[int, ...]]]) -> None:
        self.file = file
        self.order = sorted(tensors, key=lambda t: -DTYPES[t[1]][1])
        self._next = 0
        self._opened: BinaryIO | None = None

    def __enter__(self) -> Writer:
        heading: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        offset = 0
        for name, dtype, shape in self.order:
            stop = offset + size(dtype, shape)
            heading[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, stop]}
            offset = stop
        encoded = json.dumps(heading, separators=(",", ":"), ensure_ascii=False).encode()
        encoded += b" " * (-len(encoded) % 8)
        self._opened = self.file.open("wb")
        self._opened.write(len(encoded).to_bytes(8, "little") + encoded)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._opened:
            self._opened.close()
        if error is None and self._next != len(self.order):
            raise RuntimeError(f"{self.file.name}: {self._next} of {len(self.order)} tensors written")

    def write(self, name: str, tensor: torch.Tensor) -> None:
        """Write the next tensor."""
        import torch

        self._announced(name, dtype_name(tensor), tuple(tensor.shape))
        raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        self._out.write(raw.numpy().data)

    def copy(self, entry: Entry, name: str | None = None) -> None:
        """Write the next tensor, as it lies in another file; only a few megabytes are in memory at once."""
        ranges = tuple((entry.file, start, length) for start, length in entry.lies)
        self.pour(name or entry.name, entry.dtype, entry.shape, ranges)

    def pour(self, name: str, dtype: str, shape: tuple[int, ...], ranges: Iterable[tuple[Path, int, int]]) -> None:
        """Write the next tensor, from (file, first byte, bytes) of its parts in order."""
        self._announced(name, dtype, shape)
        parts = tuple(ranges)
        if sum(length for _, _, length in parts) != size(dtype, shape):
            raise RuntimeError(f"{self.file.name}: {name} {dtype} {shape} is not what was given")
        view = memoryview(bytearray(min(_PIECE, max(size(dtype, shape), 1))))
        for file, start, length in parts:
            with file.open("rb", buffering=0) as opened:
                opened.seek(start)
                remaining = length
                while remaining:
                    piece = view[: min(remaining, len(view))]
                    _fill(opened, piece, file)
                    self._out.write(piece)
                    remaining -= len(piece)

    @property
    def _out(self) -> BinaryIO:
        if self._opened is None:
            raise RuntimeError("the writer is not open")
        return self._opened

    def _announced(self, name: str, dtype: str, shape: tuple[int, ...]) -> None:
        if self._next >= len(self.order) or self.order[self._next] != (name, dtype, shape):
            raise RuntimeError(f"{self.file.name}: {name} {dtype} {shape} was not announced here")
        self._next += 1


def save(file: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write a few tensors to one file."""
    layout = [(name, dtype_name(t), tuple(t.shape)) for name, t in tensors.items()]
    with Writer(file, layout) as writer:
        for name, _, _ in writer.order:
            writer.write(name, tensors[name])


def weight_entries(folder: Path) -> dict[str, Entry]:
    """Return all weights of a model's folder: by its index, else its single file; an InternLM's under Llama's names.

    Raises:
        BadInput: no safetensors there, or a file that the index names is missing.
    """
    entries = stored_entries(folder)
    config = settings(folder)
    return as_llama(entries, config) if internlm.is_internlm(config) else entries


def as_llama(entries: Mapping[str, Entry], config: Mapping[str, Any]) -> dict[str, Entry]:
    """Return the tensors of an InternLM as a Llama has them; none is read.

    Args:
        entries: as they lie on the disk.
        config: their ``config.json``.

    Raises:
        BadInput: a tensor that such a model does not have, or of a wrong shape.
    """
    renamed: dict[str, Entry] = {}
    for part in internlm.parts(entries, config):
        entry = entries[part.source]
        internlm.check_rows(part, entry.shape, config)
        row = size(entry.dtype, entry.shape[1:])
        ranges = tuple((entry.start + first * row, (end - first) * row) for first, end in part.rows)
        shape = (sum(end - first for first, end in part.rows), *entry.shape[1:]) if part.rows else entry.shape
        renamed[part.name] = replace(entry, name=part.name, shape=shape, ranges=ranges)
    return renamed


def stored_entries(folder: Path) -> dict[str, Entry]:
    """Return all weights of a model's folder, under the names that they have there.

    Raises:
        BadInput: no safetensors there, or a file that the index names is missing.
    """
    check_files(folder)
    index = folder / INDEX
    indexed = _indexed(index) if index.is_file() else []
    if (folder / WEIGHTS).is_file():  # as the libraries choose between the two
        files = [folder / WEIGHTS]
    elif indexed:
        files = indexed
    else:
        old = sorted(p.name for p in folder.glob("*.bin")) + sorted(p.name for p in folder.glob("*.pth"))
        raise BadInput("export.only_pickled" if old else "export.no_weights", folder=folder, file=old[0] if old else "")
    entries: dict[str, Entry] = {}
    for file in files:
        check_safetensors(file)
        entries.update(read_entries(file))
    return entries


def _indexed(index: Path) -> list[Path]:
    try:
        places = read_object(index)["weight_map"]
        names = list(dict.fromkeys(places.values()))
    except (KeyError, AttributeError, TypeError) as error:
        raise BadInput("export.broken_file", file=index, reason=error) from error
    for name in names:
        # A name with a path in it could point anywhere on the disk.
        if not isinstance(name, str) or Path(name).name != name:
            raise BadInput("export.broken_file", file=index, reason=f"{name!r} is not the name of a file beside it")
        if not name.endswith(".safetensors"):
            raise BadInput("models.not_safetensors", file=index, given=name)
        if not (index.parent / name).is_file():
            raise BadInput("export.shard_missing", file=name, folder=index.parent)
    shards = {name: read_entries(index.parent / name) for name in names}
    for tensor, name in places.items():
        if tensor not in shards[name]:
            raise BadInput("models.tensor_missing", file=index.parent / name, tensor=tensor)
    return [index.parent / name for name in names]
