"""What this machine is and can do: processor, memory, GPUs, and a 4-bit training step that is really tried.

Knows devices and libraries' versions; nothing of any model, and nothing of how it is shown.
"""

from __future__ import annotations

import os
import platform
import shutil
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from workbench.environment import prepare
from workbench.models.kernels import optional_kernels

# How far the gradient through 4-bit weights may be from that through the same weights written out (relative).
# What is lost by the defect below is all of it; what rounding costs in float32 is below 1e-5, in bfloat16 below 1e-2.
TOLERANCE = 2e-2


@dataclass(frozen=True, slots=True)
class Processor:
    """Hold, by the names of the fields: its name; how many cores this process may use; which of its abilities matter
    here."""

    name: str
    cores: int
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gpu:
    """Hold, by the names of the fields: its name; memory in bytes, in all and free; whether it computes in bfloat16 by
    itself."""

    name: str
    memory: int
    free: int
    bfloat16: bool


@dataclass(frozen=True, slots=True)
class FourBit:
    """Hold what came of a 4-bit training step on a layer of 64 × 64.

    Args:
        works: forward and backward gave the gradient of the same weights written out.
        survives_evaluation: and gave it again after a forward in ``eval`` mode.
        needs_mending: the library by itself loses it there (see :func:`workbench.models.fewbits.mend_4bit`).
        reason: why it does not work; empty where it does.
    """

    works: bool
    survives_evaluation: bool
    needs_mending: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Hold all that is known of this machine. Memory and disk in bytes; which optional kernels for GPUs are
    installed."""

    system: str
    python: str
    processor: Processor
    memory: int
    memory_free: int
    disk_free: int
    gpus: tuple[Gpu, ...]
    four_bit: FourBit
    kernels: Mapping[str, bool] = field(default_factory=dict)


def machine(folder: Path | None = None) -> Machine:
    """Return this machine, with the free space of the disk that holds ``folder`` (by default the current one)."""
    import psutil

    prepare()  # before the 4-bit library loads
    memory = psutil.virtual_memory()
    return Machine(
        system=platform.platform(terse=True),
        python=platform.python_version(),
        processor=processor(),
        memory=memory.total,
        memory_free=memory.available,
        disk_free=shutil.disk_usage(folder or Path.cwd()).free,
        gpus=tuple(gpus()),
        four_bit=try_4bit(),
        kernels=optional_kernels(),
    )


def versions(names: Iterable[str]) -> dict[str, str | None]:
    """Return the installed version of each distribution, None where it is not installed; imports none of them."""
    return {name: _version(name) for name in names}


def processor() -> Processor:
    """Return the processor, with the abilities that decide how quick a type of number is and which kernels run."""
    import torch

    features = [torch.backends.cpu.get_cpu_capability().lower()]
    features += ["avx512-bf16"] if _has_avx512_bf16() else []
    features += ["amx"] if getattr(torch.cpu, "_is_amx_tile_supported", bool)() else []
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return Processor(_processor_name(), cores, tuple(features))


def gpus() -> list[Gpu]:
    """Return the CUDA devices that torch sees."""
    import torch

    devices = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        with torch.cuda.device(index):
            bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        devices.append(Gpu(torch.cuda.get_device_name(index), total, free, bfloat16))
    return devices


def try_4bit(device: str | None = None) -> FourBit:
    """Train a step through a small NF4 layer, evaluate, train another; compare the gradients with the true ones."""
    from workbench.models.loading import best_device

    where = device or best_device()
    try:
        before, after = _gradients(where, mended=True)
        _, bare = _gradients(where, mended=False)
    except (ImportError, RuntimeError, NotImplementedError, AttributeError, OSError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return FourBit(False, False, False, lines[0] if lines else type(error).__name__)
    return FourBit(before, before and after, after and not bare)


def _gradients(device: str, *, mended: bool) -> tuple[bool, bool]:
    """Whether the gradient to a 4-bit layer's input is right before, and after, a forward in ``eval`` mode."""
    import torch

    from workbench.models.fewbits import mend_4bit

    layer, weights = _layer(device)
    if mended:
        mend_4bit(layer)
    x = torch.linspace(-1, 1, 8 * 64, device=device).reshape(8, 64).requires_grad_(True)
    truth = torch.ones(8, 64, device=device) @ weights  # d sum(x Wᵀ) / dx
    right = []
    for _ in range(2):
        layer.train()
        right.append(_is_right(layer, x, truth))
        with torch.no_grad():
            layer.eval()(x.detach())
    return right[0], right[1]


def _layer(device: str) -> tuple[Any, Any]:
    """A doubly quantized NF4 layer of 64 × 64 (out, in), and its weights written out in float32."""
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    layer = Linear4bit(64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4")
    steps = torch.arange(64 * 64, dtype=torch.float32).reshape(64, 64)
    layer.load_state_dict({"weight": torch.sin(steps)})
    layer = layer.to(device)
    return layer, dequantize_4bit(layer.weight.data, layer.weight.quant_state).float().clone()


def _is_right(layer: Any, x: Any, truth: Any) -> bool:
    x.grad = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all that the library says of a lost gradient; here it is looked for
        try:
            layer(x).sum().backward()
        except RuntimeError as error:
            if "does not require grad" in str(error):
                return False
            raise
    return x.grad is not None and bool(((x.grad - truth).norm() / truth.norm()) < TOLERANCE)


def _has_avx512_bf16() -> bool:
    try:
        from bitsandbytes.functional import has_avx512bf16
    except (ImportError, OSError, RuntimeError):
        return False
    return bool(has_avx512bf16())


def _processor_name() -> str:
    """As Linux tells it; elsewhere what Python knows."""
    description = Path("/proc/cpuinfo")
    if description.exists():
        for line in description.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
