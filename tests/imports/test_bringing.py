"""What is brought comes out equal, bit for bit, under the names of those who load it."""

from __future__ import annotations

import json
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from tests.imports.theirs import CONFIG, TINY, lora, save_deepspeed, save_pth, write_adapter
from workbench.cli import run as command
from workbench.errors import BadInput
from workbench.imports import bring
from workbench.imports.deepspeed import together
from workbench.imports.lying import read
from workbench.imports.zips import unpack


def brought(folder: Path, part: str = "adapter") -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(next((folder / part).glob("*.safetensors")))


def plain(weights: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix("llm.").replace(".default", ""): tensor for name, tensor in weights.items()}


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return ours.keys() == theirs.keys() and all(tensor.equal(theirs[name]) for name, tensor in ours.items())


def test_a_work_dir_becomes_a_recipe_and_an_adapter_that_loads(tiny: Path, tmp_path: Path) -> None:
    from workbench.models import load

    work, weights = tmp_path / "work_dirs" / "mine", lora()
    save_pth(work / "iter_2.pth", lora(layers=1))
    save_pth(work / "iter_10.pth", weights, TINY + "lr = 3e-4\n")
    (work / "last_checkpoint").write_text("/group/ft/work_dirs/mine/iter_10.pth")
    (work / "mine.py").write_text(TINY)
    made = bring([work], tmp_path / "out", base=str(tiny))
    assert made.parts == {"adapter": 8} and same(brought(tmp_path / "out"), plain(weights))
    told = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    assert (told["r"], told["lora_alpha"], told["target_modules"]) == (4, 8, ["q_proj", "up_proj"])
    assert made.recipe and made.recipe.optimizer.learning_rate == 3e-4 and made.recipe.model.name == str(tiny)
    table = json.loads((tmp_path / "out" / "import.json").read_text())
    assert {row["kind"] for row in table["rows"]} == {"same", "translated", "left"}
    assert load(str(tiny), adapter=tmp_path / "out" / "adapter", device="cpu").model.peft_config


@pytest.mark.parametrize(("stage", "ranks", "groups"), [(1, 1, 1), (2, 2, 2), (2, 3, 1), (3, 2, 1), (3, 5, 2)])
def test_deepspeeds_parts_are_put_together(tmp_path: Path, stage: int, ranks: int, groups: int) -> None:
    import torch

    weights = lora() | {"llm.base_model.model.lm_head.modules_to_save.default.weight": torch.randn(7, 5)}
    found = together(save_deepspeed(tmp_path / "iter_2.pth", weights, stage=stage, ranks=ranks, groups=groups))
    ours = {name: read(tensor) for name, tensor in found.weights.items()}
    assert same(ours, dict(weights)) and found.masters and found.ranks == ranks


def test_a_process_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = save_deepspeed(tmp_path / "iter_2.pth", lora(), stage=2, ranks=3)
    (folder / "bf16_zero_pp_rank_2_mp_rank_00_optim_states.pt").unlink()
    with pytest.raises(BadInput, match="rank_2_mp_rank_00_optim_states"):
        together(folder)
    for file in folder.glob("*optim_states.pt"):
        file.unlink()
    assert not together(folder).masters


def test_a_pickled_adapter_becomes_safetensors(tmp_path: Path) -> None:
    weights = lora()
    write_adapter(tmp_path / "hf", {name: tensor.half() for name, tensor in weights.items()})
    bring([tmp_path / "hf"], tmp_path / "out")
    assert same(brought(tmp_path / "out"), {name: tensor.half() for name, tensor in plain(weights).items()})
    assert not list((tmp_path / "out").rglob("*.bin"))


@pytest.mark.parametrize("folder", [True, False])
def test_an_adapter_under_other_prefixes_is_the_same_adapter(tmp_path: Path, folder: bool) -> None:
    """Wrapped twice, saved by its layers alone, with the adapter's own name; and PEFT's unused copies beside."""
    weights, prefix = plain(lora()), "base_model.model."
    for number, other in enumerate((2 * prefix, 3 * prefix, "")):
        named = {(other + name.removeprefix(prefix)).replace(".weight", ".default.weight"): tensor
                 for name, tensor in weights.items()}  # fmt: skip
        named[f"{prefix}lm_head.modules_to_save.default.weight"] = next(iter(weights.values()))
        named[f"{prefix}lm_head.original_module.weight"] = next(iter(weights.values()))
        if folder:
            place = tmp_path / f"hf{number}"
            write_adapter(place, named)
        else:
            place = save_pth(tmp_path / f"iter_{number}.pth", {f"llm.{name}": t for name, t in named.items()})
        bring([place], tmp_path / f"out{number}")
        head = {f"{prefix}lm_head.weight": next(iter(weights.values()))}
        assert same(brought(tmp_path / f"out{number}"), {**weights, **head})
        settings = json.loads((tmp_path / f"out{number}" / "adapter" / "adapter_config.json").read_text())
        assert settings["modules_to_save"] == ["lm_head"] and settings["target_modules"] == ["q_proj", "up_proj"]


