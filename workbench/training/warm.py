"""The libraries of a training, loaded while a front end still makes the run. Knows pipes; nothing of recipes."""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from workbench.environment import no_collection


def await_run() -> tuple[Path | None, str]:
    """Load what every training needs, while a front end makes the run; then stand in its folder and print to its log.

    Returns:
        The folder, None where the front end ended without one; and the data, where it has handed them over.
    """
    heard: list[str] = []
    listening = threading.Thread(target=lambda: heard.append(sys.stdin.read()))  # or the front end would have to wait
    listening.start()
    load_libraries()
    listening.join()
    line, newline, data = "".join(heard).partition("\n")
    if not newline:
        return None, ""
    folder = Path(json.loads(line))
    os.chdir(folder)
    with Path(os.devnull).open("rb") as nothing, Path("worker.log").open("ab") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    data, newline, _ = data.partition("\n")
    return folder, data if newline else ""  # a front end that was killed while it wrote: they are read again


def load_libraries() -> None:
    """Load what every training needs; what is wrong with them is said where they are first used."""
    with suppress(ImportError, OSError, RuntimeError), no_collection():
        import peft  # noqa: F401
        from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401
