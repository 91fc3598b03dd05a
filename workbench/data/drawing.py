"""Draws pictures of shapes, always the same of one seed. Knows shapes, colours and places by number; no words.

Which pairs of shape and colour are never trained on is fixed here, so that tower, projector and probes agree on it.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

SHAPES, COLOURS, SIZES, PLACES, COUNTS = 10, 8, 2, 5, 4
HELD_PAIRS = frozenset((shape, (3 * shape + 1) % COLOURS) for shape in range(SHAPES))
"""Pairs of shape and colour that no training set holds; every shape and every colour occurs in others."""
SIDE = 96
"""Pixels of a picture's side."""
_FINE = 2  # so many times as large is it drawn, and then made smaller, for smooth edges
# red, blue, green, yellow, orange, purple, black, white
_RGB = (
    (208, 32, 36), (32, 72, 210), (30, 140, 50), (246, 216, 30), (246, 130, 16), (124, 40, 160), (16, 16, 18),
    (255, 255, 255),
)  # fmt: skip
_GROUNDS = (
    (188, 188, 192), (172, 190, 206), (184, 200, 176), (206, 186, 192), (198, 190, 168), (176, 176, 200),
    (164, 184, 184),
)  # fmt: skip
_NOISE = 7
# of a side of 1: the box that a place has (left, top, right, bottom)
_BOXES = ((0, 0, 0.54, 1), (0.46, 0, 1, 1), (0, 0, 1, 0.54), (0, 0.46, 1, 1), (0.17, 0.17, 0.83, 0.83))
# … of each of two sorts of shapes at most
_BESIDE = 0.3
# of a side of 1, for one to four shapes: the width of a small and of a large one
_WIDTHS = ((0.24, 0.47), (0.235, 0.41), (0.215, 0.32), (0.185, 0.265))


@dataclass(frozen=True, slots=True)
class Figure:
    """Hold shapes of one sort in a picture; each field is an index into the vocabulary, the count less one."""

    shape: int
    colour: int
    size: int
    place: int
    count: int

    @property
    def held(self) -> bool:
        """Tell whether the pair of shape and colour is never trained on."""
        return (self.shape, self.colour) in HELD_PAIRS


@dataclass(frozen=True, slots=True)
class Scene:
    """Hold what is in a picture, and the seed of how exactly it lies there."""

    figures: tuple[Figure, ...]
    seed: int


def scene(rng: random.Random, *, held: bool = False, figures: int = 1) -> Scene:
    """Return a drawn scene.

    Args:
        held: of pairs that are never trained on, or of the others.
        figures: one or two sorts of shapes; two differ in shape, colour, place and count.
    """
    pairs = [(s, c) for s in range(SHAPES) for c in range(COLOURS) if ((s, c) in HELD_PAIRS) == held]
    chosen: list[Figure] = []
    while len(chosen) < figures:
        shape, colour = rng.choice(pairs)
        place, count = rng.randrange(PLACES), rng.randrange(COUNTS)
        if figures == 2:  # opposite sides, so that nothing lies on anything
            place = rng.randrange(4) if not chosen else chosen[0].place ^ 1
        if all(shape != f.shape and colour != f.colour and count != f.count for f in chosen):
            chosen.append(Figure(shape, colour, rng.randrange(SIZES), place, count))
    return Scene(tuple(chosen), rng.randrange(2**32))


