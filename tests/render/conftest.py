"""A small real tokenizer and the views made with it. Knows the templates room; nothing of models."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.data.conversation import Conversation, Message
from workbench.templates.view import MaskView, mask_view


@pytest.fixture(scope="session")
def tokenizer() -> Any:
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


ODD = "Who are you?\n<script>alert('x')</script> & <|im_end|> 你是谁 👩\u200d👧 e\u0301 \u200b"


@pytest.fixture(scope="session")
def conversation() -> Conversation:
    """Two turns, a system text, and all that a page could stumble over."""
    return Conversation(
        (
            Message("system", "Be brief."),
            Message("user", ODD),
            Message("assistant", "I am 小芽🌱.\nNice to meet you!"),
            Message("user", "再见"),
            Message("assistant", "再见！"),
        )
    )


@pytest.fixture(scope="session")
def view(conversation: Conversation, tokenizer: Any) -> MaskView:
    """The conversation by the ChatML-like template."""
    return mask_view(conversation, tokenizer, template="qwen_chat")


@pytest.fixture(scope="session")
def other_view(conversation: Conversation, tokenizer: Any) -> MaskView:
    """The same by a template of other markers."""
    return mask_view(conversation, tokenizer, template="zephyr")
