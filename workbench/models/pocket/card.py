"""The model card: its text stands in ``datasets/pocket/card.md``, its figures come from the evaluation.

Knows how a card is filled in. Must not know how the figures were measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.models.pocket import facts


def table(scores: dict[str, dict[str, float]]) -> str:
    """A Markdown table of the share of right answers: a line a kind, a column a language."""
    kinds = sorted({kind for of in scores.values() for kind in of} - {"all"})
    lines = ["| kind | " + " | ".join(scores) + " |", "|---" * (len(scores) + 1) + "|"]
    for kind in ["all", *kinds]:
        cells = [f"{of[kind]:.1%}" if kind in of else "–" for of in scores.values()]
        name = f"**{kind}**" if kind == "all" else kind.replace("_", " ")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def conversing_table(measures: dict[str, dict[str, Any]]) -> str:
    """Return a Markdown table of the measures of conversation: a line each, a column a language."""
    lines = ["| measure | " + " | ".join(measures) + " |", "|---" * (len(measures) + 1) + "|"]
    rows = {lang: dict(_rows(of)) for lang, of in measures.items()}
    names = next(iter(rows.values()))
    lines += [f"| {name} | " + " | ".join(f"{of[name]:.0%}" for of in rows.values()) + " |" for name in names]
    return "\n".join(lines)


def _rows(of: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in of.items():
        numbered = dict(enumerate(value, 1)) if isinstance(value, list) else value
        for key, share in numbered.items() if isinstance(numbered, dict) else [("", numbered)]:
            yield f"{name} {key}".replace("_", " ").strip(), share


def write(folder: Path) -> None:
    """Writes ``README.md`` from the ``config.json`` and ``evaluation.json`` of a folder."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    result = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    values: dict[str, Any] = {
        "layers": config["num_hidden_layers"],
        "width": config["hidden_size"],
        "heads": config["num_attention_heads"],
        "inner": config["intermediate_size"],
        "context": config["max_position_embeddings"],
        "vocabulary": config["vocab_size"],
        "parameters": f"{result['parameters']:,}",
        "megabytes": f"{(folder / 'model.safetensors').stat().st_size / 1e6:.1f}",
        "first": round(result["seconds"]["first"] / 60),
        "second": round(sum(spent for name, spent in result["seconds"].items() if name != "first") / 60),
        "conversations": f"{result['conversations']:,}",
        "conversing": conversing_table(result["conversing"]),
        "questions": f"{result['questions']:,}",
        "steps": f"{result['steps']:,}",
        "seed": result["seed"],
        "table": table(result["held_out"]),
    }
    calls = [of["calls"] for of in result["conversing"].values()]
    for name, measure in (("formed", "well_formed"), ("tool", "tool"), ("exact", "exact")):
        values[name] = f"{min(of[measure] for of in calls):.0%}"
    text = (facts.folder() / "card.md").read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    (folder / "README.md").write_text(text, encoding="utf-8")
