from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workbench import runs
from workbench.runs import Run

TOY = Path(__file__).parent / "toy_worker.py"


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "runs" / "one", "steps: 10\nsave: 5\n", {"seed": 1})


@pytest.fixture
def toy(tmp_path):
    """Makes a run for the toy worker, or starts it: toy.make(steps=…), toy.start(run)."""
    made = Toy(tmp_path / "runs")
    yield made
    for run in made.started:  # none survives its test
        runs.stop(run, 0, kill=True)


class Toy:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: list[Run] = []

    def make(self, name: str = "toy", **settings: object) -> Run:
        recipe = {"steps": 20, "save": 5, "delay": 0.01, **{key.replace("_", " "): v for key, v in settings.items()}}
        return Run.create(self.root / name, "".join(f"{key}: {value}\n" for key, value in recipe.items()))

    def start(self, run: Run) -> Run:
        self.started.append(run)
        return runs.start(run, [sys.executable, str(TOY), str(run.path)])
