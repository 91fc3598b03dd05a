"""XTuner's names of settings: what they are called here, or what to write instead. Knows names; nothing of values."""

from __future__ import annotations

# the same setting under another name
SAME = {
    "accumulative_counts": "schedule.gradient_accumulation_steps",
    "batch_size": "schedule.per_device_train_batch_size",
    "data_files": "data.train",
    "data_path": "data.train",
    "evaluation_freq": "evaluation.eval_steps",
    "evaluation_inputs": "evaluation.questions",
    "llm_name_or_path": "model.name",
    "lr": "optimizer.learning_rate",
    "max_epochs": "schedule.num_train_epochs",
    "max_norm": "optimizer.max_grad_norm",
    "optim_type": "optimizer.optim",
    "pack_to_max_length": "data.packing",
    "pretrained_model_name_or_path": "model.name",
    "prompt_template": "model.template",
    "visual_encoder_name_or_path": "vision.tower",
}
# a setting that is none here; the texts say what to write
OTHER = (
    "SYSTEM", "betas", "cfg_options", "dataloader_num_workers", "dataset_map_fn", "load_from", "load_in_4bit",
    "load_in_8bit", "max_iters", "sequence_parallel_size", "use_varlen_attn",
    "work_dir",
)  # fmt: skip


def instead(key: str) -> str:
    """Return the texts' key of the sentence for an old name that has no counterpart; empty for any other."""
    name = key.rpartition(".")[2]
    return f"training.old.{name}" if name in OTHER else ""
