"""What answers, loaded: an assistant or an endpoint, and what it is compared with. Knows models and notes; no page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench.chat.endpoint import Endpoint
from workbench.chat.shown import SIDE, side_of
from workbench.errors import WorkbenchError
from workbench.models.notes import part

if TYPE_CHECKING:
    from workbench.chat.assistant import Assistant
    from workbench.chat.history import Asked


class Answers(Protocol):
    """Describe whatever answers: an assistant in this process or in one beside it, or an endpoint."""

    def stream(self, question: Asked, **options: Any) -> Iterator[str]:
        """Return the answer in pieces."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Hold what answers, once it is loaded.

    Args:
        answers: the assistant.
        base: what it is compared with; None where there is nothing.
        remarks: names of sentences to be shown: on which device, in how many bits.
        notices: sentences of the model itself.
        sees: whether it takes pictures.
        side: pixels of a side of what is shown to it.
    """

    answers: Answers
    base: Answers | None = None
    remarks: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    sees: bool = False
    side: int = SIDE


@dataclass(frozen=True, slots=True)
class Serving:
    """Hold what is served.

    Args:
        model: ``pocket``, a folder or a hub id; behind an endpoint the model's name there, or its folder.
        adapter: a folder in PEFT's format.
        quantization: ``nf4`` for 4 bit.
        template: a named template, in the place of the one that was trained.
        device: by default the best there is.
        base: what to compare a merged model with; with an adapter it is the model itself.
        endpoint: the URL of an OpenAI-compatible API that answers in this process's place.
        tools: names of the tools that the assistant may call.
        host, port: where; see :func:`workbench.chat.door.door`.
        lang: of the page, before the visitor chooses.
    """

    model: str = ""
    adapter: str | None = None
    quantization: Any = "none"
    template: str | None = None
    device: str | None = None
    base: str | None = None
    endpoint: str | None = None
    tools: str | None = None
    host: str | None = None
    port: int | None = None
    lang: str | None = None


def opened(settings: Serving) -> Opened:
    """Load what answers, in this process.

    Raises:
        WorkbenchError: it cannot be loaded, or the endpoint does not answer.
    """
    if settings.endpoint:
        endpoint = Endpoint(settings.endpoint, settings.model or None)
        return Opened(endpoint, endpoint.with_model(settings.base) if settings.base else None, ("by_endpoint",))
    from workbench.chat.assistant import Assistant

    options: dict[str, Any] = {"quantization": settings.quantization, "device": settings.device}
    assistant = Assistant.load(settings.model, settings.adapter, template=settings.template, **options)
    base = assistant.base if assistant.adapted else _base(settings, assistant, options)
    remarks = ["on_cpu" if assistant.loaded.device.type == "cpu" else "on_gpu"]
    remarks += ["in_4bit"] if settings.quantization == "nf4" else []
    eyes = getattr(assistant.loaded, "eyes", None)
    return Opened(assistant, base, tuple(remarks), assistant.notices, eyes is not None, side_of(eyes))


def _base(settings: Serving, assistant: Assistant, options: dict[str, Any]) -> Assistant | None:
    """What a merged model grew from: the one that was named, else the one its note names if it is on this machine."""
    from workbench.chat.assistant import Assistant

    named = settings.base or str(part(assistant.note, "base").get("name") or "")
    if not named or (not settings.base and named != "pocket" and not Path(named).expanduser().is_dir()):
        return None
    try:
        return Assistant.load(named, template=assistant.template, **options)
    except WorkbenchError:
        if settings.base:
            raise
        return None  # a bundle leaves the base behind
