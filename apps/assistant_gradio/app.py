"""Starting the page: arguments in, a server up. Knows Gradio's ``launch``; the page is in ``page.py``."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from workbench.chat.door import PORT, Door, door
from workbench.chat.gate import Gate
from workbench.chat.loading import Serving
from workbench.chat.serving import desk, may_see, serving
from workbench.data.limits import serve_others
from workbench.environment import no_collection, prepare
from workbench.errors import Failed, WorkbenchError
from workbench.texts import text

from .cache import use_cache
from .narrow import Narrow, fetch_nothing

# Where no page of ours takes files, the server has a way to send some: they may be no larger than this.
SMALLEST = 16_000
# Where an assistant sees: a photo.
PICTURE = 16_000_000
SESSIONS = 1000  # of which Gradio keeps what their parts look like, some 100 kB each; its own limit is ten times that


def main(arguments: Sequence[str] | Serving | None = None, *, wait: bool = True) -> Any:
    """Serve what ``arguments`` name, by default those of the command line, until Ctrl-C; with ``wait`` off, return the
    running page.

    The model loads in a process of its own, beside this one's libraries.
    """
    prepare()
    try:
        settings = serving(arguments, "assistant_gradio")
        entrance = door(settings.host, settings.port)
        serve_others()
        served = desk(settings).warm()
        use_cache()  # before Gradio loads: some of it looks only then
        with no_collection():
            from .page import HEAD, build
        sees = may_see(settings)
        page = build(served, settings.lang, sees=sees)
        launch(page, entrance, head=HEAD, max_file_size=PICTURE if sees else SMALLEST)
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


def launch(
    page: Any, entrance: Door, styles: Sequence[Path] = (), *, max_file_size: int = SMALLEST, **more: Any
) -> None:
    """Open the page at the door, closed to everything that it does not need.

    Args:
        page: what is served.
        entrance: where, and for whom.
        styles: files beside the look that all pages have.
        max_file_size: bytes of a file that is sent to it.
        more: of Gradio's own settings.

    Raises:
        Failed: the port is taken.
    """
    from .look import look

    try:
        _launch(page, entrance, max_file_size, **look(*styles), **more)
    except OSError as error:
        if error.errno is not None:  # Gradio's own has no number
            raise
        address = f"{entrance.host}:{entrance.port}" if entrance.port else entrance.host
        raise Failed("web.door.taken", address=address, variable=PORT) from error


def _launch(page: Any, entrance: Door, largest: int, **more: Any) -> None:
    fetch_nothing()
    page.launch(
        server_name=entrance.host,
        server_port=entrance.port or None,
        share=False,
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        show_error=False,
        footer_links=[],
        favicon_path=str(Path(__file__).with_name("icon.svg")),
        run_history=False,
        enable_monitoring=False,
        state_session_capacity=SESSIONS,
        app_kwargs={"lifespan": _behind_a_gate(entrance, largest)},
        _frontend=False,  # else it ends, unless the page answers it within three seconds: on a busy machine it does not
        max_file_size=largest,
        **more,
    )
    if not isinstance(page.app.middleware_stack, Gate):
        page.close(verbose=False)
        raise Failed("web.cannot_load", reason="no gate")


def _behind_a_gate(entrance: Door, largest: int) -> Any:
    """A lifespan that puts the gate before everything: Gradio sets its own layer, which shares answers with pages of
    other sites, before every layer that it can be given."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = Gate(Narrow(app.middleware_stack), entrance, file=largest)
        yield

    return lifespan
