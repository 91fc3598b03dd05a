"""What the process's environment must say before heavy libraries load. Knows their variables; imports none of them.

The command line and the worker call :func:`prepare` first; a kernel needs not, since training runs in the worker.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

# variable -> value. What the person has set stays: each is read by a library when it loads, and only then.
DEFAULTS = {
    # Nothing is reported to anybody (huggingface_hub, gradio, and the tools that honour the common sign).
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "DO_NOT_TRACK": "1",
    # tokenizers warns at every fork after its threads have run; batches here are too small to gain from them.
    "TOKENIZERS_PARALLELISM": "false",
    # transformers' advice is for programmers; what a person must know is said in the workbench's own words.
    "TRANSFORMERS_VERBOSITY": "error",
    # No kernel is fetched because a model's configuration, or its architecture, would like one.
    "USE_HUB_KERNELS": "0",
    # Nothing here is compiled; for bitsandbytes alone torch would load its compiler, a second and a half at each start.
    "TORCHDYNAMO_DISABLE": "1",
}
# Read when a process begins, so whoever starts a worker gives it these. glibc gives a freed block back to the system
# only where it was mapped by itself, and by default learns to map ever fewer: the holes in its heap took as much again
# as the tensors did. Its heap in pages of 2 MB, where the kernel has them to give, costs fewer faults: a step of pocket
# took 8 to 20 % less. Other systems do not read these.
FOR_WORKERS = {"MALLOC_MMAP_THRESHOLD_": str(4 * 2**20), "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
# conda's NumPy brings an MKL that asks for Intel's threads, and torch has loaded GNU's: "MKL_THREADING_LAYER=INTEL is
# incompatible with libgomp" (pytorch issue 37377). Only Linux's torch stands on libgomp.
ON_LINUX = {"MKL_THREADING_LAYER": "GNU"}
# Loggers whose warnings a person can do nothing about. On processors with AVX512-BF16 bitsandbytes says, as it loads,
# that a kernel which it would fetch from a hub is not there, and goes on with its own; without a network the hub's
# client tells of each attempt, and what became of them all is said in the workbench's words.
HUSHED = ("bitsandbytes.backends.cpu.ops", "huggingface_hub.utils._http")


def prepare(environ: MutableMapping[str, str] | None = None, platform: str = sys.platform) -> None:
    """Fill in what is not set. DeepSpeed's own variables are left alone: it asks for the accelerator by itself."""
    target = os.environ if environ is None else environ
    for name, value in (DEFAULTS | (ON_LINUX if platform.startswith("linux") else {})).items():
        target.setdefault(name, value)
    if environ is None:
        hide_kernels()
    for name in HUSHED:
        logging.getLogger(name).setLevel(logging.ERROR)


def hide_kernels() -> None:
    """Let no library find the package ``kernels``, which fetches code from a hub: transformers asks it for what a
    configuration names, and bitsandbytes, as it loads on a processor with AVX512-BF16, for a kernel of its own. A
    person's own word, ``USE_HUB_KERNELS``, stays, and so does what was imported before."""
    if os.environ.setdefault("USE_HUB_KERNELS", "0").lower() in ("0", "no", "off", "false"):
        sys.modules.setdefault("kernels", None)  # type: ignore[arg-type]


def cache_folder(environ: MutableMapping[str, str] | None = None, platform: str = sys.platform) -> Path | None:
    """Tell where what can be computed again may be kept between runs: ``WORKBENCH_CACHE``, else the system's own place.

    ``WORKBENCH_CACHE=off`` keeps nothing: None.
    """
    variables = os.environ if environ is None else environ
    chosen = variables.get("WORKBENCH_CACHE", "")
    if chosen:
        return None if chosen == "off" else Path(chosen)
    home = variables.get("HOME", "")
    if platform == "win32":
        root = variables.get("LOCALAPPDATA", "")
    elif platform == "darwin":
        root = home and f"{home}/Library/Caches"
    else:
        root = variables.get("XDG_CACHE_HOME", "") or (home and f"{home}/.cache")
    return Path(root) / "assistant-workbench" if root else None


@contextmanager
def no_collection() -> Iterator[None]:
    """Look for no garbage meanwhile: to be put around the loading of libraries, of which every object stays, and of
    which a fifth of the time goes into looking through them. Later collections leave them out too.

    For a process that is our own, not for a person's kernel; inside another one it does nothing.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
