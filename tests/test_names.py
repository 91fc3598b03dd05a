"""What a reader meets in every line: names that say what they hold, docstrings that begin with what is done."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "workbench"
# Pocket's build program is a program of its own, run once a base.
FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if PACKAGE / "models" / "pocket" not in file.parents]

# Words that say nothing of what a name holds, and the share of all bound names that they may have.
EMPTY = {
    "found", "made", "told", "said", "one", "at", "given", "known", "held", "kept", "both", "how", "own", "whole",
    "beside", "words", "place", "here", "there", "again", "other", "others", "taken", "left", "done", "asked", "wanted",
}  # fmt: skip
SHARE = 0.02
# With what the docstrings of the house begin; a new verb is added here.
VERBS = {
    "Add", "Answer", "Append", "Ask", "Attend", "Become", "Begin", "Bring", "Build", "Bundle", "Call", "Carry",
    "Change", "Check", "Choose", "Clip", "Clone", "Compare", "Compute", "Convert", "Copy", "Count", "Cut", "Deal",
    "Decide", "Delete", "Describe", "Do", "Draw", "Enable", "Encode", "End", "Fill", "Find", "Follow", "Forbid",
    "Forget", "Gate", "Give", "Go", "Hand", "Hash", "Have", "Hear", "Hold", "Join", "Keep", "Learn", "Leave", "Let",
    "Limit", "List", "Load", "Lock", "Log", "Look", "Make", "Mean", "Measure", "Mend", "Merge", "Mix", "Move", "Name",
    "Normalise", "Note", "Offer", "Open", "Place", "Play", "Print", "Prove", "Push", "Put", "Read", "Refuse",
    "Register", "Remember", "Remove", "Render", "Represent", "Return", "Run", "Save", "Say", "See", "Segment", "Send",
    "Serve", "Set", "Share", "Show", "Signal", "Speak", "Stand", "Start", "Stop", "Sum", "Take", "Talk", "Tell",
    "Train", "Try", "Turn", "Undo", "Unpack", "Wait", "Walk", "Watch", "Wish", "Write", "Yield",
}  # fmt: skip


def bound(tree: ast.Module) -> Iterator[str]:
    """Every name that a file binds: functions, classes, parameters, locals; ``self`` and ``cls`` apart."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg) and node.arg not in {"self", "cls"}:
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """The functions, classes and methods whose names begin with no underscore, wherever they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def test_names_say_what_they_hold() -> None:
    names = [name.strip("_").lower() for file in FILES for name in bound(ast.parse(file.read_text(encoding="utf-8")))]
    empty = Counter(name for name in names if name in EMPTY)
    assert empty.total() / len(names) < SHARE, empty.most_common()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_a_public_docstring_begins_with_a_verb(file: Path) -> None:
    texts = {node.name: ast.get_docstring(node) for node in public(ast.parse(file.read_text(encoding="utf-8")))}
    wrong = {
        name: text.splitlines()[0]
        for name, text in texts.items()
        if text and text.split()[0].strip(",.;:") not in VERBS
    }
    assert not wrong
