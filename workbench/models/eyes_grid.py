"""The eyes of Qwen2.5-VL: a picture in its own shape, as a grid of patches, of which four become one placeholder.

How large the grid is hangs on the picture's size, within the pixels that the folder names; the library's own code says
so. A placeholder's position is three numbers there: picture, row, column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.picture import Picture
from workbench.models import headers
from workbench.models.eyes import Eyes, read_settings
from workbench.models.pixels import Check, odd_setting, vision_of, whole

if TYPE_CHECKING:
    import torch

# Pixels of a picture that a folder may ask for at most: the known models ask for some 13 million.
MOST_PIXELS = 2**24
# Pixels of a side of what a visitor shows: a thousand and more placeholders, where the model takes as many.
VISITORS = 1_024


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_PIXELS


def _area(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and {"shortest_edge", "longest_edge"} <= set(value) <= {"shortest_edge", "longest_edge", *_BOUNDS}
        and all(map(_count, value.values()))
    )


_BOUNDS = ("min_pixels", "max_pixels")
_PATCHES = {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2}
_MORE: Mapping[str, Check] = {"size": _area, **dict.fromkeys((*_BOUNDS, *_PATCHES), _count)}


class GridEyes(Eyes):
    """Represent what turns pictures into grids of patches and their placeholders.

    Args:
        settings: of the image processor.
        image_token: the id of the placeholder.
        frame: the ids that stand before and after the placeholders of a picture.
    """

    kinds = ("qwen2_5_vl",)
    widest = VISITORS
    square = False

    def __init__(self, settings: Mapping[str, Any], *, image_token: int, frame: tuple[int, int]) -> None:
        super().__init__(settings, image_token=image_token, patches=0)
        self.frame = frame

    @classmethod
    def of(cls, folder: Path) -> GridEyes:
        """Return those of a model's folder.

        Raises:
            BadInput: it does not say how pictures are made into numbers, or says what cannot be.
        """
        config, file = headers.settings(folder), folder / "config.json"
        vision = vision_of(config)
        settings = {"do_resize": True, **_PATCHES, **_bounded(folder)}
        if not settings["do_resize"]:
            raise odd_setting("preprocessor_config.json", "do_resize", False)
        towers = {"patch_size": "patch_size", "temporal_patch_size": "temporal_patch_size",
                  "merge_size": "spatial_merge_size"}  # fmt: skip
        for ours, theirs in towers.items():
            if settings[ours] != whole(vision, theirs, _PATCHES[ours], file):
                raise odd_setting("preprocessor_config.json", ours, settings[ours])
        factor = settings["patch_size"] * settings["merge_size"]
        if whole(vision, "window_size", 112, file) < factor:
            raise odd_setting(file, "window_size", vision["window_size"])
        ids = {"image_token_id": 151_655, "vision_start_token_id": 151_652, "vision_end_token_id": 151_653}
        image, begin, end = (whole(config, key, usual, file, least=0) for key, usual in ids.items())
        return cls(settings, image_token=image, frame=(begin, end))

    def read_by(self, tokenizer: Any) -> GridEyes:
        """Return the same; what stands for a picture is no token that words are written with.

        Raises:
            BadInput: it is, or there is none.
        """
        if self.image_token not in tokenizer.get_added_vocab().values():
            raise odd_setting("config.json", "image_token_id", self.image_token)
        return self

    def ids(self, picture: Picture) -> tuple[int, ...]:
        """Return the placeholders of one picture.

        Raises:
            BadPicture: it cannot be opened.
        """
        rows, columns = self._grid(picture)
        count: int = rows * columns // self.settings["merge_size"] ** 2
        return (self.image_token,) * count

    def framed(self, picture: Picture) -> tuple[int, ...]:
        """Return the placeholders with what stands before and after them, for a template that knows no pictures."""
        begin, end = self.frame
        return (begin, *self.ids(picture), end)

    def inputs(self, pictures: Sequence[Picture], ids: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Return what the model is given of ``pictures``, nothing of none: ``pixel_values`` (patches, numbers of one)
        float32, ``image_grid_thw`` (pictures, 3) and ``mm_token_type_ids`` (B, T) int64, 1 where a placeholder stands.

        Raises:
            BadPicture: one of them cannot be opened.
        """
        import torch

        if not pictures:
            return {}
        grids = [(1, *self._grid(picture)) for picture in pictures]
        inputs = {
            "pixel_values": torch.cat([self._of(picture) for picture in pictures]),
            "image_grid_thw": torch.tensor(grids),
        }
        return inputs if ids is None else {**inputs, "mm_token_type_ids": (ids == self.image_token).long()}

    def blank(self) -> dict[str, torch.Tensor]:
        """Return what the model's tower would be given of a black picture of the smallest size."""
        import torch

        merge, patch, depth = (self.settings[key] for key in ("merge_size", "patch_size", "temporal_patch_size"))
        grid = torch.tensor([[1, merge, merge]])
        return {"pixel_values": torch.zeros(merge**2, 3 * depth * patch**2), "image_grid_thw": grid}

    def positions(
        self, network: Any, ids: torch.Tensor, mask: torch.Tensor, given: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return the positions of prompts: (3, B, T) with pictures, and (B, T) without.

        They are given at every call: the model itself would go on counting from the pictures of an earlier prompt.
        """
        if not given:
            return (mask.cumsum(-1) - 1).clamp(min=0)
        counting = next(module for module in network.modules() if hasattr(module, "get_rope_index"))
        positions: torch.Tensor = counting.get_rope_index(
            ids,
            mm_token_type_ids=given["mm_token_type_ids"],
            image_grid_thw=given["image_grid_thw"],
            attention_mask=mask,
        )[0]
        return positions

    def grid(self, width: int, height: int) -> tuple[int, int]:
        """Return the rows and columns of patches of a picture.

        Raises:
            ValueError: the library refuses so long a picture.
        """
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        patch, size = self.settings["patch_size"], self.settings["size"]
        factor, bounds = patch * self.settings["merge_size"], (size["shortest_edge"], size["longest_edge"])
        high, wide = smart_resize(height, width, factor, *bounds)
        return high // patch, wide // patch

    def _grid(self, picture: Picture) -> tuple[int, int]:
        from workbench.data.picture import BadPicture

        width, height = self._size(picture)
        try:
            return self.grid(width, height)
        except ValueError:
            raise BadPicture("thin", picture.name, size=f"{width} x {height}") from None

    def _checked(self, image: Any) -> torch.Tensor:
        numbers: torch.Tensor = self.processor(images=[image], return_tensors="pt")["pixel_values"]
        return numbers

    def _made_processor(self) -> Any:
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        return Qwen2VLImageProcessorPil(**self.settings)


def _bounded(folder: Path) -> dict[str, Any]:
    """The settings, with the least and the most pixels of a picture under the names that the library has for them now;
    it too lets the older names go before."""
    usual = {"size": {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280}}
    settings = read_settings(folder, _MORE, usual)
    size = {key: settings["size"][key] for key in ("shortest_edge", "longest_edge")}
    for key, bound in zip(size, _BOUNDS, strict=True):
        size[key] = settings.pop(bound, size[key])
    if size["shortest_edge"] > size["longest_edge"]:
        raise odd_setting("preprocessor_config.json", "size", size)
    return settings | {"size": size}
