"""A small Llama's greedy answers on a CPU, many at once, with as little as can be around the matrix products; also
where several heads share their keys, and where its weights are in 4 bit.

Knows the Llama's layers; nothing of text or of training. The library's answers, but for rounding. What is saved:

- a prompt's padding is computed in attention alone, and there prompts of like length stand together;
- keys and values are written into their place; the library copies all of them at every token;
- an adapted layer is one matrix, one in 4 bit is unpacked once for all tokens, and layers that read the same input (q,
  k, v; gate, up) are one product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.models.dense import LIMIT as SMALL
from workbench.models.dense import adapted, matrix
from workbench.models.gradients import attended, gate
from workbench.models.projector import PROJECTOR
from workbench.models.quick import Positions, Rows, inner, linear_layers, matrix_bytes, normed, parts, plain
from workbench.models.quick_seeing import embedded, language_part

if TYPE_CHECKING:
    import torch

# Bytes that the matrices of a model may take while it answers, and how much more memory than that must be free.
LIMIT, SPARE = 2**30, 2.5
# Tokens for which there is room at first, and more each time it is used up.
ROOM = 16
# Rows whose answers have ended leave a batch when no more than this share of them goes on.
GOING = 0.8


def quick_answers(model: Any) -> QuickAnswers | None:
    """Return the quick way to ``model``'s answers, or None where there is none: it is made for a Llama in float32 or in
    4 bit on a CPU, with or without an adapter, whose matrices take at most ``LIMIT`` bytes, and no more than is free.

    Args:
        model: as the library or PEFT made it. What is made here knows the weights as they are now.
    """
    network = language_part(inner(model))
    if not (_of_matrices(model) and plain(network, grouped=True)):
        return None
    if any(hasattr(p, "ds_id") or p.device.type != "cpu" for p in network.parameters()):
        return None
    linear = linear_layers(network)
    return QuickAnswers(network) if _fits(linear) and all(_whole(layer) for layer in linear) else None


def _fits(layers: Sequence[Any]) -> bool:
    """Whether there is room for the matrices beside the weights."""
    import psutil

    size = matrix_bytes(layers)
    return size <= SMALL or (size <= LIMIT and SPARE * size <= psutil.virtual_memory().available)


def _of_matrices(model: Any) -> bool:
    """Whether all that PEFT added to ``model`` are matrices in its linear layers: no learnt prompts or norms."""
    added = getattr(model, "peft_config", {}).values()
    return all(
        config.peft_type in ("LORA", "ADALORA") and set(config.modules_to_save or ()) <= {PROJECTOR} for config in added
    )


def _whole(layer: Any) -> bool:
    """Whether ``layer`` can be one matrix in float32, without a bias."""
    import torch

    base = getattr(layer, "base_layer", layer)
    packed = getattr(base.weight, "quant_state", None) is not None
    if base.bias is not None or not (adapted(layer) or packed or type(layer) is torch.nn.Linear):
        return False
    return packed or base.weight.dtype == torch.float32


class QuickAnswers:
    """Find the likeliest tokens after each of many prompts.

    Args:
        network: a ``LlamaForCausalLM`` for which :func:`quick_answers` found that it can be done.
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self.scale = network.model.layers[0].self_attn.scaling
        self.heads, self.shared = network.config.num_attention_heads, network.config.num_key_value_heads
        self.blocks = parts(network, _joined)

    def __call__(
        self,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        stop_ids: Sequence[int],
        pictures: Mapping[str, torch.Tensor] | None = None,
    ) -> list[list[int]]:
        """The answers, without the stop token, in the order of ``prompts``; ``pictures`` are those of all of them."""
        answers: list[list[int]] = [[] for _ in prompts]
        stops, rows = set(stop_ids), list(range(len(prompts)))  # rows: of which prompt is each row of the cache
        tokens, cache = self._read(prompts, max_new_tokens, pictures or {})
        for number in range(max_new_tokens):
            chosen = tokens.tolist()
            for row, token in zip(rows, chosen, strict=True):
                if token not in stops and len(answers[row]) == number:
                    answers[row].append(token)
            going = [i for i, row in enumerate(rows) if len(answers[row]) > number]
            if not going or number + 1 == max_new_tokens:
                break
            if len(going) <= GOING * len(rows):
                rows, tokens = [rows[i] for i in going], tokens[going]
                cache.keep(going)
            tokens = self._next(tokens, cache)
        return answers

    def _read(
        self, prompts: Sequence[Sequence[int]], most: int, pictures: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, Cache]:
        """The token (B,) after each of B prompts, and what was read of them."""
        import torch

        lengths = torch.tensor([len(prompt) for prompt in prompts])
        columns = torch.arange(int(lengths.max()))
        rows = Rows.of((columns < lengths[:, None]).long(), self.network.model.rotary_emb)
        cache = Cache(len(self.blocks), lengths, self.network, most)
        owner = torch.arange(len(prompts)).repeat_interleave(lengths)
        positions = rows.real % len(columns) + (len(columns) - lengths)[owner]
        last = lengths.cumsum(0) - 1
        x = embedded(self.network, torch.tensor([token for prompt in prompts for token in prompt]), pictures)
        for block, cached in zip(self.blocks, cache.blocks(), strict=True):
            turned = self._turned(rows.positions, normed(x, block.before) @ block.qkv)
            for slot, read in enumerate(self._read_of(turned).unbind(1)):
                cached[slot][owner, :, positions] = read
            mixed, _ = attended(self._each_head(turned), rows, self.scale)
            if block is self.blocks[-1]:
                mixed, x = mixed[last], x[last]
            x = _after(block, x, mixed.flatten(1))
        return self._chosen(x), cache

    def _next(self, tokens: torch.Tensor, cache: Cache) -> torch.Tensor:
        """The tokens (B,) after ``tokens`` (B,)."""
        from torch.nn.functional import scaled_dot_product_attention

        x, positions, seen = self.network.model.embed_tokens(tokens), cache.grow(), cache.seen()
        for block, cached in zip(self.blocks, cache.blocks(), strict=True):
            turned = self._turned(positions, normed(x, block.before) @ block.qkv)
            cached[:, :, :, cache.used - 1] = self._read_of(turned).transpose(0, 1)
            keys, values = cached[:, :, :, : cache.used]
            # heads that share their keys see the same places: for attention they are so many tokens of one head
            together = turned[:, : self.heads].view(len(turned), self.shared, -1, turned.shape[-1])
            mixed = scaled_dot_product_attention(together, keys, values, attn_mask=seen, scale=self.scale)
            x = _after(block, x, mixed.flatten(1))
        return self._chosen(x)

    def _turned(self, positions: Positions, qkv: torch.Tensor) -> torch.Tensor:
        """Queries, keys and values (R, heads + 2 shared heads, d), the first two turned."""
        import torch

        parts = qkv.view(len(qkv), 1, self.heads + 2 * self.shared, -1)
        turned, last = torch.empty_like(parts), self.heads + self.shared
        positions.turn(parts[:, :, :last], turned[:, :, :last])
        turned[:, :, last:] = parts[:, :, last:]
        return turned[:, 0]

    def _read_of(self, turned: torch.Tensor) -> torch.Tensor:
        """Keys and values (R, 2, shared heads, d)."""
        return turned[:, self.heads :].view(len(turned), 2, self.shared, -1)

    def _each_head(self, turned: torch.Tensor) -> torch.Tensor:
        """Queries, keys and values (R, 3, heads, d), where heads share their keys a copy for each."""
        import torch

        if self.heads == self.shared:
            return turned.view(len(turned), 3, self.heads, -1)
        copies = self._read_of(turned).repeat_interleave(self.heads // self.shared, 2)
        return torch.cat([turned[:, None, : self.heads], copies], 1)

    def _chosen(self, x: torch.Tensor) -> torch.Tensor:
        ids: torch.Tensor = self.network.lm_head(normed(x, self.network.model.norm)).argmax(-1)
        return ids


def _joined(layers: Sequence[Any]) -> torch.Tensor:
    """The matrices of ``layers`` side by side, (in, out)."""
    import torch

    return torch.cat([matrix(layer).to(torch.float32) for layer in layers]).t()


def _after(block: Any, x: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
    """What follows the attention of a block."""
    x = x + mixed @ block.out
    output: torch.Tensor = x + gate()(normed(x, block.between) @ block.gate_up) @ block.down
    return output


class Cache:
    """Represent keys and values, each row's tokens moved to the right, so that all write into the same column.

    Args:
        blocks: how many.
        lengths: (B,) int64, of the prompts.
        network: whose heads they are.
        most: no more new tokens than so many come.
    """

    def __init__(self, blocks: int, lengths: torch.Tensor, network: Any, most: int) -> None:
        import torch

        heads, width = network.config.num_key_value_heads, network.model.layers[0].self_attn.head_dim
        self.used, self.most = int(lengths.max()), int(lengths.max()) + most
        self.start = self.used - lengths
        self.turning = Positions.of(network.model.rotary_emb, self.most)
        self.held = torch.zeros(blocks, 2, len(lengths), heads, min(self.used + ROOM, self.most), width)

    def blocks(self) -> Iterator[torch.Tensor]:
        """Yield of each block keys and values (2, B, heads, T, d)."""
        return iter(self.held)

    def grow(self) -> Positions:
        """Make room for one more token in each row; return the positions at which they stand."""
        import torch

        if self.used == self.held.shape[4]:
            more = min(ROOM, self.most - self.used)
            self.held = torch.nn.functional.pad(self.held, (0, 0, 0, more))
        self.used += 1
        return self.turning.at(self.used - 1 - self.start)

    def seen(self) -> torch.Tensor:
        """Return (B, 1, 1, T) bool, which places hold a row's tokens."""
        import torch

        return (torch.arange(self.used) >= self.start[:, None])[:, None, None]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows alone; columns that none of them uses are left out."""
        start = self.start[list(rows)]
        first = int(start.min())
        self.start, self.used, self.most = start - first, self.used - first, self.most - first
        self.held = self.held[:, :, list(rows), :, first:]
