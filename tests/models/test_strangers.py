"""What a stranger's model or adapter may hold: each fault is one sentence, whatever the command, and opens nothing."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests import strangers
from tests.strangers import ADAPTERS, EITHER, MODELS, broken, edit
from workbench.cli import run
from workbench.errors import BadInput, WorkbenchError
from workbench.models import fingerprint, load, load_tokenizer
from workbench.models.folders import check_files, clean_config

# Of a model these keep only loading it from going on, not what goes through its files.
WHOLE_FILES = {
    "a kind that brings its code", "numbers as text", "heads that do not divide", "another shape",
    "a distributed checkpoint",
}  # fmt: skip


@pytest.fixture(scope="module")
def making() -> ModuleType:
    from tests.export import adapters

    return adapters


@pytest.fixture(scope="module")
def base(making: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return making.save_base(tmp_path_factory.mktemp("strangers") / "base")


@pytest.fixture(scope="module")
def adapter(making: ModuleType, base: Path) -> Path:
    return making.save_adapter(base, base.parent / "adapter", strength=0.3)


@pytest.fixture(scope="module")
def data(base: Path) -> Path:
    file = base.parent / "rows.jsonl"
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    file.write_text(json.dumps({"messages": turns}) + "\n", encoding="utf-8")
    return file


@pytest.fixture(autouse=True)
def nothing_pickled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No pickle is opened, whatever is asked."""
    import torch

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"a pickle was opened: {args} {kwargs}")

    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    yield


