"""Which models there are to talk with. Knows runs and folders; loads none."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.models.notes import MARK, part, read_note
from workbench.runs import Run, is_run

if TYPE_CHECKING:
    from workbench.chat import Assistant
    from workbench.runs import Best

Stamp = tuple[int, ...]  # when a model's folders were made


@dataclass(frozen=True, slots=True)
class Model:
    """Hold a model to talk with, not yet loaded.

    Args:
        model: ``pocket``, a folder, or a hub id.
        adapter: a folder in PEFT's format to put on it; empty for none.
        template: a named template; None for the one it was trained with, else the tokenizer's own.
    """

    model: str
    adapter: str = ""
    template: str | None = None


def models_of(run: Run) -> dict[str, Model]:
    """Return what there is to talk with of a run: ``base``, ``best``, ``step N`` for each checkpoint, and ``merged``,
    unless the training has gone on since and has a better checkpoint."""
    recipe = readable_recipe(run)
    base = recipe.base if recipe else str(run.manifest().get("base") or "pocket")
    template = recipe.model.template if recipe else None

    def of(folder: Path) -> Model:
        is_model = (folder / "config.json").is_file()  # of full fine-tuning: a model, no adapter
        return Model(str(folder), "", template) if is_model else Model(base, str(folder), template)

    models = {"base": Model(base, "", template)}
    best = run.best()
    if best:
        models["best"] = of(best.path)
    for checkpoint in run.checkpoints():
        models[f"step {checkpoint.step}"] = of(checkpoint.path)
    merged = run.path / "merged"
    if (merged / MARK).is_file() and not (best and _outdone(merged, best)):
        models["merged"] = Model(str(merged))
    return models


def _outdone(merged: Path, best: Best) -> bool:
    """Whether the best checkpoint is another than the merged one, and came after it. One that was there already was
    passed over on purpose."""
    step = part(read_note(merged), "run").get("step")
    another = step is not None and step != best.step
    return another and best.path.stat().st_mtime_ns > (merged / MARK).stat().st_mtime_ns


def as_model(value: Any) -> Model | Assistant:
    """Take a model, an assistant, a run's folder or a name as something to talk with."""
    if isinstance(value, Model) or hasattr(value, "stream"):
        return value  # type: ignore[no-any-return]
    folder = Path(str(value)).expanduser()
    if is_run(folder):
        best = models_of(Run(folder))
        return best.get("merged") or best.get("best") or best["base"]
    return Model(str(value))


def first_shown(labels: list[str]) -> tuple[str, ...]:
    """Choose before and after: the base and the best, or the merged model; else the first two."""
    after = next((label for label in ("merged", "best") if label in labels), None)
    return ("base", after) if after and "base" in labels else tuple(labels[:3])


def stamp(model: Model | Assistant) -> Stamp:
    """Tell when a model's folders were made: who merges twice, here or elsewhere, merges to the same place."""
    times: list[int] = []
    for folder in filter(None, (model.model, model.adapter)) if isinstance(model, Model) else ():
        with suppress(OSError, ValueError):  # a name, or a folder made elsewhere
            times.append((Path(folder).expanduser() / MARK).stat().st_mtime_ns)
    return tuple(times)


def readable_recipe(run: Run) -> Any:
    """Read a run's recipe; None where a recording comes without it."""
    from workbench.errors import WorkbenchError
    from workbench.training.recipe import recipe_of

    try:
        return recipe_of(run)
    except WorkbenchError:
        return None
