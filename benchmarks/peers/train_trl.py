"""TRL's ``SFTTrainer`` with prompts and completions. Runs in TRL's environment; knows nothing of ours."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from clock import clocked
from peft import LoraConfig
from transformers import AutoTokenizer
from trl import SFTConfig, SFTTrainer

from datasets import Dataset, disable_progress_bars

disable_progress_bars()
torch.manual_seed(0)
given = json.loads(sys.argv[1])
coder = AutoTokenizer.from_pretrained(given["model"])
lines = (Path(given["work"]) / "train.jsonl").read_text(encoding="utf-8").splitlines()
talks = [[{"role": m["role"], "content": m["content"]} for m in json.loads(line)["messages"]] for line in lines if line]
rows = Dataset.from_list([{"prompt": talk[:-1], "completion": talk[-1:]} for talk in talks])
packing = given.get("packing", False)
# packed rows of 256 tokens: as many a step as hold the tokens of a step of unpacked conversations
tokens = [len(ids) for ids in coder([coder.apply_chat_template(t, tokenize=False) for t in talks])["input_ids"]]
packed_rows = max(1, round(given["batch"] * sum(tokens) / len(tokens) / 256))
config = SFTConfig(
    output_dir=f"{given['out']}/run",
    num_train_epochs=given["epochs"],
    per_device_train_batch_size=packed_rows if packing else given["batch"],
    learning_rate=1e-3,
    warmup_steps=0.05,
    lr_scheduler_type="linear",
    max_length=256,
    packing=packing,
    completion_only_loss=True,
    gradient_checkpointing=False,
    train_sampling_strategy="group_by_length" if given.get("grouped") else "random",
    use_cpu=not torch.cuda.is_available(),
    bf16=given.get("dtype") == "bfloat16",
    logging_strategy="no",
    save_strategy="no",
    report_to="none",
    disable_tqdm=True,
    eos_token=coder.eos_token,
    model_init_kwargs={
        "dtype": given.get("dtype", "float32"),
        "attn_implementation": given["attention"],
    },
)
lora = LoraConfig(r=16, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
trainer = SFTTrainer(model=given["model"], args=config, train_dataset=rows, processing_class=coder, peft_config=lora)
found = clocked(trainer.train, 0)
trainer.model.save_pretrained(given["out"])
found |= {"steps": trainer.state.global_step, "tokens": sum(tokens) * given["epochs"], "version": version("trl")}
print(json.dumps(found))
