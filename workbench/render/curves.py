"""A training's curves as a bare matplotlib figure. Knows :class:`Curves`; must not know runs, nor ever use pyplot.

Train is solid blue, held-out dashed vermillion with circles, both on one axis, with the best checkpoint marked and the
gap between them shaded. Identity, task, general and leak stand in a panel of their own, told apart by line, mark and
label; so do the parts of a call's score, and those of a picture's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from workbench.render import palette
from workbench.render.values import Curves, Points
from workbench.runs.events import BREAKDOWNS
from workbench.texts import language, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSS, SCORES = "loss", "scores"
PANELS = (LOSS, SCORES)
_FEW_POINTS = 40  # up to here single steps are told apart by eye
_MOST_POINTS = 800  # more cannot be told apart on a screen, and make an SVG heavy

# series -> colour, line, mark
STYLE: dict[str, tuple[str, Any, str]] = {
    "train": ("blue", "-", ""),
    "held_out": ("vermillion", (0, (4, 1.6)), "o"),
    "identity": ("green", "-", "s"),
    "task": ("blue", (0, (5, 1.5)), "D"),
    "general": ("purple", (0, (7, 2, 1.5, 2)), "^"),
    "leak": ("soft", (0, (1.2, 1.4)), "x"),
    "formed": ("soft", (0, (1.2, 1.4)), "x"),
    "tool": ("purple", (0, (7, 2, 1.5, 2)), "^"),
    "arguments": ("blue", (0, (5, 1.5)), "D"),
    "calls": ("green", "-", "s"),
    "picture": ("green", "-", "s"),
    "title": ("vermillion", (0, (4, 1.6)), "o"),
    "wrong": ("soft", (0, (1.2, 1.4)), "x"),
}

_LATIN_FONT = "DejaVu Sans"  # comes with matplotlib
_CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei",
    "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Heiti SC", "Noto Sans CJK JP", "Droid Sans Fallback",
)  # fmt: skip


@cache
def chinese_font() -> str:
    """Return the first known font with Chinese characters that is installed, or ``''``."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in _CHINESE_FONTS if name in installed), "")


def fonts() -> list[str]:
    """Return the fonts for the text of a figure: matplotlib takes for each character the first that has it."""
    return [_LATIN_FONT, *filter(None, [chinese_font()])]


def drawable_language(lang: str | None) -> str:
    """Return ``lang``, or English where Chinese is asked for and no installed font could draw it into a picture."""
    return "zh" if language(lang) == "zh" and chinese_font() else "en"


@cache
def _glyphs(family: str) -> frozenset[int]:
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(font_manager.findfont(family)).get_charmap())


def drawable(content: str) -> str:
    """Return ``content`` with ▯ for each character that no font of ours has: an emoji in a name must not become a
    warning."""
    glyphs = frozenset().union(*(_glyphs(family) for family in fonts()))
    return "".join(c if ord(c) in glyphs or c == "\n" else "▯" for c in content)


@dataclass(frozen=True, slots=True)
class _Ink:
    """The tones of the ground, the language, and what becomes of a text before it is drawn."""

    tones: dict[str, str]
    lang: str
    put: Callable[[str], str]

    def say(self, key: str, **values: object) -> str:
        return self.put(text(f"render.curves.{key}", self.lang, **values))

    def type(self, size: float, tone: str = "fg") -> dict[str, Any]:
        return {"size": size, "color": self.tones[tone], "family": fonts()}

    def ground(self) -> dict[str, Any]:
        """Return what keeps lines from crossing a text."""
        return {"facecolor": self.tones["bg"], "edgecolor": "none", "pad": 1.2}


