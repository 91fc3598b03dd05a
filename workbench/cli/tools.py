"""What the command line knows of tools: their names, and XTuner's flags for the same. Knows texts; runs nothing."""

from __future__ import annotations

from collections.abc import Sequence

import click

from workbench.errors import BadInput

PLUGINS = ("calculate", "solve", "search")


class ChatCommand(click.Command):
    """Take one name or several after ``--with-plugins``, as XTuner does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give each plugin a flag of its own."""
        parted: list[str] = []
        for word in args:
            follows = len(parted) > 1 and parted[-2] == "--with-plugins" and word in PLUGINS
            parted += ["--with-plugins", word] if follows else [word]
        return super().parse_args(ctx, parted)


def wanted_tools(tools: str | None, plugins: Sequence[str]) -> str:
    """Return the names of the tools that are wanted; XTuner's plugins are told by ours.

    Raises:
        UnknownName: no such tool. BadInput: a plugin that has no counterpart.
    """
    from workbench.tools import chosen

    if "search" in plugins:
        raise BadInput("cli.old.search", given="--with-plugins search")
    names = ",".join(filter(None, [tools, *("calculator" if p in ("calculate", "solve") else p for p in plugins)]))
    unique = ",".join(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    chosen(unique)
    return unique
