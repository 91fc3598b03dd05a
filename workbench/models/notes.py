"""What a folder of ours says of itself: ``workbench.json``. Knows JSON alone; the export room writes it.

{"format": 1, "kind": "adapter" | "merged", "workbench": version, "base": {"name", "fingerprint", "sees"},
 "template": {"name": null | "…", "fingerprint", "system", "thinking"}, "stop_ids": […], "persona": {…},
 "run": {"name", "step", "score", "reason"}, "recipe": {…}, "packages": {…}};
a merged model adds "merge": {"dtype", "untied", "adapter", "r", "lora_alpha"}; one whose weights were all trained,
"merge": {"dtype", "method": "full"}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError

MARK = "workbench.json"
# bytes of a note; ours have a thousand
LARGEST = 10_000_000


def read_note(folder: str | Path) -> dict[str, Any]:
    """Return what the folder says of itself; empty where it was not written here, or cannot be read."""
    from workbench.runs.files import read_bounded

    try:
        loaded = json.loads(read_bounded(Path(folder).expanduser() / MARK, LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def other_base(note: Mapping[str, Any], model: str) -> bool:
    """Tell whether ``note`` was written for another base than ``model`` is now.

    Weights on this machine are told apart by their fingerprint, two hub ids by their names; a hub id and a folder
    cannot be compared: the id's files have no fingerprint of their own.
    """
    from workbench.models.fingerprints import fingerprint, hub_fingerprint
    from workbench.models.loading import resolve

    base = part(note, "base")
    name, expected = str(base.get("name") or ""), base.get("fingerprint")
    if not name or not expected:
        return False
    try:
        if (expected == hub_fingerprint(name)) == Path(resolve(model)).is_dir():
            return False
        return fingerprint(model, like=str(expected)) != str(expected)
    except WorkbenchError:
        return False


def changed(system: str, thinking: str) -> dict[str, str]:
    """Return the settings of a template that are not the usual ones, as a note holds them."""
    values = {"system": system, "thinking": thinking}
    return {name: value for name, value in values.items() if value != "keep"}


def settings(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a note's part ``template`` holds: what stands for a system text, and what of
    thoughts."""
    return {name: str(template.get(name) or "keep") for name in ("system", "thinking")}


def trained_as(folder: str | Path) -> dict[str, Any]:
    """Return the part ``template`` of a folder's note; of a run's own checkpoint, what its recipe says; else empty."""
    note = read_note(folder)
    if note:
        return part(note, "template")
    from workbench.runs import Run, is_run

    run = Path(folder).expanduser().absolute().parent.parent
    if not is_run(run):
        return {}
    import yaml

    try:
        recipe = yaml.safe_load(Run(run).recipe_text())
    except (yaml.YAMLError, OSError, ValueError, WorkbenchError):
        return {}
    recipe = recipe if isinstance(recipe, dict) else {}
    data = part(recipe, "data")
    name = part(recipe, "model").get("template") or None
    return {"name": name, **changed(str(data.get("system") or "keep"), str(data.get("thinking") or "keep"))}


def part(note: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the group ``key`` of a note; empty where it has none."""
    section = note.get(key)
    return section if isinstance(section, dict) else {}
