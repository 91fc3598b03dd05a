"""What a folder that we wrote says of itself: ``workbench.json``. Knows runs and templates; nothing of weights.

{"format": 1, "kind": "adapter" | "merged", "workbench": version, "base": {"name", "fingerprint"},
 "template": {"name": null | "…", "fingerprint"}, "stop_ids": […], "persona": {…}, "run": {"name", "step", "score",
 "reason"},
 "recipe": {…}, "packages": {…}}; a merged model adds "merge": {"dtype", "untied", "adapter"}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.export.folders import MARK

FORMAT = 1


def read_note(folder: str | Path) -> dict[str, Any]:
    """What the folder says of itself; empty where it was not written here, or cannot be read."""
    try:
        loaded = json.loads((Path(folder) / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def part(note: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The group ``key`` of a note; empty where it has none."""
    found = note.get(key)
    return found if isinstance(found, dict) else {}


def template_note(tokenizer: Any, template: str | None) -> dict[str, Any]:
    """Name and fingerprint of the template, and the tokens at which its answers end: the parts ``template`` and
    ``stop_ids``.

    Raises:
        UnknownName: no template of that name. BadInput: the tokenizer has no chat template, or none that can be proved.
    """
    from workbench.templates.registry import get, stop_ids

    chosen = get(template or None, tokenizer)
    return {
        "template": {"name": template or None, "fingerprint": chosen.fingerprint(tokenizer)},
        "stop_ids": list(stop_ids(tokenizer, template=template or None)),
    }


def base_note(model: str) -> dict[str, Any]:
    """Name and fingerprint of the base."""
    from workbench.models import fingerprint

    return {"name": model, "fingerprint": fingerprint(model)}


def header(kind: str) -> dict[str, Any]:
    """What every note begins with."""
    from workbench import __version__
    from workbench.runs import versions

    return {"format": FORMAT, "kind": kind, "workbench": __version__, "packages": versions()}
