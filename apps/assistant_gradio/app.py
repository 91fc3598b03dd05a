"""Starting the page: arguments in, a server up. Knows Gradio's ``launch``; the page is in ``page.py``."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from workbench.chat.door import PORT, Door, door
from workbench.chat.gate import Gate
from workbench.chat.serving import desk, serving
from workbench.environment import no_collection, prepare
from workbench.errors import Failed, WorkbenchError
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
    tell(entrance, served.face.name, page.local_url)
    if wait:
        page.block_thread()
    return page


def tell(entrance: Door, name: str, url: str) -> None:
    """Tell where the page is, and its password where that was made here."""
    print(text("web.page.serving", name=name, url=url), flush=True)
    if entrance.generated:
        print(text("web.door.generated", password=entrance.password), flush=True)


def launch(page: Any, entrance: Door, styles: Sequence[Path] = (), **more: Any) -> None:
    """Open the page at the door, closed to everything that it does not need.

    Raises:
        Failed: the port is taken.
    """
    from .look import look

    try:
        _launch(page, entrance, **look(*styles), **more)
    except OSError as error:
        if error.errno is not None:  # Gradio's own has no number
            raise
        address = f"{entrance.host}:{entrance.port}" if entrance.port else entrance.host
        raise Failed("web.door.taken", address=address, variable=PORT) from error


def _launch(page: Any, entrance: Door, **more: Any) -> None:
    page.launch(
        server_name=entrance.host,
        server_port=entrance.port or None,
        share=False,
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        show_error=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        app_kwargs={"lifespan": _behind_a_gate(entrance)},
        _frontend=False,  # else it ends, unless the page answers it within three seconds: on a busy machine it does not
        **{"max_file_size": SMALLEST, **more},
    )
    if not isinstance(page.app.middleware_stack, Gate):
        page.close(verbose=False)
        raise Failed("web.cannot_load", reason="no gate")


def _behind_a_gate(entrance: Door) -> Any:
    """A lifespan that puts the gate before everything: Gradio sets its own layer, which shares answers with pages of
    other sites, before every layer that it can be given."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = Gate(app.middleware_stack, entrance)
        yield

    return lifespan
