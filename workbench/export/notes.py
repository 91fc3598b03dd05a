"""The note that our folders carry (shape: ``models/notes.py``). Knows bases and templates; nothing of weights."""

from __future__ import annotations

from typing import Any

FORMAT = 1


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
