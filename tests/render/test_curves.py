from __future__ import annotations

import math
import re
import threading
from itertools import pairwise

import pytest

from tests.render.stripped import Page
from workbench.render import curves as module
from workbench.render import curves_figure, curves_html, curves_png, curves_summary, curves_svg, curves_table, percent
from workbench.render.values import Curves

TRAIN = [(step, 3 * math.exp(-step / 20) + 0.1) for step in range(1, 61)]
HELD_OUT = [(step, 3 * math.exp(-step / 20) + 0.3) for step in range(0, 61, 10)]
FULL = Curves(
    train=TRAIN,
    held_out=HELD_OUT,
    identity=[(0, 0.0), (30, 0.5), (60, 1.0)],
    general=[(0, 0.97), (30, 0.96), (60, 0.95)],
    leak=[(0, 0.0), (60, 0.02)],
    best_step=40,
    verdict="good",
    verdict_text="Good: it knows its name.",
    vocab_size=4096,
)


def lines(figure: object, panel: int) -> list[object]:
    return [line for line in figure.axes[panel].lines if len(line.get_xdata()) > 3]  # type: ignore[attr-defined]


def test_train_is_solid_blue_and_held_out_dashed_vermillion_with_circles_on_one_axis() -> None:
    from workbench.render.palette import BLUE, VERMILLION

    _, train, held_out = lines(curves_figure(FULL, lang="en"), 0)
    assert (train.get_color(), train.get_linestyle()) == (BLUE, "-")
    assert (held_out.get_color(), held_out.get_marker()) == (VERMILLION, "o")
    assert held_out.is_dashed()
    assert train.axes is held_out.axes


def test_only_a_long_training_loss_is_smoothed_and_its_single_steps_stay_visible() -> None:
    noisy = [(step, 1.0 + (-1) ** step) for step in range(1, 101)]
    single, mean, held_out = lines(curves_figure(Curves(train=noisy, held_out=noisy), lang="en"), 0)
    assert list(single.get_ydata()) == list(held_out.get_ydata()) == [value for _, value in noisy]
    assert single.get_linewidth() < mean.get_linewidth()
    assert max(abs(value - 1.0) for value in mean.get_ydata()[3:-3]) < 0.35
    assert len(lines(curves_figure(Curves(train=noisy[:40]), lang="en"), 0)) == 1


def test_the_best_checkpoint_is_a_dotted_line_with_words() -> None:
    axes = curves_figure(FULL, lang="en").axes[0]
    assert any(list(line.get_xdata()) == [40, 40] and line.is_dashed() for line in axes.lines)
    assert any("best: step 40" in text.get_text() for text in axes.texts)


def test_the_gap_is_shaded_where_held_out_is_above_train_and_both_were_measured() -> None:
    (shade,) = curves_figure(FULL, lang="en").axes[0].collections
    corners = shade.get_paths()[0].vertices
    assert corners[:, 0].min() == TRAIN[0][0] and corners[:, 1].max() < HELD_OUT[0][1]
    turned = Curves(train=[(1, 3.0), (10, 2.0), (20, 1.0)], held_out=[(0, 1.5), (20, 1.5)])
    (shade,) = curves_figure(turned, lang="en").axes[0].collections
    assert shade.get_paths()[0].vertices[:, 0].min() == pytest.approx(15)
    below = Curves(train=[(1, 9.0), (20, 4.0)], held_out=[(0, 2.0), (20, 1.0)])
    axes = curves_figure(below, lang="en").axes[0]
    assert not axes.collections and not any("gap" in words.get_text() for words in axes.texts)


def test_each_line_is_named_at_its_end_and_no_two_names_touch() -> None:
    axes = curves_figure(FULL, lang="en").axes[1]
    heights = {t.get_text(): t.get_position()[1] for t in axes.texts if t.get_text() in ("identity", "general", "leak")}
    assert len(heights) == 3
    apart = sorted(heights.values())
    assert all(b - a > 0.09 for a, b in pairwise(apart))


def test_the_verdict_stands_under_the_curves_in_words() -> None:
    assert [t.get_text() for t in curves_figure(FULL, lang="en").texts] == ["Good: it knows its name."]


def test_a_figure_is_no_concern_of_pyplot() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from workbench.render import curves_png; from workbench.render.values import Curves;"
        "curves_png(Curves(train=[(1, 1.0), (2, 0.5)]), lang='en'); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", code], check=True)


@pytest.mark.parametrize("panels", [("loss",), ("scores",), ("loss", "scores")])
def test_a_run_without_points_says_so(panels: tuple[str, ...]) -> None:
    figure = curves_figure(Curves(), lang="en", panels=panels)
    assert all("no points yet" in [t.get_text() for t in axes.texts] for axes in figure.axes)
    assert curves_summary(Curves(), lang="en") == "no points yet"


def test_a_loss_that_is_not_a_number_is_a_gap_and_no_crash() -> None:
    broken = Curves(train=[(1, 2.0), (2, math.nan), (3, math.inf), (4, 1.0)], held_out=[(2, math.nan)])
    assert curves_png(broken, lang="en").startswith(b"\x89PNG")
    assert "nan" in curves_table(broken, lang="en")


def test_a_thousand_steps_stay_a_light_picture() -> None:
    long = Curves(train=[(step, 1 / step) for step in range(1, 20_001)])
    for line in lines(curves_figure(long, lang="en"), 0):
        assert len(line.get_xdata()) <= 801
        assert line.get_xdata()[-1] == 20_000
    assert len(curves_svg(long, lang="en")) < 120_000


