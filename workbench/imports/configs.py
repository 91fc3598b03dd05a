"""A config file as text: Python, JSON or YAML; as dumped, copied or pasted. Knows how such texts are damaged; nothing
of what the settings mean."""

from __future__ import annotations

import ast
import json
import re
import warnings
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.imports.statements import Neighbour, evaluate
from workbench.imports.values import Read, Remark

LARGEST = 4 << 20
_FENCE = re.compile(r"^\s*```[^\n]*\n(.*?)^\s*```\s*$", re.M | re.S)
_WIDE = dict(zip("，。：；（）［］｛｝＝＋－＊／“”‘’＂＇！＜＞　", ",.:;()[]{}=+-*/\"\"''\"'!<> ", strict=True))
_DEEPEST = 8


def read_config(file: Path, root: Path | None = None) -> Read:
    """Return what the config in ``file`` sets.

    Args:
        file: a config of XTuner's: ``.py``, or as JSON or YAML.
        root: the folder outside of which no ``_base_`` is looked for; by default the file's own.

    Raises:
        BadInput: it is no such text, or a line of it would do something; names file and line.
    """
    return _read(file, (root or file.parent).resolve(), 0)


def _read(file: Path, root: Path, deep: int) -> Read:
    if file.stat().st_size > LARGEST:
        raise BadInput("imports.config.too_large", file=file)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = file.read_bytes().decode("gb18030", "replace")
    if file.suffix in (".json", ".yaml", ".yml"):
        return Read(_table(file, text))
    read = read_text(text, str(file), lambda module, dots: _neighbour(file, root, deep, module, dots))
    return _with_bases(read, file, root, deep)


def _neighbour(file: Path, root: Path, deep: int, module: str, dots: int) -> Read | None:
    """The config that ``from .module import *`` names; None where none lies there, or it would be outside ``root``."""
    if dots < 1:
        return None
    base = file.parent.joinpath(*[".."] * (dots - 1), *module.split(".")).with_suffix(".py").resolve()
    if deep >= _DEEPEST or root not in base.parents or not base.is_file():
        return None
    return _read(base, root, deep + 1)


def read_text(text: str, where: str, neighbour: Neighbour | None = None) -> Read:
    """Return what the text of a Python config sets.

    Args:
        where: the file's name, for errors.
        neighbour: reads a config on which this one stands.

    Raises:
        BadInput: it is no Python, or a line of it would do something; names the line.
    """
    first: SyntaxError | None = None
    for version, key in _versions(text.removeprefix("\ufeff")):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what Python finds odd in a text
                tree = ast.parse(version)
        except SyntaxError as error:
            first = first or error
            continue
        except (RecursionError, MemoryError, ValueError) as error:
            raise BadInput("imports.config.no_python", file=where, line=0, reason=type(error).__name__) from error
        try:
            read = evaluate(tree, where, neighbour)
        except RecursionError as error:
            raise BadInput("imports.config.no_python", file=where, line=0, reason="RecursionError") from error
        read.remarks += [Remark(0, f"imports.remark.{key}")] if key else []
        return read
    raise _refusal(first, where)


def _versions(text: str) -> list[tuple[str, str]]:
    """The text, and what it was before somebody pasted it; with the remark that says so."""
    versions = [(text, "")]
    fenced = "\n".join(match[1] for match in _FENCE.finditer(text))
    if fenced:
        versions.append((fenced, "fence"))
    for part, _ in tuple(versions):
        lines = part.splitlines()
        marked = [line for line in lines if line[:1] in "+-" and line[:1]]
        if marked:
            content = [line for line in lines if not line.startswith(("-", "@@", "+++", "diff "))]
            plain = any(line.startswith(" ") for line in content) and all(
                line[:1] in (" ", "+", "") for line in content
            )
            versions.append(("\n".join(line[1:] if plain or line[:1] == "+" else line for line in content), "diff"))
            versions.append(("\n".join(re.sub(r"^\+ ?", "", line) for line in content), "diff"))
    if "\t" in text:
        versions += [(text.expandtabs(8), "tabs"), (text.expandtabs(4), "tabs")]
    return versions


def _refusal(error: SyntaxError | None, where: str) -> BadInput:
    line, source = (error.lineno or 0, error.text or "") if error else (0, "")
    wide = next((sign for sign in source if sign in _WIDE), "")
    if wide:
        return BadInput("imports.config.full_width", file=where, line=line, sign=wide, write=_WIDE[wide])
    return BadInput("imports.config.no_python", file=where, line=line, reason=error.msg if error else "")


def _table(file: Path, text: str) -> dict[str, Any]:
    from workbench.training.yamltext import parse_yaml

    try:
        loaded = json.loads(text) if file.suffix == ".json" else parse_yaml(text)
    except (ValueError, RecursionError) as error:
        raise BadInput("imports.config.no_table", file=file, reason=" ".join(str(error).split())[:200]) from error
    if not isinstance(loaded, dict):
        raise BadInput("imports.config.no_table", file=file, reason=type(loaded).__name__)
    return {str(key): value for key, value in loaded.items()}


def _with_bases(read: Read, file: Path, root: Path, deep: int) -> Read:
    """The config on top of those that it names as ``_base_``, where they lie beside it."""
    names = read.values.pop("_base_", None)
    merged: dict[str, Any] = {}
    for name in [names] if isinstance(names, str) else names or []:
        base = (file.parent / str(name)).resolve()
        if deep >= _DEEPEST or root not in base.parents or not base.is_file():
            read.remarks.append(Remark(0, "imports.remark.base", str(name)))
            continue
        inner = _read(base, root, deep + 1)
        merged = merge(merged, inner.values)
        read.remarks += inner.remarks
    return Read(merge(merged, read.values), read.remarks)


def merge(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """Return ``top`` over ``base``: tables are joined key by key, unless one says ``_delete_``, as mmengine does."""
    merged = dict(base)
    for key, value in top.items():
        under = merged.get(key)
        if isinstance(value, dict) and isinstance(under, dict) and not value.get("_delete_"):
            merged[key] = merge(under, value)
        else:
            merged[key] = {k: v for k, v in value.items() if k != "_delete_"} if isinstance(value, dict) else value
    return merged
