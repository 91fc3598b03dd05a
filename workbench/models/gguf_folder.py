"""A GGUF file as the folder of safetensors that every other room reads: made once, checked, cached. Knows the order of
the work; nothing of the format's head.

The weights become plain numbers of 16 bit (of 32, where the file's own are): what was rounded to 4 bit for the file
stays as it was rounded. The library takes the tensors apart; what it does not know it leaves out without a word, so
the numbers are counted here, and some of them compared with what the file's own library makes of them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256 as hashed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.environment import cache_folder
from workbench.errors import BadInput, Failed
from workbench.models.folders import check_folder, is_whole
from workbench.models.gguf_header import Head, read_head
from workbench.models.gguf_rope import ROPE, positions
from workbench.models.gguf_tokenizer import load_tokenizer
from workbench.models.translating import TranslatedErrors
from workbench.runs.files import sha256

if TYPE_CHECKING:
    import torch

# A folder that was made in another way than now is made again.
WAY = 1
NOTE = "gguf.json"
_INSIDE = "model.gguf"
_F32, _BF16 = 0, 30
# rows of the embedding that are compared, and how far apart they may be: half a unit in the last place of 16 bit
_ROWS, _APART = 64, 1e-2


def cached(file: Path) -> Path:
    """Return the folder that ``file`` becomes; made the first time, and again only for other content.

    Raises:
        BadInput: it cannot be read, or is no language model that is known here. Failed: the library that reads it is
            not installed, there is nowhere to keep the folder, or no space.
    """
    home = cache_folder()
    if home is None:
        raise Failed("models.gguf.no_cache", file=file)
    shelf = home / "gguf"
    target = shelf / f"{_content(file, shelf)[:24]}-{WAY}"
    if not is_whole(target, NOTE):
        shutil.rmtree(target, ignore_errors=True)
        convert(file, target)
    return target


def only_file(folder: Path) -> Path | None:
    """Return the GGUF file of a folder that holds one.

    Raises:
        BadInput: it holds several; which is meant cannot be told.
    """
    files = sorted(file for file in folder.glob("*.gguf") if file.is_file())
    if len(files) > 1:
        raise BadInput("models.gguf.several", folder=folder, first=files[0].name, count=len(files))
    return files[0] if files else None


def convert(file: Path, out: Path) -> Path:
    """Write ``file`` as a folder of safetensors; it is there whole or not at all.

    Args:
        out: the folder to make; not there yet, or empty.

    Raises:
        BadInput, Failed: as :func:`cached`; ``out`` is not empty.
    """
    head = read_head(file, _sizes(file))
    _check_kind(head, file)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput("models.gguf.not_empty", folder=out)
    need = _bytes(head)
    with _new(out, need, file) as folder:
        _write(file, head, folder)
        note = {"file": file.name, "sha256": sha256(file), "name": head.values.get("general.name"),
                "license": head.values.get("general.license")}  # fmt: skip
        (folder / NOTE).write_text(json.dumps(note, ensure_ascii=False), encoding="utf-8")
        check_folder(folder)
    return out


def _content(file: Path, shelf: Path) -> str:
    """The file's SHA-256: computed once for each place, size and time, since gigabytes take a while."""
    known = file.stat()
    place = f"{file.resolve()}:{known.st_size}:{known.st_mtime_ns}".encode()
    memo = shelf / "by-place" / hashed(place).hexdigest()[:24]
    with _said(file):
        if memo.is_file() and len(facts := memo.read_text(encoding="utf-8").strip()) == 64:
            return facts
        memo.parent.mkdir(parents=True, exist_ok=True)
        digest = sha256(file)
        memo.write_text(digest, encoding="utf-8")
    return digest


def _sizes(file: Path) -> dict[int, tuple[int, int]]:
    """Of each type of number that the library reads: numbers a block, bytes a block.

    Raises:
        Failed: it is not installed.
    """
    try:
        from gguf import GGML_QUANT_SIZES
    except ImportError as error:
        raise Failed("models.gguf.no_library", file=file) from error
    return {int(kind): (int(block), int(wide)) for kind, (block, wide) in GGML_QUANT_SIZES.items()}


