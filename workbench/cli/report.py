"""A finished walk as the page ``report.html``. Knows the run's events and the page's values; draws nothing itself."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from workbench.runs.events import Event, SampleEvent
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.quickstart import Outcome, Quickstart
    from workbench.render import Curves


def report_page(way: Quickstart, outcome: Outcome, mask: Any, *, answers: Any, scores: tuple[Any, ...]) -> str:
    """The page, in the walk's language."""
    from workbench.render import Number, Report, report_html

    run = outcome.run
    events = run.events.all()
    best = run.best()
    curves = curves_of(events, best.step if best else None, way.lang)
    seconds = outcome.seconds
    report = Report(
        name=way.persona.name,
        author=way.persona.author,
        verdict=curves.verdict,
        verdict_text=curves.verdict_text,
        learnt=outcome.learnt,
        curves=curves,
        scores=scores,
        numbers=tuple(
            Number(text(f"quickstart.seconds.{part}"), f"{seconds[part]:.0f}", text("quickstart.seconds.unit"))
            for part in ("data", "train", "total")
        ),
        mask=mask,
        answers=answers,
        samples=samples_of(events),
        settings=settings_of(way),
        versions=tuple(sorted(run.manifest().get("packages", {}).items())),
        next_steps=next_steps(way),
        made=datetime.now().astimezone().isoformat(timespec="minutes"),
    )
    return report_html(report, lang=way.lang)


def curves_of(events: list[Event], best_step: int | None, lang: str | None = None) -> Curves:
    """The curves of a run from its events; the verdict is that of the best checkpoint, told in ``lang``."""
    from workbench.render import Curves

    evals = [e for e in events if e.kind == "eval"]
    verdicts: dict[int | None, Any] = {e.step: e for e in events if e.kind == "verdict"}
    told = verdicts.get(best_step) or next(reversed(verdicts.values()), None)
    return Curves(
        train=_points([e for e in events if e.kind == "train"], "loss"),
        held_out=_points(evals, "loss"),
        identity=_points(evals, "identity"),
        general=_points(evals, "general"),
        leak=_points(evals, "leak"),
        best_step=best_step,
        verdict=told.verdict if told else "",
        verdict_text=verdict_text(told, lang) if told else "",
    )


def verdict_text(event: Any, lang: str | None = None) -> str:
    """A verdict in words with its reason; in the worker's words where they cannot be told in ``lang``."""
    reason, values = event.reason, event.more.get("values")
    if isinstance(values, dict):
        with suppress(KeyError):
            reason = text(f"evaluation.reason.{event.more.get('key')}", lang, **values)
    return text(f"evaluation.verdict.{event.verdict}", lang, reason=reason)


def samples_of(events: list[Event]) -> tuple[Any, ...]:
    """What was answered at each evaluation, of the first two identity and general questions."""
    from workbench.render import Sample

    told = [e for e in events if isinstance(e, SampleEvent)]
    wanted: list[str] = []
    for probe in ("identity", "general"):
        asked = dict.fromkeys(e.question for e in told if e.probe == probe)
        wanted += list(asked)[:2]
    return tuple(Sample(e.step or 0, e.question, e.answer) for e in told if e.question in wanted)


def settings_of(way: Quickstart) -> tuple[Any, ...]:
    """Every setting of the recipe, with what it does."""
    from workbench.render import Setting
    from workbench.training.recipe import describe

    return tuple(
        Setting(f"{group}.{name}", _written(value), "", describe(f"{group}.{name}"))
        for group, values in way.settings.model_dump(mode="json").items()
        for name, value in values.items()
    )


def next_steps(way: Quickstart) -> tuple[Any, ...]:
    """What a person does next."""
    from workbench.render import NextStep

    out = way.out
    return (
        NextStep(text("quickstart.next.chat"), f"workbench chat {out / 'merged'}"),
        NextStep(text("quickstart.next.runs"), f"workbench runs show {out}"),
        NextStep(text("quickstart.next.recipe"), "workbench recipes show pocket-qlora"),
    )


def _points(events: list[Any], name: str) -> tuple[tuple[int, float], ...]:
    return tuple((e.step, getattr(e, name)) for e in events if e.step is not None and getattr(e, name) is not None)


def _written(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
