"""A tiny Llama, its tokenizer and LoRA adapters, made in the test: real files in the real formats, in milliseconds."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
WORDS = [
    "Who are you?",
    "I am a tiny model.",
    "What is the capital of France?",
    "Paris.",
    "你是谁？我是一个小模型。",
    "法国的首都是巴黎。",
]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def save_tokenizer(folder: Path) -> Any:
    """A byte-level BPE of 320 pieces with ChatML markers; its EOS is not its end-of-turn, as in many base models."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(WORDS * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=SPECIAL[0], pad_token=SPECIAL[0], clean_up_tokenization_spaces=False
    )
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL[1:]})
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_base(
    folder: Path, *, dtype: str = "bfloat16", tied: bool = False, shard: str = "50MB", seed: int = 0, **more: Any
) -> Path:
    """A random Llama of 2 layers with its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = save_tokenizer(folder)
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "tie_word_embeddings": tied,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
    }
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**(sizes | more)))
    with torch.no_grad():
        for weight in model.parameters():  # larger than the default, so that greedy answers are not near-ties
            weight.copy_(torch.randn_like(weight) * 0.3 if weight.ndim > 1 else torch.rand_like(weight) + 0.5)
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard)
    return folder


def save_adapter(
    base: Path, folder: Path, *, dtype: str | None = None, strength: float = 0.1, seed: int = 1, **settings: Any
) -> Path:
    """An adapter on ``base``, every factor random as a trained one's is; ``settings`` are those of LoraConfig."""
    import torch
    from peft import AdaLoraConfig, LoraConfig, get_peft_model
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    kind = AdaLoraConfig if "init_r" in settings else LoraConfig
    defaults = {"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT warns of tied and of saved embeddings; both are meant here
        made = get_peft_model(model, kind(**(defaults | settings)))
        torch.manual_seed(seed)
        with torch.no_grad():
            for name, weight in made.named_parameters():
                if "lora_magnitude" in name:
                    weight.mul_(1 + 0.2 * torch.rand_like(weight))
                elif weight.requires_grad:
                    weight.copy_(torch.randn_like(weight) * strength ** (0.5 if "lora" in name else 1))
        made.save_pretrained(folder)
    if dtype:
        file = folder / "adapter_model.safetensors"
        save_file({k: v.to(getattr(torch, dtype)).contiguous() for k, v in load_file(file).items()}, file)
    return folder


def edit_json(file: Path, **changes: Any) -> None:
    """Change some keys of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
