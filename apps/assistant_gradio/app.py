"""Starting the page: arguments in, a server up. Knows Gradio's ``launch``; the page is in ``page.py``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.chat.door import Door, door
from workbench.chat.serving import desk, serving
from workbench.environment import prepare
from workbench.errors import WorkbenchError
from workbench.texts import text

# No page of ours takes files, yet the server has a way to send some: they may be no larger than this.
SMALLEST = "16kb"


def main(arguments: Sequence[str] | None = None, *, wait: bool = True) -> Any:
    """Serve until Ctrl-C; with ``wait`` off, return the running page.

    The model begins to load when Gradio is there, and not before: two threads that import the same library for the
    first time get in each other's way.
    """
    prepare()
    try:
        settings = serving(sys.argv[1:] if arguments is None else arguments, "assistant_gradio")
        entrance = door(settings.host, settings.port)
        from .page import build

        served = desk(settings)
        page = build(served, settings.lang)
        served.warm()
        launch(page, entrance)
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    print(text("web.page.serving", name=served.face.name, url=page.local_url), flush=True)
    if wait:
        page.block_thread()
    return page


def launch(page: Any, entrance: Door, styles: Sequence[Path] = (), **more: Any) -> None:
    """Open the page at the door, closed to everything that it does not need."""
    from .look import look

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
        **{"max_file_size": SMALLEST, **look(*styles), **more},
    )
