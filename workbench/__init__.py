"""The workbench: make a language model into your own assistant, and see at every step why it works.

Importing this loads nothing heavy: each name below is fetched from its room when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench.version import __version__

_HOME = {
    "show": "workbench.widgets.show",
    "Persona": "workbench.data",
    "Conversation": "workbench.data",
    "Message": "workbench.data",
    "Picture": "workbench.data",
    "identity_set": "workbench.data",
    "read": "workbench.data",
    "mix": "workbench.data",
    "encode": "workbench.templates",
    "Recipe": "workbench.training",
    "train": "workbench.widgets.following",
    "sweep": "workbench.training",
    "Run": "workbench.runs",
    "convert": "workbench.export",
    "merge": "workbench.export",
    "compare": "workbench.chat",
    "Assistant": "workbench.chat",
    **dict.fromkeys(
        (
            "DataPanel",
            "MaskPanel",
            "MaskLab",
            "TrainPanel",
            "ExportPanel",
            "ChatPanel",
            "Workbench",
            "Predict",
            "Reveal",
            "Compare",
            "Quiz",
            "Spoiling",
            "Theatre",
            "Gallery",
        ),
        "workbench.widgets",
    ),
}

__all__ = sorted([*_HOME, "__version__"])  # noqa: PLE0605

if TYPE_CHECKING:
    from workbench.chat import Assistant, compare
    from workbench.data import Conversation, Message, Persona, Picture, identity_set, mix, read
    from workbench.export import convert, merge
    from workbench.runs import Run
    from workbench.templates import encode
    from workbench.training import Recipe, sweep
    from workbench.widgets import (
        ChatPanel,
        Compare,
        DataPanel,
        ExportPanel,
        Gallery,
        MaskLab,
        MaskPanel,
        Predict,
        Quiz,
        Reveal,
        Spoiling,
        Theatre,
        TrainPanel,
        Workbench,
    )
    from workbench.widgets.following import train
    from workbench.widgets.show import show


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
