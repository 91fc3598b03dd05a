"""The lines of Python that ask what the chat step asks. Knows settings and models; asks nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.steps.code import call, lines, written
from workbench.steps.models import Model

if TYPE_CHECKING:
    from workbench.chat import Assistant


def code_of(settings: Any, models: Mapping[str, Model | Assistant], files: Sequence[str]) -> str:
    """Return the lines that ask the same.

    Args:
        settings: what is asked, and how.
        models: by label.
        files: the pictures that are shown.
    """
    loads = {label: _load(models[label]) for label in settings.shown}
    options: dict[str, object] = {
        "images": list(files),
        "system": settings.system or None,
        "max_new_tokens": settings.max_new_tokens,
    }
    options |= {"temperature": settings.temperature, "top_p": settings.top_p, "seed": settings.seed}
    options |= {"tools": settings.tools}
    usual: dict[str, object] = {
        "images": [],
        "system": None,
        "max_new_tokens": 256,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 0,
    }
    usual |= {"tools": ""}
    arguments = "".join(f", {key}={written(value)}" for key, value in options.items() if value != usual[key])
    return lines(
        "import workbench as wb",
        "",
        "models = {" + ", ".join(f"{written(label)}: {load}" for label, load in loads.items()) + "}",
        "for label, model in models.items():",
        f"    print(label, model.ask({written(settings.question)}{arguments}))",
    )


def _load(model: Model | Assistant) -> str:
    if not isinstance(model, Model):
        return call("wb.Assistant.load", model.loaded.name)
    named = {"adapter": model.adapter or None, "template": model.template}
    return call("wb.Assistant.load", model.model, **{key: value for key, value in named.items() if value})
