"""A tiny Llama with a ChatML tokenizer of its own, made in the test. Knows transformers; nothing of the workbench."""

from __future__ import annotations

from pathlib import Path

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


# what is particular of other families' templates: a thought in a field of its own and a switch for it; a system text
# that names another assistant, and thoughts that are taken out; no place for a system text
FAMILIES = {
    "qwen3": "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n{{ m.reasoning_content or '' }}\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}",
    "llama": "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are Bluebird, created by Feather Labs."
    "<|im_end|>\n{% endif %}" + TEMPLATE.replace("m.content", "m.content.split('</think>')[-1]"),
    "gemma": "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + TEMPLATE,
}


def make_family(family: str, folder: Path) -> Path:
    """A tiny random model of another family, with a template of its kind, in ``folder``."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    make_tiny(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = FAMILIES[family]
    tokenizer.save_pretrained(folder)
    like = AutoConfig.from_pretrained(folder).to_dict()
    wanted = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    wanted += ("num_key_value_heads", "max_position_embeddings", "tie_word_embeddings", "eos_token_id", "pad_token_id")
    kind = {"gemma": "gemma3_text"}.get(family, family)
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, head_dim=16, bos_token_id=None, **{name: like[name] for name in wanted})
    AutoModelForCausalLM.from_config(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def make_tiny(folder: Path, *, hidden: int = 64, layers: int = 2, seed: int = 0) -> Path:
    """Save a random model of a few 100 000 parameters, and a byte-level tokenizer of 320 tokens, to ``folder``."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["system user assistant who are you I am made by 你是谁 我是"] * 8, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def overrides(base: Path, *more: str) -> list[str]:
    """``key=value`` with which the tiny model in ``base`` is trained in seconds; ``more`` has the last word."""
    few = ("data.general=null", "max_length=200", "r=4", "max_new_tokens=4", "general_probes=2", "unrelated_probes=2")
    return [f"model.name={base}", "device=cpu", *few, *more]
