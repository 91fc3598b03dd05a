"""``workbench doctor``: what this machine can do, what to mend, and whether a recipe fits. Changes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.models.machine import Machine
    from workbench.training.forecast import Outlook
    from workbench.training.settings import Recipe

State = Literal["ok", "note", "problem"]
MARKS: dict[State, str] = {"ok": "[green]✓[/]", "note": "[yellow]•[/]", "problem": "[red]✗[/]"}
NEEDED = (
    "torch", "transformers", "peft", "bitsandbytes", "accelerate", "datasets", "tokenizers", "safetensors", "numpy",
    "matplotlib", "pydantic",
)  # fmt: skip
# extra -> what stands for it
EXTRAS = {"notebook": ("jupyterlab", "ipywidgets"), "apps": ("gradio", "streamlit"), "deepspeed": ("deepspeed",)}
GIB = 2**30
# A run with the pocket model leaves about 0.3 GiB; a merged 7B model is 15 GiB, and is written beside its base.
ENOUGH_DISK = 2 * GIB
# What Python with the libraries, the pocket model and its optimizer take at their peak, and as much again for others.
ENOUGH_MEMORY = 2 * GIB
# Weights of a base that is asked on the spot.
SMALL = 400 * 2**20
_HELD = {True: "doctor.control.holds", False: "doctor.control.fails"}


@dataclass(frozen=True, slots=True)
class Check:
    """Hold one line of the doctor's: what was looked at, how it stands, and what that means."""

    name: str
    state: State
    message: str


