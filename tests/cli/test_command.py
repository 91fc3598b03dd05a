"""The frame of the ``workbench`` command: what it lists, how an error leaves, what the READMEs promise of it."""

from __future__ import annotations

import errno
import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
import pytest

import workbench
from workbench.cli import COMMANDS, from_os_error, group, run
from workbench.errors import BadInput, Failed, Interrupted, OutputExists, UnknownName, WorkbenchError, nearest
from workbench.texts import text

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
COMMAND = re.compile(r"(?:^|[/\\])workbench ([a-z]+(?: [a-z]+)?)")


def code_of(readme: str) -> list[str]:
    """The lines of code in a README: its blocks and its inline code."""
    said = (ROOT / readme).read_text(encoding="utf-8")
    blocks = re.findall(r"```\w*\n(.*?)```", said, re.S)
    rest = re.sub(r"```.*?```", "", said, flags=re.S)
    return [*(line.strip() for block in blocks for line in block.splitlines()), *re.findall(r"`([^`\n]+)`", rest)]


def command_of(*path: str) -> click.Command | None:
    """The command at the end of ``data check``, or None."""
    found: click.Command | None = group
    for name in path:
        found = found.get_command(click.Context(found), name) if isinstance(found, click.Group) else None
    return found


def every_command() -> list[str]:
    """``chat``, ``data check`` and so on."""
    names = []
    for name in COMMANDS:
        command = command_of(name)
        inner = sorted(command.commands) if isinstance(command, click.Group) else []
        names += [f"{name} {verb}" for verb in inner] or [name]
    return names


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes ``doctor`` raise what it is given."""

    def fail_with(error: BaseException) -> None:
        @click.command()
        def doctor() -> NoReturn:
            raise error

        monkeypatch.setattr("workbench.cli.doctor.doctor", doctor)

    return fail_with


def test_help_lists_every_command_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(re.search(rf"^  {name} +\S", said, re.M) for name in COMMANDS)


@pytest.mark.parametrize("name", every_command())
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: workbench {name}")
    assert re.search(r"^  \S.*\w", said.split("Options:")[0].split("\n", 1)[1], re.M), "no sentence on what it does"


@pytest.mark.parametrize("name", every_command())
def test_every_option_is_explained(name: str) -> None:
    command = command_of(*name.split())
    assert command is not None
    silent = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
    assert not silent


def test_the_list_of_commands_loads_none_of_them() -> None:
    code = "import sys; from workbench.cli import run; run(['--help']); print([m for m in sys.modules if '.cli.' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert workbench.__version__ in capsys.readouterr().out


def test_an_unknown_command_names_the_nearest_and_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["qickstart"]) == 2
    assert "quickstart" in capsys.readouterr().err


def test_an_unknown_option_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--jsn"]) == 2
    assert "--json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnknownName("cli.unknown_command", given="x", nearest="y"), 2),
        (Failed("cli.no_space", path="", reason="full"), 1),
        (Interrupted("cli.no_space", path="", reason="stopped"), 130),
        (KeyboardInterrupt(), 130),
        (PermissionError(errno.EACCES, "Permission denied", "out"), 1),
        (FileNotFoundError(errno.ENOENT, "No such file", "in.jsonl"), 2),
    ],
)
def test_an_error_leaves_on_stderr_without_a_traceback(
    error: BaseException, status: int, failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(error)
    assert run(["doctor"]) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip().startswith("workbench: ")
    assert "Traceback" not in said.err


def test_a_mistake_of_ours_is_not_hidden(failing: Callable[[BaseException], None]) -> None:
    failing(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run(["doctor"])


@pytest.mark.parametrize("encoding", ["cp1252", "gbk", "ascii"])
@pytest.mark.parametrize("command", [["data", "check", "FILE", "--lang", "zh"], ["data", "check", "FILE", "--json"]])
def test_every_character_is_written_where_stdout_is_not_utf8(
    encoding: str, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jsonl").write_text('{"instruction": "你好 🌱", "output": "{{name}} ▲"}', encoding="utf-8")
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    assert run([str(tmp_path / "a.jsonl") if word == "FILE" else word for word in command]) == 0
    sys.stdout.flush()
    assert "placeholder_left" in written.getvalue().decode("utf-8")


def test_a_terminal_of_few_characters_shows_a_question_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_text('{"instruction": "Hi", "output": "{{name}}"}', encoding="utf-8")
    written = io.BytesIO()
    terminal = io.TextIOWrapper(written, encoding="cp1252")
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run(["data", "check", str(tmp_path / "a.jsonl"), "--lang", "zh"]) == 0
    terminal.flush()
    assert b"??" in written.getvalue()


@pytest.mark.parametrize(
    ("number", "key"),
    [
        (errno.ENOSPC, "cli.no_space"),
        (errno.EACCES, "cli.no_permission"),
        (errno.EROFS, "cli.no_permission"),
        (errno.ENOENT, "cli.no_file"),
        (errno.EIO, "cli.os_error"),
    ],
)
def test_what_the_system_refused_is_said_in_words(number: int, key: str) -> None:
    assert from_os_error(OSError(number, "refused", "some/file")).key == key


@pytest.mark.parametrize(
    ("kind", "status"), [(WorkbenchError, 1), (BadInput, 2), (OutputExists, 2), (Failed, 1), (Interrupted, 130)]
)
def test_an_exit_status_tells_whose_turn_it_is(kind: type[WorkbenchError], status: int) -> None:
    assert kind.exit_status == status


@pytest.mark.parametrize(("given", "first"), [("quickstrat", "quickstart"), ("CHAT", "chat"), ("merg", "merge")])
def test_the_nearest_name_comes_first(given: str, first: str) -> None:
    assert nearest(given, COMMANDS)[0] == first


def test_with_nothing_near_some_names_are_told_all_the_same() -> None:
    assert nearest("zzzz", ["b", "a"]) == ("a", "b")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_command_has_a_line_in_the_list(lang: str) -> None:
    assert all(text(f"cli.commands.{name}", lang) for name in COMMANDS)


@pytest.mark.parametrize("readme", READMES)
def test_every_command_in_a_readme_exists(readme: str) -> None:
    named = {match.group(1) for line in code_of(readme) if (match := COMMAND.search(line))}
    assert len(named) > 10
    for name in named:
        first, *rest = name.split()
        command = command_of(first)
        assert command is not None, f"{readme}: workbench {name}"
        if isinstance(command, click.Group) and rest:
            assert command_of(first, rest[0]) is not None, f"{readme}: workbench {name}"


@pytest.mark.parametrize("readme", READMES)
def test_every_option_in_a_readme_exists(readme: str) -> None:
    for line in (ROOT / readme).read_text(encoding="utf-8").splitlines():
        match = re.match(r"(?:\.venv\S*[/\\])?workbench ([a-z]+)(?: ([a-z]+))?(.*)", line.strip())
        if not match:
            continue
        command = command_of(match.group(1))
        if isinstance(command, click.Group):
            command = command_of(match.group(1), match.group(2) or "")
        assert command is not None, line
        known = {name for option in command.params for name in option.opts}
        assert set(re.findall(r"(?<=\s)--[a-z-]+", match.group(3))) <= known, f"{readme}: {line}"


@pytest.mark.parametrize("readme", READMES)
def test_every_make_target_in_a_readme_exists(readme: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = {match.group(1) for line in code_of(readme) if (match := re.match(r"make ([a-z-]+)", line))}
    assert {"quickstart", "test"} <= named <= targets


@pytest.mark.parametrize("readme", READMES)
def test_every_link_in_a_readme_leads_somewhere(readme: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / readme).read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert local
    assert not [link for link in local if not (ROOT / link).exists()]


def test_both_readmes_show_the_same_commands() -> None:
    """But for the names, the questions and the comments, which are in the reader's language."""
    theirs = r"\s+#.*|(?<=--name )\S+|(?<=name=)\S+|(?<=NAME=)\S+|\"[^\"]*\""
    shown = [
        re.findall(r"```(?:bash|powershell)\n(.*?)```", (ROOT / r).read_text(encoding="utf-8"), re.S) for r in READMES
    ]
    plain = [[re.sub(theirs, "", line).strip() for block in blocks for line in block.splitlines()] for blocks in shown]
    assert plain[0] == plain[1]


def test_ctrl_c_while_the_command_is_being_loaded_ends_it_quietly() -> None:
    code = """
import sys

class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "workbench.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Pressed())
from workbench.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 130
    assert done.stderr.strip() == f"workbench: {text('cli.stopped')}"
