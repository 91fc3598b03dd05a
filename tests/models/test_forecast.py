"""The memory forecast: exact where it can be, near what was measured where it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from tests.internlm import make_internlm2
from workbench.environment import FOR_WORKERS
from workbench.models.forecast import forecast, nf4_bytes, remedies, state_bytes
from workbench.models.work import Work

LLAMA_7B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}


@pytest.fixture(scope="module")
def shallow(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same with three layers, which is quicker to play through."""
    folder = tmp_path_factory.mktemp("shallow")
    (folder / "config.json").write_text(json.dumps({**LLAMA_7B, "num_hidden_layers": 3}))
    return str(folder)


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The configuration of Llama 2 7B, without any weight."""
    folder = tmp_path_factory.mktemp("seven")
    (folder / "config.json").write_text(json.dumps(LLAMA_7B))
    return str(folder)


def trained(tiny: Path, method: str):  # type: ignore[no-untyped-def]
    from workbench.models import load
    from workbench.training import load_recipe
    from workbench.training.assemble import with_adapter

    loaded = load(str(tiny), device="cpu")
    recipe = load_recipe("pocket-lora", [f"adapter.method={method}", "adapter.r=4"])
    return with_adapter(loaded.model, recipe, 100)


def test_the_parameters_of_a_known_model_are_counted_exactly(seven: str) -> None:
    seen = forecast(Work(seven, rows=1, length=8))
    assert seen.parameters == 6_738_415_616
    # q, k, v, o: 16 × (4096 + 4096); gate, up, down: 16 × (4096 + 11008); 32 layers
    assert seen.trained_parameters == 32 * 16 * (4 * 8192 + 3 * 15104)


def test_a_7b_model_in_4_bit_takes_half_a_byte_a_weight(seven: str) -> None:
    work = Work(seven, quantization="nf4", rows=1, length=8, dtype="bfloat16", attention="sdpa", on_gpu=True)
    linear = 6_738_415_616 - 2 * 32000 * 4096 - 65 * 4096
    seen = forecast(work)
    assert 0.50 * linear < seen.weights - 4 * 32000 * 4096 < 0.53 * linear
    assert forecast(replace(work, quantization="none")).weights == 2 * 6_738_415_616


@pytest.mark.parametrize("method", ["lora", "adalora", "full"])
def test_the_bytes_of_adapter_gradients_and_optimizer_are_those_of_a_real_step(tiny: Path, method: str) -> None:
    import torch

    model = trained(tiny, method)
    seen = forecast(Work(str(tiny), method=method, r=4, rows=2, length=16))  # type: ignore[arg-type]
    moving = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(moving)
    model(input_ids=torch.ones(2, 16, dtype=torch.long)).logits.sum().backward()
    optimizer.step()
    assert seen.trained_parameters == sum(p.numel() for p in moving)
    grads = [p.grad for p in moving if p.grad is not None]
    assert seen.gradients >= sum(g.nbytes for g in grads)
    assert len(grads) < len(moving) or seen.gradients == sum(g.nbytes for g in grads)
    states = [s for p in moving for s in optimizer.state[p].values()]
    if len(grads) == len(moving):
        assert seen.optimizer == sum(s.nbytes for s in states)
    sizes = {name: p.nbytes for name, p in model.named_parameters()}
    added = sum(n for name, n in sizes.items() if "lora_" in name or "ranknum" in name)
    assert seen.adapter == (0 if method == "full" else added)
    assert seen.weights == sum(sizes.values()) - added


def test_the_bytes_of_4_bit_weights_are_those_that_the_library_stores(tiny: Path) -> None:
    from workbench.models import load

    model = load(str(tiny), quantization="nf4", device="cpu").model
    stored = 0
    for p in model.parameters():
        stored += p.nbytes
        state = getattr(p, "quant_state", None)
        if state is not None:
            tensors = [state.absmax, state.code, state.state2.absmax, state.state2.code, state.offset]
            stored += sum(t.nbytes for t in tensors)
    seen = forecast(Work(str(tiny), quantization="nf4", rows=1, length=8))
    assert seen.weights == stored
    assert nf4_bytes(64 * 64) == 2048 + 64 + 4 + 4 * 273


def test_an_8_bit_optimizer_keeps_two_bytes_a_parameter_of_large_tensors() -> None:
    assert state_bytes("adamw_torch", 10_000, 4) == 80_004
    assert state_bytes("paged_adamw_8bit", 256 * 100, 4) == 2 * 25_600 + 8 * 100
    assert state_bytes("paged_adamw_8bit", 100, 4) == 800
    assert state_bytes("sgd", 10_000, 4) == 0


def test_activations_grow_with_rows_and_shrink_with_checkpointing() -> None:
    work = Work("pocket", rows=8, length=128)
    one, two = forecast(work), forecast(replace(work, rows=16))
    assert 1.8 < two.activations / one.activations < 2.2
    assert forecast(replace(work, gradient_checkpointing=True)).activations < 0.6 * one.activations
    fused = forecast(replace(work, length=512, attention="sdpa"))
    assert fused.activations < forecast(replace(work, length=512)).activations


def test_only_trained_tokens_have_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work("pocket", rows=4, length=65)
    assert forecast(work).logits == 4 * 64 * 3072 * 12
    assert forecast(replace(work, trained=10)).logits == 10 * 3072 * 12
    whole = forecast(work).total
    monkeypatch.setattr("workbench.models.portions.ROOM", 10 * 3072)
    assert forecast(work).logits == 10 * 3072 * 8
    assert forecast(work).total < whole


def test_zero_shares_out_what_its_stage_says() -> None:
    work = Work("pocket", rows=1, length=16, processes=2)
    alone, first, second, third = (forecast(replace(work, stage=stage)) for stage in (0, 1, 2, 3))
    assert first.optimizer == alone.optimizer // 2 and first.gradients == alone.gradients
    assert second.gradients == alone.gradients // 2 and second.weights == alone.weights
    assert third.weights < 0.6 * alone.weights


def test_the_remedies_come_with_the_most_useful_first_and_say_what_they_save(shallow: str) -> None:
    work = Work(shallow, rows=8, length=512, dtype="bfloat16", attention="sdpa", on_gpu=True)
    needed = forecast(work).total
    found = remedies(work, needed)
    totals = [remedy.total for remedy in found]
    assert totals == sorted(totals) and totals[-1] < needed
    names = {setting.split("=")[0] for remedy in found for setting in remedy.settings}
    assert {"model.quantization", "runtime.gradient_checkpointing", "schedule.per_device_train_batch_size"} <= names
    nf4 = next(remedy for remedy in found if remedy.settings == ("model.quantization=nf4",))
    assert nf4.total == forecast(replace(work, quantization="nf4")).total


MEASURE = """
import json, sys
import torch
torch.set_num_threads(1)
from workbench.models import load
from workbench.models.batches import pad, summed_loss
from workbench.models.isolated import isolate
from workbench.templates.values import Example
from workbench.training import load_recipe
from workbench.training.assemble import with_adapter
from workbench.templates.packing import in_one_row
rows, length, packed, name, how = json.loads(sys.argv[1])
def peak():  # not getrusage's: that begins with what the process had that started this one
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
model = with_adapter(load(name, device="cpu", **how).model, load_recipe("pocket-lora"), 100).train()
if packed:
    isolate(model.get_base_model())
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
def step(rows, length):
    examples = [Example((1,) * (length + i % 3 - 1), (1,) * (length + i % 3 - 1)) for i in range(rows)]
    summed_loss(model, pad([in_one_row(examples)] if packed else examples))[0].backward()
    optimizer.step(); optimizer.zero_grad()
