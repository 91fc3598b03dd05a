"""The note that our folders carry (shape: ``models/notes.py``). Knows bases and templates; nothing of weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.export.sidecars import write_json
from workbench.models.notes import changed, settings

FORMAT = 1


def tokenizer_on(base: Path | None, folder: Path) -> Any:
    """Return the tokenizer in ``folder`` as the model in ``base`` is given its words: where that sees, with its eyes,
    which belong to what was trained."""
    from workbench.models import load_tokenizer
    from workbench.models.eyes_registry import with_eyes

    tokenizer = load_tokenizer(str(folder))
    return tokenizer if base is None else with_eyes(tokenizer, base)


def template_note(
    tokenizer: Any, template: str | None, *, system: str = "keep", thinking: str = "keep"
) -> dict[str, Any]:
    """Name, settings and fingerprint of the template, and the tokens at which its answers end: the parts ``template``
    and ``stop_ids``.

    Raises:
        UnknownName: no template of that name. BadInput: the tokenizer has no chat template, or none that can be proved.
    """
    from workbench.templates import bound, stop_ids

    chosen = bound(tokenizer, template or None, system=system)
    described = {"name": template or None, "fingerprint": chosen.fingerprint(tokenizer)}
    return {
        "template": described | changed(system, thinking),
        "stop_ids": list(stop_ids(tokenizer, template=template or None)),
    }


def dress_folder(folder: Path, template: Mapping[str, Any]) -> None:
    """Write the system text and the thoughts that a note's part ``template`` names into the chat template of the
    tokenizer in ``folder``, so that whoever serves from it sends what was trained."""
    from workbench.models import load_tokenizer
    from workbench.templates import dressed

    if not changed(**settings(template)) or not (folder / "tokenizer_config.json").is_file():
        return
    original = load_tokenizer(str(folder))
    tokenizer = dressed(original, template.get("name") or None, **settings(template))
    if tokenizer is original:
        return
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    config.pop("chat_template", None)
    (folder / "chat_template.json").unlink(missing_ok=True)
    tokenizer.save_chat_templates(str(folder), config, None, save_jinja_files=True)
    write_json(folder / "tokenizer_config.json", config)


def base_note(model: str, mark: str = "") -> dict[str, Any]:
    """Name and fingerprint of the base, and whether it sees pictures.

    Args:
        mark: the fingerprint, where it is known; else it is made.
    """
    from workbench.models import fingerprint
    from workbench.models.glance import sees

    described = {"name": model, "fingerprint": mark or fingerprint(model)}
    return {**described, "sees": True} if sees(model) else described


def header(kind: str) -> dict[str, Any]:
    """Return what every note begins with."""
    from workbench.runs import versions
    from workbench.version import __version__

    return {"format": FORMAT, "kind": kind, "workbench": __version__, "packages": versions()}
