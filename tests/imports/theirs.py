"""What XTuner leaves behind, made in the test: configs, checkpoints, DeepSpeed's folders. Knows torch and how XTuner
lays things; nothing of the workbench."""

from __future__ import annotations

import json
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONFIG = """\
from datasets import load_dataset
from mmengine.hooks import CheckpointHook, LoggerHook
from mmengine.optim import AmpOptimWrapper, CosineAnnealingLR, LinearLR
from peft import LoraConfig
from bitsandbytes.optim import PagedAdamW32bit
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from xtuner.dataset.map_fns import openai_map_fn, template_map_fn_factory
from xtuner.engine.hooks import DatasetInfoHook, EvaluateChatHook
from xtuner.engine.runner import TrainLoop
from xtuner.model import SupervisedFinetune
from xtuner.utils import PROMPT_TEMPLATE, SYSTEM_TEMPLATE

pretrained_model_name_or_path = '/group/model/internlm2-chat-1_8b'
use_varlen_attn = False
data_files = ['/group/data/personal_assistant.json']
prompt_template = PROMPT_TEMPLATE.internlm2_chat
max_length = 1024
pack_to_max_length = True
batch_size = 1  # per device
accumulative_counts = 16
accumulative_counts *= 1
dataloader_num_workers = 0
max_epochs = 2
optim_type = PagedAdamW32bit
lr = 2e-4
betas = (0.9, 0.999)
weight_decay = 0
max_norm = 1
warmup_ratio = 0.03
save_steps = 300
save_total_limit = -1
evaluation_freq = 300
SYSTEM = SYSTEM_TEMPLATE.alpaca
evaluation_inputs = ['请你介绍一下你自己', '你是谁']
tokenizer = dict(type=AutoTokenizer.from_pretrained, trust_remote_code=True, padding_side='right',
                 pretrained_model_name_or_path=pretrained_model_name_or_path)
model = dict(
    type=SupervisedFinetune,
    llm=dict(type=AutoModelForCausalLM.from_pretrained, trust_remote_code=True,
             pretrained_model_name_or_path=pretrained_model_name_or_path,
             quantization_config=dict(type=BitsAndBytesConfig, load_in_4bit=True, bnb_4bit_quant_type='nf4')),
    lora=dict(type=LoraConfig, r=64, lora_alpha=16, lora_dropout=0.1, bias='none', task_type='CAUSAL_LM'))
train_dataset = dict(
    dataset=dict(type=load_dataset, path='json', data_files=dict(train=data_files)), tokenizer=tokenizer,
    max_length=max_length, dataset_map_fn=openai_map_fn, pack_to_max_length=pack_to_max_length,
    template_map_fn=dict(type=template_map_fn_factory, template=prompt_template))
train_dataloader = dict(batch_size=batch_size, num_workers=dataloader_num_workers, dataset=train_dataset)
optim_wrapper = dict(
    type=AmpOptimWrapper, optimizer=dict(type=optim_type, lr=lr, betas=betas, weight_decay=weight_decay),
    clip_grad=dict(max_norm=max_norm, error_if_nonfinite=False), accumulative_counts=accumulative_counts)
param_scheduler = [
    dict(type=LinearLR, start_factor=1e-5, by_epoch=True, begin=0, end=warmup_ratio * max_epochs),
    dict(type=CosineAnnealingLR, eta_min=0.0, by_epoch=True, begin=warmup_ratio * max_epochs, end=max_epochs)]
train_cfg = dict(type=TrainLoop, max_epochs=max_epochs)
custom_hooks = [
    dict(type=DatasetInfoHook, tokenizer=tokenizer),
    dict(type=EvaluateChatHook, tokenizer=tokenizer, every_n_iters=evaluation_freq,
         evaluation_inputs=evaluation_inputs, system=SYSTEM, prompt_template=prompt_template)]
default_hooks = dict(
    logger=dict(type=LoggerHook, interval=10),
    checkpoint=dict(type=CheckpointHook, interval=save_steps, max_keep_ckpts=save_total_limit))
randomness = dict(seed=None, deterministic=False)
"""
TINY = "model = dict(llm=dict(pretrained_model_name_or_path='/group/m'), lora=dict(r=4, lora_alpha=8))\n"


@contextmanager
def their_classes() -> Iterator[Any]:
    """mmengine's HistoryBuffer, for as long as a checkpoint is written."""
    name = "mmengine.logging.history_buffer"
    made = {part: types.ModuleType(part) for part in ("mmengine", "mmengine.logging", name)}
    buffer = type("HistoryBuffer", (), {"__module__": name, "__init__": lambda self, *a: self.__dict__.update(log=a)})
    made[name].HistoryBuffer = buffer  # type: ignore[attr-defined]
    sys.modules.update(made)
    try:
        yield buffer
    finally:
        for part in made:
            del sys.modules[part]


