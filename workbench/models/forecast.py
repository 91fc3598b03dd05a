"""How much memory a training will need, told from a model's configuration alone. Knows shapes; loads no weight.

The model is built on torch's ``meta`` device, where a tensor has a shape and no bytes; a step of training is played
through there, and what would lie in memory at its fullest moment is counted. Bytes of weights, adapter and optimizer
are exact; activations leave out the kernels' own workspace and what an allocator loses to gaps.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.models.architectures import LLAVA, Architecture, architecture_of
from workbench.models.completeness import bare
from workbench.models.portions import portion
from workbench.models.rehearsal import rehearse, trained_places
from workbench.models.work import Work

if TYPE_CHECKING:
    pass

# What a CUDA context and the libraries' kernels take before the first weight, bytes.
CONTEXT = 600 * 2**20
# Optimizer -> bytes of state per trained parameter, where its state is a multiple of the parameters.
STATES = {"sgd": 0.0, "rmsprop": 4.0, "adagrad": 4.0, "lion_32bit": 4.0, "adafactor": 0.05}
# Loss over V logits of a token: log-probabilities, their gradient, and that of the logits, each in float32.
LOSS_BYTES = 12
# The same in portions: scores, and what their sum is made of.
PORTION_BYTES = 8


@dataclass(frozen=True, slots=True)
class Forecast:
    """Hold bytes on one device, by what they are for.

    Args:
        weights: the base, frozen or trained.
        adapter: what is trained beside it.
        gradients: one for each trained parameter.
        optimizer: its memory of earlier gradients, and float32 copies where it keeps some.
        activations: what the backward pass needs of the forward pass, and the largest step in between.
        logits: the scores of the trained tokens that the head sees at once, over the vocabulary, and their gradient.
        libraries: what the device's libraries take for themselves.
        parameters: of the base.
        trained_parameters: that move.
    """

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    libraries: int
    parameters: int
    trained_parameters: int

    @property
    def total(self) -> int:
        """Return all of it."""
        parts = (self.weights, self.adapter, self.gradients, self.optimizer, self.activations, self.logits)
        return sum(parts) + self.libraries


@dataclass(frozen=True, slots=True)
class Remedy:
    """Hold a change that saves memory.

    Args:
        settings: recipe settings as ``group.name=value``.
        total: bytes needed with it.
    """

    settings: tuple[str, ...]
    total: int


class Stage:
    """Represent models without bytes, and what was played through on them: works that differ only in what changes
    neither share both."""

    def __init__(self) -> None:
        self._models: dict[Work, tuple[Any, list[_Part]]] = {}
        self._peaks: dict[Work, int] = {}

    def model(self, work: Work) -> tuple[Any, list[_Part]]:
        """Return the model of ``work`` with its adapter, and the base's parameters."""
        key = Work(
            work.model, method=work.method, r=work.r, projector=work.projector, tower_r=work.tower_r,
            target_modules=work.target_modules, dtype=work.dtype,
        )  # fmt: skip
        if key not in self._models:
            self._models[key] = _on_meta(work)
        return self._models[key]

    def peak(self, work: Work) -> int:
        """Return bytes of activations at the fullest moment of a step."""
        key = replace(work, quantization="none", optim="", on_gpu=False, processes=1, stage=0, offload=False)
        if key not in self._peaks:
            self._peaks[key] = rehearse(deepcopy(self.model(work)[0]), work)
        return self._peaks[key]