def curves_figure(
    curves: Curves,
    *,
    lang: str | None = None,
    dark: bool = False,
    panels: Sequence[str] = PANELS,
    verdict: bool = True,
    put: Callable[[str], str] | None = None,
) -> Figure:
    """Return the curves as a ``Figure`` on the Agg canvas.

    Args:
        lang: language of the labels; English where no installed font has Chinese characters.
        dark: for a ground of ``#111``.
        panels: ``loss``, ``scores``, ``calls``, ``pictures``. A panel without points says that there are none yet.
        verdict: write the verdict in words under the panels.
        put: what becomes of each text before it is drawn; without it, what no font has becomes ▯.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ink = _Ink(palette.tones(dark), language(lang) if put else drawable_language(lang), put or drawable)
    lines = _wrap(curves.verdict_text, 74 * len(panels)) if verdict else []
    height = 3.3 + 0.24 * len(lines)
    figure = Figure(figsize=(5.6 * len(panels), height), dpi=110, facecolor=ink.tones["bg"])
    FigureCanvasAgg(figure)
    under = (0.52 + 0.24 * len(lines)) / height
    for index, panel in enumerate(panels):
        box = ((index + 0.1) / len(panels), under, 0.69 / len(panels), 1 - under - 0.38 / height)
        axes = figure.add_axes(box)
        _frame(axes, curves, ink, panel)
        if panel == LOSS:
            _draw_loss(axes, curves, ink)
        else:
            _draw_shares(axes, shares_of(curves, panel), curves.best_step, ink)
    if lines:
        joined = "\n".join(ink.put(line) for line in lines)
        figure.text(0.1 / len(panels), 0.08 / height, joined, va="bottom", linespacing=1.3, **ink.type(10))
    return figure


def _frame(axes: Axes, curves: Curves, ink: _Ink, panel: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_facecolor(ink.tones["bg"])
    axes.set_title(ink.say(f"{panel}_title"), loc="left", weight="bold", **ink.type(10.5))
    axes.set_xlabel(ink.say("step"), **ink.type(9.5))
    axes.tick_params(colors=ink.tones["soft"], labelsize=9, length=3, labelfontfamily=_LATIN_FONT)
    axes.grid(True, color=ink.tones["rule"], linewidth=0.6, alpha=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(ink.tones["rule"])
    axes.set_xlim(0, last_step(curves))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _draw_loss(axes: Axes, curves: Curves, ink: _Ink) -> None:
    train, held_out = finite(curves.train), finite(curves.held_out)
    if not train and not held_out:
        _nothing(axes, ink)
        return
    axes.set_ylim(0, max(value for _, value in (*train, *held_out)) * 1.08 or 1.0)
    _shade_gap(axes, finite(smooth(curves.train)), held_out, ink)
    _lines(axes, {"train": curves.train, "held_out": curves.held_out}, ink)
    _mark_best(axes, curves.best_step, [train, held_out], ink)


def shares_of(curves: Curves, panel: str) -> dict[str, Points]:
    """Return the series of a panel of shares."""
    if panel in BREAKDOWNS:
        return {name: curves.parts.get(name, ()) for name in BREAKDOWNS[panel]}
    return {"identity": curves.identity, "task": curves.task, "general": curves.general, "leak": curves.leak}


def panels_of(curves: Curves) -> tuple[str, ...]:
    """Return the panels that have something to show; that of the losses always."""
    shown = (SCORES, *BREAKDOWNS)
    return (LOSS, *(panel for panel in shown if any(map(finite, shares_of(curves, panel).values()))))


def _draw_shares(axes: Axes, series: dict[str, Points], best: int | None, ink: _Ink) -> None:
    from matplotlib.ticker import PercentFormatter

    if not any(finite(points) for points in series.values()):
        _nothing(axes, ink)
        return
    axes.set_ylim(-0.03, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _lines(axes, series, ink)
    _mark_best(axes, best, list(series.values()), ink)


def _lines(axes: Axes, series: dict[str, Points], ink: _Ink) -> None:
    """Draws the series, and at the right end of each its name and a piece of its line, moved apart if they touch."""
    ends = []
    low, high = axes.get_ylim()
    for name, points in series.items():
        if not finite(points):
            continue
        drawn = smooth(points) if name == "train" else points
        if drawn is not points:
            steps, values = zip(*_thin(points), strict=True)
            axes.plot(steps, values, **{**_line(name, ink), "linewidth": 0.8, "alpha": 0.55}, clip_on=False, zorder=2.5)
        steps, values = zip(*_thin(drawn), strict=True)
        every = max(1, len(steps) // 25)
        axes.plot(steps, values, markevery=every, clip_on=False, zorder=3, **_line(name, ink))
        ends.append(((finite(drawn)[-1][1] - low) / (high - low), name))
    ends.sort()
    for height, (_, name) in zip(spread([end for end, _ in ends], 0.1), ends, strict=True):
        axes.plot([1.055, 1.09, 1.125], [height] * 3, transform=axes.transAxes, clip_on=False, markevery=[1],
                  **_line(name, ink))  # fmt: skip
        axes.text(1.15, height, ink.say(name), transform=axes.transAxes, va="center_baseline", **ink.type(9.5))


def smooth(points: Points) -> Points:
    """Return the mean over a window centred on each step, for more than 40 points; fewer stay as they are.

    A loss of single batches jumps; the mean shows where it goes. Only the training loss is ever smoothed: of the few
    held-out points a mean would hide the turn.
    """
    known_points = finite(points)
    if len(known_points) <= _FEW_POINTS:
        return points
    reach = max(2, len(known_points) // 40)
    values = [value for _, value in known_points]
    windows = (values[max(0, i - reach) : i + reach + 1] for i in range(len(values)))
    return [(step, sum(window) / len(window)) for (step, _), window in zip(known_points, windows, strict=True)]


def _line(name: str, ink: _Ink) -> dict[str, Any]:
    colour, line, mark = STYLE[name]
    return {"linestyle": line, "color": ink.tones[colour], "linewidth": 2, "marker": mark or None, "markersize": 5}


def spread(heights: list[float], gap: float) -> list[float]:
    """Return the sorted ``heights``, moved as little as needed so that neighbours are at least ``gap`` apart."""
    moved = list(heights)
    for _ in range(8 * len(moved)):
        for i in range(1, len(moved)):
            lack = max(0.0, gap - (moved[i] - moved[i - 1]))
            moved[i - 1] -= lack / 2
            moved[i] += lack / 2
    return moved


def _shade_gap(axes: Axes, train: list[tuple[int, float]], held_out: list[tuple[int, float]], ink: _Ink) -> None:
    import numpy as np

    if len(train) < 2 or len(held_out) < 2:
        return
    steps = np.unique([float(step) for step, _ in (*train, *held_out) if train[0][0] <= step <= train[-1][0]])
    above = np.interp(steps, [step for step, _ in held_out], [value for _, value in held_out])
    below = np.interp(steps, [step for step, _ in train], [value for _, value in train])
    if not (above > below).any():  # nothing that could look like overfitting
        return
    tone = ink.tones["vermillion"]
    axes.fill_between(steps, below, above, where=above > below, interpolate=True, color=tone, alpha=0.15, linewidth=0,
                      zorder=1)  # fmt: skip
    label = ink.say("gap" if len(train) <= _FEW_POINTS else "gap_and_mean")
    axes.text(0.985, 0.97, label, transform=axes.transAxes, ha="right", va="top",
              bbox=ink.ground(), **ink.type(8.5, "soft"))  # fmt: skip


def _mark_best(axes: Axes, best: int | None, series: list[Points], ink: _Ink) -> None:
    if best is None:
        return
    axes.axvline(best, linestyle=(0, (1, 2)), linewidth=1.6, color=ink.tones["fg"], zorder=2)
    end = axes.get_xlim()[1]
    right = best > 0.6 * end
    neighbourhood = (best - 0.3 * end, best) if right else (best, best + 0.3 * end)
    height = _clear_height(axes, series, *neighbourhood)
    axes.annotate(ink.say("best", step=best), (best, height), xycoords=("data", "axes fraction"),
                  xytext=(-5 if right else 5, 0), textcoords="offset points", ha="right" if right else "left",
                  va="center", bbox=ink.ground(), **ink.type(9))  # fmt: skip


def _clear_height(axes: Axes, series: list[Points], start: float, end: float) -> float:
    """The height, as a share of the axes', that is farthest from every curve between two steps; the middle if it is
    far enough."""
    import numpy as np

    low, high = axes.get_ylim()
    steps = np.linspace(start, end, 25)
    drawn = [np.array(finite(points), dtype=float) for points in series if finite(points)]
    occupied = [(np.interp(steps, points[:, 0], points[:, 1]) - low) / (high - low) for points in drawn]

    def room(height: float) -> float:
        return min([0.15, *(float(np.abs(curve - height).min()) for curve in occupied)])

    heights = sorted(np.linspace(0.06, 0.84, 27).tolist(), key=lambda height: abs(height - 0.5))
    return float(max(heights, key=room))


def _nothing(axes: Axes, ink: _Ink) -> None:
    axes.set_yticks([])
    axes.text(0.5, 0.5, ink.say("nothing"), transform=axes.transAxes, ha="center", va="center", **ink.type(10, "soft"))


def finite(points: Points) -> list[tuple[int, float]]:
    """Return the points whose value is a finite number."""
    return [(step, value) for step, value in points if math.isfinite(value)]


def _thin(points: Points) -> list[tuple[int, float]]:
    """At most 800 points: every n-th, and the last; what is not finite becomes a gap."""
    every = math.ceil(len(points) / _MOST_POINTS)
    thinned = [*points[::every], *(points[-1:] if (len(points) - 1) % every else [])]
    return [(step, value if math.isfinite(value) else math.nan) for step, value in thinned]


def last_step(curves: Curves) -> int:
    """Tell where the x axis ends."""
    series = (
        curves.train,
        curves.held_out,
        curves.identity,
        curves.task,
        curves.general,
        curves.leak,
        *curves.parts.values(),
    )
    return max([1, curves.total_steps, *(points[-1][0] for points in series if points)])


def _wrap(content: str, columns: int) -> list[str]:
    """``content`` in lines of at most ``columns`` cells, where a Chinese character takes two."""
    from rich.console import Console
    from rich.text import Text

    return [line.plain.rstrip() for line in Text(content).wrap(Console(width=columns), columns)] if content else []
