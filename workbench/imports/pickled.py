"""A torch checkpoint's table of contents, told without importing anything that the file names.

This file is a program: ``python -I -S pickled.py FILE`` writes one JSON object to stdout. It stands on the standard
library alone, runs under limits of memory, time and files, and is the only place that opens a pickle. Whatever class
or function a pickle names is replaced by a stand-in that does nothing; a name that no checkpoint of XTuner has ends
the reading. Tensors are not read: where their bytes lie in the file is told, for they are stored as they are.

Formats: a zip with ``NAME/data.pkl`` and ``NAME/data/K`` (torch's since 1.6); the opcodes are those of :mod:`pickle`.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import struct
import sys
import zipfile
from typing import Any, BinaryIO

MEMORY, SECONDS = 2 << 30, 120
LONGEST_PICKLE, LONGEST_TEXT = 256 << 20, 8 << 20
NODES, DEPTH = 4_000_000, 64
# storage -> (safetensors' name of its numbers, bytes of one)
STORAGES = {
    "DoubleStorage": ("F64", 8), "FloatStorage": ("F32", 4), "HalfStorage": ("F16", 2), "BFloat16Storage": ("BF16", 2),
    "LongStorage": ("I64", 8), "IntStorage": ("I32", 4), "ShortStorage": ("I16", 2), "CharStorage": ("I8", 1),
    "ByteStorage": ("U8", 1), "BoolStorage": ("BOOL", 1),
}  # fmt: skip
# Names that checkpoints of XTuner, mmengine and DeepSpeed hold beside tensors; they become stand-ins.
HARMLESS = re.compile(
    r"""(__builtin__|builtins)\.(getattr|set|frozenset|slice|complex|bytearray|list|dict|tuple|int|float|str|bool|object)
    |_codecs\.encode|copy_reg\._reconstructor|copyreg\._reconstructor
    |collections\.(OrderedDict|defaultdict|deque|Counter)
    |argparse\.Namespace|datetime\.(datetime|date|timedelta|timezone)|pathlib\.\w*Path
    |numpy\.(dtype|ndarray|bool_|(u?int|float)\d+)|numpy\.(_core|core)\.multiarray\.(_reconstruct|scalar)
    |numpy\._core\.numeric\._frombuffer|numpy\.core\.numeric\._frombuffer
    |torch\.(Size|device|dtype|(b?float|u?int)\d+|bool|\w+Storage)
    |torch\._utils\.(_rebuild_tensor_v2|_rebuild_tensor|_rebuild_parameter)
    |mmengine\.(logging|config|registry|utils)\.[\w.]*[A-Z]\w*
    |deepspeed\.(runtime|utils)\.[\w.]*([A-Z]\w*|fragment_address)
    |(xtuner|peft|transformers)\.[\w.]*(Config|Enum|Type|TaskType|PeftType|HistoryBuffer)""",
    re.VERBOSE,
)
SHOWN = (
    "meta.cfg", "meta.epoch", "meta.iter", "meta.seed", "meta.time", "meta.experiment_name", "meta.mmengine_version",
    "ds_version", "dp_world_size", "mp_world_size", "optimizer_state_dict.zero_stage",
    "optimizer_state_dict.partition_count",
)  # fmt: skip
# Of these no tensor is told: what mmengine's own optimizers and logs hold.
SKIPPED = {"optimizer", "param_schedulers", "message_hub", "meta", "base_optimizer_state", "lr_scheduler", "ds_config"}
FLAT = {"single_partition_of_fp32_groups", "fp32_flat_groups"}


class Refused(Exception):
    """Signal that the file is not read; ``key`` says why, in the texts' room ``imports``."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key, self.values = key, values


class Inert:
    """Stand for whatever a pickle names; take everything and do nothing."""

    args: tuple[Any, ...] = ()

    def __new__(cls, *args: Any, **_: Any) -> Inert:
        """Keep what it was made with."""
        instance = object.__new__(cls)
        instance.args = args
        return instance

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Inert:
        """Another one."""
        return Inert()

    def __setstate__(self, _: Any = None) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def append(self, _: Any) -> None:
        """Do nothing."""

    extend = add = append


class Ordered(dict):  # type: ignore[type-arg]
    """Stand for an OrderedDict."""

    def __init__(self, pairs: Any = (), *_: Any) -> None:
        super().__init__(pairs if isinstance(pairs, (dict, list, tuple)) else ())

    def __setstate__(self, _: Any = None) -> None:
        pass


class Storage(Inert):
    """Stand for a storage's class; the two numbers are what :data:`STORAGES` says."""

    kind: tuple[str, int] = ("", 0)


class Parameter:
    """Stand for ``_rebuild_parameter``: the tensor itself."""

    def __new__(cls, data: Any = None, *_: Any) -> Any:
        """Give back what it is made of."""
        return data


