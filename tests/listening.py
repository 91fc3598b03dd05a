"""Whatever a model itself receives in the process beside a page's. Knows that process; no page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workbench.chat import beside

# Its first pass over a prompt is written down; and it prints, as libraries do, by Python and past it.
HEARD = """
def listen(file):
    import json, os
    from torch.nn import Embedding
    from torch.nn.modules.module import register_module_forward_pre_hook

    def heard(module, given):
        if isinstance(module, Embedding) and given[0].shape[1] > 1:
            with open(file, "a") as out:
                out.write(json.dumps(given[0][0].tolist()) + chr(10))
            print('{"number": 1, "piece": "noise"}', flush=True)
            os.write(1, b"noise without an end")

    register_module_forward_pre_hook(heard)
"""


class Prompts:
    """The ids of every prompt that a model beside has received since the last look."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = 0

    def __call__(self) -> list[list[int]]:
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []
        new, self._seen = lines[self._seen :], len(lines)
        return [json.loads(line) for line in new]


@contextmanager
def listening(folder: Path) -> Iterator[Prompts]:
    """While it lasts, models that are started beside write their prompts down."""
    head, _, rest = beside.PROGRAM.partition("from ")
    code = f"{head}\n{HEARD}\nlisten({str(folder / 'prompts.jsonl')!r})\nfrom {rest}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside, "PROGRAM", code)
        yield Prompts(folder / "prompts.jsonl")
