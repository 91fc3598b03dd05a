"""A recorded run to be dragged through: curves, probes and the answers at each step. Knows recordings and markup.

Everything is in the markup, of each run of a grid; a script moves the line and changes the answers. Without it the
first run and a table of its answers are left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise

from workbench.render.curves import LOSS, STYLE
from workbench.render.frame import Frame
from workbench.render.markup import disclosure, escape, spoken_html, static, table, tag
from workbench.runs.recording import Points, Recording
from workbench.texts import text

_APART = 15.0  # between two names of curves
_LABEL = 110  # as wide as the words at the best step are at most
_FAR = 14.0  # from a curve, so that words do not touch it
_DASHES = {"train": "", "held_out": "7 4", "identity": "", "task": "6 3", "general": "9 3 3 3", "leak": "2 3"}
_PANELS = {LOSS: ("train", "held_out"), "scores": ("identity", "task", "general", "leak")}


def theatre_html(
    recordings: Sequence[Recording],
    *,
    guesses: Sequence[float] = (),
    own: float | None = None,
    lang: str | None = None,
) -> str:
    """Return the theatre of one run, or of several that differ in their settings.

    Args:
        recordings: at least one.
        guesses: steps that a class guessed, pinned to the curve.
        own: the step that the reader guessed.
    """
    knobs = _knobs(recordings)
    runs = "".join(_run(recording, number, guesses, own, lang) for number, recording in enumerate(recordings))
    first = recordings[0].settings
    sliders = "".join(_slider(name, values, first.get(name, values[0]), lang) for name, values in knobs.items())
    steps = max(recording.steps for recording in recordings)
    words = text("render.theatre.step", lang)
    scrub = (
        f'<label class="wb-scrub"><span>{escape(words)} <output>0</output></span>'
        f'<input type="range" min="0" max="{steps}" step="1" value="{steps}" data-scrub="1"></label>'
    )
    settings = [[recording.settings.get(name) for name in knobs] for recording in recordings]
    label = text("render.theatre.verdict", lang)
    verdicts = {verdict: verdict_word(verdict, lang) for verdict in _verdicts(recordings)}
    return (
        tag(
            "div",
            f'<div class="wb-theatre-bar">{sliders}{scrub}</div>{runs}',
            class_="wb-theatre",
            data_settings=json.dumps(settings),
            data_knobs=json.dumps(list(knobs.values())),
            data_verdict=label,
            data_verdicts=json.dumps(verdicts, ensure_ascii=False),
        )
        + f"<script>{static('theatre.js')}</script>"
    )


def verdict_word(verdict: str, lang: str | None) -> str:
    """Return a verdict in the reader's language."""
    return worded(f"render.theatre.verdicts.{verdict}", verdict, lang)


def worded(key: str, word: str, lang: str | None) -> str:
    """Return the text of a word, or the word itself where somebody else's version has written it."""
    try:
        return text(key, lang)
    except KeyError:
        return word


def _verdicts(recordings: Sequence[Recording]) -> list[str]:
    return sorted({verdict for recording in recordings for verdict in recording.verdicts.values() if verdict})


def _knobs(recordings: Sequence[Recording]) -> dict[str, list[float]]:
    """The settings in which the recordings differ, and their values in order."""
    names = dict.fromkeys(name for recording in recordings for name in recording.settings)
    values = {name: sorted({r.settings[name] for r in recordings if name in r.settings}) for name in names}
    return {name: several for name, several in values.items() if len(several) > 1}


def _slider(name: str, values: Sequence[float], start: float, lang: str | None) -> str:
    label = escape(text(f"render.theatre.knobs.{name}", lang))
    shown = escape(json.dumps([f"{value:g}" for value in values]))
    return (
        f'<label class="wb-knob"><span>{label} <output>{start:g}</output></span>'
        f'<input type="range" min="0" max="{len(values) - 1}" step="1" value="{values.index(start)}" '
        f'data-shown="{shown}">'
        "</label>"
    )


