"""The one shape that all data is turned into. Knows nothing of rows, templates or models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from workbench.data.picture import Picture

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
        images: the pictures; the first ``len(images)`` marks ``<image>`` of the content are their places, in order.
            Any further one is text, as each is in a message without pictures.
        thinking: only for an assistant's message; what it thought before its answer, without the template's marks
            round it. Empty: none.
    """

    role: Role
    content: str
    train: bool | None = None
    tool_calls: tuple[str, ...] = ()
    images: tuple[Picture, ...] = ()
    thinking: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types, for another process."""
        fields = {slot: getattr(self, slot) for slot in self.__slots__}
        return fields | {"tool_calls": list(self.tool_calls), "images": [image.to_dict() for image in self.images]}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Message:
        """Return what :meth:`to_dict` gave."""
        images = tuple(Picture.from_dict(image) for image in record["images"])
        return cls(**{**record, "tool_calls": tuple(record["tool_calls"]), "images": images})


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
        mended: what had to be mended to read it: (field, key under ``data.mends``); what is written anew needs none.
    """

    messages: tuple[Message, ...]
    group: str = ""
    kind: str = ""
    lang: str = ""
    source: str = ""
    tools: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    mended: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Return the pictures of all messages, in order."""
        return tuple(image for message in self.messages for image in message.images)

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

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types, as far as its meta is of them, for another process."""
        fields = {slot: getattr(self, slot) for slot in self.__slots__}
        return fields | {"messages": [m.to_dict() for m in self.messages], "tools": list(self.tools)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Conversation:
        """Return what :meth:`to_dict` gave."""
        messages = tuple(Message.from_dict(message) for message in record["messages"])
        return cls(**{**record, "messages": messages, "tools": tuple(record["tools"])})


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
