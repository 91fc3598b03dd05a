"""A checkpoint is read without running anything of it, and a hostile one is refused in one sentence."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.imports.theirs import calls, lora, save_pth, zipped
from workbench.errors import BadInput
from workbench.imports.checkpoint import contents
from workbench.imports.lying import read, write


def test_the_tensors_are_those_that_were_saved(tmp_path: Path) -> None:
    import torch

    weights = lora()
    found = contents(save_pth(tmp_path / "iter_4.pth", weights))
    assert found.values["meta.iter"] == 4 and "lora_alpha=8" in found.values["meta.cfg"]
    assert "mmengine.logging.history_buffer.HistoryBuffer" in found.classes
    ours = found.weights()
    assert list(ours) == list(weights) and all(torch.equal(read(ours[name]), weights[name]) for name in weights)


def test_kinds_of_numbers_views_and_shared_storages(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    whole = torch.arange(24.0).reshape(4, 6)
    kinds = {str(kind): torch.arange(5).to(kind) for kind in (torch.bfloat16, torch.float16, torch.int64, torch.bool)}
    weights = {"model.t": whole.T, "model.row": whole[1], "model.cols": whole[:, 2:4], "model.none": torch.zeros(0, 3)}
    weights |= {f"model.{name}": tensor for name, tensor in kinds.items()}
    weights["model.parameter"] = torch.nn.Parameter(torch.ones(2, 2))
    torch.save(weights, tmp_path / "m.bin")
    write(tmp_path / "m.safetensors", contents(tmp_path / "m.bin").weights())
    ours = load_file(tmp_path / "m.safetensors")
    assert ours.keys() == weights.keys() and all(torch.equal(ours[name], weights[name]) for name in weights)


MARK = "import os; open({!r}, 'w').close()"
CALLS: dict[str, tuple[str, str, tuple[Any, ...]]] = {
    "system": ("os", "system", ("touch MARK",)),
    "posix": ("posix", "system", ("touch MARK",)),
    "exec": ("builtins", "exec", ("open('MARK', 'w')",)),
    "eval": ("__builtin__", "eval", ("open('MARK', 'w')",)),
    "open": ("io", "open", ("MARK", "w")),
    "import": ("builtins", "__import__", ("antigravity",)),
    "popen": ("subprocess", "Popen", (["touch", "MARK"],)),
    "torch": ("torch", "load", ("MARK",)),
    "numpy": ("numpy.testing._private.utils", "runstring", ("open('MARK', 'w')", {})),
    "pip": ("pip", "main", (["install", "x"],)),
    "dotted": ("mmengine.logging", "os.system", ("touch MARK",)),
    "near": ("mmengine.utils.path", "mkdir_or_exist", ("MARK",)),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_would_run_something_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    module, function, args = CALLS[name]
    mark = str(tmp_path / "mark")
    args = tuple(arg.replace("MARK", mark) if isinstance(arg, str) else arg for arg in args)
    file = zipped(tmp_path / "bad.pth", calls(module, function, *args))
    with pytest.raises(BadInput) as refused:
        contents(file)
    assert f"{module}.{function}" in str(refused.value) and not Path(mark).exists()


def storage(numel: int, key: str = "0") -> bytes:
    """The opcodes of a float32 storage of ``numel`` numbers."""
    pid = pickle.dumps((0, key, "cpu", numel), 2)[2:-1]
    return b"(" + b"X\x07\x00\x00\x00storage" + b"ctorch\nFloatStorage\n" + pickle.dumps(key, 2)[2:-1] \
        + b"X\x03\x00\x00\x00cpu" + pickle.dumps(numel, 2)[2:-1] + b"tQ" if pid else b""  # fmt: skip


def tensor(numel: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    """A pickle of {"x": a tensor} that says what it likes of itself."""
    rest = b"".join(pickle.dumps(one, 2)[2:-1] for one in (offset, size, stride, False))
    return b"\x80\x02}X\x01\x00\x00\x00xctorch._utils\n_rebuild_tensor_v2\n(" + storage(numel) + rest + b"NtRs."


DATA = {"data/0": struct.pack("<4f", 1, 2, 3, 4)}


def test_such_a_tensor_is_read_where_it_says_the_truth(tmp_path: Path) -> None:
    found = contents(zipped(tmp_path / "m.bin", tensor(4, (2, 2), (2, 1)), DATA))
    assert read(found.weights()["x"]).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "data",
    [
        tensor(5, (5,), (1,)), tensor(4, (2, 3), (3, 1)), tensor(4, (4,), (1,), 1), tensor(4, (1 << 40,), (0,)),
        tensor(4, (2,), (-1,)), tensor(-4, (1,), (1,)), tensor(4, (2, 2), (2,)),
        b"\x80\x02}X\x01\x00\x00\x00x" + storage(4, "../0") + b"s.",
    ],
)  # fmt: skip
def test_a_tensor_that_lies_about_its_place_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadInput):
        contents(zipped(tmp_path / "m.bin", data, DATA))


def nested(depth: int) -> bytes:
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


@pytest.mark.parametrize(
    "data",
    [
        b"", b"garbage", b"\x80\x02}", b"\x80\x02K\x01.", nested(100_000), b"\x80\x02r\xff\xff\xff\xff.",
        b"\x80\x02}q\x00X\x01\x00\x00\x00xh\x00s.", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02(" + b"K\x01" * 10 + b"i" + b"os\nsystem\n.", b"\x80\x02\x82\x01.",
    ],
)  # fmt: skip
def test_a_broken_pickle_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    file = zipped(tmp_path / "m.pth", data)
    try:
        assert not contents(file).tensors
    except BadInput as error:
        assert "m.pth" in str(error)


@pytest.mark.parametrize(
    "content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"\x80\x04}.", b"<html>", b"PK\x03\x04"]
)
def test_what_is_no_checkpoint_is_told_at_sight(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pth").write_bytes(content)
    with pytest.raises(BadInput, match=r"m\.pth"):
        contents(tmp_path / "m.pth")


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    file = save_pth(tmp_path / "iter_4.pth", lora())
    file.write_bytes(file.read_bytes()[:-3000])
    with pytest.raises(BadInput, match=r"iter_4\.pth"):
        contents(file)


def test_a_checkpoint_that_was_packed_again_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="compressed"):
        contents(zipped(tmp_path / "m.bin", tensor(4, (4,), (1,)) + b" " * 200, DATA, compress=True))


def test_the_reader_imports_nothing_but_the_standard_library(root: Path) -> None:
    import ast
    import sys

    source = (root / "workbench" / "imports" / "pickled.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)
    assert "super().find_class" not in source and "import_module" not in source
