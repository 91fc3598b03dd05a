"""The architectures that see: what the parts of their networks are called. Knows names; loads nothing.

How a picture becomes their numbers and placeholders, say the classes that ``eyes_registry`` names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.models import headers


@dataclass(frozen=True, slots=True)
class Architecture:
    """Hold the full names of a network's parts.

    Args:
        language: the language model.
        tower: what looks at pictures.
        projector: what makes the tower's output into embeddings; it may lie in the tower.
    """

    language: str
    tower: str
    projector: str

    @property
    def projector_module(self) -> str:
        """Return the last part of the projector's name, by which PEFT saves it."""
        return self.projector.rpartition(".")[2]

    @property
    def unpacked(self) -> tuple[str, ...]:
        """Return the parts that stay as they are in 4 bit."""
        return ("lm_head", self.tower, self.projector)


LLAVA = "llava"
_TILED = Architecture("model.text_model", "model.vision_model", "model.connector")
ARCHITECTURES = {
    LLAVA: Architecture("model.language_model", "model.vision_tower", "model.multi_modal_projector"),
    "idefics3": _TILED,
    "smolvlm": _TILED,
    "qwen2_5_vl": Architecture("model.language_model", "model.visual", "model.visual.merger"),
}


def architecture_of(config: Any) -> Architecture | None:
    """Return the names of the parts of a network with this configuration; None where it sees nothing."""
    return ARCHITECTURES.get(str(getattr(config, "model_type", "")))


def kind_of(folder: Path) -> str:
    """Return what a model's folder says that it is; empty where it says nothing."""
    return str(headers.settings(folder).get("model_type") or "")


def has_eyes(folder: Path) -> bool:
    """Tell whether the model of ``folder`` is one that sees, in a way that is known here; others are read as language
    models, where the library does."""
    return kind_of(folder) in ARCHITECTURES


def unpacked(folder: Path) -> tuple[str, ...] | None:
    """Return the parts that stay as they are in 4 bit; None where the library itself decides it."""
    parts = ARCHITECTURES.get(kind_of(folder))
    return parts.unpacked if parts else None
