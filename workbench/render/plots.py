"""The curves as PNG, as SVG, and in words. Knows how a figure is written out; nothing of how it is drawn.

In an SVG the text stays text, so that the reader's browser draws it with its own fonts: Chinese needs no font on the
machine that wrote it, and a search finds it. Colours become the palette's variables and follow light and dark.
"""

from __future__ import annotations

import io
import math
import re
import threading
from collections.abc import Sequence

from workbench.render import palette
from workbench.render.curves import PANELS, curves_figure, finite, panels_of, shares_of
from workbench.render.markup import disclosure, escape, table, tag
from workbench.render.values import Curves, Points
from workbench.runs.events import BREAKDOWNS
from workbench.texts import text

# matplotlib's settings belong to the whole process; two threads must not change them at once
_SETTINGS = threading.Lock()
_FONTS = "system-ui, sans-serif"
SCORES = ("identity", "task", "general", "leak")
_PARTS = tuple(name for names in BREAKDOWNS.values() for name in names)


def curves_png(curves: Curves, *, lang: str | None = None, dark: bool = False, panels: Sequence[str] = PANELS,
               verdict: bool = True, dpi: int = 110) -> bytes:  # fmt: skip
    """Return the curves as a PNG; its description in words goes along as the file's ``Description``."""
    figure = curves_figure(curves, lang=lang, dark=dark, panels=panels, verdict=verdict)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, metadata={"Description": curves_summary(curves, lang=lang)})
    return out.getvalue()


def curves_svg(curves: Curves, *, lang: str | None = None, dark: bool | None = None, panels: Sequence[str] = PANELS,
               verdict: bool = False) -> str:  # fmt: skip
    """Return the curves as an ``<svg>`` element to stand in a page, with its description in words.

    Args:
        dark: fixed colours for a dark or light ground; ``None``: the page's, by the palette's variables.
    """
    texts: list[str] = []

    def put(content: str) -> str:
        texts.append(content)
        return _placeholder(len(texts) - 1, content)

    figure = curves_figure(curves, lang=lang, dark=bool(dark), panels=panels, verdict=verdict, put=put)
    svg = _written(figure, salt="-".join(panels))
    svg = re.sub(r"Qz(\d+)z+", lambda match: escape(texts[int(match[1])]), svg)
    if dark is None:
        svg = _with_variables(svg)
    label = escape(curves_summary(curves, lang=lang))
    return svg.replace("<svg ", f'<svg class="wb-plot" role="img" aria-label="{label}" ', 1)


def _placeholder(number: int, content: str) -> str:
    """Letters about as wide as ``content``, which every font has: the layout is right, and no glyph is missing."""
    from rich.cells import cell_len

    return f"Qz{number}".ljust(max(cell_len(content), 4), "z") + "z"


def _written(figure: object, salt: str) -> str:
    """The figure as SVG text that may stand inside HTML: no prologue, no metadata, no name spaces, ids of its own."""
    import matplotlib as mpl

    out = io.StringIO()
    with _SETTINGS, mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "svg.id": None}):
        figure.savefig(out, format="svg", metadata={"Date": None}, transparent=True)  # type: ignore[attr-defined]
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1>", svg, count=1)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)  # would hold for the whole page
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r"\s*\n\s*", " ", svg)
    return re.sub(r"(font(?:-family)?: [^;\"]*?)(?:'DejaVu Sans'|DejaVu Sans)[^;\"]*", rf"\1{_FONTS}", svg)


def _with_variables(svg: str) -> str:
    """Each colour of the palette becomes ``var(--wb-NAME, colour)``."""
    for name in ("bg", "fg", "soft", "rule", "blue", "vermillion", "green", "purple"):
        colour = palette.LIGHT[name]
        svg = re.sub(colour, f"var(--wb-{name},{colour})", svg, flags=re.IGNORECASE)
    return svg


def curves_summary(curves: Curves, *, lang: str | None = None) -> str:
    """Return the curves in words, for whoever cannot see them, and for the line under a plot."""
    sentences = [*_loss_words(curves, lang), *_score_words(curves, lang)]
    if curves.best_step is not None:
        sentences.append(text("render.summary.best", lang, step=curves.best_step))
    gap = text("render.summary.space", lang)
    return gap.join(sentences) if sentences else text("render.curves.nothing", lang)


def _loss_words(curves: Curves, lang: str | None) -> list[str]:
    sentences = []
    for name in ("train", "held_out"):
        points = finite(getattr(curves, name))
        if points:
            lowest = min(points, key=lambda point: point[1])
            ends = {
                "first": points[0][1],
                "first_step": points[0][0],
                "last": points[-1][1],
                "last_step": points[-1][0],
            }
            low = {"low": lowest[1], "low_step": lowest[0]}
            key = name if len(points) > 1 else f"{name}_once"
            sentences.append(text(f"render.summary.{key}", lang, **ends, **low))
    if sentences and curves.vocab_size:
        guess = math.log(curves.vocab_size)
        sentences.append(text("render.summary.guess", lang, tokens=curves.vocab_size, loss=guess))
    return sentences


