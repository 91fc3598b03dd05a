"""A small Llama's training pass on a CPU, with as little as can be around the matrix products.

Knows the Llama's layers, PEFT's LoRA layers and their gradients; nothing of text or of optimizers. What the library
computes is computed here too, to rounding: the same loss and the same gradients. What is saved:

- padding is computed in attention alone, and there conversations of like length stand together;
- what follows the last attention is computed only where a label stands;
- layers that read the same input (q, k, v; gate, up) are one product, and NF4 weights are unpacked once for the whole
  training, not at every call;
- norms, gate and attention have gradients of their own (:mod:`workbench.models.gradients`).

:mod:`workbench.models.quick_answers` is the same for answering.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from workbench.models.dense import LIMIT, adapted, base_matrix
from workbench.models.gradients import attention, gate, norm, product
from workbench.models.quick_seeing import embedded, language_part, pictures_in
from workbench.templates.values import IGNORE_INDEX

if TYPE_CHECKING:
    import torch

# Conversations whose lengths differ by no more than this stand together in attention.
ALIKE = 1.7
ATTENTION, MLP = ("q_proj", "k_proj", "v_proj", "o_proj"), ("gate_proj", "up_proj", "down_proj")


def quick_pass(model: Any) -> QuickPass | None:
    """Return the quick pass of ``model``, or None where it would not be the model's own.

    It is made for a Llama with LoRA on all linear layers of its blocks and nothing else trained, in float32 on a CPU,
    whose matrices take at most ``LIMIT`` bytes: so for the embedded model. Of one that sees, the projector may be
    trained too, and it alone.

    Args:
        model: as PEFT made it. Its base must not change as long as the pass is used.
    """
    network = language_part(inner(model))
    if not plain(network):
        return None
    linear = linear_layers(network)
    frozen = hasattr(network, "sees") and all(_frozen(layer) for layer in linear)
    if not small(linear) or not (frozen or all(_trainable(layer) for layer in linear)):
        return None
    trained = {id(p) for layer in linear for p in layer.parameters() if p.requires_grad}
    if hasattr(network, "sees"):
        trained |= {id(p) for p in network.sees.multi_modal_projector.parameters()}
    if any(p.requires_grad and id(p) not in trained for p in model.parameters()):
        return None
    return QuickPass(network)


def inner(model: Any) -> Any:
    """Return the network within what PEFT made of it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def plain(network: Any, *, grouped: bool = False) -> bool:
    """Tell whether it is a Llama as small ones are, computing in float32.

    Args:
        grouped: heads may share their keys; otherwise each has its own.
    """
    import torch

    return _llama(network.config, grouped=grouped) and network.model.embed_tokens.weight.dtype == torch.float32


def _llama(config: Any, *, grouped: bool = False) -> bool:
    return (
        getattr(config, "model_type", "") == "llama"
        and config.hidden_act == "silu"
        and (grouped or config.num_key_value_heads == config.num_attention_heads)
        and not config.attention_dropout
    )


def small_llama(config: Any) -> bool:
    """Tell whether a model of this configuration is one for :func:`quick_pass`, as far as that can be told without
    it."""
    if not _llama(config) or config.attention_bias or config.mlp_bias:
        return False
    width = config.num_attention_heads * config.head_dim
    block = 4 * config.hidden_size * width + 3 * config.hidden_size * config.intermediate_size
    return bool(4 * config.num_hidden_layers * block <= LIMIT)


def linear_layers(network: Any) -> list[Any]:
    """Return those of all blocks of a Llama."""
    blocks = network.model.layers
    layers = [getattr(block.self_attn, name) for block in blocks for name in ATTENTION]
    return layers + [getattr(block.mlp, name) for block in blocks for name in MLP]


def small(layers: Sequence[Any]) -> bool:
    """Tell whether the matrices of ``layers`` take at most ``LIMIT`` bytes in float32."""
    return matrix_bytes(layers) <= LIMIT


def matrix_bytes(layers: Sequence[Any]) -> int:
    """Return the bytes of the matrices of ``layers`` in float32."""
    return int(4 * sum(layer.in_features * layer.out_features for layer in layers))


