"""What cannot be merged is refused in a sentence before anything is written; what is interrupted leaves nothing."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench.errors import BadInput, BadSetting, Failed, OutputExists, WorkbenchError
from workbench.export import convert, merge
from workbench.export.tensors import Writer
from workbench.models import fingerprint
from workbench.models.notes import other_base
from workbench.runs import Run, manifest


def copy(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def assert_nothing_left(tmp_path: Path, *expected: str) -> None:
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(expected)


def test_an_adapter_of_another_base_names_the_first_tensor_and_both_shapes(
    tiny: ModuleType, base: Path, tmp_path: Path
) -> None:
    wide = tiny.save_base(tmp_path / "wide", hidden_size=64)
    adapter = tiny.save_adapter(wide, tmp_path / "adapter")
    with pytest.raises(BadInput) as caught:
        merge(str(base), adapter, tmp_path / "out")
    assert "lora_A.weight" in str(caught.value)
    assert "64×48" in str(caught.value) and "32×48" in str(caught.value)
    assert_nothing_left(tmp_path, "wide", "adapter")


def test_an_adapter_of_a_deeper_base_names_the_missing_tensor(tiny: ModuleType, base: Path, tmp_path: Path) -> None:
    deep = tiny.save_base(tmp_path / "deep", num_hidden_layers=3)
    adapter = tiny.save_adapter(deep, tmp_path / "adapter")
    with pytest.raises(BadInput, match=r"model\.layers\.2\..* does not have"):
        merge(str(base), adapter, tmp_path / "out")


def test_an_adapter_of_other_weights_of_the_same_shapes_is_refused_unless_it_is_meant(
    tiny: ModuleType, base: Path, adapter: Path, tmp_path: Path
) -> None:
    other = tiny.save_base(tmp_path / "other", seed=5)
    noted = convert(adapter, tmp_path / "noted")
    with pytest.raises(BadInput, match="--any-base") as caught:
        merge(str(other), noted, tmp_path / "out")
    assert caught.value.key == "export.other_base" and str(base) in str(caught.value)
    assert_nothing_left(tmp_path, "other", "noted")
    merge(str(copy(base, tmp_path / "moved")), noted, tmp_path / "same")
    merge(str(other), noted, tmp_path / "out", any_base=True)


def test_of_a_checkpoint_the_run_tells_the_base(tiny: ModuleType, base: Path, adapter: Path, tmp_path: Path) -> None:
    other = tiny.save_base(tmp_path / "other", seed=5)
    made = manifest(seed=0, base=str(base), base_fingerprint=fingerprint(str(base)))
    run = Run.create(tmp_path / "run", "model: {}", made)
    checkpoint = copy(adapter, run.path / "checkpoints" / "step-000001")
    with pytest.raises(BadInput, match="--any-base"):
        merge(str(other), checkpoint, tmp_path / "out")
    merge(str(base), checkpoint, tmp_path / "out")


def test_two_hub_ids_are_told_apart_by_their_names_and_an_id_and_a_folder_are_not(base: Path) -> None:
    note = {"base": {"name": "owner/one", "fingerprint": fingerprint("owner/one")}}
    assert other_base(note, "owner/two") and not other_base(note, "owner/one")
    assert not other_base(note, str(base))
    assert not other_base({"base": {"name": str(base), "fingerprint": fingerprint(str(base))}}, "owner/one")


def test_a_zero_adapter_is_refused(tiny: ModuleType, base: Path, tmp_path: Path) -> None:
    adapter = tiny.save_adapter(base, tmp_path / "adapter", strength=0.0)
    with pytest.raises(BadInput, match="changes nothing"):
        merge(str(base), adapter, tmp_path / "out")


def test_numbers_that_are_not_finite_are_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = copy(adapter, tmp_path / "adapter")
    tensors = load_file(broken / "adapter_model.safetensors")
    next(iter(tensors.values()))[0, 0] = float("nan")
    save_file(tensors, broken / "adapter_model.safetensors")
    with pytest.raises(BadInput, match="not finite"):
        merge(str(base), broken, tmp_path / "out")
    assert_nothing_left(tmp_path, "adapter")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"peft_type": "IA3"}, "IA3"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa_niter_4"),
        ({"r": 8}, "rank 4"),
    ],
)
def test_settings_that_cannot_be_merged_are_named(
    tiny: ModuleType, base: Path, adapter: Path, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    changed = copy(adapter, tmp_path / "adapter")
    tiny.edit_json(changed / "adapter_config.json", **change)
    with pytest.raises(BadInput, match=told):
        merge(str(base), changed, tmp_path / "out")


def test_half_an_adapter_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    half = copy(adapter, tmp_path / "adapter")
    tensors = load_file(half / "adapter_model.safetensors")
    gone = next(name for name in tensors if "lora_B" in name)
    save_file({k: v for k, v in tensors.items() if k != gone}, half / "adapter_model.safetensors")
    with pytest.raises(BadInput, match=r"no lora_B for model\.layers\.0"):
        merge(str(base), half, tmp_path / "out")


def test_tensors_under_wrong_names_are_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    wrong = copy(adapter, tmp_path / "adapter")
    tensors = load_file(wrong / "adapter_model.safetensors")
    renamed = {name.replace("lora_A.weight", "lora_A.default.weight"): tensor for name, tensor in tensors.items()}
    save_file(renamed, wrong / "adapter_model.safetensors")
    with pytest.raises(BadInput, match=r"lora_A\.default\.weight"):
        merge(str(base), wrong, tmp_path / "out")


def test_a_pickled_base_and_a_pickled_adapter_are_not_opened(base: Path, adapter: Path, tmp_path: Path) -> None:
    pickled = copy(base, tmp_path / "base")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"pytorch_model\.bin, a pickled file"):
        merge(str(pickled), adapter, tmp_path / "out")
    old = copy(adapter, tmp_path / "adapter")
    (old / "adapter_model.safetensors").rename(old / "adapter_model.bin")
    with pytest.raises(BadInput, match="pickled"):
        merge(str(base), old, tmp_path / "out")


def test_a_quantized_base_is_refused(tiny: ModuleType, base: Path, adapter: Path, tmp_path: Path) -> None:
    quantized = copy(base, tmp_path / "base")
    tiny.edit_json(quantized / "config.json", quantization_config={"quant_method": "bitsandbytes"})
    with pytest.raises(BadInput, match="bitsandbytes"):
        merge(str(quantized), adapter, tmp_path / "out")


@pytest.mark.parametrize("keep", [4, 400, -100])
def test_a_file_cut_short_is_named(base: Path, adapter: Path, tmp_path: Path, keep: int) -> None:
    cut = copy(base, tmp_path / "base")
    file = cut / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(BadInput, match=r"model\.safetensors cannot be read"):
        merge(str(cut), adapter, tmp_path / "out")


def test_an_index_cannot_point_outside_its_folder(base: Path, adapter: Path, tmp_path: Path) -> None:
    sly = copy(base, tmp_path / "base")
    index = '{"weight_map": {"lm_head.weight": "../../secret.safetensors"}}'
    (sly / "model.safetensors.index.json").write_text(index)
    with pytest.raises(BadInput, match="secret"):
        merge(str(sly), adapter, tmp_path / "out")
    (sly / "model.safetensors.index.json").write_text('{"weight_map": {"lm_head.weight": "model-2.safetensors"}}')
    with pytest.raises(BadInput, match=r"model-2\.safetensors, which is not there"):
        merge(str(sly), adapter, tmp_path / "out")


def test_a_full_folder_is_refused_and_only_our_own_is_replaced(base: Path, adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(OutputExists):
            merge(str(base), adapter, out, overwrite=overwrite)
    assert (out / "thesis.txt").read_text() == "years of work"
    (out / "thesis.txt").unlink()
    merge(str(base), adapter, out)  # empty: used
    with pytest.raises(OutputExists, match="--overwrite"):
        merge(str(base), adapter, out)
    (out / "old").touch()
    merge(str(base), adapter, out, overwrite=True)
    assert not (out / "old").exists()
    assert_nothing_left(tmp_path, "out")


def test_what_is_read_is_never_replaced(base: Path, adapter: Path, tmp_path: Path) -> None:
    place = tmp_path / "all"
    own = copy(adapter, place / "adapter")
    (own / "workbench.json").write_text("{}")
    (place / "workbench.json").write_text("{}")
    for out in (own, place):
        with pytest.raises(BadInput, match="which is read"):
            merge(str(base), own, out, overwrite=True)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(BadInput, match="is a file"):
        merge(str(base), adapter, file)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
@pytest.mark.parametrize("before", [False, True])
def test_an_interrupted_merge_leaves_what_was_there(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException, before: bool
) -> None:
    out = tmp_path / "out"
    if before:
        merge(str(base), adapter, out)
        (out / "mine").touch()

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise raised

    with pytest.raises((KeyboardInterrupt, Failed)) as caught:
        merge(str(base), adapter, out, overwrite=True, progress=stop)
    if isinstance(raised, OSError):
        assert "disk ran full" in str(caught.value)
    assert_nothing_left(tmp_path, *(["out"] if before else []))
    assert not before or (out / "mine").exists()


def test_a_full_disk_is_seen_before_anything_is_written(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(Writer, "__enter__", lambda _: pytest.fail("began to write"))
    with pytest.raises(Failed, match="are free"):
        merge(str(base), adapter, tmp_path / "out")


def test_a_folder_that_may_not_be_written_is_named(base: Path, adapter: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(BadInput, match="Not allowed"):
        merge(str(base), adapter, locked / "out")


@pytest.mark.parametrize("given", ["", "2 apples", "12", "0GB", "-1GB", "100KB", "nan"])
def test_a_shard_size_that_is_none_is_refused(base: Path, adapter: Path, tmp_path: Path, given: str) -> None:
    with pytest.raises(BadSetting, match="no size"):
        merge(str(base), adapter, tmp_path / "out", max_shard_size=given)


def test_an_unknown_dtype_names_the_nearest(base: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="bfloat16"):
        merge(str(base), adapter, tmp_path / "out", dtype="bflot16")


def test_no_adapter_there_says_how_to_make_one(base: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="workbench convert"):
        merge(str(base), tmp_path / "nowhere", tmp_path / "out")
