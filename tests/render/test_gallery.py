"""All runs on one plot, each by its own line, and nothing of theirs becomes markup."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.render.stripped import Page
from workbench.render.frame import Frame
from workbench.render.gallery import gallery_html, gallery_page
from workbench.render.theatre import inside, theatre_html
from workbench.runs.gallery import Exhibit, Gallery
from workbench.runs.recording import Answered, Recording
from workbench.runs.remarks import Remarks
from workbench.texts import lookup
from workbench.training import Recipe

EVIL = "</script><img src=x onerror=alert(1)>"


def exhibit(name: str, loss: float, **settings: str) -> Exhibit:
    series = {"train": ((1, 3.0), (8, loss)), "held_out": ((0, 3.1), (8, loss)), "identity": ((0, 0.0), (8, 1.0))}
    answered = (Answered(EVIL, "strange kind", ((0, "a"), (8, EVIL))),)
    return Exhibit(Recording(name, series, answered, {8: "newer word"}, 8), settings, "ended", Remarks(EVIL, True))


def test_each_run_has_a_line_of_its_own_in_each_plot() -> None:
    html = gallery_html(Gallery(tuple(exhibit(f"run {n}", 1.0 + n / 10) for n in range(16))), alive=False, lang="en")
    groups = [a for a in Page(html).of("g") if a.get("class") == "wb-line"]
    assert len(groups) == 32  # losses and identity
    assert len({(g["style"], g.get("stroke-dasharray")) for g in groups}) == 16


def test_a_run_without_held_out_rows_shows_its_training_loss() -> None:
    bare = Exhibit(Recording("bare", {"train": ((1, 2.0), (2, 1.0))}))
    html = gallery_html(Gallery((bare,)), alive=False, lang="en")
    assert html.count("<polyline") == 1 and html.count("<figure>") == 1


def test_the_words_at_the_best_step_lie_over_no_curve() -> None:
    """A score of 100 % runs along the top, where they would stand first."""
    flat = {"identity": ((0, 0.0), (4, 1.0), (8, 1.0)), "general": ((0, 1.0), (8, 0.97))}
    loss = {"train": ((1, 3.0), (8, 0.5)), "held_out": ((0, 3.1), (8, 0.6))}
    html = theatre_html([Recording("run", {**loss, **flat}, (), {}, 8)], lang="en")
    frame = Frame(8, 1.0, width=480)
    for drawing in html.split("<svg")[1:]:
        words = re.search(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="end">best: step 8<', drawing)
        assert words is not None
        middle = float(words[2]) - 4
        for line in re.findall(r'<polyline points="([^"]+)"', drawing):
            points = [tuple(map(float, point.split(","))) for point in line.split()]
            near = [height for place, height in points if place >= frame.x(8) - 110]
            assert all(abs(middle - height) >= 10 for height in near)


def test_no_level_of_the_headings_is_left_out() -> None:
    levels = Page(gallery_page(Gallery((exhibit("a", 1.0), exhibit("b", 2.0))), lang="en")).levels()
    assert levels[0] == 1 and len(levels) >= 3
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_a_setting_that_is_none_is_a_dash() -> None:
    two = Gallery((exhibit("a", 1.0, **{"data.train": "null"}), exhibit("b", 2.0, **{"data.train": "rows.jsonl"})))
    html = gallery_html(two, alive=False, lang="en")
    assert "null" not in html and "rows.jsonl" in html


def test_settings_that_differ_have_a_column_and_runs_alike_say_so() -> None:
    two = Gallery((exhibit("a", 1.0, **{"optimizer.learning_rate": "0.1"}), exhibit("b", 2.0)))
    assert (
        gallery_html(two, lang="en").count('How large each step is <code class="wb-setting">learning_rate</code>') == 2
    )
    alike = gallery_html(Gallery((exhibit("a", 1.0), exhibit("b", 2.0))), lang="zh")
    assert "这几次训练的设置完全相同" in alike


def test_a_setting_without_words_is_shown_by_its_whole_name() -> None:
    names = ("persona.name", "model.name", f"later.{EVIL}", "odd", "model")
    two = Gallery((exhibit("a", 1.0, **dict.fromkeys(names, "1")), exhibit("b", 2.0)))
    html = gallery_html(two, alive=False, lang="zh")
    for heading in (
        '名字 <code class="wb-setting">name',
        '基座 <code class="wb-setting">name',
        ">later.&lt;/",
        ">odd<",
        ">model<",
    ):
        assert html.count(heading) == 2


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_words_of_the_settings_are_those_of_a_recipe_and_of_the_panels(lang: str) -> None:
    panels = lookup("widgets.train.names", lang)
    for group, names in lookup("render.gallery.settings", lang).items():
        known = Recipe.model_fields[group].annotation.model_fields
        assert set(names) <= set(known)
        for name in set(names) & set(panels) - {"name", "author"}:
            assert names[name] == panels[name]


def test_nothing_of_a_run_becomes_markup_and_no_script_but_ours_runs() -> None:
    page = Page(gallery_page(Gallery((exhibit(EVIL, 1.0),), (EVIL,)), lang="en"))
    assert not page.of("img")
    scripts = page.of("script")
    assert [s.get("type") for s in scripts].count("application/json") == 1


def test_what_came_of_a_run_stands_before_what_was_set() -> None:
    two = Gallery((exhibit("a", 1.0, **{"optimizer.learning_rate": "0.1"}), exhibit("b", 2.0)))
    head = gallery_html(two, lang="en").partition("</thead>")[0]
    assert head.index("verdict") < head.index("learning_rate")


def test_names_at_the_top_of_a_plot_stay_inside_it() -> None:
    frame = Frame(8, 1.0)
    heights = inside([frame.above - 6.5, frame.above + 6.5], frame, 13.0)
    assert heights == [frame.above, frame.above + 13.0]
    scores = {"identity": ((0, 1.0), (8, 1.0)), "general": ((0, 1.0), (8, 1.0))}
    names = [
        a for a in Page(theatre_html([Recording("a", scores)], lang="zh")).of("text") if a.get("class") == "wb-end"
    ]
    assert len(names) == 2 and all(float(name["y"]) >= frame.above for name in names)


def test_the_replay_chooses_a_run_by_its_number() -> None:
    html = gallery_html(Gallery((exhibit("a", 1.0), exhibit("b", 2.0))), lang="zh")
    assert html.count('class="wb-knob"') == 1 and "第几次训练" in html