class Stored:
    """Represent a storage: bytes of the file."""

    def __init__(self, start: int, numel: int, kind: tuple[str, int]) -> None:
        self.start, self.numel, self.kind = start, numel, kind


class Tensor:
    """Represent a tensor: a view of a storage, seen to lie inside it."""

    def __init__(self, storage: Any = None, offset: Any = 0, size: Any = (), stride: Any = (), *_: Any) -> None:
        numbers = [offset, *size, *stride]
        if not isinstance(storage, Stored) or len(size) != len(stride) or not all(type(n) is int for n in numbers):
            raise Refused("odd_tensor")
        numel = 1
        for n in size:
            numel *= n
        last = offset + sum((n - 1) * step for n, step in zip(size, stride)) if numel else offset  # noqa: B905
        if min(numbers, default=0) < 0 or last >= storage.numel + (numel == 0) or numel > storage.numel:
            raise Refused("outside_storage")
        self.storage, self.offset, self.size, self.stride = storage, offset, list(size), list(stride)

    def __setstate__(self, _: Any = None) -> None:
        pass

    def record(self, path: list[str]) -> dict[str, Any]:
        """Return as JSON where its first number lies, and how it goes on."""
        name, width = self.storage.kind
        start = self.storage.start + self.offset * width
        return {"path": path, "dtype": name, "shape": self.size, "stride": self.stride, "start": start}


class Reader(pickle.Unpickler):
    """Read a pickle and import nothing."""

    def __init__(self, data: bytes, places: dict[str, tuple[int, int]]) -> None:
        super().__init__(io.BytesIO(data))
        self.places, self.classes = places, set[str]()

    def find_class(self, module: str, name: str, /) -> Any:
        """Return a stand-in."""
        full = f"{module}.{name}"
        self.classes.add(full)
        if not HARMLESS.fullmatch(full):
            raise Refused("names_a_class", name=full[:200])
        if name in STORAGES and module == "torch":
            return type(name, (Storage,), {"kind": STORAGES[name]})
        ours = {"_rebuild_tensor_v2": Tensor, "_rebuild_tensor": Tensor, "_rebuild_parameter": Parameter}
        if module == "torch._utils":
            return ours[name]
        if module == "collections" and name in ("OrderedDict", "defaultdict"):
            return Ordered
        return {"torch.Size": tuple, "builtins.set": set, "__builtin__.set": set}.get(full, type(name, (Inert,), {}))

    def persistent_load(self, pid: Any, /) -> Stored:
        """Return the place of a storage's bytes."""
        if not (isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage" and isinstance(pid[1], type)):
            raise Refused("odd_tensor")
        kind, key, numel = getattr(pid[1], "kind", ("", 0)), pid[2], pid[4]
        if not kind[0] or not isinstance(key, str) or type(numel) is not int or key not in self.places:
            raise Refused("odd_storage", name=str(key)[:80])
        start, length = self.places[key]
        if numel < 0 or numel * kind[1] > length:
            raise Refused("odd_storage", name=key[:80])
        return Stored(start, numel, kind)


def archive(file: BinaryIO) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """Return the pickle of a zip, and of each storage (its first byte in ``file``, its length)."""
    try:
        opened = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError, struct.error) as error:
        raise Refused("broken_zip", reason=str(error)[:200]) from error
    entries = opened.infolist()
    heads = [entry for entry in entries if entry.filename.count("/") == 1 and entry.filename.endswith("/data.pkl")]
    if len(heads) != 1 or any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise Refused("no_data_pkl")
    root = heads[0].filename.removesuffix("data.pkl")
    places: dict[str, tuple[int, int]] = {}
    for entry in entries:
        if entry.filename.startswith(f"{root}data/"):
            places[entry.filename.removeprefix(f"{root}data/")] = _place(file, entry)
    start, length = _place(file, heads[0])
    if length > LONGEST_PICKLE:
        raise Refused("too_long", size=length >> 20, limit=LONGEST_PICKLE >> 20)
    order = next((entry for entry in entries if entry.filename == f"{root}byteorder"), None)
    if order and _bytes(file, *_place(file, order)) != b"little":
        raise Refused("big_endian")
    return _bytes(file, start, length), places


