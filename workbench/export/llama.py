"""An InternLM's folder as the Llama that it is, for programs that know only Llamas. Knows files; builds no model."""

from __future__ import annotations

from pathlib import Path

from workbench.export.plan import Plan, Planned, shard_bytes
from workbench.export.sidecars import (
    base_config,
    copy_rest,
    copy_tokenizer,
    generation_config,
    read_config,
    write_json,
)
from workbench.export.tensors import weight_entries
from workbench.export.writing import write_weights
from workbench.models import internlm


def llama_folder(folder: Path, out: Path) -> Path:
    """Return ``folder`` itself; of an InternLM a copy in ``out``, with the same numbers under Llama's names.

    Raises:
        BadInput: a weight that such a model does not have.
    """
    if not internlm.is_internlm(read_config(folder / "config.json")):
        return folder
    config = base_config(folder)
    planned = Plan(tuple(Planned(e.name, e, e.dtype) for e in weight_entries(folder).values()), untied=False)
    out.mkdir(parents=True)
    write_weights(planned, None, out, shard_bytes("2GB"), None)
    copy_tokenizer([folder], out)
    copy_rest(folder, config, out)
    write_json(out / "config.json", config)
    write_json(out / "generation_config.json", generation_config(folder, config, ()))
    return out