def lora(layers: int = 2, hidden: int = 64, names: tuple[str, ...] = ("self_attn.q_proj", "mlp.up_proj")) -> Any:
    """Random LoRA tensors under the names of XTuner's checkpoints; the last name's layer is twice as wide."""
    import torch

    made = torch.Generator().manual_seed(1)
    found: OrderedDict[str, Any] = OrderedDict()
    for layer in range(layers):
        for i, name in enumerate(names):
            at = f"llm.base_model.model.model.layers.{layer}.{name}"
            found[f"{at}.lora_A.default.weight"] = torch.randn(4, hidden, generator=made)
            found[f"{at}.lora_B.default.weight"] = torch.randn(hidden * (1 + i), 4, generator=made)
    return found


def save_pth(file: Path, weights: Any, config: str = TINY) -> Path:
    """A ``.pth`` as mmengine writes it: with logs, an optimizer and the config's text."""
    import numpy
    import torch

    file.parent.mkdir(parents=True, exist_ok=True)
    with their_classes() as buffer:
        logs = {"log_scalars": OrderedDict(loss=buffer(numpy.array([1.5, 1.0]), numpy.float64(2.0)))}
        meta = {"epoch": 0, "iter": 4, "cfg": config, "seed": 7, "mmengine_version": "0.10.7"}
        state = {0: {"step": torch.tensor(4.0), "exp_avg": torch.ones(3, 3)}}
        torch.save({"meta": meta, "state_dict": weights, "message_hub": logs, "optimizer": {"state": state}}, file)
    return file


def save_deepspeed(folder: Path, weights: dict[str, Any], *, stage: int, ranks: int, groups: int = 1) -> Path:
    """A checkpoint folder of ``ranks`` processes; the optimizer's numbers are ``weights``, the model's are rounded."""
    import torch

    folder.mkdir(parents=True)
    names = list(weights)
    cut = [names[i::groups] for i in range(groups)]
    shapes = [OrderedDict((name, weights[name].shape) for name in group) for group in cut]
    shares: list[list[Any]] = [[] for _ in range(ranks)]
    for group in cut:
        if stage == 3:
            parts = [_padded(weights[name], ranks).chunk(ranks) for name in group]
            for rank in range(ranks):
                shares[rank].append(torch.cat([part[rank] for part in parts]))
        else:
            flat = _padded(torch.cat([weights[name].flatten() for name in group]), 2 * ranks)
            for rank, part in enumerate(flat.chunk(ranks)):
                shares[rank].append(part.clone())
    module = {name: tensor.bfloat16() for name, tensor in weights.items()}
    model = {"module": module, "param_shapes": shapes, "ds_version": "0.19", "meta": {"cfg": TINY, "iter": 2}}
    prefix = "zero_pp_rank_{}_mp_rank_00_" if stage == 3 else "mp_rank_00_"
    for rank in range(ranks if stage == 3 else 1):
        torch.save(model, folder / f"{prefix.format(rank)}model_states.pt")
    key = "fp32_flat_groups" if stage == 3 else "single_partition_of_fp32_groups"
    for rank in range(ranks):
        told = {"zero_stage": stage, "partition_count": [ranks] * groups, key: shares[rank]}
        torch.save({"optimizer_state_dict": told}, folder / f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt")
    return folder


def _padded(tensor: Any, to: int) -> Any:
    import torch

    flat = tensor.flatten()
    return torch.cat([flat, flat.new_zeros(-len(flat) % to)])


def zipped(file: Path, data: bytes, more: dict[str, bytes] | None = None, compress: bool = False) -> Path:
    """A zip as torch writes it, with a pickle of one's own."""
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", kind) as out:
        for name, content in {"data.pkl": data, "version": b"3\n", **(more or {})}.items():
            out.writestr(f"archive/{name}", content)
    return file


class Call:
    """Pickles as a call of any function by name."""

    def __init__(self, module: str, name: str, *args: Any) -> None:
        self.module, self.name, self.args = module, name, args


def calls(module: str, name: str, *args: Any) -> bytes:
    """A pickle that calls ``module.name(*args)`` when it is loaded."""
    inner = pickle.dumps(args, 2)[2:-1]
    return b"\x80\x02" + f"c{module}\n{name}\n".encode() + inner + b"R."


def write_adapter(folder: Path, weights: dict[str, Any], **settings: Any) -> Path:
    """A converted adapter's folder, pickled, as ``xtuner convert pth_to_hf`` leaves it."""
    import torch

    folder.mkdir(parents=True)
    told = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "lora_dropout": 0.1, "base_model_name_or_path": "/group/m",
            "target_modules": ["up_proj", "q_proj"], "task_type": "CAUSAL_LM", "bias": "none"} | settings  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(told))
    plain = {name.removeprefix("llm.").replace(".default", ""): tensor for name, tensor in weights.items()}
    torch.save(plain, folder / "adapter_model.bin")
    return folder
