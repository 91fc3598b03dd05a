"""The value of one expression of a Python config, told from its syntax tree; nothing of it is run or imported. Knows
the few forms that XTuner's configs are made of; nothing of what the settings mean."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST = 1_000_000
JOINS = {"os.path.join", "osp.join"}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Eq: operator.eq,
    ast.NotEq: operator.ne, ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip
_CALLS: dict[str, Callable[..., Any]] = {"int": int, "float": float, "str": str, "bool": bool, "list": list,
                                         "tuple": tuple, "len": len, "min": min, "max": max}  # fmt: skip


class Symbol(str):
    """Represent a name that a config imports, in full: ``torch.optim.AdamW``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Unread:
    """Stand for a value that is not read.

    Args:
        line: where.
        source: what stands there.
    """

    line: int
    source: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Hold what was not read.

    Args:
        line: where; 0: the file as a whole.
        key: into the texts, ``imports.remark.…``.
        source: what stands there, short.
    """

    line: int
    key: str
    source: str = ""


@dataclass(slots=True)
class Read:
    """Hold what a config says.

    Args:
        values: name -> value; a :class:`Symbol` for what it imports, an :class:`Unread` for what is not read.
        remarks: what was left out, with its line.
    """

    values: dict[str, Any] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)


# What XTuner's configs import, and what is pasted without its imports.
_TABLES = ("PROMPT_TEMPLATE", "SYSTEM_TEMPLATE")


class CannotRead(Exception):
    """Signal that this expression is of no form that is known here."""


def dotted(node: ast.AST) -> str:
    """Return a dotted name as it stands there; ``?`` for what is none."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def short(node: ast.AST) -> str:
    """Return what stands there, on one line, 80 characters at most."""
    try:
        source = " ".join(ast.unparse(node).split())
    except (RecursionError, ValueError):
        source = type(node).__name__
    return source if len(source) <= 80 else source[:77] + "…"


