"""The process's surroundings, set before heavy libraries load. Knows environment variables only."""

from __future__ import annotations

import os
import warnings

_DEFAULTS = {
    "MKL_THREADING_LAYER": "GNU",  # one OpenMP for numpy and torch, whichever is imported first
    "MKL_SERVICE_FORCE_INTEL": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "BITSANDBYTES_NOWELCOME": "1",
}


def prepare() -> None:
    """Set what is not set yet, and quieten what a person can do nothing about. Call it before the first heavy import."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
