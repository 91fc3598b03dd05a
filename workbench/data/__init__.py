"""Conversations: reading, writing, checking, mending, generating identity sets, mixing, splitting.

Knows where each name of the room lives and loads it when it is asked for, so that ``import workbench.data`` is free.
Knows nothing of templates, tokenizers or models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.data.checking import Finding, check
    from workbench.data.conversation import ROLES, Conversation, Message, Persona, Role, ask
    from workbench.data.formats import FORMATS
    from workbench.data.identity import identity_set
    from workbench.data.mixing import mix
    from workbench.data.picture import Picture
    from workbench.data.reading import Reading, load, read, recognise
    from workbench.data.splitting import split
    from workbench.data.writing import write

_HOME = {
    "ROLES": "conversation",
    "Conversation": "conversation",
    "Message": "conversation",
    "Persona": "conversation",
    "Picture": "picture",
    "Role": "conversation",
    "ask": "conversation",
    "FORMATS": "formats",
    "Reading": "reading",
    "load": "reading",
    "read": "reading",
    "recognise": "reading",
    "write": "writing",
    "Finding": "checking",
    "check": "checking",
    "identity_set": "identity",
    "mix": "mixing",
    "split": "splitting",
}

__all__ = [
    "FORMATS",
    "ROLES",
    "Conversation",
    "Finding",
    "Message",
    "Persona",
    "Picture",
    "Reading",
    "Role",
    "ask",
    "check",
    "identity_set",
    "load",
    "mix",
    "read",
    "recognise",
    "split",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
