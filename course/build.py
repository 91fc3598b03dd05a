"""The lessons' sources to notebooks: ``python course/build.py``; ``--check`` only says what is not up to date, and
``--nbgrader DIR`` writes a course folder of nbgrader's for each language, in which the same lessons are graded.

A source is a Markdown file: YAML between two lines of ``---``, then prose; a fence of ``python`` is a code cell, a
fence of ``python setup`` one that is folded; a fence of ``predict`` asks before something is shown, a fence of ``quiz``
is a self-check: both are YAML here and code cells there, folded; everything else stays as it is. A fence of ``claim``
asserts what the prose above it
says, from what the lesson's own cells hold; it is no part of the learner's notebook, and the tests run it in its place.
Knows that form; nothing of what the lessons teach. Outputs are never stored, and the same source gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from pprint import pformat
from textwrap import indent
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
LANGUAGES = ("en", "zh")
KINDS = ("python", "setup", "predict", "quiz", "claim")
FENCE = re.compile(r"^```(python setup|python|predict|quiz|claim)\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
FOLDED = {"jupyter": {"source_hidden": True}}
WIDTH = 118
# A claim runs in a function, so that nothing it binds can be what a later cell stands on.
CLAIM = "def claim():\n{body}\n\n\nclaim()"
# What nbgrader keeps for itself stands between its two marks. Points: of a claim, and of what is handed in in words.
HIDDEN = "{first}\n### BEGIN HIDDEN TESTS\n{tests}\n### END HIDDEN TESTS"
CLAIM_POINTS, WORDS_POINTS = 1, 6
CHECKED = """from workbench.coursework import QuizTry, answers

