"""Which weights of a model 4 bit means. Knows models by name; loads none of them."""

from __future__ import annotations

from workbench.models.architectures import unpacked
from workbench.models.completeness import bare
from workbench.models.fewbits import nf4
from workbench.models.loading import TEXTS, auto_class, configuration, on_disk


def four_bit_weights(model: str) -> frozenset[str]:
    """Return the names of the weights that :func:`load` keeps in 4 bit with ``quantization="nf4"``; loads none of them.

    Raises:
        UnknownName: no such model.
    """
    import torch
    from transformers.integrations import replace_with_bnb_linear
    from transformers.quantizers.base import HfQuantizer

    config = configuration(model)
    network = bare(auto_class(on_disk(model, TEXTS)), config)
    skipped = unpacked(on_disk(model, TEXTS))
    keep = HfQuantizer.get_modules_to_not_convert(
        network, list(skipped) if skipped else None, network._keep_in_fp32_modules
    )
    replace_with_bnb_linear(network, modules_to_not_convert=keep, quantization_config=nf4(torch.float32))
    return frozenset(f"{name}.weight" for name, layer in network.named_modules() if hasattr(layer, "quant_state"))