def _score_words(curves: Curves, lang: str | None) -> list[str]:
    sentences = []
    for name in (*SCORES, *_PARTS):
        points = finite(_series(curves, name))
        if points:
            ends = {"first": percent(points[0][1]), "last": percent(points[-1][1]), "last_step": points[-1][0]}
            key = "score" if len(points) > 1 else "score_once"
            sentences.append(text(f"render.summary.{key}", lang, name=text(f"render.curves.{name}", lang), **ends))
    return sentences


def _series(curves: Curves, name: str) -> Points:
    return curves.parts.get(name, ()) if name in _PARTS else getattr(curves, name)


def percent(share: float | None) -> str:
    """Return ``0.985`` as ``98.5%``: one decimal where it says something, never rounded up; ``–`` for none."""
    if share is None or not math.isfinite(share):
        return "–"
    tenths = math.floor(share * 1000 + 1e-9) / 10
    return f"{tenths:.0f}%" if tenths == int(tenths) else f"{tenths:.1f}%"


def ranged(share: float | None, between: tuple[float, float] | None) -> str:
    """Return :func:`percent` with the interval in which the share of all such questions lies, ``95% (83–99%)``, where
    it is known."""
    if share is None or between is None or not math.isfinite(share):
        return percent(share)
    low, high = between
    return f"{percent(share)} ({math.floor(low * 100)}–{math.ceil(high * 100)}%)"


def calls_bars(curves: Curves, *, lang: str | None = None) -> str:
    """Return a bar for each part of a call's score at the best checkpoint, else at the last evaluation, each part
    standing on the one before; nothing where no calls were asked for."""
    series = {name: dict(finite(points)) for name, points in shares_of(curves, "calls").items() if finite(points)}
    if not series:
        return ""
    steps = sorted({step for points in series.values() for step in points})
    step = curves.best_step if curves.best_step in steps else steps[-1]
    shares = {name: points[step] for name, points in series.items() if step in points}
    head = tag("caption", escape(text("render.curves.calls_bars", lang, step=step)))
    rows = [_bar(text(f"render.curves.bars.{name}", lang), share) for name, share in shares.items()]
    return tag("table", head + "".join(rows), class_="wb-bars")


def _bar(label: str, share: float) -> str:
    """A row: a name, a bar, and the share in words, which says it to whoever does not see the bar."""
    meter = f'<meter min="0" max="1" value="{share:.4f}" aria-hidden="true"></meter>'
    return f'<tr><th scope="row">{escape(label)}</th><td>{meter}</td><td>{percent(share)}</td></tr>'


def curves_table(curves: Curves, *, lang: str | None = None, most: int = 40) -> str:
    """Return the numbers of the curves as an HTML table: every held-out and probe step, and about ``most`` of the
    others."""
    names = [name for name in ("train", "held_out", *SCORES, *_PARTS) if _series(curves, name)]
    by_name = {name: dict(_series(curves, name)) for name in names}
    steps = _shown_steps(curves, by_name, most)
    head = [text("render.curves.step", lang), *(text(f"render.curves.{name}", lang) for name in names)]
    rows = [[str(step), *(_cell(name, by_name[name].get(step)) for name in names)] for step in steps]
    return table([escape(cell) for cell in head], rows, class_="wb-numbers")


def _shown_steps(curves: Curves, by_name: dict[str, dict[int, float]], most: int) -> list[int]:
    probed = {step for name, points in by_name.items() if name != "train" for step in points}
    train: Points = curves.train
    every = max(1, math.ceil(len(train) / most))
    return sorted(probed | {step for step, _ in train[::every]})


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name in ("train", "held_out"):
        return f"{value:.3f}" if math.isfinite(value) else escape(value)
    return percent(value)


def curves_html(curves: Curves, *, lang: str | None = None, numbers: bool = True) -> str:
    """Return the panels as SVG, the verdict, the description in words and the numbers: a fragment for a page of ours.
    Where calls were asked for, bars take the last score apart: well-formed, right tool, exact arguments, right answer.

    Args:
        curves: what is drawn.
        lang: the language of all words.
        numbers: with the table of numbers, folded away.
    """
    panels = "".join(
        tag("div", curves_svg(curves, lang=lang, panels=(panel,)), class_="wb-panel") for panel in panels_of(curves)
    )
    verdict = tag("p", tag("strong", escape(curves.verdict_text)), class_="wb-verdict") if curves.verdict_text else ""
    summary = tag("p", escape(curves_summary(curves, lang=lang)), class_="wb-soft")
    label = escape(text("render.curves.numbers", lang))
    folded = disclosure(label, curves_table(curves, lang=lang)) if numbers else ""
    caption = tag("figcaption", f"{verdict}{calls_bars(curves, lang=lang)}{summary}{folded}")
    return tag("figure", f'<div class="wb-panels">{panels}</div>{caption}', class_="wb-figure")