entries = answers("my-work")[0]
sum(entry.right for entry in entries if isinstance(entry, QuizTry) and entry.lesson == {lesson})"""

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "# Lesson {lesson}. {title}",
        "time": "**Time:** {minutes} minutes of reading and thinking. The cells compute for about {cpu} seconds on two "
        "cores of a laptop's CPU, and {gpu} seconds on an 8-GB slice of a GPU (an estimate; with *pocket* most of it "
        "is loading).",
        "control": "**The one new control:** `{control}`. All others stay as the lesson sets them.",
        "no_control": "**The one new control:** none; this lesson only looks.",
        "next": "**Next:** [lesson {lesson}, {title}]({file})",
        "before": "**Before:** [lesson {lesson}]({file})",
        "setup": "# What this lesson needs; unfold it to read it.",
        "graded_claim": "# What the lesson says is checked here, with your own numbers.",
        "graded_quiz": "# The self-check above: how many questions you answered rightly at the first try.",
        "graded_words": "*Write here what the task asks you to hand in: your numbers, and your sentence.*",
    },
    "zh": {
        "title": "# 第 {lesson} 课　{title}",
        "time": "**时间**：阅读和思考约 {minutes} 分钟。计算部分：笔记本 CPU 的两个核上约 {cpu} 秒；8 GB 的一份 GPU "
        "上约 {gpu} 秒（估计值；*pocket* 很小，时间大半花在加载上）。",
        "control": "**本课只动一个设置**：`{control}`。其余设置都由课里定好，不用动。",
        "no_control": "**本课只动一个设置**：这一课一个也不动，只看。",
        "next": "**下一课**：[第 {lesson} 课　{title}]({file})",
        "before": "**上一课**：[第 {lesson} 课]({file})",
        "setup": "# 本课要用到的东西；想看就展开。",
        "graded_claim": "# 这里用你自己的数字检查课文里的说法。",
        "graded_quiz": "# 上面的自测：第一次就答对的题数。",
        "graded_words": "*在这里写练习要提交的内容：你的数字和那一句话。*",
    },
}


def main(arguments: list[str]) -> int:
    """Write every notebook, or with ``--check`` name those that are not as their source says; the exit status."""
    if "--nbgrader" in arguments:
        folder = next(iter(arguments[arguments.index("--nbgrader") + 1 :]), "")
        if not folder or folder.startswith("-"):
            print("--nbgrader needs a folder: python course/build.py --nbgrader graded", file=sys.stderr)
            return 2
        print("\n".join(map(str, write_graded(Path(folder)))))
        return 0
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
    """What stands at the head of a source, and its pieces in order: (``prose`` or one of ``KINDS``; text).

    Raises:
        ValueError: no head, or a fence that is never closed.
    """
    text = source.read_text(encoding="utf-8")
    opened, head, body = text.split("---\n", 2) if text.startswith("---\n") else ("x", "", "")
    if opened:
        raise ValueError(f"{source}: begins without ---")
    pieces, at = [], 0
    for found in FENCE.finditer(body):
        pieces += [("prose", body[at : found.start()]), (found[1].split()[-1], found[2])]
        at = found.end()
    pieces.append(("prose", body[at:]))
    if any(
        re.search(r"^```(python|predict|quiz|claim)", text, re.MULTILINE) for kind, text in pieces if kind == "prose"
    ):
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
    cells += [_cell(kind, text) for kind, text in _joined(shown, lang, head["lesson"])]
    cells.append(_cell("markdown", ending(source, lang)))
    for number, cell in enumerate(cells):
        cell["id"] = f"lesson-{head['lesson']}-{number:02d}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def write_graded(folder: Path) -> list[Path]:
    """Write each lesson as an assignment of nbgrader's, ``LANG/source/LESSON/LESSON.ipynb``; the files.

    Raises:
        OSError: they cannot be written.
    """
    files = []
    for source in sources():
        file = folder / source.parent.name / "source" / source.stem / f"{source.stem}.ipynb"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(graded(source), ensure_ascii=False, indent=1) + "\n"
        file.write_text(text, encoding="utf-8", newline="\n")
        files.append(file)
    return files


def graded(source: Path) -> dict[str, Any]:
    """The notebook of ``source`` as a teacher's, with what nbgrader needs to know of its cells.

    What the lesson claims is tested, hidden; the self-check counts a point a question; the task is graded by hand. The
    questions cannot be changed; every other cell is the learner's.
    """
    lang, lesson = source.parent.name, parts(source)[0]["lesson"]
    made = notebook(source, claims=True)
    cells = made["cells"]
    for cell in cells:
        text = "".join(cell["source"])
        if cell["metadata"].get("tags") == ["claim"]:
            _hide(cell, WORDS[lang]["graded_claim"], text, CLAIM_POINTS)
        elif text.startswith(("wb.Quiz(", "wb.Predict(")):
            cell["metadata"] = {**cell["metadata"], "nbgrader": _graded(cell["id"], locked=True)}
    count = sum(len(questions(text)) for kind, text in parts(source)[1] if kind == "quiz")
    number = _cell("python", "")
    _hide(number, WORDS[lang]["graded_quiz"], CHECKED.format(lesson=lesson), count)
    words = _cell("markdown", WORDS[lang]["graded_words"])
    words["metadata"] = {"nbgrader": _graded("", grade=True, solution=True, points=WORDS_POINTS)}
    for cell, name in ((number, "self-check"), (words, "words")):
        cell["id"] = cell["metadata"]["nbgrader"]["grade_id"] = f"lesson-{lesson}-{name}"
    last = cells.pop()
    last["source"] = [re.sub(r"\]\((\d\d-[\w-]+)\.ipynb\)", r"](../\1/\1.ipynb)", line) for line in last["source"]]
    return {**made, "cells": [*cells, number, words, last]}


def _hide(cell: dict[str, Any], first: str, tests: str, points: int) -> None:
    """Make a cell one that nbgrader runs and grades, and whose content the learner's copy does not have."""
    cell["source"] = HIDDEN.format(first=first, tests=tests).splitlines(keepends=True)
    cell["metadata"] = {"nbgrader": _graded(cell["id"], grade=True, locked=True, points=points)}


