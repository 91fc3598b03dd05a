"""The projector as a thing of its own: a folder that one stage of a training hands to the next. Knows its four tensors.

``projector/``: ``config.json`` and ``model.safetensors`` with ``linear_1.weight`` …, float32.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput
from workbench.models.folders import check_safetensors, read_object

if TYPE_CHECKING:
    import torch

PROJECTOR = "multi_modal_projector"
FOLDER = "projector"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
KIND = "llava_projector"
NAMES = ("linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias")


def write_projector(folder: Path, tensors: Mapping[str, torch.Tensor], *, tower: str) -> Path:
    """Write the projector to ``folder``.

    Args:
        tensors: by the names in :data:`NAMES`.
        tower: whose output it reads.
    """
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    floats = {name: tensors[name].detach().to(torch.float32).cpu().contiguous() for name in NAMES}
    save_file(floats, folder / WEIGHTS, metadata={"format": "pt"})
    wide, out = floats["linear_1.weight"].shape[1], floats["linear_2.weight"].shape[0]
    config = {
        "model_type": KIND, "vision_hidden_size": wide, "text_hidden_size": out, "hidden_act": "gelu", "bias": True,
        "feature_layer": -2, "select": "default", "pad_to_square": True, "tower": tower,
    }  # fmt: skip
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return folder


def of_adapter(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the projector's tensors among those of an adapter; empty where it has none."""
    mark = f".{PROJECTOR}."
    return {name.rpartition(mark)[2]: tensor for name, tensor in tensors.items() if mark in name}


def find_projector(start: str | Path) -> Path:
    """Return the folder of the projector that ``start`` means: itself, a folder in it, a run or one of its checkpoints
    (where the adapter holds it).

    Raises:
        BadInput: there is none.
    """
    folder = Path(start).expanduser()
    for place in (folder, folder / FOLDER):
        if (place / WEIGHTS).is_file() and _is_projector(place):
            return place
    if (folder / "adapter_model.safetensors").is_file():
        return folder
    raise BadInput("models.seeing.no_projector", given=start)


def read_projector(folder: Path) -> dict[str, torch.Tensor]:
    """Return the four tensors of a projector's folder, or of an adapter's.

    Raises:
        BadInput: the file is damaged, or holds no projector.
    """
    from safetensors.torch import load_file

    file = folder / WEIGHTS if _is_projector(folder) else folder / "adapter_model.safetensors"
    check_safetensors(file)
    tensors = load_file(str(file))
    own = tensors if _is_projector(folder) else of_adapter(tensors)
    if set(own) != set(NAMES):
        raise BadInput("models.seeing.no_projector", given=folder)
    return own


def load_projector(network: Any, folder: Path) -> None:
    """Put the projector of ``folder`` into a network that sees.

    Raises:
        BadInput: it is damaged, or of another tower or language model.
    """
    import torch

    tensors = read_projector(folder)
    projector = network.get_submodule(f"model.{PROJECTOR}")
    for name, parameter in projector.named_parameters():
        if tensors[name].shape != parameter.shape:
            given, needed = ("×".join(map(str, t.shape)) for t in (tensors[name], parameter))
            raise BadInput("models.seeing.other_projector", folder=folder, tensor=name, given=given, needed=needed)
        with torch.no_grad():
            parameter.copy_(tensors[name])


def _is_projector(folder: Path) -> bool:
    if not (folder / CONFIG).is_file():
        return False
    return read_object(folder / CONFIG).get("model_type") == KIND
