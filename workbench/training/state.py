"""A checkpoint's optimizer, scheduler and random state, as safetensors and JSON. Knows state dicts; nothing of models.

Nothing is pickled: a checkpoint from a stranger can hold wrong numbers, but no code.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OPTIMIZER = "optimizer.safetensors"
SCHEDULER = "scheduler.json"
RANDOM = "random_state.safetensors"


def save_optimizer(optimizer: Any, folder: Path) -> None:
    """Write the optimizer's state: tensors as they are, everything else as JSON in the file's header."""
    import torch
    from safetensors.torch import save_file

    state = optimizer.state_dict()
    tensors: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    seen: set[int] = set()
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # paged states lie in the main memory, and the GPU may not have written them yet
    for index, values in state["state"].items():
        for name, value in _flat(values):
            if not isinstance(value, torch.Tensor):
                plain[f"{index}.{name}"] = value
                continue
            address = value.untyped_storage().data_ptr()  # a table that all share is written for each
            tensors[f"{index}.{name}"] = value.detach().clone() if address in seen else value.detach().contiguous()
            seen.add(address)
    header = {"param_groups": json.dumps(state["param_groups"], default=_number), "plain": json.dumps(plain)}
    save_file(tensors, folder / OPTIMIZER, metadata=_one(header))


def _one(header: dict[str, str]) -> dict[str, str]:
    """The header in one entry: the library writes several in a random order, and equal runs write equal files."""
    return {"all": json.dumps(header, sort_keys=True)}


def _several(header: dict[str, str]) -> dict[str, str]:
    """What :func:`_one` put together; a checkpoint of before has several entries."""
    names: dict[str, str] = json.loads(header["all"]) if "all" in header else header
    return names


def settle_adapter(folder: Path) -> None:
    """Put the lists of ``adapter_config.json`` that PEFT keeps as sets in order: equal runs write equal files."""
    file = folder / "adapter_config.json"
    if not file.is_file():
        return
    settings = json.loads(file.read_text(encoding="utf-8"))
    for key in ("target_modules", "exclude_modules"):
        if isinstance(settings.get(key), list):
            settings[key] = sorted(settings[key])
    file.write_text(json.dumps(settings, indent=2, sort_keys=True), encoding="utf-8")


def _flat(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """A parameter's state. bitsandbytes puts what is in 8 bit into a mapping of its own; it reads it without, too."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from value.items()
        else:
            yield name, value


def load_optimizer(optimizer: Any, folder: Path) -> None:
    """Put back what :func:`save_optimizer` wrote."""
    from safetensors import safe_open

    state: dict[int, dict[str, Any]] = {}
    with safe_open(folder / OPTIMIZER, framework="pt") as opened:
        header = _several(opened.metadata())
        for key in opened.keys():  # noqa: SIM118  (not a mapping)
            index, _, name = key.partition(".")
            state.setdefault(int(index), {})[name] = opened.get_tensor(key)
    for key, value in json.loads(header["plain"]).items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": json.loads(header["param_groups"])})


def save_scheduler(scheduler: Any, folder: Path) -> None:
    """Write the scheduler's plain numbers; its functions are made anew from the recipe."""
    state = {key: value for key, value in scheduler.state_dict().items() if key != "lr_lambdas"}
    (folder / SCHEDULER).write_text(json.dumps(state, default=_number), encoding="utf-8")


def load_scheduler(scheduler: Any, folder: Path) -> None:
    """Put back what :func:`save_scheduler` wrote."""
    state = json.loads((folder / SCHEDULER).read_text(encoding="utf-8"))
    scheduler.load_state_dict(scheduler.state_dict() | state)


def save_random(folder: Path, rank: int = 0) -> None:
    """Write the random states of Python, numpy, torch and each CUDA device."""
    import numpy as np
    import torch
    from safetensors.torch import save_file

    kind, keys, position, has_gauss, cached = np.random.get_state()
    tensors = {"torch": torch.get_rng_state(), "numpy": torch.from_numpy(np.asarray(keys, dtype=np.int64))}
    if torch.cuda.is_available():
        tensors |= {f"cuda.{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    header = {"python": json.dumps(random.getstate()), "numpy": json.dumps([kind, position, has_gauss, cached])}
    save_file(tensors, folder / _random_file(rank), metadata=_one(header))


def load_random(folder: Path, rank: int = 0) -> None:
    """Put back what :func:`save_random` wrote."""
    import numpy as np
    import torch
    from safetensors import safe_open

    with safe_open(folder / _random_file(rank), framework="pt") as opened:
        header = _several(opened.metadata())
        version, internal, gauss = json.loads(header["python"])
        random.setstate((version, tuple(internal), gauss))
        kind, position, has_gauss, cached = json.loads(header["numpy"])
        keys = opened.get_tensor("numpy").numpy().astype(np.uint32)
        np.random.set_state((kind, keys, position, has_gauss, cached))
        torch.set_rng_state(opened.get_tensor("torch"))
        if torch.cuda.is_available():
            saved = [f"cuda.{i}" for i in range(torch.cuda.device_count())]
            states = [opened.get_tensor(name) for name in saved if name in opened.keys()]  # noqa: SIM118
            torch.cuda.set_rng_state_all(states)


def _random_file(rank: int) -> str:
    return RANDOM if rank == 0 else RANDOM.replace(".", f"_{rank}.", 1)


def _number(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
