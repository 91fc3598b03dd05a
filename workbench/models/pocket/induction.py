"""Starts a Llama with a circuit that copies: an induction circuit, written into two of its layers.

The circuit is the one that C. Olsson et al. found in trained models ("In-context Learning and
Induction Heads", 2022): a head of the first layer tells every position what the token before it
was; heads of the second layer look for an earlier place whose token before is the present one,
and write the token found there. Models learn it late and suddenly; a model of this size, trained
for some minutes on a CPU, only half. It is where training starts, not what it must keep. To start
attention from a structure rather than from noise follows A. Trockman and J. Z. Kolter, "Mimetic
Initialization of Self-Attention Layers" (2023).

Knows Llama's weights and rotary positions. Must not know data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

BACK = 6
"""Rotary frequencies, from the fastest, that tell the position before from its neighbours."""
NEIGHBOUR = 6.0
"""By how much, in units of the score, the position before stands out from the one next to it."""
MATCH = 25.0
"""Score of a place that matches; one that does not has a mean of zero."""
WRITE = 0.5
"""How strongly a found token is written."""
CONSTANT = 0.35
"""Share of each embedding that is the same in all, so that a head can attend by position alone."""
LENGTH = 2.0
"""Length of an embedding."""
COPYING = 2
"""Heads of the second layer that copy."""


@dataclass(frozen=True, slots=True)
class Space:
    """Directions of the residual stream: rows are orthonormal, ``d`` is its width."""

    same: torch.Tensor
    """``(d,)``: the part that all embeddings share."""
    before: torch.Tensor
    """``(head, d)``: where the token before is noted; no embedding reaches here."""
    words: torch.Tensor
    """``(d - 1 - head, d)``: where embeddings differ."""
    chance: torch.Generator

    def project(self, rows: int) -> torch.Tensor:
        """A random projection ``(rows, d)`` of ``words``, its rows orthonormal."""
        return orthonormal(self.words.size(0), rows, self.chance).T @ self.words


def orthonormal(rows: int, columns: int, chance: torch.Generator) -> torch.Tensor:
    """A random matrix ``(rows, columns)``, rows >= columns, whose columns are orthonormal."""
    import torch

    q: torch.Tensor = torch.linalg.qr(torch.randn(rows, columns, generator=chance))[0]
    return q


def write(model: LlamaForCausalLM, seed: int) -> None:
    """Writes the circuit into the embeddings and the first two layers of an untrained model."""
    import torch

    width, head = model.config.hidden_size, model.config.hidden_size // model.config.num_attention_heads
    chance = torch.Generator().manual_seed(seed)
    basis = orthonormal(width, width, chance).T
    space = Space(basis[0], basis[1 : 1 + head], basis[1 + head :], chance)
    with torch.no_grad():
        _embed(model, space)
        noted = _note_the_token_before(model, space, head)
        for number in range(COPYING):
            _find_and_copy(model, space, noted, slice(number * head, (number + 1) * head))


def _embed(model: LlamaForCausalLM, space: Space) -> None:
    import torch

    table = model.model.embed_tokens.weight
    own = torch.randn(table.size(0), space.words.size(0), generator=space.chance) @ space.words
    own = own / own.norm(dim=1, keepdim=True)
    table.copy_(LENGTH * (math.sqrt(1 - CONSTANT**2) * own + CONSTANT * space.same))


def _frequencies(model: LlamaForCausalLM, head: int) -> torch.Tensor:
    """Radians a position of the ``head / 2`` rotary pairs; pair i is made of entries i and i + head / 2."""
    import torch

    pairs = head // 2
    base = model.config.rope_parameters["rope_theta"]
    return torch.tensor([base ** (-pair / pairs) for pair in range(pairs)])


def _note_the_token_before(model: LlamaForCausalLM, space: Space, head: int) -> torch.Tensor:
    """First head of layer 0; returns the projection ``(head, d)`` of the embedding that it notes."""
    import torch

    attention, speed = model.model.layers[0].self_attn, _frequencies(model, head)[:BACK]
    key, query = torch.zeros(head), torch.zeros(head)
    key[:BACK] = 1.0
    # A query turned back by one position meets the key of the position before it.
    query[:BACK] = speed.cos()
    query[head // 2 : head // 2 + BACK] = -speed.sin()
    length = math.sqrt(space.same.numel())  # of a state after the norm
    gap = NEIGHBOUR / float((1 - speed.cos()).sum())
    strength = math.sqrt(gap * math.sqrt(head)) / (length * CONSTANT)
    attention.q_proj.weight[:head] = strength * torch.outer(query, space.same)
    attention.k_proj.weight[:head] = strength * torch.outer(key, space.same)
    noted = space.project(head)
    attention.v_proj.weight[:head] = noted
    share = math.sqrt((1 - CONSTANT**2) * head / space.words.size(0))
    attention.o_proj.weight[:, :head] = LENGTH / (length * share) * space.before.T
    return noted


def _find_and_copy(model: LlamaForCausalLM, space: Space, noted: torch.Tensor, rows: slice) -> None:
    """One head of layer 1: the query is the present token, the key the token noted as the one before."""
    import torch

    attention, head = model.model.layers[1].self_attn, noted.size(0)
    # Slow pairs only: over the length of a question they hardly turn, so that distance does not matter.
    slow = [pair for pair in range(head // 2) if pair >= head * 3 // 16]
    entries = torch.tensor(slow + [pair + head // 2 for pair in slow])
    mixed = orthonormal(head, len(entries), space.chance).T
    query, key = torch.zeros(head, space.same.numel()), torch.zeros(head, space.same.numel())
    query[entries], key[entries] = mixed @ noted, mixed @ space.before
    # A state is half embedding, half note; each scaled by the norm to the square root of the width.
    half = math.sqrt(space.same.numel() / 2)
    seen = half * math.sqrt((1 - CONSTANT**2) * head / space.words.size(0))
    score = seen * half * len(entries) / head / math.sqrt(head)
    attention.q_proj.weight[rows] = math.sqrt(MATCH / score) * query
    attention.k_proj.weight[rows] = math.sqrt(MATCH / score) * key
    written = space.project(head)
    attention.v_proj.weight[rows] = written
    attention.o_proj.weight[:, rows] = WRITE * LENGTH * written.T
