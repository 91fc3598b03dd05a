"""The prices of a small shop: a table to practise on. Knows its file; a table of one's own is ``lookup=FILE``."""

from __future__ import annotations

from workbench import shipped
from workbench.tools.tables import entry_of, read_table


def lookup(item: str) -> str:
    """Look up the price of an item in the shop.

    Args:
        item: its name
    """
    return entry_of(read_table(shipped.path("tools/shop.tsv")), item)
