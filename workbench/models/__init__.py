"""Which models there are, loading and generating. Knows checkpoints and devices; nothing of training."""

from __future__ import annotations

from workbench.models.fewbits import mend_4bit
from workbench.models.fingerprints import fingerprint
from workbench.models.generation import generate, stream
from workbench.models.loading import (
    Loaded,
    best_device,
    configuration,
    load,
    load_tokenizer,
    resolve,
)

__all__ = [
    "Loaded",
    "best_device",
    "configuration",
    "fingerprint",
    "generate",
    "load",
    "load_tokenizer",
    "mend_4bit",
    "resolve",
    "stream",
]
