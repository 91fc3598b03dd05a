"""The settings of one run. Knows names, ranges and defaults; nothing of how they are used.

What a setting does, its unit, and what one sees when it is too high or too low, stands in the texts
(``settings.GROUP.NAME``).
Names are those of transformers' TrainingArguments, PEFT's LoraConfig and TRL's SFTConfig, wherever these have one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Beyond these nobody can mean a number: it was a slip of the keyboard, or is to take all memory.
MOST = 1_000_000_000
Positive = Annotated[int, Field(ge=1, le=MOST)]
Rows = Annotated[int, Field(ge=1, le=65_536)]
Probes = Annotated[int, Field(ge=0, le=10_000)]
Name = Annotated[str, Field(max_length=1_000)]
Words = Annotated[str, Field(max_length=10_000)]
Place = Annotated[str, Field(max_length=4_096)]
Share = Annotated[float, Field(ge=0, le=1)]


class Group(BaseModel):
    """Represent a group of settings; unknown keys are refused, values are fixed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSettings(Group):
    """Hold which base, and in how many bits."""

    name: Place = "pocket"
    quantization: Literal["none", "nf4"] = "nf4"
    template: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"


class PersonaSettings(Group):
    """Hold who the assistant is to be."""

    name: Name = ""
    author: Name = ""
    purpose: Words = ""
    manner: Literal["plain", "warm", "brief"] = "plain"
    languages: list[Literal["zh", "en"]] = Field(default=["zh", "en"], min_length=1)


class DataSettings(Group):
    """Hold what it learns from."""

    train: str | None = None
    validation: str | None = None
    format: str | None = None
    general: str | None = "auto"
    ratio: Annotated[float, Field(ge=0, le=100)] = 3.5
    identity_count: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    validation_share: Annotated[float, Field(ge=0, le=0.9)] = 0.15
    max_length: Annotated[int, Field(ge=8, le=1_000_000)] = 512
    loss_on: Literal["assistant", "last", "all"] = "assistant"
    packing: bool | None = None
    system: Annotated[str, Field(min_length=1)] = "keep"
    thinking: Literal["keep", "empty", "mask"] = "keep"


class AdapterSettings(Group):
    """Hold what is trained beside the frozen base."""

    method: Literal["lora", "adalora", "full", "none"] = "lora"
    r: Annotated[int, Field(ge=1, le=1024)] = 16
    lora_alpha: Annotated[float, Field(gt=0, le=100_000)] = 16
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    target_modules: str | list[str] = "all-linear"
    use_rslora: bool = False
    start: str | None = None


class VisionSettings(Group):
    """Hold how pictures are seen."""

    tower: Place | None = None
    stage: Literal["pretrain", "finetune"] = "finetune"
    drawn: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    image_folder: Place | None = None
    projector: Place | None = None
    train_projector: bool = True
    projector_learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    tower_lora_r: Annotated[int, Field(ge=0, le=1024)] = 0


class OptimizerSettings(Group):
    """Hold how weights move."""

    optim: str = "adamw_torch_fused"
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    weight_decay: Share = 0.0
    adam_beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    adam_beta2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    max_grad_norm: Annotated[float, Field(ge=0, le=MOST)] = 1.0


class ScheduleSettings(Group):
    """Hold how long, and in which portions."""

    num_train_epochs: Annotated[float, Field(gt=0, le=10_000)] = 2.0
    max_steps: Annotated[int, Field(ge=-1, le=MOST)] = -1
    per_device_train_batch_size: Rows = 16
    gradient_accumulation_steps: Rows = 1
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    warmup_ratio: Share = 0.05


class AskedQuestion(Group):
    """Represent a question of one's own with the answers that would be right; one of them is enough."""

    question: Annotated[str, Field(min_length=1)]
    answers: list[str] = []
    system: str = ""

    @model_validator(mode="before")
    @classmethod
    def _one_answer(cls, value: Any) -> Any:
        """``answer`` is read as ``answers`` of one."""
        if isinstance(value, dict) and "answer" in value and "answers" not in value:
            answer = value["answer"]
            rest = {key: value for key, value in value.items() if key != "answer"}
            return {**rest, "answers": answer if isinstance(answer, list) else [answer]}
        return value


class EvaluationSettings(Group):
    """Hold what is asked while it trains."""

    eval_steps: Positive | None = None
    budget: Annotated[float, Field(gt=0, le=1)] | None = 0.1
    questions: Annotated[list[Words | AskedQuestion], Field(max_length=1_000)] = []
    identity_probes: Probes = 40
    task_probes: Probes = 24
    general_probes: Probes = 40
    unrelated_probes: Probes = 20
    max_new_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 48
    early_stopping_patience: Annotated[int, Field(ge=0, le=MOST)] = 0
    early_stopping_target: Annotated[float, Field(gt=0, le=1)] | None = None


class CheckpointSettings(Group):
    """Hold what is kept on the disk."""

    save_steps: Positive | None = None
    save_total_limit: Positive | None = 10


class RuntimeSettings(Group):
    """Hold where and how it runs."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    device: str | None = None
    gradient_checkpointing: bool = False
    use_liger_kernel: bool | None = None
    deepspeed: Literal["zero1", "zero2", "zero3", "zero2-offload", "zero3-offload"] | None = None
    nproc: Annotated[int, Field(ge=1, le=1_024)] = 1
    threads: Annotated[int, Field(ge=1, le=1_024)] | None = None
    logging_steps: Positive = 1
    report_to: Annotated[list[Literal["tensorboard", "trackio"]], Field(max_length=2)] = []


class Recipe(Group):
    """Hold all settings of one run, in one YAML file."""

    model: ModelSettings = ModelSettings()
    persona: PersonaSettings = PersonaSettings()
    data: DataSettings = DataSettings()
    vision: VisionSettings = VisionSettings()
    adapter: AdapterSettings = AdapterSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    checkpoints: CheckpointSettings = CheckpointSettings()
    runtime: RuntimeSettings = RuntimeSettings()

    @property
    def base(self) -> str:
        """Return the base as it is loaded: the model, with the tower where there is one (``pocket+sight``)."""
        return f"{self.model.name}+{self.vision.tower}" if self.vision.tower else self.model.name
