"""What click refuses is said in the person's language, whatever kind of mistake it was, with status 2."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from workbench.chat.serving import serving
from workbench.cli import COMMANDS, group, run
from workbench.usage import explained, in_our_language

# kind of click's error -> a command line of the house that brings it about
LINES = {
    "NoSuchOption": ["doctor", "--jsn"],
    "NoSuchCommand": ["runs", "lst"],
    "MissingParameter": ["data", "check"],
    "BadParameter": ["class", "check", "--people", "many"],
    "BadOptionUsage": ["mask", "data.jsonl", "--row"],
    "UsageError": ["runs", "list", "a", "b", "c"],
}
# What no command of the house has: an argument of two values, an option that opens its file.
BUILT = {"BadArgumentUsage": ["a"], "FileError": ["a", "b", "--late", "no/such.txt"]}
# Kinds whose words are not click's: nothing but a subclass is ever raised, or a page of help is the answer.
APART = {"ClickException", "NoArgsIsHelpError"}
# Two English words side by side, as in every sentence of click's.
ENGLISH = re.compile(r"\b[A-Za-z][a-z]+ [a-z]{2,}")


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_LANG", "zh")


@click.command()
@click.argument("pair", nargs=2)
@click.option("--late", type=click.File("w", lazy=True))
def built(pair: tuple[str, str], late: click.File) -> None:
    """Open the file."""
    late.open()  # type: ignore[attr-defined]


def kinds() -> set[str]:
    return {
        name
        for name, kind in vars(click.exceptions).items()
        if isinstance(kind, type) and issubclass(kind, click.ClickException)
    }


def test_every_kind_of_clicks_errors_has_its_case() -> None:
    assert kinds() <= set(LINES) | set(BUILT) | APART


def first_line(said: str) -> str:
    return said.splitlines()[0].removeprefix("workbench: ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (LINES["NoSuchOption"], "这个命令没有 --jsn 这个选项。最接近的是：--json"),
        (["doctor", "--zzzzzz"], "这个命令没有 --zzzzzz 这个选项。"),
        (LINES["NoSuchCommand"], "没有 lst 这个命令。"),
        (LINES["MissingParameter"], "缺少 FILE。"),
        (["train", "pocket-qlora"], "缺少 --out / --work-dir。"),
        (["deploy"], "缺少 {openxlab|modelscope|huggingface|docker}。"),
        (LINES["BadParameter"], "--people：'many' 不是符合 1 ≤ N ≤ 1000 的整数。"),
        (["class", "check", "--people", "0"], "--people：0 不是符合 1 ≤ N ≤ 1000 的整数。"),
        (["chat", "pocket", "--top-p", "0"], "--top-p：0.0 不是符合 0 < N ≤ 1 的数字。"),
        (["quickstart", "--seed", "it's"], '--seed："it\'s" 不是整数。'),
        (["data", "mix", "a", "b", "c", "--ratio", "half"], "--ratio：'half' 不是数字。"),
        (["deploy", "moon", "a", "b"], "不在可选的值里：openxlab、modelscope、huggingface、docker"),
        (["chat", "pocket", "--bits", "3"], "--quantization / --bits：'3' 不在可选的值里：none、nf4、int8"),
        (["chat", "pocket", "--history", "FOLDER"], "是文件夹，这里要写一个文件。"),
        (["lab", "--folder", "FILE"], "是文件，这里要写一个文件夹。"),
        (LINES["BadOptionUsage"], "--row 需要 1 个值。"),
        (["doctor", "--json=3"], "--json 后面不写值。"),
        (LINES["UsageError"], "多出了几个词：b c"),
        (["train", "pocket-qlora", "more", "--out", "x"], "多出了几个词：more"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("chinese")
def test_a_mistake_in_a_command_line_is_said_in_chinese(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    places = {"FOLDER": str(tmp_path), "FILE": str(tmp_path / "file")}
    assert run([places.get(word, word) for word in words]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("workbench: ")
    assert sentence in said.err and not ENGLISH.search(first_line(said.err))
    assert "写法：workbench " in said.err and said.err.rstrip().endswith("--help")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("BadArgumentUsage", "'PAIR...' 需要 2 个值。"), ("FileError", "打不开 no/such.txt：No such file or directory")],
)
@pytest.mark.usefixtures("chinese")
def test_what_no_command_here_can_bring_about_has_its_words_too(kind: str, sentence: str) -> None:
    with pytest.raises(getattr(click, kind)) as refused:
        in_our_language(built).main(BUILT[kind], "built", standalone_mode=False)
    assert explained(refused.value, "built").startswith(f"built: {sentence}")


@pytest.mark.usefixtures("chinese")
def test_a_pages_own_command_line_speaks_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        serving(["pocket", "--port", "high"], "assistant_gradio")
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("assistant_gradio: --port：'high' 不是整数。\n写法：assistant_gradio ")


def test_in_english_it_is_as_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["class", "check", "--people", "many"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "workbench: --people: 'many' is not a whole number with 1 ≤ N ≤ 1000."
    assert said[1:] == [
        "It is written: workbench class check [OPTIONS]",
        "More of it: workbench class check --help",
    ]


@pytest.mark.parametrize("words", [["--help"], ["runs"], ["class", "check", "--help"]], ids=" ".join)
def test_a_page_of_help_is_chinese_to_its_headings(words: list[str]) -> None:
    """In a process of its own: the texts of options are read when a command is imported."""
    code = f"import os, sys; os.environ['WORKBENCH_LANG'] = 'zh'; from workbench.cli import run; sys.exit(run({words}))"
    page = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False)
    said = page.stdout or page.stderr
    assert page.returncode == (0 if "--help" in words else 2)
    assert said.startswith(f"用法：workbench {' '.join(words).removesuffix('--help')}".rstrip())
    assert "\n选项：\n" in said and "显示这份说明并结束。" in said
    assert not re.search(r"Usage|Options|Commands|Show this|\[OPTIONS\]|COMMAND|default:|required\]", said)


def every_parameter() -> list[click.Parameter]:
    context, parameters = click.Context(group), []
    waiting = [command for name in COMMANDS if (command := group.get_command(context, name))]
    while waiting:
        command = waiting.pop()
        parameters += command.params
        if isinstance(command, click.Group):
            inner = (command.get_command(context, name) for name in command.list_commands(context))
            waiting += [each for each in inner if each]
    return parameters


def test_every_kind_of_value_that_a_command_takes_has_its_sentence() -> None:
    takes_any = (click.types.StringParamType, click.types.BoolParamType)  # a flag is given no value
    said = (click.Choice, click.Path, click.types.IntParamType, click.types.FloatParamType)
    kinds_of_values = {type(parameter.type) for parameter in every_parameter()}
    assert len(kinds_of_values) > 5
    assert not [kind for kind in kinds_of_values if not issubclass(kind, takes_any + said)]
