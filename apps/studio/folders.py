"""Folders that nobody else on the machine may look into. Knows files and accounts; nothing of workspaces or pages."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.errors import BadInput, WorkbenchError
from workbench.runs import list_runs, saving


def private(folder: Path) -> Path:
    """Make the folder if it is not there, and close it to every other account.

    Raises:
        BadInput: it belongs to another account, which could read and change what is in it. Failed: no permission.
    """
    with saving(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if hasattr(os, "getuid") and status.st_uid != os.getuid():
            raise BadInput("studio.not_ours", folder=folder)
        if status.st_mode & 0o077:
            folder.chmod(0o700)
    return folder


def adopt(old: Path, new: Path) -> Path:
    """Give the workspace ``old`` the name ``new``, in the files that say where an upload lies too; returns where it is.

    It stays where it is as long as one of its trainings is alive, whose process writes there.
    """
    try:
        if any(run.state().alive for run in list_runs(old / "runs")):
            return old
        old.rename(new)
        for file in (new / "project.json", *new.glob("runs/*/recipe.yaml")):
            if file.is_file():
                content = file.read_text(encoding="utf-8")
                file.write_text(content.replace(old.name, new.name), encoding="utf-8")
    except (OSError, UnicodeDecodeError, WorkbenchError):
        return new if new.is_dir() else old
    return new
