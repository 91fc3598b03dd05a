"""The classic mistake as settings: one sentence, copied, nothing mixed in, a rate that rises far too high.

Knows personas and data; a training with these settings is broken within a minute, which is what it is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.data import Conversation, Persona, split, write
from workbench.data.identity import classic_set, identity_set
from workbench.data.mixing import shipped_general
from workbench.runs import saving

STEPS, LOOK = 84, 3  # optimizer steps, and between two evaluations
_COPIES, _WORDINGS = 120, 600
_HELD_OUT = {"identity": 30, "general": 90}


def classic_mistake(persona: Persona, folder: str | Path) -> dict[str, Any]:
    """Write the data of the mistake into ``folder``, and return the settings on top of ``pocket-overfit``.

    The files: ``copies.jsonl`` is trained, ``validation.jsonl`` is held out (a quarter identity in wordings that are
    never trained, the rest general questions), ``general.jsonl`` may be mixed in.

    Raises:
        BadInput: the persona has no usable name. Failed: no space, no permission.
    """
    target = Path(folder)
    with saving(target):
        target.mkdir(parents=True, exist_ok=True)
    for name, rows in _files(persona).items():
        write(rows, target / name, overwrite=True)
    return {
        "persona.name": persona.name,
        "persona.author": persona.author,
        "data.train": str(target / "copies.jsonl"),
        "data.validation": str(target / "validation.jsonl"),
        "data.validation_share": 0,
        "adapter.lora_alpha": 128,
        "optimizer.learning_rate": 5e-3,
        "schedule.lr_scheduler_type": "constant_with_warmup",
        "schedule.warmup_ratio": 1.0,
        "schedule.max_steps": STEPS,
        "evaluation.eval_steps": LOOK,
        "evaluation.identity_probes": 24,
        "evaluation.general_probes": 48,
        "evaluation.max_new_tokens": 24,
    }


def _files(persona: Persona) -> Mapping[str, list[Conversation]]:
    _, held_out = split(identity_set(persona, _WORDINGS), validation=0.15)
    general, general_held_out = split(shipped_general(), validation=0.1)
    validation = [*held_out[: _HELD_OUT["identity"]], *general_held_out[: _HELD_OUT["general"]]]
    return {"copies.jsonl": classic_set(persona, _COPIES), "validation.jsonl": validation, "general.jsonl": general}
