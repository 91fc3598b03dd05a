"""TRL's ``SFTTrainer`` with prompts and completions. Runs in TRL's environment; knows nothing of ours."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from clock import Clock
from peft import LoraConfig
from transformers import AutoTokenizer, BitsAndBytesConfig
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
# packed rows: as many a step as hold the tokens of a step of unpacked conversations
length = given["length"]
tokens = [len(ids) for ids in coder([coder.apply_chat_template(t, tokenize=False) for t in talks])["input_ids"]]
packed_rows = max(1, round(given["batch"] * sum(tokens) / len(tokens) / length))
dtype = given.get("dtype", "float32")
half = torch.bfloat16 if dtype == "bfloat16" else torch.float32
in_4_bit = BitsAndBytesConfig(
    load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=half
)
config = SFTConfig(
    output_dir=f"{given['out']}/run",
    num_train_epochs=given["epochs"],
    per_device_train_batch_size=packed_rows if packing else given["batch"],
    learning_rate=1e-3,
    warmup_steps=0.05,
    lr_scheduler_type="linear",
    max_length=length,
    packing=packing,
    completion_only_loss=True,
    gradient_checkpointing=given["twice"],
    use_liger_kernel=given.get("liger", False),
    optim=given["optim"],
    train_sampling_strategy="group_by_length" if given.get("grouped") else "random",
    use_cpu=not torch.cuda.is_available(),
    bf16=dtype == "bfloat16",
    logging_strategy="no",
    save_strategy="no",
    report_to="none",
    disable_tqdm=True,
    eos_token=coder.eos_token,
    model_init_kwargs={
        "dtype": dtype,
        "attn_implementation": given["attention"],
        **({"quantization_config": in_4_bit} if given["quantization"] == "nf4" else {}),
    },
)
lora = LoraConfig(r=16, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
trainer = SFTTrainer(model=given["model"], args=config, train_dataset=rows, processing_class=coder, peft_config=lora)
clock = Clock(given["warm"])
trainer.add_callback(clock)
trainer.train()
trainer.model.save_pretrained(given["out"])
print(json.dumps({**clock.found, "tokens": sum(tokens) * given["epochs"], "version": version("trl")}))
