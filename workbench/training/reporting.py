"""The numbers of a run for programs that draw curves: TensorBoard and trackio, where they are asked for.

Knows events and the two libraries' writing side; nothing of a training. The run folder stays what everybody here reads,
so a library that fails is told of once, and the training goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench.errors import Failed
from workbench.runs.events import EvalEvent, Event, TrainEvent
from workbench.texts import text
from workbench.training.team import Onlooker

if TYPE_CHECKING:
    from workbench.runs import Run
    from workbench.runs.worker import Claim
    from workbench.training.settings import Recipe

# the names that Trainer gives them, so that its runs and ours stand in one plot
_TRAIN = ("loss", "learning_rate", "grad_norm", "epoch")
_EVAL = ("loss", "identity", "task", "general", "leak", "drift", "repetition")
PROJECT = "workbench"


class Writer(Protocol):
    """Represent what takes numbers to a program."""

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """Write the numbers of a step."""

    def close(self) -> None:
        """Write what is not on the disk yet."""


def check_writers(names: Sequence[str]) -> None:
    """Refuse a program that is not installed, before anything is made.

    Raises:
        Failed: it is not; says how to get it.
    """
    for name in names:
        if find_spec(name) is None:
            raise Failed("training.no_writer", given=name)


def numbers_of(event: Event) -> dict[str, float]:
    """Return the numbers of an event by Trainer's names, ``train/loss`` or ``eval/identity``; none of other events."""
    kinds: tuple[tuple[type[Event], str, tuple[str, ...]], ...] = (
        (TrainEvent, "train", _TRAIN),
        (EvalEvent, "eval", _EVAL),
    )
    for kind, prefix, names in kinds:
        if isinstance(event, kind):
            values = {name: getattr(event, name) for name in names}
            return {f"{prefix}/{name}": value for name, value in values.items() if value is not None}
    return {}


class Reports:
    """Represent the programs that one stay of a worker writes for.

    Args:
        writers: by the programs' names.
        failed: called with a program's name and what went wrong, once for each; it gets nothing any more.
    """

    def __init__(self, writers: Mapping[str, Writer], failed: Callable[[str, str], None]) -> None:
        self._writers, self._failed = dict(writers), failed

    def hear(self, event: Event) -> None:
        """Hand on the numbers of an event."""
        numbers = numbers_of(event)
        if numbers:
            self._each(lambda writer: writer.write(numbers, event.step or 0))

    def close(self) -> None:
        """Let all writers finish."""
        self._each(lambda writer: writer.close())
        self._writers.clear()

    def _each(self, action: Callable[[Writer], None]) -> None:
        for name, writer in list(self._writers.items()):
            try:
                action(writer)
            except Exception as error:  # noqa: PERF203  somebody else's library, and not what the run is for
                del self._writers[name]
                self._failed(name, _reason(error))


@contextmanager
def reported(hold: Claim | Onlooker, run: Run, recipe: Recipe, resumed: int | None) -> Iterator[None]:
    """Hand the numbers of all events to the programs of ``runtime.report_to`` while it lasts.

    Args:
        hold: the worker's; one that does not lead hands on nothing.
        run: the run.
        recipe: its settings, for the programs that show them.
        resumed: the step that the run goes on from; None for a new one.
    """
    names = recipe.runtime.report_to
    if not names or isinstance(hold, Onlooker):
        yield
        return

    def failed(name: str, reason: str) -> None:
        key, values = "training.state.not_reported", {"name": name, "reason": reason}
        hold.log("status", state="running", message=text(key, **values), key=key, values=values)

    writers: dict[str, Writer] = {}
    for name in dict.fromkeys(names):
        try:
            writers[name] = _WRITERS[name](run.path, recipe.model_dump(mode="json"), resumed)
        except Exception as error:  # noqa: PERF203  a library each
            failed(name, _reason(error))
    reports = Reports(writers, failed)
    hold.listeners.append(reports.hear)
    try:
        yield
    finally:
        hold.listeners.remove(reports.hear)
        reports.close()


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


class _TensorBoard:
    """Event files in the run folder: ``tensorboard --logdir runs`` shows all runs."""

    def __init__(self, run: Path, settings: Mapping[str, Any], resumed: int | None) -> None:  # noqa: ARG002
        from torch.utils.tensorboard import SummaryWriter

        # what a killed worker had written of later steps is taken back there too
        purge = None if resumed is None else resumed + 1
        self._file: Any = SummaryWriter(str(run / "tensorboard"), purge_step=purge)

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            self._file.add_scalar(name, value, step)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class _Trackio:
    """A run of the project ``workbench`` in trackio's own store: ``trackio show --project workbench``.

    A run that goes on is a part of its own there, of the same group: trackio takes no step back.
    """

    def __init__(self, run: Path, settings: Mapping[str, Any], resumed: int | None) -> None:
        import trackio

        name = run.name if resumed is None else f"{run.name}-from-{resumed}"
        self._run: Any = trackio.init(
            PROJECT, name, group=run.name, config=dict(settings), embed=False, auto_log_gpu=False, auto_log_cpu=False
        )

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        self._run.finish()


_WRITERS: Mapping[str, Callable[[Path, Mapping[str, Any], int | None], Writer]] = {
    "tensorboard": _TensorBoard,
    "trackio": _Trackio,
}
