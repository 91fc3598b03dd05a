"""Learners' folders for the tests: a recorded run and answers, small, made here. Knows the files; no training."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.runs import Run, checkpoint_writer
from workbench.training.recipe import load_recipe, recipe_yaml

WEIGHTS = "adapter_model.safetensors"


def work_of(folder: Path, student: str, *, begun: float, seed: int = 0, weights: bytes = b"weights") -> Path:
    """A folder ``my-work`` with two answers and one run that began at ``begun``, seconds since 1970."""
    answers = folder / "answers"
    answers.mkdir(parents=True)
    put(answers / "student.json", {"version": 1, "kind": "student", "id": student})
    guess = {"version": 1, "kind": "guess", "lesson": 5, "id": "step", "ask": "When?", "guess": 24, "time": "t"}
    put(answers / "05-step.json", {**guess, "truth": 42, "of": 48, "compared": "t"})
    quiz = {"version": 1, "kind": "quiz", "lesson": 5, "id": "1", "ask": "Why?", "options": 3, "choices": [1, 0]}
    put(answers / "05-quiz-1.json", {**quiz, "choice": 1, "right": False, "tries": 2, "time": "t"})
    run_of(folder / "runs" / "first", begun=begun, seed=seed, weights=weights)
    return folder


def run_of(path: Path, *, begun: float, seed: int = 0, weights: bytes = b"weights") -> Run:
    """A run of six steps with an evaluation before and after, whose events keep the rhythm of its own time."""
    recipe = load_recipe("pocket-qlora", ["persona.name=Sprout", f"runtime.seed={seed}"])
    facts = {
        "seed": seed,
        "data_sha256": "d" * 64,
        "base_fingerprint": "b" * 64,
        "created": "2026-01-01T00:00:00+00:00",
    }
    run = Run.create(path, recipe_yaml(recipe), facts)
    log = []
    counts = {"identity": 40, "general": 38, "leak": 20}

    def add(kind: str, **fields: object) -> None:
        # no two trainings take the same milliseconds: the rhythm follows from when it began
        gap = 0.1 + (hash((begun, len(log))) % 1000) / 1e4
        log.append({"kind": kind, "time": begun + len(log) * 0.5 + gap, "seq": len(log) + 1, **fields})

    add("status", state="running")
    add("eval", step=0, loss=4.0, identity=0.0, general=1.0, leak=0.0, counts=counts)
    for step in range(1, 7):
        add("train", step=step, loss=4.0 / step + seed * 0.01, seconds=step * 0.5)
    add("eval", step=6, loss=1.25, identity=0.975, general=36 / 38, leak=0.05, counts=counts)
    add("status", state="ended", step=6)
    (path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    put(path / "state.json", {"status": "ended", "step": 6, "total_steps": 6, "pid": 1})
    with checkpoint_writer(run, 6, reason="end", score=0.9, why="the best") as checkpoint:
        (checkpoint.path / WEIGHTS).write_bytes(weights)
        put(checkpoint.path / "adapter_config.json", {})
    run.events.close()
    return run


def put(path: Path, record: object) -> None:
    path.write_text(json.dumps(record), encoding="utf-8")
