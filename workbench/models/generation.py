"""Token ids in, token ids out. Knows nothing of text, templates or conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.models.batches import no_gradient
from workbench.models.quick_answers import GOING, quick_answers

if TYPE_CHECKING:
    import torch

    from workbench.models.loading import Loaded


def generate(
    loaded: Loaded,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int = 64,
    stop_ids: Sequence[int] = (),
    do_sample: bool = False,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    batch_size: int | None = None,
) -> list[list[int]]:
    """Return answers to ``prompts``, in their order, without the stop token.

    Prompts of like length go into one batch; a small Llama on a CPU takes a quicker way to the same greedy answers.
    The random state of the process is left as it was.

    Args:
        prompts: token ids, none empty; with their pictures where they are :class:`~workbench.templates.values.Prompt`.
        max_new_tokens: per answer.
        stop_ids: generation ends at any of these.
        do_sample: draw from the distribution (``temperature``, ``top_p``, ``seed``) instead of taking the likeliest.
        batch_size: prompts at once; if not given 128 on a CPU, and 64 elsewhere, where memory is scarcer.
    """
    import torch

    batch_size = batch_size or (128 if loaded.device.type == "cpu" else 64)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers: list[list[int]] = [[] for _ in prompts]
    choose = chooser(do_sample=do_sample, temperature=temperature, top_p=top_p)
    with _answering(loaded.model, seed):
        quick = None if do_sample else quick_answers(loaded.model)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            batch, limits = [prompts[i] for i in rows], (max_new_tokens, stop_ids)
            if quick:
                continued = quick(batch, *limits, seen_in(loaded, batch, torch.empty(0)))
            else:
                continued = _batch(loaded, batch, *limits, choose)
            for row, answer in zip(rows, continued, strict=True):
                answers[row] = answer
    return answers


def stream(
    loaded: Loaded,
    prompt: Sequence[int],
    *,
    max_new_tokens: int = 256,
    stop_ids: Sequence[int] = (),
    do_sample: bool = False,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
    repetition_penalty: float = 1.0,
) -> Iterator[int]:
    """Yield the answer to ``prompt``, a token id at a time, without the stop token.

    Args:
        repetition_penalty: above 1, tokens that stand in prompt or answer already become less likely (Keskar et al.
            2019, CTRL, section 4.1).
    """
    import torch
    from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

    choose = chooser(do_sample=do_sample, temperature=temperature, top_p=top_p, top_k=top_k)
    generator = torch.Generator(device=loaded.device).manual_seed(seed)
    ids = torch.tensor([list(prompt)], device=loaded.device)
    past, stops = None, set(stop_ids)
    seen_pictures = seen_in(loaded, [prompt], ids)
    positions = counted(loaded, ids, torch.ones_like(ids), seen_pictures)
    penalty = RepetitionPenaltyLogitsProcessor(repetition_penalty) if repetition_penalty != 1 else None
    seen = ids
    for _ in range(max_new_tokens):
        with torch.inference_mode():
            placed = {} if positions is None else {"position_ids": positions}
            out = loaded.model(
                input_ids=ids, past_key_values=past, use_cache=True, logits_to_keep=1, **placed, **seen_pictures
            )
            logits = out.logits[:, -1].float()
            token = int(choose(penalty(seen, logits) if penalty else logits, generator)[0])
        if token in stops:
            return
        yield token
        past, ids, seen_pictures = out.past_key_values, torch.tensor([[token]], device=loaded.device), {}
        positions = None if positions is None else positions[..., -1:] + 1
        seen = torch.cat([seen, ids], 1) if penalty else seen


def seen_in(loaded: Loaded, prompts: Sequence[Sequence[int]], ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what the model is given of the pictures of ``prompts``, in their order; nothing where there are none.

    Args:
        ids: (B, T) the prompts.
    """
    media = [picture for prompt in prompts for picture in getattr(prompt, "media", ())]
    eyes = loaded.eyes
    inputs = eyes.inputs(media, ids) if media and eyes is not None else {}
    return {name: value.to(loaded.device) for name, value in inputs.items()}


def counted(
    loaded: Loaded, ids: torch.Tensor, mask: torch.Tensor, pictures: dict[str, torch.Tensor]
) -> torch.Tensor | None:
    """Return the positions of prompts (B, T), where the model counts them in a way of its own; else None."""
    eyes = loaded.eyes
    return None if eyes is None else eyes.positions(loaded.model, ids, mask, pictures)


def chooser(
    *, do_sample: bool, temperature: float = 1.0, top_p: float = 1.0, top_k: int = 0
) -> Callable[[torch.Tensor, Any], torch.Tensor]:
    """Tell how the next token is chosen from logits (B, V): the likeliest, or drawn after temperature, top-k and
    top-p."""
    import torch
    from transformers.generation.logits_process import (
        LogitsProcessorList,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    if not do_sample or temperature <= 0:
        return lambda logits, _: logits.argmax(-1)
    warp = LogitsProcessorList([TemperatureLogitsWarper(float(temperature))])
    if top_k > 0:
        warp.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        warp.append(TopPLogitsWarper(top_p))

    def draw(logits: torch.Tensor, generator: Any) -> torch.Tensor:
        shares = torch.softmax(warp(None, logits), -1)
        return torch.multinomial(shares, 1, generator=generator).squeeze(-1)

    return draw


def _batch(
    loaded: Loaded,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    stop_ids: Sequence[int],
    choose: Callable[[torch.Tensor, Any], torch.Tensor],
) -> list[list[int]]:
    import torch

    width = max(len(p) for p in prompts)
    device = loaded.device
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    ids, mask = ids.to(device), mask.to(device)
    pictures = seen_in(loaded, prompts, ids)
    positions = counted(loaded, ids, mask, pictures)
    if positions is None:
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
    stops = set(stop_ids)
    answers: list[list[int]] = [[] for _ in prompts]
    rows, past = list(range(len(prompts))), None  # rows: of which prompt is each row of the batch
    ended = [False] * len(prompts)
    for _ in range(max_new_tokens):
        out = loaded.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=past,
            use_cache=True,
            logits_to_keep=1,
            **pictures,
        )
        pictures = {}  # they are in the cache
        token = choose(out.logits[:, -1].float(), None)
        for row, chosen in zip(rows, token.tolist(), strict=True):
            ended[row] = ended[row] or chosen in stops
            if not ended[row]:
                answers[row].append(chosen)
        going = [position for position, row in enumerate(rows) if not ended[row]]
        if not going:
            break
        past, ids = out.past_key_values, token[:, None]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], 1)
        positions = positions[..., -1:] + 1
        if len(going) <= GOING * len(rows) and _can_shrink(past):
            rows, index = [rows[position] for position in going], torch.tensor(going, device=device)
            past.batch_select_indices(index)
            ids, mask, positions = ids[index], mask[index], positions[..., index, :]
    return answers


def _can_shrink(past: Any) -> bool:
    """Whether rows can be taken out of the cache: not of every architecture's."""
    return all(hasattr(layer, "batch_select_indices") for layer in getattr(past, "layers", [None]))


@contextmanager
def _answering(model: Any, seed: int) -> Iterator[None]:
    """``eval`` mode, no gradient, a random state of its own; all restored afterwards."""
    import torch

    was_training = model.training
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), no_gradient(model):
        torch.manual_seed(seed)
        model.eval()
        try:
            yield
        finally:
            model.train(was_training)
