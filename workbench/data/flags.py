"""What a message or a row says of its own training: ``train``, ``loss_weight``, ``mask`` … Knows the usual names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from workbench.data.conversation import Role
from workbench.data.fields import BadRow, Location, name_set, shorten

# true, or 1: trained
TRAINED = name_set(
    "train trained training trainable trains is_trainable is_trained to_train do_train should_train train_on "
    "train_on_turn train_turn train_message learn learnable loss use_loss with_loss has_loss compute_loss "
    "calculate_loss calc_loss output_with_loss loss_weight loss_scale loss_mask step_loss_mask turn_loss_mask "
    "train_mask training_mask weight turn_weight message_weight sample_weight include_in_loss in_loss "
    "requires_grad supervised unmask unmasked 训练 是否训练 参与训练 用于训练 计算损失 是否计算损失"
)
# true, or 1: not trained
MASKED = name_set(
    "mask masked is_masked mask_loss mask_out loss_masked ignore ignored is_ignored ignore_loss ignore_in_loss "
    "skip skipped skip_loss skip_train skip_training no_loss no_train no_training no_grad not_trained "
    "do_not_train dont_train exclude excluded exclude_from_loss exclude_from_training without_loss untrained "
    "frozen context_only is_context 掩码 屏蔽 忽略 跳过 不训练 不参与训练 不计算损失"
)
_FLAGS = TRAINED | MASKED
# words of a name that no list has and that speaks of training all the same
_OF_TRAINING = name_set(
    "train trained training trainable untrained trains loss losses mask masked unmask unmasked masks grad gradient "
    "gradients backprop backward learn learnable learning supervised supervise supervision weights sft finetune "
    "finetuned finetuning optimize optimise"
)
_OF_TRAINING_ZH = re.compile("训练|损失|掩码|权重|屏蔽|微调")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])")
_SWITCHES = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_YES_AND_NO = {"yes": True, "no": False, "y": True, "n": False, "on": True, "off": False, "是": True, "否": False}
_WORD = 20  # characters at most of a text that says how to train, and is no content


@lru_cache(maxsize=1000)
def plain_name(key: str) -> str:
    """Return ``loss_weight`` of ``lossWeight``, ``Loss-Weight`` and the like."""
    return _CAPITAL.sub("_", key.strip()).lower().replace("-", "_").replace(" ", "_")


def switch(value: object) -> bool | None:
    """Return the truth of a value that is true or false in some writing, or None."""
    if isinstance(value, str):
        return _SWITCHES.get(value.strip().lower())
    return bool(value) if isinstance(value, (bool, int, float)) and value in (0, 1) else None


def stated(value: object) -> bool | None:
    """Return the truth of a value as :func:`switch` does, and of yes and no, which may be an answer elsewhere."""
    return _YES_AND_NO.get(value.strip().lower(), switch(value)) if isinstance(value, str) else switch(value)


@lru_cache(maxsize=1000)
def is_flag(key: str) -> bool:
    """Tell whether the name speaks of training."""
    name = plain_name(key)
    return name in _FLAGS or bool(_OF_TRAINING & set(name.split("_"))) or bool(_OF_TRAINING_ZH.search(name))


def message_flag(turn: dict[str, Any], role: Role, location: Location, field: str) -> bool | None:
    """Return what a message's flags say of its training, None where nothing; takes them out of ``turn``.

    Raises:
        BadRow: a flag that is neither true nor false, two that differ, one on another's message than an assistant's,
            or one of a name that is not known.
    """
    flags: dict[str, bool] = {}
    for key in [key for key in turn if plain_name(key) in _FLAGS]:
        value = turn.pop(key)
        if value is None:
            continue
        state = switch(value)
        if state is None:
            raise BadRow("data.flag", location, field=f"{field}.{key}", given=shorten(value))
        masks = plain_name(key) in MASKED
        if masks and not state and role != "assistant":
            continue  # every message of such a set says that it is not masked
        flags[key] = state is not masks
    if len(set(flags.values())) > 1:
        raise BadRow("data.flags_differ", location, field=field, given=shorten(flags))
    flag = next(iter(flags.values()), None)
    if flag and role != "assistant":
        raise BadRow("data.flag_role", location, field=f"{field}.{next(iter(flags))}", given=role)
    if role == "assistant":
        _refuse_unknown(turn, location, field)
        return flag
    return None


def unread_flags(columns: dict[str, Any]) -> list[str]:
    """Return the names that speak of training, with a value that may switch it and that is not done: of the known
    names, all that is neither true nor false."""
    unknown = unknown_flags(columns)
    return unknown + [k for k, v in columns.items() if plain_name(k) in _FLAGS and switch(v) is None and _may_switch(v)]


def nested_flags(columns: dict[str, Any]) -> list[str]:
    """Return the flags that stand one level deeper, such as ``metadata.train``, and are not read there."""
    deeper = ((key, inner) for key, inner in columns.items() if isinstance(inner, dict))
    return [
        f"{key}.{name}"
        for key, inner in deeper
        for name, value in inner.items()
        if is_flag(name) and stated(value) is (plain_name(name) in MASKED)
    ]


def _refuse_unknown(turn: dict[str, Any], location: Location, field: str) -> None:
    for key in unknown_flags(turn):
        raise BadRow("data.flag_unknown", location, field=f"{field}.{key}", given=shorten(turn[key]))


def unknown_flags(columns: Iterable[str] | dict[str, Any]) -> list[str]:
    """Return the names that speak of training and are in no list, with a value that may switch it."""
    values = columns if isinstance(columns, dict) else dict.fromkeys(columns, True)
    return [key for key, value in values.items() if is_flag(key) and plain_name(key) not in _FLAGS and _switches(value)]


def _switches(value: object) -> bool:
    """Whether a value may switch training: a truth, a share, or a list for the parts of a message."""
    return stated(value) is not None or isinstance(value, float) or (isinstance(value, (list, tuple)) and bool(value))


def _may_switch(value: object) -> bool:
    """Whether the value of a known name may switch training: a word, too."""
    return _switches(value) or (isinstance(value, str) and 0 < len(value.strip()) <= _WORD)


def row_flag(remaining: dict[str, Any]) -> bool | None:
    """Return what a row's own columns say of all its answers; takes out of ``remaining`` only one that switches them
    off."""
    for key in [key for key in remaining if plain_name(key) in _FLAGS]:
        state = switch(remaining[key])
        if state is not None and state is (plain_name(key) in MASKED):
            del remaining[key]
            return False
    return None
