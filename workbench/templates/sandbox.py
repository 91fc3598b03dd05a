"""A chat template, which is a stranger's program, run within limits. Knows Jinja; nothing of what a template is for.

Jinja's sandbox keeps a template from Python's insides, not from taking all time and memory: loops in loops, a power, a
text doubled thirty times, a number padded to a billion places. Here every turn of a loop, every call, every filter and
every operation that can grow is counted, and each text and list that comes of one is measured before it is made where
that can be told beforehand, and after it where not.

The environment's names and filters are those that the transformers library gives chat templates
(``utils/chat_template_utils.py``), so that what is rendered is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache, wraps
from typing import Any

from workbench.templates.budget import (
    BUDGET,
    TooMuchError,
    check_call,
    check_format,
    check_operation,
    counted,
    joined,
)

# Characters of a template: the longest known have some 20 000.
LONGEST = 1_000_000
# No chat template needs them, and they write or search without end.
_MISSING_GLOBALS, _MISSING_FILTERS = ("lipsum",), ("urlize", "pprint", "xmlattr")


def render(template: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None, **options: Any) -> str:
    """Return the rendering of ``messages`` by ``template``.

    Args:
        template: Jinja, as a tokenizer's ``chat_template`` is.
        messages: what it is given under that name; JSON's types.
        tools: likewise.
        **options: further names.

    Raises:
        TooMuchError: it takes more steps, text or time than a template may.
        jinja2.TemplateError: it is broken, or refuses the messages. Others: as its operations raise them.
    """
    size = _characters([messages, tools, options])
    BUDGET.begin(size)
    try:
        compiled = _compiled(template)
        BUDGET.begin(size)
        return str(compiled.render(messages=[_aliased(m) for m in messages], tools=tools, documents=None, **options))
    except (MemoryError, RecursionError, OverflowError, SyntaxError) as error:
        raise TooMuchError(type(error).__name__) from None


def _characters(value: Any) -> int:
    """How much is given, roughly."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_characters(key) + _characters(item) for key, item in value.items()) + 1
    if isinstance(value, (list, tuple)):
        return sum(map(_characters, value)) + 1
    return 1


def _aliased(message: Mapping[str, Any]) -> dict[str, Any]:
    """A thought under each name by which a template may ask for it."""
    thought = next(
        (message[k] for k in ("reasoning_content", "thinking", "reasoning") if message.get(k) is not None), None
    )
    return dict(message) if thought is None else {"thinking": thought, **message, "reasoning_content": thought}


@lru_cache(64)
def _compiled(template: str) -> Any:
    if len(template) > LONGEST:
        raise TooMuchError(f"a template of more than {LONGEST} characters")
    return _environment().from_string(template)


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is measured before and after."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        # what Jinja hands over first, an environment or a context, is no value of the template
        values = args[1:] if getattr(function, "jinja_pass_arg", None) is not None else args
        BUDGET.step()
        check_call(name, values[0] if values else "", values[1:], kwargs)
        result = function(*args, **kwargs)
        return counted(result) if hasattr(result, "__next__") else BUDGET.made(result)

    return guarded


def _generator() -> Any:
    """What writes a template's Python."""
    from jinja2 import nodes
    from jinja2.compiler import CodeGenerator

    class Generator(CodeGenerator):
        """Write what ``~`` joins, and what a loop goes over, by way of the limits."""

        def visit_Concat(self, node: nodes.Concat, frame: Any) -> None:  # noqa: N802
            self.write("environment.joined((")
            for part in node.nodes:
                self.visit(part, frame)
                self.write(", ")
            self.write("))")

        def visit_For(self, node: nodes.For, frame: Any) -> None:  # noqa: N802
            turn = nodes.Call(nodes.EnvironmentAttribute("turn"), [], [], None, None)
            node.body.insert(0, nodes.ExprStmt(turn, lineno=node.lineno))
            if node.test:  # what the test leaves out takes no turn
                node.iter = nodes.Call(nodes.EnvironmentAttribute("counted"), [node.iter], [], None, None)
            super().visit_For(node, frame)

        def visit_List(self, node: nodes.List, frame: Any) -> None:  # noqa: N802
            self._measured(super().visit_List, node, frame)

        def visit_Dict(self, node: nodes.Dict, frame: Any) -> None:  # noqa: N802
            self._measured(super().visit_Dict, node, frame)

        def visit_Tuple(self, node: nodes.Tuple, frame: Any) -> None:  # noqa: N802
            if node.ctx == "load":
                self._measured(super().visit_Tuple, node, frame)
            else:
                super().visit_Tuple(node, frame)

        def _measured(self, visit: Callable[..., None], node: Any, frame: Any) -> None:
            self.write("environment.measured(")
            visit(node, frame)
            self.write(")")

    return Generator


