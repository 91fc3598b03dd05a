"""Models of known shapes with random weights, and conversations as long as people's, for the training benchmark."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# InternLM2's of 1.8 and 7 billion parameters, in the Llama format; and one that a CPU trains in seconds.
SHAPES: dict[str, dict[str, int]] = {
    "tiny": {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4},
    "1.8b": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24, "num_attention_heads": 16},
    "7b": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32},
}
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
KEYS, VOCABULARY = {"tiny": 2, "1.8b": 8, "7b": 8}, 92_544
# Tokens of a conversation, evenly between: 256 in the mean, so that 16 are 4 096 tokens.
SHORTEST, LONGEST = 96, 416


def make_model(shape: str, folder: Path) -> None:
    """Save a model of ``shape`` to ``folder``, in bfloat16, with *pocket*'s tokenizer; its weights are drawn anew."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from workbench.models import best_device, load_tokenizer, resolve

    coder = load_tokenizer("pocket")
    config = LlamaConfig(
        **SHAPES[shape],
        num_key_value_heads=KEYS[shape],
        vocab_size=len(coder) if shape == "tiny" else VOCABULARY,
        max_position_embeddings=4096,
        bos_token_id=coder.bos_token_id,
        eos_token_id=coder.eos_token_id,
        pad_token_id=coder.pad_token_id,
    )
    torch.manual_seed(0)
    with torch.device(best_device()):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="4GB")
    for name in TOKENIZER:
        shutil.copy(Path(resolve("pocket")) / name, folder)


def long_talks(talks: Sequence[Any], count: int, coder: Any) -> list[list[dict[str, str]]]:
    """``count`` questions with answers that go on until the conversation is as long as drawn.

    Args:
        talks: conversations whose texts the answers are made of.
        coder: a tokenizer, which says how long a text is.
    """
    chance = random.Random(0)
    made = []
    for _ in range(count):
        wanted, answer, tokens = chance.randint(SHORTEST, LONGEST), [], 0
        question = chance.choice(talks).messages[0].content
        while tokens < wanted:
            text = "\n".join(message.content for message in chance.choice(talks).messages)
            answer.append(text)
            tokens += len(coder(text)["input_ids"])
        ids = coder("\n".join(answer))["input_ids"][:wanted]
        made.append([{"role": "user", "content": question}, {"role": "assistant", "content": coder.decode(ids)}])
    return made
