"""A small Llama's greedy answers on a CPU, many at once, with as little as can be around the matrix products.

Knows the Llama's layers; nothing of text or of training. The library's answers, but for rounding. What is saved:

- a prompt's padding is computed in attention alone, and there prompts of like length stand together;
- keys and values are written into their place; the library copies all of them at every token;
- an adapted layer is one matrix, and layers that read the same input (q, k, v; gate, up) are one product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from workbench.models.dense import adapted, matrix
from workbench.models.gradients import attended, gate
from workbench.models.quick import Positions, Rows, inner, linear_layers, normed, parts, plain, small

if TYPE_CHECKING:
    import torch

# Tokens for which there is room at first, and more each time it is used up.
ROOM = 16
# Rows whose answers have ended leave a batch when no more than this share of them goes on.
GOING = 0.8


def quick_answers(model: Any) -> QuickAnswers | None:
    """Return the quick way to ``model``'s answers, or None where there is none: it is made for a Llama in float32 on a
    CPU, with or without an adapter, whose matrices take at most ``LIMIT`` bytes.

    Args:
        model: as the library or PEFT made it. What is made here knows the weights as they are now.
    """
    network = inner(model)
    if not (_of_matrices(model) and plain(network)):
        return None
    if any(hasattr(p, "ds_id") or p.device.type != "cpu" for p in network.parameters()):
        return None
    linear = linear_layers(network)
    return QuickAnswers(network) if small(linear) and all(_whole(layer) for layer in linear) else None


def _of_matrices(model: Any) -> bool:
    """Whether all that PEFT added to ``model`` are matrices in its linear layers: no learnt prompts or norms."""
    added = getattr(model, "peft_config", {}).values()
    return all(config.peft_type in ("LORA", "ADALORA") and not config.modules_to_save for config in added)


def _whole(layer: Any) -> bool:
    """Whether ``layer`` can be one matrix in float32, without a bias."""
    import torch

    base = getattr(layer, "base_layer", layer)
    if base.bias is not None or not (adapted(layer) or type(layer) is torch.nn.Linear):
        return False
    return hasattr(base.weight, "quant_state") or base.weight.dtype == torch.float32


class QuickAnswers:
    """Find the likeliest tokens after each of many prompts.

    Args:
        network: a ``LlamaForCausalLM`` for which :func:`quick_answers` found that it can be done.
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self.scale = network.model.layers[0].self_attn.scaling
        self.blocks = parts(network, _joined)

    def __call__(
        self, prompts: Sequence[Sequence[int]], max_new_tokens: int, stop_ids: Sequence[int]
    ) -> list[list[int]]:
        """The answers, without the stop token, in the order of ``prompts``."""
        answers: list[list[int]] = [[] for _ in prompts]
        stops, rows = set(stop_ids), list(range(len(prompts)))  # rows: of which prompt is each row of the cache
        tokens, cache = self._read(prompts, max_new_tokens)
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

    def _read(self, prompts: Sequence[Sequence[int]], most: int) -> tuple[torch.Tensor, Cache]:
        """The token (B,) after each of B prompts, and what was read of them."""
        import torch

        lengths = torch.tensor([len(prompt) for prompt in prompts])
        columns = torch.arange(int(lengths.max()))
        rows = Rows.of((columns < lengths[:, None]).long(), self.network.model.rotary_emb)
        cache = Cache(len(self.blocks), lengths, self.network, most)
        owner = torch.arange(len(prompts)).repeat_interleave(lengths)
        positions = rows.real % len(columns) + (len(columns) - lengths)[owner]
        last = lengths.cumsum(0) - 1
        x = self.network.model.embed_tokens(torch.tensor([token for prompt in prompts for token in prompt]))
        for block, cached in zip(self.blocks, cache.blocks(), strict=True):
            turned = rows.positions.turned(normed(x, block.before) @ block.qkv)
            for slot in (0, 1):
                cached[slot][owner, :, positions] = turned[:, 1 + slot]
            mixed, _ = attended(turned, rows, self.scale)
            if block is self.blocks[-1]:
                mixed, x = mixed[last], x[last]
            x = _after(block, x, mixed.flatten(1))
        return self._chosen(x), cache

    def _next(self, tokens: torch.Tensor, cache: Cache) -> torch.Tensor:
        """The tokens (B,) after ``tokens`` (B,)."""
        import torch

        x, positions, seen = self.network.model.embed_tokens(tokens), cache.grow(), cache.seen()
        for block, cached in zip(self.blocks, cache.blocks(), strict=True):
            turned = positions.turned(normed(x, block.before) @ block.qkv)
            cached[:, :, :, cache.used - 1] = turned[:, 1:].transpose(0, 1)
            keys, values = cached[:, :, :, : cache.used]
            mixed = torch.nn.functional.scaled_dot_product_attention(
                turned[:, 0, :, None], keys, values, attn_mask=seen, scale=self.scale
            )
            x = _after(block, x, mixed.flatten(1))
        return self._chosen(x)

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

        heads, width = network.config.num_attention_heads, network.model.layers[0].self_attn.head_dim
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
