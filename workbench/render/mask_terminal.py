"""The mask of one conversation for a terminal. Knows boxes and rich; nothing of tokenizers.

Trained tokens stand in ‹brackets›, bold and underlined: the brackets are there without colour, and in a pipe, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from workbench.render.boxes import BADGES, CONTROL, MARKER, Row, counts_text, facts, role_text, rows
from workbench.render.served import served_text
from workbench.texts import text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group
    from rich.measure import Measurement
    from rich.text import Text

    from workbench.templates.view import MaskView

TRAINED, MASKED, BETWEEN = "bold underline", "dim", "·"


def mask_text(view: MaskView, *, lang: str | None = None) -> Group:
    """Return what a rich console prints: the counts, a row for each speaker's turn, what is served, how to read it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for row in rows(view):
        role = Text(f"{BADGES.get(row.role, '?')} {role_text(row.role, lang)}", "bold")
        grid.add_row(role, _Tokens(row))
    lines = [counts_text(view, lang), *facts(view, lang)]
    after = [served_text(view, lang)] if view.prompt_text else []
    legend = Text(text("render.mask.legend_text", lang), "dim")
    return Group(*(Text(line) for line in lines), Text(), grid, Text(), *(Text(line) for line in after), legend)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The tokens of a row, parted by dots, runs of trained ones in brackets; a line ends between tokens, or after ↵."""

    row: Row

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        widest = sum(piece.cell_len for piece, _ in self._pieces())
        return Measurement(min(widest, 16), min(widest, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        line = Text(overflow="fold")
        for piece, ends in self._pieces():
            if line and line.cell_len + piece.cell_len > options.max_width:
                yield line
                line = Text(overflow="fold")
            line.append_text(piece)
            if ends:
                yield line
                line = Text(overflow="fold")
        if line:
            yield line

    def _pieces(self) -> Iterator[tuple[Text, bool]]:
        """What may not be parted, and whether the line ends after it."""
        from rich.text import Text

        for trained, run in groupby(self.row.boxes, key=lambda box: box.trained):
            tokens = list(run)
            for number, box in enumerate(tokens):
                last = number == len(tokens) - 1
                style = TRAINED if trained else MASKED
                piece = Text().append("‹" if trained and not number else "", "bold")
                piece.append(box.shown, f"{style} italic" if box.kind in (CONTROL, MARKER) else style)
                closing = "›" if trained else ""
                piece.append(f"{closing} " if last else BETWEEN, "bold" if last else MASKED)
                yield piece, box.text.endswith("\n")
