"""What libraries raise over a model or an adapter, in one sentence. Knows errors; nothing of models."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import BadInput, Failed, WorkbenchError


class Translated:
    """Turn what a library raises within the block into one sentence, and a lack of memory into the one for that.

    Args:
        model: how the sentence calls the model.
    """

    def __init__(self, model: str) -> None:
        self.model = model

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, WorkbenchError) or not isinstance(error, Exception):
            return
        if ran_out(error):
            raise Failed("models.no_memory", model=self.model) from error
        raise self.sentence(first_line(error)) from error

    def sentence(self, reason: str) -> WorkbenchError:
        """Return the error for people; ``reason`` is what the library said."""
        raise NotImplementedError


class TranslatedErrors(Translated):
    """Turn into one sentence what comes while a model is opened: of a folder it is a fault of what lies in it, whatever
    the libraries call it; of a hub id that the hub did not give it."""

    def __init__(self, model: str, source: str) -> None:
        super().__init__(model)
        self.local = Path(source).is_dir()

    def sentence(self, reason: str) -> WorkbenchError:
        """Return the error for people."""
        if self.local:
            return BadInput("models.cannot_load", model=self.model, reason=reason)
        return Failed("models.hub_refused", model=self.model, reason=reason)


class Fitting(Translated):
    """Turn into one sentence what PEFT raises while it puts the adapter of ``folder`` on a model."""

    def __init__(self, folder: Path, model: str) -> None:
        super().__init__(model)
        self.folder = folder

    def sentence(self, reason: str) -> WorkbenchError:
        """Return the error for people."""
        return BadInput("models.adapter_does_not_fit", path=self.folder, model=self.model, reason=reason)


def ran_out(error: BaseException | None) -> str:
    """Return the first line of the memory's refusal where ``error``, or what it came from, is one; else empty.

    torch has a type of its own for the GPU's memory alone; the CPU's allocator and CUDA's libraries only say it.
    """
    phrases = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory", "ALLOC_FAILED")
    while error is not None:
        matches = isinstance(error, RuntimeError | OSError) and any(
            word.lower() in str(error).lower() for word in phrases
        )
        if matches or isinstance(error, MemoryError):
            return first_line(error)[:300]
        error = error.__cause__
    return ""


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, the second too where it only announces that; with the error's name
    where that is all there is."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):
        lines[0] += f" {lines[1]}"
    if isinstance(error, (KeyError, AttributeError, TypeError, IndexError, AssertionError)) or not lines:
        return f"{type(error).__name__} {lines[0] if lines else ''}".strip()
    return lines[0]
