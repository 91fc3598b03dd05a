"""The one shape that all data is turned into. Knows nothing of files, templates or models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Message:
    """Hold one turn's words.

    Args:
        role: system, user, assistant or tool.
        content: the text, never with control tokens that mean something.
        train: only for an assistant's message; ``None`` leaves it to ``loss_on``, ``True`` and ``False`` decide
            for this message.
        tool_calls: the calls that an assistant's message makes, each a JSON string
            (a string, since arguments of different types must not be cast into one another).
        images: paths of the pictures, one for each ``<image>`` of the content.
        thinking: only for an assistant's message; what it thought before its answer, without the template's marks
            round it. Empty: none.
    """

    role: Role
    content: str
    train: bool | None = None
    tool_calls: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    thinking: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Hold messages in order, with what is known of where they come from.

    Args:
        messages: the turns.
        group: paraphrases of one question share a group; a split never parts it. Empty: a group of its own.
        kind: ``identity``, ``general`` or a finer word; empty where not known.
        lang: ``zh``, ``en`` or empty.
        source: ``file:row`` (row counted from 1), for errors and findings.
        tools: the tools offered, a JSON string each.
        meta: everything else that the row held, kept for writing back.
    """

    messages: tuple[Message, ...]
    group: str = ""
    kind: str = ""
    lang: str = ""
    source: str = ""
    tools: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def question(self) -> str:
        """Return the first user's text, or ``''``."""
        return next((m.content for m in self.messages if m.role == "user"), "")

    @property
    def answer(self) -> str:
        """Return the last assistant's text, or ``''``."""
        return next((m.content for m in reversed(self.messages) if m.role == "assistant"), "")

    def with_messages(self, *messages: Message) -> Conversation:
        """Return the same conversation with other messages."""
        return replace(self, messages=tuple(messages))


def offering(messages: Sequence[Message], tools: Sequence[str]) -> Conversation | Sequence[Message]:
    """Return messages as a conversation that offers ``tools``; as they are where there are none."""
    return Conversation(tuple(messages), tools=tuple(tools)) if tools else messages


def ask(question: str, answer: str | None = None, *, system: str = "", **fields: Any) -> Conversation:
    """Return a conversation of one question and, where given, its answer."""
    messages = [Message("system", system)] if system else []
    messages.append(Message("user", question))
    if answer is not None:
        messages.append(Message("assistant", answer))
    return Conversation(tuple(messages), **fields)


@dataclass(frozen=True, slots=True)
class Persona:
    """Hold who the assistant is to be.

    Args:
        name: what it calls itself; any text without line breaks or control characters.
        author: who made it.
        purpose: what it is for, a short phrase; empty leaves such sentences out.
        manner: ``plain``, ``warm`` or ``brief``.
        languages: the languages of the identity set.
    """

    name: str
    author: str = ""
    purpose: str = ""
    manner: str = "plain"
    languages: tuple[str, ...] = ("zh", "en")
