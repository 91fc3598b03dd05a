"""Whether a model takes pictures, told before anything of it is loaded. Knows names and folders; fetches nothing."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.models.adapters import base_named
from workbench.models.architectures import has_eyes
from workbench.models.folders import ADAPTER
from workbench.models.loading import HUB_ID, TEXTS, on_disk
from workbench.models.seeing import parted


def sees(model: str) -> bool | None:
    """Tell whether ``model`` takes pictures; None of a hub id whose files are not on this machine.

    Args:
        model: a name, a hub id or a folder; an adapter's folder sees as the base does that it names.
    """
    try:
        return _sees(_described(model))
    except Failed:
        return None
    except WorkbenchError:
        return False


def place_of(model: str) -> Path:
    """Return the folder on this machine that says what ``model`` is; of an adapter's folder that of its base.

    Raises:
        UnknownName: no such model. BadInput: it cannot be used. Failed: its files are not on this machine.
    """
    return on_disk(_described(model), TEXTS, fetch=False)


def _described(model: str) -> str:
    """The model itself, or the base that the adapter in its folder names."""
    folder = Path(model).expanduser()
    if not (folder / ADAPTER).is_file() or (folder / "config.json").is_file():
        return model
    base = base_named(folder)
    if not base:
        raise BadInput("chat.no_base", folder=folder)
    return base


def _sees(model: str) -> bool:
    folder = Path(model).expanduser()
    if parted(model):
        return True
    if folder.exists() or not HUB_ID.fullmatch(model):
        return has_eyes(folder)  # a name of ours is that of a language model
    return has_eyes(on_disk(model, TEXTS, fetch=False))
