"""A finished assistant as a folder for a host: app, pinned libraries, model, and the project's own code that it needs.

Knows folders and weights; what the single files say is in ``bundle_files.py``, git in ``bundle_git.py``. The folder is
a git repository, and needs nothing from anywhere but the libraries that ``requirements.txt`` pins.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import workbench.errors
from workbench.errors import BadInput, BadSetting, Failed, nearest
from workbench.export.bundle_files import TARGETS, Bundle, write_files
from workbench.export.bundle_git import by_lfs, check_git, commit
from workbench.export.cards import adapter_card, merged_card
from workbench.export.converting import convert
from workbench.export.folders import new_folder
from workbench.export.llama import llama_folder
from workbench.export.lora import CONFIG, WEIGHTS
from workbench.export.merging import merge
from workbench.export.notes import header
from workbench.export.sidecars import model_folder, read_config, write_json
from workbench.export.source import find_source
from workbench.models.fetching import LIST, check_url, describe
from workbench.models.folders import check_file, check_folder
from workbench.models.notes import MARK, part, read_note

Interface = Literal["gradio", "streamlit"]
PACKAGE = Path(workbench.errors.__file__).parent
# What an assistant needs of the project to answer; a bundle carries these rooms and nothing else of it.
ROOMS = (
    "version.py",
    "errors.py",
    "usage.py",
    "environment.py",
    "shipped.py",
    "texts",
    "runs",
    "data",
    "templates",
    "models",
    "tools",
    "chat",
    "render",
)
_NOT_CARRIED = ("__pycache__", "pocket", "weights", "*.pyc")
_CARRIED = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "LICENSE*", "NOTICE*", "USE_POLICY*", "README.md")


@dataclass(frozen=True, slots=True)
class Order:
    """Hold what is to be bundled, and how.

    Args:
        target: ``openxlab``, ``modelscope``, ``huggingface`` or ``docker``.
        source: a run folder, an adapter's, a model's, ``pocket``, or a hub id.
        interface: ``gradio`` or ``streamlit``.
        keep_adapter: base and adapter side by side, so that the page can compare them, in place of the merged model.
        quantization: ``nf4`` lets the app load the weights in 4 bit.
        weights_url: where the weights lie, if they do not travel along; each is fetched at the first start.
        lang: the language of the page, before the visitor chooses.
    """

    target: str
    source: str
    interface: Interface = "gradio"
    keep_adapter: bool = False
    quantization: Literal["none", "nf4"] = "none"
    weights_url: str = ""
    lang: str | None = None
    tools: str = ""


def bundle(
    order: Order, out: str | Path, *, overwrite: bool = False, tell: Callable[[str], None] = lambda _: None
) -> Path:
    """Write the bundle, a git repository with one commit.

    Args:
        order: what is to be bundled.
        out: the folder to make.
        overwrite: replace a bundle that was made here before.
        tell: told what is being done, a word each: ``convert``, ``merge``, ``copy``, ``commit``.

    Raises:
        UnknownName: no such run, model or target. BadInput: it cannot be merged, or the URL cannot be used.
        OutputExists: ``out`` is not empty. Failed: no space, or git or git-lfs is missing.
    """
    if order.target not in TARGETS:
        raise BadSetting("deploy.unknown_target", given=order.target, nearest=nearest(order.target, TARGETS))
    check_git()
    url = check_url(order.weights_url) if order.weights_url else ""
    if order.tools:
        _check_tools(order.tools)
    with tempfile.TemporaryDirectory(prefix="workbench-deploy-") as scratch:
        model, adapter = _parts(order, Path(scratch), tell)
        sources = [folder for folder in (model, adapter) if folder is not None]
        need = sum(file.stat().st_size for folder in sources for file in folder.glob("*.safetensors"))
        with new_folder(out, overwrite=overwrite, sources=sources, need=2 * need) as folder:  # git keeps a copy
            tell("copy")
            note = _fill(folder, order, model, adapter, url)
            details = {"target": order.target, "persona": part(note, "persona"), "run": part(note, "run")}
            write_json(folder / MARK, header("bundle") | details)
            tell("commit")
            commit(folder, TARGETS[order.target].branch)
    return Path(out)


def _check_tools(tools: str) -> None:
    """Refuse names that are no tools, and a table, whose file stays on this machine."""
    from workbench.tools.registry import chosen

    if any(tool.name == "lookup" for tool in chosen(tools)) or "=" in tools:
        raise BadInput("deploy.tools_file", given=tools)


def _fill(folder: Path, order: Order, model: Path, adapter: Path | None, url: str) -> dict[str, Any]:
    """Everything but the repository; returns the note of what answers."""
    _copy_weights(model, folder / "model")
    _forget_places(folder / "model", merged_card)
    if adapter is not None:
        _copy_weights(adapter, folder / "adapter")
        _forget_places(folder / "adapter", adapter_card)
        config = read_config(folder / "adapter" / CONFIG)
        write_json(folder / "adapter" / CONFIG, config | {"base_model_name_or_path": "model"})
    _copy_code(folder, order.interface)
    note = read_note(folder / ("model" if adapter is None else "adapter"))
    write_json(folder / LIST, describe(folder, by_lfs(folder), url))
    if url:
        for file in (folder / "model").glob("*.safetensors"):
            file.unlink()
    write_files(
        folder,
        Bundle(order.target, order.interface, order.quantization, adapter is not None, url, order.lang, order.tools),
        note,
    )
    return note


def _parts(order: Order, scratch: Path, tell: Callable[[str], None]) -> tuple[Path, Path | None]:
    """The folders of the model and of the adapter, if that stays apart."""
    origin = Path(order.source).expanduser()
    adapter = _adapter(origin, scratch, tell)
    if adapter is None:
        folder = model_folder(order.source)
        check_folder(folder)
        return llama_folder(folder, scratch / "llama"), None
    if not (adapter / CONFIG).is_file():  # all of the weights were trained: it is a model already
        return adapter, None
    base = str(part(read_note(adapter), "base").get("name") or read_config(adapter / CONFIG)["base_model_name_or_path"])
    folder = _base_here(base, origin)
    if order.keep_adapter:
        check_folder(folder)
        return llama_folder(folder, scratch / "llama"), adapter
    merged = scratch / "merged"
    tell("merge")
    merge(base, adapter, merged, fetch=False)
    return merged, None


def _base_here(base: str, source: Path) -> Path:
    """The folder of the base that an adapter names; what somebody else's file names is not fetched.

    Raises:
        BadInput: it is not on this machine.
    """
    try:
        return model_folder(base, fetch=False)
    except Failed as error:
        raise BadInput("deploy.base_on_hub", source=source, base=base) from error


def _adapter(origin: Path, scratch: Path, tell: Callable[[str], None]) -> Path | None:
    """The adapter that is meant: of a run its best checkpoint's; None for a model."""
    from workbench.runs import is_run

    if not origin.is_dir():
        return None
    if is_run(origin):
        tell("convert")
        return convert(find_source(origin).checkpoint, scratch / "adapter")
    if (origin / CONFIG).is_file() and not (origin / "config.json").is_file():
        if not (origin / WEIGHTS).is_file():
            raise BadInput("export.no_adapter", folder=origin)
        return origin
    return None


