"""What the peers' programs share: orders, a tokenizer, a clock. Runs in a peer's environment; knows nothing of ours."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def orders() -> dict[str, Any]:
    """What to do: ``rows`` (a file), ``tokenizer`` (a folder), ``processes``."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    given["rows"] = json.loads(Path(given["rows"]).read_text(encoding="utf-8"))
    return given


def tokenizer(folder: str) -> Any:
    """The tokenizer, in whatever version of transformers is here."""
    from transformers import PreTrainedTokenizerFast

    place = Path(folder)
    config = json.loads((place / "tokenizer_config.json").read_text(encoding="utf-8"))
    names = ("bos_token", "eos_token", "pad_token", "unk_token")
    tokens = {name: config[name] for name in names if isinstance(config.get(name), str)}
    tokens.setdefault("bos_token", tokens["eos_token"])
    tokens.setdefault("pad_token", tokens["eos_token"])
    made = PreTrainedTokenizerFast(tokenizer_file=str(place / "tokenizer.json"), **tokens)
    jinja = place / "chat_template.jinja"
    made.chat_template = jinja.read_text(encoding="utf-8") if jinja.exists() else config.get("chat_template")
    return made


def report(run: Callable[[], Any], version: str) -> None:
    """Time ``run``, which returns what it encoded, and print the figures as the last line."""
    start = time.perf_counter()
    done = run()
    print(json.dumps({"seconds": time.perf_counter() - start, "encoded": len(done), "version": version}))