def test_an_adapter_of_wqkv_is_cut_by_rows_into_the_same_change(tmp_path: Path) -> None:
    import torch

    from tests.internlm import make_internlm2

    base = make_internlm2(tmp_path / "base")
    names = ("attention.wqkv", "attention.wo", "feed_forward.w1")
    shapes = {"attention.wqkv": (128, 64), "attention.wo": (64, 64), "feed_forward.w1": (96, 64)}
    weights: OrderedDict[str, Any] = OrderedDict()
    for layer in range(2):
        for name in names:
            at = f"llm.base_model.model.model.layers.{layer}.{name}"
            weights[f"{at}.lora_A.default.weight"] = torch.randn(4, shapes[name][1])
            weights[f"{at}.lora_B.default.weight"] = torch.randn(shapes[name][0], 4)
    weights["llm.base_model.model.output.lora_A.default.weight"] = torch.randn(4, 64)
    weights["llm.base_model.model.output.lora_B.default.weight"] = torch.randn(480, 4)
    bring([save_pth(tmp_path / "iter_4.pth", weights)], tmp_path / "out", base=str(base))
    ours = brought(tmp_path / "out")
    at, theirs = "base_model.model.model.layers.1", plain(weights)
    change = (theirs[f"{at}.attention.wqkv.lora_B.weight"] @ theirs[f"{at}.attention.wqkv.lora_A.weight"]).reshape(
        2, 4, 16, 64
    )
    wanted = {"q": change[:, :2], "k": change[:, 2], "v": change[:, 3]}
    for letter, rows in wanted.items():
        a, b = (ours[f"{at}.self_attn.{letter}_proj.lora_{part}.weight"] for part in "AB")
        assert torch.equal(b @ a, rows.reshape(-1, 64))
    assert torch.equal(ours["base_model.model.lm_head.lora_B.weight"], theirs["base_model.model.output.lora_B.weight"])
    with pytest.raises(BadInput, match="--base"):
        bring([tmp_path / "iter_4.pth"], tmp_path / "again")


def test_heads_of_128_are_told_without_the_base(tmp_path: Path) -> None:
    import torch

    at = "llm.base_model.model.model.layers.0.attention.wqkv"
    weights = {f"{at}.lora_A.default.weight": torch.randn(2, 512), f"{at}.lora_B.default.weight": torch.randn(1024, 2)}
    bring([save_pth(tmp_path / "iter_4.pth", weights)], tmp_path / "out")
    ours, b = brought(tmp_path / "out"), weights[f"{at}.lora_B.default.weight"]
    key = ours["base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight"]
    assert torch.equal(key, torch.cat([b[256:384], b[768:896]]))


def test_llavas_parts_are_kept_apart(tmp_path: Path) -> None:
    import torch

    tower = "visual_encoder.base_model.model.vision_model.encoder.layers.0.self_attn.q_proj"
    weights = lora() | {f"projector.model.{i}.{kind}": torch.randn(64, *([48] if kind == "weight" else []))
                        for i in (0, 2) for kind in ("weight", "bias")}  # fmt: skip
    weights |= {
        f"{tower}.lora_A.default.weight": torch.randn(4, 48),
        f"{tower}.lora_B.default.weight": torch.randn(48, 4),
    }
    text = TINY.replace("dict(r=4", "None, llm_lora=dict(r=4").replace("lora=None, ", "")
    text = text.replace("))\n", "), visual_encoder_lora=dict(r=4, lora_alpha=16))\n")
    made = bring([save_pth(tmp_path / "iter_4.pth", weights, text)], tmp_path / "out")
    assert made.parts == {"adapter": 8, "projector": 4, "visual_encoder_adapter": 2}
    assert set(brought(tmp_path / "out", "projector")) == {f"model.{i}.{k}" for i in (0, 2) for k in ("weight", "bias")}
    assert list(brought(tmp_path / "out", "visual_encoder_adapter")) == [
        f"base_model.model.vision_model.encoder.layers.0.self_attn.q_proj.lora_{part}.weight" for part in "AB"
    ]


