"""What was brought is trained on, converted, merged and asked: from XTuner's own names to a model of today's."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from tests.imports.theirs import save_pth
from tests.internlm import make_internlm2
from workbench.cli import run as command

pytestmark = pytest.mark.slow
CONFIG = """\
pretrained_model_name_or_path = '/group/internlm2-tiny'
model = dict(llm=dict(pretrained_model_name_or_path=pretrained_model_name_or_path), lora=dict(r=4, lora_alpha=8))
train_dataset = dict(dataset=dict(type=load_dataset, path='json', data_files=dict(train='FILE')), max_length=64,
                     dataset_map_fn=openai_map_fn, template_map_fn=dict(template=PROMPT_TEMPLATE.internlm2_chat))
train_dataloader = dict(batch_size=2, dataset=train_dataset)
optim_wrapper = dict(optimizer=dict(type=AdamW, lr=1e-7), accumulative_counts=2)
train_cfg = dict(type=TrainLoop, max_iters=4)
"""


def their_lora() -> Any:
    import torch

    made = torch.Generator().manual_seed(3)
    weights: OrderedDict[str, Any] = OrderedDict()
    for layer in range(2):
        at = f"llm.base_model.model.model.layers.{layer}.attention.wqkv"
        weights[f"{at}.lora_A.default.weight"] = torch.randn(4, 64, generator=made)
        weights[f"{at}.lora_B.default.weight"] = torch.randn(128, 4, generator=made)
    return weights


def test_from_a_checkpoint_of_xtuners_to_a_merged_model_that_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import load_file

    base, rows = make_internlm2(tmp_path / "base"), tmp_path / "rows.jsonl"
    turns = [{"role": "user", "content": "who are you"}, {"role": "assistant", "content": "my name is Sprout"}]
    rows.write_text("\n".join(json.dumps({"messages": turns}) for _ in range(8)), encoding="utf-8")
    checkpoint = save_pth(tmp_path / "w" / "iter_4.pth", their_lora(), CONFIG.replace("FILE", str(rows)))
    brought, run, adapter, merged = (tmp_path / name for name in ("brought", "run", "adapter", "merged"))
    assert command(["import", str(checkpoint), "--base", str(base), "--out", str(brought)]) == 0
    pairs = ("device=cpu", "general_probes=0", "unrelated_probes=0", "task_probes=2", "max_new_tokens=2")
    few = [word for pair in pairs for word in ("--set", pair)]
    assert command(["train", str(brought / "recipe.yaml"), "--from", str(brought), "--out", str(run), *few]) == 0
    assert command(["convert", str(run), str(adapter)]) == 0
    began, ended = (load_file(folder / "adapter_model.safetensors") for folder in (brought / "adapter", adapter))
    assert began.keys() == ended.keys() and "q_proj" in " ".join(began)
    assert all((began[name] - ended[name]).abs().max() < 1e-4 for name in began)
    assert any(not began[name].equal(ended[name]) for name in began)
    assert command(["merge", str(base), str(adapter), str(merged)]) == 0
    assert json.loads((merged / "config.json").read_text())["model_type"] == "llama" and not list(merged.glob("*.py"))
    capsys.readouterr()
    assert command(["chat", str(merged), "--question", "who are you", "--max-new-tokens", "4", "--json"]) == 0
    answer = capsys.readouterr().out
    asked = ["chat", str(base), "--adapter", str(adapter), "--question", "who are you", "--max-new-tokens", "4"]
    assert command([*asked, "--json"]) == 0
    assert json.loads(answer)["answer"] == json.loads(capsys.readouterr().out)["answer"]
