"""Several runs on one plot, what tells them apart, and a replay of each. Knows galleries and markup.

A run keeps its number, colour and dashes wherever it is drawn. A script lights a run up and takes it away from the
plots; without it everything is there. The page holds the values too, so that the workbench can read it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from workbench.render.frame import Frame
from workbench.render.markup import disclosure, escape, page, spoken_html, static, styles, table, tag
from workbench.render.plots import percent
from workbench.render.theatre import inside, theatre_html, verdict_word, worded
from workbench.runs.gallery import Exhibit, Gallery
from workbench.runs.recording import Points
from workbench.texts import lookup, text

_COLOURS = ("blue", "vermillion", "green", "purple")
_DASHES = ("", "8 4", "2 3", "10 3 2 3")
_SCORES = ("identity", "task", "general", "leak")
_COLUMNS = 6  # settings that have a column of their own; all stand in the table below
_GAP = 12.2  # between two of the numbers
_LABELLED = 16  # runs whose number fits beside its curve


def gallery_html(gallery: Gallery, *, alive: bool = True, lang: str | None = None) -> str:
    """Return the gallery as a fragment for a page of ours.

    Args:
        alive: with the script, the boxes that need it, and the theatre, in which each run is dragged through.
    """
    plots = "".join(_plot(gallery, series, lang) for series in ("loss", *_SCORES))
    content = (
        f'<div class="wb-gallery-plots">{plots}</div>'
        + tag("p", escape(text("render.gallery.marks" if alive else "render.gallery.still", lang)), class_="wb-soft")
        + _runs(gallery, alive, lang)
        + _settings(gallery, lang)
        + _unread(gallery, lang)
        + (_replay(gallery, lang) if alive else "")
    )
    script = f"<script>{static('gallery.js')}</script>" if alive else ""
    return f'<div class="wb-runs">{content}</div>{script}'


def gallery_page(gallery: Gallery, *, lang: str | None = None) -> str:
    """Return the gallery as one file that needs no network, and that ``workbench runs compare`` can read again."""
    title = text("render.gallery.title", lang, count=len(gallery.exhibits))
    data = json.dumps(gallery.as_json(), ensure_ascii=False).replace("<", "\\u003c")
    body = (
        styles("theatre.css", "gallery.css")
        + f"<header><h1>{escape(title)}</h1></header>\n"
        + gallery_html(gallery, lang=lang)
        + f'\n<script type="application/json" class="wb-gallery-data">{data}</script>'
    )
    return page(body, title=title, lang=lang)


def _style(number: int) -> str:
    """The colour and the dashes of a run, as attributes."""
    dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
    colour = f' style="--c:var(--wb-{_COLOURS[number % len(_COLOURS)]})"'
    return colour + (f' stroke-dasharray="{dash}"' if dash else "")


def _series(exhibit: Exhibit, panel: str) -> Points:
    """Of the losses the held-out one, where there is one."""
    series = exhibit.recording.series
    return (series.get("held_out") or series.get("train", ())) if panel == "loss" else series.get(panel, ())


def _plot(gallery: Gallery, panel: str, lang: str | None) -> str:
    """One plot with all runs; empty where none has such points."""
    points = {number: p for number, e in enumerate(gallery.exhibits) if (p := _series(e, panel))}
    if not points:
        return ""
    steps = max(exhibit.recording.steps for exhibit in gallery.exhibits)
    top = max([0.1, *(value for p in points.values() for _, value in p)]) * 1.05 if panel == "loss" else 1.0
    frame = Frame(steps, top, share=panel != "loss", width=460, right=30)
    lines = "".join(_line(gallery.exhibits[number], number, p, frame, lang) for number, p in points.items())
    title = text(f"render.gallery.{panel}", lang)
    drawing = tag(
        "svg",
        frame.grid() + lines + _numbers(points, frame),
        class_="wb-theatre-plot",
        viewBox=f"0 0 {frame.width} {frame.height}",
        role="img",
        aria_label=f"{title}. {text('render.gallery.in_table', lang)}",
    )
    return f"<figure><figcaption>{escape(title)}</figcaption>{drawing}</figure>"


def _line(exhibit: Exhibit, number: int, points: Points, frame: Frame, lang: str | None) -> str:
    placed = [(frame.x(step), frame.y(value)) for step, value in points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in placed)
    best, dot = dict(points).get(exhibit.recording.best if exhibit.recording.best is not None else -1), ""
    if best is not None:
        step = exhibit.recording.best or 0
        dot = f'<circle cx="{frame.x(step):.1f}" cy="{frame.y(best):.1f}" r="4"/>'
        dot += f"<title>{escape(exhibit.name)}: {escape(text('render.curves.best', lang, step=step))}</title>"
    else:
        dot = f"<title>{escape(exhibit.name)}</title>"
    # a curve of one point would not be seen
    single = f'<circle cx="{placed[0][0]:.1f}" cy="{placed[0][1]:.1f}" r="2.6"/>' if len(placed) == 1 else ""
    return f'<g class="wb-line" data-run="{number}"{_style(number)}><polyline points="{path}"/>{single}{dot}</g>'


def _numbers(points: Mapping[int, Points], frame: Frame) -> str:
    """The number of each run at the right end of its curve, moved apart where two would touch."""
    from workbench.render.curves import spread

    if len(points) > _LABELLED:
        return ""
    last = sorted((frame.y(p[-1][1]), number) for number, p in points.items())
    heights = inside(spread([height for height, _ in last], _GAP), frame, _GAP)
    return "".join(
        f'<text x="{frame.width - frame.right + 5}" y="{height + 4:.1f}" class="wb-end" data-run="{number}">'
        f"{number + 1}</text>"
        for height, (_, number) in zip(heights, last, strict=True)
    )


def _swatch(number: int) -> str:
    line = f'<line x1="1" x2="35" y1="6" y2="6"{_style(number)}/>'
    return f'<svg class="wb-swatch" viewBox="0 0 36 12" aria-hidden="true">{line}</svg>'


def _runs(gallery: Gallery, alive: bool, lang: str | None) -> str:
    """A row for each run: what it was, and what came of it."""
    differing = dict(list(gallery.differing().items())[:_COLUMNS])
    shown = [name for name in _SCORES if any(name in exhibit.scores() for exhibit in gallery.exhibits)]
    columns = ["at", "held_out", *shown, "verdict"]
    if any(exhibit.state != "ended" for exhibit in gallery.exhibits):
        columns.append("state")
    results = [escape(text(f"render.gallery.columns.{name}", lang)) for name in ("run", *columns)]
    head = [*results, *(_setting(name, lang) for name in differing)]
    rows = []
    for number, exhibit in enumerate(gallery.exhibits):
        settings = [_value(values[number]) for values in differing.values()]
        came = _results(exhibit, lang)
        rows.append([_named(exhibit, number, alive, lang), *(came[name] for name in columns), *settings])
    return table(head, rows, class_="wb-numbers wb-gallery-table")


def _setting(name: str, lang: str | None) -> str:
    """A setting in plain words, below them its name in a recipe; the name alone where there are no words for it."""
    group, _, bare = name.partition(".")
    words = lookup("render.gallery.settings", lang).get(group, {}).get(bare)
    if words is None:
        return tag("code", escape(name), class_="wb-setting")
    return f"{escape(words)} {tag('code', escape(bare), class_='wb-setting')}"


def _value(written: str) -> str:
    """What a setting was; a dash for none, which a recipe writes as null."""
    return spoken_html("–" if written in ("", "null") else written)


def _named(exhibit: Exhibit, number: int, alive: bool, lang: str | None) -> str:
    """The run's number, line and name, and a box that takes it away from the plots."""
    label = text("render.gallery.draw", lang, run=exhibit.name)
    box = f'<input type="checkbox" checked data-run="{number}" aria-label="{escape(label)}">' if alive else ""
    starred = escape(text("render.gallery.starred", lang))
    star = f' <span class="wb-star" role="img" aria-label="{starred}">★</span>' if exhibit.remarks.star else ""
    note = f'<p class="wb-soft">{spoken_html(exhibit.remarks.note)}</p>' if exhibit.remarks.note else ""
    return f"<label>{box} {number + 1} {_swatch(number)} {spoken_html(exhibit.name)}</label>{star}{note}"