def forecast(work: Work, stage: Stage | None = None) -> Forecast:
    """Return the memory that ``work`` needs.

    Args:
        stage: of an earlier forecast of a like work.

    Raises:
        UnknownName: no such model. Failed: its configuration cannot be read.
    """
    stage = stage or Stage()
    model, base = stage.model(work)
    params = list(model.parameters())
    trained = [p for p in params if p.requires_grad]
    parameters = sum(part.numel for part in base)
    width = trained[0].element_size() if work.method == "full" else 4  # adapters are float32, whatever the base is
    gradients = sum(p.numel() for p in trained) * width
    optimizer = sum(state_bytes(work.optim, p.numel(), width) for p in trained)
    if work.stage and work.dtype != "float32":
        optimizer += sum(p.numel() for p in trained) * 4  # ZeRO keeps its own copy in float32
    activations = stage.peak(work)
    if work.quantization == "nf4":  # the layer at work is unpacked
        activations += max((part.numel for part in base if part.linear), default=0) * _width(work.dtype)
    rows = portion(model, model.get_output_embeddings(), trained_places(work))
    scores = (rows or trained_places(work)) * int(model.config.get_text_config().vocab_size)
    logits = scores * (PORTION_BYTES if rows else LOSS_BYTES)
    single = Forecast(
        weights=_weights(base, work),
        adapter=(sum(p.numel() for p in params) - parameters) * 4,
        gradients=gradients,
        optimizer=optimizer,
        activations=max(0, activations - logits),
        logits=logits,
        libraries=CONTEXT if work.on_gpu else 0,
        parameters=parameters,
        trained_parameters=sum(p.numel() for p in trained),
    )
    return _shared_out(single, work)


def free_memory(device: str) -> int:
    """Return bytes that a new training could have on ``device`` now."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    import psutil

    return int(psutil.virtual_memory().available)


def remedies(work: Work, needed: int, stage: Stage | None = None) -> tuple[Remedy, ...]:
    """Return what to lower, the most useful first: that which saves most. Changes that save less than 2 % are left
    out."""
    stage = stage or Stage()
    savings = [Remedy(settings, forecast(changed, stage).total) for settings, changed in _changes(work)]
    return tuple(sorted((r for r in savings if r.total < 0.98 * needed), key=lambda r: r.total))


def _changes(work: Work) -> list[tuple[tuple[str, ...], Work]]:
    options: list[tuple[tuple[str, ...], Work]] = []
    if work.method == "full":
        options.append((("adapter.method=lora",), replace(work, method="lora")))
    elif work.quantization == "none" and work.stage < 3:
        options.append((("model.quantization=nf4",), replace(work, quantization="nf4")))
    if not work.gradient_checkpointing:
        options.append((("runtime.gradient_checkpointing=true",), replace(work, gradient_checkpointing=True)))
    if work.rows > 1:
        half = work.rows // 2
        names = (f"schedule.per_device_train_batch_size={half}", "schedule.gradient_accumulation_steps=× 2")
        options.append((names, replace(work, rows=half, trained=work.trained and work.trained // 2)))
    if work.length > 64:
        half = work.length // 2
        options.append(
            ((f"data.max_length={half}",), replace(work, length=half, trained=work.trained and work.trained // 2))
        )
    if work.on_gpu and "8bit" not in work.optim:
        options.append((("optimizer.optim=paged_adamw_8bit",), replace(work, optim="paged_adamw_8bit")))
    if work.method != "full" and work.r > 8:
        options.append(((f"adapter.r={work.r // 2}",), replace(work, r=work.r // 2)))
    return options


def state_bytes(optim: str, numel: int, width: int) -> int:
    """Return bytes that the optimizer keeps of a tensor of ``numel`` parameters of ``width`` bytes each.

    Adam: two numbers a parameter, and a step. In 8 bit (Dettmers et al. 2022, section 2): two bytes a parameter and
    two float32 for each block of 256; tensors under 4 096 parameters stay in float32.
    """
    if optim in STATES:
        return int(STATES[optim] * numel)
    if "8bit" in optim:
        return 8 * numel if numel < 4096 else 2 * numel + 8 * -(-numel // 256)
    return 2 * width * numel + 4


@dataclass(frozen=True, slots=True)
class _Part:
    """A parameter of the base: how many numbers, and whether it is a linear layer's, which 4 bit packs."""

    numel: int
    linear: bool


def _on_meta(work: Work) -> tuple[Any, list[_Part]]:
    """The model without bytes, with its adapter; and the base's parameters."""
    import torch

    from workbench.models.loading import TEXTS, TranslatedErrors, auto_class, configuration, on_disk

    config = configuration(work.model)
    options = {"dtype": getattr(torch, work.dtype), "attn_implementation": "eager"}
    with TranslatedErrors(work.model, str(on_disk(work.model, TEXTS))):
        network = bare(auto_class(on_disk(work.model, TEXTS)), config, **options)
    network.config.use_cache = False
    linear = _linear(network)
    base = [_Part(p.numel(), id(p) in linear) for p in network.parameters()]
    if work.method == "full":
        return network.train(), base
    return _with_adapter(network.requires_grad_(False), work).train(), base


