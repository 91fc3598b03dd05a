"""What an adapter does to the weights of its base. Knows PEFT's file format and arithmetic; must not build a model.

The arithmetic is that of PEFT's ``merge_and_unload`` (peft 0.21, ``tuners/lora/layer.py``, ``tuners/lora/dora.py``,
``tuners/adalora/layer.py``), operation for operation, so that the result is equal bit for bit: PEFT loads an adapter in
float32, whatever it was stored in, and adds the float32 product to the 16-bit weight with one rounding.

Sources: Hu et al. 2021 (LoRA, section 4.1); Kalajdzievski 2023 (rsLoRA); Liu et al. 2024 (DoRA, section 4.1);
Zhang et al. 2023 (AdaLoRA, section 3.1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench.errors import BadInput
from workbench.export.tensors import Entry, load, read_entries
from workbench.models import adapters
from workbench.models.folders import check_files, read_object

if TYPE_CHECKING:
    import torch

Read = Callable[[str], "torch.Tensor"]
Shape = tuple[int, ...]
PREFIX = "base_model.model."
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"

# Settings under which the adapter is not a plain change of its base's weights, or not one that is known here.
_UNMERGEABLE = (
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "layer_replication",
    "monteclora_config",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_qalora",
    "velora_config",
)
# These change the base itself when the adapter is made: what is in the file belongs to a base that is nowhere stored.
_MOVES_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


class Update(Protocol):
    """Represent a change of one tensor of the base."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the adapter's tensors that it is made from."""

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        """Return the shape of the tensor that it fits; ``shapes`` are those of the adapter's tensors."""

    def apply(self, weight: torch.Tensor, read: Read) -> torch.Tensor:
        """Return the changed tensor, of the dtype of ``weight``, which may be changed in place."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Hold LoRA on a linear layer, with DoRA's magnitude where there is one.

    Args:
        a: name of A (r, in).
        b: name of B (out, r).
        scaling: alpha / r, or alpha / √r.
        magnitude: name of DoRA's magnitude (out), or empty.
        transposed: the layer stores its weight as (in, out).
    """

    a: str
    b: str
    scaling: float
    magnitude: str = ""
    transposed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return A, B and the magnitude."""
        return tuple(n for n in (self.a, self.b, self.magnitude) if n)

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        """Return (out, in), or (in, out) where transposed."""
        plain = (shapes[self.b][0], shapes[self.a][1])
        return plain[::-1] if self.transposed else plain

    def apply(self, weight: torch.Tensor, read: Read) -> torch.Tensor:
        """Return ``W + B A · scaling``; with DoRA, each row of that brought to its magnitude."""
        delta = (read(self.b).float() @ read(self.a).float()).mul_(self.scaling)
        if not self.magnitude:
            weight += delta.T if self.transposed else delta
            return weight
        import torch

        across = weight.T if self.transposed else weight
        norm = torch.linalg.norm(across + delta, dim=1)
        factor = (read(self.magnitude).float() / norm).view(-1, 1)
        updated: torch.Tensor = (factor * (across + delta)).to(weight.dtype)
        return updated.T.contiguous() if self.transposed else updated


@dataclass(frozen=True, slots=True)
class Embedding:
    """Hold LoRA on an embedding: A (r, rows), B (columns, r)."""

    a: str
    b: str
    scaling: float

    @property
    def names(self) -> tuple[str, ...]:
        """Return a and B."""
        return self.a, self.b

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        """Return (rows, columns)."""
        return shapes[self.a][1], shapes[self.b][0]

    def apply(self, weight: torch.Tensor, read: Read) -> torch.Tensor:
        """Return ``W + (B A)ᵀ · scaling``; PEFT rounds this product before it adds, unlike that of a linear layer."""
        delta = (read(self.b).float() @ read(self.a).float()).T * self.scaling
        weight += delta.to(weight.dtype)
        return weight


@dataclass(frozen=True, slots=True)
class Singular:
    """Hold AdaLoRA: B (out, r), E (r, 1), A (r, in), and the rank that the adapter began with."""

    a: str
    b: str
    e: str
    scaling: float
    rank: float
    transposed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return A, B and E."""
        return self.a, self.b, self.e

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        """Return (out, in), or (in, out) where transposed."""
        plain = (shapes[self.b][0], shapes[self.a][1])
        return plain[::-1] if self.transposed else plain

    def apply(self, weight: torch.Tensor, read: Read) -> torch.Tensor:
        """Return ``W + B (A ⊙ E) · scaling / (rank + 1e-5)``."""
        import torch

        rank = torch.tensor([self.rank]) + 1e-5
        delta = read(self.b).float() @ (read(self.a).float() * read(self.e).float())
        weight += (delta.T if self.transposed else delta) * self.scaling / rank
        return weight


