"""Asks a pocket model the held-out questions and counts exact answers, by kind and language.

Knows generation in batches. Must not know how the model was trained.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.models.pocket import WEIGHTS, corpus, tokens
from workbench.models.pocket.corpus import Sample

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

SUMS = "sums"


def load(folder: Path) -> LlamaForCausalLM:
    """The saved model in float32, ready to answer."""
    import torch
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def answers(
    model: LlamaForCausalLM,
    encoder: tokens.Encoder,
    prompts: Sequence[Sequence[tuple[str, str]]],
    *,
    batch: int = 48,
    most: int = 90,
) -> list[str]:
    """The greedy answer to each prompt, a whole conversation up to the user's last turn.

    Prompts of like length go together, padded on the left, with a key-value cache.
    """
    ids = [encoder.prompt(turns) for turns in prompts]
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
    said = [""] * len(ids)
    for start in range(0, len(order), batch):
        places = order[start : start + batch]
        for place, answer in zip(places, _answer(model, encoder, [ids[p] for p in places], most), strict=True):
            said[place] = answer
    return said


def _answer(model: LlamaForCausalLM, encoder: tokens.Encoder, ids: Sequence[Sequence[int]], most: int) -> list[str]:
    import torch

    length, pad = max(map(len, ids)), encoder.pad
    rows = [[*[pad] * (length - len(row)), *row] for row in ids]
    mask = [[*[0] * (length - len(row)), *[1] * len(row)] for row in ids]
    with torch.inference_mode():
        made = model.generate(
            input_ids=torch.tensor(rows),
            attention_mask=torch.tensor(mask),
            max_new_tokens=most,
            do_sample=False,
            eos_token_id=encoder.end,
            pad_token_id=pad,
        )
    return [encoder.decode(row[length:].tolist()) for row in made]


def score(samples: Sequence[Sample], said: Sequence[str]) -> dict[str, dict[str, float]]:
    """Share of exact answers: language -> kind -> score; the kind ``all`` is over all questions."""
    right: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for sample, answer in zip(samples, said, strict=True):
        for kind in (sample.kind, "all"):
            right[sample.lang, kind].append(answer == sample.answer)
    table: dict[str, dict[str, float]] = {lang: {} for lang, _ in sorted(right)}
    for (lang, kind), hits in sorted(right.items()):
        table[lang][kind] = round(sum(hits) / len(hits), 4)
    return table


def held_out(folder: Path, seed: int = 0) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Scores of the saved weights on the held-out questions, and a line for each wrong answer."""
    samples = corpus.held_out_samples(seed)
    encoder = tokens.Encoder(tokens.load(folder))
    said = answers(load(folder), encoder, [sample.turns[:-1] for sample in samples])
    wrong = [
        f"{sample.entry} {sample.lang} | {' / '.join(t for _, t in sample.turns[:-1])} | {answer} | {sample.answer}"
        for sample, answer in zip(samples, said, strict=True)
        if answer != sample.answer
    ]
    return score(samples, said), wrong


def show(measure: Callable[[Path], tuple[Any, list[str]]], arguments: Sequence[str]) -> int:
    """Print what ``measure`` says of the weights in a folder, the shipped ones by default, and the wrong answers."""
    from rich.console import Console

    console = Console()
    table, wrong = measure(Path(arguments[0]) if arguments else WEIGHTS)
    console.print(table)
    console.print("\n".join(wrong), markup=False, highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(show(held_out, sys.argv[1:]))
