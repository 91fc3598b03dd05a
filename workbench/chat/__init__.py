"""Answers: streamed, in conversation, side by side. Knows models and templates; nothing of screens or of training."""

from __future__ import annotations

from workbench.chat.assistant import Assistant, Sampling
from workbench.chat.commands import COMMANDS, Session
from workbench.chat.comparing import Comparison, compare
from workbench.chat.history import Fitted
from workbench.chat.replay import in_own_words
from workbench.chat.talk import Chat

__all__ = ["COMMANDS", "Assistant", "Chat", "Comparison", "Fitted", "Sampling", "Session", "compare", "in_own_words"]