def _graded(
    name: str, *, grade: bool = False, locked: bool = False, solution: bool = False, points: int | None = None
) -> dict[str, Any]:
    """What nbgrader keeps of a cell, in version 3 of its schema."""
    record = {"schema_version": 3, "grade_id": name, "grade": grade, "locked": locked, "solution": solution}
    return {**record, "task": False, **({} if points is None else {"points": points})}


def opening(head: Mapping[str, Any], lang: str) -> str:
    """The first cell: title, time, the lesson's control."""
    words = WORDS[lang]
    control = words["control" if head["control"] else "no_control"]
    return "\n\n".join(line.format(**head) for line in (words["title"], words["time"], control))


def quiz(asked: list[dict[str, Any]], lesson: int) -> str:
    """The code of a self-check; the right answers are told by their keys alone.

    Args:
        asked: for each question ``ask``, and ``options``, each with ``say``, ``why`` and, for the right one,
            ``right: true``.
    """
    lines = []
    for number, question in enumerate(asked, 1):
        right = next(option["say"] for option in question["options"] if option.get("right"))
        record = {
            "ask": question["ask"],
            "options": {option["say"]: option["why"].strip() for option in question["options"]},
            "key": hashlib.sha256(f"{lesson}.{number}.{right}".encode()).hexdigest()[:8],
        }
        lines.append(indent(pformat(record, width=WIDTH, sort_dicts=False), "    ") + ",")
    return "\n".join([f"wb.Quiz(\n    {lesson},", *lines, ")"])


def predict(question: Mapping[str, Any], lesson: int) -> str:
    """The code that asks what is expected: ``id``, ``ask``, and what :class:`workbench.Predict` takes."""
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in question.items()}
    name, ask = f"{lesson}.{options.pop('id')}", options.pop("ask").strip()
    lines = [repr(name), pformat(ask, width=WIDTH), *(f"{key}={value!r}" for key, value in options.items())]
    return "wb.Predict(\n" + "".join(indent(line, "    ") + ",\n" for line in lines) + ")"


def ending(source: Path, lang: str) -> str:
    """The last cell: where to go on, and where one came from."""
    lessons = [path for path in sources() if path.parent == source.parent]
    place = lessons.index(source) if source in lessons else -1
    near = {"next": lessons[place + 1 : place + 2], "before": lessons[place - 1 : place] if place > 0 else []}
    return "　·　".join(
        WORDS[lang][word].format(file=path.with_suffix(".ipynb").name, **parts(path)[0])
        for word, paths in near.items()
        for path in paths
    )


def questions(text: str) -> list[dict[str, Any]]:
    """The questions of a fence of ``quiz`` or ``predict``: a YAML list."""
    loaded = yaml.safe_load(text)
    return loaded if isinstance(loaded, list) else [loaded]


def _joined(pieces: list[tuple[str, str]], lang: str, lesson: int) -> Iterator[tuple[str, str]]:
    """Cells: code as it is, questions as the code that asks them; prose a cell for each heading of the second level."""
    for kind, text in pieces:
        if kind == "prose":
            yield from (("markdown", part.strip()) for part in re.split(r"^(?=## )", text, flags=re.MULTILINE) if part)
        elif kind == "predict":
            yield from ((kind, predict(one, lesson)) for one in questions(text))
        elif kind == "quiz":
            yield kind, quiz(questions(text), lesson)
        else:
            yield kind, f"{WORDS[lang]['setup']}\n{text}" if kind == "setup" else text


def _cell(kind: str, text: str) -> dict[str, Any]:
    if kind == "claim":
        text = CLAIM.format(body=indent(text, "    "))
    cell: dict[str, Any] = {
        "cell_type": "markdown" if kind == "markdown" else "code",
        "id": "",
        "metadata": {"tags": ["claim"]} if kind == "claim" else FOLDED if kind in ("setup", "predict", "quiz") else {},
        "source": text.splitlines(keepends=True),
    }
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
