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
from workbench.chat.serving import serving, shared_desk
from workbench.environment import no_collection, prepare
from workbench.errors import WorkbenchError
from workbench.render.palette import BLUE
from workbench.texts import text

PAGE = Path(__file__).with_name("page.py")
FIRST = 8501
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  as an address to listen at


def main(arguments: Sequence[str] | None = None, page: Path = PAGE) -> None:
    """Serve ``page`` until Ctrl-C."""
    prepare()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        settings = serving(given, "assistant_streamlit")
        entrance = door(settings.host, settings.port)
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
    sys.argv = [str(page), *given]
    st.App(page.resolve(), middleware=[Middleware(Gate, door=entrance)]).run(config=typed(flags(entrance.host, port)))


def flags(host: str, port: int) -> list[str]:
    """Streamlit's own settings, as its command takes them: nothing reported, nothing asked of others, nothing opened,
    no errors' insides shown, no uploads, our colour."""
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": 1,
        "server.enableXsrfProtection": "true",
        # Without an address of its own, Streamlit asks a server on the internet which address this machine has.
        "browser.serverAddress": "localhost" if host.strip("[]") in EVERYWHERE else host,
        "browser.gatherUsageStats": "false",
        "logger.hideWelcomeMessage": "true",
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "theme.primaryColor": BLUE,
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
