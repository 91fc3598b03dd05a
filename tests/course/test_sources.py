"""The lessons' sources: thirteen a language, with the same code, all their parts, and notebooks made of them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

COURSE = Path(__file__).resolve().parents[2] / "course"
SOURCES = sorted(COURSE.glob("*/[0-9][0-9]-*.md"))
NAMES = sorted({source.name for source in SOURCES})
HEAD = {"lesson", "title", "minutes", "cpu", "gpu", "control"}
# What every lesson has, as its headings of the second level begin.
PARTS = {
    "en": ["What you will be able to do", "Predict", "Run", "Compare", "Explain", "A failure on purpose|Failure on",
           "The same in XTuner", "Check yourself", "Take-away", "Tasks"],
    "zh": ["学完你能", "先猜", "再跑", "对照", "解释", "故意出", "在 XTuner 里", "自测", "要点", "练习"],
}  # fmt: skip
TASKS = {"en": ("**Base task (", "**Stretch task ("), "zh": ("**基础（", "**进阶（")}
CHINESE = re.compile("[\u4e00-\u9fff]")

all_sources = pytest.mark.parametrize("source", SOURCES, ids=lambda path: f"{path.parent.name}/{path.stem}")
all_lessons = pytest.mark.parametrize("name", NAMES)


def code(build: ModuleType, source: Path) -> list[str]:
    return [text for kind, text in build.parts(source)[1] if kind == "python"]


def setups(build: ModuleType, source: Path) -> list[str]:
    return [text for kind, text in build.parts(source)[1] if kind == "setup"]


def predictions(build: ModuleType, source: Path) -> list[dict[str, Any]]:
    return [one for kind, text in build.parts(source)[1] if kind == "predict" for one in build.questions(text)]


def claims(build: ModuleType, source: Path) -> list[str]:
    return [text for kind, text in build.parts(source)[1] if kind == "claim"]


def prose(build: ModuleType, source: Path) -> str:
    return "\n\n".join(text for kind, text in build.parts(source)[1] if kind == "prose")


def quizzes(build: ModuleType, source: Path) -> list[dict[str, Any]]:
    return [one for kind, text in build.parts(source)[1] if kind == "quiz" for one in build.questions(text)]


def test_there_are_the_same_lessons_in_each_language(build: ModuleType) -> None:
    for lang in build.LANGUAGES:
        heads = [build.parts(COURSE / lang / name)[0] for name in NAMES]
        assert [head["lesson"] for head in heads] == [int(name[:2]) for name in NAMES] and len(heads) >= 13


@all_sources
def test_the_head_names_lesson_title_times_and_control(build: ModuleType, source: Path) -> None:
    head = build.parts(source)[0]
    assert set(head) == HEAD
    assert source.name.startswith(f"{head['lesson']:02d}-") and 0 < head["cpu"] < 180


@all_sources
def test_every_part_of_a_lesson_is_there_in_order(build: ModuleType, source: Path) -> None:
    headings = re.findall(r"^## (.+)$", prose(build, source), re.MULTILINE)
    at = [next((i for i, h in enumerate(headings) if re.match(part, h)), -1) for part in PARTS[source.parent.name]]
    assert -1 not in at, dict(zip(PARTS[source.parent.name], at, strict=True))
    assert at[-4:] == sorted(at[-4:]) and at[-1] == len(headings) - 1
    assert at[1] < at[2] < at[3] < at[4], "predict, run, compare, explain"


@all_sources
def test_there_is_a_base_task_and_a_stretch_task(build: ModuleType, source: Path) -> None:
    assert all(prose(build, source).count(task) == 1 for task in TASKS[source.parent.name])


@all_lessons
def test_both_languages_have_the_same_code_but_for_the_first_cell(build: ModuleType, name: str) -> None:
    en, zh = (code(build, COURSE / lang / name) for lang in build.LANGUAGES)
    assert en[1:] == zh[1:]


@all_lessons
def test_both_languages_make_the_same_claims_at_the_same_places(build: ModuleType, name: str) -> None:
    en, zh = (
        [piece for piece in build.parts(COURSE / lang / name)[1] if piece[0] in ("python", "claim")][1:]
        for lang in build.LANGUAGES
    )
    assert en == zh


@all_sources
def test_a_lesson_claims_something_and_each_claim_asserts_it(build: ModuleType, source: Path) -> None:
    made = claims(build, source)
    assert len(made) >= 3
    for claim in made:
        assert any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(ast.parse(claim))), claim


@all_sources
def test_no_claim_is_part_of_a_learners_notebook(build: ModuleType, source: Path) -> None:
    kinds = [[tag for cell in build.notebook(source, claims=shown)["cells"] for tag in cell["metadata"].get("tags", [])]
             for shown in (False, True)]  # fmt: skip
    assert kinds == [[], ["claim"] * len(claims(build, source))]


def same_but_for_texts(one: str, two: str) -> None:
    trees = [ast.parse(one), ast.parse(two)]
    pairs = zip(*([node for node in ast.walk(tree) if isinstance(node, ast.Constant)] for tree in trees), strict=True)
    for en, zh in pairs:
        same = en.value == zh.value or (en.value, zh.value) == ("en", "zh")
        assert same or CHINESE.search(zh.value), (en.value, zh.value)
        en.value = zh.value = ""
    assert ast.dump(trees[0]) == ast.dump(trees[1])


@all_lessons
def test_the_first_cells_and_what_is_folded_differ_in_texts_alone(build: ModuleType, name: str) -> None:
    en, zh = (
        [code(build, path)[0], *setups(build, path)] for path in (COURSE / lang / name for lang in build.LANGUAGES)
    )
    for one, two in zip(en, zh, strict=True):
        same_but_for_texts(one, two)


@all_lessons
def test_both_languages_have_the_same_heads_and_headings(build: ModuleType, name: str) -> None:
    heads = [build.parts(COURSE / lang / name)[0] for lang in build.LANGUAGES]
    assert {**heads[0], "title": ""} == {**heads[1], "title": ""}
    counts = [len(re.findall(r"^## ", prose(build, COURSE / lang / name), re.MULTILINE)) for lang in build.LANGUAGES]
    assert counts[0] == counts[1]


@all_sources
def test_each_question_has_one_right_answer_and_explains_every_answer(build: ModuleType, source: Path) -> None:
    found = quizzes(build, source)
    assert 3 <= len(found) <= 5
    for question in found:
        assert len(question["options"]) >= 3
        assert [bool(o.get("right")) for o in question["options"]].count(True) == 1, question["ask"]
        assert all(len(o["why"]) > 8 and set(o) <= {"say", "why", "right"} for o in question["options"])


def options(build: ModuleType, lang: str) -> list[list[dict[str, Any]]]:
    """The options of every question of the course in one language."""
    spoken = [source for source in SOURCES if source.parent.name == lang]
    return [question["options"] for source in spoken for question in quizzes(build, source)]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_right_answers_stand_evenly_under_all_letters(build: ModuleType, lang: str) -> None:
    rights = [next(at for at, o in enumerate(asked) if o.get("right")) for asked in options(build, lang)]
    assert all(abs(rights.count(letter) - len(rights) / 3) <= len(rights) / 10 for letter in range(3))


@all_sources
def test_the_right_answers_of_a_lesson_stand_under_more_than_one_letter(build: ModuleType, source: Path) -> None:
    rights = [next(at for at, o in enumerate(q["options"]) if o.get("right")) for q in quizzes(build, source)]
    assert len(set(rights)) > 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_right_answer_is_not_known_by_its_length(build: ModuleType, lang: str) -> None:
    asked = options(build, lang)
    lengths = [[(len(o["say"]), bool(o.get("right"))) for o in each] for each in asked]
    longest = [each for each in lengths if max(each)[1] and sorted(each)[-2][0] < max(each)[0]]
    shortest = [each for each in lengths if min(each)[1] and sorted(each)[1][0] > min(each)[0]]
    assert not longest and len(shortest) <= len(asked) / 2


@all_lessons
def test_both_languages_ask_the_same_questions(build: ModuleType, name: str) -> None:
    en, zh = (quizzes(build, COURSE / lang / name) for lang in build.LANGUAGES)
    rights = [[[bool(o.get("right")) for o in q["options"]] for q in found] for found in (en, zh)]
    assert rights[0] == rights[1]


@all_sources
def test_code_cells_are_short_and_can_be_parsed(build: ModuleType, source: Path) -> None:
    cells = code(build, source)
    for cell in [*cells, *setups(build, source), *claims(build, source)]:
        ast.parse(re.sub(r"^%%time\n", "", cell))
    assert max(len(cell.splitlines()) for cell in cells) <= 30


@all_sources
def test_what_is_to_be_guessed_is_shown_only_after_the_guess(build: ModuleType, source: Path) -> None:
    pieces = [(kind, text) for kind, text in build.parts(source)[1] if kind in ("python", "predict")]
    asked = next((at for at, (kind, _) in enumerate(pieces) if kind == "predict"), 0)
    shown = re.compile(r"^wb\.(MaskPanel|show)\((pair|view|answers|seen|wb\.compare)|^print\(", re.MULTILINE)
    assert not [
        text for _, text in pieces[:asked] if re.search(r"^wb\.(MaskPanel|show)\((pair|view)", text, re.MULTILINE)
    ]
    at = next(at for at, (_, text) in enumerate(pieces) if "wb.Compare(" in text)
    waiting = [text for kind, text in pieces[asked : at + 1] if kind == "python" and "wb.Reveal(" in text]
    assert waiting or "wb.Spoiling(" in pieces[0][1]
    assert not shown.search(pieces[at][1])


@all_sources
def test_every_guess_is_compared_and_every_comparison_was_guessed(build: ModuleType, source: Path) -> None:
    lesson, cells = build.parts(source)[0]["lesson"], "\n".join(code(build, source))
    asked = {f"{lesson}.{one['id']}" for one in predictions(build, source)}
    asked |= {"5.step", "5.general"} if "wb.Spoiling(" in cells else set()
    assert asked and asked == set(re.findall(r'wb\.Compare\(\s*"([^"]+)"', cells))
    named = re.findall(r'"(\d+\.[a-z0-9-]+)"', cells)
    assert set(named) <= asked


@all_lessons
def test_both_languages_ask_for_the_same_guesses(build: ModuleType, name: str) -> None:
    def form(one: dict[str, Any]) -> dict[str, Any]:
        return {**one, "ask": "", "choices": len(one.get("choices", []))}

    en, zh = ([form(one) for one in predictions(build, COURSE / lang / name)] for lang in build.LANGUAGES)
    assert en == zh


@all_sources
def test_a_lesson_opens_with_at_most_five_lines_of_code_in_sight(build: ModuleType, source: Path) -> None:
    first = code(build, source)[0].splitlines()
    assert len([line for line in first if line.strip() and not line.strip().startswith("#")]) <= 5
    folded = [cell for cell in build.notebook(source)["cells"] if cell["metadata"].get("jupyter")]
    assert len(folded) == len(setups(build, source)) + len(predictions(build, source)) + 1


@all_sources
def test_a_lesson_ends_with_a_link_to_the_next(build: ModuleType, source: Path) -> None:
    last = "".join(build.notebook(source)["cells"][-1]["source"])
    linked = re.findall(r"\]\(([^)]+)\)", last)
    assert linked and all((source.parent / file).exists() for file in linked)
    following = [name for name in NAMES if name > source.name][:1]
    assert [Path(name).with_suffix(".ipynb").name for name in following] == linked[: len(following)]


@all_sources
def test_whoever_restarts_the_kernel_is_told_to_skip_what_removes_runs(build: ModuleType, source: Path) -> None:
    """A lesson that watches a training in a panel is the one whose runs are worth keeping."""
    parts = build.parts(source)[1]
    removing = [at for at, (kind, cell) in enumerate(parts) if kind == "python" and "rmtree(work" in cell]
    if any(kind == "python" and "wb.TrainPanel(" in cell for kind, cell in parts):
        before = [parts[at - 1] for at in removing]
        assert all(kind == "prose" and re.search(r"kernel restart|重启内核", words) for kind, words in before)


@all_sources
def test_every_control_is_a_word_of_the_lessons_code(build: ModuleType, source: Path) -> None:
    control = build.parts(source)[0]["control"]
    said = "\n".join([*code(build, source), prose(build, source)])
    assert control is None or re.search(rf"\b{re.escape(control)}\b", said)


def test_the_notebooks_are_what_their_sources_say(build: ModuleType) -> None:
    stale = [s.name for s in SOURCES if s.with_suffix(".ipynb").read_text(encoding="utf-8") != build.notebook_text(s)]
    assert not stale, "python course/build.py"


def test_every_notebook_has_its_source() -> None:
    assert {path.with_suffix(".md") for path in COURSE.rglob("*.ipynb")} == set(SOURCES)


@all_sources
def test_no_output_is_stored(source: Path) -> None:
    cells = json.loads(source.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]
    coded = [cell for cell in cells if cell["cell_type"] == "code"]
    assert coded and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in coded)


@all_sources
def test_the_notebook_is_valid(source: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(source.with_suffix(".ipynb"), as_version=4))


def test_every_link_of_the_course_leads_somewhere() -> None:
    link = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
    pages = {page: link.findall(page.read_text(encoding="utf-8")) for page in COURSE.rglob("*.md")}
    links = [(page, to) for page, found in pages.items() for to in found if not to.startswith("http")]
    assert links and not [f"{page.name}: {to}" for page, to in links if not (page.parent / to).exists()]


def test_a_self_check_is_code_that_does_not_tell_the_right_answer(build: ModuleType) -> None:
    options = [{"say": "`<a>`", "why": "w1"}, {"say": "b", "why": "w2", "right": True}]
    made = build.quiz([{"ask": "Q?", "options": options}], 5)
    call = ast.parse(made, mode="eval").body
    assert isinstance(call, ast.Call) and ast.unparse(call.func) == "wb.Quiz"
    lesson, question = (ast.literal_eval(argument) for argument in call.args)
    assert lesson == 5 and question["options"] == {"`<a>`": "w1", "b": "w2"} and "right" not in made
    key_of = pytest.importorskip("workbench.widgets.quiz", exc_type=ImportError).key_of
    assert question["key"] == key_of(5, 1, "b")


def test_a_guess_is_code_that_asks_for_it(build: ModuleType) -> None:
    made = build.predict({"id": "step", "ask": "When?", "slider": [0, 84, 3], "unit": "s"}, 5)
    call = ast.parse(made, mode="eval").body
    assert isinstance(call, ast.Call) and ast.literal_eval(call.args[0]) == "5.step"
    assert {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords} == {
        "slider": (0, 84, 3),
        "unit": "s",
    }


def test_a_fence_that_is_never_closed_is_refused(build: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "00-x.md"
    source.write_text("---\nlesson: 0\n---\n```python\n1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="never closed"):
        build.parts(source)
