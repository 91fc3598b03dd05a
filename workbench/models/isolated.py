"""Attention of a packed row that stays within each conversation. Knows shapes; nothing of text.

torch's fused attention has no packed rows: it would compare each token with all of the row and mask nearly all of it
afterwards. Here the conversations of a row are cut apart for the attention alone, in groups of like length, and laid
behind one another again; the other layers see no padding. Flash attention, where it is installed, cuts them by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from workbench.models.portions import BARE

if TYPE_CHECKING:
    import torch

NAME = "workbench_isolated"
# A group takes one more conversation as long as padding makes it no more than so many times as large.
PADDED = 4 / 3


@dataclass(frozen=True, slots=True)
class Group:
    """Hold consecutive conversations of a row that are attended to at once.

    Args:
        start: the first one's first token in the row.
        tokens: of all of them.
        rows: how many they are.
        width: tokens of the longest.
        places: (tokens,) int64, where each token is among rows × width; None where they are all of one length.
    """

    start: int
    tokens: int
    rows: int
    width: int
    places: torch.Tensor | None


def attends_isolated(model: Any) -> bool:
    """Tell whether ``model`` was told so by :func:`isolate`."""
    return bool(getattr(model.config, "_attn_implementation", "") == NAME)


def attends_flash(model: Any) -> bool:
    """Tell whether ``model`` has flash attention, and hands on to it where conversations begin."""
    config = model.config
    return config.model_type in BARE and str(config._attn_implementation).startswith("flash")


def can_isolate(config: Any) -> bool:
    """Tell whether the architecture hands what it is given on to its attention, and attends to all that came before."""
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    sliding = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    return config.model_type in BARE and layers == {"full_attention"} and sliding is None


def isolates(config: Any, attention: str, *, packed: bool) -> bool:
    """Tell whether a training attends so: where its rows are packed, and its own attention (``eager``, ``sdpa`` …) does
    not cut them."""
    return packed and not attention.startswith("flash") and can_isolate(config)


def isolate(network: Any) -> None:
    """Let ``network`` attend so where it is given ``groups``, and by torch's fused attention elsewhere."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    network.set_attn_implementation(NAME)


def groups_of(lengths: Sequence[int], device: torch.device) -> tuple[Group, ...]:
    """Return the conversations of a row, in its order.

    Args:
        lengths: tokens of each; few groups come of them where they are sorted.
    """
    alike: list[list[int]] = []
    for length in lengths:
        last = [*alike[-1], length] if alike else []
        if last and max(last) * len(last) <= PADDED * sum(last):
            alike[-1] = last
        else:
            alike.append([length])
    groups, start = [], 0
    for group in alike:
        groups.append(_group(start, group, device))
        start += sum(group)
    return tuple(groups)


def borders(lengths: Sequence[int], device: torch.device) -> dict[str, Any]:
    """Tell where the conversations of a row begin and end, in the words of transformers (``FlashAttentionKwargs``),
    which would else ask the device for them in every layer."""
    import torch

    ends = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)
    arguments = {"cu_seq_lens": ends, "max_length": max(lengths)}
    return {f"{name}_{side}": value for name, value in arguments.items() for side in ("q", "k")}


def _group(start: int, lengths: Sequence[int], device: torch.device) -> Group:
    import torch

    width = max(lengths)
    places = [row * width + i for row, length in enumerate(lengths) for i in range(length)]
    even = len(places) == len(lengths) * width
    where = None if even else torch.tensor(places, device=device)
    return Group(start, len(places), len(lengths), width, where)


def attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, groups: Sequence[Group] = (), **rest: Any
) -> tuple[torch.Tensor, None]:
    """Return an attention function of transformers (``AttentionInterface``).

    Args:
        query: (B, heads, T, D); key and value have as many heads or fewer. With ``groups`` B is 1.
        groups: of the row; none: one conversation a row.

    Returns:
        (B, T, heads, D)
    """
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if not groups:
        output: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **rest)
        return output
    parts = []
    for group in groups:
        apart = (_apart(states, group) for states in (query, key, value))
        part, _ = sdpa_attention_forward(module, *apart, None, **rest)
        flat = part.reshape(group.rows * group.width, *part.shape[2:])
        parts.append(flat if group.places is None else flat.index_select(0, group.places))
    return torch.cat(parts)[None], None


def _apart(states: torch.Tensor, group: Group) -> torch.Tensor:
    """The group's part of ``states`` (1, heads, T, D) as (rows, heads, width, D), padded on the right, where nothing
    looks."""
    _, heads, _, size = states.shape
    flat = states[0, :, group.start : group.start + group.tokens].transpose(0, 1)
    if group.places is not None:
        flat = flat.new_zeros(group.rows * group.width, heads, size).index_copy(0, group.places, flat)
    return flat.reshape(group.rows, group.width, heads, size).transpose(1, 2)
