"""From a recipe to checkpoints and events. Knows data, templates, models, evaluation and runs; nothing of who
watches."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Recipe": "settings",
    "load_recipe": "recipe",
    "check_recipe": "recipe",
    "recipe_yaml": "recipe",
    "with_overrides": "recipe",
    "train": "start",
    "sweep": "sweeping",
    "prepare": "data",
}
__all__ = sorted(_HOME)  # noqa: PLE0605

if TYPE_CHECKING:
    from workbench.training.data import prepare
    from workbench.training.recipe import check_recipe, load_recipe, recipe_yaml, with_overrides
    from workbench.training.settings import Recipe
    from workbench.training.start import train
    from workbench.training.sweeping import sweep


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'workbench.training' has no attribute {name!r}")
    return getattr(import_module(f"workbench.training.{_HOME[name]}"), name)