def _run(recording: Recording, number: int, guesses: Sequence[float], own: float | None, lang: str | None) -> str:
    plots = "".join(_plot(recording, panel, guesses, own, lang) for panel in _PANELS)
    cards = "".join(_card(answered.question, answered.answers, answered.probe, lang) for answered in recording.answered)
    said = _summary(recording, lang)
    content = (
        f'<div class="wb-theatre-plots">{plots}</div>'
        f'<p class="wb-theatre-says" role="status" aria-live="polite">{escape(said)}</p>'
        f'<div class="wb-theatre-answers">{cards}</div>'
        + disclosure(escape(text("render.theatre.table", lang)), _table(recording, lang))
    )
    verdicts = json.dumps({str(step): verdict for step, verdict in sorted(recording.verdicts.items())})
    series = {name: list(map(list, points)) for name, points in recording.series.items() if points}
    return tag(
        "section",
        content,
        class_="wb-theatre-run",
        data_run=number,
        data_steps=recording.steps,
        data_verdicts=verdicts,
        data_series=json.dumps(series),
        data_names=json.dumps({name: text(f"render.curves.{name}", lang) for name in series}, ensure_ascii=False),
        aria_label=recording.name,
        hidden="hidden" if number else None,
    )


def _summary(recording: Recording, lang: str | None) -> str:
    if recording.best is None:
        return text("render.theatre.no_best", lang, steps=recording.steps)
    return text("render.theatre.best", lang, best=recording.best, steps=recording.steps)


def _card(question: str, answers: Sequence[tuple[int, str]], probe: str, lang: str | None) -> str:
    """A question and the last answer; all others wait in the markup."""
    kind = tag("small", escape(worded(f"render.kinds.{probe}", probe, lang)), class_="wb-kind") if probe else ""
    last = answers[-1][1] if answers else "–"
    return tag(
        "div",
        f"<h3>{spoken_html(question)} {kind}</h3><p>{spoken_html(last)}</p>",
        class_="wb-theatre-card",
        data_answers=json.dumps([list(answer) for answer in answers], ensure_ascii=False),
    )


def _table(recording: Recording, lang: str | None) -> str:
    head = [escape(text("render.curves.step", lang)), *(spoken_html(a.question) for a in recording.answered)]
    steps = sorted({step for answered in recording.answered for step, _ in answered.answers})
    lines = [[str(step), *(spoken_html(dict(a.answers).get(step, "–")) for a in recording.answered)] for step in steps]
    return table(head, lines)


def _plot(recording: Recording, panel: str, guesses: Sequence[float], own: float | None, lang: str | None) -> str:
    """The curves of one panel as SVG; the script finds the line by its class."""
    series = {name: recording.series.get(name, ()) for name in _PANELS[panel]}
    top = 1.0 if panel != LOSS else max([0.1, *(value for points in series.values() for _, value in points)]) * 1.05
    frame = Frame(recording.steps, top, share=panel != LOSS, width=480)
    lines = "".join(_line(name, points, frame) for name, points in series.items() if points)
    pins = _pins(guesses, own, frame, lang) if panel == LOSS else ""
    best = _best(recording.best, list(series.values()), frame, lang)
    end = f"{frame.x(recording.steps):.1f}"
    base = frame.height - frame.below
    cursor = f'<line class="wb-cursor" x1="{end}" x2="{end}" y1="{frame.above}" y2="{base}"/>'
    title = escape(text(f"render.curves.{panel}_title", lang))
    ends = _ends(series, frame, lang)
    drawing = tag(
        "svg",
        frame.grid() + best + lines + ends + pins + cursor,
        class_="wb-theatre-plot",
        viewBox=f"0 0 {frame.width} {frame.height}",
        role="img",
        aria_label=text(f"render.curves.{panel}_title", lang),
        data_left=frame.left,
        data_right=frame.width - frame.right,
    )
    return f"<figure><figcaption>{title}</figcaption>{drawing}</figure>"


