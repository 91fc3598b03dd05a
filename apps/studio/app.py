"""Starting the studio: a root folder in, a server up. Knows Gradio's ``launch``; the page is in ``page.py``."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Any

from workbench.chat.door import door
from workbench.environment import prepare
from workbench.errors import WorkbenchError
from workbench.texts import text

from .folders import private


def serve(
    root: Path,
    *,
    host: str | None = None,
    port: int | None = None,
    lang: str | None = None,
    at_once: int | None = None,
    recipe: str = "pocket-qlora",
    wait: bool = True,
) -> Any:
    """Serve until Ctrl-C; with ``wait`` off, return the running page.

    Args:
        root: everybody's workspaces are in this folder.
        host, port: where; see :func:`workbench.chat.door.door`.
        lang: of the page, before the visitor chooses.
        at_once: trainings at the same time on this machine, the others wait in line; None leaves the line's rule.
        recipe: what trainings begin with: a shipped recipe's name or a file.
    """
    prepare()
    try:
        entrance = door(host, port)
        from workbench.data.limits import serve_others
        from workbench.training import load_recipe

        serve_others()
        load_recipe(recipe)  # a mistake in it is told now, and not to every visitor
        from ..assistant_gradio.app import launch, tell
        from ..assistant_gradio.cache import use_cache

        use_cache(private(private(root.expanduser().resolve()) / "cache"))  # before Gradio loads: it looks only then
        from .line import Line
        from .page import HEAD, STYLE, Studio, build
        from .workspaces import Workspaces

        rooms = Workspaces(root, lang=lang, recipe=recipe)
        page = build(Studio(rooms, Line(at_once, running=rooms.running()), lang, secret_of(root)))
        launch(page, entrance, styles=[STYLE], head=HEAD, max_file_size=rooms.limits.upload)
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    tell(entrance, text("studio.title"), page.local_url)
    if wait:
        page.block_thread()
    return page


def secret_of(root: Path) -> str:
    """The key with which the browsers' memory of their workspace is kept, the same after a restart."""
    file = private(root.expanduser()) / "browser.key"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(secrets.token_hex(8))
    return file.read_text(encoding="ascii")
