"""The eyes of Idefics3 and SmolVLM: a picture in tiles of one size, row by row, and then all of it in one more.

How many tiles there are hangs on the picture's shape. The library's own code says so, given an array that has the
picture's shape and no numbers; and it writes the placeholders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.picture import Picture
from workbench.models import headers
from workbench.models.eyes import Eyes, read_settings
from workbench.models.pixels import Check, is_side, odd_setting, vision_of, whole

if TYPE_CHECKING:
    import torch

# Pixels of a side of what a visitor shows.
VISITORS = 1_024
# Tiles of one picture: the known models have up to sixteen, and one of the whole.
MOST_TILES = 64
_MARKS = {"fake_image_token": "<fake_token_around_image>", "global_image_token": "<global-img>"}


def _edge(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"longest_edge"} and is_side(value["longest_edge"])


_MORE: Mapping[str, Check] = {"do_image_splitting": lambda value: isinstance(value, bool), "max_image_size": _edge}


class TiledEyes(Eyes):
    """Represent what turns pictures into tiles and their placeholders."""

    kinds = ("idefics3", "smolvlm")
    square = False

    def __init__(self, settings: Mapping[str, Any], **options: Any) -> None:
        super().__init__(settings, **options)
        self.widest = min(VISITORS, max(self.settings["size"].values()))
        self._tokenizer: Any = None
        self._spelled: dict[tuple[int, int], tuple[int, ...]] = {}

    @classmethod
    def of(cls, folder: Path) -> TiledEyes:
        """Return those of a model's folder.

        Raises:
            BadInput: it does not say how pictures are made into numbers, or says what cannot be.
        """
        config, file = headers.settings(folder), folder / "config.json"
        vision = vision_of(config)
        side, patch = whole(vision, "image_size", 224, file), whole(vision, "patch_size", 32, file)
        scale = whole(config, "scale_factor", 2, file)
        across = side // patch
        if not across or across % scale:
            raise odd_setting(file, "scale_factor", scale)
        settings = {"do_resize": True, "do_image_splitting": True, **read_settings(folder, _MORE)}
        _check(settings, side, folder)
        patches = (across // scale) ** 2
        written = whole(headers.settings(folder, "processor_config.json"), "image_seq_len", patches, file)
        if written != patches:
            raise odd_setting("processor_config.json", "image_seq_len", written)
        token = whole(config, "image_token_id", 128_257, file, least=0)
        return cls(settings, image_token=token, patches=patches, side=side)

    def read_by(self, tokenizer: Any) -> TiledEyes:
        """Return the same, which can spell its placeholders as ``tokenizer`` reads them.

        Raises:
            BadInput: it does not know them.
        """
        self._tokenizer = tokenizer
        if self._placeholder() not in tokenizer.get_added_vocab():
            raise odd_setting("config.json", "image_token_id", self.image_token)
        for name in (*(getattr(tokenizer, key, mark) for key, mark in _MARKS.items()), self._placeholder()):
            if len(self._encoded(name)) != 1:
                raise odd_setting("tokenizer.json", "added_tokens", name)
        return self

    def ids(self, picture: Picture) -> tuple[int, ...]:
        """Return the placeholders of one picture, with the marks of its tiles.

        Raises:
            BadPicture: it cannot be opened.
        """
        shape = self.tiles(*self._size(picture))
        if shape not in self._spelled:
            self._spelled[shape] = self._encoded(self._text(*shape))
        return self._spelled[shape]

    def inputs(
        self,
        pictures: Sequence[Picture],
        ids: torch.Tensor | None = None,  # noqa: ARG002
    ) -> dict[str, torch.Tensor]:
        """Return what the model is given of ``pictures``, nothing of none: ``pixel_values`` (1, tiles, 3, H, W)
        float32, the tiles of one picture after those of the other.

        Raises:
            BadPicture: one of them cannot be opened.
        """
        import torch

        return {"pixel_values": torch.cat([self._of(picture) for picture in pictures])[None]} if pictures else {}

    def blank(self) -> dict[str, torch.Tensor]:
        """Return what the model's tower would be given of an even picture of the smallest size."""
        import torch

        return {"pixel_values": torch.ones(1, 1, 3, self.side, self.side)}  # zeros would be no picture

    def tiles(self, width: int, height: int) -> tuple[int, int]:
        """Return the rows and columns of tiles of a picture; (0, 0) where it is one tile, itself."""
        import numpy as np
        from transformers.image_utils import SizeDict

        if not self.settings["do_image_splitting"]:
            return 0, 0
        measure, shape = _measuring()(**self.settings), np.broadcast_to(np.uint8(0), (3, height, width))
        sized = measure.resize(shape, SizeDict(**self.settings["size"]))
        fitted = measure.resize_for_vision_encoder(sized, self.side)
        _, rows, columns = measure.split_images(fitted, {"longest_edge": self.side})
        return rows, columns

    def _text(self, rows: int, columns: int) -> str:
        from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

        fake, whole_picture = (getattr(self._tokenizer, key, mark) for key, mark in _MARKS.items())
        text: str = get_image_prompt_string(rows, columns, self.patches, fake, self._placeholder(), whole_picture)
        return text

    def _placeholder(self) -> str:
        return str(self._tokenizer.convert_ids_to_tokens(self.image_token))

    def _encoded(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _checked(self, image: Any) -> torch.Tensor:
        numbers: torch.Tensor = self.processor(images=[[image]], return_tensors="pt")["pixel_values"][0]
        if tuple(numbers.shape[1:]) != (3, self.side, self.side):
            raise ValueError(f"{tuple(numbers.shape[1:])}, and the tower takes {(3, self.side, self.side)}")
        if not bool(numbers.flatten(1).any(1).all()):  # the model would take it for none
            raise ValueError("a tile of zeros alone")
        return numbers

    def _made_processor(self) -> Any:
        from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

        return Idefics3ImageProcessorPil(**self.settings)


@cache
def _measuring() -> Any:
    """The library's image processor, which resizes arrays that have a shape and no numbers."""
    import numpy as np
    from transformers.models.idefics3 import image_processing_pil_idefics3 as library

    class Measuring(library.Idefics3ImageProcessorPil):  # type: ignore[misc]
        """Measure what would be resized."""

        def resize(self, image: Any, size: Any, resample: Any = None, **_: Any) -> Any:  # noqa: ARG002
            """Return an array of the size that the picture would have."""
            edge = size.longest_edge
            new = library.get_resize_output_image_size(image, edge) if edge else (size.height, size.width)
            return np.broadcast_to(np.uint8(0), (3, *new))

    return Measuring


def _check(settings: Mapping[str, Any], side: int, folder: Path) -> None:
    """
    Raises:
        BadInput: tiles of another size than the tower takes, too many of them, or sizes that the library takes for
            none.
    """
    file = folder / "preprocessor_config.json"
    if not settings["do_resize"]:
        raise odd_setting(file, "do_resize", settings["do_resize"])
    if settings.get("max_image_size", {}).get("longest_edge") != side:
        raise odd_setting(file, "max_image_size", settings.get("max_image_size"))
    size = settings["size"]
    if not isinstance(size, Mapping) or set(size) not in ({"longest_edge"}, {"height", "width"}):
        raise odd_setting(file, "size", size)
    if (-(-max(size.values()) // side)) ** 2 > MOST_TILES:
        raise odd_setting(file, "size", size)
