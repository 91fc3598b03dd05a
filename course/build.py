"""The lessons' sources to notebooks: ``python course/build.py``; ``--check`` only says what is not up to date.

A source is a Markdown file: YAML between two lines of ``---``, then prose; a fence of ``python`` is a code cell, a
fence of ``quiz`` is a self-check, everything else stays as it is. A fence of ``claim`` asserts what the prose above it
says, from what the lesson's own cells hold; it is no part of the learner's notebook, and the tests run it in its place.
Knows that form; nothing of what the lessons teach. Outputs are never stored, and the same source gives the same bytes.
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
LANGUAGES = ("en", "zh")
FENCE = re.compile(r"^```(python|quiz|claim)\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
# A claim runs in a function, so that nothing it binds can be what a later cell stands on.
CLAIM = "def claim():\n{body}\n\n\nclaim()"

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "# Lesson {lesson}. {title}",
        "time": "**Time:** {minutes} minutes of reading and thinking. The cells compute for about {cpu} seconds on two "
        "cores of a laptop's CPU, and {gpu} seconds on an 8-GB slice of a GPU (an estimate; with *pocket* most of it "
        "is loading).",
        "control": "**The one new control:** `{control}`. All others stay as the lesson sets them.",
        "no_control": "**The one new control:** none; this lesson only looks.",
        "right": "✓ Right.",
        "wrong": "✗ No.",
    },
    "zh": {
        "title": "# 第 {lesson} 课　{title}",
        "time": "**时间**：阅读和思考约 {minutes} 分钟。计算部分：笔记本 CPU 的两个核上约 {cpu} 秒；8 GB 的一份 GPU "
        "上约 {gpu} 秒（估计值；*pocket* 很小，时间大半花在加载上）。",
        "control": "**本课只动一个设置**：`{control}`。其余设置都由课里定好，不用动。",
        "no_control": "**本课只动一个设置**：这一课一个也不动，只看。",
        "right": "✓ 对。",
        "wrong": "✗ 不对。",
    },
}


def main(arguments: list[str]) -> int:
    """Write every notebook, or with ``--check`` name those that are not as their source says; the exit status."""
    stale = []
    for source in sources():
        target, made = source.with_suffix(".ipynb"), notebook_text(source)
        if target.exists() and target.read_text(encoding="utf-8") == made:
            continue
        stale.append(str(target.relative_to(HERE)))
        if "--check" not in arguments:
            target.write_text(made, encoding="utf-8", newline="\n")
    print("\n".join(stale) or "up to date")
    return int("--check" in arguments and bool(stale))


def sources() -> list[Path]:
    """Every lesson of both languages, in order."""
    return [path for lang in LANGUAGES for path in sorted((HERE / lang).glob("[0-9][0-9]-*.md"))]


def parts(source: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What stands at the head of a source, and its pieces in order: (``prose``, ``python``, ``quiz``, ``claim``; text).

    Raises:
        ValueError: no head, or a fence that is never closed.
    """
    text = source.read_text(encoding="utf-8")
    opened, head, body = text.split("---\n", 2) if text.startswith("---\n") else ("x", "", "")
    if opened:
        raise ValueError(f"{source}: begins without ---")
    pieces, at = [], 0
    for found in FENCE.finditer(body):
        pieces += [("prose", body[at : found.start()]), (found[1], found[2])]
        at = found.end()
    pieces.append(("prose", body[at:]))
    if any(re.search(r"^```(python|quiz|claim)", text, re.MULTILINE) for kind, text in pieces if kind == "prose"):
        raise ValueError(f"{source}: a fence is never closed")
    return yaml.safe_load(head), [(kind, text.strip("\n")) for kind, text in pieces if text.strip()]


def notebook_text(source: Path) -> str:
    """The notebook of ``source`` as it stands on the disk."""
    return json.dumps(notebook(source), ensure_ascii=False, indent=1) + "\n"


def notebook(source: Path, *, claims: bool = False) -> dict[str, Any]:
    """The notebook of ``source``, in version 4.5 of the format.

    Args:
        claims: with the cells that assert what the lesson says, tagged ``claim``; a learner's notebook has none.
    """
    head, pieces = parts(source)
    lang = source.parent.name
    cells = [_cell("markdown", opening(head, lang))]
    shown = [piece for piece in pieces if claims or piece[0] != "claim"]
    cells += [_cell(kind, text) for kind, text in _joined(shown, lang)]
    for number, cell in enumerate(cells):
        cell["id"] = f"lesson-{head['lesson']}-{number:02d}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def opening(head: Mapping[str, Any], lang: str) -> str:
    """The first cell: title, time, the lesson's control."""
    words = WORDS[lang]
    control = words["control" if head["control"] else "no_control"]
    return "\n\n".join(line.format(**head) for line in (words["title"], words["time"], control))


def quiz(question: Mapping[str, Any], lang: str) -> str:
    """A self-check as Markdown that works without a kernel: each answer opens to say why it is right or wrong.

    Args:
        question: ``ask``, and ``options``, each with ``say``, ``why`` and, for the right one, ``right: true``.
    """
    lines = [f"**{question['ask']}**", ""]
    for letter, option in zip("ABCDEF", question["options"], strict=False):
        mark = WORDS[lang]["right" if option.get("right") else "wrong"]
        lines += [
            f"<details><summary><b>{letter}.</b> {_inline(option['say'])}</summary>",
            "",
            f"{mark} {option['why'].strip()}",
            "",
            "</details>",
        ]
    return "\n".join(lines)


def questions(text: str) -> list[dict[str, Any]]:
    """The questions of a fence of ``quiz``: a YAML list."""
    loaded = yaml.safe_load(text)
    return loaded if isinstance(loaded, list) else [loaded]


def _joined(pieces: list[tuple[str, str]], lang: str) -> Iterator[tuple[str, str]]:
    """Cells: code as it is; prose and self-checks together, a cell for each heading of the second level."""
    prose: list[str] = []
    for kind, text in [*pieces, ("python", "")]:
        if kind in ("python", "claim"):
            whole = "\n\n".join(prose)
            yield from (("markdown", part.strip()) for part in re.split(r"^(?=## )", whole, flags=re.MULTILINE) if part)
            prose = []
            if text:
                yield "code" if kind == "python" else kind, text
        else:
            prose.append(text if kind == "prose" else "\n\n".join(quiz(one, lang) for one in questions(text)))


def _inline(text: str) -> str:
    """Markdown's code marks as HTML, for where Markdown is not read."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def _cell(kind: str, text: str) -> dict[str, Any]:
    if kind == "claim":
        text = CLAIM.format(body=indent(text, "    "))
    cell: dict[str, Any] = {
        "cell_type": "markdown" if kind == "markdown" else "code",
        "id": "",
        "metadata": {"tags": ["claim"]} if kind == "claim" else {},
        "source": text.splitlines(keepends=True),
    }
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
