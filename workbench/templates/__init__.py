"""Templates: conversations to segments to examples, packing, the mask made visible. Loads nothing when imported."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "IGNORE_INDEX": "values",
    "Encoded": "values",
    "Example": "values",
    "LossOn": "values",
    "Pack": "values",
    "Segment": "values",
    "Template": "values",
    "Unfit": "values",
    "encode": "encoding",
    "prompt_ids": "encoding",
    "get": "registry",
    "names": "registry",
    "stop_ids": "registry",
    "Stop": "registry",
    "stops": "registry",
    "bound": "system",
    "default_system": "system",
    "dressed": "system",
    "MaskView": "view",
    "compare_views": "view",
    "mask_view": "view",
}

__all__ = sorted(_HOME)  # noqa: PLE0605

if TYPE_CHECKING:
    from workbench.templates.encoding import encode, prompt_ids
    from workbench.templates.registry import Stop, get, names, stop_ids, stops
    from workbench.templates.system import bound, default_system, dressed
    from workbench.templates.values import (
        IGNORE_INDEX,
        Encoded,
        Example,
        LossOn,
        Pack,
        Segment,
        Template,
        Unfit,
    )
    from workbench.templates.view import MaskView, compare_views, mask_view


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
