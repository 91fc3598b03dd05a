"""Builds the pocket model from the tables: ``python -m workbench.models.pocket.build``.

Knows the order of the work. Must not know how any part of it is done.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.models.pocket import WEIGHTS, about_itself, card, evaluate, learning, phrasing, talking, tokens
from workbench.models.pocket import conversing as conversing_measures
from workbench.models.pocket.corpus import Corpus, Sample, held_out_samples
from workbench.models.pocket.learning import Plan
from workbench.models.pocket.parts import BATCHES, PARTS, WARMUP, Part
from workbench.models.pocket.tokens import Encoded, Encoder

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM

COPIES = 5000
"""Documents an epoch that copy random tokens, so that each can be read and written."""
CARRIERS = (
    *((ask, "", "", "") for ask in ("Repeat: ", "Say: ", "repeat ", "重复：", "说：")),
    ("My name is ", ".", "Hello, ", "!"),
    ("I am ", ".", "Hello, ", "!"),
    ("我叫", "。", "你好，", "！"),
    ("我是", "。", "你好，", "！"),
)
"""What stands before and after the tokens to copy, in the question and in the answer."""
FIRST_COPIES = 4000
"""Documents of the same sort before the first epoch: what is to be copied must first be found in the question."""

ABOUT_ITSELF = 3500
"""Questions an epoch that ask, in the wordings of the identity bank, who it is."""
AGAIN, WEAK, ITSELF_AGAIN, COPIES_AGAIN = 14_000, 900, 1000, 2000
"""Of the last part: conversations of all kinds, of each kind in :data:`CONFUSED`, questions about itself, copies."""
CONFUSED = ("repeat", "names", "unknown", "greeting", "politeness", "feelings", "captions")
SLOWER = 0.08
"""The rates of the end of the first part, as a share of its beginning's."""
COUNT = 200
"""Conversations of each measure, language and setting: a share near 0.95 is known to within three hundredths."""


def trainable(samples: Sequence[Sample], held: Sequence[Sample]) -> list[Sample]:
    """The samples whose question is none of the held-out ones."""
    kept_apart = {(s.entry, s.lang, phrasing.normalised(s.question)) for s in held}
    return [
        sample
        for sample in samples
        if sample.entry.startswith(("manner/", "follow_up/"))
        or (sample.entry, sample.lang, phrasing.normalised(sample.question)) not in kept_apart
    ]


def copies(encoder: Encoder, rng: random.Random, count: int, most: int = 12) -> list[Encoded]:
    """Conversations that repeat random tokens of the whole vocabulary, control tokens apart.

    Without them, rows of the embedding that no fact uses become twins of each other, and no
    adapter can later tell a name made of such tokens from another. Some tokens stand twice or
    more in a row, so that it learns how often to write them.
    """
    never = {encoder.start, encoder.end, encoder.pad}
    ids = [n for n in range(encoder.size) if n not in never]
    carriers = [[encoder.text(part) for part in carrier] for carrier in CARRIERS]
    made = []
    for _ in range(count):
        body = [rng.choice(ids) for _ in range(rng.randint(1, most))]
        body = [token for token in body for _ in range(rng.choice((1, 1, 1, 1, 1, 1, 1, 1, 2, 3)))]
        before, after, opening, closing = rng.choice(carriers)
        turns = [("user", before + body + after), ("assistant", opening + body + closing)]
        made.append(encoder.conversation(turns))
    return made


def corpora(plan: Plan, held: Sequence[Sample], seed: int) -> list[list[Sample]]:
    """The samples of every epoch."""
    return [trainable(Corpus(random.Random(f"{seed}-{epoch}")).epoch(), held) for epoch in range(plan.epochs)]


def unasked(samples: Sequence[Sample], held: Sequence[Sample]) -> list[Sample]:
    """The samples whose question is none of the held-out ones, of whatever entry."""
    kept_apart = {(s.lang, phrasing.normalised(s.question)) for s in held}
    return [s for s in samples if (s.lang, phrasing.normalised(s.question)) not in kept_apart]


def asked(encoder: Encoder, held: Sequence[Sample], seed: int, count: int = ABOUT_ITSELF) -> list[Encoded]:
    """Questions about itself, drawn by ``seed``; only the last answer is the pocket model's own and trained."""
    samples = unasked(about_itself.samples(count, seed), held)
    return [encoder.last_answer(sample.turns) for sample in samples]


