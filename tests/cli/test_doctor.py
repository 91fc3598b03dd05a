"""What ``workbench doctor`` makes of a machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.cli.doctor import EXTRAS, GIB, NEEDED, Check, as_record, examine
from workbench.models.machine import FourBit, Gpu, Machine, Processor

FINE = FourBit(True, True, False)
LAPTOP = Machine("Linux", "3.11", Processor("a processor", 2, ("avx2",)), 16 * GIB, 8 * GIB, 50 * GIB, (), FINE)
ALL = dict.fromkeys([*NEEDED, *(name for names in EXTRAS.values() for name in names)], "1.0")


def states(found: Machine, installed: dict[str, str | None] = ALL, font: str = "Noto") -> dict[str, str]:  # type: ignore[assignment]
    return {check.name: check.state for check in examine(found, installed, font)}


def message(name: str, checks: list[Check]) -> str:
    return next(check.message for check in checks if check.name == name)


def test_a_laptop_without_a_gpu_has_no_problem() -> None:
    assert "problem" not in states(LAPTOP).values()
    assert states(LAPTOP)["gpu"] == "note"


@pytest.mark.parametrize("tried", [FourBit(False, False, False, "no kernel"), FourBit(True, False, False)])
def test_a_4_bit_step_that_goes_wrong_is_a_problem(tried: FourBit) -> None:
    assert states(replace(LAPTOP, four_bit=tried))["four_bit"] == "problem"
    assert not as_record(LAPTOP, ALL, examine(replace(LAPTOP, four_bit=tried), ALL, ""))["ok"]


def test_the_defect_that_is_mended_is_told_and_is_no_problem() -> None:
    checks = examine(replace(LAPTOP, four_bit=FourBit(True, True, True)), ALL, "")
    assert "prevents it" in message("four_bit", checks)


def test_a_missing_library_is_a_problem_and_is_named() -> None:
    checks = examine(LAPTOP, ALL | {"peft": None}, "")
    assert "peft" in message("packages", checks)
    assert checks[0].state == "problem"


@pytest.mark.parametrize("lacking", [{"memory_free": GIB}, {"disk_free": GIB}])
def test_little_room_is_told(lacking: dict[str, int]) -> None:
    name = next(iter(lacking)).removesuffix("_free")
    assert states(replace(LAPTOP, **lacking))[name] == "note"  # type: ignore[arg-type]


def test_no_chinese_font_is_told() -> None:
    assert states(LAPTOP, font="")["font"] == "note"


def test_deepspeed_is_asked_for_only_where_it_can_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    gpu = Gpu("a card", 24 * GIB, 20 * GIB, True)
    without = ALL | {"deepspeed": None}
    assert "not needed" in message("deepspeed", examine(replace(LAPTOP, gpus=(gpu,)), without, ""))
    assert "[deepspeed]" in message("deepspeed", examine(replace(LAPTOP, gpus=(gpu, gpu)), without, ""))
