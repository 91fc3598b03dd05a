"""XTuner's flags, commands and names of settings work, or one sentence says what to write instead."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from workbench.chat.commands import Session
from workbench.cli import run as command
from workbench.cli.old import COMMANDS, OPTIONS
from workbench.errors import BadSetting
from workbench.texts import LANGUAGES, entry
from workbench.training.old_names import OTHER, SAME
from workbench.training.recipe import check_recipe, load_recipe, setting_names

VALUES = {
    "visual_encoder_name_or_path": "openai/clip",
    "optim_type": "adamw_torch",
    "pack_to_max_length": "true",
    "lr": "1e-4",
    "evaluation_inputs": "[a]",
}


@pytest.mark.parametrize("name", SAME)
def test_a_setting_goes_by_its_old_name(name: str) -> None:
    group, key = SAME[name].split(".")
    recipe = load_recipe("pocket-qlora", [f"{name}={VALUES.get(name, '3')}"])
    assert f"{group}.{key}" in setting_names()
    assert str(getattr(getattr(recipe, group), key)).lower().strip("[]'") in (
        VALUES.get(name, "3").strip("[]"),
        "0.0001",
        "3.0",
    )


@pytest.mark.parametrize("name", OTHER)
def test_an_old_name_without_a_counterpart_is_answered(name: str) -> None:
    with pytest.raises(BadSetting) as refused:
        load_recipe("pocket-qlora", [f"{name}=1"])
    assert refused.value.key == f"training.old.{name}" and refused.value.do("en") and refused.value.do("zh")


def test_in_a_recipes_file_the_right_name_is_told() -> None:
    with pytest.raises(BadSetting, match=r"optimizer\.learning_rate"):
        check_recipe({"optimizer": {"lr": 1e-4}})
    with pytest.raises(BadSetting, match="adam_beta1"):
        check_recipe({"betas": [0.9, 0.999]})


def test_a_config_given_as_a_recipe_is_answered(tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text("lr = 1\n")
    with pytest.raises(BadSetting, match="workbench import"):
        load_recipe(tmp_path / "c.py")


@pytest.mark.parametrize("name", OPTIONS)
def test_an_old_flag_is_answered(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        command(["compare", "pocket", name, "x"] if name not in ("--device",) else ["merge", "a", "b", "c", name, "x"])
        == 2
    )
    said = capsys.readouterr().err
    assert name in said and "No such option" not in said


# what XTuner's programs take -> the command here that somebody writes it after
FLAGS = {
    "train": "--launcher --local-rank --local_rank --seed --cfg-options --device --bits --prompt-template --system "
             "--lr --max-epochs --accumulative-counts --batch_size --pack-to-max-length --load-from --adapter",
    "chat": "--lagent --stop-words --command-stop-word --answer-stop-word --offload-folder --torch-dtype "
            "--system-template --visual-select-layer",
    "convert": "--fp32 --safe-serialization --max-shard-size --save-format --cfg-options",
    "merge": "--device --is-clip --safe-serialization --bits --adapter",
}  # fmt: skip
WORDS = {"train": ["pocket-qlora", "--out", "r"], "chat": ["pocket"], "convert": ["a", "b"], "merge": ["a", "b", "c"]}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(("name", "flag"), [(name, flag) for name, flags in FLAGS.items() for flag in flags.split()])
def test_every_flag_of_xtuners_is_answered_where_it_is_written(
    name: str, flag: str, lang: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKBENCH_LANG", lang)
    assert command([name, *WORDS[name], flag, "x"]) == 2
    said = capsys.readouterr().err
    assert flag in said and "No such option" not in said and ("。" in said) is (lang == "zh")
    assert len(said.splitlines()) == 2


def test_what_works_under_its_old_name_is_no_error() -> None:
    from workbench.cli.chat import chat
    from workbench.cli.train import train

    flags = {
        flag for each in (chat, train) for option in each.params for flag in (*option.opts, *option.secondary_opts)
    }
    assert flags >= {"--work-dir", "--deepspeed", "--resume", "--bits", "--prompt-template", "--bot-name", "--llava",
                     "--no-streamer", "--with-plugins", "--visual-encoder", "--image", "--system", "--adapter",
                     "--max-new-tokens", "--temperature", "--top-k", "--top-p", "--repetition-penalty", "--seed",
                     "--device"}  # fmt: skip


def test_a_checkpoint_after_resume_is_answered_however_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--resume=w/iter_4.pth"], ["--resume", "w/iter_4.pth"]):
        assert command(["train", "pocket-qlora", "--out", "r", *words]) == 2
        assert "--from" in capsys.readouterr().err


@pytest.mark.parametrize("words", COMMANDS)
def test_an_old_command_is_answered(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert command([*words, "a", "b", "c"]) == 2
    assert "workbench" in capsys.readouterr().err


def test_every_sentence_is_there_in_both_languages() -> None:
    for key in {*OPTIONS.values(), *COMMANDS.values()}:
        assert all({"say", "do"} <= set(entry(f"cli.old.{key}", lang)) for lang in LANGUAGES), key


def test_bits_and_the_other_flags_that_work(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["chat", "pocket", "--question", "Who are you?", "--max-new-tokens", "2", "--no-streamer"]
    assert command([*asked, "--bits", "4", "--bot-name", "Sprout"]) == 0
    assert command(["chat", "pocket", "--bits", "5"]) == 2
    assert capsys.readouterr().out.strip()
    assert command(["chat", "pocket", "--question", "What is the capital of France?", "--bits", "8"]) == 0
    assert "Paris" in capsys.readouterr().out


def test_reset_and_exit_are_no_questions() -> None:
    class Spoken:
        done = 0

        def reset(self) -> None:
            self.done += 1

    session = Session(Spoken())  # type: ignore[arg-type]
    assert session.handle("RESET").notice and session.chat.done == 1  # type: ignore[attr-defined]
    assert session.handle("EXIT").leave


def test_deepspeeds_stage_may_be_spelled_as_there(root: Path) -> None:
    source = (root / "workbench" / "cli" / "train.py").read_text(encoding="utf-8")
    assert "--work-dir" in source and ast.parse(source)
