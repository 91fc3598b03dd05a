"""A finished walk as the page ``report.html``. Knows the run's events and the page's values; draws nothing itself."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from workbench.texts import listed, text

if TYPE_CHECKING:
    from workbench.quickstart import Outcome, Quickstart


def report_page(way: Quickstart, outcome: Outcome, mask: Any, *, answers: Any, scores: tuple[Any, ...]) -> str:
    """Return the page, in the walk's language."""
    from workbench.render import Number, Report, curves_of, report_html, samples_of

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
        tied=outcome.tied,
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
        made=f"{datetime.now().astimezone():%Y-%m-%d %H:%M}",
    )
    return report_html(report, lang=way.lang)


def settings_of(way: Quickstart) -> tuple[Any, ...]:
    """Return every setting of the recipe, with what it does."""
    from workbench.render import Setting
    from workbench.training.recipe import describe

    return tuple(
        Setting(f"{group}.{name}", _written(value), "", describe(f"{group}.{name}"))
        for group, values in way.settings.model_dump(mode="json").items()
        for name, value in values.items()
    )


def next_steps(way: Quickstart) -> tuple[Any, ...]:
    """Return what a person does next."""
    from workbench.render import NextStep

    out = way.out
    return (
        NextStep(text("quickstart.next.chat"), f"workbench chat {out / 'merged'}"),
        NextStep(text("quickstart.next.runs"), f"workbench runs show {out}"),
        NextStep(text("quickstart.next.recipe"), "workbench recipes show pocket-qlora"),
    )


def _written(value: Any) -> str:
    return listed(value) if isinstance(value, list) else str(value)
