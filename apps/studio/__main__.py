"""``python -m apps.studio``: the same as ``workbench studio`` without options."""

from pathlib import Path

from .app import serve

serve(Path("studio"))