def refused(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence, and its remedy, with which the command ends."""
    capsys.readouterr()
    begun = time.monotonic()
    status = run([str(argument) for argument in arguments])
    said = capsys.readouterr().err
    assert status == 2, said
    assert "Traceback" not in said
    assert 1 <= said.count("workbench: ") <= 2, said
    assert time.monotonic() - begun < 60
    return said


ASK = ["--question", "hi", "--max-new-tokens", "2"]


@pytest.mark.parametrize("fault", [*MODELS, *EITHER])
def test_a_model_with_a_fault_is_one_sentence_for_who_talks_with_it(
    fault: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = broken(base, tmp_path / "model", (MODELS | EITHER)[fault])
    refused(["chat", model, *ASK], capsys)
    refused(["compare", model, "pocket", *ASK], capsys)


@pytest.mark.parametrize("fault", [*MODELS, *EITHER])
def test_a_model_with_a_fault_begins_no_training(fault: str, base: Path, tmp_path: Path) -> None:
    from workbench.training.checks import check_base
    from workbench.training.recipe import load_recipe

    model = broken(base, tmp_path / "model", (MODELS | EITHER)[fault])
    recipe = load_recipe("pocket-qlora", [f"model.name={model}", "data.max_length=64"])
    shallow = ("template", *WHOLE_FILES - {"a distributed checkpoint"}, "missing tensors", "a broken tokenizer")
    if not fault.startswith(("a template", *shallow)) or "pipe" in fault:
        with pytest.raises(BadInput):
            check_base(recipe)


@pytest.mark.parametrize("fault", sorted({*MODELS, *EITHER} - WHOLE_FILES))
def test_a_model_with_a_fault_is_not_merged_and_not_given_on(
    fault: str, base: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = broken(base, tmp_path / "model", (MODELS | EITHER)[fault])
    if fault in MODELS or "pipe" in fault or "link" in fault or "device" in fault:
        refused(["merge", model, adapter, tmp_path / "merged"], capsys)
    else:  # of a tokenizer nothing is merged; it is only copied
        assert run(["merge", str(model), str(adapter), str(tmp_path / "merged")]) == 0
    shallow = fault.startswith("a template") and "pipe" not in fault
    if not shallow and fault not in ("missing tensors", "a broken tokenizer"):
        refused(["deploy", "docker", model, tmp_path / "bundle"], capsys)
        assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name", ["LICENSE", "m.py"])
def test_a_link_in_the_place_of_what_is_only_copied_is_not_followed(
    name: str, base: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = broken(base, tmp_path / "model", strangers.linked(name, "/etc/passwd"))
    edit("config.json", auto_map={"AutoConfig": "m.C"})(model)
    assert "leads out" in refused(["merge", model, adapter, tmp_path / "merged"], capsys)
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("fault", [*EITHER])
@pytest.mark.parametrize("command", ["encode", "mask", "check"])
def test_a_tokenizer_with_a_fault_is_one_sentence(
    command: str, fault: str, base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = broken(base, tmp_path / "model", EITHER[fault])
    words = {"encode": ["encode", data], "mask": ["mask", data], "check": ["data", "check", data]}[command]
    refused([*words, "--model", model, "--json"], capsys)


@pytest.mark.parametrize("fault", [*ADAPTERS])
def test_an_adapter_with_a_fault_is_one_sentence_whatever_the_command(
    fault: str, base: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = broken(adapter, tmp_path / "stranger", ADAPTERS[fault])
    refused(["chat", base, "--adapter", stranger, *ASK], capsys)
    refused(["chat", stranger, *ASK], capsys)
    refused(["compare", base, "--adapter", stranger, *ASK], capsys)
    refused(["merge", base, stranger, tmp_path / "merged"], capsys)
    refused(["convert", stranger, tmp_path / "converted"], capsys)
    refused(["deploy", "docker", stranger, tmp_path / "bundle"], capsys)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["stranger"]


def test_the_same_folders_without_a_fault_pass(base: Path, adapter: Path, tmp_path: Path) -> None:
    same = broken(base, tmp_path / "model", lambda folder: None)
    check_files(same)
    assert fingerprint(str(same)) == fingerprint(str(base))
    assert load(str(same), adapter=adapter, device="cpu").model is not None
    sharded = broken(base, tmp_path / "sharded", strangers.indexed(strangers.SHARD))
    assert load(str(sharded), device="cpu").model is not None


def test_a_configuration_chooses_no_code(base: Path, tmp_path: Path) -> None:
    wishes = {
        "attn_implementation": "owner/kernel", "_attn_implementation": "owner/kernel", "experts_implementation": "x",
        "use_kernels": True, "custom_generate": "owner/generate", "transformers_weights": "adapter_model.bin",
        "configuration_files": ["config.9.json"],
    }  # fmt: skip
    model = broken(
        base, tmp_path / "model", edit("config.json", **wishes, text={"attn_implementation": "owner/kernel"})
    )
    cleaned = clean_config(model)
    assert not wishes.keys() & cleaned.keys() and cleaned["text"] == {}
    network = load(str(model), device="cpu").model
    assert network.config._attn_implementation == "eager"
    assert not hasattr(network.config, "use_kernels") and not hasattr(network.config, "transformers_weights")


def test_the_hubs_own_cache_may_lead_to_its_blobs_and_to_nothing_else(base: Path, tmp_path: Path) -> None:
    cached = tmp_path / "models--owner--name" / "snapshots" / "0123"
    blobs = cached.parents[1] / "blobs"
    cached.mkdir(parents=True), blobs.mkdir()
    for file in base.iterdir():
        (blobs / f"b-{file.name}").write_bytes(file.read_bytes())
        (cached / file.name).symlink_to(f"../../blobs/b-{file.name}")
    assert load(str(cached), device="cpu").model is not None
    (cached / "vocab.txt").symlink_to("/etc/passwd")
    with pytest.raises(BadInput, match="leads out"):
        load_tokenizer(str(cached))


def test_the_base_that_an_adapter_names_is_not_fetched(
    adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = broken(adapter, tmp_path / "s", edit("adapter_config.json", base_model_name_or_path="owner/base"))
    said = refused(["chat", stranger, *ASK], capsys)
    assert "workbench chat owner/base --adapter" in said
    refused(["deploy", "docker", stranger, tmp_path / "bundle"], capsys)
    refused(["merge", stranger, stranger, tmp_path / "merged"], capsys)


def test_memory_that_is_not_there_is_a_sentence(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    def full(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", full)
    with pytest.raises(WorkbenchError, match="not enough memory") as caught:
        load(str(base), device="cpu")
    assert caught.value.exit_status == 1
