"""What ``workbench doctor`` makes of a machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests import tiny as small
from workbench.cli import run as command
from workbench.cli.doctor import EXTRAS, GIB, NEEDED, Check, _fits, _looked, as_record, examine
from workbench.models.forecast import Forecast, Remedy
from workbench.models.machine import FourBit, Gpu, Machine, Processor
from workbench.models.work import Work
from workbench.training import load_recipe
from workbench.training.forecast import Outlook

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


def outlook(free: int) -> Outlook:
    needed = Forecast(4 * GIB, GIB, GIB, 2 * GIB, 3 * GIB, GIB, 0, 10, 5)
    lower = () if free > 14 * GIB else (Remedy(("model.quantization=nf4",), 9 * GIB),)
    return Outlook(Work("a-model", rows=4, length=512), needed, free, "cpu", lower)


def test_a_recipe_that_fits_is_well_and_one_that_does_not_is_a_problem() -> None:
    assert _fits("r", outlook(20 * GIB)).state == "ok"
    large = _fits("r", outlook(10 * GIB))
    assert large.state == "problem"
    assert "12.0 GiB" in large.message and "10.0 GiB" in large.message


def test_programs_get_a_recipes_memory_in_bytes_and_what_to_lower() -> None:
    told = as_record(LAPTOP, ALL, [], outlook(10 * GIB))["forecast"]
    assert told["needed"]["total"] == 12 * GIB and told["fits"] is False
    assert told["lower"] == [{"settings": ("model.quantization=nf4",), "total": 9 * GIB}]
    assert "forecast" not in as_record(LAPTOP, ALL, [])


@pytest.mark.parametrize(
    ("setting", "said"), [("device=cudda", "Here: cpu"), ("target_modules=q_prj", "q_proj"), ("optim=x", "optimizer")]
)
def test_a_recipe_that_cannot_be_is_refused_in_a_sentence(
    setting: str, said: str, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = small.overrides(tiny, setting)
    assert command(["doctor", "pocket-qlora", *(part for each in settings for part in ("--set", each))]) == 2
    assert said in capsys.readouterr().err


def test_a_setting_without_a_recipe_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["doctor", "--set", "r=8"]) == 2
    assert "no recipe" in capsys.readouterr().err


def test_a_model_that_cannot_be_reckoned_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(recipe: object) -> Outlook:
        raise NotImplementedError("no such kernel")

    monkeypatch.setattr("workbench.training.forecast.outlook", fails)
    seen, checks = _looked("r", load_recipe("pocket-qlora"))
    assert seen is None and [check.state for check in checks] == ["note"]
    assert "no such kernel" in checks[0].message
