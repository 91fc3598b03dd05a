"""A checkpoint's weights put back into the model that is trained. Knows PEFT's format and plain models'."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def load_weights(model: Any, checkpoint: Path) -> None:
    """Put a checkpoint's weights into ``model``: the adapter's, or all."""
    from safetensors.torch import load_file

    adapter = checkpoint / "adapter_model.safetensors"
    if adapter.exists():
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model, load_file(adapter))
        return
    for shard in sorted(checkpoint.glob("model*.safetensors")):
        model.load_state_dict(load_file(shard), strict=False)  # a tied head is in no file
