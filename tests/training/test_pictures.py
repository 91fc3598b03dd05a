"""What is trained of a model that sees: the projector, and the layers that are meant, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.seeing import make_tower
from workbench.data.drawn import questions, titles
from workbench.errors import BadSetting
from workbench.models import load
from workbench.models.batches import pad, summed_loss
from workbench.models.quick import quick_pass
from workbench.templates import encode
from workbench.training import load_recipe
from workbench.training.assemble import with_adapter
from workbench.training.checks import check_settings
from workbench.training.data import conversations
from workbench.training.execution import packs
from workbench.training.optimizers import parameter_groups

STAGES = ("pretrain", "finetune")


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tower(tmp_path_factory.mktemp("tower"))


def adapted(tower: Path, name: str, *more: str) -> Any:
    """A base that sees with what the shipped recipe ``name`` trains of it."""
    recipe = load_recipe(name, [f"vision.tower={tower}", *more])
    loaded = load(recipe.base, device="cpu")
    loaded.model = with_adapter(loaded.model, recipe, 10)
    return loaded


def trained(model: Any) -> dict[str, Any]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def test_the_first_stage_trains_four_tensors(tower: Path) -> None:
    names = trained(adapted(tower, "pocket-llava-pretrain").model)
    assert len(names) == 4
    assert all("multi_modal_projector.modules_to_save" in name for name in names)


def test_the_second_stage_leaves_the_tower_alone(tower: Path) -> None:
    names = trained(adapted(tower, "pocket-llava-finetune").model)
    assert sum("lora_" in name for name in names) == 56
    assert all("language_model" in name for name in names if "lora_" in name)
    assert sum("multi_modal_projector" in name for name in names) == 4


def test_of_the_tower_only_layers_that_are_read_are_trained(tower: Path) -> None:
    names = trained(adapted(tower, "pocket-llava-finetune", "vision.tower_lora_r=2").model)
    eyes = {name: p for name, p in names.items() if "vision_tower" in name}
    assert {name.split(".layers.")[1][0] for name in eyes} == {"0", "1"}
    assert {min(p.shape) for p in eyes.values()} == {2}


@pytest.mark.parametrize("name", ["pocket-llava-pretrain", "pocket-llava-finetune"])
def test_the_quick_pass_has_the_library_s_loss_and_gradients(tower: Path, name: str) -> None:
    import torch

    loaded = adapted(tower, name)
    torch.manual_seed(0)
    with torch.no_grad():
        for key, weight in loaded.model.named_parameters():
            if "lora_B" in key:
                weight.copy_(torch.randn_like(weight) * 0.05)
    rows = encode([*questions(3), *titles(2)], loaded.tokenizer).examples
    batch, quick = pad(rows, loaded.eyes), quick_pass(loaded.model)
    assert quick is not None and quick.takes(batch)
    found = []
    for way in (quick, lambda b: summed_loss(loaded.model, b)):
        loaded.model.zero_grad()
        loss, count = way(batch)
        loss.backward()
        found.append((float(loss.detach()), count, {n: p.grad.clone() for n, p in trained(loaded.model).items()}))
    (ours, n, grads), (theirs, m, expected) = found
    assert n == m and ours == pytest.approx(theirs, rel=1e-4)
    for key, gradient in expected.items():
        torch.testing.assert_close(grads[key], gradient, rtol=2e-3, atol=2e-4)
        assert bool(gradient.any()) or "lora_A" in key or "lora_B" in key
    assert all(bool(grads[key].any()) for key in grads if "multi_modal_projector" in key)


def test_a_batch_of_text_alone_reaches_the_projector_too(tower: Path) -> None:
    """Processes that train together would wait for its gradient without end."""
    from workbench.data.conversation import ask

    loaded = adapted(tower, "pocket-llava-finetune")
    batch = pad(encode([ask("Hi", "Hello.")], loaded.tokenizer).examples, loaded.eyes)
    loss, _ = summed_loss(loaded.model, batch)
    loss.backward()
    gradients = [p.grad for name, p in trained(loaded.model).items() if "multi_modal_projector" in name]
    assert len(gradients) == 4 and all(g is not None and not bool(g.any()) for g in gradients)


TOGETHER = """
import sys
import torch
import torch.distributed as dist
from workbench.data.conversation import ask
from workbench.data.drawn import questions
from workbench.models import load
from workbench.models.batches import pad, summed_loss
from workbench.templates import encode
from workbench.training import load_recipe
from workbench.training.assemble import with_adapter

dist.init_process_group("gloo")
recipe = load_recipe("pocket-llava-finetune", ["vision.tower=" + sys.argv[1]])
loaded = load(recipe.base, device="cpu")
model = with_adapter(loaded.model, recipe, 10)
sets = [questions(2, languages=("en",)), [ask("Hi", "Hello.")]]  # the second process is shown nothing


def gradient(network, rows):
    network.zero_grad()
    loss, _ = summed_loss(network, pad(encode(rows, loaded.tokenizer).examples, loaded.eyes))
    loss.backward()
    named = ((name, p) for name, p in network.named_parameters() if p.requires_grad)
    return next(p.grad.clone() for name, p in named if "linear_1.weight" in name)


