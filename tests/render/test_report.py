from __future__ import annotations

import re

import pytest

from tests.render.stripped import Page
from workbench.render import answers_html, report_html, samples_html
from workbench.render.values import (
    AnswerRow,
    Answers,
    Curves,
    NextStep,
    Number,
    Report,
    Sample,
    Scores,
    Setting,
)
from workbench.templates.view import MaskView

EVIL = "<script>alert(1)</script><img src=http://x onerror=y>"
ANSWERS = Answers(
    ("base", "merged"),
    (
        AnswerRow("你是谁？", ("我是 Pocket。", f"我是{EVIL}"), "identity", (False, True)),
        AnswerRow(EVIL, ("", "two\nlines"), "general"),
    ),
)


def full(view: MaskView | None = None) -> Report:
    return Report(
        name=f"小芽{EVIL}",
        author=EVIL,
        verdict="good",
        verdict_text=f"Good {EVIL}",
        learnt=True,
        curves=Curves(
            train=[(1, 2.0), (9, 1.0)], held_out=[(1, 2.1), (9, 1.2)], identity=[(9, 1.0)], verdict_text=EVIL
        ),
        scores=(Scores("base", 0.0, 0.98, 0.0), Scores("best", 0.985, 0.97, 0.0, 6), Scores("last", 1.0, 0.9, 0.04, 9)),
        numbers=(Number("Time", "41", "s", "on two cores"),),
        mask=view,
        answers=ANSWERS,
        samples=(Sample(3, "你是谁？", EVIL), Sample(9, "你是谁？", "我是小芽。")),
        settings=(Setting("learning_rate", "0.002", "", EVIL),),
        versions=(("torch", "2.13"),),
        next_steps=(NextStep("Talk with it.", f"workbench chat {EVIL}"),),
        made="2026-01-02",
    )


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_report_is_one_file_that_reaches_for_nothing_and_runs_nothing_of_others(view: MaskView, lang: str) -> None:
    page = Page(report_html(full(view), lang=lang))
    assert not page.open
    assert not page.of("img") and not page.of("link") and not page.of("iframe")
    assert not [a for _, a in page.tags if set(a) & {"src", "href", "onerror", "srcset", "action"}]
    assert not [a for _, a in page.tags if "url(http" in a.get("style", "") or "//" in a.get("xlink:href", "")]
    assert EVIL in page.text


def test_no_style_of_a_report_fetches_anything(view: MaskView) -> None:
    html = report_html(full(view), lang="en")
    for style in re.findall(r"<style>(.*?)</style>", html, re.DOTALL):
        assert "url(" not in style and "@import" not in style


def test_a_report_says_in_words_whether_the_assistant_has_learnt() -> None:
    learnt, not_learnt = Report("Sprout", learnt=True), Report("Sprout", learnt=False)
    assert "Sprout has learnt who it is." in Page(report_html(learnt, lang="en")).text
    assert "Sprout has not become" in Page(report_html(not_learnt, lang="en")).text
    assert "小芽已经知道自己是谁了。" in Page(report_html(Report("小芽", learnt=True), lang="zh")).text


def test_each_score_is_shown_with_what_it_is_compared_with() -> None:
    words = Page(report_html(full(), lang="en")).text
    assert "98.5%" in words and "base model 0%" in words and "target at least 95%" in words
    assert words.count("✓ target reached") == 3


def test_the_verdict_is_a_sentence_and_stands_once() -> None:
    curves = Curves(train=[(1, 2.0), (9, 1.0)], held_out=[(1, 2.1), (9, 1.2)], verdict="good", verdict_text="good: so")
    words = Page(report_html(Report("Sprout", verdict_text="good: so", learnt=True, curves=curves), lang="en")).text
    assert "Sprout has learnt who it is. Good: so." in words and words.lower().count("good: so") == 1


def test_times_are_a_line_and_no_cards() -> None:
    times = (Number("Data", "2", "s"), Number("Training", "41", "s"))
    page = Page(report_html(Report("Sprout", scores=full().scores, numbers=times), lang="en"))
    assert "Data 2 s · Training 41 s" in page.text
    assert len([a for a in page.of("li") if a.get("class") == "wb-card"]) == 3


def test_on_a_narrow_screen_each_cell_has_its_columns_name() -> None:
    page = Page(report_html(full(), lang="en"))
    labels = {a.get("data-label") for a in page.of("td")}
    assert {"identity", "你是谁？", "base model", "What it does"} <= labels


@pytest.mark.parametrize(("best", "missed"), [(Scores("best", 0.9, 0.98, 0.0), 1), (Scores("best", 0.9, 0.5, 0.5), 3),
                                              (Scores("best", 0.95, 0.931, 0.02), 0)])  # fmt: skip
def test_targets_are_those_of_the_report(best: Scores, missed: int) -> None:
    words = Page(report_html(Report("x", scores=(Scores("base", 0.0, 0.98, 0.0), best)), lang="en")).text
    assert words.count("✗ target not reached") == missed


def test_what_a_report_has_not_got_is_left_out() -> None:
    words = Page(report_html(Report("Sprout"), lang="en")).text
    assert "Sprout" in words
    for heading in ("numbers", "Before and after", "How it was made", "What to do next"):
        assert heading not in words


def test_answers_stand_side_by_side_and_say_by_a_sign_which_are_right() -> None:
    page = Page(answers_html(ANSWERS, lang="en"))
    assert len(page.of("th")) == 3 + 2
    assert "✗ wrong" in page.text and "✓ right" in page.text
    assert "(no answer)" in page.text
    assert [a["data-label"] for a in page.of("td")][:2] == ["base model", "merged model"]


def test_an_unknown_label_is_shown_as_it_is() -> None:
    html = answers_html(Answers(("run <1>",), (AnswerRow("q", ("a",)),)), lang="zh")
    assert "run &lt;1&gt;" in html


def test_samples_show_each_question_as_the_training_went_on() -> None:
    words = Page(samples_html([Sample(9, "q", "new"), Sample(0, "q", "old"), Sample(9, "r", "x")], lang="en")).text
    assert words.index("old") < words.index("new")
    assert "–" in words


def test_many_settings_stand_behind_a_triangle() -> None:
    few = Report("x", settings=tuple(Setting(f"s{i}", "1") for i in range(12)))
    many = Report("x", settings=tuple(Setting(f"s{i}", "1") for i in range(13)))
    assert not Page(report_html(few, lang="en")).of("details")
    page = Page(report_html(many, lang="en"))
    assert len(page.of("details")) == 1
    assert "All 13 settings" in page.text and "s12" in page.text