def _check_kind(head: Head, file: Path) -> None:
    """
    Raises:
        BadInput: the file is a part, an adapter, or of an architecture that the library does not take apart.
    """
    if head.values.get("split.count", 1) not in (0, 1):
        raise BadInput("models.gguf.part", file=file, count=head.values["split.count"])
    kind = head.values.get("general.type", "model")
    if kind != "model":
        raise BadInput("models.gguf.kind", file=file, given=str(kind)[:80])
    from transformers.integrations.gguf import is_gguf_arch_supported
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    name = head.architecture
    if not is_gguf_arch_supported(name) and name.replace("-", "_") not in {
        one.replace("-", "_") for one in GGUF_SUPPORTED_ARCHITECTURES
    }:
        raise BadInput("models.gguf.architecture", file=file, given=name[:80])
    layers = head.values.get(f"{name}.block_count", 0)
    if isinstance(layers, int) and layers > len(head.tensors):
        raise BadInput("models.gguf.damaged", file=file, reason=f"{layers} layers of {len(head.tensors)} tensors")


def _dtype(head: Head) -> torch.dtype:
    """The type of the folder's numbers: the file's own where they are plain, else 16 bit."""
    import torch

    matrices = {tensor.kind for tensor in head.tensors if len(tensor.shape) > 1}
    if matrices <= {_F32}:
        return torch.float32
    return torch.bfloat16 if matrices <= {_F32, _BF16} else torch.float16


def _bytes(head: Head) -> int:
    """What the folder will take on the disk, about."""
    wide = 4 if "32" in str(_dtype(head)) else 2
    return sum(tensor.numel for tensor in head.tensors) * wide + (16 << 20)


def _write(file: Path, head: Head, folder: Path) -> None:
    """Weights, configuration and tokenizer, as the library saves them."""
    # in a folder of its own, so that nothing that lies beside the file is opened
    with (
        tempfile.TemporaryDirectory(prefix="workbench-gguf-") as scratch,
        TranslatedErrors(str(file), scratch),
        _quietly(),
    ):
        alone = Path(scratch)
        _put(file.resolve(), alone / _INSIDE)
        tokenizer = load_tokenizer(alone, _INSIDE, head, file)
        network = _network(alone, head, file)
        network.save_pretrained(folder, max_shard_size="4GB")
        tokenizer.save_pretrained(folder)
    _tidy(folder / "config.json")


def _put(file: Path, place: Path) -> None:
    """The file at another place, without a copy where the system can."""
    try:
        place.symlink_to(file)
    except OSError:  # Windows asks for a right
        try:
            place.hardlink_to(file)
        except OSError:
            shutil.copyfile(file, place)


def _network(folder: Path, head: Head, file: Path) -> Any:
    """The model with plain weights, every number of the file in it."""
    from transformers import AutoModelForCausalLM, GgufConfig

    network, loading = AutoModelForCausalLM.from_pretrained(
        str(folder),
        config=_config(folder, head),
        gguf_file=_INSIDE,
        quantization_config=GgufConfig(dequantize=True),
        dtype=_dtype(head),
        trust_remote_code=False,
        local_files_only=True,
        output_loading_info=True,
    )
    missing = sorted(str(name) for name in loading.get("missing_keys") or ())
    if missing:
        raise BadInput("models.weights_incomplete", model=file, tensor=missing[0], count=len(missing))
    _check_numbers(network, head, file)
    _compare(network, head, file)
    stretched = positions(head, network.config, file)
    if stretched:
        network.config.rope_parameters = stretched
    if hasattr(network.config, "quantization_config"):
        del network.config.quantization_config
    network.hf_quantizer = None
    if ends := _ends(head):
        network.generation_config.eos_token_id = ends
    return network