class Expression:
    """Read one expression.

    Args:
        names: what has been set so far.
        remarks: where to note a part of a table that is not read; None: all of it is not.
    """

    def __init__(self, names: Mapping[str, Any], remarks: list[Remark] | None = None) -> None:
        self.names, self.remarks = names, remarks

    def of(self, node: ast.AST) -> Any:
        """Return its value.

        Raises:
            CannotRead: it is of no form that is known here.
        """
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise CannotRead
        return method(node)

    def _part(self, node: ast.expr, key: str = "") -> Any:
        """A part of a table or a list, which does not spoil the rest. What a table is made by may be a name that nobody
        imported: such a config was pasted without its head."""
        try:
            return self.of(node)
        except CannotRead:
            if (key == "type" or key.endswith("_map_fn")) and isinstance(node, ast.Name | ast.Attribute):
                return Symbol(dotted(node))
            if self.remarks is None:
                raise
            self.remarks.append(Remark(node.lineno, "imports.remark.value", short(node)))
            return Unread(node.lineno, short(node))

    def _constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, (str, int, float, bool)) or node.value is None:
            return node.value
        raise CannotRead

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.names:
            return self.names[node.id]
        if node.id in _TABLES:
            return Symbol(node.id)
        raise CannotRead

    def _attribute(self, node: ast.Attribute) -> Any:
        value = self.of(node.value)
        if isinstance(value, Symbol):
            return Symbol(f"{value}.{node.attr}")
        if isinstance(value, dict) and node.attr in value:
            return value[node.attr]
        raise CannotRead

    def _list(self, node: ast.List) -> list[Any]:
        return [self._part(element) for element in node.elts]

    def _tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self._part(element) for element in node.elts)

    def _dict(self, node: ast.Dict) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                mapping |= self._table(value)
            else:
                name = str(self.of(key))
                mapping[name] = self._part(value, name)
        return mapping

    def _table(self, node: ast.AST) -> dict[str, Any]:
        inside = self.of(node)
        if not isinstance(inside, dict):
            raise CannotRead
        return inside

    def _call(self, node: ast.Call) -> Any:
        name = dotted(node.func)
        if name == "dict" and len(node.args) <= 1:
            table = dict(self._table(node.args[0])) if node.args else {}
            for keyword in node.keywords:
                name = keyword.arg or ""
                table |= {name: self._part(keyword.value, name)} if name else self._table(keyword.value)
            return table
        arguments = [self.of(argument) for argument in node.args]
        if (
            name in JOINS
            and arguments
            and all(isinstance(argument, str) for argument in arguments)
            and not node.keywords
        ):
            return "/".join(argument.rstrip("/") for argument in arguments[:-1]) + "/" + arguments[-1]
        if name in _CALLS and not node.keywords:
            return _safely(_CALLS[name], *arguments)
        raise CannotRead

    def _binop(self, node: ast.BinOp) -> Any:
        return arithmetic(node.op, self.of(node.left), self.of(node.right))

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        value = self.of(node.operand)
        if isinstance(node.op, ast.Not):
            return not value
        if isinstance(node.op, ast.USub) and isinstance(value, (int, float)):
            return -value
        raise CannotRead

    def _compare(self, node: ast.Compare) -> bool:
        left = self.of(node.left)
        for sign, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.of(comparator)
            if type(sign) not in _COMPARISONS:
                raise CannotRead
            if not _safely(_COMPARISONS[type(sign)], left, right):
                return False
            left = right
        return True

    def _boolop(self, node: ast.BoolOp) -> Any:
        value: Any = None
        for operand in node.values:
            value = self.of(operand)
            if bool(value) is isinstance(node.op, ast.Or):
                return value
        return value

    def _ifexp(self, node: ast.IfExp) -> Any:
        return self.of(node.body if self.of(node.test) else node.orelse)

    def _subscript(self, node: ast.Subscript) -> Any:
        return _safely(operator.getitem, self.of(node.value), self.of(node.slice))

    def _joinedstr(self, node: ast.JoinedStr) -> str:
        parts = [piece.value if isinstance(piece, ast.FormattedValue) else piece for piece in node.values]
        if any(
            isinstance(piece, ast.FormattedValue) and (piece.format_spec or piece.conversion != -1)
            for piece in node.values
        ):
            raise CannotRead
        return "".join(str(self.of(part)) for part in parts)


def arithmetic(sign: ast.operator, left: Any, right: Any) -> Any:
    """Return ``left sign right``, of numbers, texts and lists; nothing that would grow large.

    Raises:
        CannotRead: it would, or it cannot be computed.
    """
    numbers = all(isinstance(operand, (int, float)) for operand in (left, right))
    if isinstance(sign, ast.Pow) and not (numbers and abs(right) <= 64 and abs(left) <= 10**6):
        raise CannotRead
    if isinstance(sign, ast.Mult) and not numbers:
        length = next((len(operand) for operand in (left, right) if isinstance(operand, (str, list, tuple))), LONGEST)
        times = next((operand for operand in (left, right) if isinstance(operand, int)), LONGEST)
        if length * times > LONGEST:
            raise CannotRead
    if isinstance(sign, ast.Mod) and not numbers:
        raise CannotRead
    if type(sign) not in _ARITHMETIC:
        raise CannotRead
    result = _safely(_ARITHMETIC[type(sign)], left, right)
    if isinstance(result, int) and abs(result) > 1 << 200:
        raise CannotRead
    return result


def _safely(function: Callable[..., Any], *operands: Any) -> Any:
    """
    Raises:
        CannotRead: the values do not fit, or one of them was not read.
    """
    if any(isinstance(operand, (Unread, Symbol)) for operand in operands) and function not in (
        operator.is_,
        operator.is_not,
    ):
        raise CannotRead
    try:
        return function(*operands)
    except (TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
        raise CannotRead from error
