"""XTuner's own processing of Alpaca rows: map, template, tokenize, filter. Runs in XTuner's environment.

Two parts that processing text does not use are passed by: the picture datasets (``xtuner.dataset``'s ``__init__``),
which need torchvision, and the saving of mixtures of experts, which needs deepspeed.
"""

from __future__ import annotations

import sys
import types
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xtuner
from common import orders, report, tokenizer

from datasets import Dataset, disable_progress_bars


def processing() -> tuple[Any, Any]:
    """XTuner's processing, and its maps."""
    package = types.ModuleType("xtuner.dataset")
    package.__path__ = [str(Path(xtuner.__file__).parent / "dataset")]
    sys.modules["xtuner.dataset"] = package
    experts = types.ModuleType("xtuner.utils.handle_moe_load_and_save")
    experts.SUPPORT_MODELS = experts.get_origin_state_dict = experts.load_state_dict_into_model = None
    sys.modules[experts.__name__] = experts
    return import_module("xtuner.dataset.huggingface"), import_module("xtuner.dataset.map_fns")


disable_progress_bars()
given = orders()
rows = Dataset.from_list(given["rows"])
coder = tokenizer(given["tokenizer"])
huggingface, maps = processing()
templates = import_module("xtuner.utils").PROMPT_TEMPLATE
report(
    lambda: huggingface.process(
        dataset=rows,
        tokenizer=coder,
        max_length=2048,
        dataset_map_fn=maps.alpaca_map_fn,
        template_map_fn=maps.template_map_fn_factory(templates.qwen_chat),
        split=None,
        remove_unused_columns=True,
        pack_to_max_length=False,
        map_num_proc=given["processes"],
    ),
    version("xtuner"),
)