def paint(drawn: Scene, side: int = SIDE) -> Image:
    """Return the picture of a scene, RGB, ``side`` × ``side``; the same of the same scene."""
    import numpy as np
    from PIL import Image, ImageDraw

    rng = random.Random(drawn.seed)
    fine = side * _FINE
    ground = rng.choice(_GROUNDS)
    canvas = Image.new("RGB", (fine, fine), ground)
    pen = ImageDraw.Draw(canvas)
    for figure in drawn.figures:
        colour = tuple(max(0, min(255, part + rng.randint(-8, 8))) for part in _RGB[figure.colour])
        width = _WIDTHS[figure.count][figure.size] * rng.uniform(0.95, 1.05)
        width = min(width, _BESIDE) if len(drawn.figures) > 1 else width
        turn = rng.uniform(-0.1, 0.1)
        for x, y in _places(figure, width, rng):
            outline = _OUTLINES[figure.shape]
            pen.polygon(_turned(outline, turn, x * fine, y * fine, width * fine), fill=colour)
    small = np.asarray(canvas.reduce(_FINE)).astype(np.int16)
    noise = np.random.default_rng(drawn.seed).integers(-_NOISE, _NOISE + 1, small.shape, dtype=np.int16)
    return Image.fromarray((small + noise).clip(0, 255).astype(np.uint8))


def png(drawn: Scene, side: int = SIDE) -> bytes:
    """Return the picture of a scene as a PNG file."""
    out = io.BytesIO()
    paint(drawn, side).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _places(figure: Figure, width: float, rng: random.Random) -> list[tuple[float, float]]:
    """The centres of a figure's shapes, of a side of 1: in a grid that its box has room for, each moved a little."""
    left, top, right, bottom = _BOXES[figure.place]
    count = figure.count + 1
    columns, rows = _grid(count, right - left, bottom - top)
    wide, high = (right - left) / columns, (bottom - top) / rows
    cells = [(column, row) for row in range(rows) for column in range(columns)]
    centres = []
    for column, row in rng.sample(cells, count):
        free_x, free_y = max(0.0, wide - width), max(0.0, high - width)
        centres.append(
            (left + (column + 0.5) * wide + rng.uniform(-0.4, 0.4) * free_x,
             top + (row + 0.5) * high + rng.uniform(-0.4, 0.4) * free_y)
        )  # fmt: skip
    return centres


def _grid(count: int, wide: float, high: float) -> tuple[int, int]:
    """Columns and rows of the cells for so many shapes."""
    if count == 1:
        return 1, 1
    if count == 4 or abs(wide - high) < 0.01:
        return 2, 2
    return (1, count) if high > wide else (count, 1)


def _turned(
    outline: Sequence[tuple[float, float]], turn: float, x: float, y: float, width: float
) -> list[tuple[float, float]]:
    cos, sin = math.cos(turn) * width, math.sin(turn) * width
    return [(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in outline]


def _round(across: float, high: float, corners: int = 48, turn: float = 0.0) -> tuple[tuple[float, float], ...]:
    angles = [turn + 2 * math.pi * n / corners for n in range(corners)]
    return tuple((across * math.cos(angle), high * math.sin(angle)) for angle in angles)


def _star() -> tuple[tuple[float, float], ...]:
    points = []
    for n in range(10):
        radius, angle = (0.56 if n % 2 == 0 else 0.22), math.pi * (n / 5 - 0.5)
        points.append((radius * math.cos(angle), radius * math.sin(angle)))
    return tuple(points)


def _heart() -> tuple[tuple[float, float], ...]:
    curve = []
    for n in range(48):
        t = 2 * math.pi * n / 48
        x = math.sin(t) ** 3
        y = (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16
        curve.append((0.52 * x, -0.52 * y))
    return tuple(curve)


# circle, square, triangle, rectangle, star, heart, diamond, pentagon, hexagon, oval; each within a box of about 1 × 1
_OUTLINES = (
    _round(0.48, 0.48),
    ((-0.43, -0.43), (0.43, -0.43), (0.43, 0.43), (-0.43, 0.43)),
    ((0.0, -0.5), (0.52, 0.42), (-0.52, 0.42)),
    ((-0.5, -0.27), (0.5, -0.27), (0.5, 0.27), (-0.5, 0.27)),
    _star(),
    _heart(),
    ((0.0, -0.52), (0.38, 0.0), (0.0, 0.52), (-0.38, 0.0)),
    _round(0.5, 0.5, 5, -math.pi / 2),
    _round(0.52, 0.52, 6),
    _round(0.5, 0.3),
)
