"""Where Gradio puts what is uploaded and downloaded. Knows its variable; imports nothing of it."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

VARIABLE = "GRADIO_TEMP_DIR"


def use_cache(folder: Path | None = None) -> Path:
    """Let pages that are made from now on put their files into ``folder``, which is private, or into a new one that
    goes with this process.

    Gradio's own is a folder of a name that everybody knows, in the temporary folder that everybody shares: the account
    that makes it first owns it, reads what others upload, and leaves them without uploads.
    """
    place = folder or Path(_own().name)
    os.environ[VARIABLE] = str(place)
    return place


@cache
def _own() -> tempfile.TemporaryDirectory[str]:
    """The folder of this process, which only its account may look into; removed at its end."""
    return tempfile.TemporaryDirectory(prefix="workbench-page-", ignore_cleanup_errors=True)
