"""LLaMA-Factory's own conversion and supervised processing of Alpaca rows. Runs in LLaMA-Factory's environment."""

from __future__ import annotations

from importlib.metadata import version

from common import orders, report, tokenizer
from llamafactory.data.converter import get_dataset_converter
from llamafactory.data.parser import DatasetAttr
from llamafactory.data.processor import SupervisedDatasetProcessor
from llamafactory.data.template import get_template_and_fix_tokenizer
from llamafactory.hparams import DataArguments

from datasets import Dataset, disable_progress_bars

disable_progress_bars()
given = orders()
coder = tokenizer(given["tokenizer"])
rows = Dataset.from_list(given["rows"])
how = DataArguments(template="qwen", cutoff_len=2048, preprocessing_num_workers=given["processes"])
template = get_template_and_fix_tokenizer(coder, how)
shape = DatasetAttr(load_from="file", dataset_name="rows", prompt="instruction", query="input", response="output")
converter = get_dataset_converter("alpaca", shape, how)
processor = SupervisedDatasetProcessor(template=template, tokenizer=coder, processor=None, data_args=how)


def run() -> Dataset:
    aligned = rows.map(converter, remove_columns=rows.column_names, num_proc=given["processes"])
    return aligned.map(
        processor.preprocess_dataset,
        batched=True,
        batch_size=1000,
        remove_columns=aligned.column_names,
        num_proc=given["processes"],
    )


report(run, version("llamafactory"))