def _results(exhibit: Exhibit, lang: str | None) -> dict[str, str]:
    """What came of a run, by the column's name."""
    scores, step = exhibit.scores(), "–" if exhibit.step is None else str(exhibit.step)
    return {
        "at": f"{step}/{exhibit.recording.steps}",
        "held_out": f"{scores['held_out']:.3f}" if "held_out" in scores else "–",
        **{name: percent(scores.get(name)) for name in _SCORES},
        "verdict": escape(verdict_word(exhibit.verdict, lang) or "–"),
        "state": escape(worded(f"runs.state.{exhibit.state}", exhibit.state, lang)),
    }


def _settings(gallery: Gallery, lang: str | None) -> str:
    """All settings in which the runs differ, a row each."""
    differing = gallery.differing()
    if len(gallery.exhibits) == 1:
        return ""
    if not differing:
        return tag("p", escape(text("render.gallery.alike", lang)), class_="wb-soft")
    head = [escape(text("render.gallery.columns.setting", lang)), *(spoken_html(e.name) for e in gallery.exhibits)]
    rows = [[_setting(name, lang), *map(_value, v)] for name, v in differing.items()]
    label = text("render.gallery.differing", lang, count=len(differing))
    return disclosure(escape(label), table(head, rows))


def _unread(gallery: Gallery, lang: str | None) -> str:
    if not gallery.unread:
        return ""
    items = "".join(tag("li", spoken_html(sentence)) for sentence in gallery.unread)
    return tag("p", escape(text("render.gallery.unread", lang, count=len(gallery.unread)))) + tag("ul", items)


def _replay(gallery: Gallery, lang: str | None) -> str:
    """The theatre with a slider that chooses the run by its number."""
    recordings = [replace(e.recording, settings={"run": float(n)}) for n, e in enumerate(gallery.exhibits, 1)]
    title = escape(text("render.gallery.replay", lang))
    return f"<h2>{title}</h2>" + theatre_html(recordings, lang=lang)
