"""The quick ways of a small Llama, where it is the language model of a network that sees. Knows LLaVA's parts.

Only the beginning is another: where a picture's placeholders stand, what the tower and the projector make of it takes
the place of their embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from workbench.models.architectures import LLAVA

if TYPE_CHECKING:
    import torch

# What a batch holds beside its pictures.
_WORDS = ("input_ids", "labels", "attention_mask", "position_ids", "lengths")


def language_part(network: Any) -> Any:
    """Return the language model within a network that sees, by the names of a Llama; any other network as it is."""
    if getattr(network.config, "model_type", "") != LLAVA:
        return network
    return SimpleNamespace(
        config=network.config.get_text_config(),
        model=network.model.language_model,
        lm_head=network.lm_head,
        parameters=network.parameters,
        sees=network.model,
        image_token=network.config.image_token_id,
    )


def pictures_in(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return what a batch holds of pictures."""
    return {name: value for name, value in batch.items() if name not in _WORDS}


def embedded(network: Any, ids: torch.Tensor, pictures: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the embedding (R, H) of ``ids`` (R,), with what is seen of ``pictures`` at their placeholders, in order.

    Args:
        network: as :func:`language_part` gives it.
    """
    x: torch.Tensor = network.model.embed_tokens(ids)
    if not pictures:
        return x
    places = (ids == network.image_token).nonzero().flatten()
    return x.index_copy(0, places, features(network.sees, pictures).to(x.dtype))


def features(sees: Any, pictures: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return what tower and projector of a LLaVA make of ``pictures``, one after the other (places, H)."""
    import torch

    return torch.cat(list(sees.get_image_features(**pictures, return_dict=True).pooler_output))
