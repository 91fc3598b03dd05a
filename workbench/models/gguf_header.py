"""What a GGUF file says of itself before a library opens it. Knows the format's head; reads no weight.

Format: ``GGUF``, version, count of tensors, count of pairs; the pairs (key, type, value); of each tensor name, sizes,
type and place; then the tensors' bytes (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.models.folders import POINTER

MAGIC = b"GGUF"
VERSIONS = (2, 3)
# More of each no model has: pairs and tensors, bytes of the head, characters of a text that is shown or compared.
PAIRS, TENSORS, HEAD, LONGEST = 65_536, 65_536, 512 << 20, 1 << 20
_DIMENSIONS = 4
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _ARRAY = 8, 9
# Arrays of numbers up to so many are kept; longer ones are scores and kinds of a vocabulary, of which the count does.
_SHORT = 1_024


@dataclass(frozen=True, slots=True)
class Tensor:
    """Describe a tensor of the file.

    Args:
        name: as the file calls it.
        shape: in the order of torch, the slowest first.
        kind: ggml's number of its type.
        start: first byte in the file.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    start: int

    @property
    def numel(self) -> int:
        """Return how many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Head:
    """Hold all that stands before the weights.

    Args:
        values: of each pair its value; of a long array and of one of texts its length.
        tensors: in the order of the file.
    """

    values: Mapping[str, Any]
    tensors: tuple[Tensor, ...]

    @property
    def architecture(self) -> str:
        """Return the architecture, such as ``llama``."""
        return str(self.values["general.architecture"])


def is_gguf(file: Path) -> bool:
    """Tell whether ``file`` is called a GGUF file or begins as one."""
    if not file.is_file():
        return False
    if file.suffix.lower() == ".gguf":
        return True
    with file.open("rb") as opened:
        return opened.read(len(MAGIC)) == MAGIC


def read_head(file: Path, sizes: Mapping[int, tuple[int, int]]) -> Head:
    """Return the head of ``file``, with every tensor found to lie within it.

    Args:
        sizes: of each known type of number: how many lie in a block, and the block's bytes.

    Raises:
        BadInput: it is no GGUF file, or cut short, damaged, of another version, or holds a type that is not known.
    """
    with file.open("rb") as opened:
        begin = opened.read(len(POINTER))
        if begin == POINTER:
            raise BadInput("models.lfs_pointer", file=file)
        if begin[:4] != MAGIC:
            raise BadInput("models.gguf.no_gguf", file=file)
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                return _Reader(content, file).head(sizes)
            except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
                raise BadInput("models.gguf.damaged", file=file, reason=_reason(error)) from error


class _Reader:
    """Goes through the head once; every length is compared with what is there before it is believed."""

    def __init__(self, content: mmap.mmap, file: Path) -> None:
        self.content, self.file, self.place = content, file, len(MAGIC)
        self.end = min(len(content), HEAD)

    def head(self, sizes: Mapping[int, tuple[int, int]]) -> Head:
        """See :func:`read_head`."""
        (version,) = self.numbers("<I")
        if version not in VERSIONS:
            swapped = int.from_bytes(int(version).to_bytes(4, "little"), "big") in VERSIONS
            raise BadInput("models.gguf.big_endian" if swapped else "models.gguf.version",
                           file=self.file, given=version)  # fmt: skip
        tensors, pairs = self.numbers("<QQ")
        if tensors > TENSORS or pairs > PAIRS:
            raise ValueError(f"{tensors} tensors, {pairs} pairs")
        values: dict[str, Any] = {}
        for _ in range(pairs):
            key = self.text()
            if key in values:
                raise ValueError(f"{key[:80]!r} twice")
            values[key] = self.value(*self.numbers("<I"))
        if not isinstance(values.get("general.architecture"), str):
            raise ValueError("no general.architecture")
        listed = [self.tensor() for _ in range(tensors)]
        return Head(values, tuple(self.placed(listed, values, sizes)))

    def numbers(self, form: str) -> tuple[Any, ...]:
        """Return the next numbers, as :mod:`struct` names them."""
        wide = struct.calcsize(form)
        self.reach(wide)
        results = struct.unpack_from(form, self.content, self.place)
        self.place += wide
        return results

    def reach(self, count: int) -> None:
        """Refuse what does not lie within the file.

        Raises:
            ValueError: so many bytes more are not there.
        """
        if count > self.end - self.place:
            raise ValueError(f"ends within its head, at byte {self.place}")

    def text(self) -> str:
        """Return the next text."""
        (length,) = self.numbers("<Q")
        self.reach(length)
        if length > LONGEST:
            raise ValueError(f"a text of {length} bytes")
        begin, self.place = self.place, self.place + length
        return self.content[begin : self.place].decode("utf-8")

    def value(self, kind: int) -> Any:
        """Return the next value; of an array of texts, and of a long one, its length."""
        if kind in _NUMBERS:
            return self.numbers(_NUMBERS[kind])[0]
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY:
            raise ValueError(f"a value of type {kind}")
        inner, count = self.numbers("<IQ")
        if inner in _NUMBERS:
            form = _NUMBERS[inner][1]
            self.reach(count * struct.calcsize("<" + form))
            if count <= _SHORT:
                return list(self.numbers(f"<{count}{form}"))
            self.place += count * struct.calcsize("<" + form)
            return count
        if inner != _TEXT:
            raise ValueError(f"an array of type {inner}")
        self.reach(count * 8)
        for _ in range(count):
            (length,) = self.numbers("<Q")
            self.reach(length)
            self.place += length
        return count

    def tensor(self) -> Tensor:
        """Return the next tensor; its place is counted from where the weights begin."""
        name = self.text()
        (count,) = self.numbers("<I")
        if not 1 <= count <= _DIMENSIONS:
            raise ValueError(f"{name[:80]!r} has {count} dimensions")
        sizes = self.numbers(f"<{count}Q")
        kind, start = self.numbers("<IQ")
        return Tensor(name, tuple(reversed(sizes)), kind, start)

    def placed(
        self, listed: list[Tensor], values: Mapping[str, Any], sizes: Mapping[int, tuple[int, int]]
    ) -> list[Tensor]:
        """Return the tensors with their places in the file, each found to end within it."""
        step = values.get("general.alignment", 32)
        if not isinstance(step, int) or not 1 <= step <= 1 << 20 or step & (step - 1):
            raise ValueError(f"general.alignment {step!r}")
        begin = -(-self.place // step) * step
        if len({tensor.name for tensor in listed}) < len(listed):
            raise ValueError("a tensor twice")
        for tensor in listed:
            self.check(tensor, begin, sizes)
        return [Tensor(item.name, item.shape, item.kind, begin + item.start) for item in listed]

    def check(self, tensor: Tensor, begin: int, sizes: Mapping[int, tuple[int, int]]) -> None:
        """Refuse what does not lie within the file.

        Raises:
            BadInput: its type is not known. ValueError: it does not lie within the file.
        """
        if tensor.kind not in sizes:
            raise BadInput("models.gguf.type", file=self.file, tensor=tensor.name, given=tensor.kind)
        block, wide = sizes[tensor.kind]
        if tensor.shape[-1] % block or not tensor.numel:
            raise ValueError(f"{tensor.name[:80]!r} of shape {tensor.shape}")
        if begin + tensor.start + tensor.numel // block * wide > len(self.content):
            raise ValueError(f"cut short: {tensor.name[:80]!r} lies beyond its end")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
