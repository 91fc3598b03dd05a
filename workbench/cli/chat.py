"""``workbench chat`` and ``workbench compare``. Knows the command line and the terminal; nothing of models."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from workbench.cli.tools import ChatCommand, offered_tools
from workbench.errors import BadInput
from workbench.texts import lookup, text

if TYPE_CHECKING:
    from workbench.chat import Assistant, Comparison
    from workbench.chat.history import Asked
    from workbench.data.conversation import Conversation

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]
LOADING = ("adapter", "quantization", "template", "device")


class Bits(click.Choice[str]):
    """Read how many bits, by our names or as the number that XTuner's ``--bits`` takes."""

    def __init__(self) -> None:
        super().__init__(["none", "nf4", "int8"])

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read ``4`` as nf4, ``8`` int8, ``16`` none."""
        return super().convert({"4": "nf4", "8": "int8", "16": "none"}.get(str(value), value), param, ctx)


def loading_options(command: Command) -> Command:
    """Return the options that say what is loaded, and how."""
    options: tuple[Decorator, ...] = (
        click.option("--device", help=text("chat.command.device")),
        click.option("--template", "--prompt-template", help=text("chat.command.template")),
        click.option("--quantization", "--bits", type=Bits(), default="none", help=text("chat.command.quantization")),
        click.option("--adapter", type=click.Path(path_type=Path), help=text("chat.command.adapter")),
    )
    for option in options:
        command = option(command)
    return command


def sampling_options(command: Command) -> Command:
    """Return the options that say how an answer is drawn."""
    options: tuple[Decorator, ...] = (
        click.option("--seed", type=click.IntRange(0), default=0, help=text("chat.command.seed")),
        click.option(
            "--repetition-penalty", type=click.FloatRange(0.1, 10), default=1.0, help=text("chat.command.repetition")
        ),
        click.option("--max-new-tokens", type=click.IntRange(1), default=256, help=text("chat.command.max_new_tokens")),
        click.option("--top-k", type=click.IntRange(0), default=0, help=text("chat.command.top_k")),
        click.option(
            "--top-p", type=click.FloatRange(0, 1, min_open=True), default=1.0, help=text("chat.command.top_p")
        ),
        click.option("--temperature", type=click.FloatRange(0, 5), default=0.0, help=text("chat.command.temperature")),
    )
    for option in options:
        command = option(command)
    return command


def load(model: str, **options: Any) -> Assistant:
    """Return the assistant; what it has to say of itself goes to stderr."""
    from workbench.chat import Assistant
    from workbench.cli.terminal import quiet

    quiet()
    assistant = Assistant.load(model, **options)
    for notice in assistant.notices:
        click.echo(f"workbench: {notice}", err=True)
    return assistant


@click.command(cls=ChatCommand, help=text("chat.command.chat"))
@click.argument("model")
@loading_options
@sampling_options
@click.option("--question", help=text("chat.command.question"))
@click.option("--image", "images", multiple=True, metavar="FILE", help=text("chat.command.image"))
@click.option("--visual-encoder", "tower", metavar="MODEL", help=text("chat.command.visual_encoder"))
@click.option("--llava", type=click.Path(path_type=Path), metavar="DIR", help=text("chat.command.llava"))
@click.option("--system", default="", help=text("chat.command.system"))
@click.option("--history", type=click.Path(path_type=Path, dir_okay=False), help=text("chat.command.history"))
@click.option("--endpoint", metavar="URL", help=text("chat.command.endpoint"))
@click.option("--tools", metavar="NAMES", help=text("chat.command.tools"))
@click.option("--with-plugins", "plugins", multiple=True, metavar="NAME", help=text("chat.command.plugins"))
@click.option("--mcp", "servers", multiple=True, metavar="COMMAND", help=text("chat.command.mcp"))
@click.option("--web", type=click.Choice(["gradio", "streamlit"]), help=text("chat.command.web"))
@click.option("--port", type=click.IntRange(0, 65535), help=text("chat.command.port"))
@click.option("--bot-name", default="", help=text("chat.command.bot_name"))
@click.option("--no-streamer", is_flag=True, help=text("chat.command.no_streamer"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
@click.pass_context
def chat(
    context: click.Context, /, model: str, question: str | None, system: str, history: Path | None,
    endpoint: str | None, tools: str | None, plugins: tuple[str, ...], servers: tuple[str, ...], web: str | None,
    port: int | None, bot_name: str, no_streamer: bool, as_json: bool, images: tuple[str, ...], tower: str | None,
    llava: Path | None, **options: Any,
) -> None:  # fmt: skip
    """Answer once, or talk; in the terminal, or on a page."""
    if tower or llava:
        model, options["adapter"] = seeing(context, model, tower, llava or options["adapter"])
    loading = {name: options.pop(name) for name in LOADING}
    if endpoint:
        _refuse(context, "--endpoint", LOADING)
    if web:
        alone = ("question", "system", "history", "as_json", "bot_name", "no_streamer", "servers", "images", *options)
        _refuse(context, "--web", alone)
    offered = offered_tools(context, tools, plugins, servers)
    if web:
        serve(web, model, endpoint=endpoint, port=port, tools=offered or None, **loading)
        return
    if port is not None:
        raise BadInput("chat.command.only_with", given="--port", other="--web")
    from workbench.chat import Chat, Sampling
    from workbench.cli.terminal import Terminal
    from workbench.data.picture import Picture

    assistant = _behind(endpoint, model) if endpoint else load(model, **loading)
    talk = Chat(assistant, system=system, sampling=Sampling(**options), tools=offered)
    if history is not None and history.exists():
        talk.load(history)
        talk.system = system or talk.system
    talk.show([Picture.of(file) for file in images])
    terminal = Terminal(talk, history=history, as_json=as_json, name=bot_name, at_once=no_streamer)
    if question is not None:
        terminal.once(question)
    elif sys.stdin.isatty():
        terminal.talk()
    else:
        terminal.read(sys.stdin)


def seeing(context: click.Context, model: str, tower: str | None, adapter: Path | None) -> tuple[str, Path | None]:
    """Return the model and the adapter that XTuner's ``--visual-encoder`` and ``--llava`` mean: the language model with
    the tower, and what was trained of both. A folder as XTuner writes it is brought first, for as long as this lasts.
    """
    name = f"{model}+{tower}" if tower else model
    if adapter is None or not theirs(adapter):
        return name, adapter
    import tempfile

    from workbench.imports import bring

    scratch = Path(context.with_resource(tempfile.TemporaryDirectory(prefix="workbench-llava-")))
    bring([adapter], scratch / "brought", base=model)
    return name, scratch / "brought" / "llava"


def theirs(folder: Path) -> bool:
    """Tell whether a folder holds a LLaVA's parts as XTuner's conversion leaves them."""
    projector = folder / "projector"
    parts = (folder / "llm_adapter", folder / "visual_encoder_adapter", folder / "visual_encoder")
    pickled = (projector / "pytorch_model.bin", projector / "modeling_projector.py")
    return projector.is_dir() and any(path.exists() for path in (*parts, *pickled))


def _refuse(context: click.Context, option: str, names: Iterable[str]) -> None:
    """
    Raises:
        BadInput: one of ``names`` was given, which would have no effect beside ``option``.
    """
    for parameter in context.command.params:
        if parameter.name in names and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise BadInput("chat.command.not_together", given=parameter.opts[-1], other=option)


def _behind(endpoint: str, model: str) -> Any:
    from workbench.chat.endpoint import Endpoint

    return Endpoint(endpoint, model)


def serve(web: str, model: str, *, adapter: Path | None, **settings: Any) -> None:
    """Serve the assistant on a page, until Ctrl-C."""
    from workbench.chat.loading import Serving
    from workbench.cli.studio import app

    folder = None if adapter is None else str(adapter)
    app(f"assistant_{web}", web).main(Serving(model, folder, **settings))


@click.command(help=text("chat.command.compare"))
@click.argument("model")
@click.argument("second", metavar="[OTHER]", required=False)
@loading_options
@click.option("--question", "questions_given", multiple=True, help=text("chat.command.questions"))
@click.option("--questions", "file", type=click.Path(path_type=Path), help=text("chat.command.file"))
@click.option("--system", default=None, help=text("chat.command.system"))
@click.option("--max-new-tokens", type=click.IntRange(1), default=64, help=text("chat.command.max_new_tokens"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def compare(
    model: str,
    second: str | None,
    adapter: Path | None,
    questions_given: tuple[str, ...],
    file: Path | None,
    system: str | None,
    max_new_tokens: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Ask two the same questions."""
    from workbench.chat import compare as ask

    if (second is None) == (adapter is None):
        raise BadInput("chat.command.bad_option")
    questions: list[Asked] = [*questions_given, *(read_questions(file) if file else [])]
    questions = questions or list(lookup("chat.questions"))
    if adapter is not None:
        assistant = load(model, adapter=adapter, **options)
        models = {text("chat.command.label_base"): assistant.base, text("chat.command.label_assistant"): assistant}
    else:
        models = dict(
            zip(_labels(model, str(second)), (load(model, **options), load(str(second), **options)), strict=True)
        )
    rows = ask(models, questions, system=system, max_new_tokens=max_new_tokens)
    if as_json:
        records = [{"question": row.question, "answers": dict(row.answers)} for row in rows]
        click.echo(json.dumps(records, ensure_ascii=False, indent=2))
    else:
        show(rows, list(models))


