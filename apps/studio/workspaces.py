"""Everybody's own folder, found again by a secret that only their browser has. Knows folders; nothing of pages.

A client names a workspace by its secret and by nothing else; every path is put together here. What a secret may look
like is settled before it touches the disk. The folder bears a hash of the secret: who sees its name, in a listing, a
backup or a message, cannot enter it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from workbench.chat import Assistant
from workbench.chat.discreet import hide
from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.runs import Run, list_runs
from workbench.steps import Project

from .folders import adopt, private
from .talk import Talk

_SECRET = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[0-9a-f]{40}|[0-9a-f]{32}")  # the shorter ones are of earlier versions
_LATE = 3  # uploads that are kept, whoever names them
_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
_FRESH = 15.0  # seconds for which a page that has just opened counts as there; it calls every second
_SILENT = 150.0  # the same for one that has called before; browsers let a page in the background call once a minute
_UNMET = 600.0  # seconds after which a page that never called is forgotten


@dataclass(frozen=True, slots=True)
class Limits:
    """What one may bring along.

    Args:
        upload: bytes of a file.
        rows: conversations in it.
        workspaces: with somebody in them; beyond that nobody new is let in.
        open: workspaces that are kept in memory; the others are found on the disk.
        absent: seconds that a page may be away before it is forgotten.
        spare: bytes that must be free on the disk before anything new is put there.
    """

    upload: int = 20_000_000
    rows: int = 20_000
    workspaces: int = 2000
    open: int = 64
    absent: float = 3600.0
    spare: int = 200_000_000


@dataclass(eq=False)
class Workspace:
    """One person's folder, with the five steps over it.

    Args:
        secret: by which its owner enters.
        project: the steps.
        guard: held while a step works that must not work twice at once.
        seen: what each page was shown last, so that only what is new is drawn again.
        looked: whether a mask was asked for; then it is drawn again in another language.
        talk: what was said with the models of its run.
    """

    secret: str
    project: Project
    guard: threading.Lock = field(default_factory=threading.Lock)
    seen: dict[str, object] = field(default_factory=dict)
    looked: bool = False
    talk: Talk = field(default_factory=Talk)
    used: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        """The folder's name, which is no secret."""
        return self.project.folder.name

    def speaks(self, page_of: str) -> str:
        """The language in which that page was drawn last; empty where it was not yet. A browser's clock may still ask
        in the language that the page had before its visitor's was known."""
        return str(self.seen.get(f"{page_of} language", ""))

    @contextmanager
    def alone(self, patience: float = 15.0) -> Iterator[None]:
        """Hold the workspace for the block, after up to ``patience`` seconds of waiting for it.

        Raises:
            BadInput: something else of this workspace still works.
        """
        if not self.guard.acquire(timeout=patience):
            raise BadInput("studio.at_work")
        try:
            yield
        finally:
            self.guard.release()


@dataclass(slots=True)
class _Page:
    """A visitor's page: the name of its workspace, when it called last, whether it called since it opened, and whether
    its connection ended."""

    name: str
    called: float
    met: bool = False
    left: bool = False

    def there(self, now: float) -> bool:
        """Whether somebody looks at it."""
        return not self.left and now - self.called < (_SILENT if self.met else _FRESH)

    def forgotten(self, now: float, absent: float) -> bool:
        """Whether it stayed away for too long."""
        return now - self.called > (absent if self.met or self.left else min(absent, _UNMET))


