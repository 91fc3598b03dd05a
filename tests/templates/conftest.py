"""Small tokenizers, made in the process, in the shapes that real ones have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SENTENCES = [
    "Hello there, how are you today? I am fine, thank you.",
    "the capital of France is Paris. What is the capital of Italy?",
    "user assistant system model tool name arguments Human Assistant User Bot",
    "你好，请问你是谁？我是一个助手，很高兴认识你。",
    "世界上最高的山是珠穆朗玛峰。",
    "0 1 2 3 4 5 6 7 8 9 + - = ( ) [ ] { } < > | / \\n",
] * 4

SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<s>",
    "</s>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|end|>",
]
PLAIN_MARKUP = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<eoh>", "<eoa>", "<b>"]


def wrapped(backend, bos, eos, template=None):
    """A Hugging Face tokenizer of a backend."""
    from transformers import PreTrainedTokenizerFast

    made = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=bos, eos_token=eos, pad_token=eos)
    made.chat_template = template
    return made


def byte_level_backend():
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES, trainer)
    backend.add_tokens([AddedToken(word, special=False, normalized=False) for word in PLAIN_MARKUP])
    return backend


def prepend_backend():
    """As the older Llama tokenizers are: a space before every text, bytes for what is not known, and a trap.

    The trap: letters merge to ``<s>``, so that the text ``<s>`` becomes the control token even where it is not parsed.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2}
    for word in [f"<0x{byte:02X}>" for byte in range(256)] + ["▁"]:
        vocabulary[word] = len(vocabulary)
    for letter in sorted(set("".join(SENTENCES))):
        vocabulary.setdefault(letter, len(vocabulary))
    merges = [("<", "s"), ("<s", ">"), ("▁", "a"), ("h", "e"), ("你", "好"), ("▁", "▁")]
    for left, right in merges:
        vocabulary.setdefault(left + right, len(vocabulary))
    backend = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.add_special_tokens([AddedToken(w, normalized=False) for w in ("<unk>", "<s>", "</s>")])
    backend.add_tokens([AddedToken(w, special=False, normalized=False) for w in ("<eoh>", "<eoa>")])
    return backend


def letters_backend(letters):
    """One token a character, so that ids can be read as text."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {letter: number for number, letter in enumerate(sorted(set(letters)))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.Split(pattern="", behavior="isolated")
    backend.decoder = decoders.Fuse()
    backend.add_special_tokens([AddedToken(w, normalized=False) for w in ("<s>", "</s>")])
    return backend


@pytest.fixture(scope="session")
def byte_level():
    """BOS that no template writes, EOS, and control tokens of several families."""
    return wrapped(byte_level_backend(), "<s>", "</s>")


@pytest.fixture(scope="session")
def no_bos():
    """As Qwen's: no BOS, EOS is the end-of-turn."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=byte_level_backend(), eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )


@pytest.fixture(scope="session")
def prepend():
    return wrapped(prepend_backend(), "<s>", "</s>")


@pytest.fixture
def own():
    """A fresh byte-level tokenizer with a chat template of its own."""

    def make(template, bos="<s>", eos="</s>"):
        return wrapped(byte_level_backend(), bos, eos, template)

    return make


@pytest.fixture(scope="session")
def shared():
    """A folder of public samples, where there is one."""
    folder = os.environ.get("WORKBENCH_SHARED")
    if not folder or not Path(folder).is_dir():
        pytest.skip("WORKBENCH_SHARED names no folder")
    return Path(folder)
