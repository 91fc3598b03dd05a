"""Pages of the public names, from their docstrings: ``python docs/api.py FOLDER``.

The code is read as text, so that no room is imported for it, and nothing of the machine gets into the pages. A public
name is one that a room offers in its ``__init__.py``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from pathlib import Path

from workbench.render.markup import escape, page, table, tag

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "workbench"
ROOMS = ["workbench", *sorted(f"workbench.{init.parent.name}" for init in PACKAGE.glob("*/__init__.py"))]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Entry:
    """Hold one name that people may use.

    Args:
        name: as it is written, without its room.
        signature: how it is called, or what it is.
        doc: its docstring, or the comment above it.
        file: where it is defined, from the repository's root.
        members: of a class, its public methods and properties.
    """

    name: str
    signature: str
    doc: str
    file: str = ""
    members: tuple[Entry, ...] = ()

    @property
    def summary(self) -> str:
        """Return its first sentence or line."""
        first = self.doc.strip().split("\n\n")[0].replace("\n", " ")
        return re.split(r"(?<=[^.]\.) (?=[A-Z])", first)[0]


def room_of(name: str) -> tuple[str, list[Entry]]:
    """Return what a room is for, and the names that it offers."""
    tree = _parsed(_file(name))
    return ast.get_docstring(tree) or "", [_entry(name, public) for public in public_names(name)]


def public_names(room: str) -> list[str]:
    """Return the names in ``__all__`` of a room, whether it loads them lazily or at once."""
    tree = _parsed(_file(room))
    lists = [node.value for node in tree.body if isinstance(node, ast.Assign) and _target(node) in ("__all__", "_HOME")]
    words = {part.value for node in lists for part in ast.walk(node) if isinstance(part, ast.Constant)}
    return sorted({name for name, _ in _imports(tree)} & words - {"__version__"}, key=lambda name: (name.lower(), name))


def _entry(module: str, name: str) -> Entry:
    """What ``name`` of ``module`` is, followed to where it is defined."""
    file = _file(module)
    tree = _parsed(file)
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and node.name == name:
            return _described(node, file)
        if isinstance(node, ast.Assign | ast.AnnAssign) and _target(node) == name:
            return Entry(name, _short(ast.unparse(node)), _comment(file, node.lineno), _place(file, node.lineno))
    return _entry(dict(_imports(tree))[name], name)


def _described(node: Function | ast.ClassDef, file: Path) -> Entry:
    place, doc = _place(file, node.lineno), ast.get_docstring(node) or ""
    if isinstance(node, Function):
        return Entry(node.name, _called(node), doc, place)
    inside = [part for part in node.body if isinstance(part, Function)]
    members = [_described(part, file) for part in inside if not part.name.startswith("_") and ast.get_docstring(part)]
    return Entry(node.name, _constructed(node, inside), doc, place, tuple(members))


def _called(node: Function) -> str:
    """The signature, without ``self``; of a property its type."""
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if any(isinstance(mark, ast.Name) and "property" in mark.id for mark in node.decorator_list):
        return f"{node.name}: {returns.removeprefix(' -> ')}"
    arguments = re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args))
    return f"{node.name}({arguments}){returns}"


def _constructed(node: ast.ClassDef, inside: list[Function]) -> str:
    """How an object is made: by ``__init__``, else by the fields."""
    for function in inside:
        if function.name == "__init__":
            arguments = re.sub(r"^self(, )?", "", ast.unparse(function.args))
            return f"class {node.name}({arguments})"
    fields = [part for part in node.body if isinstance(part, ast.AnnAssign) and not _target(part).startswith("_")]
    return f"class {node.name}({', '.join(ast.unparse(field) for field in fields)})"


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(name, module) of what is imported from us, also for type checkers alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("workbench"):
            yield from ((alias.asname or alias.name, str(node.module)) for alias in node.names)


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""


def _comment(file: Path, line: int) -> str:
    """The comment right above a line, or at its end."""
    lines = file.read_text(encoding="utf-8").splitlines()
    start = line - 1
    while start and lines[start - 1].startswith("#"):
        start -= 1
    above = " ".join(text.lstrip("# ") for text in lines[start : line - 1])
    return above or lines[line - 1].partition("  # ")[2]


def _short(code: str, limit: int = 300) -> str:
    return code if len(code) <= limit else f"{code[:limit]} …"


def _place(file: Path, line: int) -> str:
    return f"{file.relative_to(ROOT).as_posix()}:{line}"


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def doc_html(doc: str) -> str:
    """Return a docstring as HTML: paragraphs, and the parts that are named ``Args:``, ``Raises:`` and the like."""
    html = ""
    for block in cleandoc(doc).split("\n\n") if doc else []:
        head, _, rest = block.partition("\n")
        if re.fullmatch(r"[A-Z]\w+:", head) and rest.startswith(" "):
            items = re.split(r"\n(?! )", cleandoc(rest))
            html += tag("p", tag("b", escape(head))) + tag("ul", "".join(tag("li", _marked(item)) for item in items))
        elif block.lstrip().startswith(">>>") or block.startswith("    "):
            html += tag("pre", escape(block))
        else:
            html += tag("p", _marked(block))
    return html


def _marked(text: str) -> str:
    """Names as code, whether in double backticks or as a cross-reference."""
    return re.sub(r"(?::\w+:)?`+([^`]+)`+", r"<code>\1</code>", escape(" ".join(text.split())))


def room_html(name: str) -> str:
    """Return the page of a room."""
    about, entries = room_of(name)
    rows = [[f'<a href="#{entry.name}">{escape(entry.name)}</a>', _marked(entry.summary)] for entry in entries]
    body = tag("p", '<a href="index.html">workbench</a>') + tag("h1", escape(name)) + doc_html(about)
    body += table(["name", "what it does"], rows) + "".join(map(_entry_html, entries))
    return page(body, title=name, lang="en")


def _entry_html(entry: Entry) -> str:
    body = tag("h2", escape(entry.name), id=entry.name) + tag("pre", escape(entry.signature)) + doc_html(entry.doc)
    members = "".join(tag("dt", tag("code", escape(m.signature))) + tag("dd", doc_html(m.doc)) for m in entry.members)
    return body + (tag("dl", members) if members else "") + tag("p", tag("small", escape(entry.file)))


def build(folder: Path) -> list[Path]:
    """Write a page for each room, and one of all of them, to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    rooms = {name: room for name in ROOMS for room in [room_of(name)] if room[1]}
    rows = [
        [f'<a href="{name}.html">{name}</a>', _marked(about.split("\n\n")[0]), ", ".join(e.name for e in entries)]
        for name, (about, entries) in rooms.items()
    ]
    index = tag("h1", "The workbench in Python") + table(["room", "what it is for", "names"], rows)
    pages = {f"{name}.html": room_html(name) for name in rooms}
    pages["index.html"] = page(index, title="The workbench in Python", lang="en")
    for name, content in pages.items():
        (folder / name).write_text(content, encoding="utf-8", newline="\n")
    return sorted(folder / name for name in pages)


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "build/api")
    print(f"{len(build(target))} pages: {target / 'index.html'}")
