"""A wrong setting is refused before anything is loaded, with the right one's name, and no folder is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny as small
from workbench.cli import run as command
from workbench.errors import BadInput, BadSetting, Failed, UnknownName
from workbench.training import load_recipe, train
from workbench.training.assemble import with_adapter
from workbench.training.checks import check_base, check_settings, optimizers
from workbench.training.start import begin


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optim=adamw_trch", "adamw_torch"),
        ("device=cudda", "Here: cpu"),
        ("device=cuda:99", "Here: cpu"),
        ("max_length=100000", "at most 512 tokens"),
        ("target_modules=q_prj", "q_proj"),
        ("target_modules=[q_prj, v_prj]", "q_proj"),
        ("data.format=sharegp", "sharegpt"),
    ],
)
def test_what_cannot_be_is_refused_before_a_folder_is_made(
    tiny: Path, tmp_path: Path, setting: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    recipe = load_recipe("pocket-qlora", small.overrides(tiny, "persona.name=Sprout", setting))
    with pytest.raises(BadInput, match=said):
        begin(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "setting",
    [
        *("optim=lion_32bit", "device=cpu", "device=cuda:1", "target_modules=all-linear", "target_modules=.*q_proj"),
        *("target_modules=[q_proj]", "target_modules=[layers.0.self_attn.q_proj]", "target_modules=lm_head"),
    ],
)
def test_what_can_be_is_not_refused(tiny: Path, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    recipe = load_recipe("pocket-qlora", small.overrides(tiny, setting))
    check_settings(recipe)
    check_base(recipe)


def test_liger_s_kernels_are_asked_for_only_where_they_are(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("pocket-qlora", small.overrides(tiny, "use_liger_kernel=true"))
    monkeypatch.setattr("workbench.training.checks.has_liger", lambda: False)
    with pytest.raises(Failed, match="pip install liger-kernel"):
        check_settings(recipe)
    monkeypatch.setattr("workbench.training.checks.has_liger", lambda: True)
    with pytest.raises(BadSetting, match="on cpu"):
        check_settings(recipe)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    check_settings(load_recipe("pocket-qlora", small.overrides(tiny, "use_liger_kernel=true", "device=cuda")))


def test_a_pattern_that_fits_no_layer_is_refused_when_the_base_is_loaded(tiny: Path) -> None:
    from transformers import AutoModelForCausalLM

    recipe = load_recipe("pocket-lora", small.overrides(tiny, "target_modules=.*q_prj"))
    with pytest.raises(BadInput, match="q_proj"):
        with_adapter(AutoModelForCausalLM.from_pretrained(tiny), recipe, 4)


def test_what_only_the_worker_can_find_exits_with_2_and_leaves_no_folder(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = small.overrides(tiny, "persona.name=Sprout", "max_length=8")
    given = [part for each in settings for part in ("--set", each)]
    assert command(["train", "pocket-lora", "--out", str(tmp_path / "run"), *given]) == 2
    assert "max_length 8" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_hub_id_is_not_looked_into(tmp_path: Path) -> None:
    check_base(load_recipe("pocket-lora", ["model.name=owner/name", "max_length=100000"]))
    with pytest.raises(UnknownName):
        train(load_recipe("pocket-lora", ["model.name=nowhere", "persona.name=Sprout"]), tmp_path / "run")


def test_the_optimizers_are_the_librarys() -> None:
    from transformers.training_args import OptimizerNames

    assert optimizers() == {each.value for each in OptimizerNames}


def test_a_refusal_empties_the_folder_in_which_one_stands_and_leaves_it(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="max_length 8"):
        train(load_recipe("pocket-lora", small.overrides(tiny, "persona.name=Sprout", "max_length=8")), ".")
    assert Path.cwd() == tmp_path and not list(tmp_path.iterdir())


@pytest.mark.parametrize("optim", ["galore_adamw_layerwise", "lomo", "adalomo", "schedule_free_adamw"])
def test_an_optimizer_that_moves_weights_by_itself_is_refused(optim: str) -> None:
    with pytest.raises(BadSetting, match=optim):
        check_settings(load_recipe("pocket-lora", [f"optim={optim}"]))


@pytest.mark.parametrize("optim", ["adamw_8bit", "adamw_torch_8bit"])
def test_zero_shares_out_no_other_optimizer_s_state(optim: str) -> None:
    with pytest.raises(BadSetting, match=optim):
        check_settings(load_recipe("pocket-lora", [f"optim={optim}", "deepspeed=zero2", "quantization=none"]))
