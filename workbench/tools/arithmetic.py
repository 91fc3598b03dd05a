"""Arithmetic on text, exact and bounded. Knows expressions of numbers; runs no code.

The text is parsed and its tree is walked by an allow-list; nothing is ever handed to Python's own evaluation. Numbers
are fractions, so that ``0.1+0.2`` is 0.3; whatever could grow without end is measured before it is computed.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

from workbench.tools.values import ToolError

LONGEST, NODES, EXPONENT, DIGITS = 200, 50, 64, 60
_TOKENS = re.compile(r"(?:\d+(?:\.\d*)?(?![\w.])|\.\d+(?![\w.])|(?:sqrt|abs|round|min|max)(?!\w)|[-+*/%(), ])+")
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "^", "　": " ", "\t": " ", "。": " "})
_RAISED = re.compile("[⁰¹²³⁴-⁹]+")
_LOWERED = re.compile("[₀-₉]")
_PLACES = 10  # significant digits of what no decimal writes exactly


def evaluate(expression: str) -> str:
    """Return the value of an expression as text: + - * / // % **, parentheses, sqrt, abs, round, min, max.

    Raises:
        ToolError: it is too long, no arithmetic, or its value is too large or undefined.
    """
    text = _plain(expression)
    if not _TOKENS.fullmatch(text) or not text.strip():
        raise ToolError("not arithmetic")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ToolError("not arithmetic") from None
    if sum(1 for _ in ast.walk(tree)) > NODES * 2:  # each operator is a node of its own
        raise ToolError("the expression is too long")
    return shown(_value(tree.body, text.strip()))


def _plain(expression: str) -> str:
    """Return the expression in plain signs: full-width ones are made narrow, and a closing "=" or "?" is left out."""
    if len(expression) > LONGEST:
        raise ToolError("the expression is too long")
    if _LOWERED.search(expression):
        raise ToolError("not arithmetic")
    raised = _RAISED.sub(lambda match: f"^{match[0]}", expression)  # else 3² became 32
    text = unicodedata.normalize("NFKC", raised).translate(_SIGNS).replace("^", "**")
    text = re.sub(r"[=?!\s]+$", "", text.lower()).strip()
    if not re.search("[a-z]", text):  # in min(1,200) a comma parts arguments
        text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    return re.sub(r"(?<![\d.])0+(?=\d)", "", text)


def shown(value: Fraction) -> str:
    """Return a number as people write it: whole, or a decimal, rounded to ten digits where it has no end."""
    if value.denominator == 1:
        return str(value.numerator)
    with localcontext() as context:
        context.prec = DIGITS + EXPONENT
        decimal = Decimal(value.numerator) / Decimal(value.denominator)
        if Fraction(decimal) != value or len(decimal.as_tuple().digits) > 2 * _PLACES:
            context.prec = _PLACES
            decimal = +decimal
    text = format(decimal, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _value(node: ast.expr, text: str) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return _bounded(Fraction(ast.get_source_segment(text, node) or "0"))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_value(node.operand, text))
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _joined(_BINARY[type(node.op)], _value(node.left, text), _value(node.right, text))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _called(node.func.id, [_value(argument, text) for argument in node.args])
    raise ToolError("not arithmetic")


def _joined(operation: Callable[[Fraction, Fraction], Fraction], left: Fraction, right: Fraction) -> Fraction:
    try:
        return _bounded(operation(left, right))
    except ZeroDivisionError:
        raise ToolError("division by zero") from None


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator == 2 and exponent.numerator == 1:
        return _root(base)
    if exponent.denominator != 1 or abs(exponent) > EXPONENT:
        raise ToolError("the exponent is too large")
    size = max(len(str(abs(base.numerator))), len(str(base.denominator)))
    if (size - 1) * abs(int(exponent)) > DIGITS:
        raise ToolError("the number is too large")
    if not base and exponent < 0:
        raise ToolError("division by zero")
    return Fraction(base ** int(exponent))


def _root(value: Fraction) -> Fraction:
    if value < 0:
        raise ToolError("no root of a negative number")
    above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if above**2 == value.numerator and below**2 == value.denominator:
        return Fraction(above, below)
    with localcontext() as context:
        context.prec = 2 * _PLACES + 10
        root = (Decimal(value.numerator) / Decimal(value.denominator)).sqrt()
        context.prec = 2 * _PLACES
        return Fraction(+root)


def _called(name: str, values: Sequence[Fraction]) -> Fraction:
    if name == "sqrt" and len(values) == 1:
        return _root(values[0])
    if name == "abs" and len(values) == 1:
        return abs(values[0])
    if name in ("min", "max") and values:
        return min(values) if name == "min" else max(values)
    if name == "round" and len(values) in (1, 2):
        places = int(values[1]) if len(values) == 2 else 0
        if abs(places) > DIGITS:
            raise ToolError("the exponent is too large")
        # a half goes away from zero, as people round
        scaled = abs(values[0]) * Fraction(10) ** places + Fraction(1, 2)
        whole = Fraction(scaled.numerator // scaled.denominator) / Fraction(10) ** places
        return whole if values[0] >= 0 else -whole
    raise ToolError("not arithmetic")


def _bounded(value: Fraction) -> Fraction:
    most = 10**DIGITS
    if abs(value.numerator) > most * most or value.denominator > most * most or abs(value) > most:
        raise ToolError("the number is too large")
    return value


_UNARY: dict[type[ast.unaryop], Callable[[Fraction], Fraction]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_BINARY: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
