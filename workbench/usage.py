"""What is wrong with a command line, and how its help looks, in the person's language; click speaks English alone.
Knows click's kinds of errors and the texts; no command."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from workbench.texts import listed, text

# what click's sentences quote: a value as Python writes it, at the beginning or behind a noun
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


class Formatter(click.HelpFormatter):
    """Write a help page with headings, and with what click adds to it, in the person's language."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line that says how the command is written."""
        super().write_usage(prog, _spelled(args), text("usage.line") if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """Write the heading of a section."""
        headings = {"Options": text("usage.sections.options"), "Commands": text("usage.sections.commands")}
        self.write(f"{' ' * self.current_indent}{headings.get(heading, heading + ':')}\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names and what they mean, an option's default and its help included."""
        super().write_dl([(name, _explained(name, meaning)) for name, meaning in rows], col_max, col_spacing)


class Context(click.Context):
    """Represent a command that is being run: writes its help by :class:`Formatter`, and names itself in each of its
    errors, which click's parser leaves out."""

    formatter_class = Formatter

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> bool | None:
        """Leave, with the error's command noted."""
        if isinstance(exc_value, click.UsageError) and exc_value.ctx is None:
            exc_value.ctx = self
        return super().__exit__(exc_type, exc_value, tb)


def in_our_language(command: click.Command) -> click.Command:
    """Return ``command``, whose help and usage then speak the person's language; a group's commands likewise, once they
    are known."""
    command.context_class = Context
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            in_our_language(inner)
    return command


def explained(error: click.ClickException, program: str) -> str:
    """Return what ``program`` says of a command line: what is wrong, and how the command is written; a group's help
    where no command was given."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        return error.format_message()
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return f"{program}: {_sentence(error)}"
    pieces = filter(None, context.command.collect_usage_pieces(context))
    usage = _spelled(" ".join([context.command_path, *pieces]))
    return f"{program}: {_sentence(error)}\n{text('usage.how', usage=usage, command=context.command_path)}"


def _spelled(usage: str) -> str:
    """How a command is written, with click's own words for what may follow it in the person's language."""
    for theirs, ours in (("[OPTIONS]", "usage.options"), ("COMMAND [ARGS]...", "usage.command")):
        usage = usage.replace(theirs, text(ours))
    return usage


def _sentence(error: click.ClickException) -> str:
    """What is wrong; in click's own words where it is of a kind that no command here can bring about."""
    for kind, say in _KINDS.items():
        if isinstance(error, kind):
            return str(say(error))
    return error.format_message()


def _no_option(error: click.NoSuchOption) -> str:
    if not error.possibilities:
        return text("usage.no_option", given=error.option_name)
    return text("usage.no_option_near", given=error.option_name, nearest=tuple(error.possibilities))


def _missing(error: click.MissingParameter) -> str:
    kind = error.param.type if error.param else None
    name = _parameter(error)
    if isinstance(kind, click.Choice) and "|" not in name:
        return text("usage.missing_choice", what=name, choices=_choices(kind))
    return text("usage.missing", what=name)


def _bad_value(error: click.BadParameter) -> str:
    why = _why(error.param.type if error.param else None, error.message)
    name = _parameter(error)
    return text("usage.value", what=name, why=why) if name else why


def _bad_option(error: click.BadOptionUsage) -> str:
    options = error.ctx.command.params if error.ctx else []
    option = next((each for each in options if error.option_name in (*each.opts, *each.secondary_opts)), None)
    if isinstance(option, click.Option) and (option.is_flag or option.count):
        return text("usage.takes_none", option=error.option_name)
    return text("usage.needs_value", option=error.option_name, count=option.nargs if option else 1)


def _bad_argument(error: click.BadArgumentUsage) -> str:
    parameters = error.ctx.command.params if error.ctx else []
    several = [each for each in parameters if isinstance(each, click.Argument) and each.nargs > 1]
    if error.ctx is None or not several:
        return error.format_message()
    return text("usage.argument", what=several[0].get_error_hint(error.ctx), count=several[0].nargs)


def _bad_usage(error: click.UsageError) -> str:
    """What click says by a sentence alone: of commands, and of words too many."""
    if error.ctx and isinstance(error.ctx.command, click.Group):
        named = getattr(error, "command_name", "") or (_QUOTED.search(error.message) or [""])[0].strip("'\"")
        return text("usage.no_command", given=named) if named else text("usage.missing_command")
    extra = re.fullmatch(r"Got unexpected extra arguments? \((.*)\)", error.message, re.DOTALL)
    return text("usage.extra", given=extra[1]) if extra else error.format_message()


def _no_file(error: click.FileError) -> str:
    return text("usage.no_file", given=error.ui_filename, reason=error.message)


# the narrower kind before the one that it is of
_KINDS: dict[type[click.ClickException], Any] = {
    click.NoSuchOption: _no_option,
    click.MissingParameter: _missing,
    click.BadParameter: _bad_value,
    click.BadOptionUsage: _bad_option,
    click.BadArgumentUsage: _bad_argument,
    click.UsageError: _bad_usage,
    click.FileError: _no_file,
}


def _parameter(error: click.BadParameter) -> str:
    """How the parameter is written, without quotation marks: ``--lang``, ``MODEL``."""
    hint = error.param_hint
    if hint is None and error.param is not None and error.ctx is not None:
        hint = error.param.get_error_hint(error.ctx)
    parts = [hint] if isinstance(hint, str) else list(hint or ())
    return " / ".join(part.replace("'", "") for part in parts)


def _why(kind: click.ParamType[Any] | None, message: str) -> str:
    """Why a value is none of ``kind``, from the value that click's ``message`` quotes."""
    value = _QUOTED.search(message)
    given = value[0] if value else message.partition(" ")[0]
    if isinstance(kind, click.Choice):
        return text("usage.why.choice", given=given, choices=_choices(kind))
    if isinstance(kind, click.Path):
        return text(f"usage.why.{_obstacle(kind, Path(given[1:-1]))}", given=given)
    number = {"integer": "whole", "integer range": "whole", "float": "number", "float range": "number"}
    name = number.get(kind.name) if kind else None
    if name is None:
        return message
    bounds = _bounds(kind) if isinstance(kind, click.IntRange | click.FloatRange) else ""
    key = f"{name}_range" if bounds else name
    return text(f"usage.why.{key}", given=given, bounds=bounds) if bounds else text(f"usage.why.{key}", given=given)


def _obstacle(kind: click.Path[Any], path: Path) -> str:
    if path.is_dir() and not kind.dir_okay:
        return "folder"
    if path.is_file() and not kind.file_okay:
        return "file"
    return "closed" if path.exists() else "absent"


def _bounds(kind: click.IntRange | click.FloatRange) -> str:
    """The range as a formula: ``1 ≤ N ≤ 1000``."""
    low = "" if kind.min is None else f"{kind.min} {'<' if kind.min_open else '≤'} "
    high = "" if kind.max is None else f" {'<' if kind.max_open else '≤'} {kind.max}"
    return f"{low}N{high}" if low or high else ""


def _choices(kind: click.Choice[Any]) -> str:
    return listed(kind.choices)


def _explained(name: str, meaning: str) -> str:
    """What a row of a help page means, click's own part of it in the person's language."""
    if name.endswith("--help"):
        return text("usage.show_help")
    body, bracket, added = meaning.rpartition("  [")
    if not bracket:
        body, bracket, added = ("", "[", meaning[1:]) if meaning.startswith("[") else (meaning, "", "")
    added = re.sub(r"^default: ", text("usage.default"), added)
    added = re.sub(r"\brequired\]$", text("usage.required") + "]", added)
    return f"{body}{bracket}{added}"