def rounded(model: LlamaForCausalLM) -> None:
    """Rounds the weights in place to what a bf16 file holds of them."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(torch.bfloat16))


def once_more(encoder: Encoder, held: Sequence[Sample], seed: int, share: float = 1.0) -> list[Encoded]:
    """What the last part of the training repeats: some of everything, and more of what is confused longest.

    Args:
        share: of the conversations; less than 1 for a trial.
    """
    rng = random.Random(f"{seed}-last")
    drawn = trainable(Corpus(rng).epoch(), held)
    at = round(share * AGAIN)
    again, left = drawn[:at], drawn[at:]
    for kind in CONFUSED:
        again += [sample for sample in left if sample.kind == kind][: round(share * WEAK)]
    samples = [encoder.conversation(sample.turns) for sample in again]
    itself = asked(encoder, held, 100 * seed + 99, max(1, round(share * ITSELF_AGAIN)))
    return samples + itself + copies(encoder, rng, round(share * COPIES_AGAIN))


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes the model rounded to bf16, its tokenizer and its generation settings."""
    import torch
    from transformers import GenerationConfig

    encoder = Encoder(tokenizer)
    model.generation_config = GenerationConfig(
        eos_token_id=[encoder.end], pad_token_id=encoder.pad, do_sample=False, max_new_tokens=128
    )
    model.to(torch.bfloat16).save_pretrained(folder)
    tokens.save(tokenizer, folder)


def knowing(encoder: Encoder, held: Sequence[Sample], samples: Sequence[Sequence[Sample]], job: Job) -> int:
    """Train the first part, single questions, in place; returns the number of steps."""
    rng = random.Random(f"{job.seed}-batches")
    epochs = [
        [encoder.conversation(sample.turns) for sample in epoch] + asked(encoder, held, 100 * job.seed + number)
        for number, epoch in enumerate(samples)
    ]
    epochs = [epoch + copies(encoder, rng, COPIES) for epoch in epochs]
    epochs.insert(0, copies(encoder, rng, FIRST_COPIES if job.plan.most_steps is None else 50, most=24))
    steps = learning.train(job.model, epochs, job.plan, encoder.pad, rng, job.report, job.state("knowing"))
    rounded(job.model)
    last = once_more(encoder, held, job.seed, 1.0 if job.plan.most_steps is None else 0.01)
    slower = scaled(job.plan, SLOWER)
    chance = random.Random(f"{job.seed}-steadied")
    return steps + learning.train(job.model, [last], slower, encoder.pad, chance, job.report, job.state("steadied"))


def conversing(part: Part, encoder: Encoder, held: Sequence[Sample], job: Job) -> tuple[int, int]:
    """Train one of the later parts in place; returns the numbers of conversations and steps."""
    rng = random.Random(f"{job.seed}-{part.name}")
    whole = job.plan.most_steps is None
    tokens_wanted = part.tokens if whole else 20_000
    singles_wanted = part.single * tokens_wanted
    single = trainable(talking.epochs_of_singles(rng, part.epochs if whole else 1), held)
    itself = [sample for sample in single if sample.kind == "identity"]
    confused = [sample for sample in single if sample.kind in part.kinds]
    examples = talking.talks(encoder, held, rng, round(tokens_wanted - singles_wanted), part.shares)
    for samples, share in zip((itself, confused, single), part.division, strict=True):
        examples += talking.singles(encoder, samples, round(share * singles_wanted))
    few = max(1, round(0.1 * singles_wanted / 30))
    examples += asked(encoder, held, 100 * job.seed + part.seed, part.itself * few) + copies(encoder, rng, few)
    plan = replace(scaled(job.plan, part.rate), accumulate=BATCHES, warmup=WARMUP)
    steps = learning.train(job.model, [examples], plan, encoder.pad, rng, job.report, job.state(part.name))
    return len(examples), steps


def scaled(plan: Plan, share: float) -> Plan:
    """Return a plan with both rates multiplied by ``share``."""
    return replace(plan, matrix_rate=share * plan.matrix_rate, other_rate=share * plan.other_rate)


@dataclass(frozen=True, slots=True)
class Job:
    """A build under way.

    Args:
        keep: folder of what is kept, so that an interrupted build goes on; None keeps nothing.
    """

    model: LlamaForCausalLM
    plan: Plan
    seed: int
    report: Callable[[int, int, float], None]
    keep: Path | None = None

    def state(self, part: str) -> learning.State | None:
        """Return where a part of the training is kept."""
        return learning.State(self.keep / f"{part}.safetensors") if self.keep else None


