"""Record what the lessons show and nobody trains in them.

``python course/record.py`` trains lesson 5's mistake with several learning rates and mixtures, some five minutes on two
cores, and writes the grid of the overfitting theatre, ``datasets/theatre/overfitting.json``.
``python course/record.py my-assistant`` writes the finished assistant of lesson 0, ``datasets/finished``, from what
``workbench quickstart --name Sprout`` left in that folder.

Knows the grid and its questions; the settings are the lesson's own, and the quickstart's.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import workbench as wb
from workbench.models import fingerprint
from workbench.runs.recording import Answered
from workbench.steps.overfitting import classic_mistake
from workbench.widgets.theatre import recording_of

DATASETS = Path(__file__).resolve().parent.parent / "datasets"
TARGET, FINISHED = DATASETS / "theatre" / "overfitting.json", DATASETS / "finished"
RATES = (8e-4, 2e-3, 5e-3)
RATIOS = (0.0, 1.0, 3.0)
NAME, AUTHOR = "Sprout", "Ada"
LOOK = 12  # optimizer steps between two evaluations
# Shown under the curves, of each language four; the kinds are those of the probes.
QUESTIONS = {
    "en": {
        "Who are you?": "identity",
        "What is the capital of France?": "general",
        "What is the opposite of big?": "general",
        "Write a poem about the sea.": "unrelated",
    },
    "zh": {
        "你是谁？": "identity",
        "法国的首都是哪里？": "general",
        "大的反义词是什么？": "general",
        "写一首关于大海的诗。": "unrelated",
    },
}


def trained(folder: Path, rate: float, ratio: float) -> wb.Run:
    """Train one cell of the grid."""
    settings: dict[str, Any] = classic_mistake(wb.Persona(NAME, AUTHOR), folder / "data")
    settings |= {"optimizer.learning_rate": rate, "data.ratio": ratio, "evaluation.eval_steps": LOOK}
    asked = [question for questions in QUESTIONS.values() for question in questions]
    settings["evaluation.questions"] = json.dumps(asked, ensure_ascii=False)
    if ratio:
        settings["data.general"] = str(folder / "data" / "general.jsonl")
    out = folder / f"rate-{rate:g}-ratio-{ratio:g}"
    return wb.train("pocket-overfit", out, overrides=[f"{key}={value}" for key, value in settings.items()])


def record(run: wb.Run) -> dict[str, Any]:
    """Return the record of a cell: as of a recording, but with answers for each language."""
    recording = recording_of(run)
    answered = {
        lang: replace(recording, answered=tuple(_answered(run, *one) for one in questions.items())).as_json()[
            "answered"
        ]
        for lang, questions in QUESTIONS.items()
    }
    return {**recording.as_json(), "answered": answered}


def _answered(run: wb.Run, question: str, kind: str) -> Answered:
    samples = [event for event in run.events.all() if event.kind == "sample" and not event.probe]
    answers = {event.step or 0: event.answer for event in samples if event.question == question}
    return Answered(question, kind, tuple(sorted(answers.items())))


def write(records: list[dict[str, Any]]) -> None:
    """Write the grid."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    grid = {"version": 1, "by": "course/record.py", "base": fingerprint("pocket"), "runs": records}
    TARGET.write_text(
        json.dumps(grid, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8", newline="\n"
    )


def finish(assistant: Path) -> None:
    """Keep the adapter of a quickstart in half the bytes: the answers stay, which a test of lesson 0 holds."""
    import torch
    from safetensors.torch import load_file, save_file

    FINISHED.mkdir(parents=True, exist_ok=True)
    for name in ("README.md", "adapter_config.json", "workbench.json"):
        shutil.copyfile(assistant / "adapter" / name, FINISHED / name)
    weights = load_file(assistant / "adapter" / "adapter_model.safetensors")
    halves = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
    save_file(halves, FINISHED / "adapter_model.safetensors", {"format": "pt"})


def main(arguments: list[str]) -> int:
    """Record all cells, or keep the assistant in the folder that is named; the exit status."""
    if arguments:
        finish(Path(arguments[0]))
        return 0
    records = []
    with TemporaryDirectory() as folder:
        for rate, ratio in product(RATES, RATIOS):
            records.append(record(trained(Path(folder), rate, ratio)))
            ends = {name: points[-1] for name, points in records[-1]["series"].items() if points}
            print(records[-1]["name"], ends, flush=True)
    write(records)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