def test_a_whole_model_in_pickles_becomes_one_that_loads(tmp_path: Path) -> None:
    import torch

    from tests.internlm import make_internlm2, read_shards
    from workbench.models import load

    folder = make_internlm2(tmp_path / "base")
    weights = read_shards(folder)
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    made = bring([folder], tmp_path / "out")
    loaded = load(str(tmp_path / "out" / "model"), device="cpu")
    assert made.parts == {"model": len(weights) + 4} and type(loaded.model).__name__ == "LlamaForCausalLM"
    assert torch.equal(loaded.model.lm_head.weight, weights["output.weight"])


def test_a_zip_of_the_whole_is_a_folder(tmp_path: Path) -> None:
    file = save_pth(tmp_path / "w" / "iter_4.pth", lora())
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.write(file, "ft/work_dirs/mine/iter_4.pth")
    assert bring([tmp_path / "all.zip"]).parts == {"adapter": 8}


def test_what_is_wrong_in_a_zip_is_told_by_the_zips_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as out:
        out.writestr("w/iter_4.pth", b"version https://git-lfs.github.com/spec/v1\n")
        out.writestr("w/iter_4.txt", b"")
    with pytest.raises(BadInput) as refused:
        bring([tmp_path / "all.zip"])
    assert str(tmp_path / "all.zip" / "w" / "iter_4.pth") in str(refused.value)
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as out:
        out.writestr("readme", b"x")
    with pytest.raises(BadInput, match=r"none\.zip is known"):
        bring([tmp_path / "none.zip"])


def test_what_of_a_zip_was_not_taken_is_told_by_its_place_in_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as out:
        for step in (4, 8):
            out.write(save_pth(tmp_path / "w" / f"iter_{step}.pth", lora()), f"w/iter_{step}.pth")
    rows = [row.theirs for row in bring([tmp_path / "all.zip"]).rows if row.note == "imports.note.not_taken"]
    assert rows == [str(tmp_path / "all.zip" / "w" / "iter_4.pth")]


@pytest.mark.parametrize("suffix", ["bin", "safetensors"])
def test_a_converted_folders_file_stands_for_the_folder(tmp_path: Path, suffix: str) -> None:
    from safetensors.torch import save_file

    weights = lora()
    write_adapter(tmp_path / "hf", weights)
    save_file(plain(weights), tmp_path / "hf" / "adapter_model.safetensors")
    made = bring([tmp_path / "hf" / f"adapter_model.{suffix}"], tmp_path / "out")
    assert made.parts == {"adapter": 8} and same(brought(tmp_path / "out"), plain(weights))


@pytest.mark.parametrize("name", ["../out.py", "/tmp/out.py", "a/../../b.py", "C:/x.py"])
def test_a_zip_that_would_write_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as out:
        out.writestr(name, "x = 1")
    (tmp_path / "in").mkdir()
    with pytest.raises(BadInput, match="outside"):
        unpack(tmp_path / "bad.zip", tmp_path / "in")
    assert not list((tmp_path / "in").iterdir())


def test_a_zip_that_grows_without_measure_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.py", b"\0" * (64 << 20))
    (tmp_path / "in").mkdir()
    with pytest.raises(BadInput, match="grow"):
        unpack(tmp_path / "bomb.zip", tmp_path / "in")


def test_the_command_tells_the_table_and_writes_nothing_when_dry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.py").write_text(CONFIG, encoding="utf-8")
    assert command(["import", str(tmp_path / "c.py"), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["out"] is None and told["recipe"]["adapter"]["r"] == 64 and len(told["rows"]) > 25
    assert command(["import", str(tmp_path / "c.py")]) == 2
    assert command(["import", str(tmp_path / "nothing"), "--dry-run"]) == 2


def test_xtuners_own_results(shared: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    theirs = shared / "xtuner"
    for name, path in {"sft": "work_dir", "deepspeed": "work_dir"}.items():
        bring([theirs / name / path], tmp_path / name, base=str(theirs / "base_llama"))
    wanted = load_file(theirs / "sft" / "expected_hf_fp32" / "adapter_model.safetensors")
    assert same(brought(tmp_path / "sft"), wanted)
    rounded = load_file(theirs / "deepspeed" / "expected_hf_fp32" / "adapter_model.safetensors")
    assert same(
        {k: v.half().float() for k, v in brought(tmp_path / "deepspeed").items()},
        {k: v.float() for k, v in rounded.items()},
    )
    for file in (theirs / "hostile").iterdir():
        assert command(["import", str(file), "--out", str(tmp_path / "no")]) == 2
    assert not (tmp_path / "no").exists()
