"""``workbench lab``: JupyterLab on the first lesson. Knows the course's files and JupyterLab's options; no lesson."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import click

from workbench import shipped
from workbench.errors import BadInput, Failed
from workbench.runs import saving
from workbench.runs.process import tied
from workbench.texts import language, text

_CONTENTS = "@jupyterlab/toc:plugin"
# No news, no update check, no extension manager: nothing is fetched, and nobody is asked about it.
_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # a panel is taller than the 80 lines after which an output gets a scroll bar of its own
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    # the names of the lessons whole, and the contents of the one that is open at its other side
    "@jupyterlab/filebrowser-extension:browser": {"showLastModifiedColumn": False},
    "@jupyterlab/application-extension:shell": {"layout": {"multiple": {"Table of Contents": {"area": "right"}}}},
}
# How the window is parted when a course is opened for the first time: files, lesson, contents, as shares of its width.
_LAYOUT = {
    "left": {"collapsed": False, "visible": True, "current": "filebrowser", "widgets": ["filebrowser"]},
    "right": {"collapsed": False, "visible": True, "current": _CONTENTS, "widgets": [_CONTENTS]},
    "relativeSizes": [0.25, 0.55, 0.2],
}
# what makes the lesson come before the lists at its sides on a narrow screen
_EXTENSIONS = Path(__file__).parent / "labextensions"
# where in the learner's folder JupyterLab keeps how its window is parted
_WINDOWS = ".jupyterlab"
# the first cell of a lesson, in a notebook's JSON
_SPOKEN = re.compile(r'WORKBENCH_LANG\\"\] = \\"(en|zh)\\"')


@click.command(help=text("lab.help"))
@click.option("--lang", type=click.Choice(["en", "zh"]), default=None, help=text("lab.options.lang"))
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=None, help=text("lab.options.folder")
)
@click.option("--port", type=click.IntRange(0, 65535), default=8888, show_default=True, help=text("lab.options.port"))
@click.option("--no-browser", is_flag=True, help=text("lab.options.no_browser"))
def lab(lang: str | None, folder: Path | None, port: int, no_browser: bool) -> int:
    """Open JupyterLab on lesson 0."""
    if find_spec("jupyterlab") is None or find_spec("ipywidgets") is None:
        raise BadInput("lab.not_installed")
    spoken = language(lang)
    target = (folder or Path("workbench-course") / spoken).expanduser().absolute()
    copied = copy_course(spoken, target)
    click.echo(text("lab.copied" if copied else "lab.kept", spoken, n=len(copied), folder=target), err=True)
    if language_of(target) not in (None, spoken):
        click.echo(text("lab.other_language", spoken), err=True)
    if is_root():
        click.echo(text("lab.root", spoken), err=True)
    click.echo(text("lab.stop", spoken), err=True)
    arrange(target)
    with tempfile.TemporaryDirectory(prefix="workbench-lab-") as settings:
        status = _serve(command(target, port, browser=not no_browser), environment(Path(settings), spoken))
    if status not in (0, 130, 143, -2, -15):  # ended, or ended by a signal
        raise Failed("lab.failed", status=status)
    return 0


def copy_course(lang: str, folder: Path) -> list[Path]:
    """Copy the lessons of ``lang`` into ``folder``; a file that is there stays as it is. Returns what was copied.

    Raises:
        Failed: this installation has no course; or no space, no permission.
    """
    try:
        source = shipped.course(lang)
    except FileNotFoundError:
        raise Failed("lab.no_course") from None
    copied = []
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(source.glob("*.ipynb")):
            target = folder / file.name
            try:
                with target.open("xb") as copy:
                    copy.write(file.read_bytes())
            except FileExistsError:
                continue
            copied.append(target)
    return copied


def is_root() -> bool:
    """Tell whether this process may do everything, as in most containers; JupyterLab refuses that unless it is told."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def arrange(folder: Path) -> Path | None:
    """Set out the window of a course that is opened for the first time; how somebody has parted it since stays.

    Returns the file that was written.
    """
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    manager = WorkspacesManager(str(folder / _WINDOWS))
    if manager.load("default")["data"]:
        return None
    with saving(folder):
        record = {"data": {"layout-restorer:data": _LAYOUT}, "metadata": {"id": "default"}}
        return Path(manager.save("default", json.dumps(record)))


def language_of(folder: Path) -> str | None:
    """Return the language of the lessons in ``folder``, as the first of them says; None where it does not."""
    first = min(folder.glob("00-*.ipynb"), default=None)
    match = _SPOKEN.search(first.read_text(encoding="utf-8", errors="replace")) if first else None
    return match[1] if match else None


def environment(settings: Path, lang: str) -> dict[str, str]:
    """Return what the server and its kernels find around them; our settings of JupyterLab, written into the folder
    ``settings``, are laid over what else it is configured with."""
    (settings / "labconfig").mkdir()
    (settings / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(_SETTINGS), encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(settings), os.environ.get("JUPYTER_CONFIG_PATH")]))
    return {**os.environ, "JUPYTER_CONFIG_PATH": path, "WORKBENCH_LANG": lang, "PYTHONUTF8": "1"}


def command(folder: Path, port: int, *, browser: bool) -> list[str]:
    """Return JupyterLab's command line: on this machine alone, with its token, and without reaching for the network."""
    first = min((file.name for file in folder.glob("00-*.ipynb")), default="")
    options = {
        "ServerApp.root_dir": folder,
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.open_browser": browser,
        "ServerApp.answer_yes": True,
        "ServerApp.allow_root": is_root(),
        "LabApp.default_url": f"/lab/tree/{first}",
        "LabApp.workspaces_dir": folder / _WINDOWS,
        "LabApp.extra_labextensions_path": _EXTENSIONS,
        "LabApp.news_url": "None",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.extension_manager": "readonly",
    }
    return [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]


def _serve(argv: list[str], environ: dict[str, str]) -> int:
    """Run the server until it ends, or Ctrl-C or the end of this process ends it: a container stops by a signal to its
    first process alone."""
    server = subprocess.Popen(argv, env=environ, **tied())  # noqa: S603  a list, never a shell
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        return server.wait()
    except KeyboardInterrupt:  # the server has heard it too, saves nothing of its own, and ends
        try:
            return server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            server.terminate()
            return 130 if server.wait() else 0