def _line(name: str, points: Points, frame: Frame) -> str:
    colour, _, mark = STYLE[name]
    placed = [(frame.x(step), frame.y(value)) for step, value in points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in placed)
    dash = f' stroke-dasharray="{_DASHES[name]}"' if _DASHES[name] else ""
    dots = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.6"/>' for a, b in placed) if mark == "o" else ""
    return f'<g class="wb-line" style="--c:var(--wb-{colour})"><polyline points="{path}"{dash}/>{dots}</g>'


def _ends(series: Mapping[str, Points], frame: Frame, lang: str | None) -> str:
    """The name of each curve at its right end, moved apart where two would touch."""
    from workbench.render.curves import spread

    last = sorted((frame.y(points[-1][1]), name) for name, points in series.items() if points)
    heights = inside(spread([height for height, _ in last], _APART), frame, _APART)
    edge = frame.width - frame.right + 6
    return "".join(
        f'<text x="{edge}" y="{height + 4:.1f}" class="wb-end" style="--c:var(--wb-{STYLE[name][0]})">'
        f"{escape(text(f'render.curves.{name}', lang))}</text>"
        for height, (_, name) in zip(heights, last, strict=True)
    )


def inside(heights: list[float], frame: Frame, gap: float) -> list[float]:
    """Return heights that stand ``gap`` apart, moved into the plot where they stick out, above or below."""
    moved, least = [], float(frame.above)
    for height in heights:
        moved.append(max(height, least))
        least = moved[-1] + gap
    most = float(frame.height - frame.below)
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], most)
        most = moved[index] - gap
    return moved


def _best(best: int | None, series: Sequence[Points], frame: Frame, lang: str | None) -> str:
    if best is None:
        return ""
    place, base = frame.x(best), frame.height - frame.below
    word = escape(text("render.curves.best", lang, step=best))
    # in the right half its words stand before the line, where they are not cut off
    before = place > frame.x(frame.steps) / 2
    shift, anchor = (-4, ' text-anchor="end"') if before else (4, "")
    height = _clear_height(series, (place - _LABEL, place) if before else (place, place + _LABEL), frame)
    return (
        f'<line class="wb-best" x1="{place:.1f}" x2="{place:.1f}" y1="{frame.above}" y2="{base}"/>'
        f'<text x="{place + shift:.1f}" y="{height + 4:.1f}"{anchor}>{word}</text>'
    )


def _clear_height(series: Sequence[Points], between: tuple[float, float], frame: Frame) -> float:
    """The height farthest from every curve between two places across; the uppermost that is far enough."""
    curves = [[(frame.x(step), frame.y(value)) for step, value in points] for points in series if points]
    across = [between[0] + (between[1] - between[0]) * number / 12 for number in range(13)]
    drawn = [_height_at(place, curve) for curve in curves for place in across]
    heights = range(frame.above + 8, frame.height - frame.below - 8, 4)
    return float(max(heights, key=lambda height: min([_FAR, *(abs(height - curve) for curve in drawn)])))


def _height_at(place: float, curve: Sequence[tuple[float, float]]) -> float:
    """How high a curve is at a place across; at its ends as at its first and last point."""
    for (left, start), (right, end) in pairwise(curve):
        if left <= place <= right:
            return start + (end - start) * (place - left) / ((right - left) or 1)
    return curve[0][1] if place < curve[0][0] else curve[-1][1]


def _pins(guesses: Sequence[float], own: float | None, frame: Frame, lang: str | None) -> str:
    """A pin for each guess, those of the same step on top of each other; the reader's own is filled."""
    parts, heights = [], dict[float, int]()
    for guess, mine in [*((one, False) for one in sorted(guesses)), *([(own, True)] if own is not None else [])]:
        heights[guess] = heights.get(guess, 0) + 1
        place, base = frame.x(guess), frame.height - frame.below - 5 - 8 * (heights[guess] - 1)
        key = "render.theatre.own" if mine else "render.theatre.guess"
        title = escape(text(key, lang, step=f"{guess:g}"))
        names = "wb-pin wb-mine" if mine else "wb-pin"
        parts.append(f'<circle class="{names}" cx="{place:.1f}" cy="{base}" r="3.6"><title>{title}</title></circle>')
    return f'<g class="wb-pins">{"".join(parts)}</g>' if parts else ""
