"""Every page as a reader sees it: the lessons, the READMEs and the texts, rendered; no mark of Markdown is left in the
words, and no English in the Chinese."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("README*.md"),
        *(ROOT / "course").rglob("*.ipynb"),
        ROOT / "course" / "README.md",
        *(ROOT / "course").glob("*/instructor.md"),
        *ROOT.glob("workbench/**/README.md"),
        *ROOT.glob("datasets/**/*.md"),
    ]
)
TEXTS = sorted((ROOT / "workbench" / "texts").glob("*/*.yaml"))
LEFT = re.compile(r"\*\*|__(?=\S)|(?<!`)`(?!`)|(?<=[\u3400-\u9fff])\*|\*(?=[\u3400-\u9fff])")
# Four words in a row are a sentence; names of products, menus and licences have fewer, or stand in code.
ENGLISH = re.compile(r"(?:\b[A-Za-z][a-z']+[ ,]+){3,}[A-Za-z][a-z']+")
# Commands, and the questions of the bilingual demonstrations: English whatever the language of the page.
CITED = (
    "workbench ",
    "apt install ",
    "What is the capital of France",
    "The capital of France is Paris",
    "What is the opposite of hot",
    "What is your name, and who made you",
)

CHINESE_PAGES = [page for page in PAGES if page.parent.name == "zh" or ".zh" in page.name]
CHINESE_TEXTS = [page for page in TEXTS if page.parent.name == "zh"]

render = MarkdownIt("commonmark").enable("table")
all_pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
all_texts = pytest.mark.parametrize("page", TEXTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
chinese_pages = pytest.mark.parametrize("page", CHINESE_PAGES, ids=lambda path: str(path.relative_to(ROOT)))
chinese_texts = pytest.mark.parametrize("page", CHINESE_TEXTS, ids=lambda path: path.stem)


def sources(page: Path) -> list[str]:
    """The Markdown of ``page``: one piece, or one for each cell that is no code."""
    whole = re.sub(r"\A---\n.*?^---\n", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    if page.suffix != ".ipynb":
        return [whole]
    return ["".join(cell["source"]) for cell in json.loads(whole)["cells"] if cell["cell_type"] == "markdown"]


def inlines(tokens: list[Token]) -> Iterator[Token]:
    return (token for token in tokens if token.type == "inline")


def words(markdown: str) -> list[str]:
    """What is read as words: one string for each paragraph, heading, item or cell of a table, without its code."""
    blocks = []
    for token in inlines(render.parse(markdown)):
        coded = ("code_inline", "html_inline")
        blocks.append("".join(" " if child.type in coded else child.content for child in token.children or []))
    return blocks


def html(markdown: str) -> list[str]:
    """The words of blocks of HTML, of which a self-check is made."""
    blocks = [token.content for token in render.parse(markdown) if token.type == "html_block"]
    return [re.sub(r"<code>.*?</code>|<[^>]+>", " ", block) for block in blocks]


def leaves(node: Any) -> Iterator[str]:
    """Every string in a file of texts."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from leaves(child)


def english(text: str) -> list[str]:
    """The runs of English words in ``text``, but for what is cited."""
    runs = [run[0] for run in ENGLISH.finditer(re.sub(r"`[^`]*`|\{[^}]*\}", " 。 ", text))]
    return [run for run in runs if not run.startswith(CITED)]


@all_pages
def test_no_mark_is_left_in_the_words_of_a_page(page: Path) -> None:
    shown = [block for piece in sources(page) for block in [*words(piece), *html(piece)]]
    assert shown and not [block for block in shown if LEFT.search(block)]


@all_texts
def test_no_text_holds_marks_of_markdown(page: Path) -> None:
    texts = list(leaves(yaml.safe_load(page.read_text(encoding="utf-8"))))
    assert texts and not [text for text in texts if "**" in text]


@chinese_pages
def test_no_english_is_left_in_a_chinese_page(page: Path) -> None:
    shown = [block for piece in sources(page) for block in [*words(piece), *html(piece)]]
    assert not [run for block in shown for run in english(block)]


@chinese_texts
def test_no_english_is_left_in_a_chinese_text(page: Path) -> None:
    assert not [run for text in leaves(yaml.safe_load(page.read_text(encoding="utf-8"))) for run in english(text)]


@chinese_pages
def test_what_a_chinese_page_shows_as_output_is_chinese(page: Path) -> None:
    """A fence without a language is what a command or a cell prints."""
    tokens = [token for piece in sources(page) for token in render.parse(piece)]
    printed = [token.content for token in tokens if token.type == "fence" and not token.info]
    assert not [run for block in printed for run in english(block)]


@pytest.mark.parametrize(
    ("markdown", "left"),
    [("用文本**，每个**词元", True), ("用文本，**每个**词元", False), ("A `code` and **bold**", False), ("a `b", True)],
)
def test_a_mark_that_is_not_rendered_is_found(markdown: str, left: bool) -> None:
    assert any(LEFT.search(block) for block in words(markdown)) is left


def test_english_between_chinese_is_found() -> None:
    assert english("这里 you can see the answer 就好") and not english("用 `you can see the answer`，或者 Kernel 菜单")
