"""What a model's folder says of how pictures become numbers, looked at before any library does so. Knows numbers only.

A stranger's folder may ask for a picture of a hundred thousand pixels a side, which no memory holds, or for what is no
number at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from workbench.errors import BadInput

MOST = 2_048  # pixels of a side: more than any CLIP tower is given
FLAGS = ("do_convert_rgb", "do_pad", "do_resize", "do_center_crop", "do_rescale", "do_normalize")
SIZES, MEANS = ("size", "crop_size"), ("image_mean", "image_std")
SETTINGS = (*FLAGS, *SIZES, "resample", "rescale_factor", *MEANS)
"""What of such a file is a setting of the picture's numbers, and neither code nor a place."""
Check = Callable[[Any], bool]
NOTHING: Mapping[str, Any] = MappingProxyType({})
_SIDES = {"height", "width", "shortest_edge", "longest_edge"}
_FILTERS = range(6)  # Pillow's ways of making a picture smaller


def odd_setting(file: object, key: str, value: object) -> BadInput:
    """Return the error of a setting that no picture can be made with."""
    return BadInput("models.seeing.odd_setting", file=file, key=key, given=str(value)[:80])


def vision_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a model's configuration says of its tower; nothing where it is no object."""
    vision = config.get("vision_config")
    return vision if isinstance(vision, Mapping) else NOTHING


def chosen(content: Mapping[str, Any], file: object, more: Mapping[str, Check] = NOTHING) -> dict[str, Any]:
    """Return the settings of an image processor that concern numbers.

    Args:
        content: of the file, or of the part of it that is about pictures.
        file: how errors call it.
        more: further settings, and what they may be; they go before those that all have.

    Raises:
        BadInput: one of them is what no picture can be made with.
    """
    settings = {key: content[key] for key in (*SETTINGS, *more) if content.get(key) is not None}
    for key, value in settings.items():
        if not (more[key](value) if key in more else _sound(key, value)):
            raise odd_setting(file, key, value)
    return settings


def whole(config: Mapping[str, Any], key: str, usual: int, file: object, least: int = 1) -> int:
    """Return a whole number of a configuration.

    Raises:
        BadInput: it is none, or less than ``least``.
    """
    value = config.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise odd_setting(file, key, value)
    return value


def layer(config: Mapping[str, Any], vision: Mapping[str, Any], file: object) -> None:
    """See that the layers whose output is taken are among the tower's.

    Raises:
        BadInput: one is not.
    """
    taken = config.get("vision_feature_layer", -2)
    most = whole(vision, "num_hidden_layers", 24, file)
    layers = taken if isinstance(taken, list) and taken else [taken]
    if any(isinstance(n, bool) or not isinstance(n, int) or not -most - 1 <= n <= most for n in layers):
        raise odd_setting(file, "vision_feature_layer", taken)


def _sound(key: str, value: Any) -> bool:
    if key in FLAGS:
        return isinstance(value, bool)
    if key in SIZES:
        return is_side(value) or (
            isinstance(value, Mapping) and bool(value) and set(value) <= _SIDES and all(map(is_side, value.values()))
        )
    if key == "resample":
        return isinstance(value, int) and value in _FILTERS
    if key == "rescale_factor":
        return _number(value)
    return isinstance(value, list) and len(value) == 3 and all(map(_number, value)) and _divides(key, value)


def is_side(value: Any) -> bool:
    """Tell whether a value is a number of pixels that a side may have."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _divides(key: str, value: list[float]) -> bool:
    return key != "image_std" or all(value)
