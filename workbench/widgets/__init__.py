"""One panel a step, for notebooks: ipywidgets over :mod:`workbench.steps`. No other room knows ipywidgets.

Whatever a panel does, its step does without it, and :meth:`Panel.step.code` says how.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput

if TYPE_CHECKING:
    from workbench.widgets.chat import ChatPanel
    from workbench.widgets.data import DataPanel
    from workbench.widgets.export import ExportPanel
    from workbench.widgets.gallery import Gallery
    from workbench.widgets.lab import MaskLab
    from workbench.widgets.mask import MaskPanel
    from workbench.widgets.panel import Panel
    from workbench.widgets.predict import Predict
    from workbench.widgets.quiz import Quiz
    from workbench.widgets.reveal import Compare, Reveal
    from workbench.widgets.spoiling import Spoiling
    from workbench.widgets.theatre import Theatre
    from workbench.widgets.train import TrainPanel
    from workbench.widgets.whole import Workbench

_HOME = {
    "ChatPanel": "chat",
    "DataPanel": "data",
    "ExportPanel": "export",
    "Gallery": "gallery",
    "MaskLab": "lab",
    "MaskPanel": "mask",
    "Compare": "reveal",
    "Panel": "panel",
    "Predict": "predict",
    "Quiz": "quiz",
    "Reveal": "reveal",
    "Spoiling": "spoiling",
    "Theatre": "theatre",
    "TrainPanel": "train",
    "Workbench": "whole",
}

__all__ = [
    "ChatPanel", "Compare", "DataPanel", "ExportPanel", "Gallery", "MaskLab", "MaskPanel", "Panel", "Predict", "Quiz",
    "Reveal", "Spoiling", "Theatre", "TrainPanel", "Workbench",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import_module("ipywidgets")
    except ImportError as error:
        raise BadInput("widgets.not_installed") from error
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
