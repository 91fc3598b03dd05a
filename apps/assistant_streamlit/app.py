"""Starting the page: arguments in, a server up. Knows Streamlit's command; the page is in ``page.py``."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from workbench.chat.door import door
from workbench.chat.serving import serving, shared_desk
from workbench.environment import no_collection, prepare
from workbench.errors import WorkbenchError
from workbench.render.palette import BLUE
from workbench.texts import text

PAGE = Path(__file__).with_name("page.py")
FIRST = 8501
# The option server.allowedHosts, parted by blanks. A flag would not do: older Streamlits refuse those they do not know.
NAMES = "STREAMLIT_SERVER_ALLOWED_HOSTS"


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
    if entrance.private:
        os.environ[NAMES] = names(entrance.host)
    port = entrance.port or free_port(entrance.host)
    name = shared_desk(settings).face.name  # its model loads beside what follows, before anybody comes
    print(text("web.page.serving", name=name, url=f"http://{entrance.host}:{port}/"), flush=True)
    with no_collection():
        from streamlit.web import cli

    sys.argv = ["streamlit", "run", str(page), *flags(entrance.host, port), "--", *given]
    cli.main()


def flags(host: str, port: int) -> list[str]:
    """Streamlit's own settings: nothing reported, nothing opened, no errors' insides shown, no uploads, our colour."""
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": 1,
        "server.enableXsrfProtection": "true",
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "theme.primaryColor": BLUE,
    }
    return [f"--{name}={value}" for name, value in options.items()]


def names(host: str) -> str:
    """The names under which a page without a password may be asked for: this machine's own.

    A page of another site, opened in a browser here, can point a name of its own at 127.0.0.1 (DNS rebinding);
    Streamlit by itself takes any name, as long as it is the page's own too.
    """
    return " ".join(sorted({"localhost", "127.0.0.1", "::1", host.strip("[]")}))


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
