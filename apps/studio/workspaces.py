"""Everybody's own folder, found again by a secret that only their browser knows. Knows folders; nothing of pages.

A client names a workspace by its secret and by nothing else; every path is put together here. What a secret may look
like is settled before it touches the disk.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from workbench.chat import Assistant
from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.runs import Run, list_runs
from workbench.steps import Project

_SECRET = re.compile(r"[0-9a-f]{32}")
_LATE = 3  # uploads that are kept, whoever names them
_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one may bring along.

    Args:
        upload: bytes of a file.
        rows: conversations in it.
        workspaces: in all; beyond that nobody new is let in.
        open: workspaces that are kept in memory; the others are found on the disk.
        absent: seconds that a page may be away before it is forgotten.
    """

    upload: int = 20_000_000
    rows: int = 20_000
    workspaces: int = 2000
    open: int = 64
    absent: float = 3600.0


@dataclass(eq=False)
class Workspace:
    """One person's folder, with the five steps over it.

    Args:
        secret: its name.
        project: the steps.
        guard: held while a step works that must not work twice at once.
        seen: what each page was shown last, so that only what is new is drawn again.
        looked: whether a mask was asked for; then it is drawn again in another language.
    """

    secret: str
    project: Project
    guard: threading.Lock = field(default_factory=threading.Lock)
    seen: dict[str, object] = field(default_factory=dict)
    looked: bool = False
    used: float = field(default_factory=time.monotonic)

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
        self.limits = limits or Limits()
        self.lang = lang
        self.recipe = recipe
        self._open: dict[str, Workspace] = {}
        self._visitors: dict[str, str] = {}
        self._left: dict[str, float] = {}
        self._bases: dict[str, Assistant] = {}
        self._lock = threading.RLock()
        self._loading = threading.Lock()

    def enter(self, visitor: str, secret: object, lang: str | None = None) -> Workspace:
        """The workspace of ``secret``, else a new one, for the page of that session.

        Raises:
            Failed: there are too many already, or no space.
        """
        with self._lock:
            known = isinstance(secret, str) and bool(_SECRET.fullmatch(secret)) and (self.root / secret).is_dir()
            found = self._opened(str(secret)) if known else self._new(lang or self.lang)
            self._visitors[visitor] = found.secret
            return found

    def of(self, visitor: str) -> Workspace:
        """The workspace that this session entered.

        Raises:
            BadInput: it entered none: the server was started anew.
        """
        with self._lock:
            secret = self._visitors.get(visitor)
            if secret is None:
                raise BadInput("studio.stranger")
            self._left.pop(visitor, None)
            return self._opened(secret)

    def leave(self, visitor: str) -> None:
        """The page is gone; folder and training stay. It may come back: a phone that sleeps looks as if it left."""
        with self._lock:
            if visitor in self._visitors:
                self._left[visitor] = time.monotonic()
            self._forget()

    def running(self) -> list[tuple[str, Run]]:
        """The runs that are alive now, by workspace."""
        found = []
        for folder in self.root.iterdir() if self.root.is_dir() else ():
            if _SECRET.fullmatch(folder.name):
                found += [(folder.name, run) for run in list_runs(folder / "runs") if run.state().alive]
        return found

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

    def _forget(self) -> None:
        """The pages that left long ago; with the last page of a workspace in which nothing was done goes its folder."""
        now = time.monotonic()
        for visitor in [one for one, when in self._left.items() if now - when > self.limits.absent]:
            del self._left[visitor]
            secret = self._visitors.pop(visitor)
            if found := self._open.get(secret):
                found.seen = {key: seen for key, seen in found.seen.items() if not key.startswith(visitor)}
            if secret not in self._visitors.values():
                with suppress(OSError):  # not empty: something was done
                    (self.root / secret).rmdir()
                    self._open.pop(secret, None)

    def _new(self, lang: str | None) -> Workspace:
        self.root.mkdir(parents=True, exist_ok=True)
        self._forget()
        if sum(1 for _ in self.root.iterdir()) >= self.limits.workspaces:
            raise Failed("web.busy")
        secret = secrets.token_hex(16)
        (self.root / secret).mkdir(mode=0o700)
        return self._opened(secret, lang)

    def _opened(self, secret: str, lang: str | None = None) -> Workspace:
        found = self._open.get(secret)
        if found is None:
            found = self._open[secret] = Workspace(
                secret, Project(self.root / secret, lang or self.lang, recipe=self.recipe)
            )
            self._close_idle()
        found.used = time.monotonic()
        return found

    def _close_idle(self) -> None:
        """Forget the one that rested longest; its folder stays, and it is opened anew when somebody comes back."""
        entered = {secret for visitor, secret in self._visitors.items() if visitor not in self._left}
        idle = sorted((one for key, one in self._open.items() if key not in entered), key=lambda one: one.used)
        for one in idle[: max(0, len(self._open) - self.limits.open)]:
            del self._open[one.secret]


def _wanted(project: Project) -> str:
    """Whatever names an upload that is still needed: the recipes of the runs, for each may go on, and the choice until
    now, which a training that starts may be reading."""
    named = [project.data.settings.file or ""]
    for run in list_runs(project.folder / "runs"):
        with suppress(WorkbenchError):  # one without its recipe does not go on
            named.append(run.recipe_text())
    return "\n".join(named)
