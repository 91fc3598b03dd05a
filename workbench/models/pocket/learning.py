"""Trains a small Llama on encoded conversations, loss on the answers only.

Knows ids, labels and the optimizer. Must not know facts or wordings.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.models.pocket import induction
from workbench.models.pocket.muon import Muon
from workbench.models.pocket.tokens import IGNORED, Encoded

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM


@dataclass(frozen=True, slots=True)
class Plan:
    """How the pocket model is trained; the defaults build the one that ships."""

    epochs: int = 4
    tokens: int = 2048
    """Tokens of a batch, padding included; its conversations are of like length."""
    accumulate: int = 2
    """Batches of a step. More than one, so that a step sees conversations of several lengths and kinds."""
    matrix_rate: float = 0.02
    other_rate: float = 3e-3
    warmup: float = 0.02
    """Share of the steps over which the rates rise; over the last half they fall to zero."""
    most_steps: int | None = None
    dtype: str = "float32"
    """In what matrices are multiplied; ``bfloat16`` halves the time where the processor has instructions for it."""
    compiled: bool = False
    """Join the small operations of the layers to larger ones first: a quarter less time. Needs a C++ compiler."""
    width: int = 256
    layers: int = 4
    heads: int = 4
    inner: int = 704


def new_model(plan: Plan, vocabulary: int, end: int, pad: int, seed: int) -> LlamaForCausalLM:
    """A Llama with tied embeddings, in float32, that can copy and nothing else."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        attn_implementation="eager",
        vocab_size=vocabulary,
        hidden_size=plan.width,
        intermediate_size=plan.inner,
        num_hidden_layers=plan.layers,
        num_attention_heads=plan.heads,
        num_key_value_heads=plan.heads,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )
    model = LlamaForCausalLM(config)
    induction.write(model, seed)
    return model


def batches(examples: Sequence[Encoded], tokens: int, rng: random.Random) -> list[list[Encoded]]:
    """Batches of examples of like length, each at most ``tokens`` with padding, shuffled.

    Sorting happens within shuffled pools, so that batches differ from epoch to epoch.
    """
    order = list(examples)
    rng.shuffle(order)
    made: list[list[Encoded]] = []
    for start in range(0, len(order), 8192):
        batch: list[Encoded] = []
        for example in sorted(order[start : start + 8192], key=lambda e: len(e.ids)):
            if batch and (len(batch) + 1) * len(example.ids) > tokens:
                made.append(batch)
                batch = []
            batch.append(example)
        made.append(batch)
    rng.shuffle(made)
    return made


def steps_of(batches: Sequence[list[Encoded]], plan: Plan) -> list[Sequence[list[Encoded]]]:
    """The batches that each optimizer step adds up."""
    return [batches[at : at + plan.accumulate] for at in range(0, len(batches), plan.accumulate)]


def loss_of(model: LlamaForCausalLM, batch: Sequence[Encoded], pad: int) -> torch.Tensor:
    """Summed cross-entropy over the trained tokens; what comes after the last attention is computed only for those.

    Padding is on the right and attention causal, so padding needs no mask.
    """
    import torch

    length = max(len(example.ids) for example in batch)
    ids = torch.tensor([[*e.ids, *[pad] * (length - len(e.ids))] for e in batch])
    labels = torch.tensor([[*e.labels, *[IGNORED] * (length - len(e.ids))] for e in batch])
    target = labels[:, 1:]
    trained = target != IGNORED
    inner, (*layers, last) = model.model, model.model.layers
    hidden = inner.embed_tokens(ids)
    settings = {
        "attention_mask": later_masked(length),
        "position_embeddings": inner.rotary_emb(hidden, torch.arange(length)[None]),
    }
    for layer in layers:
        hidden = layer(hidden, **settings)
    attended, _ = last.self_attn(last.input_layernorm(hidden), **settings)
    hidden = (hidden + attended)[:, :-1][trained]
    hidden = hidden + last.mlp(last.post_attention_layernorm(hidden))
    logits = model.lm_head(inner.norm(hidden))
    return torch.nn.functional.cross_entropy(logits, target[trained], reduction="sum")


@cache
def later_masked(length: int) -> torch.Tensor:
    """Return the mask ``(1, 1, length, length)`` that is added to the scores: 0, or -inf for what comes later.

    At these lengths the plain products with a mask are quicker on a CPU than torch's fused attention.
    """
    import torch

    return torch.full((length, length), float("-inf")).triu(1)[None, None]


