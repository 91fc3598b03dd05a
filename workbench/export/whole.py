"""A checkpoint of full fine-tuning to a model's folder. Knows files; builds no model.

Every weight was trained, so there is nothing to merge: the weights go out as they are, in 16 bit, beside all that is
needed to serve them as they were trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.export.cards import merged_card
from workbench.export.folders import new_folder
from workbench.export.plan import Plan, Planned, result, shard_bytes
from workbench.export.sidecars import (
    copy_rest,
    copy_tokenizer,
    generation_config,
    merged_config,
    read_config,
    write_json,
)
from workbench.export.tensors import DTYPES, FLOATS, load, weight_entries
from workbench.export.writing import write_weights
from workbench.models.notes import MARK


def write_whole(checkpoint: Path, base: Path | None, out: str | Path, note: dict[str, Any], *, overwrite: bool) -> Path:
    """Write the model of ``checkpoint`` to ``out``.

    Args:
        checkpoint: a folder of which :func:`is_whole` is true.
        base: the base's folder, where its files are on this machine: it gives licences and tokenizer.
        note: what the run says of it; completed here.
        overwrite: replace a folder that was made here before.

    Raises:
        BadInput: a weight is not finite, or a file is damaged. OutputExists: ``out`` is not empty. Failed: no space.
    """
    entries = weight_entries(checkpoint)
    tensors = tuple(Planned(e.name, e, result(e.dtype, None), ()) for e in entries.values())
    planned = Plan(tensors, untied=False)
    _check_finite(planned, checkpoint)
    dtype = DTYPES[next((t.dtype for t in tensors if t.dtype in FLOATS), "BF16")][0]
    config = read_config(checkpoint / "config.json")
    with new_folder(out, overwrite=overwrite, sources=(checkpoint,), need=planned.nbytes) as target:
        write_weights(planned, None, target, shard_bytes("2GB"), None)
        copy_tokenizer([checkpoint, *([base] if base else [])], target)
        if base is not None:
            copy_rest(base, config, target)
        write_json(target / "config.json", merged_config(config, dtype, untied=False))
        ends = generation_config(base or checkpoint, config, note.get("stop_ids", ()))
        write_json(target / "generation_config.json", ends)
        note["merge"] = {"dtype": dtype, "method": "full"}
        write_json(target / MARK, note)
        (target / "README.md").write_text(merged_card(note), encoding="utf-8")
    return Path(out)


def _check_finite(planned: Plan, folder: Path) -> None:
    for tensor in planned.tensors:
        if tensor.dtype in FLOATS and not bool(load(tensor.source).isfinite().all()):
            raise BadInput("export.not_finite", tensor=tensor.name, folder=folder)
