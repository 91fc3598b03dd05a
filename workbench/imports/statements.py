"""The statements of a Python config, gone through in order; nothing of them is run or imported. Knows the few forms
that set a value, and those of mmengine's lazy configs; nothing of what the settings mean.

All 578 configs of XTuner 0.1.23 consist of imports, assignments, arithmetic, ``dict(…)``, ``int(…)``, one ``if`` and
attribute access; people's own also stand on another (``with read_base():``) and change its tables. Anything else
becomes a remark with its line, and the rest is read all the same.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from workbench.errors import BadInput
from workbench.imports.values import (
    JOINS,
    CannotRead,
    Expression,
    Read,
    Remark,
    Symbol,
    Unread,
    arithmetic,
    dotted,
    short,
)

# Names under which a line would do something instead of setting a value.
_DOING = {"eval", "exec", "compile", "open", "__import__", "globals", "locals", "vars", "getattr", "setattr", "input"}
_MODULES = {"os", "sys", "subprocess", "shutil", "socket", "importlib", "builtins", "ctypes", "pickle", "runpy",
            "pty", "urllib", "requests", "webbrowser", "multiprocessing", "threading", "signal", "code",
            "pathlib"}  # fmt: skip
# (module, dots before it) -> what the config that lies there sets; None where none lies there
Neighbour = Callable[[str, int], Read | None]


def evaluate(tree: ast.Module, where: str, neighbour: Neighbour | None = None) -> Read:
    """Return what the statements of ``tree`` set.

    Args:
        where: the file's name, for errors.
        neighbour: reads the config on which this one stands, where there may be one.

    Raises:
        BadInput: a line would do something: call the system, open a file, run text as code.
    """
    for node in ast.walk(tree):
        doing = does(node)
        if doing:
            raise BadInput("imports.config.does", file=where, line=getattr(node, "lineno", 0), source=doing)
    read = Read()
    _Statements(read, neighbour).all(tree.body)
    return read


def does(node: ast.AST) -> str:
    """Return what ``node`` would do beside setting a value; empty where nothing."""
    if isinstance(node, ast.Call):
        name = dotted(node.func)
        if name not in JOINS and (name in _DOING or name.split(".")[0] in _MODULES):
            return short(node)
    if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
        return short(node)
    return short(node) if isinstance(node, ast.Name) and node.id in ("__import__", "__builtins__", "__loader__") else ""


class _Statements:
    """Goes through statements in order."""

    def __init__(self, read: Read, neighbour: Neighbour | None) -> None:
        self.read, self.values, self.neighbour = read, read.values, neighbour

    def all(self, body: Sequence[ast.stmt]) -> None:
        for node in body:
            self.one(node)

    def one(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._imported(node)
        elif isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets):
            value = self._value(node.value)
            for target in node.targets:
                self.values[ast.unparse(target)] = value
        elif isinstance(node, ast.Assign | ast.AugAssign):
            self._tried(node, lambda: self._changed(node))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            self.values[node.target.id] = self._value(node.value)
        elif isinstance(node, ast.If):
            self._branch(node)
        elif isinstance(node, ast.With):
            self._stands_on(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            self._tried(node, lambda: self._method(call))
        elif isinstance(node, ast.Delete):
            self._tried(node, lambda: self._deleted(node))
        elif not (isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))):
            self._remark(node, "statement")

    def _imported(self, node: ast.Import | ast.ImportFrom) -> None:
        base = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
        for alias in node.names:
            self.values[alias.asname or alias.name.split(".")[0]] = Symbol(base + alias.name)

    def _stands_on(self, node: ast.With) -> None:
        """``with read_base(): from .x import *``."""
        for inner in node.body:
            base = self._neighbour(inner) if isinstance(inner, ast.ImportFrom) else None
            if base is None or not isinstance(inner, ast.ImportFrom):
                self._remark(inner, "base")
                continue
            names = {alias.name: alias.asname or alias.name for alias in inner.names}
            chosen = base.values if "*" in names else {n: base.values[o] for o, n in names.items() if o in base.values}
            self.values.update(chosen)
            self.read.remarks += base.remarks

    def _neighbour(self, node: ast.ImportFrom) -> Read | None:
        return self.neighbour(node.module, node.level) if self.neighbour and node.module else None

    def _changed(self, node: ast.Assign | ast.AugAssign) -> None:
        """``x *= 2``, ``x['key'] = …``, ``x.key = …``, ``a, b = …``."""
        target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
        value = Expression(self.values).of(node.value)
        if isinstance(node, ast.AugAssign):
            value = arithmetic(node.op, Expression(self.values).of(target), value)
        self._put(target, value)

    def _put(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.values[target.id] = value
        elif isinstance(target, ast.Tuple) and isinstance(value, (list, tuple)) and len(value) == len(target.elts):
            for element, part in zip(target.elts, value, strict=True):
                self._put(element, part)
        else:
            inside, key = self._inside(target)
            inside[key] = value

    def _inside(self, target: ast.expr) -> tuple[Any, Any]:
        """The table or list, and the key in it, that ``x['key']``, ``x[0]`` or ``x.key`` names."""
        if not isinstance(target, ast.Attribute | ast.Subscript):
            raise CannotRead
        reader = Expression(self.values)
        inside = reader.of(target.value)
        key: Any = target.attr if isinstance(target, ast.Attribute) else reader.of(target.slice)
        in_list = isinstance(inside, list) and isinstance(key, int) and -len(inside) <= key < len(inside)
        if not in_list and not (isinstance(inside, dict) and isinstance(key, str)):
            raise CannotRead
        return inside, key

    def _method(self, call: ast.Call) -> None:
        """``x.update(…)`` of a table, ``x.append(…)`` and ``x.extend(…)`` of a list, ``x.pop('key')`` of either."""
        if not isinstance(call.func, ast.Attribute):
            raise CannotRead
        inside = Expression(self.values).of(call.func.value)
        inner = Expression(self.values, self.read.remarks)
        values = [inner.of(argument) for argument in call.args]
        if call.func.attr == "update" and isinstance(inside, dict):
            _merge(inside, inner.of(ast.Call(ast.Name("dict"), call.args, call.keywords)))
        elif call.func.attr == "append" and isinstance(inside, list) and len(values) == 1:
            inside.append(values[0])
        elif call.func.attr == "extend" and isinstance(inside, list) and isinstance(values[0], (list, tuple)):
            inside.extend(values[0])
        elif call.func.attr == "pop" and values and isinstance(inside, dict) and isinstance(values[0], str):
            inside.pop(values[0], None)
        else:
            raise CannotRead

    def _deleted(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.values.pop(target.id, None)
            else:
                inside, key = self._inside(target)
                inside.pop(key)

    def _branch(self, node: ast.If) -> None:
        try:
            chosen = Expression(self.values).of(node.test)
        except (CannotRead, RecursionError):
            self._remark(node, "statement")
            return
        self.all(node.body if chosen else node.orelse)

    def _value(self, node: ast.expr) -> Any:
        inner = Expression(self.values, self.read.remarks)
        try:
            return inner.of(node)
        except (CannotRead, RecursionError):
            self._remark(node, "value")
            return Unread(node.lineno, short(node))

    def _tried(self, node: ast.stmt, change: Callable[[], None]) -> None:
        """Make a change, or say that it is not read."""
        try:
            change()
        except (CannotRead, RecursionError, LookupError):
            self._remark(node, "statement")

    def _remark(self, node: ast.stmt | ast.expr, key: str) -> None:
        self.read.remarks.append(Remark(node.lineno, f"imports.remark.{key}", short(node)))


def _merge(inside: dict[str, Any], more: dict[str, Any]) -> None:
    """Set ``more`` in a table; tables in both are joined, as those of mmengine's configs are."""
    for key, value in more.items():
        under = inside.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            _merge(under, value)
        else:
            inside[key] = value
