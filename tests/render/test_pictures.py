"""Pictures in galleries and masks: drawn into the page, never fetched; a fault is a sentence in their place."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.data.pictured import png
from workbench.data import Conversation, Message, Picture
from workbench.render import conversations_html, mask_html, mask_text, pictures
from workbench.render.pictures import gallery_html, patches_html, picture_html
from workbench.templates.values import Segment
from workbench.templates.view import MaskGroup, MaskToken, MaskView

RED = Picture('<b>"a".png', data=png())


def test_a_picture_stands_in_the_page_itself() -> None:
    drawn = picture_html(RED, lang="en")
    assert re.fullmatch(r'<img src="data:image/png;base64,[\w+/=]+" alt="[^"<]+" title="[^"<]+">', drawn)


def test_a_file_that_was_changed_is_drawn_anew(tmp_path: Path) -> None:
    (file := tmp_path / "a.png").write_bytes(png("red"))
    before = picture_html(Picture.of(file), lang="en")
    file.write_bytes(png("blue", size=(44, 20)))
    assert picture_html(Picture.of(file), lang="en") != before


def test_of_many_pictures_the_last_ones_are_remembered() -> None:
    for width in range(1, pictures.REMEMBERED + 20):
        picture_html(Picture("a.png", data=png(size=(width, 1))), lang="en")
    assert len(pictures._drawn) == pictures.REMEMBERED


@pytest.mark.parametrize("name", ["b.png", "../a.png", "/etc/passwd", "folder"])
def test_a_picture_that_is_not_there_tells_no_place_of_the_machine(name: str, tmp_path: Path) -> None:
    home = tmp_path / "secret-1f0e" / "uploads"
    (home / "folder").mkdir(parents=True)
    (tmp_path / "secret-1f0e" / "a.png").write_bytes(png())
    missing = Picture(name, str(home))
    for drawn in (picture_html(missing, lang="en"), picture_html(missing, lang="zh"), patches_html(missing, 4)):
        assert "wb-unseen" in drawn and "secret-1f0e" not in drawn and tmp_path.name not in drawn


def test_what_cannot_be_seen_is_said_in_its_place() -> None:
    drawn = picture_html(Picture("a<i>.svg", data=b"<svg/>"), lang="en")
    assert "SVG" in drawn and "<i>" not in drawn and "<img" not in drawn


def test_pictures_stand_where_their_places_are() -> None:
    asked = Message("user", "<image>\nHow many of <image>?", images=(RED,))
    page = conversations_html([Conversation((asked, Message("assistant", "One.")))], lang="en")
    assert page.count("<img") == 1
    assert page.index("<img") < page.index("How many of &lt;image&gt;?")


def test_a_block_of_tokens_opens_to_the_patches() -> None:
    block = patches_html(RED, 36, lang="en")
    assert "36 picture tokens, not trained" in block and "6 × 6" in block and "calc(100%/6)" in block
    assert "7 tokens" in patches_html(RED, 7, lang="en")
    assert "<img" not in patches_html(None, 36, lang="en")
    assert gallery_html(()) == ""


def view() -> MaskView:
    """A view in which four places of a picture stand before a word and its answer."""
    parts = (
        Segment("<image>", "user", "picture", False, True, 0, "user", (9,) * 4),
        Segment("Hi", "user", "content", False, False, 0, "user"),
        Segment("Yo", "assistant", "content", True, False, 1, "answer"),
    )
    tokens = [MaskToken(i, 9, "<image>", 0, "user", "picture", -100, "user", 0, 0) for i in range(4)]
    tokens += [MaskToken(4, 1, "Hi", 1, "user", "content", -100, "user", 1, 0)]
    tokens += [MaskToken(5, 2, "Yo", 2, "assistant", "content", 2, "answer", 2, 1)]
    groups = (MaskGroup("<image>", 0, 4), MaskGroup("Hi", 4, 5), MaskGroup("Yo", 5, 6))
    return MaskView(
        template="x", loss_on="assistant", text="<image>HiYo", tokens=tuple(tokens), groups=groups, segments=parts,
        max_length=None, cut=0, prompt_text="", prompt_ids=(), prompt_is_prefix=True, differs_at=-1, stop_ids=(),
        stop_trained=False, pictures=(RED,),
    )  # fmt: skip


def test_a_mask_shows_one_block_for_a_picture() -> None:
    page = mask_html(view(), lang="en")
    assert page.count('<details class="wb-picture">') == 1
    assert "4 picture tokens, not trained" in page and page.count("data:image/png") == 1


def test_what_opens_stands_in_no_list_of_choices() -> None:
    page = mask_html(view(), lang="en")
    lists = re.findall(r'role="listbox".*?</div>', page, re.DOTALL)
    assert len(lists) == 2 and not any("<details" in one for one in lists)
    assert sum(one.count('role="option"') for one in lists) == page.count('role="option"') == 2


def test_a_terminal_counts_the_places_of_a_picture() -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(mask_text(view(), lang="en"))
    assert "▦×4" in console.export_text()