class Workspaces:
    """All of them.

    Args:
        root: the folder that they are in; made when it is needed.
        limits: what one may bring along.
        lang: the language that a new one begins in.
        recipe: what trainings begin with.
    """

    def __init__(
        self, root: Path, limits: Limits | None = None, lang: str | None = None, recipe: str = "pocket-qlora"
    ) -> None:
        self.root = root.expanduser().resolve()
        hide(self.root)
        self.limits = limits or Limits()
        self.lang = lang
        self.recipe = recipe
        self._open: dict[str, Workspace] = {}
        self._pages: dict[str, _Page] = {}
        self._swept = -_UNMET
        self._bases: dict[str, Assistant] = {}
        self._lock = threading.RLock()
        self._loading = threading.Lock()

    def enter(self, visitor: str, secret: object, lang: str | None = None) -> Workspace:
        """The workspace of ``secret``, else a new one, for the page of that session.

        Raises:
            Failed: there are too many already, or no space.
        """
        with self._lock:
            name = self._name_of(secret) if isinstance(secret, str) and _SECRET.fullmatch(secret) else None
            if name is None:
                secret, name = self._new()
            workspace = self._opened(name, lang)
            workspace.secret = str(secret)
            self._pages[visitor] = _Page(name, time.monotonic())
            return workspace

    def of(self, visitor: str) -> Workspace:
        """The workspace that this session entered.

        Raises:
            BadInput: it entered none: the server was started anew.
        """
        with self._lock:
            page = self._pages.get(visitor)
            if page is None:
                raise BadInput("studio.stranger")
            page.called, page.met, page.left = time.monotonic(), True, False
            return self._opened(page.name)

    def leave(self, visitor: str) -> None:
        """The page is gone; folder and training stay. It may come back: a phone that sleeps looks as if it left."""
        with self._lock:
            if page := self._pages.get(visitor):
                page.called, page.left = time.monotonic(), True
            self._forget()

    def running(self) -> list[tuple[str, Run]]:
        """The runs that are alive now, by workspace."""
        return [
            (folder.name, run) for folder in self._folders() for run in list_runs(folder / "runs") if run.state().alive
        ]

    def base(self, name: str) -> Assistant:
        """A base model, loaded once for everybody."""
        with self._loading:
            if name not in self._bases:
                self._bases[name] = Assistant.load(name)
            return self._bases[name]

    def take(self, workspace: Workspace, content: bytes, name: str) -> Path:
        """Keep an uploaded file; its name is ours, of the sender's only the ending counts.

        Raises:
            BadInput: too large, too many rows, of no known kind, or no conversations.
        """
        from workbench.data import read

        suffix = Path(name).suffix.lower()
        if suffix not in _SUFFIXES:
            raise BadInput("studio.upload_kind", given=suffix or "–", known=" ".join(_SUFFIXES))
        if len(content) > self.limits.upload:
            raise BadInput("studio.upload_size", size=len(content) / 1e6, limit=self.limits.upload / 1e6)
        self._check_space()
        folder = workspace.project.folder / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{secrets.token_hex(8)}{suffix}"
        file.write_bytes(content)
        try:
            rows = len(read(file, limit=self.limits.rows + 1))
            if rows > self.limits.rows:
                raise BadInput("studio.upload_rows", limit=self.limits.rows)
        except WorkbenchError:
            file.unlink()
            raise
        wanted = _wanted(workspace.project)
        # no more than are needed, so that nobody fills the disk; a training that is just being started reads a late one
        for old in sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime_ns)[:-_LATE]:
            if old.name not in wanted:
                old.unlink()
        return file

    def _name_of(self, secret: str) -> str | None:
        """The name of the folder that ``secret`` opens; None where there is none. It is looked for by its hash, so that
        no time of a comparison tells of a secret."""
        name = hashlib.sha256(secret.encode()).hexdigest()[:40]
        if (self.root / name).is_dir():
            return name
        if (self.root / secret).is_dir():  # of an earlier version, which called folders by their secrets
            return adopt(self.root / secret, self.root / name).name
        return None

    def _folders(self) -> list[Path]:
        """Every workspace's folder."""
        if not self.root.is_dir():
            return []
        return [folder for folder in self.root.iterdir() if _NAME.fullmatch(folder.name) and folder.is_dir()]

    def _forget(self) -> None:
        """The pages that left long ago, or never called; beyond the limit the oldest of these. With the last page of a
        workspace in which nothing was done goes its folder."""
        now = time.monotonic()
        unmet = [visitor for visitor, page in self._pages.items() if not page.met and not page.there(now)]
        gone = {one for one, page in self._pages.items() if page.forgotten(now, self.limits.absent)}
        for visitor in gone.union(unmet[: max(0, len(self._pages) - 2 * self.limits.workspaces)]):
            name = self._pages.pop(visitor).name
            if workspace := self._open.get(name):
                workspace.seen = {key: seen for key, seen in workspace.seen.items() if not key.startswith(visitor)}
            if all(page.name != name for page in self._pages.values()):
                self._remove_empty(name)

    def _remove_empty(self, name: str) -> None:
        with suppress(OSError):  # not empty: something was done
            (self.root / name).rmdir()
            self._open.pop(name, None)

    def _sweep(self) -> None:
        """Remove the empty folders that another process left, or that were forgotten while something was in them."""
        if time.monotonic() - self._swept < _UNMET:
            return
        self._swept = time.monotonic()
        entered = {page.name for page in self._pages.values()}
        for folder in self._folders():
            with suppress(OSError):
                if folder.name not in entered and time.time() - folder.stat().st_mtime > _UNMET:
                    self._remove_empty(folder.name)

    def _new(self) -> tuple[str, str]:
        """A new secret, and the name of the folder that was made for it."""
        private(self.root)
        self._forget()
        self._sweep()
        now = time.monotonic()
        if len({page.name for page in self._pages.values() if page.there(now)}) >= self.limits.workspaces:
            raise Failed("web.busy")
        self._check_space()
        secret = secrets.token_hex(16)
        name = hashlib.sha256(secret.encode()).hexdigest()[:40]
        (self.root / name).mkdir(mode=0o700)
        return secret, name

    def _check_space(self) -> None:
        if shutil.disk_usage(self.root).free < self.limits.spare:
            raise Failed("studio.no_space")

    def _opened(self, name: str, lang: str | None = None) -> Workspace:
        workspace = self._open.get(name)
        if workspace is None:
            project = Project(self.root / name, lang or self.lang, recipe=self.recipe)
            workspace = self._open[name] = Workspace("", project)
            self._close_idle()
        workspace.used = time.monotonic()
        return workspace

    def _close_idle(self) -> None:
        """Forget the one that rested longest; its folder stays, and it is opened anew when somebody comes back."""
        now = time.monotonic()
        entered = {page.name for page in self._pages.values() if page.there(now)}
        idle = sorted((one for name, one in self._open.items() if name not in entered), key=lambda one: one.used)
        for one in idle[: max(0, len(self._open) - self.limits.open)]:
            if not one.guard.locked() and not one.project.chat.answering:
                del self._open[one.name]


def _wanted(project: Project) -> str:
    """Whatever names an upload that is still needed: the recipes of the runs, for each may go on, and the choice until
    now, which a training that starts may be reading."""
    named = [project.data.settings.file or ""]
    for run in list_runs(project.folder / "runs"):
        with suppress(WorkbenchError):  # one without its recipe does not go on
            named.append(run.recipe_text())
    return "\n".join(named)
