"""Pictures to the numbers that a model is given. Knows processors of transformers; nothing of text or of training.

One way for training and for serving: the picture as the data room opens it, and then what the model's own folder says
of its size, its padding and its normalisation.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.picture import Picture
from workbench.errors import BadInput
from workbench.models import headers
from workbench.models.pixels import chosen, layer, whole
from workbench.models.translating import first_line

if TYPE_CHECKING:
    import torch

KIND = "llava"
# The files in which a model says what becomes of a picture before it sees it, the newer first.
FILES = ("processor_config.json", "preprocessor_config.json")
# Bytes of pictures' numbers that are kept, so that each is opened once and not at every step.
KEPT = 600_000_000
# Where the shorter side alone says how large a picture becomes, the longer one may be so many times as long.
LONGEST = 8


def has_eyes(folder: Path) -> bool:
    """Tell whether the model of ``folder`` is one that sees, in the way that is known here; others are read as language
    models, where the library does."""
    return headers.settings(folder).get("model_type") == KIND


class Eyes:
    """Represent what turns pictures into a LLaVA model's numbers and placeholders.

    Args:
        settings: of the image processor.
        image_token: the id of the placeholder.
        patches: placeholders of a picture.
        side: pixels of a side of what the tower is given; 0 where it takes any.
    """

    def __init__(self, settings: Mapping[str, Any], *, image_token: int, patches: int, side: int = 0) -> None:
        self.settings, self.image_token, self.patches = dict(settings), image_token, patches
        self.side = side
        self._processor: Any = None
        self._numbers: OrderedDict[Picture, torch.Tensor] = OrderedDict()
        self._bytes = 0

    @classmethod
    def of(cls, folder: Path) -> Eyes | None:
        """Return those of a model's folder; None where it is none that sees.

        Raises:
            BadInput: it does not say how pictures are made into numbers, or says what cannot be.
        """
        if not has_eyes(folder):
            return None
        config, file = headers.settings(folder), folder / "config.json"
        vision = config.get("vision_config")
        vision = vision if isinstance(vision, Mapping) else {}
        settings = _settings(folder)
        if not settings:
            raise BadInput("models.no_processor", folder=folder, file=FILES[1])
        size, patch = whole(vision, "image_size", 336, file), whole(vision, "patch_size", 14, file)
        first = 0 if config.get("vision_feature_select_strategy", "default") == "default" else 1
        key = "image_token_index" if "image_token_index" in config else "image_token_id"
        token = whole(config, key, 32000, file, least=0)
        layer(config, vision, file)
        return cls(settings, image_token=token, patches=(size // patch) ** 2 + first, side=size)

    def fitting(self, network: Any) -> Eyes:
        """Return the same, whose placeholder is a token of ``network``.

        Raises:
            BadInput: it has none of that number.
        """
        if self.image_token >= network.get_input_embeddings().num_embeddings:
            raise BadInput("models.seeing.odd_setting", file="config.json", key="image_token_index",
                           given=self.image_token)  # fmt: skip
        return self

    def ids(self, picture: Picture) -> tuple[int, ...]:  # noqa: ARG002  each picture has as many
        """Return the placeholders of one picture."""
        return (self.image_token,) * self.patches

    def inputs(self, pictures: Sequence[Picture]) -> dict[str, torch.Tensor]:
        """Return what the model is given of ``pictures``: ``pixel_values`` (pictures, 3, H, W) float32; nothing of
        none.

        Raises:
            BadPicture: one of them cannot be opened.
        """
        import torch

        return {"pixel_values": torch.stack([self._of(picture) for picture in pictures])} if pictures else {}

    def fingerprint(self) -> str:
        """Return SHA-256 of the settings, and of the numbers of a picture that has corners, a mean and odd sides."""
        from PIL import Image

        probe = Image.linear_gradient("L").resize((70, 40)).convert("RGB")
        digest = hashlib.sha256(json.dumps([self.settings, self.patches], sort_keys=True).encode())
        digest.update(self._processed(probe).numpy().tobytes())
        return digest.hexdigest()[:16]

    def _of(self, picture: Picture) -> torch.Tensor:
        if picture in self._numbers:
            return self._numbers[picture]
        from workbench.data.imaging import opened

        numbers = self._processed(opened(picture))
        self._numbers[picture] = numbers
        self._bytes += numbers.nbytes
        while self._bytes > KEPT and len(self._numbers) > 1:
            self._bytes -= self._numbers.popitem(last=False)[1].nbytes
        return numbers

    def _processed(self, image: Any) -> torch.Tensor:
        if self._processor is None:
            from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

            self._processor = LlavaImageProcessorPil(**self.settings)
        try:
            if not self.settings.get("do_pad") and max(image.size) > LONGEST * min(image.size):
                raise ValueError(f"{image.width} x {image.height} without padding")
            numbers: torch.Tensor = self._processor(images=[image], return_tensors="pt")["pixel_values"][0]
            if self.side and tuple(numbers.shape) != (3, self.side, self.side):
                raise ValueError(f"{tuple(numbers.shape)}, and the tower takes {(3, self.side, self.side)}")
        except Exception as error:  # whatever the library raises over settings that it does not know together
            raise BadInput("models.seeing.odd_settings", reason=first_line(error)) from error
        return numbers


def _settings(folder: Path) -> dict[str, Any]:
    """What the folder says of its image processor, as far as it concerns numbers."""
    for name in FILES:
        content = headers.settings(folder, name)
        nested = content.get("image_processor")
        settings = chosen(nested if isinstance(nested, Mapping) else content, folder / name)
        if "size" in settings:
            return settings
    return {}
