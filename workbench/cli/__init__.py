"""The ``workbench`` command. Knows the names of the commands and how an error leaves; a command's room is loaded when
it is called."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module

import click

from workbench.environment import prepare
from workbench.errors import BadInput, WorkbenchError
from workbench.texts import text
from workbench.usage import explained, in_our_language

# command -> module that defines a click command of the name after the colon
COMMANDS = {
    "quickstart": "workbench.cli.quickstart:quickstart",
    "data": "workbench.cli.data:data",
    "encode": "workbench.cli.encode:encode",
    "mask": "workbench.cli.mask:mask",
    "recipes": "workbench.cli.recipes:recipes",
    "train": "workbench.cli.train:train",
    "runs": "workbench.cli.runs:runs",
    "line": "workbench.cli.line:line",
    "models": "workbench.cli.models:models",
    "import": "workbench.cli.imports:bring",
    "convert": "workbench.cli.export:convert",
    "merge": "workbench.cli.export:merge",
    "chat": "workbench.cli.chat:chat",
    "compare": "workbench.cli.chat:compare",
    "serve": "workbench.cli.serve:serve",
    "deploy": "workbench.cli.deploy:deploy",
    "studio": "workbench.cli.studio:studio",
    "lab": "workbench.cli.lab:lab",
    "card": "workbench.cli.card:card",
    "class": "workbench.cli.classroom:class_",
    "doctor": "workbench.cli.doctor:doctor",
}


class LazyGroup(click.Group):
    """Represent a group whose commands are imported when they are called, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        return in_our_language(command) if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write a line a command, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text(f"cli.commands.{name}")) for name in COMMANDS])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command as click does; answer an unknown name with the nearest ones."""
        from workbench.errors import UnknownName, nearest

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UnknownName("cli.unknown_command", given=args[0], nearest=nearest(args[0], COMMANDS))
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, help=text("cli.help"), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="assistant-workbench", prog_name="workbench", help=text("usage.version"))
def group() -> None:
    """Hold all commands."""


in_our_language(group)


def main(args: list[str] | None = None) -> None:
    """Run a command; every error leaves in one clear sentence on stderr and an exit status (0, 1, 2; 130 after
    Ctrl-C)."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore", FutureWarning)  # what libraries tell programmers, not people
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:  # noqa: PLR0911  a return for each way out
    """Run as :func:`main`, but return the exit status."""
    prepare()
    _open_the_streams(as_json="--json" in (sys.argv if args is None else args))
    arguments = sys.argv[1:] if args is None else args
    try:
        _check_old(arguments)
        result = group.main(args=args, prog_name="workbench", standalone_mode=False)
    except WorkbenchError as error:
        _say(str(error))
        return error.exit_status
    except click.ClickException as error:
        return _refused(error)
    except (click.Abort, KeyboardInterrupt):
        _say(text("cli.stopped"))
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        refusal = from_os_error(error)
        _say(str(refusal))
        return refusal.exit_status
    except MemoryError:
        _say(str(WorkbenchError("cli.no_memory")))
        return 1
    return result if isinstance(result, int) else 0


def _check_old(args: list[str]) -> None:
    """
    Raises:
        BadInput: ``args`` are a command of XTuner's; says what to write here.
    """
    if args and (args[0] == "convert" or (args[0] not in COMMANDS and not args[0].startswith("-"))):
        from workbench.cli.old import instead_of_command

        refusal = instead_of_command(args)
        if refusal:
            raise refusal


def _refused(error: click.ClickException) -> int:
    """Say what click refuses, a flag of XTuner's in a sentence of its own; the exit status."""
    from workbench.cli.old import instead_of_option

    context = error.ctx if isinstance(error, click.UsageError) else None
    command = (context.info_name if context else None) or ""
    refusal = instead_of_option(error.option_name, command) if isinstance(error, click.NoSuchOption) else None
    if isinstance(error, click.BadOptionUsage) and error.option_name == "--resume":
        refusal = BadInput("cli.train.resume_from", given="PATH")  # XTuner's --resume=PATH
    click.echo(f"workbench: {refusal}" if refusal else explained(error, "workbench"), err=True)
    return BadInput.exit_status


def _open_the_streams(*, as_json: bool) -> None:
    """Let stdout and stderr write every character: as UTF-8 where a program or a file takes them, and on a terminal of
    fewer characters with a question mark for those that it lacks."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a notebook's and a test's stream may have none
        if reconfigure is None or stream.closed:
            continue
        if stream.isatty() and not (as_json and stream is sys.stdout):
            reconfigure(errors="replace")
        else:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def from_os_error(error: OSError) -> WorkbenchError:
    """Return a person's sentence for what the operating system refused: no space, no permission, no such file."""
    import errno

    key = {
        errno.ENOSPC: "cli.no_space",
        errno.EDQUOT: "cli.no_space",
        errno.EACCES: "cli.no_permission",
        errno.EPERM: "cli.no_permission",
        errno.EROFS: "cli.no_permission",
        errno.ENOENT: "cli.no_file",
    }.get(error.errno or 0, "cli.os_error")
    kind = BadInput if key == "cli.no_file" else WorkbenchError
    return kind(key, path=error.filename or "", reason=error.strerror or str(error))


def _say(message: str) -> None:
    click.echo(f"workbench: {message}", err=True)