@click.command(help=text("doctor.help"))
@click.argument("recipe", required=False)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=text("cli.set"))
@click.option("--control/--no-control", "tried", default=True, help=text("doctor.control.option"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def doctor(recipe: str | None, overrides: tuple[str, ...], tried: bool, as_json: bool) -> int:
    """Look at this machine; exit status 1 where something must be mended first."""
    from rich.console import Console

    from workbench.models.machine import machine, versions

    chosen = _chosen(recipe, overrides)
    with Console(stderr=True).status(text("doctor.looking")):
        installed = versions([*NEEDED, *(name for names in EXTRAS.values() for name in names)])
        computer = machine()
        seen, control = _looked(recipe or "", chosen) if chosen else (None, [])
        checks = [*examine(computer, installed, _chinese_font()), *control]
        checks += _controlled(chosen, computer) if tried and computer.four_bit.works else []
    if as_json:
        click.echo(json.dumps(as_record(computer, installed, checks, seen), ensure_ascii=False))
    else:
        _print(computer, installed, checks)
        if seen:
            _print_outlook(seen)
    return int(any(check.state == "problem" for check in checks))


def examine(computer: Machine, installed: Mapping[str, str | None], font: str) -> list[Check]:
    """Return what the facts mean for a person who wants to begin."""
    return [
        _packages(installed),
        _four_bit(computer),
        _numbers(computer),
        *_gpus(computer),
        _room("memory", computer.memory_free, ENOUGH_MEMORY),
        _room("disk", computer.disk_free, ENOUGH_DISK),
        Check("font", "ok" if font else "note", text("doctor.font.ok" if font else "doctor.font.none", font=font)),
        *(_extra(name, computer, installed) for name in EXTRAS),
    ]


def as_record(
    computer: Machine, installed: Mapping[str, str | None], checks: list[Check], seen: Outlook | None = None
) -> dict[str, Any]:
    """Return what ``--json`` writes: the machine's facts, the versions, the checks, a recipe's memory in bytes, and
    whether all is well."""
    needed = {} if seen is None else {"needed": {**asdict(seen.needed), "total": seen.needed.total}, "fits": seen.fits}
    lower = [] if seen is None else [asdict(remedy) for remedy in seen.remedies]
    return {
        **({"forecast": {**needed, "free": seen.free, "device": seen.device, "lower": lower}} if seen else {}),
        "ok": all(check.state != "problem" for check in checks),
        "machine": asdict(computer),
        "versions": dict(installed),
        "checks": [asdict(check) for check in checks],
    }


def _chosen(recipe: str | None, overrides: tuple[str, ...]) -> Recipe | None:
    """The recipe that is asked about; what is wrong with it is said before anything is looked at."""
    from workbench.training.checks import check_base, check_settings
    from workbench.training.recipe import load_recipe

    if recipe is None:
        if overrides:
            raise BadInput("doctor.set_without_recipe", given=overrides[0])
        return None
    chosen = load_recipe(recipe, overrides)
    with suppress(Failed):  # what is not installed is among the checks
        check_settings(chosen)
    check_base(chosen)
    return chosen


def _controlled(recipe: Recipe | None, computer: Machine) -> list[Check]:
    """Whether the measure of what a model knows holds where nothing was learnt, on the recipe's base where that is here
    and small, else on the embedded model."""
    from workbench.evaluation.control import control

    languages = list(recipe.persona.languages) if recipe else []
    name = recipe.base if recipe and _small(recipe.base) else "pocket"
    try:
        seen = control(name, languages=languages, limit=24, four_bit=computer.four_bit.works)
    except WorkbenchError as error:
        return [Check("control", "note", text("doctor.control.failed", model=name, reason=str(error).splitlines()[0]))]
    details: dict[str, Any] = {"model": name, "known": seen.known, "asked": seen.asked}
    if not seen.enough:
        return [Check("control", "note", text("doctor.control.few", **details))]
    details |= {way: seen.kept[way] for way in ("bfloat16", "single", "adapter")}
    checks = [Check("control", "ok" if seen.holds else "problem", text(_HELD[seen.holds], **details))]
    if seen.four_bit is not None:
        checks.append(Check("four_bit_cost", "ok", text("doctor.control.four_bit", share=seen.four_bit, **details)))
    return checks


def _small(model: str) -> bool:
    """Whether the files of ``model`` are here, and asking it takes a minute or so."""
    from pathlib import Path

    from workbench.models import resolve

    folder = Path(resolve(model))
    return folder.is_dir() and sum(file.stat().st_size for file in folder.glob("*.safetensors")) <= SMALL


def _looked(name: str, recipe: Recipe) -> tuple[Outlook | None, list[Check]]:
    from workbench.training.forecast import NO_FORECAST, outlook, short_reason

    try:
        seen = outlook(recipe)
    except NO_FORECAST as error:
        note = Check("recipe", "note", text("training.state.no_forecast", reason=short_reason(error)))
        return None, [note, *_template(recipe)]
    return seen, [_fits(name, seen), *_template(recipe)]


def _template(recipe: Recipe) -> list[Check]:
    """What the base's template does with every conversation, where its files are on this machine."""
    from workbench.errors import WorkbenchError
    from workbench.models import load_tokenizer, resolve
    from workbench.templates import default_system
    from workbench.training.data import dress, template_of

    if not Path(resolve(recipe.base)).is_dir():
        return []
    try:
        tokenizer = dress(recipe, load_tokenizer(recipe.base))
        default = default_system(template_of(recipe, tokenizer))
    except WorkbenchError as error:
        return [Check("template", "problem", str(error))]
    return [Check("template", "ok" if default.given else "note", default.says())] if default.text else []


def _fits(recipe: str, seen: Outlook) -> Check:
    from workbench.training.forecast import size

    details = {"recipe": recipe, "total": size(seen.needed.total), "free": size(seen.free), "device": seen.device}
    details |= {"rows": str(seen.work.rows), "length": str(seen.work.length)}
    if seen.fits:
        return Check("recipe", "ok", text("doctor.recipe.fits", **details))
    return Check("recipe", "problem", text("doctor.recipe.too_large", **details))


def _packages(installed: Mapping[str, str | None]) -> Check:
    missing = [name for name in NEEDED if installed[name] is None]
    if missing:
        return Check("packages", "problem", text("doctor.packages.missing", names=tuple(missing)))
    return Check("packages", "ok", text("doctor.packages.ok", count=len(NEEDED)))


def _four_bit(computer: Machine) -> Check:
    tried = computer.four_bit
    if not tried.works:
        return Check("four_bit", "problem", text("doctor.four_bit.fails", reason=tried.reason or "-"))
    if not tried.survives_evaluation:
        return Check("four_bit", "problem", text("doctor.four_bit.lost"))
    return Check("four_bit", "ok", text("doctor.four_bit.mended" if tried.needs_mending else "doctor.four_bit.ok"))


def _numbers(computer: Machine) -> Check:
    """In which type of number the processor is quick."""
    quick = {"amx", "avx512-bf16"} & set(computer.processor.features)
    key = "doctor.numbers.bfloat16" if quick else "doctor.numbers.float32"
    return Check("numbers", "ok", text(key, features=tuple(computer.processor.features)))


def _gpus(computer: Machine) -> list[Check]:
    if not computer.gpus:
        return [Check("gpu", "note", text("doctor.gpu.none"))]
    seen = [
        Check("gpu", "ok", text("doctor.gpu.found", name=gpu.name, free=gpu.free / GIB, memory=gpu.memory / GIB))
        for gpu in computer.gpus
    ]
    missing = [name for name, installed in computer.kernels.items() if not installed]
    if missing:
        return [*seen, Check("kernels", "note", text("doctor.gpu.kernels.some", missing=tuple(missing)))]
    return [*seen, Check("kernels", "ok", text("doctor.gpu.kernels.all", here=tuple(computer.kernels)))]


def _room(name: Literal["memory", "disk"], free: int, enough: int) -> Check:
    short = free < enough
    state: State = "note" if short else "ok"
    return Check(name, state, text(f"doctor.{name}.{'short' if short else 'ok'}", free=free / GIB, enough=enough / GIB))


def _extra(name: str, computer: Machine, installed: Mapping[str, str | None]) -> Check:
    if all(installed[package] for package in EXTRAS[name]):
        return Check(name, "ok", text(f"doctor.extras.{name}"))
    if name == "deepspeed" and (len(computer.gpus) < 2 or not sys.platform.startswith("linux")):
        return Check(name, "note", text("doctor.extras.not_needed"))
    return Check(name, "note", text("doctor.extras.missing", extra=name))


def _chinese_font() -> str:
    from workbench.render.curves import chinese_font

    return chinese_font()


def _print(computer: Machine, installed: Mapping[str, str | None], checks: list[Check]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    cpu = computer.processor
    console.print(
        text("doctor.machine", system=computer.system, python=computer.python, cpu=cpu.name, cores=cpu.cores),
        markup=False,
    )
    releases = (f"{name} {number}" for name, number in installed.items() if number)
    console.print(", ".join(releases), style="dim", markup=False)
    table = Table.grid(padding=(0, 1))
    for check in checks:
        table.add_row(MARKS[check.state], escape(check.message))
    console.print(table)
    states = {check.state for check in checks}
    console.print(text("doctor.end.problem" if "problem" in states else "doctor.end.ok"), markup=False)


def _print_outlook(seen: Outlook) -> None:
    """What the recipe's memory is for, and what to lower where it is too much."""
    from rich.console import Console
    from rich.table import Table

    from workbench.training.forecast import PARTS, size

    table = Table(box=None, pad_edge=False, show_header=False)
    for name in PARTS:
        amount = getattr(seen.needed, name)
        table.add_row(text(f"doctor.recipe.parts.{name}"), size(amount) if amount else "–")
    console = Console(highlight=False)
    console.print(table)
    if seen.remedies:
        console.print(text("doctor.recipe.lower"), markup=False)
        for remedy in seen.remedies:
            console.print(f"  {', '.join(remedy.settings)}  → {size(remedy.total)}", markup=False)
