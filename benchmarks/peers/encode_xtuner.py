"""XTuner's own processing of Alpaca rows: map, template, tokenize, filter. Runs in XTuner's environment."""

from __future__ import annotations

from importlib.metadata import version

from common import orders, report, tokenizer
from xtuner.dataset.huggingface import process
from xtuner.dataset.map_fns import alpaca_map_fn, template_map_fn_factory
from xtuner.utils import PROMPT_TEMPLATE

from datasets import Dataset, disable_progress_bars

disable_progress_bars()
given = orders()
rows = Dataset.from_list(given["rows"])
coder = tokenizer(given["tokenizer"])
report(
    lambda: process(
        dataset=rows,
        tokenizer=coder,
        max_length=2048,
        dataset_map_fn=alpaca_map_fn,
        template_map_fn=template_map_fn_factory(PROMPT_TEMPLATE.qwen_chat),
        split=None,
        remove_unused_columns=True,
        pack_to_max_length=False,
        map_num_proc=given["processes"],
    ),
    version("xtuner"),
)