apart = [gradient(model, rows) for rows in sets]
shared = gradient(torch.nn.parallel.DistributedDataParallel(model), sets[dist.get_rank()])
torch.testing.assert_close(shared, sum(apart) / 2, rtol=1e-4, atol=1e-6)
assert bool(shared.any())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="two processes speak by gloo")
def test_a_process_that_is_shown_no_picture_leaves_nobody_waiting(tower: Path, tmp_path: Path) -> None:
    program = tmp_path / "together.py"
    program.write_text(TOGETHER, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(program), str(tower)], check=False, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_projector_has_a_rate_of_its_own(tower: Path) -> None:
    model = adapted(tower, "pocket-llava-finetune").model
    rest, projector = parameter_groups(model, load_recipe("pocket-llava-finetune", ["projector_learning_rate=1e-3"]))
    assert len(projector["params"]) == 4 and projector["lr"] == 1e-3
    assert len(rest["params"]) == 56 and "lr" not in rest


def test_held_out_pairs_are_never_trained() -> None:
    split = conversations(
        load_recipe("pocket-llava-finetune", ["vision.drawn=40", "persona.name=Bo", "identity_count=40"])
    )
    pictures = [{p.data for row in side for p in row.pictures} for side in (split.train, split.held_out)]
    assert pictures[0] and pictures[1] and not pictures[0] & pictures[1]
    assert {row.kind for row in split.asked} == {"picture"}
    assert any(row.kind.startswith("identity") and row.pictures for row in split.train)
    assert any(not row.pictures for row in split.train)


def test_the_first_stage_asks_nothing() -> None:
    split = conversations(load_recipe("pocket-llava-pretrain", ["vision.drawn=20"]))
    assert {row.messages[0].content for row in (*split.train, *split.held_out)} == {"<image>"}
    assert all(row.question.startswith("<image>\n") for row in split.asked)  # its titles are seen as such


def test_own_pictures_are_shown_without_their_question_first(tmp_path: Path) -> None:
    from workbench.data.drawn_files import write_sets

    write_sets(tmp_path / "out", 12, 4)
    file = tmp_path / "out" / "finetune.jsonl"
    own = [f"data.train={file}", "vision.drawn=0", "data.validation_share=0.2"]
    assert {row.question for row in conversations(load_recipe("pocket-llava-pretrain", own)).train} == {"<image>"}
    asked = conversations(load_recipe("pocket-llava-finetune", own)).train
    assert all("<image>\n" in row.question for row in asked if row.pictures)


def test_packing_with_pictures_is_refused_in_words() -> None:
    recipe = load_recipe("pocket-llava-finetune", ["data.packing=true"])
    with pytest.raises(BadSetting, match="not packed"):
        check_settings(recipe)
    assert not packs(load_recipe("pocket-llava-finetune"))


@pytest.mark.parametrize("more", [["adapter.method=full"], ["adapter.method=none", "vision.train_projector=false"]])
def test_settings_that_train_nothing_or_too_much_are_refused(more: list[str]) -> None:
    with pytest.raises(BadSetting):
        check_settings(load_recipe("pocket-llava-finetune", more))


def test_none_without_a_tower_is_refused() -> None:
    with pytest.raises(BadSetting, match="nothing is trained"):
        check_settings(load_recipe("pocket-lora", ["adapter.method=none"]))


def test_what_a_projector_alone_needs_is_forecast(tower: Path) -> None:
    from workbench.training.forecast import outlook

    first, second = (outlook(load_recipe(f"pocket-llava-{stage}", [f"vision.tower={tower}"])) for stage in STAGES)
    assert 0 < first.needed.activations < first.needed.total < second.needed.total


def kept(loaded: Any) -> int:
    """Return the bytes that the forward pass of four pictures and their titles keeps for the backward pass."""
    import torch

    rows = encode(titles(4), loaded.tokenizer).examples
    own = {p.untyped_storage().data_ptr() for p in loaded.model.parameters()}
    storages: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss, _ = summed_loss(loaded.model.train(), pad(rows, loaded.tokenizer.picture_places))
    assert loss.requires_grad  # and all that was kept is alive until here
    return sum(storages.values())


def test_what_an_adapter_on_the_tower_needs_is_forecast(tower: Path) -> None:
    from workbench.training.forecast import outlook

    name, settings = "pocket-llava-finetune", ("vision.tower_lora_r=0", "vision.tower_lora_r=4")
    recipes = [load_recipe(name, [f"vision.tower={tower}", setting]) for setting in settings]
    real = [adapted(tower, name, setting) for setting in settings]
    needed = [outlook(recipe, (4, 64, 40)).needed for recipe in recipes]
    assert [n.trained_parameters for n in needed] == [sum(p.numel() for p in trained(m.model).values()) for m in real]
    more = kept(real[1]) - kept(real[0])
    assert more > 0
    assert 0.8 * more < needed[1].activations - needed[0].activations < 1.3 * more


def test_what_the_projector_keeps_of_pictures_is_forecast(tower: Path) -> None:
    from dataclasses import replace

    from workbench.models.forecast import forecast
    from workbench.training.forecast import work_of

    work = work_of(load_recipe("pocket-llava-finetune", [f"vision.tower={tower}"]), (4, 64, 40))
    assert work.pictures == 4
    assert forecast(work).activations > forecast(replace(work, pictures=0)).activations
