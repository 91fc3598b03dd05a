"""The one line of a library's error that a person reads."""

from __future__ import annotations

from workbench.models.translating import first_line


def test_a_line_that_only_announces_the_reason_brings_it_along() -> None:
    error = ValueError(
        "Validation error for field 'hidden_size':\n    Field 'hidden_size' expected int, got str\n\nmore"
    )
    assert first_line(error) == "Validation error for field 'hidden_size': Field 'hidden_size' expected int, got str"


def test_what_stands_behind_the_first_line_is_left_out() -> None:
    assert first_line(RuntimeError("\nthe weights do not fit\n  at layer 3")) == "the weights do not fit"


def test_an_error_without_words_is_told_by_its_name() -> None:
    assert first_line(ValueError("  ")) == "ValueError"
    assert first_line(KeyError("w")) == "KeyError 'w'"
