"""A base to train again: what was trained, merged into the model that it was trained on. Knows the order of the work;
nothing of training."""

from __future__ import annotations

from pathlib import Path

from workbench.export.converting import convert
from workbench.export.merging import merge
from workbench.export.source import find_source, is_whole
from workbench.runs import is_run


def merged_base(model: str, start: str, out: Path) -> Path:
    """Return the model ``model`` with the adapter that ``start`` names, as a folder beside the run ``out``.

    Args:
        model: the base, as the recipe names it.
        start: a run, ``RUN@STEP``, a checkpoint, an adapter's folder, or one that ``workbench import`` made.
        out: the run folder of the training that begins with it; the model lies beside it, called ``OUT-base``.

    Raises:
        BadInput: there is no such adapter, or it does not fit. OutputExists: the folder is there already.
    """
    from workbench.training.checks import adapter_folder

    target = out.expanduser().absolute()
    target = target.with_name(f"{target.name}-base")
    place = Path(start).expanduser()
    if is_run(place) and is_whole(find_source(place).checkpoint):
        return convert(place, target)
    return merge(model, adapter_folder(start), target)
