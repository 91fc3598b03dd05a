"""Every private name of a library that the workbench uses is listed in ``docs/private-names.md``, with its reason."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = [*sorted((ROOT / "workbench").rglob("*.py")), *sorted((ROOT / "apps").rglob("*.py"))]
TREES = {file: ast.parse(file.read_text(encoding="utf-8")) for file in FILES}
# Documented for everybody's use, in spite of the underscore: ``os._exit``, a named tuple's ``_replace``.
PUBLIC = {"_exit", "_replace"}
# The name of a module, as text: a logger's, or one that a file of somebody's names.
PATH = re.compile(r"[a-z_]+(\.[a-z_]+)*\._[a-z]+(\.[a-z_]+)*")
# file -> what the classes in it are made from: their private methods may replace a library's.
PARENTS = {
    "workbench/templates/sandbox.py": "jinja2.sandbox:ImmutableSandboxedEnvironment",
}


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and len(name) > 1


def defined() -> set[str]:
    """All that the house itself defines or stores under a name of its own."""
    names: set[str] = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names |= {node.attr} if ast.unparse(node.value) in {"self", "cls"} else set()
    return names


def used(tree: ast.Module, ours: set[str]) -> Iterator[str]:
    """Private names that a file reads of something that is not the house's: attributes, imports, names as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr) and node.attr not in ours:
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(("workbench", "apps", "_")):
            yield from filter(private, [*(node.module or "").split("."), *(alias.name for alias in node.names)])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"getattr", "setattr", "hasattr"}:
            texts = [arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant)]
            yield from (text for text in texts if isinstance(text, str) and private(text) and text not in ours)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and PATH.fullmatch(node.value):
            yield from filter(private, node.value.split("."))


def replaced(file: Path, parent: str) -> set[str]:
    """The private names of a library's class that the classes of a file read or replace."""
    module, name = parent.split(":")
    source = inspect.getsource(getattr(import_module(module), name))
    theirs = set(re.findall(r"\bself\.(_[a-z]\w*)", source)) | set(re.findall(r"\bdef (_[a-z]\w*)", source))
    mine = {
        node.name if isinstance(node, ast.FunctionDef) else node.attr
        for node in ast.walk(TREES[file])
        if isinstance(node, ast.FunctionDef)
        or (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self")
    }
    return {each for each in theirs & mine if private(each)}


def listed() -> dict[str, set[str]]:
    """Name -> files, as the page lists them."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", (ROOT / "docs/private-names.md").read_text("utf-8"), re.M)
    return {name: {f"workbench/{file}" for file in re.findall(r"`([^`]+)`", files)} for name, files in rows}


@pytest.fixture(scope="module")
def names() -> dict[str, set[str]]:
    ours = defined() - {name for file, parent in PARENTS.items() for name in replaced(ROOT / file, parent)}
    found: dict[str, set[str]] = {}
    for file, tree in TREES.items():
        path = file.relative_to(ROOT).as_posix()
        of_parent = replaced(file, PARENTS[path]) if path in PARENTS else set()
        for name in {*used(tree, ours), *of_parent} - PUBLIC:
            found.setdefault(name, set()).add(path)
    return found


def test_every_private_name_that_is_used_is_listed(names: dict[str, set[str]]) -> None:
    page = listed()
    assert not {name: files for name, files in names.items() if not files <= page.get(name, set())}


def test_every_private_name_that_is_listed_is_used(names: dict[str, set[str]]) -> None:
    assert not {name: files for name, files in listed().items() if not files <= names.get(name, set())}
