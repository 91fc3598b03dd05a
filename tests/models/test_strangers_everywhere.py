"""Every command that takes a model or an adapter, whichever is added: a stranger's fault is one sentence there too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.strangers import ADAPTERS, EITHER, MODELS, broken
from workbench.cli import group, run

ASK = ("--question", "hi", "--max-new-tokens", "2")
# M: a model's folder, A: an adapter's, D: rows, O: what is written. By command, where the model stands.
OF_A_MODEL: dict[str, tuple[str, ...]] = {
    "chat": ("chat", "M", *ASK),
    "compare": ("compare", "pocket", "M", *ASK),
    "serve": ("serve", "M"),
    "mask": ("mask", "D", "--model", "M"),
    "encode": ("encode", "D", "--model", "M"),
    "data check": ("data", "check", "D", "--model", "M"),
    "data convert": ("data", "convert", "D", "O", "--drop", "no_trained_token", "--model", "M"),
    "merge": ("merge", "M", "A", "O"),
    "deploy": ("deploy", "docker", "M", "O"),
    "import": ("import", "A", "--base", "M", "--out", "O"),
    "train": ("train", "pocket-lora", "--set", "persona.name=S", "--set", "model.name=M", "--out", "O"),
    "quickstart": ("quickstart", "--name", "S", "--set", "model.name=M", "--out", "O"),
}
OF_AN_ADAPTER: dict[str, tuple[str, ...]] = {
    "chat": ("chat", "pocket", "--adapter", "A", *ASK),
    "compare": ("compare", "pocket", "--adapter", "A", *ASK),
    "serve": ("serve", "pocket", "--adapter", "A"),
    "merge": ("merge", "pocket", "A", "O"),
    "convert": ("convert", "A", "O"),
    "deploy": ("deploy", "docker", "A", "O"),
    "train": ("train", "pocket-lora", "--set", "persona.name=S", "--from", "A", "--out", "O"),
}
# Options whose values are models or adapters, and the commands that have them and are tried elsewhere.
NAMES = {"model", "second", "adapter", "llava", "base", "source", "run_or_checkpoint", "start", "merged", "tower"}
ELSEWHERE = {"class show"}  # a model for cards that are handed in: it is named by the teacher, and loaded as by chat
TOKENS = ("mask", "encode", "data check", "data convert")  # they load no weight
HEADS = ("import",)  # it looks at the heads of the weights alone


def commands(command: click.Command, way: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command by its words."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if inner := command.get_command(context, name):
                yield from commands(inner, (*way, name))
    else:
        yield " ".join(way), command


def test_every_command_that_takes_a_model_or_an_adapter_is_tried() -> None:
    takers = {name for name, command in commands(group) if any(p.name in NAMES for p in command.params)}
    assert takers - ELSEWHERE <= OF_A_MODEL.keys() | OF_AN_ADAPTER.keys()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.export import adapters

    return adapters.save_base(tmp_path_factory.mktemp("everywhere") / "base")


@pytest.fixture(scope="module")
def adapter(base: Path) -> Path:
    from tests.export import adapters

    return adapters.save_adapter(base, base.parent / "adapter", strength=0.3)


def refused(words: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str], **places: Path) -> None:
    """The command ends with one sentence, and leaves nothing behind."""
    rows = folder / "rows.jsonl"
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    rows.write_text(json.dumps({"messages": turns}) + "\n", encoding="utf-8")
    values = {"M": places.get("model"), "A": places["adapter"], "D": rows, "O": folder / "out"}
    given = [str(values[word]) if word in values else word.replace("=M", f"={values['M']}") for word in words]
    assert run(given) == 2, given
    said = capsys.readouterr().err
    assert "Traceback" not in said and 1 <= said.count("workbench: ") <= 2, said
    assert not (folder / "out").exists() or not any((folder / "out").rglob("*.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("command", [*OF_A_MODEL])
@pytest.mark.parametrize("fault", ["a git-lfs pointer", "a tokenizer that is a pipe"])
def test_a_models_fault_is_one_sentence(
    command: str, fault: str, base: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if command in (TOKENS if fault in MODELS else HEADS):
        pytest.skip("it does not open that file")
    model = broken(base, tmp_path / "model", (MODELS | EITHER)[fault])
    refused(OF_A_MODEL[command], tmp_path, capsys, model=model, adapter=adapter)


@pytest.mark.slow
@pytest.mark.parametrize("command", [*OF_AN_ADAPTER])
@pytest.mark.parametrize("fault", ["a git-lfs pointer", "settings that are a pipe"])
def test_an_adapters_fault_is_one_sentence(
    command: str, fault: str, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = broken(adapter, tmp_path / "adapter", ADAPTERS[fault])
    refused(OF_AN_ADAPTER[command], tmp_path, capsys, adapter=stranger)
