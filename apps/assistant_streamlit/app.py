"""Starting the page: arguments in, a server up. Knows Streamlit's server; the page is in ``page.py``."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.chat.door import door
from workbench.chat.gate import Gate
from workbench.chat.loading import Serving
from workbench.chat.serving import command_line, may_see, serving, shared_desk
from workbench.data.limits import serve_others
from workbench.environment import no_collection, prepare
from workbench.errors import WorkbenchError
from workbench.render.palette import BLUE
from workbench.texts import text

PAGE = Path(__file__).with_name("page.py")
FIRST = 8501
LARGEST = {True: 16, False: 1}  # MB of a file, by whether the assistant sees: a photo, or nothing to speak of
LIGHTER = "#3b9bd9"  # the same blue where it stands on a dark ground
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  as an address to listen at


def main(arguments: Sequence[str] | Serving | None = None, page: Path = PAGE) -> None:
    """Serve what ``arguments`` name, by default those of the command line, on ``page``, until Ctrl-C."""
    prepare()
    try:
        settings = serving(arguments, "assistant_streamlit")
        entrance = door(settings.host, settings.port)
        serve_others()
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    port = entrance.port or free_port(entrance.host)
    name = shared_desk(settings).face.name  # its model loads beside what follows, before anybody comes
    print(text("web.page.serving", name=name, url=f"http://{entrance.host}:{port}/"), flush=True)
    if entrance.generated:
        print(text("web.door.generated", password=entrance.password), flush=True)
    with no_collection():
        import streamlit as st
        from starlette.middleware import Middleware

        from .page import quiet
    quiet()
    sys.argv = [str(page), *command_line(settings)]
    sees = may_see(settings)
    gate = Middleware(Gate, door=entrance, file=LARGEST[sees] << 20)
    st.App(page.resolve(), middleware=[gate]).run(config=typed(flags(entrance.host, port, sees=sees)))


def flags(host: str, port: int, *, sees: bool = False) -> list[str]:
    """Streamlit's own settings, as its command takes them: nothing reported, nothing asked of others, nothing opened,
    no errors' insides shown, no large uploads, our colour."""
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": LARGEST[sees],
        "server.maxMessageSize": 2,  # MB of what goes over a line at once; files go elsewhere
        "server.enableXsrfProtection": "true",
        # Without an address of its own, Streamlit asks a server on the internet which address this machine has.
        "browser.serverAddress": "localhost" if host.strip("[]") in EVERYWHERE else host,
        "browser.gatherUsageStats": "false",
        "logger.hideWelcomeMessage": "true",
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        # for each ground by itself: a colour for both would be a theme that knows no dark
        "theme.light.primaryColor": BLUE,
        "theme.dark.primaryColor": LIGHTER,
    }
    return [f"--{name}={value}" for name, value in options.items()]


def typed(flags: Sequence[str]) -> dict[str, Any]:
    """The same for Streamlit's Python, which wants numbers and truths as such."""
    pairs = (flag.removeprefix("--").split("=", 1) for flag in flags)
    words = {"true": True, "false": False}
    return {name: words.get(value, int(value) if value.isdigit() else value) for name, value in pairs}


def free_port(host: str) -> int:
    """The usual port, or where that is taken any free one."""
    for port in (FIRST, 0):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
            if os.name != "nt":  # there it would let in a second server beside the first
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((host, port))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    return FIRST