def _copy_weights(source: Path, out: Path) -> None:
    """A model's files; of others, such as pickled weights or code, nothing."""
    out.mkdir()
    for pattern in _CARRIED:
        for file in sorted(source.glob(pattern)):
            if file.is_file():
                check_file(file, source)
                shutil.copyfile(file, out / file.name)
    if not any(out.glob("*.safetensors")):
        raise BadInput("export.no_weights", folder=source)


def _forget_places(folder: Path, card: Callable[[dict[str, Any]], str]) -> None:
    """Where the base lies on this machine is nobody's business: a folder is named by its last part alone."""
    note = read_note(folder)
    base = str(part(note, "base").get("name") or "")
    if base and Path(base).expanduser().is_dir():
        note["base"] = {**part(note, "base"), "name": Path(base).name}
        write_json(folder / MARK, note)
        (folder / "README.md").write_text(card(note), encoding="utf-8")


def _copy_code(folder: Path, interface: Interface) -> None:
    """The app, and the rooms that it stands on."""
    skip = shutil.ignore_patterns(*_NOT_CARRIED)
    (folder / "workbench").mkdir()
    shutil.copyfile(PACKAGE / "__init__.py", folder / "workbench" / "__init__.py")
    for name in ROOMS:
        if name.endswith(".py"):
            shutil.copyfile(PACKAGE / name, folder / "workbench" / name)
        else:
            shutil.copytree(PACKAGE / name, folder / "workbench" / name, ignore=skip)
    shutil.copytree(app_folder(interface), folder / "assistant", ignore=skip)
    licence = _licence()
    if licence:
        (folder / "workbench" / "LICENSE").write_text(licence, encoding="utf-8")


def app_folder(interface: str) -> Path:
    """Tell where the code of the app is: in the wheel ``workbench/_apps``, else ``apps`` in the repository.

    Raises:
        BadInput: this installation has no apps.
    """
    for root in (PACKAGE / "_apps", PACKAGE.parent / "apps"):
        folder = root / f"assistant_{interface}"
        if (folder / "page.py").is_file():
            return folder
    raise BadInput("deploy.no_app", interface=interface)


def _licence() -> str:
    """The project's licence, which goes wherever its code goes."""
    from importlib.metadata import PackageNotFoundError, distribution

    licence = PACKAGE.parent / "LICENSE"
    if (PACKAGE.parent / "pyproject.toml").is_file() and licence.is_file():
        return licence.read_text(encoding="utf-8")
    try:
        return distribution("assistant-workbench").read_text("licenses/LICENSE") or ""
    except PackageNotFoundError:
        return ""
