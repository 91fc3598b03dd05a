"""What an import writes, and of what. Knows what was gathered and where the base lies; writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, UnknownName, WorkbenchError
from workbench.imports import seeing
from workbench.imports.adapters import adapter_config
from workbench.imports.draft import Draft
from workbench.imports.facts import Facts, Row
from workbench.imports.naming import as_llamas, model_as_llama
from workbench.imports.recipe_model import base_name
from workbench.imports.values import Read
from workbench.imports.weights import Brought as Weights
from workbench.imports.weights import read_json


class Work:
    """Hold what is written, and of what."""

    def __init__(self, weights: Weights, sketch: Draft, read: Read | None, base: str | None, dtype: str | None) -> None:
        self.weights, self.made, self.dtype = weights, sketch, dtype
        self.lora = Facts(read.values).get("model.lora") or Facts(read.values).get("model.llm_lora") if read else None
        self.tower_lora = Facts(read.values).get("model.visual_encoder_lora") if read else None
        tower = Facts(read.values).get("model.visual_encoder.pretrained_model_name_or_path") if read else None
        self.tower_base = base_name(str(tower))[0] if tower else ""
        declared = (weights.settings.get("llm") or {}).get("base_model_name_or_path")
        self.base = base or str(sketch.settings.get("model", {}).get("name") or declared or "")
        self.folder = self._local(required=bool(base))
        self.where = weights.rows[0].theirs if weights.rows else ""

    def _local(self, *, required: bool) -> Path | None:
        """The base's folder, where it is on this machine."""
        from workbench.export.sidecars import model_folder

        try:
            return model_folder(self.base, fetch=False) if self.base else None
        except (UnknownName, WorkbenchError):
            if required and "/" not in self.base:
                raise
            return None

    @property
    def config(self) -> Mapping[str, Any] | None:
        """Return the base's ``config.json``, as it lies there."""
        folder = self.weights.folder or self.folder
        return read_json(folder / "config.json") if folder and (folder / "config.json").is_file() else None

    def parts(self) -> dict[str, dict[str, Any]]:
        """Return folder -> its tensors, under the names that are written."""
        parts = self.weights.parts
        folders: dict[str, dict[str, Any]] = {}
        if parts.adapter:
            folders["adapter"], note = as_llamas(parts.adapter, self.config, self.where)
            if note:
                self.made.rows.append(Row("attention.wqkv, w1 …", "q_proj, k_proj, v_proj …", f"imports.note.{note}",
                                          "translated"))  # fmt: skip
        if parts.model:
            if self.config is None:
                raise BadInput("imports.base_needed", file=self.where)
            folders["model"] = model_as_llama(parts.model, self.config)
        extra = {"projector": parts.projector, "visual_encoder_adapter": parts.tower_adapter}
        extra["visual_encoder"] = parts.tower
        folders |= {name: part for name, part in extra.items() if part}
        return folders

    def seeing(self, language: dict[str, Any]) -> dict[str, Any]:
        """Return what a LLaVA of today loads: both halves of the LoRA and the projector, by the names that it gives
        them; empty where nothing of a LLaVA came along, or the halves cannot be one adapter.

        Args:
            language: the language model's adapter, as it is written.
        """
        parts = self.weights.parts
        if not (parts.projector or parts.tower_adapter):
            return {}
        projector = seeing.projector_names(parts.projector)
        tensors = {**seeing.language_names(language), **seeing.tower_names(parts.tower_adapter)}
        if not projector or self.seeing_settings(tensors) is None:
            self.made.leave("llava", "no_llava")
            return {}
        self.made.rows.append(Row("vision_model.encoder …", "model.vision_tower …", "imports.note.llava_names",
                                  "translated"))  # fmt: skip
        return {**tensors, **seeing.projector_in_adapter(projector)}

    def seeing_settings(self, tensors: dict[str, Any]) -> dict[str, Any] | None:
        """Return ``adapter_config.json`` of both halves together; None where they cannot be one."""
        tower = {name: tensor for name, tensor in tensors.items() if ".vision_tower." in name}
        lora = {name: tensor for name, tensor in tensors.items() if f".{seeing.PROJECTOR}." not in name}
        language = {name: tensor for name, tensor in lora.items() if name not in tower}
        given = self.weights.settings
        return seeing.joined_config(
            seeing.config_of(language, given.get("llm"), self.lora, self.base, self.where),
            seeing.config_of(tower, given.get("tower"), self.tower_lora, self.base, self.where),
        )

    def adapter_settings(self, tensors: dict[str, Any]) -> dict[str, Any]:
        """Return ``adapter_config.json`` of the language model's adapter."""
        theirs = self.weights.settings.get("llm")
        return adapter_config(tensors, theirs, self.lora, self.base, self.where)
