"""LLaMA-Factory's own supervised training of a LoRA. Runs in LLaMA-Factory's environment; knows nothing of ours."""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.update(DISABLE_VERSION_CHECK="1", WANDB_DISABLED="true")

import torch
from clock import peak
from llamafactory.train.tuner import run_exp
from transformers import TrainerCallback, set_seed

given = json.loads(sys.argv[1])
work, out = Path(given["work"]), Path(given["out"])
out.mkdir(parents=True, exist_ok=True)
lines = (work / "train.jsonl").read_text(encoding="utf-8").splitlines()
talks = [json.loads(line)["messages"] for line in lines if line]
rows = [{"instruction": talk[0]["content"], "input": "", "output": talk[1]["content"]} for talk in talks]
(out / "rows.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
(out / "dataset_info.json").write_text(json.dumps({"rows": {"file_name": "rows.json"}}), encoding="utf-8")
found: dict[str, Any] = {}


class Clock(TrainerCallback):
    """From the first step's beginning to the last one's end."""

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        found.update(before=peak(), start=time.perf_counter())

    def on_train_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        found.update(seconds=time.perf_counter() - found.pop("start"), steps=state.global_step, peak=peak())


set_seed(0)
run_exp(
    {
        "model_name_or_path": given["model"],
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": 16,
        "lora_alpha": 16,
        "lora_target": "all",
        "dataset_dir": str(out),
        "dataset": "rows",
        "template": "chatml",
        "cutoff_len": 256,
        "flash_attn": given["attention"],
        "group_by_length": bool(given.get("grouped")),
        "output_dir": str(out),
        "overwrite_output_dir": True,
        "per_device_train_batch_size": given["batch"],
        "num_train_epochs": given["epochs"],
        "learning_rate": 1e-3,
        "lr_scheduler_type": "linear",
        "warmup_ratio": 0.05,
        "use_cpu": not torch.cuda.is_available(),
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 0,
    },
    callbacks=[Clock()],
)
print(json.dumps({**found, "version": version("llamafactory")}))
