"""A small real tokenizer and the views made with it. Knows the templates room; nothing of models."""

from __future__ import annotations

from typing import Any

import pytest

from tests.render.tokens import small_tokenizer
from workbench.data.conversation import Conversation, Message
from workbench.templates.view import MaskView, mask_view


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """A small one, in which an emoji takes several tokens."""
    return small_tokenizer()


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