def _ends(head: Head) -> list[int]:
    """The tokens that end an answer: of the text, of a turn, of a message; the library reads the first alone."""
    named = (head.values.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom"))
    count = head.values.get("tokenizer.ggml.tokens", 0)
    return list(dict.fromkeys(token for token in named if isinstance(token, int) and 0 <= token < count))


def _config(folder: Path, head: Head) -> Any:
    """The file's configuration, with the width of its heads, which the library takes for another of the kind."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(folder), gguf_file=_INSIDE, trust_remote_code=False, local_files_only=True)
    wide = head.values.get(f"{head.architecture}.attention.key_length")
    if isinstance(wide, int) and getattr(config, "head_dim", None) not in (None, wide):
        config.head_dim = wide
    return config


def _check_numbers(network: Any, head: Head, file: Path) -> None:
    """
    Raises:
        BadInput: the model has not taken all of the file's numbers, or one of them is none.
    """
    there = sum(tensor.numel for tensor in head.tensors if tensor.name != ROPE)
    taken = sum(weight.numel() for weight in network.parameters())
    if taken != there:
        raise BadInput("models.gguf.left_over", file=file, given=head.architecture, there=there, taken=taken)
    for name, weight in network.named_parameters():
        if not weight.isfinite().all():
            raise BadInput("models.gguf.damaged", file=file, reason=f"{name} has a number that is none")


def _compare(network: Any, head: Head, file: Path) -> None:
    """The embedding's first rows, against what the file's own library makes of the same bytes.

    Raises:
        BadInput: they are not the same.
    """
    import numpy
    import torch
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize

    results = next((tensor for tensor in head.tensors if tensor.name == "token_embd.weight"), None)
    rows = network.get_input_embeddings().weight[:_ROWS].detach().float()
    if results is None or results.shape[-1] != rows.shape[1]:
        return
    kind = GGMLQuantizationType(results.kind)
    block, wide = GGML_QUANT_SIZES[kind]
    with file.open("rb") as opened:
        opened.seek(results.start)
        length = results.shape[-1] // block * wide
        raw = numpy.frombuffer(opened.read(len(rows) * length), dtype=numpy.uint8)
    plain = torch.from_numpy(numpy.array(dequantize(raw.reshape(len(rows), length), kind), dtype=numpy.float32))
    scale = float(plain.abs().max()) or 1.0
    apart = float((rows - plain.reshape(rows.shape)).abs().max())
    if not apart <= _APART * scale:
        raise BadInput("models.gguf.damaged", file=file, reason=f"the embedding is off by {apart:.3g}")


@contextmanager
def _quietly() -> Iterator[None]:
    """The library's bars and warnings off: what matters is told in sentences."""
    from transformers import modeling_gguf_pytorch_utils as reader
    from transformers.utils import logging

    level, bars, bar = logging.get_verbosity(), logging.is_progress_bar_enabled(), reader.tqdm
    reader.tqdm = partial(bar, disable=True)  # it asks no switch
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        reader.tqdm = bar
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _tidy(config: Path) -> None:
    """Without what tells of the library and of the scratch folder: the same file gives the same fingerprint."""
    loaded = json.loads(config.read_text(encoding="utf-8"))
    for key in ("transformers_version", "_name_or_path", "_model_name_or_path", "quantization_config"):
        loaded.pop(key, None)
    config.write_text(json.dumps(loaded, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@contextmanager
def _said(file: Path) -> Iterator[None]:
    """What the system refuses, in a sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Failed("models.gguf.not_written", file=file, reason=reason, place=error.filename or "") from error


@contextmanager
def _new(out: Path, need: int, file: Path) -> Iterator[Path]:
    """A folder beside ``out`` that takes its place when the block ends well.

    Raises:
        Failed: there is not so much space, or the system refuses.
    """
    with _said(file):
        out.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(out.parent).free
        if need > free:
            raise Failed("models.gguf.no_space", file=file, need=need / 1e9, free=free / 1e9, place=out.parent)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            yield part
            part.chmod(0o755)
            if out.is_dir() and not any(out.iterdir()):
                out.rmdir()
            if not out.exists():  # another process may have been quicker
                part.rename(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
