"""XTuner's commands and flags: one sentence each that says what to write here. Knows names; does nothing itself."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.errors import BadInput

# a flag that no command here has -> the sentence's name in the texts, ``cli.old.…``
OPTIONS = {
    "--answer-stop-word": "stop_word", "--cfg-options": "cfg_options",
    "--command-stop-word": "stop_word", "--image": "image", "--is-clip": "is_clip", "--lagent": "lagent",
    "--launcher": "launcher", "--llava": "image", "--offload-folder": "offload", "--safe-serialization": "safe",
    "--save-format": "save_format", "--fp32": "fp32", "--seed": "seed", "--stop-words": "stop_word",
    "--system-template": "system_template", "--torch-dtype": "torch_dtype", "--visual-encoder": "image",
    "--visual-select-layer": "image", "--device": "device", "--debug": "debug", "--local-rank": "launcher",
    "--local_rank": "launcher",
}  # fmt: skip
# (command, flag that is another command's) -> the same
ELSEWHERE = {
    ("train", "--device"): "train_device", ("train", "--bits"): "train_bits", ("train", "--quantization"): "train_bits",
    ("train", "--prompt-template"): "train_template", ("train", "--template"): "train_template",
    ("train", "--system"): "train_system", ("train", "--adapter"): "train_adapter",
    ("convert", "--max-shard-size"): "convert_shards", ("convert", "--dtype"): "fp32",
    ("merge", "--bits"): "merge_bits", ("merge", "--quantization"): "merge_bits", ("merge", "--adapter"): "merge",
}  # fmt: skip
# the first words of a command of XTuner's
COMMANDS = {
    ("list-cfg",): "list_cfg", ("copy-cfg",): "copy_cfg", ("list-dataset-format",): "dataset_format",
    ("log-dataset",): "log_dataset", ("check-custom-dataset",): "check_dataset", ("convert", "pth_to_hf"): "pth_to_hf",
    ("convert", "merge"): "merge", ("convert", "split"): "split", ("preprocess",): "preprocess",
    ("mmbench",): "benchmark", ("eval_refcoco",): "benchmark", ("eval_mmlu",): "benchmark",
}  # fmt: skip


def instead_of_option(name: str, command: str = "") -> BadInput | None:
    """Return what to say of a flag that is XTuner's, or of one of its settings written as a flag; None of any other."""
    from workbench.training.old_names import OTHER, SAME

    flag = name.partition("=")[0]
    key = ELSEWHERE.get((command, flag)) or OPTIONS.get(flag, "")
    setting = flag.removeprefix("--").replace("-", "_")
    if not key and command == "train" and setting in {*SAME, *OTHER}:
        return BadInput("cli.old.setting", given=name, name=setting)
    return BadInput(f"cli.old.{key}", given=name) if key else None


def instead_of_command(args: Sequence[str]) -> BadInput | None:
    """Return what to say of a command that is XTuner's; None of any other."""
    for phrase, key in COMMANDS.items():
        # `convert merge OUT` may be a run that is called so; XTuner's own has two names more
        if tuple(args[: len(phrase)]) == phrase and (len(phrase) == 1 or len(args) >= 4):
            return BadInput(f"cli.old.{key}", given=" ".join(phrase))
    return None
