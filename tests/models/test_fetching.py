"""Weights that lie elsewhere come whole and with the right checksum, or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import BadInput, Failed
from workbench.models.fetching import check_url, describe, ensure

NAME = "model/model.safetensors"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address that serves it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def bundle(folder: Path, content: bytes, url: str) -> Path:
    (folder / "model").mkdir(parents=True)
    (folder / NAME).write_bytes(content)
    (folder / "weights.json").write_text(json.dumps(describe(folder, [NAME], url)))
    if url:
        (folder / NAME).unlink()
    return folder


def test_what_is_missing_is_fetched_and_kept(tmp_path: Path, elsewhere: tuple[Path, str]) -> None:
    there, url = elsewhere
    here = bundle(tmp_path / "b", b"x" * 3_000_000, url)
    (there / "model.safetensors").write_bytes(b"x" * 3_000_000)
    told: list[str] = []
    ensure(here, told.append)
    assert (here / NAME).stat().st_size == 3_000_000
    ensure(here, told.append)
    assert told == [NAME]


@pytest.mark.parametrize("other", [b"y" * 1000, b"x" * 999, b"x" * 5000])
def test_what_is_not_the_same_file_is_thrown_away(tmp_path: Path, elsewhere: tuple[Path, str], other: bytes) -> None:
    there, url = elsewhere
    here = bundle(tmp_path / "b", b"x" * 1000, url)
    (there / "model.safetensors").write_bytes(other)
    with pytest.raises(Failed, match="checksum"):
        ensure(here)
    assert not list((here / "model").iterdir())


def test_what_cannot_be_fetched_is_a_sentence(tmp_path: Path, elsewhere: tuple[Path, str]) -> None:
    here = bundle(tmp_path / "b", b"x", elsewhere[1])
    with pytest.raises(Failed, match="could not be fetched"):
        ensure(here)
    assert not list((here / "model").iterdir())


def test_a_pointer_of_git_lfs_is_told_from_a_missing_file(tmp_path: Path) -> None:
    here = bundle(tmp_path / "b", b"x" * 1000, "")
    ensure(here)
    (here / NAME).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1000\n")
    with pytest.raises(Failed, match="git lfs pull"):
        ensure(here)
    (here / NAME).unlink()
    with pytest.raises(Failed, match="missing"):
        ensure(here)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "model/../../evil", "C:\\evil", "a\\b"])
def test_the_list_names_nothing_outside_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "weights.json").write_text(json.dumps({"from": "", "files": {name: {"size": 1, "sha256": ""}}}))
    with pytest.raises(BadInput, match="outside"):
        ensure(tmp_path)


@pytest.mark.parametrize(
    "url", ["http://example.org/m", "file:///etc", "https://u:p@host/m", "https://host/m?token=x", "x"]
)
def test_an_address_must_be_https_and_hold_no_secret(url: str) -> None:
    with pytest.raises(BadInput):
        check_url(url)
    assert check_url("https://host/a/b/") == "https://host/a/b"
