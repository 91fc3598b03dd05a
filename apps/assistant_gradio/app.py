"""Starting the page: arguments in, a server up. Knows Gradio's ``launch``; the page is in ``page.py``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workbench.chat.door import PASSWORD, PORT, Door, door
from workbench.chat.endpoint import is_loopback
from workbench.chat.serving import desk, serving
from workbench.environment import no_collection, prepare
from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.texts import text

# No page of ours takes files, yet the server has a way to send some: they may be no larger than this.
SMALLEST = "16kb"


def main(arguments: Sequence[str] | None = None, *, wait: bool = True) -> Any:
    """Serve until Ctrl-C; with ``wait`` off, return the running page.

    The model loads in a process of its own, beside this one's libraries.
    """
    prepare()
    try:
        settings = serving(sys.argv[1:] if arguments is None else arguments, "assistant_gradio")
        entrance = door(settings.host, settings.port)
        served = desk(settings).warm()
        with no_collection():
            from .page import HEAD, build
        page = build(served, settings.lang)
        launch(page, entrance, head=HEAD)
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    print(text("web.page.serving", name=served.face.name, url=page.local_url), flush=True)
    if wait:
        page.block_thread()
    return page


def launch(page: Any, entrance: Door, styles: Sequence[Path] = (), **more: Any) -> None:
    """Open the page at the door, closed to everything that it does not need.

    Raises:
        Failed: the port is taken.
    """
    from starlette.middleware import Middleware

    from .look import look

    guards = [Middleware(OnlyHere)] if entrance.private else []
    try:
        _launch(page, entrance, guards, **look(*styles), **more)
    except OSError as error:
        if error.errno is not None:  # Gradio's own has no number
            raise
        address = f"{entrance.host}:{entrance.port}" if entrance.port else entrance.host
        raise Failed("web.door.taken", address=address, variable=PORT) from error


def _launch(page: Any, entrance: Door, guards: list[Any], **more: Any) -> None:
    page.launch(
        server_name=entrance.host,
        server_port=entrance.port or None,
        auth=entrance.opens if entrance.password else None,
        share=False,
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        show_error=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        app_kwargs={"middleware": guards},
        _frontend=False,  # else it ends, unless the page answers it within three seconds: on a busy machine it does not
        **{"max_file_size": SMALLEST, **more},
    )


class OnlyHere:
    """Refuses what was asked for under another name than this machine's own.

    Without a password, being reachable from here only is all that protects a page; and a page of another site, opened
    in a browser here, can point a name of its own at 127.0.0.1 (DNS rebinding), or send requests from where it is.

    Args:
        app: an ASGI application.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers with status 421, or lets ``app`` answer."""
        if scope["type"] != "http" or (name := _elsewhere(scope["headers"])) is None:
            await self.app(scope, receive, send)
            return
        from starlette.responses import PlainTextResponse

        refusal = BadInput("web.door.another_name", name=name, variable=PASSWORD)
        await PlainTextResponse(str(refusal), status_code=421)(scope, receive, send)


def _elsewhere(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """The name in ``Host`` or ``Origin`` that is not this machine's own; None where there is none."""
    for key, value in headers:
        if key in (b"host", b"origin"):
            given = value.decode("latin-1")
            try:
                name = urlsplit(given if key == b"origin" else f"//{given}").hostname or given
            except ValueError:
                return given
            if not is_loopback(name):
                return name
    return None
