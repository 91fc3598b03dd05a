"""Merging a synthetic Llama: ours against PEFT's ``merge_and_unload``, each in a process of its own.

    python benchmarks/merge.py [--gigabytes 2] [--rank 16] [--dtype bfloat16] [--keep FOLDER] [--json]

Makes a Llama of random weights and a LoRA on all its linear layers, merges it both ways, and prints seconds, the peak
of memory beyond what the imports took (``ru_maxrss``), and whether the two results are equal bit for bit. What stands
in the "ours : peer" column is a ratio, so that the numbers of different machines can be compared.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def shape(gigabytes: float) -> dict[str, Any]:
    """The sizes of a Llama of about so many GB in 16 bit, with the proportions of Llama-3.2-1B."""
    width = 2048 if gigabytes >= 1 else 512
    per_layer = 2.5 * width * width + 3 * width * 4 * width
    vocabulary = 32_000
    layers = max(1, round((gigabytes * 1e9 / 2 - 2 * vocabulary * width) / per_layer))
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "num_key_value_heads": width // 256,
        "head_dim": 64,
        "tie_word_embeddings": False,
    }


def make(folder: Path, gigabytes: float, rank: int, dtype: str) -> None:
    """Write base and adapter to ``folder``, a tensor at a time."""
    import torch
    from peft import LoraConfig
    from transformers import LlamaConfig

    from workbench.export.tensors import save

    sizes = shape(gigabytes)
    (folder / "base").mkdir(parents=True)
    (folder / "adapter").mkdir()
    LlamaConfig(**sizes, architectures=["LlamaForCausalLM"], dtype=dtype).save_pretrained(folder / "base")
    torch.manual_seed(0)
    kind = getattr(torch, dtype)
    tensors = {
        name: (torch.randn(size) * 0.02).to(kind) if len(size) > 1 else torch.ones(size, dtype=kind)
        for name, size in weights(sizes)
    }
    save(folder / "base" / "model.safetensors", tensors)
    factors = {}
    for name, size in weights(sizes):
        if name.endswith("_proj.weight"):
            module = f"base_model.model.{name.removesuffix('.weight')}"
            factors[f"{module}.lora_A.weight"] = torch.randn(rank, size[1]) / math.sqrt(size[1])
            factors[f"{module}.lora_B.weight"] = torch.randn(size[0], rank) * 0.02
    save(folder / "adapter" / "adapter_model.safetensors", factors)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    config.base_model_name_or_path = str(folder / "base")
    config.save_pretrained(folder / "adapter")


def weights(sizes: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a Llama's tensors."""
    wide, inner = sizes["hidden_size"], sizes["intermediate_size"]
    narrow = sizes["num_key_value_heads"] * sizes["head_dim"]
    yield "model.embed_tokens.weight", (sizes["vocab_size"], wide)
    for i in range(sizes["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        for name, out in (("q", wide), ("k", narrow), ("v", narrow), ("o", wide)):
            yield f"{layer}.self_attn.{name}_proj.weight", (out, wide)
        yield f"{layer}.mlp.gate_proj.weight", (inner, wide)
        yield f"{layer}.mlp.up_proj.weight", (inner, wide)
        yield f"{layer}.mlp.down_proj.weight", (wide, inner)
        yield f"{layer}.input_layernorm.weight", (wide,)
        yield f"{layer}.post_attention_layernorm.weight", (wide,)
    yield "model.norm.weight", (wide,)
    yield "lm_head.weight", (sizes["vocab_size"], wide)


def by_ours(folder: Path, dtype: str) -> Callable[[], None]:
    """Import what ours needs; what is returned does the work."""
    import torch  # noqa: F401

    from workbench.export import merge

    def work() -> None:
        merge(str(folder / "base"), folder / "adapter", folder / "ours", dtype=dtype)

    return work


def by_peft(folder: Path, dtype: str) -> Callable[[], None]:
    """Import what PEFT needs; what is returned does the work."""
    import torch
    from peft import PeftModel
    from transformers import LlamaForCausalLM

    def work() -> None:
        model = LlamaForCausalLM.from_pretrained(folder / "base", dtype=getattr(torch, dtype))
        merged = PeftModel.from_pretrained(model, str(folder / "adapter")).merge_and_unload()
        merged.save_pretrained(folder / "peft", max_shard_size="2GB")

    return work


def peak() -> int:
    """The largest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


def cpu() -> float:
    """Seconds that this process has used of the processors, its own and the system's for it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def work(way: str, folder: Path, dtype: str) -> None:
    """In a child: import, note the memory, merge, print what it took."""
    begin = {"ours": by_ours, "peft": by_peft}[way](folder, dtype)
    imports, busy, start = peak(), cpu(), time.perf_counter()
    begin()
    found = {
        "seconds": time.perf_counter() - start,
        "cpu": cpu() - busy,
        "imports": imports,
        "beyond": peak() - imports,
    }
    print(json.dumps(found))


def child(task: str, folder: Path, settings: argparse.Namespace) -> str:
    """Do ``task`` in a process of its own; what it printed.

    Making the models is a task too: Linux hands the largest memory of a process on to its children, so that this one
    must stay small for theirs to be measured.
    """
    command = [sys.executable, __file__, "--work", task, "--keep", str(folder), "--dtype", settings.dtype]
    command += ["--gigabytes", str(settings.gigabytes), "--rank", str(settings.rank)]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def equal(a: Path, b: Path) -> bool:
    """Whether two models hold the same tensors, bit for bit; one tensor of each is in memory at a time."""
    from workbench.export.tensors import load, weight_entries

    one, other = weight_entries(a), weight_entries(b)
    return one.keys() == other.keys() and all(load(one[name]).equal(load(other[name])) for name in one)


def run(folder: Path, settings: argparse.Namespace) -> dict[str, Any]:
    """Make, merge both ways, compare."""
    child("make", folder, settings)
    found: dict[str, Any] = {way: json.loads(child(way, folder, settings).splitlines()[-1]) for way in ("ours", "peft")}
    found["base_bytes"] = (folder / "base" / "model.safetensors").stat().st_size
    found["equal"] = equal(folder / "ours", folder / "peft")
    return found


def show(found: dict[str, Any]) -> None:
    """A table of the measurements and their ratios."""
    ours, peft = found["ours"], found["peft"]
    print(f"base: {found['base_bytes'] / 1e9:.2f} GB      ours      PEFT      ours : peer")
    for key, label in (("seconds", "seconds"), ("cpu", "seconds of the CPU")):
        print(f"{label:20} {ours[key]:9.2f} {peft[key]:9.2f} {ours[key] / peft[key]:12.2f}")
    for key, label in (("beyond", "peak beyond imports"), ("imports", "imports alone")):
        told = f"{ours[key] / 1e9:8.3f}G {peft[key] / 1e9:8.3f}G {ours[key] / max(1, peft[key]):12.2f}"
        print(f"{label:20} {told}")
    print(f"equal bit for bit: {found['equal']}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16", "float32"])
    parser.add_argument("--keep", type=Path, help="a folder to leave the models in; by default they are deleted")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", choices=["make", "ours", "peft"], help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.work == "make":
        make(settings.keep, settings.gigabytes, settings.rank, settings.dtype)
        return
    if settings.work:
        work(settings.work, settings.keep, settings.dtype)
        return
    with tempfile.TemporaryDirectory(prefix="merge-") as temporary:
        found = run(settings.keep or Path(temporary), settings)
    print(json.dumps(found)) if settings.json else show(found)


if __name__ == "__main__":
    main()