def compile_layers(model: LlamaForCausalLM) -> None:
    """Compile the layers in place, for batches of any shape.

    The last one is compiled by its parts: :func:`loss_of` runs its second half on the trained tokens alone.
    """
    *layers, last = model.model.layers
    for module in (*layers, last.self_attn, last.mlp):
        module.compile(dynamic=True)


def trained_tokens(batch: Sequence[Encoded]) -> int:
    """How many tokens of a batch carry a label."""
    return sum(label != IGNORED for example in batch for label in example.labels)


def rate_at(step: int, steps: int, warmup: float) -> float:
    """Share of the full rate at a step: rising, level, then falling over the last half."""
    rise = max(1, round(warmup * steps))
    return min(1.0, (step + 1) / rise, (steps - step) / (steps / 2))


def train(
    model: LlamaForCausalLM,
    epochs: Sequence[Sequence[Encoded]],
    plan: Plan,
    pad: int,
    rng: random.Random,
    report: Callable[[int, int, float], None],
    state: State | None = None,
) -> int:
    """Train in place and return the number of steps; ``report(step, steps, loss)`` each step.

    Args:
        state: where the training is kept every so many steps, and from where it goes on.
    """
    import torch

    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    half = torch.bfloat16 if plan.dtype == "bfloat16" else torch.float32
    muon = Muon(matrices, dtype=half)
    if plan.compiled:
        compile_layers(model)
    adam = torch.optim.AdamW(others, lr=plan.other_rate, betas=(0.9, 0.95), weight_decay=0.0)
    work = [step for epoch in epochs for step in steps_of(batches(epoch, plan.tokens, rng), plan)]
    work = work[: plan.most_steps]
    model.train()
    first = state.load(model, adam, muon) if state else 0
    for number, step in enumerate(work[first:], first):
        model.zero_grad(set_to_none=True)
        total, loss = sum(map(trained_tokens, step)), 0.0
        for batch in step:
            with torch.autocast("cpu", half, enabled=plan.dtype == "bfloat16"):
                part = loss_of(model, batch, pad).float() / total
            part.backward()  # type: ignore[no-untyped-call]
            loss += part.item()
        share = rate_at(number, len(work), plan.warmup)
        adam.param_groups[0]["lr"] = plan.other_rate * share
        adam.step()
        muon.step(plan.matrix_rate * share)
        if state:
            state.save(model, adam, muon, number + 1)
        report(number + 1, len(work), loss)
    return len(work)


@dataclass(frozen=True, slots=True)
class State:
    """A training on the disk: weights, moments and the step, in safetensors.

    Args:
        path: the file; it is replaced as a whole.
        every: steps between two writings.
    """

    path: Path
    every: int = 100

    def save(self, model: LlamaForCausalLM, adam: torch.optim.AdamW, muon: Muon, step: int) -> None:
        """Write the state after ``step``, where it is one of those to be kept."""
        from safetensors.torch import save_file

        if step % self.every:
            return
        tensors = {f"model.{name}": p.detach() for name, p in model.named_parameters()}
        tensors |= {f"muon.{number}": moment for number, moment in enumerate(muon.moments)}
        for number, parameter in enumerate(adam.param_groups[0]["params"]):
            tensors |= {f"adam.{number}.{name}": value for name, value in adam.state[parameter].items()}
        part = self.path.with_suffix(".part")
        save_file(tensors, part, {"step": str(step)})
        part.replace(self.path)

    def load(self, model: LlamaForCausalLM, adam: torch.optim.AdamW, muon: Muon) -> int:
        """Put back what was written, and return after which step; 0 where there is nothing."""
        import torch
        from safetensors import safe_open

        if not self.path.exists():
            return 0
        with safe_open(self.path, "pt") as file, torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(file.get_tensor(f"model.{name}"))
            for number, moment in enumerate(muon.moments):
                moment.copy_(file.get_tensor(f"muon.{number}"))
            for number, parameter in enumerate(adam.param_groups[0]["params"]):
                names = [name for name in file.keys() if name.startswith(f"adam.{number}.")]  # noqa: SIM118
                adam.state[parameter] = {name.split(".")[-1]: file.get_tensor(name) for name in names}
            return int(file.metadata()["step"])