def build(
    folder: Path, seed: int, plan: Plan, report: Callable[[int, int, float], None], keep: Path | None = None
) -> dict[str, Any]:
    """Train, save and evaluate; returns what it writes into ``evaluation.json``.

    Args:
        keep: folder of what is kept, so that an interrupted build goes on: after a finished part (``first/``,
            ``second/`` …), and within one.
    """
    held = held_out_samples(seed)
    made = _begun(keep) or _first(held, plan, seed, report, keep)
    job, encoder, result = Job(made.model, plan, seed, report, keep), Encoder(made.tokenizer), dict(made.result)
    for name, part in PARTS.items():
        if name in result["seconds"]:
            continue
        began = time.perf_counter()
        count, steps = conversing(part, encoder, held, job)
        rounded(job.model)
        result["conversations"] = result.get("conversations", 0) + count
        result["steps"] += steps
        result["seconds"] = result["seconds"] | {name: round(time.perf_counter() - began)}
        _keep(keep, name, Stage(job.model, made.tokenizer, result))
    save(job.model, made.tokenizer, folder)
    result |= {"seed": seed, "parameters": sum(p.numel() for p in job.model.parameters())}
    return evaluated(folder, seed, result, count=COUNT if plan.most_steps is None else 1)


@dataclass(frozen=True, slots=True)
class Stage:
    """A build after one of its parts, and what is told of it so far."""

    model: LlamaForCausalLM
    tokenizer: Tokenizer
    result: dict[str, Any]


def _first(
    held: Sequence[Sample], plan: Plan, seed: int, report: Callable[[int, int, float], None], keep: Path | None
) -> Stage:
    """Train the tokenizer and the first part."""
    began = time.perf_counter()
    samples = corpora(plan, held, seed)
    tokenizer = tokens.train(f"{role}\n{text}" for sample in samples[0] for role, text in sample.turns)
    encoder = Encoder(tokenizer)
    model = learning.new_model(plan, encoder.size, encoder.end, encoder.pad, seed)
    steps = knowing(encoder, held, samples, Job(model, plan, seed, report, keep))
    rounded(model)
    questions = sum(map(len, samples))
    stage = Stage(
        model,
        tokenizer,
        {"questions": questions, "steps": steps, "seconds": {"first": round(time.perf_counter() - began)}},
    )
    _keep(keep, "first", stage)
    return stage


def _keep(keep: Path | None, name: str, stage: Stage) -> None:
    """Write a stage into a folder of its own, so that a build goes on from there; the model stays in float32."""
    if keep is None:
        return
    save(stage.model, stage.tokenizer, keep / name)
    (keep / name / "stage.json").write_text(json.dumps(stage.result), encoding="utf-8")
    stage.model.float()


def _begun(keep: Path | None) -> Stage | None:
    """Return the last finished stage that ``keep`` holds."""
    for name in (*reversed(PARTS), "first"):
        folder = (keep or Path()) / name
        if keep and (folder / "stage.json").exists():
            model = evaluate.load(folder)
            model.set_attn_implementation("eager")  # as in training from the beginning
            return Stage(model, tokens.load(folder), json.loads((folder / "stage.json").read_text(encoding="utf-8")))
    return None


def evaluated(folder: Path, seed: int, result: dict[str, Any], *, count: int = COUNT) -> dict[str, Any]:
    """Measure saved weights, and write what is measured, and the model card, beside them."""
    result = result | {
        "held_out": evaluate.held_out(folder, seed)[0],
        "conversing": conversing_measures.measured(folder, seed, count)[0],
    }
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    (folder / "evaluation.json").write_text(text, encoding="utf-8")
    card.write(folder)
    return result


def main(arguments: Sequence[str]) -> int:
    """Reads the command line and builds with a progress bar."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    parser = argparse.ArgumentParser(prog="python -m workbench.models.pocket.build")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=Plan().epochs)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", action="store_true", help="a quarter less time, where a C++ compiler is")
    parser.add_argument("--keep", type=Path, help="folder from which an interrupted build goes on")
    given = parser.parse_args(arguments)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("pocket", total=None)

        def report(step: int, steps: int, loss: float) -> None:
            progress.update(bar, completed=step, total=steps, description=f"loss {loss:.3f}")
            if progress.disable and step % 50 == 0:
                print(f"step {step}/{steps} loss {loss:.4f} {time.strftime('%H:%M:%S')}", flush=True)

        plan = Plan(epochs=given.epochs, dtype=given.dtype, compiled=given.compile)
        result = build(given.out, given.seed, plan, report, given.keep)
    print(json.dumps(result, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
