"""Before a start: whether a training fits into memory, and what to lower. Knows recipes and plans; loads no weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.models.forecast import Forecast, Remedy, Stage, forecast, free_memory, remedies
from workbench.models.work import Work
from workbench.templates.values import IGNORE_INDEX, Example, Places
from workbench.texts import text
from workbench.training.batches import Plan
from workbench.training.settings import Recipe

if TYPE_CHECKING:
    from workbench.training.assemble import Material

PARTS = ("weights", "adapter", "gradients", "optimizer", "activations", "logits", "libraries")
# Of what is free, a training may take so much: the forecast leaves out gaps and the kernels' own workspace.
ROOM = 0.9
# What the libraries raise of an architecture that cannot be played through; it may train all the same.
NO_FORECAST = (RuntimeError, NotImplementedError, AttributeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Hold what a training needs and what there is.

    Args:
        work: the training as far as memory is concerned.
        needed: bytes, by what they are for.
        free: bytes on the device.
        device: its name.
        remedies: what to lower where it does not fit; empty where it does.
    """

    work: Work
    needed: Forecast
    free: int
    device: str
    remedies: tuple[Remedy, ...]

    @property
    def fits(self) -> bool:
        """Tell whether there is room for it."""
        return self.needed.total <= ROOM * self.free

    def sentence(self, lang: str | None = None) -> str:
        """Return one line: how much, of what, and what to lower."""
        return text(f"training.state.{self.key}", lang, **self.values())

    @property
    def key(self) -> str:
        """Return the sentence's key under ``training.state``."""
        return "forecast" if self.fits else "does_not_fit"

    def values(self) -> dict[str, object]:
        """Return what the sentence names."""
        parts = tuple(f"{name} {size(n)}" for name in PARTS if (n := getattr(self.needed, name)))
        fields: dict[str, object] = {
            "total": size(self.needed.total),
            "free": size(self.free),
            "device": self.device,
            "parts": parts,
        }
        lower = "; ".join(f"{', '.join(r.settings)} → {size(r.total)}" for r in self.remedies)
        return fields if self.fits else {**fields, "lower": lower or "–"}


def short_reason(error: Exception) -> str:
    """Return one of :data:`NO_FORECAST` in a few words."""
    return f"{type(error).__name__}: {error}"[:200]


def outlook(recipe: Recipe, widest: tuple[int, int, int] | None = None) -> Outlook:
    """Return what ``recipe`` needs on this machine.

    Args:
        widest: rows, tokens a row and trained tokens of the fullest batch (:func:`widest_batch`); None: what the recipe
            allows, a full batch of ``max_length`` tokens, all trained.

    Raises:
        UnknownName: no such model. Failed: its configuration cannot be read.
    """
    work = work_of(recipe, widest)
    device = _device(recipe)
    stage = Stage()
    needed, free = forecast(work, stage), free_memory(device)
    plain = Outlook(work, needed, free, device, ())
    if plain.fits:
        return plain
    return Outlook(work, needed, free, device, remedies(work, needed.total, stage))


def work_of(recipe: Recipe, widest: tuple[int, int, int] | None = None) -> Work:
    """Return the recipe as far as memory is concerned."""
    import torch

    from workbench.models import configuration
    from workbench.models.isolated import isolates
    from workbench.models.loading import compute_dtype, default_attention
    from workbench.training.execution import held_in, packs, sees

    device = torch.device(_device(recipe))
    attention = default_attention(device)
    if isolates(configuration(recipe.base), attention, packed=packs(recipe)):
        attention = "isolated"
    a, r, mode = recipe.adapter, recipe.runtime, recipe.runtime.deepspeed or ""
    rows, length, trained = widest or (recipe.schedule.per_device_train_batch_size, recipe.data.max_length, None)
    return Work(
        model=recipe.base,
        quantization=recipe.model.quantization,
        method=a.method,
        r=a.r,
        projector=recipe.vision.train_projector,
        tower_r=recipe.vision.tower_lora_r if a.method == "lora" else 0,
        pictures=rows if sees(recipe) else 0,
        target_modules=a.target_modules if isinstance(a.target_modules, str) else tuple(a.target_modules),
        optim=recipe.optimizer.optim,
        rows=rows,
        length=length,
        trained=trained,
        gradient_checkpointing=r.gradient_checkpointing,
        dtype=held_in(recipe) or str(compute_dtype(device)).removeprefix("torch."),
        attention=attention,
        on_gpu=device.type == "cuda",
        processes=r.nproc,
        stage=int(mode[4]) if mode else 0,
        offload=mode.endswith("offload"),
    )


def widest_batch(examples: Sequence[Example], plan: Plan, *, packed: bool) -> tuple[int, int, int]:
    """Return rows, tokens a row and trained tokens of the batch that takes the most memory."""
    lengths = [len(e.input_ids) for e in examples]
    labels = [sum(label != IGNORE_INDEX for label in e.labels[1:]) for e in examples]
    filled = [batch for batch in set(plan.batches) if batch]
    if packed:
        tokens = max(sum(lengths[i] for i in batch) for batch in filled)
        return 1, tokens, max(sum(labels[i] for i in batch) for batch in filled)
    widest = max(filled, key=lambda batch: len(batch) * max(lengths[i] for i in batch))
    return len(widest), max(lengths[i] for i in widest), max(1, sum(labels[i] for i in widest))


def picture_share(inputs: Material) -> list[tuple[str, dict[str, int]]]:
    """Return how much of what is trained with pictures is pictures, as a key of the texts and its values; nothing where
    there are none."""
    shown = [e for e in inputs.prepared.train if e.media]
    places: Places | None = getattr(inputs.tokenizer, "picture_places", None)
    if places is None or not shown:
        return []
    counts = [len(places.ids(picture)) for e in shown for picture in e.media]
    values = {"pictures": len(counts), "places": sum(counts), "tokens": sum(len(e.input_ids) for e in shown)}
    return [("training.state.picture_share", values)]


def size(amount: int) -> str:
    """Return bytes as a person reads them."""
    return f"{amount / 2**30:.1f} GiB" if amount >= 2**30 else f"{amount / 2**20:.0f} MiB"


def _device(recipe: Recipe) -> str:
    from workbench.models import best_device

    return recipe.runtime.device or best_device()
