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
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from workbench.data.picture import Picture
from workbench.errors import BadInput
from workbench.models import headers
from workbench.models.architectures import ARCHITECTURES, LLAVA, Architecture, kind_of
from workbench.models.pixels import NOTHING, Check, chosen, layer, odd_setting, vision_of, whole
from workbench.models.translating import first_line

if TYPE_CHECKING:
    import torch

# The files in which a model says what becomes of a picture before it sees it, the newer first.
FILES = ("processor_config.json", "preprocessor_config.json")
# Bytes of pictures' numbers that are kept, so that each is opened once and not at every step.
KEPT = 600_000_000
# Pictures whose sizes are kept.
SIZES = 100_000
# Where the shorter side alone says how large a picture becomes, the longer one may be so many times as long.
LONGEST = 8


class Eyes:
    """Represent what turns pictures into a model's numbers and placeholders: LLaVA's, whose pictures are all alike;
    others are made from it.

    Args:
        settings: of the image processor.
        image_token: the id of the placeholder.
        patches: placeholders of a picture.
        side: pixels of a side of what the tower is given; 0 where it takes any.
    """

    kinds: tuple[str, ...] = (LLAVA,)
    widest = 512
    """Pixels of a side of what a visitor shows; a larger picture is made so small first, for a page holds many."""
    square = True
    """Whether the placeholders of a picture are the patches of a square, row by row."""

    def __init__(self, settings: Mapping[str, Any], *, image_token: int, patches: int, side: int = 0) -> None:
        self.settings, self.image_token, self.patches = dict(settings), image_token, patches
        self.side = side
        self._processor: Any = None
        # by the hash of their bytes: a server would hold all pictures that it was ever shown
        self._numbers: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._bytes = 0
        self._sizes: OrderedDict[str, tuple[int, int]] = OrderedDict()

    @classmethod
    def of(cls, folder: Path) -> Eyes | None:
        """Return those of a model's folder; None where it is none that sees.

        Raises:
            BadInput: it does not say how pictures are made into numbers, or says what cannot be.
        """
        if kind_of(folder) not in cls.kinds:
            return None
        config, file = headers.settings(folder), folder / "config.json"
        vision = vision_of(config)
        settings = read_settings(folder)
        size, patch = whole(vision, "image_size", 336, file), whole(vision, "patch_size", 14, file)
        first = 0 if config.get("vision_feature_select_strategy", "default") == "default" else 1
        key = "image_token_index" if "image_token_index" in config else "image_token_id"
        token = whole(config, key, 32000, file, least=0)
        layer(config, vision, file)
        return cls(settings, image_token=token, patches=(size // patch) ** 2 + first, side=size)

    @property
    def parts(self) -> Architecture:
        """Return how the parts of its network are called."""
        return ARCHITECTURES[self.kinds[0]]

    def read_by(self, tokenizer: Any) -> Eyes:  # noqa: ARG002  ids are all that is needed here
        """Return the same, which can spell its placeholders as ``tokenizer`` reads them.

        Raises:
            BadInput: it does not know them.
        """
        return self

    def fitting(self, network: Any) -> Eyes:
        """Return the same, whose placeholder is a token of ``network``.

        Raises:
            BadInput: it has none of that number.
        """
        if self.image_token >= network.get_input_embeddings().num_embeddings:
            raise odd_setting("config.json", "image_token_index", self.image_token)
        return self

    def in_own_numbers(self, network: Any) -> None:
        """Let the projector of ``network`` be given its input in the kind of numbers of its own weights: it is trained
        in float32, though the tower may compute in 16 bit."""
        projector = network.get_submodule(self.parts.projector)
        projector.register_forward_pre_hook(lambda module, given: (given[0].to(next(module.parameters()).dtype),))

    def ids(self, picture: Picture) -> tuple[int, ...]:  # noqa: ARG002  each picture has as many
        """Return the placeholders of one picture."""
        return (self.image_token,) * self.patches

    def framed(self, picture: Picture) -> tuple[int, ...]:
        """Return the placeholders with what stands before and after them, for a template that knows no pictures."""
        return self.ids(picture)

    def inputs(
        self,
        pictures: Sequence[Picture],
        ids: torch.Tensor | None = None,  # noqa: ARG002
    ) -> dict[str, torch.Tensor]:
        """Return what the model is given of ``pictures``, nothing of none: ``pixel_values`` (pictures, 3, H, W)
        float32.

        Args:
            pictures: in the order of their placeholders.
            ids: (B, T) the ids of the batch, with the placeholders; some models are given where these stand.

        Raises:
            BadPicture: one of them cannot be opened.
        """
        import torch

        return {"pixel_values": torch.stack([self._of(picture) for picture in pictures])} if pictures else {}

    def blank(self) -> dict[str, torch.Tensor]:
        """Return what the model's tower would be given of a black picture of the smallest size."""
        import torch

        return {"pixel_values": torch.zeros(1, 3, self.side, self.side)}

    def positions(
        self,
        network: Any,  # noqa: ARG002
        ids: torch.Tensor,  # noqa: ARG002
        mask: torch.Tensor,  # noqa: ARG002
        given: Mapping[str, torch.Tensor],  # noqa: ARG002
    ) -> torch.Tensor | None:
        """Return the positions (…, B, T) of prompts, where the model counts them in a way of its own; the position
        after the last one is always one more.

        Args:
            network: the model.
            ids: (B, T) prompts, padded on the left.
            mask: (B, T) 1 where a token stands.
            given: as :meth:`inputs`.
        """
        return None

    def fingerprint(self) -> str:
        """Return SHA-256 of the settings, and of the numbers of a picture that has corners, a mean and odd sides."""
        from PIL import Image

        probe = Image.linear_gradient("L").resize((70, 40)).convert("RGB")
        digest = hashlib.sha256(json.dumps([self.settings, self.patches], sort_keys=True).encode())
        digest.update(self._processed(probe).numpy().tobytes())
        return digest.hexdigest()[:16]

    def _size(self, picture: Picture) -> tuple[int, int]:
        """Width and height of a picture, which is not decoded for them."""
        from workbench.data.imaging import size

        key = picture.sha256
        known = self._sizes.get(key)  # in one step: a server asks for sizes in several threads
        if known is None:
            known = self._sizes[key] = size(picture)
            if len(self._sizes) > SIZES:
                self._sizes.popitem(last=False)
        return known

    def _of(self, picture: Picture) -> torch.Tensor:
        key = picture.sha256
        if key in self._numbers:
            return self._numbers[key]
        from workbench.data.imaging import opened

        numbers = self._processed(opened(picture))
        self._numbers[key] = numbers
        self._bytes += numbers.nbytes
        while self._bytes > KEPT and len(self._numbers) > 1:
            self._bytes -= self._numbers.popitem(last=False)[1].nbytes
        return numbers

    def _processed(self, image: Any) -> torch.Tensor:
        try:
            return self._checked(image)
        except Exception as error:  # whatever the library raises over settings that it does not know together
            raise BadInput("models.seeing.odd_settings", reason=first_line(error)) from error

    def _checked(self, image: Any) -> torch.Tensor:
        if not self.settings.get("do_pad") and max(image.size) > LONGEST * min(image.size):
            raise ValueError(f"{image.width} x {image.height} without padding")
        numbers: torch.Tensor = self.processor(images=[image], return_tensors="pt")["pixel_values"][0]
        if self.side and tuple(numbers.shape) != (3, self.side, self.side):
            raise ValueError(f"{tuple(numbers.shape)}, and the tower takes {(3, self.side, self.side)}")
        return numbers

    @property
    def processor(self) -> Any:
        """Return the library's image processor with the folder's settings."""
        if self._processor is None:
            self._processor = self._made_processor()
        return self._processor

    def _made_processor(self) -> Any:
        from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

        return LlavaImageProcessorPil(**self.settings)


def read_settings(
    folder: Path, more: Mapping[str, Check] = NOTHING, usual: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Return what the folder says of its image processor, as far as it concerns numbers.

    Args:
        more: settings of this architecture's alone, and what they may be.
        usual: what holds where a file speaks of pictures and says nothing of it.

    Raises:
        BadInput: it says nothing, or what cannot be.
    """
    for name in FILES:
        content = headers.settings(folder, name)
        nested = content.get("image_processor")
        settings = chosen(nested if isinstance(nested, Mapping) else content, folder / name, more)
        if "size" in settings or (usual and "image_mean" in settings):
            return {**usual, **settings}
    raise BadInput("models.no_processor", folder=folder, file=FILES[1])