def _generation() -> Any:
    """The tag that some templates put round what an assistant said."""
    from jinja2 import nodes
    from jinja2.ext import Extension

    class Generation(Extension):
        """Read ``{% generation %}``, which marks what an assistant said; nothing here relies on it."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:
            """Return the body as it stands."""
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.CallBlock(self.call_method("_as_it_stands"), [], [], body).set_lineno(line)

        def _as_it_stands(self, caller: Any) -> Any:
            return caller()

    return Generation


def _sandbox() -> Any:
    """Jinja's sandbox for immutable values, with every growth measured."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        """Run templates in the sandbox, with limits."""

        code_generator_class = _generator()
        intercepted_binops = frozenset(["*", "**", "+", "%"])

        @staticmethod
        def joined(parts: Iterable[Any]) -> str:
            """Join what ``~`` joins."""
            return joined(parts)

        @staticmethod
        def concat(parts: Iterable[str]) -> str:
            """Return all that a block, a macro or the template wrote."""
            return joined(parts)

        @staticmethod
        def measured(value: Any) -> Any:
            """Measure a list, a tuple or a mapping that the template writes."""
            return BUDGET.made(value)

        @staticmethod
        def counted(values: Iterable[Any]) -> Iterable[Any]:
            """Count what a loop with a condition goes over."""
            return counted(values)

        @staticmethod
        def turn() -> str:
            """Count a turn of a loop."""
            BUDGET.step()
            return ""

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "+" and type(left) is str and type(right) is str and len(left) + len(right) < 256:
                BUDGET.step()
                return left + right
            check_operation(operator, left, right)
            return BUDGET.made(super().call_binop(context, operator, left, right))

        def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805  as Jinja has it
            BUDGET.step()
            method = getattr(__obj, "__wrapped__", __obj)  # the sandbox's own way of formatting a text
            check_call(str(getattr(method, "__name__", "")), getattr(method, "__self__", None), args, kwargs)
            return BUDGET.made(super().call(__context, __obj, *args, **kwargs))

    return Environment


@cache
def _environment() -> Any:
    """The sandbox with the names and filters that chat templates know."""
    from jinja2.ext import loopcontrols

    environment = _sandbox()(trim_blocks=True, lstrip_blocks=True, extensions=[_generation(), loopcontrols])
    environment.filters["tojson"] = _tojson
    filters = {name: function for name, function in environment.filters.items() if name not in _MISSING_FILTERS}
    environment.filters = {name: _guarded(name, function) for name, function in filters.items()}
    environment.globals = {name: value for name, value in environment.globals.items() if name not in _MISSING_GLOBALS}
    environment.globals |= {"raise_exception": _raise, "strftime_now": _now, "dict": _dict, "namespace": _namespace()}
    return environment


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """Jinja's own would escape what HTML knows."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)


def _now(form: str) -> str:
    check_format(str(form))
    return datetime.now().strftime(str(form))


def _dict(*args: Any, **kwargs: Any) -> dict[Any, Any]:
    return dict(*args, **kwargs)


@cache
def _namespace() -> Any:
    """Jinja's, without names that begin with an underscore."""
    from jinja2.exceptions import SecurityError
    from jinja2.utils import Namespace

    class Plain(Namespace):
        """Hold names and values of a template."""

        def __init__(*args: Any, **kwargs: Any) -> None:
            Namespace.__init__(args[0], dict(*args[1:], **kwargs))
            for name in dict(*args[1:], **kwargs):
                _check(name)

        def __setitem__(self, name: str, value: Any) -> None:
            _check(name)
            super().__setitem__(name, value)

    def _check(name: Any) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise SecurityError(f"no name of a namespace begins with an underscore: {name!r}")

    return Plain
