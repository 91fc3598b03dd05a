"""What the command line knows of tools: their names, and XTuner's flags for the same. Knows texts; runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


def offered_tools(
    context: click.Context, tools: str | None, plugins: Sequence[str], servers: Sequence[str]
) -> str | tuple[Any, ...]:
    """Return what is offered: names, and the tools of servers that are confirmed among them.

    The servers run until the command ends.

    Raises:
        UnknownName: no such tool, here or at a server. BadInput: a server none of whose tools is named. Failed: one
            cannot be started.
    """
    if not servers:
        return wanted_tools(tools, plugins)
    from workbench.tools import chosen
    from workbench.tools.servers import ToolServer

    named = [name.strip() for name in (tools or "").split(",") if name.strip()]
    running = [context.with_resource(ToolServer(command)) for command in servers]
    theirs = {name: server for server in reversed(running) for name in server.names}
    confirmed = [name for name in named if name in theirs]
    for server in running:
        if not set(server.names) & set(confirmed):
            server.tools([])  # says what it offers
    ours = wanted_tools(",".join(name for name in named if name not in theirs), plugins)
    return (*chosen(ours), *(tool for name in confirmed for tool in theirs[name].tools([name])))


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