@dataclass(frozen=True, slots=True)
class Bias:
    """Hold the bias of B, added to that of the layer."""

    b: str
    scaling: float

    @property
    def names(self) -> tuple[str, ...]:
        """Return the bias."""
        return (self.b,)

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        """Return (out,)."""
        return shapes[self.b]

    def apply(self, weight: torch.Tensor, read: Read) -> torch.Tensor:
        """Return ``bias + bias of B · scaling``."""
        weight += read(self.b).float() * self.scaling
        return weight


@dataclass(frozen=True, slots=True)
class Replace:
    """Hold a tensor that was trained whole (``modules_to_save``, biases, embeddings stored with the adapter)."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        """Return the tensor."""
        return (self.name,)

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        """Return its own."""
        return shapes[self.name]

    def apply(self, weight: torch.Tensor, read: Read) -> torch.Tensor:
        """Return the stored tensor in the dtype of the base's."""
        return read(self.name).to(weight.dtype)


@dataclass(frozen=True, slots=True)
class Adapter:
    """Hold an adapter's folder, read and found good.

    Args:
        folder: where it lies.
        config: ``adapter_config.json``.
        entries: its tensors, by name.
    """

    folder: Path
    config: Mapping[str, Any]
    entries: Mapping[str, Entry]

    @property
    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of its tensors."""
        return {name: entry.shape for name, entry in self.entries.items()}

    def read(self, name: str) -> torch.Tensor:
        """Return one tensor.

        Raises:
            BadInput: it holds something that is not a number.
        """
        import torch

        tensor = load(self.entries[name])
        if not bool(torch.isfinite(tensor).all()):
            raise BadInput("export.not_finite", tensor=name, folder=self.folder)
        return tensor


def read_adapter(folder: str | Path) -> Adapter:
    """Return the adapter in ``folder``: its settings and the names of its tensors.

    Raises:
        BadInput: no adapter there, only a pickled one, or one of a kind that cannot be merged.
    """
    path = Path(folder).expanduser()
    if not (path / CONFIG).is_file() or not (path / WEIGHTS).is_file():
        pickled = (path / "adapter_model.bin").is_file()
        raise BadInput("export.adapter_pickled" if pickled else "export.no_adapter", folder=folder)
    check_files(path)
    config = read_object(path / CONFIG)
    if "peft_type" not in config:
        raise BadInput("export.broken_file", file=path / CONFIG, reason="peft_type")
    _check_config(config, str(config["peft_type"]), folder)
    adapters.check(path)
    return Adapter(path, config, read_entries(path / WEIGHTS))


def _check_config(config: Mapping[str, Any], kind: str, folder: str | Path) -> None:
    if kind not in ("LORA", "ADALORA"):
        raise BadInput("export.adapter_kind", folder=folder, given=kind)
    for key in _UNMERGEABLE:
        if config.get(key):
            raise BadInput("export.adapter_setting", folder=folder, key=key, given=config[key])
    init = str(config.get("init_lora_weights", True)).lower()
    if init.startswith(_MOVES_THE_BASE):
        raise BadInput("export.adapter_init", folder=folder, given=init)


def updates(adapter: Adapter) -> dict[str, list[Update]]:
    """Return what the adapter does: name of the base's tensor -> its changes, in the order in which they apply.

    Raises:
        BadInput: a tensor without its counterpart, of a wrong rank, or of a name that is not known.
    """
    modules: dict[str, dict[str, str]] = {}
    updates_by_name: dict[str, list[Update]] = {}
    for name in adapter.entries:
        module, part = _split(name, adapter.folder)
        if part.startswith("lora_"):
            modules.setdefault(module, {})[part] = name
        else:
            updates_by_name.setdefault(f"{module}.{part}", []).append(Replace(name))
    for module, parts in modules.items():
        _add(updates_by_name, module, parts, adapter)
    return updates_by_name


_LORA_PART = re.compile(r"lora_(?:A|B|E|embedding_A|embedding_B|magnitude_vector)")


def _split(name: str, folder: Path) -> tuple[str, str]:
    """``base_model.model.M.lora_A.weight`` -> (``M``, ``lora_A``); ``….M.base_layer.bias`` -> (``M``, ``bias``)."""
    if not name.startswith(PREFIX) or "." not in name.removeprefix(PREFIX):
        raise BadInput("export.unknown_tensor", tensor=name, folder=folder)
    pieces = name.removeprefix(PREFIX).split(".")
    for index, piece in enumerate(pieces):
        if _LORA_PART.fullmatch(piece) and pieces[index + 1 :] in ([], ["weight"], ["bias"]):
            return ".".join(pieces[:index]), piece + (".bias" if pieces[-1] == "bias" else "")
    if any(piece.startswith(("lora_", "modules_to_save", "original_module")) for piece in pieces):
        raise BadInput("export.unknown_tensor", tensor=name, folder=folder)
    module = pieces[:-2] if pieces[-2:-1] == ["base_layer"] else pieces[:-1]
    return ".".join(module), pieces[-1]


def _add(updates_by_name: dict[str, list[Update]], module: str, parts: Mapping[str, str], adapter: Adapter) -> None:
    changes = updates_by_name.setdefault(f"{module}.weight", [])
    config, shapes = adapter.config, adapter.shapes
    transposed = bool(config.get("fan_in_fan_out"))
    if "lora_E" in parts:
        a, b, e = _factors(module, parts, ("lora_A", "lora_B", "lora_E"), adapter)
        rank = float(config.get("init_r") or config["r"])
        alpha = float(config["lora_alpha"])
        changes.append(Singular(a, b, e, alpha if alpha > 0 else rank, rank, transposed))
    elif "lora_embedding_A" in parts or "lora_embedding_B" in parts:
        a, b = _factors(module, parts, ("lora_embedding_A", "lora_embedding_B"), adapter)
        if config.get("use_dora"):
            raise BadInput("export.adapter_setting", folder=adapter.folder, key="use_dora", given=module)
        changes.append(Embedding(a, b, scaling(config, module, shapes[a][0], adapter)))
    else:
        a, b = _factors(module, parts, ("lora_A", "lora_B"), adapter)
        scale = scaling(config, module, shapes[a][0], adapter)
        magnitude = parts.get("lora_magnitude_vector", "")
        if magnitude and shapes[magnitude] != shapes[b][:1]:
            raise BadInput(
                "export.ranks_disagree", tensor=magnitude, a=format_shape(shapes[magnitude]), b=format_shape(shapes[b])
            )
        changes.append(Linear(a, b, scale, magnitude, transposed))
        if "lora_B.bias" in parts:
            updates_by_name.setdefault(f"{module}.bias", []).append(Bias(parts["lora_B.bias"], scale))


def _factors(module: str, parts: Mapping[str, str], kinds: tuple[str, ...], adapter: Adapter) -> list[str]:
    for part in kinds:
        if part not in parts:
            raise BadInput("export.half_adapter", module=module, part=part, folder=adapter.folder)
    names = [parts[part] for part in kinds]
    shapes = [adapter.entries[name].shape for name in names]
    if any(len(shape) != 2 for shape in shapes) or shapes[0][0] != shapes[1][1]:
        raise BadInput("export.ranks_disagree", tensor=names[0], a=format_shape(shapes[0]), b=format_shape(shapes[1]))
    return names


def scaling(config: Mapping[str, Any], module: str, rank: int, adapter: Adapter) -> float:
    """Return by how much the product of ``module`` is multiplied.

    Raises:
        BadInput: the rank in the file is not the one that the settings give.
    """
    r = int(_by_pattern(config.get("rank_pattern"), module, config["r"]))
    alpha = float(_by_pattern(config.get("alpha_pattern"), module, config["lora_alpha"]))
    if r != rank:
        raise BadInput("export.rank_not_as_told", module=module, rank=rank, expected=r, folder=adapter.folder)
    return alpha / math.sqrt(r) if config.get("use_rslora") else alpha / r


def _by_pattern(pattern: Mapping[str, Any] | None, module: str, otherwise: Any) -> Any:
    for key, value in (pattern or {}).items():
        if re.match(rf"(.*\.)?({key})$", module):
            return value
    return otherwise


def is_inert(adapter: Adapter) -> bool:
    """Tell whether the adapter changes nothing: in each product one factor is all zeros, and no tensor is replaced.

    A fresh LoRA has B = 0; one that still has it was never trained, or was saved under wrong names.
    """
    for changes in updates(adapter).values():
        for change in changes:
            if isinstance(change, Replace) or all(bool(adapter.read(name).any()) for name in change.names):
                return False
    return True


def format_shape(shape: Shape) -> str:
    """Return ``(64, 128)`` as ``64×128``."""
    return "×".join(str(n) for n in shape)
