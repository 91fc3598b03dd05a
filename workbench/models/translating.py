"""What libraries raise while they open a model, in one sentence. Knows errors; nothing of models."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.models.adapters import first_line, short_of_memory


class TranslatedErrors:
    """Turn what the libraries raise while they open a model into one sentence: of a folder it is a fault of what lies
    in it, whatever they call it; of a hub id that the hub did not give it."""

    def __init__(self, model: str, source: str) -> None:
        self.model, self.local = model, Path(source).is_dir()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, WorkbenchError) or not isinstance(error, Exception):
            return
        if short_of_memory(error):
            raise Failed("models.no_memory", model=self.model) from error
        if self.local:
            raise BadInput("models.cannot_load", model=self.model, reason=first_line(error)) from error
        raise Failed("models.hub_refused", model=self.model, reason=first_line(error)) from error