def test_svg_keeps_chinese_and_emoji_as_text_whatever_fonts_there_are() -> None:
    curves = Curves(train=TRAIN, verdict_text="很好：“小芽🌱”")
    svg = curves_svg(curves, lang="zh", verdict=True)
    assert ">优化步数</text>" in svg
    assert "小芽🌱" in svg
    assert "Qz" not in svg


def test_svg_follows_the_page_and_reaches_for_nothing() -> None:
    svg = curves_svg(FULL, lang="en")
    assert "var(--wb-blue,#0072B2)" in svg or "var(--wb-blue,#0072b2)" in svg.lower()
    assert "http" not in svg
    assert "<style" not in svg
    assert Page(svg).of("svg")[0]["aria-label"] == curves_summary(FULL, lang="en")


def test_two_svgs_on_one_page_share_no_id_that_means_something_else() -> None:
    ids = [
        set(re.findall(r'id="([^"]+)"', curves_svg(FULL, lang="en", panels=(panel,)))) for panel in ("loss", "scores")
    ]
    clips = [{name for name in found if name.startswith("p")} for found in ids]
    assert clips[0] and not clips[0] & clips[1]


def test_svg_texts_are_escaped() -> None:
    svg = curves_svg(Curves(train=TRAIN, verdict_text="<script>x</script>"), lang="en", verdict=True)
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg


def test_without_a_chinese_font_a_picture_speaks_english_and_warns_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "chinese_font", lambda: "")
    figure = curves_figure(Curves(train=TRAIN, verdict_text="很好 🌱"), lang="zh")
    figure.savefig("/dev/null", format="png")
    assert figure.axes[0].get_xlabel() == "optimizer step"
    assert figure.texts[0].get_text() == "▯▯ ▯"


def test_four_threads_can_draw_at_once() -> None:
    made: list[int] = []
    threads = [threading.Thread(target=lambda: made.append(len(curves_svg(FULL, lang="en")))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4 and len(set(made)) == 1


def test_the_summary_says_where_the_curves_went_with_units_and_a_reference() -> None:
    words = curves_summary(FULL, lang="en")
    assert "nats per token" in words
    assert "4,096 tokens would give 8.32" in words
    assert "step 40" in words
    assert "100%" in words


def test_of_a_single_point_nothing_is_said_to_have_gone_anywhere() -> None:
    first = Curves(train=[(1, 1.93)], held_out=[(0, 6.19)], identity=[(0, 0.0)])
    for lang, words in (
        ("en", ("went", "1.93", "6.19", "0% at step 0")),
        ("zh", ("变为", "1.93", "6.19", "0 步为 0%")),
    ):
        said = curves_summary(first, lang=lang)
        assert words[0] not in said and all(word in said for word in words[1:])


def test_the_numbers_stand_in_a_table_behind_a_disclosure() -> None:
    page = Page(curves_html(FULL, lang="zh"))
    assert len(page.of("details")) == 1
    assert len(page.of("svg")) == 2
    assert "0.950" not in page.text and "95%" in page.text
    assert f"{HELD_OUT[1][1]:.3f}" in page.text


@pytest.mark.parametrize(
    ("share", "written"),
    [(1.0, "100%"), (0.9996, "99.9%"), (0.985, "98.5%"), (0.0, "0%"), (None, "–"), (math.nan, "–"), (0.29, "29%")],
)
def test_a_share_is_never_rounded_up(share: float | None, written: str) -> None:
    assert percent(share) == written


CALLS = Curves(
    train=TRAIN,
    parts={
        "formed": [(0, 0.0), (30, 0.9), (60, 0.95)],
        "tool": [(0, 0.0), (30, 0.8), (60, 0.9)],
        "arguments": [(0, 0.0), (30, 0.5), (60, 0.615)],
        "calls": [(0, 0.0), (30, 0.4), (60, 0.6)],
    },
    best_step=30,
)
PICTURES = Curves(train=TRAIN, parts={"picture": [(0, 0.0), (60, 0.7)], "title": [(0, 0.9), (60, 0.0)]})


def test_the_parts_of_a_calls_score_have_a_panel_and_a_bar_each_at_the_best_checkpoint() -> None:
    html = curves_html(CALLS, lang="en")
    assert html.count('<svg class="wb-plot"') == 2 and "Calls, part by part, at step 30" in html
    shares = re.findall(
        r'<th scope="row">([^<]+)</th><td><meter[^>]*value="([\d.]+)"[^>]*></meter></td><td>([^<]+)<', html
    )
    assert shares == [
        ("well-formed call", "0.9000", "90%"), ("right tool", "0.8000", "80%"),
        ("exact arguments", "0.5000", "50%"), ("right final answer", "0.4000", "40%"),
    ]  # fmt: skip
    assert "The arguments score went from 0% to 61.5% (step 60)." in curves_summary(CALLS, lang="en")
    assert "调用格式正确" in curves_html(CALLS, lang="zh")


def test_titles_fall_and_answers_about_pictures_rise_in_a_panel_of_their_own() -> None:
    html = curves_html(PICTURES, lang="en")
    assert html.count('<svg class="wb-plot"') == 2 and "Questions about pictures" in html and "<meter" not in html
    assert "<td>70%</td>" in curves_table(PICTURES, lang="en")


def test_who_was_asked_for_no_call_sees_no_panel_of_calls() -> None:
    assert curves_html(FULL, lang="en").count('<svg class="wb-plot"') == 2 and "<meter" not in curves_html(FULL)
