"""Run folders by path and by name. Knows which folders are runs, and which is the latest; opens none."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import nearest
from workbench.runs.files import saving

ROOT = Path("runs")
_MARKS = ("recipe.yaml", "events.jsonl", "state.json", "manifest.json")
_BROUGHT = "import.json"


def is_run(path: Path) -> bool:
    """Tell whether ``path`` is a run folder. What ``workbench import`` made holds a recipe too, and is none.

    Raises:
        Failed: the folder may not be read.
    """
    with saving(path):
        return any((path / mark).is_file() for mark in _MARKS) and not (path / _BROUGHT).is_file()


def run_folders(root: Path | None = None) -> list[Path]:
    """List the run folders under ``root`` (default: ``runs`` in this folder), the last one written to at the end."""
    folder = root or ROOT
    if not folder.is_dir():
        return []
    if is_run(folder):
        return [folder]
    return sorted((path for path in folder.iterdir() if is_run(path)), key=_last_write)


def _last_write(folder: Path) -> tuple[float, str]:
    paths = [folder / name for name in ("recipe.yaml", "events.jsonl", "state.json")]
    times = [path.stat().st_mtime for path in paths if path.exists()]
    return max(times, default=0.0), folder.name


def nearest_runs(path: Path) -> tuple[str, ...]:
    """Name the runs beside ``path``, and under ``runs``, that are nearest to its name; a dash where there is none."""
    names = {folder.name for root in (path.parent, ROOT) for folder in run_folders(root)}
    return nearest(path.name, names) or ("–",)
