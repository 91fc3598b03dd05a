"""TRL's own preparation of prompts and completions in ``SFTTrainer``. Runs in TRL's environment."""

from __future__ import annotations

import json
import tempfile
import time
from importlib.metadata import version

from common import orders, tokenizer
from transformers import LlamaConfig, LlamaForCausalLM
from trl import SFTConfig, SFTTrainer

from datasets import Dataset, disable_progress_bars

disable_progress_bars()
given = orders()
coder = tokenizer(given["tokenizer"])
rows = Dataset.from_list(
    [
        {
            "prompt": [{"role": "user", "content": "\n".join(filter(None, (row["instruction"], row["input"])))}],
            "completion": [{"role": "assistant", "content": row["output"]}],
        }
        for row in given["rows"]
    ]
)


class Timed(SFTTrainer):
    """The trainer, whose preparation of the data is timed and nothing else."""

    def _prepare_dataset(self, *args, **kwargs):
        start = time.perf_counter()
        made = super()._prepare_dataset(*args, **kwargs)
        type(self).figures = {"seconds": time.perf_counter() - start, "encoded": len(made), "version": version("trl")}
        return made


tiny = LlamaConfig(
    vocab_size=len(coder), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
)
with tempfile.TemporaryDirectory() as scratch:
    config = SFTConfig(
        output_dir=scratch,
        max_length=2048,
        dataset_num_proc=given["processes"],
        report_to="none",
        use_cpu=True,
        bf16=False,
        eos_token=coder.eos_token,
    )
    Timed(model=LlamaForCausalLM(tiny), args=config, train_dataset=rows, processing_class=coder)
print(json.dumps(Timed.figures))
