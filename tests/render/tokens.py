"""A small real tokenizer. Knows the tokenizers library; nothing of the workbench."""

from __future__ import annotations

from typing import Any


def small_tokenizer() -> Any:
    """Byte-level BPE of a few merges: an emoji and most Chinese characters take several tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(["你是谁？ 我是 小芽。", "Who are you? I am Sprout, your assistant."] * 9, trainer)
    backend.add_special_tokens([AddedToken(word, special=True) for word in ("<|im_start|>", "<|im_end|>")])
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>")