def parts(network: Any, join: Callable[[list[Any]], Any]) -> list[SimpleNamespace]:
    """Return of each block of a Llama its norms, and of its linear layers what ``join`` makes of those that read the
    same."""
    return [
        SimpleNamespace(
            before=block.input_layernorm,
            qkv=join([getattr(block.self_attn, name) for name in ATTENTION[:3]]),
            out=join([block.self_attn.o_proj]),
            between=block.post_attention_layernorm,
            gate_up=join([block.mlp.gate_proj, block.mlp.up_proj]),
            down=join([block.mlp.down_proj]),
        )
        for block in network.model.layers
    ]


def _trainable(layer: Any) -> bool:
    """Whether ``layer`` is a frozen matrix and one LoRA pair, without dropout or bias, in float32 on the CPU."""
    import torch

    if not adapted(layer) or hasattr(layer, "lora_E") or layer.disable_adapters or len(layer.active_adapters) != 1:
        return False
    name = layer.active_adapters[0]
    if name not in layer.lora_A or not isinstance(layer.lora_dropout[name], torch.nn.Identity):
        return False
    pair = layer.lora_A[name].weight, layer.lora_B[name].weight
    return (
        layer.base_layer.bias is None
        and layer.lora_B[name].bias is None
        and not any(p.requires_grad for p in layer.base_layer.parameters())
        and all(p.dtype == torch.float32 and p.device.type == "cpu" and p.requires_grad for p in pair)
    )


def _frozen(layer: Any) -> bool:
    """Whether ``layer`` is a matrix that is not trained, in float32 on the CPU."""
    import torch

    if type(layer) is not torch.nn.Linear:
        return False
    linear: Any = layer  # whose bias may be None, though torch's types say otherwise
    weight = linear.weight
    quiet = linear.bias is None and not weight.requires_grad
    return bool(quiet and weight.dtype == torch.float32 and weight.device.type == "cpu")


