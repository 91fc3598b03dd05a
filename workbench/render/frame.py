"""The frame of a small plot as SVG: scales, grid lines, numbers. Knows sizes and markup; nothing of what is drawn."""

from __future__ import annotations

from dataclasses import dataclass

_TICKS = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """Hold the size of a plot, and where in it a step and a value are.

    Args:
        steps: where the axis of the steps ends.
        top: the greatest value; a greater one is drawn there.
        share: whether the values are shares, shown in per cent.
        width, height: of the picture.
        left, right, above, below: what of it is no plot.
    """

    steps: int
    top: float = 1.0
    share: bool = True
    width: int = 560
    height: int = 230
    left: int = 40
    right: int = 78
    above: int = 8
    below: int = 24

    def x(self, step: float) -> float:
        """Return where a step is."""
        return self.left + (self.width - self.left - self.right) * step / self.steps

    def y(self, value: float) -> float:
        """Return where a value is."""
        return self.above + (self.height - self.above - self.below) * (1 - min(value, self.top) / self.top)

    def grid(self) -> str:
        """Return lines across, and the numbers of both axes."""
        parts = []
        for number in range(_TICKS + 1):
            value, step = self.top * number / _TICKS, round(self.steps * number / _TICKS)
            label = f"{value:.0%}" if self.share else f"{value:.2g}"
            height, end = self.y(value), self.width - self.right
            parts.append(
                f'<line class="wb-grid-line" x1="{self.left}" x2="{end}" y1="{height:.1f}" y2="{height:.1f}"/>'
                f'<text x="{self.left - 4}" y="{height + 3:.1f}" text-anchor="end">{label}</text>'
                f'<text x="{self.x(step):.1f}" y="{self.height - 8}" text-anchor="middle">{step}</text>'
            )
        return "".join(parts)
