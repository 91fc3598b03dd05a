"""A card as files: JSON, HTML, and an archive with what proves it. Knows zip files; believes nothing that is in one.

An archive of a learner's is read member by member, within bounds; no name in it becomes a path.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import BadData, BadInput, OutputExists, WorkbenchError
from workbench.handin.collecting import runs_under
from workbench.handin.page import card_html
from workbench.handin.values import Card, from_record, to_record
from workbench.runs import saving, write_bytes
from workbench.runs.files import read_bounded

# bytes: of a card's JSON, of an adapter that goes along, of an archive, of a log
_CARD, _ADAPTER, _ARCHIVE, _LOG = 20_000_000, 60_000_000, 500_000_000, 50_000_000
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True, slots=True)
class HandIn:
    """Hold a card that was handed in.

    Args:
        file: its file's name.
        card: what it says.
        archive: the archive that it came in; None for a bare card.
    """

    file: str
    card: Card
    archive: Path | None = None

    def log(self, run: str) -> bytes | None:
        """Return the event log of a run, or None where it does not lie there."""
        return self._member(f"runs/{run}/events.jsonl", _LOG)

    def adapter(self, run: str) -> dict[str, bytes] | None:
        """Return the files of a run's best adapter, or None where they are not all there."""
        members = {name: self._member(f"runs/{run}/adapter/{name}", _ADAPTER) for name in _ADAPTER_FILES}
        files = {name: content for name, content in members.items() if content is not None}
        return files if len(files) == len(members) else None

    def _member(self, name: str, largest: int) -> bytes | None:
        if self.archive is None:
            return None
        with zipfile.ZipFile(self.archive) as archive:
            return _read(archive, name, largest)


def write(card: Card, folder: Path, out: Path, *, overwrite: bool = False, lang: str | None = None) -> list[Path]:
    """Write ``OUT.json``, ``OUT.html`` and ``OUT.zip``; the archive holds both, and of each run log and best adapter.

    Args:
        folder: the learner's folder, which the card was collected from.
        out: the files' common name.

    Raises:
        OutputExists: one of them is there. Failed: no space, no permission.
    """
    files = [out.with_name(out.name + ending) for ending in (".json", ".html", ".zip")]
    present = [file for file in files if file.exists()]
    if present and not overwrite:
        raise OutputExists("handin.exists", path=present[0])
    content = json.dumps(to_record(card), ensure_ascii=False, indent=1).encode()
    page = card_html(card, lang=lang).encode()
    with saving(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    for file, data in zip(files, (content, page, _archive(card, folder, content, page)), strict=True):
        write_bytes(file, data)
    return files


def _archive(card: Card, folder: Path, content: bytes, page: bytes) -> bytes:
    handed = {run.name for run in card.runs}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", content)
        archive.writestr("card.html", page)
        for run in runs_under(folder):
            name = run.path.relative_to(folder.absolute()).as_posix()
            if name not in handed:
                continue
            archive.write(run.path / "events.jsonl", f"runs/{name}/events.jsonl")
            best = run.best()
            for file in (best.path / part for part in _ADAPTER_FILES) if best else ():
                if file.is_file() and file.stat().st_size <= _ADAPTER:
                    archive.write(file, f"runs/{name}/adapter/{file.name}")
    return buffer.getvalue()


def read_folder(folder: Path) -> tuple[list[HandIn], list[WorkbenchError]]:
    """Return all cards under ``folder`` and, for each file that looks like one and is none, why.

    A card that lies there as an archive and bare is read once.

    Raises:
        BadInput: no such folder, or no card in it.
    """
    if not folder.is_dir():
        raise BadInput("handin.no_class", folder=folder)
    handed: list[HandIn] = []
    troubles: list[WorkbenchError] = []
    for file in _candidates(folder):
        try:
            handed.append(read_card(file, file.relative_to(folder).as_posix()))
        except WorkbenchError as error:  # noqa: PERF203  the others are read
            troubles.append(error)
    if not handed and not troubles:
        raise BadInput("handin.no_cards", folder=folder)
    return handed, troubles


def _candidates(folder: Path) -> Iterator[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".zip", ".json") and path.is_file())
    archives = {path.with_suffix("") for path in files if path.suffix == ".zip"}
    for path in files:
        if path.suffix == ".zip" or (path.with_suffix("") not in archives and _looks_like_a_card(path)):
            yield path


def _looks_like_a_card(path: Path) -> bool:
    """Whether a JSON file says at its beginning that it is a card; others may lie there too."""
    try:
        with path.open("rb") as file:
            return b'"run card"' in file.read(4096)
    except OSError:
        return True  # and reading it says why not


def read_card(path: Path, name: str = "") -> HandIn:
    """Return the card of a file: an archive, or bare JSON.

    Raises:
        BadData: it is none; names the file.
    """
    file = name or path.name
    try:
        if path.suffix == ".zip":
            if path.stat().st_size > _ARCHIVE:
                raise BadData("handin.too_large", file=file, limit=_ARCHIVE // 1_000_000)
            with zipfile.ZipFile(path) as archive:
                content = _read(archive, "card.json", _CARD)
        else:
            content = read_bounded(path, _CARD)
        if content is None:
            raise BadData("handin.no_card", file=file)
        record = json.loads(content)
    except zipfile.BadZipFile:
        raise BadData("handin.no_archive", file=file) from None
    except (OSError, ValueError, RecursionError, NotImplementedError, RuntimeError) as error:
        raise BadData("handin.unreadable", file=file, reason=str(error)[:200]) from None
    if not isinstance(record, dict):
        raise BadData("handin.no_card", file=file)
    return HandIn(file, from_record(record, file), path if path.suffix == ".zip" else None)


def _read(archive: zipfile.ZipFile, name: str, largest: int) -> bytes | None:
    """A member, however large it says it is, to its bound; None where it is not there or beyond it."""
    try:
        with archive.open(name) as member:
            content = member.read(largest + 1)
    except (KeyError, zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError):
        return None
    return content if len(content) <= largest else None


def file_name(name: str) -> str:
    """Return a file's name for a learner's: letters and digits of every script, the rest a hyphen."""
    return "card-" + (re.sub(r"[^\w]+", "-", name).strip("-_") or "nameless")[:60]
