"""Which tensors a base on this machine has, and where they lie. Knows the safetensors format; reads no weight.

Format: 8 bytes, the length of the header, little-endian; the header, JSON; the tensors' bytes
(https://huggingface.co/docs/safetensors, section "Format").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# the format's own limit: a header cannot ask for more memory than this
LONGEST = 100_000_000
# of a tensor so many bytes are looked at, and of so many tensors of a file: what is trained changes all of a tensor
SLICE, TENSORS = 4096, 1024


def header(file: Path) -> tuple[dict[str, Any], int]:
    """Return what the header says of each tensor, by its name, and the place in ``file`` from which offsets are
    counted.

    Raises:
        OSError: it cannot be read. ValueError, AttributeError: it is no header.
    """
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if not 2 <= length <= min(LONGEST, file.stat().st_size - 8):
            raise ValueError(f"header of {length} bytes")
        try:
            entries = json.loads(opened.read(length))
        except RecursionError as error:
            raise ValueError("header of brackets within brackets") from error
    entries.pop("__metadata__", None)
    return entries, 8 + length


def places(file: Path) -> dict[str, tuple[int, int]]:
    """Return each tensor's first byte in ``file`` and the one after its last; empty where the file cannot be read."""
    try:
        described, base = header(file)
        entries = [(name, entry["data_offsets"]) for name, entry in described.items()]
        return {name: (base + int(a), base + int(b)) for name, (a, b) in entries}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def slices(file: Path) -> list[tuple[int, int]]:
    """Return the first bytes of each tensor, as places in ``file``; of a file with very many tensors evenly of some."""
    starts = sorted(places(file).values())
    return [(a, min(b, a + SLICE)) for a, b in starts[:: max(1, -(-len(starts) // TENSORS))]]


def digest(folder: Path, *, sliced: bool = True) -> str:
    """Return what tells one folder's weights from another's: the SHA-256 of its configuration, and of its weight files'
    names, sizes and heads and, where ``sliced``, a slice of each tensor."""
    weights = hashlib.sha256()
    for file in sorted([*folder.glob("config.json"), *folder.glob("*.safetensors")]):
        weights.update(f"{file.name}:{file.stat().st_size}:".encode())
        with file.open("rb") as opened:
            weights.update(opened.read(1 << 16))
            for start, end in slices(file) if sliced else ():
                opened.seek(start)
                weights.update(opened.read(end - start))
    return weights.hexdigest()


def settings(folder: Path, name: str = "config.json") -> Mapping[str, object]:
    """Return the JSON file ``name`` of a model's folder; empty where it cannot be read."""
    from workbench.runs.files import read_bounded

    try:
        loaded = json.loads(read_bounded(folder / name, LONGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def has_generic_tokenizer(folder: Path) -> bool:
    """Tell whether the library would read the tokenizer from its file alone, for no class of its own.

    Only to find that out, ``AutoTokenizer`` loads torch: 2.5 s of the processor for who wants no weight.
    """
    tokenizer = settings(folder, "tokenizer_config.json")
    generic = tokenizer.get("tokenizer_class") in ("PreTrainedTokenizerFast", "TokenizersBackend")
    llama = settings(folder).get("model_type") == "llama"  # of other kinds the library distrusts that class
    return generic and llama and "auto_map" not in tokenizer and (folder / "tokenizer.json").is_file()
