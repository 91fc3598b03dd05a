"""What a folder of ours says of itself: ``workbench.json``. Knows JSON alone; the export room writes it.

{"format": 1, "kind": "adapter" | "merged", "workbench": version, "base": {"name", "fingerprint"},
 "template": {"name": null | "…", "fingerprint"}, "stop_ids": […], "persona": {…},
 "run": {"name", "step", "score", "reason"}, "recipe": {…}, "packages": {…}};
a merged model adds "merge": {"dtype", "untied", "adapter", "r", "lora_alpha"}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MARK = "workbench.json"


def read_note(folder: str | Path) -> dict[str, Any]:
    """What the folder says of itself; empty where it was not written here, or cannot be read."""
    try:
        loaded = json.loads((Path(folder).expanduser() / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def part(note: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The group ``key`` of a note; empty where it has none."""
    found = note.get(key)
    return found if isinstance(found, dict) else {}