def _labels(model: str, second: str) -> tuple[str, str]:
    names = (Path(model).name or model, Path(second).name or second)
    return names if names[0] != names[1] else (f"A: {model}", f"B: {second}")


def read_questions(file: Path) -> list[Asked]:
    """Return the questions of a file: a line each, or the first question of each conversation with its pictures.

    Raises:
        BadInput: it holds none.
    """
    if file.suffix.lower() in (".txt", ".md", ""):
        from workbench.data.decoding import read_text

        questions: list[Asked] = [line.strip() for line in read_text(file, str(file)).splitlines()]
    else:
        from workbench.data import read

        questions = [_question(conversation) for conversation in read(file)]
    if not any(questions):
        raise BadInput("chat.command.empty_file", file=file)
    return [question for question in questions if question]


def _question(conversation: Conversation) -> Asked:
    """The first question of a conversation: its words, or where it shows pictures its message."""
    first = next((message for message in conversation.messages if message.role == "user"), None)
    return [first] if first is not None and first.images else conversation.question


def show(rows: list[Comparison], labels: list[str]) -> None:
    """Print the answers side by side; in a narrow terminal one below the other."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from workbench.cli.terminal import printable

    console = Console(highlight=False)
    if console.width < 30 * (len(labels) + 1):
        for row in rows:
            console.print(Text(printable(row.question), style="bold"))
            for label in labels:
                console.print(Text(f"  {label}: {printable(row.answers[label])}"))
        return
    table = Table(show_lines=True, expand=True)
    for label in (text("chat.command.label_question"), *labels):
        table.add_column(Text(label), ratio=1, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in (row.question, *(row.answers[label] for label in labels))))
    console.print(table)
