"""LLaMA-Factory's own supervised training of a LoRA. Runs in LLaMA-Factory's environment; knows nothing of ours."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

os.environ.update(DISABLE_VERSION_CHECK="1", WANDB_DISABLED="true")

import torch
from clock import Clock
from llamafactory.train.tuner import run_exp
from transformers import set_seed

given = json.loads(sys.argv[1])
work, out = Path(given["work"]), Path(given["out"])
out.mkdir(parents=True, exist_ok=True)
lines = (work / "train.jsonl").read_text(encoding="utf-8").splitlines()
talks = [json.loads(line)["messages"] for line in lines if line]
rows = [{"instruction": talk[0]["content"], "input": "", "output": talk[1]["content"]} for talk in talks]
(out / "rows.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
(out / "dataset_info.json").write_text(json.dumps({"rows": {"file_name": "rows.json"}}), encoding="utf-8")
in_4_bit = {"quantization_bit": 4, "quantization_type": "nf4", "double_quantization": True}
clock = Clock(given["warm"])

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
        "cutoff_len": given["length"],
        **(in_4_bit if given["quantization"] == "nf4" else {}),
        "bf16": given.get("dtype") == "bfloat16",
        "enable_liger_kernel": given.get("liger", False),
        "disable_gradient_checkpointing": not given["twice"],
        "optim": given["optim"],
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
    callbacks=[clock],
)
print(json.dumps({**clock.found, "version": version("llamafactory")}))