def _place(file: BinaryIO, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Where the bytes of an entry lie; it must be stored as it is, and inside the file."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.compress_size != entry.file_size:
        raise Refused("compressed", name=entry.filename[:120])
    head = _bytes(file, entry.header_offset, 30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise Refused("broken_zip", reason=entry.filename[:120])
    start = entry.header_offset + 30 + sum(struct.unpack("<HH", head[26:30]))
    if start + entry.file_size > file.seek(0, 2):
        raise Refused("broken_zip", reason=entry.filename[:120])
    return start, entry.file_size


def _bytes(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def contents(file: BinaryIO) -> dict[str, Any]:
    """Return what the checkpoint holds, as JSON values."""
    data, places = archive(file)
    reader = Reader(data, places)
    try:
        top = reader.load()
    except Refused:
        raise
    except MemoryError as error:
        raise Refused("too_much_memory") from error
    except Exception as error:  # whatever a broken pickle makes the reader raise
        raise Refused("broken_pickle", reason=f"{type(error).__name__}: {error}"[:200]) from error
    if not isinstance(top, dict):
        raise Refused("no_dictionary", kind=type(top).__name__)
    tensors = [tensor.record(path) for path, tensor in walk(top)]
    size = sum(_size(tensor) for tensor in tensors)
    if size > 2 * file.seek(0, 2) + (64 << 20):
        raise Refused("grows", size=size >> 20)
    return {
        "tensors": tensors,
        "values": {key: value for key in SHOWN if (value := plain(_at(top, key))) is not None},
        "shapes": shapes(top.get("param_shapes")),
        "classes": sorted(reader.classes),
        "keys": [key for key in top if isinstance(key, str)][:200],
    }


def _size(tensor: dict[str, Any]) -> int:
    size = next(width for name, width in STORAGES.values() if name == tensor["dtype"])
    for n in tensor["shape"]:
        size *= n
    return size


def walk(top: dict[Any, Any]) -> list[tuple[list[str], Tensor]]:
    """Return every tensor with its path, each container once, none of the optimizer's but its weights."""
    leaves: list[tuple[list[str], Tensor]] = []
    seen, count = set[int](), 0
    waiting: list[tuple[list[str], Any]] = [([], top)]
    while waiting:
        path, value = waiting.pop()
        count += 1
        if count > NODES or len(path) > DEPTH:
            raise Refused("too_deep")
        if isinstance(value, Tensor):
            leaves.append((path, value))
        elif isinstance(value, (dict, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            inside = [([*path, str(key)[:500]], item) for key, item in pairs if wanted(path, key)]
            waiting += reversed(inside)
    return leaves


def wanted(path: list[str], key: Any) -> bool:
    """Tell whether tensors under ``key`` are weights."""
    if not path:
        return key not in SKIPPED
    return path[0] != "optimizer_state_dict" or len(path) > 1 or key in FLAT


def _at(top: dict[Any, Any], key: str) -> Any:
    value: Any = top
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def plain(value: Any) -> Any:
    """Return a text or a number; of a stand-in made of one number, that; None of anything else."""
    if isinstance(value, Inert) and len(value.args) == 1:
        value = value.args[0]
    if isinstance(value, (list, tuple)) and len(value) <= 64 and all(type(item) is int for item in value):
        return list(value)
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else None
    return value if isinstance(value, (int, float)) and abs(value) < 1 << 60 else None


def shapes(value: Any) -> list[list[tuple[str, list[int]]]]:
    """Return DeepSpeed's ``param_shapes``: for each group the names and shapes, in the order in which they lie."""
    groups = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    ranks: list[list[tuple[str, list[int]]]] = []
    for group in groups:
        if not isinstance(group, dict):
            raise Refused("odd_tensor")
        pairs = [(name, list(size)) for name, size in group.items() if isinstance(size, tuple)]
        if len(pairs) != len(group) or not all(type(n) is int and n >= 0 for _, size in pairs for n in size):
            raise Refused("odd_tensor")
        ranks.append([(str(name), size) for name, size in pairs])
    return ranks


def limit() -> None:
    """Forbid this process what it does not need; where the system can."""
    try:
        import resource
    except ImportError:  # Windows has none: there the parent's time limit is left
        return
    for name, most in {"RLIMIT_AS": MEMORY, "RLIMIT_CPU": SECONDS, "RLIMIT_CORE": 0}.items():
        kind = getattr(resource, name)
        try:
            hard = resource.getrlimit(kind)[1]
            allowed = most if hard in (-1, resource.RLIM_INFINITY) else min(most, hard)
            resource.setrlimit(kind, (allowed, allowed))
        except (ValueError, OSError):
            continue


def forbid() -> None:
    """End the process, from here on, with whatever opens, starts, connects or imports ends the process."""

    def see(event: str, args: Any) -> None:  # noqa: ARG001
        if event.startswith(
            ("os.", "subprocess.", "socket.", "ctypes.", "import", "open", "exec", "compile", "shutil.")
        ):
            raise RuntimeError(event)

    sys.addaudithook(see)


def main() -> int:
    """Tell the contents of the file named."""
    limit()
    for code in ("cp437", "ascii", "latin-1"):  # loaded before imports are forbidden
        json.dumps("x".encode(code).decode(code))
    try:
        with open(sys.argv[1], "rb") as file:  # noqa: PTH123  a program on its own
            forbid()
            record = contents(file)
    except Refused as error:
        record = {"refused": error.key, "values": error.values}
    except MemoryError:
        record = {"refused": "too_much_memory", "values": {}}
    sys.stdout.write(json.dumps(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
