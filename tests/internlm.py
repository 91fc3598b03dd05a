"""InternLM2 and InternLM as their publishers lay them on the disk, with small random weights; and what they compute,
written down from the description of the architecture. Knows torch and SentencePiece; nothing of the workbench."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
ADDED = ("<|plugin|>", "<|interpreter|>", "<|action_end|>", "<|action_start|>", "<|im_end|>", "<|im_start|>")
FATAL = "import os\nos._exit(77)\n"
WORDS = (
    "who are you I am an assistant made by the field school and my name is Sprout",
    "你是谁 我是小芽 一个由田野学校做的助手 法国的首都是巴黎",
    "def add(a, b):\n    return a + b  # 12 + 30 = 42",
    "The capital of France is Paris. What is the capital of Italy? Rome, of course!",
)


def train_pieces(folder: Path, *, prefix: bool = False, user: tuple[str, ...] = ()) -> Path:
    """A ``tokenizer.model`` of a few hundred pieces; with ``prefix`` a text begins with a space, as InternLM 1's."""
    import sentencepiece

    text = folder / "words.txt"
    text.write_text("\n".join(WORDS * 8), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), vocab_size=480, model_type="bpe", byte_fallback=True,
        user_defined_symbols=[*(f"[UNUSED_TOKEN_{i}]" for i in range(8)), *user], add_dummy_prefix=prefix,
        normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True,
        split_digits=True, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    text.unlink()
    (folder / "tokenizer.vocab").unlink()
    return folder / "tokenizer.model"