def _linear(network: Any) -> set[int]:
    """The weights that are stored in 4 bit: those of all linear layers but the output's, and those that look at
    pictures."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head = network.get_output_embeddings()
    parts = architecture_of(network.config)
    apart = tuple(f"{name}." for name in parts.unpacked) if parts else ()
    layers = (
        module
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head and not name.startswith(apart)
    )
    return {id(layer.weight) for layer in layers}


def _with_adapter(network: Any, work: Work) -> Any:
    from peft import AdaLoraConfig, LoraConfig, get_peft_model

    parts = architecture_of(network.config)
    targets = work.target_modules if isinstance(work.target_modules, str) else list(work.target_modules)
    common: dict[str, Any] = {"target_modules": targets, "task_type": "CAUSAL_LM"}
    if work.method == "none":
        common["target_modules"] = "dummy-target-modules"
    elif parts is not None:
        common["exclude_modules"] = _without_adapter(network, parts, work)
        if work.tower_r:
            common["rank_pattern"] = {rf"{re.escape(parts.tower)}\..+": work.tower_r}
    if parts is not None and (work.projector or network.config.model_type == LLAVA):
        common["modules_to_save"] = [parts.projector_module]
    if work.method == "adalora":
        settings: Any = AdaLoraConfig(init_r=-(-work.r * 3 // 2), target_r=work.r, total_step=100, **common)
    else:
        settings = LoraConfig(r=work.r, **common)
    adapted = get_peft_model(network, settings, low_cpu_mem_usage=True, autocast_adapter_dtype=work.dtype == "float32")
    for name, parameter in adapted.named_parameters():
        still = parts is not None and not work.projector and parts.projector in name
        if still or "ranknum" in name:  # AdaLoRA's count of ranks does not move
            parameter.requires_grad_(False)
    return adapted


def _without_adapter(network: Any, parts: Architecture, work: Work) -> str:
    """What of a network that sees gets no adapter, as one pattern on full names: the projector; the tower, or of one
    with an adapter all but those of its layers whose output reaches the projector."""
    tower, projector = re.escape(parts.tower), re.escape(parts.projector)
    if not work.tower_r:
        return rf"({tower}|{projector})\..*"
    last = getattr(network.config, "vision_feature_layer", None)
    layers = getattr(network.config.vision_config, "num_hidden_layers", None) or network.config.vision_config.depth
    count = layers if last is None else layers + last + 1
    read = "|".join(map(str, range(count)))
    return rf"{projector}\..*|{tower}\.(?!(.+\.)?({read})\.).*"


def _weights(base: list[_Part], work: Work) -> int:
    """Bytes of the base as it is stored."""
    size, packed = _width(work.dtype), work.quantization == "nf4"
    return sum(nf4_bytes(part.numel) if packed and part.linear else part.numel * size for part in base)


def _width(dtype: str) -> int:
    return 4 if dtype == "float32" else 2


def nf4_bytes(numel: int) -> int:
    """Return bytes of ``numel`` parameters in NF4, doubly quantized (Dettmers et al. 2023, section 3).

    Half a byte each; a byte for each block of 64; a float32 for each 256 of those; the tables of both codes (16 and
    256 float32) and an offset.
    """
    blocks = -(-numel // 64)
    return -(-numel // 2) + blocks + 4 * -(-blocks // 256) + 4 * (16 + 256 + 1)


def _shared_out(single: Forecast, work: Work) -> Forecast:
    """What is left of it on one device under ZeRO."""
    if not work.stage:
        return single
    n = work.processes
    changed: dict[str, int] = {"optimizer": 0 if work.offload else single.optimizer // n}
    if work.stage >= 2:
        changed["gradients"] = 0 if work.offload else single.gradients // n
    if work.stage >= 3:
        # the layer at work is whole on every device
        on_device = 0 if work.offload else single.weights // n
        changed["weights"] = on_device + single.weights // 16
        changed["adapter"] = 0 if work.offload else single.adapter // n
    return replace(single, **changed)
