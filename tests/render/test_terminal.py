from __future__ import annotations

import io
import re

from rich.cells import cell_len
from rich.console import Console, RenderableType

from workbench.render import answers_table, mask_text, scores_table
from workbench.render.boxes import boxes
from workbench.render.values import AnswerRow, Answers, Scores
from workbench.templates.view import MaskView


def printed(what: RenderableType, width: int = 80, **options: object) -> str:
    out = io.StringIO()
    Console(file=out, width=width, **options).print(what)  # type: ignore[arg-type]
    return out.getvalue()


def test_a_pipe_still_shows_which_tokens_are_trained(view: MaskView) -> None:
    words = re.sub(r"\s+", " ", printed(mask_text(view, lang="en"), width=400))
    inside = "".join(re.findall(r"‹(.*?)›", words)[:-1]).replace("·", "").replace(" ", "")
    assert inside == "".join(box.shown for box in boxes(view) if box.trained)


def test_without_colour_the_same_words_are_printed(view: MaskView) -> None:
    plain = printed(mask_text(view, lang="zh"))
    coloured = printed(mask_text(view, lang="zh"), force_terminal=True, color_system="truecolor")
    assert "\x1b[" not in plain and "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_no_line_is_wider_than_the_terminal(view: MaskView) -> None:
    for width in (30, 47, 80):
        for lang in ("en", "zh"):
            assert max(cell_len(line) for line in printed(mask_text(view, lang=lang), width).split("\n")) <= width


def test_a_line_never_ends_inside_a_token(view: MaskView) -> None:
    words = printed(mask_text(view, lang="en"), width=47)
    assert words.count("<|im_end|>") >= 5


def test_a_persons_words_are_no_markup_and_steer_no_terminal() -> None:
    answers = Answers(("base",), (AnswerRow("[bold]q[/bold]", ("\x1b[2Ja\u202eb",), "identity", (False,)),))
    words = printed(answers_table(answers, lang="en"))
    assert "[bold]q[/bold]" in words
    assert "\x1b[2J" not in words and "␛[2Ja⟨U+202E⟩b" in words
    assert "✗ wrong" in words


def test_scores_stand_beside_each_other() -> None:
    words = printed(scores_table((Scores("base", 0.0, 0.98, 0.0), Scores("best", 0.985, None, 0.0, 60)), lang="en"))
    assert "base model" in words and "98.5%" in words and "60" in words and "–" in words