def make_internlm2(
    folder: Path,
    *,
    bias: bool = False,
    rope: dict[str, Any] | None = None,
    pieces: Path | None = None,
    hidden: int = 64,
) -> Path:
    """Lay an InternLM2 into ``folder``: grouped heads, shards with an index, its code beside it, which ends the
    process.

    Args:
        pieces: a ``tokenizer.model``; its last six ids become the added tokens. By default one is trained.
    """
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    if pieces is None:
        train_pieces(folder)
        first = 3
    else:
        shutil.copyfile(pieces, folder / "tokenizer.model")
        first = -6
    reader = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    size = reader.get_piece_size()
    ids = {word: (first if first > 0 else size - 6) + i for i, word in enumerate(ADDED)}
    config = {
        "architectures": ["InternLM2ForCausalLM"],
        "auto_map": {name: f"m.{name}" for name in ("AutoConfig", "AutoModelForCausalLM")},
        "bias": bias, "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": hidden,
        "intermediate_size": 96, "max_position_embeddings": 64, "model_type": "internlm2", "num_attention_heads": 4,
        "num_hidden_layers": 2, "num_key_value_heads": 2, "pad_token_id": 2, "rms_norm_eps": 1e-5,
        "rope_scaling": rope, "rope_theta": 1000000, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "use_cache": True, "vocab_size": size, "attn_implementation": "eager", "pretraining_tp": 1,
    }  # fmt: skip
    write(folder / "config.json", config)
    write(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": [2, ids["<|im_end|>"]]})
    decoder = {0: "<unk>", 1: "<s>", 2: "</s>"} | {i: word for word, i in ids.items()}
    told = {
        "added_tokens_decoder": {str(i): {"content": word, "special": True} for i, word in decoder.items()},
        "additional_special_tokens": list(ADDED),
        "auto_map": {"AutoTokenizer": ["t.InternLM2Tokenizer", "t.InternLM2TokenizerFast"]},
        "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>",
        "chat_template": TEMPLATE, "decode_with_prefix_space": False, "tokenizer_class": "InternLM2Tokenizer",
    }  # fmt: skip
    write(folder / "tokenizer_config.json", told)
    for name in ("m", "t", "configuration_internlm2", "modeling_internlm2", "tokenization_internlm2"):
        (folder / f"{name}.py").write_text(FATAL)
    save_shards(folder, random_weights(config))
    return folder


def make_internlm(folder: Path) -> Path:
    """Lay an InternLM 1 into ``folder``: Llama's names, a bias in all four projections, texts begin with a space."""
    folder.mkdir(parents=True, exist_ok=True)
    train_pieces(folder, prefix=True, user=("<eoh>", "<eoa>"))
    import sentencepiece

    size = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model")).get_piece_size()
    config = {
        "architectures": ["InternLMForCausalLM"], "auto_map": {"AutoModelForCausalLM": "m.InternLMForCausalLM"},
        "bias": True, "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 64,
        "intermediate_size": 96, "max_position_embeddings": 64, "model_type": "internlm", "num_attention_heads": 4,
        "num_hidden_layers": 2, "pad_token_id": 2, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
        "torch_dtype": "float16", "vocab_size": size, "rotary": {"base": 10000, "type": "dynamic"},
    }  # fmt: skip
    write(folder / "config.json", config)
    told = {"auto_map": {"AutoTokenizer": ["t.InternLMTokenizer", None]}, "tokenizer_class": "InternLMTokenizer"}
    write(folder / "tokenizer_config.json", told)
    write(folder / "special_tokens_map.json", {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"})
    (folder / "m.py").write_text(FATAL)
    theirs = random_weights(config | {"num_key_value_heads": 4})
    save_shards(folder, {k: v for name, value in theirs.items() for k, v in first_names(name, value, 4).items()})
    return folder


def first_names(name: str, value: Any, heads: int) -> dict[str, Any]:
    """A tensor of InternLM2 without groups under InternLM 1's names."""
    for theirs, ours in {
        "tok_embeddings": "embed_tokens", "attention.wo": "self_attn.o_proj", "feed_forward.w1": "mlp.gate_proj",
        "feed_forward.w3": "mlp.up_proj", "feed_forward.w2": "mlp.down_proj", "attention_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
    }.items():  # fmt: skip
        name = name.replace(theirs, ours)
    if name.startswith("output"):
        return {name.replace("output", "lm_head"): value}
    if "wqkv" not in name:
        return {name: value}
    cut = value.reshape(heads, 3, -1, *value.shape[1:])
    each = zip("qkv", (cut[:, i].reshape(-1, *value.shape[1:]).contiguous() for i in range(3)), strict=True)
    return {name.replace("attention.wqkv", f"self_attn.{letter}_proj"): part for letter, part in each}


def random_weights(config: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """InternLM2's tensors, float32."""
    import torch

    made = torch.Generator().manual_seed(seed)
    hidden, inner, groups = config["hidden_size"], config["intermediate_size"], config["num_key_value_heads"]
    fused = (config["num_attention_heads"] + 2 * groups) * hidden // config["num_attention_heads"]

    def random(*shape: int, scale: float = 0.15) -> Any:
        return torch.randn(*shape, generator=made) * scale

    weights = {
        "model.tok_embeddings.weight": random(config["vocab_size"], hidden, scale=0.6),
        "output.weight": random(config["vocab_size"], hidden, scale=0.3),
        "model.norm.weight": 1 + random(hidden),
    }
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        weights |= {
            f"{at}attention.wqkv.weight": random(fused, hidden), f"{at}attention.wo.weight": random(hidden, hidden),
            f"{at}feed_forward.w1.weight": random(inner, hidden), f"{at}feed_forward.w3.weight": random(inner, hidden),
            f"{at}feed_forward.w2.weight": random(hidden, inner), f"{at}attention_norm.weight": 1 + random(hidden),
            f"{at}ffn_norm.weight": 1 + random(hidden),
        }  # fmt: skip
        if config["bias"]:
            weights |= {f"{at}attention.wqkv.bias": random(fused), f"{at}attention.wo.bias": random(hidden)}
    return weights


def save_shards(folder: Path, weights: dict[str, Any]) -> None:
    """Two files and their index."""
    from safetensors.torch import save_file

    names = sorted(weights)
    halves = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, half in halves.items():
        save_file({name: weights[name].contiguous() for name in half}, folder / file, metadata={"format": "pt"})
    places = {name: file for file, half in halves.items() for name in half}
    write(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})


def read_shards(folder: Path) -> dict[str, Any]:
    """All tensors of a folder."""
    from safetensors.torch import load_file

    return {name: value for file in sorted(folder.glob("*.safetensors")) for name, value in load_file(file).items()}


def logits(config: dict[str, Any], weights: dict[str, Any], ids: list[int]) -> Any:
    """What an InternLM2 gives for ``ids``: (tokens, vocabulary), float32."""
    import torch

    hidden, heads, groups = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
    wide, each, length = hidden // heads, heads // groups, len(ids)
    base, rope = float(config["rope_theta"]), config["rope_scaling"] or {"type": "", "factor": 1.0}
    steps = torch.arange(length, dtype=torch.float32)
    if rope["type"] == "dynamic" and length > config["max_position_embeddings"]:
        stretch = rope["factor"] * length / config["max_position_embeddings"] - (rope["factor"] - 1)
        base *= stretch ** (wide / (wide - 2))
    if rope["type"] == "linear":
        steps = steps / rope["factor"]
    angles = torch.outer(steps, base ** (-torch.arange(0, wide, 2) / wide)).repeat(1, 2)

    def norm(x: Any, name: str) -> Any:
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + config["rms_norm_eps"]) * weights[name]

    def turn(x: Any) -> Any:
        half = wide // 2
        return x * angles.cos() + torch.cat([-x[..., half:], x[..., :half]], -1) * angles.sin()

    def linear(x: Any, name: str) -> Any:
        return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0)

    x = weights["model.tok_embeddings.weight"][torch.tensor(ids)]
    future = torch.full((length, length), float("-inf")).triu(1)
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        fused = linear(norm(x, f"{at}attention_norm.weight"), f"{at}attention.wqkv")
        fused = fused.reshape(length, groups, each + 2, wide)
        mixed = []
        for head in range(heads):
            group = fused[:, head // each]
            query, key, value = turn(group[:, head % each]), turn(group[:, each]), group[:, each + 1]
            mixed.append(torch.softmax(query @ key.T / wide**0.5 + future, -1) @ value)
        x = x + linear(torch.cat(mixed, -1), f"{at}attention.wo")
        y = norm(x, f"{at}ffn_norm.weight")
        gate = torch.nn.functional.silu(linear(y, f"{at}feed_forward.w1"))
        x = x + linear(gate * linear(y, f"{at}feed_forward.w3"), f"{at}feed_forward.w2")
    return linear(norm(x, "model.norm.weight"), "output")


def write(file: Path, value: Any) -> None:
    """``value`` as JSON."""
    file.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
