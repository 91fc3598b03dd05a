"""How a GGUF file stretches positions, in the words of the library's configuration, which does not read it. Knows the
two ways in which files say it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput
from workbench.models.gguf_header import Head, Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

ROPE = "rope_freqs.weight"
# Llama 3's own three other numbers (its config.json, rope_scaling): so its files hold nothing but the factors.
LOW, HIGH, ORIGINAL = 1.0, 4.0, 8192
_PLAIN = ("", "none")


def positions(head: Head, config: Any, file: Path) -> dict[str, Any] | None:
    """Return the configuration's ``rope_parameters``; None where positions are as the library has read them.

    Raises:
        BadInput: they are stretched in a way that is not known here.
    """
    read = dict(getattr(config, "rope_parameters", None) or {})
    if read.get("rope_type", "default") != "default":
        return None
    base = {"rope_theta": read.get("rope_theta", 10_000.0)}
    factors = next((tensor for tensor in head.tensors if tensor.name == ROPE), None)
    if factors is not None:
        return {**base, **_llama3(_numbers(file, factors), base["rope_theta"], file)}
    prefix = f"{head.architecture}.rope.scaling"
    kind = str(head.values.get(f"{prefix}.type", ""))
    factor = head.values.get(f"{prefix}.factor", head.values.get(f"{head.architecture}.rope.scale_linear", 1.0))
    if kind in _PLAIN or factor in (0, 1, 1.0):
        return None
    if kind == "linear":
        return {**base, "rope_type": "linear", "factor": float(factor)}
    length = head.values.get(f"{prefix}.original_context_length")
    if kind == "yarn" and length:
        return {**base, "rope_type": "yarn", "factor": float(factor), "original_max_position_embeddings": int(length)}
    raise BadInput("models.gguf.rope", file=file, given=kind[:80])


def _numbers(file: Path, tensor: Tensor) -> list[float]:
    import numpy

    with file.open("rb") as opened:
        opened.seek(tensor.start)
        return [float(item) for item in numpy.frombuffer(opened.read(4 * tensor.numel), dtype="<f4")]


def _llama3(factors: Sequence[float], theta: float, file: Path) -> dict[str, Any]:
    """Llama 3's way, where its formula gives these very factors (Llama 3.1's rope_scaling, as transformers has it)."""
    most = max(factors, default=1.0)
    expected = [llama3_factor(i, len(factors), theta, most) for i in range(len(factors))]
    if len(factors) < 2 or any(not math.isclose(a, b, rel_tol=2e-3) for a, b in zip(factors, expected, strict=True)):
        raise BadInput("models.gguf.rope", file=file, given=ROPE)
    facts = {"factor": most, "low_freq_factor": LOW, "high_freq_factor": HIGH}
    return {"rope_type": "llama3", **facts, "original_max_position_embeddings": ORIGINAL}


def llama3_factor(i: int, count: int, theta: float, factor: float) -> float:
    """Tell by how much the ``i``-th of ``count`` frequencies is divided."""
    length: float = 2 * math.pi * theta ** (i / count)
    if length < ORIGINAL / HIGH:
        return 1.0
    if length > ORIGINAL / LOW:
        return factor
    smooth: float = (ORIGINAL / length - LOW) / (HIGH - LOW)
    return 1 / ((1 - smooth) / factor + smooth)