class QuickPass:
    """Compute the summed loss of a batch, with the gradients of the adapter.

    Args:
        network: a ``LlamaForCausalLM``, or the language part of a network that sees, for which :func:`quick_pass`
            found that it can be done.
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.scale = network.model.layers[0].self_attn.scaling
        self.blocks = parts(network, Joined)

    def takes(self, batch: dict[str, torch.Tensor]) -> bool:
        """Tell whether ``batch`` is one of padded rows, as :func:`~workbench.models.batches.pad` makes them; packed
        ones are the library's."""
        return "attention_mask" in batch

    def __call__(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
        """As :func:`~workbench.models.batches.summed_loss`: the sum in nats over N trained tokens, 0-d; and N."""
        import torch

        labels = batch["labels"]
        ahead = torch.full_like(labels, IGNORE_INDEX)
        ahead[:, :-1] = labels[:, 1:]
        rows = Rows.of(batch["attention_mask"], self.network.model.rotary_emb)
        targets = ahead.flatten()[rows.real]
        rows_seen = (targets != IGNORE_INDEX).nonzero().flatten()
        if not len(rows_seen):  # nothing to learn here: a gradient of zero all the same
            return torch.stack([p.sum() for p in self.parameters]).sum() * 0.0, 0
        ids = batch["input_ids"].flatten()[rows.real]
        logits = self.network.lm_head(self._hidden(ids, rows, rows_seen, pictures_in(batch)))
        return torch.nn.functional.cross_entropy(logits, targets[rows_seen], reduction="sum"), len(rows_seen)

    def _hidden(
        self, ids: torch.Tensor, rows: Rows, rows_seen: torch.Tensor, pictures: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """The last hidden states (N, H) of the tokens ``rows_seen`` (N,) among ``ids`` (R,)."""
        llama = self.network.model
        x = embedded(self.network, ids, pictures)
        for block in self.blocks:
            mixed = attention()(block.qkv(normed(x, block.before)), rows, self.scale)
            if block is self.blocks[-1]:
                mixed, x = mixed[rows_seen], x[rows_seen]
            x = x + block.out(mixed)
            x = x + block.down(gate()(block.gate_up(normed(x, block.between))))
        return normed(x, llama.norm)


def normed(x: torch.Tensor, layer: Any) -> torch.Tensor:
    """Return ``x`` (R, H) through a norm of the library's."""
    scaled: torch.Tensor = norm()(x, layer.weight, layer.variance_epsilon)
    return scaled


class Joined:
    """Represent linear layers that read the same input, as one: ``x (W + s BA)ᵀ``, their outputs side by side."""

    def __init__(self, layers: Sequence[Any]) -> None:
        import torch

        self.scales: tuple[float, ...] = ()
        self.pairs: list[Any] = []
        if not hasattr(layers[0], "base_layer"):
            self.weight = torch.cat([layer.weight.detach() for layer in layers])
            return
        name = layers[0].active_adapters[0]
        self.weight = torch.cat([base_matrix(layer).to(torch.float32) for layer in layers])
        self.scales = tuple(float(layer.scaling[name]) for layer in layers)
        self.pairs = [m[name].weight for layer in layers for m in (layer.lora_A, layer.lora_B)]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x (R, in) → (R, out)."""
        output: torch.Tensor = product()(x, self.weight, self.scales, *self.pairs)
        return output


@dataclass(frozen=True, slots=True)
class Group:
    """Hold conversations that attention computes together.

    Args:
        tokens: which of the R tokens are theirs.
        rows, width: how many conversations, and the length of the longest.
        places: (their tokens,) int64, where each stands among ``rows`` × ``width``.
        source: (rows × width,) int64, the token that stands at each place; at padding any, since no token sees it.
    """

    tokens: slice
    rows: int
    width: int
    places: torch.Tensor
    source: torch.Tensor


@dataclass(frozen=True, slots=True)
class Positions:
    """Hold rotary positions (Su et al. 2021) of R tokens.

    Args:
        cos, sin: (R, 1, 1, d / 2) float32; the other half of a head's width is the same.
    """

    cos: torch.Tensor
    sin: torch.Tensor

    @classmethod
    def of(cls, rotary: Any, count: int) -> Positions:
        """Return the first ``count`` of them, with ``rotary`` the model's own."""
        import torch

        parts = (part[0] for part in rotary(torch.empty(0), torch.arange(count)[None]))
        return cls(*(part[:, None, None, : part.shape[-1] // 2] for part in parts))

    def at(self, places: torch.Tensor) -> Positions:
        """Return those of tokens that stand at ``places`` (R,)."""
        return Positions(self.cos[places], self.sin[places])

    def turned(self, qkv: torch.Tensor) -> torch.Tensor:
        """Return q, k and v (R, 3, heads, d) of ``qkv`` (R, 3 H), the first two turned by their positions."""
        import torch

        parts = qkv.view(len(qkv), 3, -1, 2 * self.cos.shape[-1])
        turned = torch.empty_like(parts)
        self.turn(parts[:, :2], turned[:, :2])
        turned[:, 2] = parts[:, 2]
        return turned

    def turn(self, x: torch.Tensor, out: torch.Tensor, *, back: bool = False) -> None:
        """Write ``x`` (R, …, d) turned by its positions, or turned back, to ``out``."""
        import torch

        (x1, x2), (y1, y2), way = x.chunk(2, -1), out.chunk(2, -1), -1 if back else 1
        torch.mul(x1, self.cos, out=y1).addcmul_(x2, self.sin, value=-way)
        torch.mul(x2, self.cos, out=y2).addcmul_(x1, self.sin, value=way)


@dataclass(frozen=True, slots=True)
class Rows:
    """Hold where the R tokens of a padded batch (B, T) stand.

    Args:
        real: (R,) int64, the tokens that are not padding, counted in B × T.
        positions: of the R tokens.
        groups: the conversations, those of like length together.
    """

    real: torch.Tensor
    positions: Positions
    groups: list[Group]

    @classmethod
    def of(cls, mask: torch.Tensor, rotary: Any) -> Rows:
        """Take them from a batch padded on the right, with ``rotary`` the model's own."""
        import torch

        real = mask.flatten().nonzero().flatten()
        columns, groups, start = real % mask.shape[1], [], 0
        for lengths in alike(mask.sum(1).tolist()):
            width, stop = max(lengths), start + sum(lengths)
            places = columns[start:stop] + torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths)) * width
            source = torch.full((len(lengths) * width,), start)
            source[places] = torch.arange(start, stop)
            groups.append(Group(slice(start, stop), len(lengths), width, places, source))
            start = stop
        return cls(real, Positions.of(rotary, mask.shape[1]).at(columns), groups)


def alike(lengths: Sequence[int]) -> list[list[int]]:
    """Return ``lengths`` cut, in their order, where one is more than :data:`ALIKE` times another of its part."""
    parts: list[list[int]] = []
    for length in lengths:
        if parts and max(*parts[-1], length) <= ALIKE * min(*parts[-1], length):
            parts[-1].append(length)
        else:
            parts.append([length])
    return parts
