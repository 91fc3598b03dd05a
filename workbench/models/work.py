"""A training, as far as memory is concerned. Knows names and numbers; nothing of how they are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from workbench.models.loading import Quantization

Method = Literal["lora", "adalora", "full", "none"]


@dataclass(frozen=True, slots=True)
class Work:
    """Describe a training, as far as memory is concerned.

    Args:
        model: ``pocket``, a folder or a hub id; only its configuration is read.
        quantization: ``nf4`` or ``none``.
        method: what is trained.
        r: rank of the adapter.
        projector: whether the projector of a model that sees is trained.
        tower_r: rank of the adapter on its tower; 0: the tower is frozen.
        pictures: that a batch shows to a model of a tower, a projector and a language model; of others, which cut a
            picture into parts of many sizes, only the tokens are counted.
        target_modules: the layers that get one.
        optim: the optimizer's name in transformers.
        rows: conversations at once on a device.
        length: tokens of the longest of them.
        trained: tokens of the fullest batch that have a label; None: all.
        gradient_checkpointing: whether activations are computed twice instead of kept.
        dtype: ``float32``, ``bfloat16`` or ``float16``, of the computation.
        attention: ``eager`` holds every weight of attention; others hold none.
        on_gpu: whether the device is a CUDA device.
        processes: how many share the work.
        stage: of ZeRO: 1 shares out the optimizer, 2 the gradients too, 3 the weights too; 0: none.
        offload: whether what is shared out lies in the main memory instead of the device's.
    """

    model: str
    quantization: Quantization = "none"
    method: Method = "lora"
    r: int = 16
    projector: bool = True
    tower_r: int = 0
    pictures: int = 0
    target_modules: str | tuple[str, ...] = "all-linear"
    optim: str = "adamw_torch_fused"
    rows: int = 16
    length: int = 512
    trained: int | None = None
    gradient_checkpointing: bool = False
    dtype: str = "float32"
    attention: str = "eager"
    on_gpu: bool = False
    processes: int = 1
    stage: int = 0
    offload: bool = False
