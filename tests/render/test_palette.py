from __future__ import annotations

import re

import pytest

from workbench.render import palette

GROUNDS = ("#ffffff", "#111111")


@pytest.mark.parametrize("colour", [palette.BLUE, palette.VERMILLION, palette.GREEN, palette.PURPLE])
@pytest.mark.parametrize("ground", GROUNDS)
def test_each_colour_stands_out_from_white_and_from_111(colour: str, ground: str) -> None:
    assert palette.contrast(colour, ground) >= 3


def test_contrast_is_that_of_wcag() -> None:
    assert palette.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert palette.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("ink", "ground"), [("fg", "bg"), ("soft", "bg"), ("fg", "panel"), ("soft", "panel"),
                                             ("fg", "trained"), ("bg", "soft"), ("bg", "fg")])  # fmt: skip
def test_text_can_be_read_on_every_ground_that_it_stands_on(dark: bool, ink: str, ground: str) -> None:
    tones = palette.tones(dark)
    assert palette.contrast(tones[ink], tones[ground]) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_a_trained_box_stands_out_from_the_page(dark: bool) -> None:
    tones = palette.tones(dark)
    assert palette.contrast(tones["blue"], tones["bg"]) >= 3


def test_light_and_dark_define_the_same_variables() -> None:
    assert palette.LIGHT.keys() == palette.DARK.keys()
    css = palette.css()
    assert all(css.count(f"--wb-{name}:") >= 4 for name in palette.LIGHT)


def test_every_variable_that_our_styles_use_is_defined(root: object) -> None:
    from workbench.render.markup import static

    used = {
        name for file in ("base.css", "mask.css", "report.css") for name in re.findall(r"var\(--wb-(\w+)", static(file))
    }
    assert used <= palette.LIGHT.keys()