step(1, 16)
before = peak()
step(rows, length)
print(json.dumps(peak() - before))
"""


# glibc gives what is freed back at once, so that what is measured is what lives, and not how its heap falls to pieces
HEAP = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def grown(rows: int, length: int, *, packed: bool = False, model: str = "pocket", **how: str) -> int:
    """By how many bytes a process's memory grows in a step on so many rows."""
    command = [sys.executable, "-c", MEASURE, json.dumps([rows, length, packed, model, how])]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**FOR_WORKERS, **os.environ, **HEAP}
    )
    return int(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("quantization", "dtype"), [("none", "float32"), ("nf4", "float32"), ("nf4", "bfloat16")])
def test_the_forecast_of_a_model_under_other_names_is_near_its_peak(
    tmp_path: Path, quantization: Literal["none", "nf4"], dtype: str
) -> None:
    folder = str(make_internlm2(tmp_path / "m", hidden=512))
    measured = grown(24, 160, model=folder, quantization=quantization, dtype=dtype)
    seen = forecast(Work(folder, quantization, rows=24, length=160, dtype=dtype))
    assert 0.85 < (seen.activations + seen.logits) / measured < 1.15


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("packed", [False, True])
def test_the_forecast_is_near_the_peak_that_was_measured(packed: bool) -> None:
    rows, length = 48, 160
    measured = grown(rows, length, packed=packed)
    work = Work("pocket", rows=rows, length=length)
    seen = forecast(replace(work, rows=1, length=rows * length, attention="isolated") if packed else work)
    assert 0.85 < (seen.activations + seen.logits) / measured < 1.25
