"""What a folder of ours says of itself: ``workbench.json``. Knows JSON alone; the export room writes it.

{"format": 1, "kind": "adapter" | "merged", "workbench": version, "base": {"name", "fingerprint"},
 "template": {"name": null | "…", "fingerprint"}, "stop_ids": […], "persona": {…},
 "run": {"name", "step", "score", "reason"}, "recipe": {…}, "packages": {…}};
a merged model adds "merge": {"dtype", "untied", "adapter", "r", "lora_alpha"}; one whose weights were all trained,
"merge": {"dtype", "method": "full"}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MARK = "workbench.json"
# bytes of a note; ours have a thousand
LARGEST = 10_000_000


def read_note(folder: str | Path) -> dict[str, Any]:
    """What the folder says of itself; empty where it was not written here, or cannot be read."""
    from workbench.runs.files import read_bounded

    try:
        loaded = json.loads(read_bounded(Path(folder).expanduser() / MARK, LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def other_base(note: Mapping[str, Any], model: str) -> bool:
    """Whether ``note`` was written for another base than ``model`` is now.

    Weights on this machine are told apart by their fingerprint, two hub ids by their names; a hub id and a folder
    cannot be compared: the id's files have no fingerprint of their own.
    """
    from workbench.errors import WorkbenchError
    from workbench.models.loading import fingerprint, hub_fingerprint, resolve

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


def part(note: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The group ``key`` of a note; empty where it has none."""
    found = note.get(key)
    return found if isinstance(found, dict) else {}
