"""Examples to tensors, and the loss at the trained tokens. Knows shapes; nothing of text or of optimizers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.models.isolated import attends_flash, attends_isolated, borders, groups_of
from workbench.models.portions import loss_in_portions, portion
from workbench.templates.values import IGNORE_INDEX, Example, Pack

if TYPE_CHECKING:
    import torch

    from workbench.models.eyes import Eyes


# What a batch holds for the loss and for attention that is cut; the rest is the model's.
_OURS = ("labels", "attention_mask", "lengths")


def pad(examples: Sequence[Example | Pack], eyes: Eyes | None = None) -> dict[str, torch.Tensor]:
    """Return a batch padded on the right.

    Padding is told by length, never by a token id, so a pad token that is also the end-of-turn harms nothing.

    Args:
        examples: of one kind.
        eyes: what makes their pictures into numbers; needed where they have some.

    Returns:
        ``input_ids``, ``attention_mask``, ``labels``, each (B, T) int64; for packs ``position_ids`` in place of the
        attention mask, since there the restarts of the positions are what isolates the conversations, and for a single
        pack ``lengths``, the tokens of each of them; and what ``eyes`` give of the pictures, in order.
    """
    import torch

    width = max(len(e.input_ids) for e in examples)

    def rows(values: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
        return torch.tensor([[*v, *[fill] * (width - len(v))] for v in values], dtype=torch.long)

    batch = {
        "input_ids": rows([e.input_ids for e in examples], 0),
        "labels": rows([e.labels for e in examples], IGNORE_INDEX),
    }
    if all(isinstance(e, Pack) for e in examples):
        batch["position_ids"] = rows([e.position_ids for e in examples if isinstance(e, Pack)], 0)
        if len(examples) == 1 and isinstance(examples[0], Pack):
            batch["lengths"] = torch.tensor(examples[0].lengths)
    else:
        batch["attention_mask"] = rows([[1] * len(e.input_ids) for e in examples], 0)
    media = [picture for e in examples for picture in e.media]
    return batch | (eyes.inputs(media, batch["input_ids"]) if media and eyes is not None else {})


def summed_loss(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
    """Return the cross-entropy summed over the trained tokens, and how many these are.

    Logits are computed only where a label stands: of a batch (B, T) with N trained tokens the head sees (N, H), all at
    once or in portions. No mask is given: padding is on the right, where no token looks.

    Args:
        batch: as :func:`pad` makes it.

    Returns:
        (sum in nats, 0-d float32; N)
    """
    import torch

    labels = batch["labels"]
    labelled = torch.zeros_like(labels, dtype=torch.bool)
    labelled[:, :-1] = labels[:, 1:] != IGNORE_INDEX
    targets = labels[:, 1:][labels[:, 1:] != IGNORE_INDEX]
    inner = unwrapped(model)
    head = inner.get_output_embeddings()
    rows = portion(inner, head, len(targets))
    with head_sees(model, labelled, passing=rows > 0):
        scores = model(**_inputs(inner, batch), use_cache=False).logits
    if rows:
        total = loss_in_portions(scores, head.weight, targets, rows)
        return total + _nothing_seen(inner, batch), int(targets.numel())
    if scores.dim() == 3:  # this architecture does not call its head as a module: choose afterwards
        scores = scores[labelled]
    loss = torch.nn.functional.cross_entropy(scores.float(), targets, reduction="sum")
    return loss + _nothing_seen(inner, batch), int(targets.numel())


def _nothing_seen(model: Any, batch: dict[str, torch.Tensor]) -> Any:
    """Zero, by way of the projector where it is trained and the batch shows no picture.

    Processes that train together wait for each other's gradients, and where the parameters are shared out for each
    other's layers: one whose batch is text alone would leave the others waiting without end.
    """
    import torch

    eyes: Eyes | None = getattr(model, "picture_eyes", None)
    if "pixel_values" in batch or eyes is None or not torch.is_grad_enabled():
        return 0.0
    if not any(p.requires_grad for name, p in model.named_parameters() if eyes.parts.projector in name):
        return 0.0
    weight = model.get_input_embeddings().weight
    black = {name: value.to(weight.device) for name, value in eyes.blank().items()}
    black["pixel_values"] = black["pixel_values"].to(weight.dtype)
    seen = model.get_image_features(**black, return_dict=True).pooler_output
    return torch.cat(list(seen)).float().sum() * 0.0


def _inputs(model: Any, batch: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What the model is given of ``batch``."""
    import torch

    ids = batch["input_ids"]
    inputs: dict[str, Any] = {key: value for key, value in batch.items() if key not in _OURS}
    if "lengths" in batch and attends_isolated(model):
        # a mask of ones says that the row is one, so that no mask (T, T) is made of its positions
        inputs |= {"attention_mask": torch.ones_like(ids), "groups": groups_of(batch["lengths"].tolist(), ids.device)}
    elif "lengths" in batch and attends_flash(model):
        inputs |= borders(batch["lengths"].tolist(), ids.device)
    return inputs


def mean_loss(model: Any, examples: Sequence[Example], *, batch_tokens: int | None = None) -> float:
    """Return the mean cross-entropy over all trained tokens of ``examples``, in nats a token; no gradient.

    Args:
        batch_tokens: of a padded batch, at most; None: 4096, and 1024 on a CPU, where padding costs more than calls.
    """
    batch_tokens = batch_tokens or (1024 if model.device.type == "cpu" else 4096)
    total, count = 0.0, 0
    with no_gradient(model):
        for batch in by_length(examples, batch_tokens):
            tensors = {
                key: value.to(model.device) for key, value in pad(batch, getattr(model, "picture_eyes", None)).items()
            }
            loss, n = summed_loss(model, tensors)
            total, count = total + float(loss), count + n
    return total / count if count else float("nan")


def no_gradient(model: Any) -> Any:
    """Return a context without gradients: ``inference_mode``, which is quicker, where it is safe.

    Where DeepSpeed shares the parameters out (ZeRO 3), those fetched in that mode would stay behind as tensors that
    cannot be trained.
    """
    import torch

    shared_out = any(hasattr(p, "ds_id") for p in model.parameters())
    return torch.no_grad() if shared_out else torch.inference_mode()


def by_length(examples: Sequence[Example], batch_tokens: int) -> Iterator[list[Example]]:
    """Yield batches of like length, each at most ``batch_tokens`` when padded (but at least one example)."""
    batch: list[Example] = []
    for example in sorted(examples, key=lambda e: len(e.input_ids)):
        if batch and (len(batch) + 1) * len(example.input_ids) > batch_tokens:
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch


@contextmanager
def head_sees(model: Any, labelled: torch.Tensor, *, passing: bool = False) -> Iterator[None]:
    """Let the output embedding of ``model``, while it lasts, get only the hidden states where ``labelled`` (B, T) is
    true.

    A hook on the head reaches it through whatever wraps the model: PEFT, data parallelism, DeepSpeed.

    Args:
        passing: and gives these back as they are, in place of scores.
    """
    head = unwrapped(model).get_output_embeddings()
    handle = head.register_forward_pre_hook(lambda _, args: (args[0][labelled], *args[1:]))
    override = vars(head).get("forward")
    if passing:
        head.forward = lambda hidden: hidden
    try:
        yield
    finally:
        handle.remove()
        if passing:
            del head.forward
            if override is not None:
                head.forward = override


def unwrapped(model: Any) -> Any:
    """Return ``model`` without what shares its work out: data parallelism, and DeepSpeed, whose ``config`` is not the
    model's, though it lends all else of it."""
    while "module" in model._modules:
        model = model._modules["module"]
    return model
