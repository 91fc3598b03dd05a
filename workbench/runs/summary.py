"""A run in a few facts: where it stands, its last losses and verdict, its best, the command to go on. Draws nothing."""

from __future__ import annotations

from typing import Any

from workbench.errors import Failed
from workbench.runs.events import Event, to_record
from workbench.runs.front import convert_command, resume_command, watch_command
from workbench.runs.run import Run
from workbench.runs.state import State


def brief(run: Run) -> dict[str, Any]:
    """Return what a list of runs shows, as JSON; the events are not read.

    ``state`` is a :class:`~workbench.runs.State`'s status, ``step`` the last step done, ``since`` and ``updated``
    seconds since 1970 (UTC), ``best`` the best checkpoint (step, path, score, reason) or null.
    """
    state, best = run.state(), run.best()
    return {
        "name": run.name,
        "path": str(run.path),
        "state": state.status,
        "step": state.step,
        "total_steps": state.total_steps,
        "since": state.since,
        "updated": state.updated,
        "best": best and {"step": best.step, "path": str(best.path), "score": best.score, "reason": best.reason},
    }


def summary(run: Run) -> dict[str, Any]:
    """Return all that one run shows, as JSON: :func:`brief` and

    ``train``, ``eval``, ``verdict`` (the fields of the last such event, or null), ``checkpoints`` (step, path, score,
    reason), ``pid``, ``host``, ``message`` and ``remedy`` (what happened, and what to do), ``next`` (the exact command
    to go on), ``report`` (a path, or null).
    """
    state, events = run.state(), run.events.all()
    message, remedy = words(run, state)
    report = run.path / "report.html"
    # a killed worker told the log of steps that it had not yet told the state
    steps = [event.step for event in events if event.kind != "status" and event.step is not None]
    return {
        **brief(run),
        "step": max([state.step, *steps]),
        "pid": state.pid,
        "host": state.host,
        "message": message,
        "remedy": remedy,
        **{kind: _last(events, kind) for kind in ("train", "eval", "verdict")},
        "checkpoints": [
            {"step": c.step, "path": str(c.path), "score": c.score, "reason": c.reason} for c in run.checkpoints()
        ],
        "next": next_command(run, state),
        "report": str(report) if report.exists() else None,
    }


def next_command(run: Run, state: State) -> str:
    """Return the exact command to go on with, as for a shell."""
    if state.alive:
        return watch_command(run)
    return convert_command(run) if state.status == "ended" else resume_command(run)


def words(run: Run, state: State, lang: str | None = None) -> tuple[str, str]:
    """Return what happened to a run and what to do next, in ``lang`` where its text is known, else as the worker said
    it."""
    if state.status == "died":
        died = death(run, state)
        return died.say(lang), died.do(lang)
    try:
        failure = Failed(state.key, **state.values)
        return failure.say(lang), failure.do(lang)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, OSError):
        return state.message, state.remedy  # a newer version's text, or none


def death(run: Run, state: State) -> Failed:
    """Return why a run is over without a word of its worker's, as far as it can be known, and how to go on."""
    key, values = (state.key, state.values) if state.key.startswith("runs.job.") else ("runs.died", {})
    known = {"run": run.name, "pid": state.pid, "log": run.path / "worker.log", "command": resume_command(run)}
    return Failed(key, **{**values, **known})


def _last(events: list[Event], kind: str) -> dict[str, Any] | None:
    latest = next((event for event in reversed(events) if event.kind == kind), None)
    if latest is None:
        return None
    return {name: value for name, value in to_record(latest).items() if name not in ("kind", "seq")}
