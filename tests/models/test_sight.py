"""The tower's program: what it draws is what a model is given, a held-out pair is never drawn, and it goes on alike."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from workbench.data.drawing import HELD_PAIRS, scene
from workbench.data.drawn import pictured
from workbench.models.eyes import Eyes
from workbench.models.sight import WEIGHTS, build


@pytest.fixture(scope="module")
def drawn() -> build.Drawn:
    return build.draw(2 * build.BATCH, seed=3, held=False, two=0.3)


def test_the_tower_is_trained_on_the_numbers_that_a_model_is_given() -> None:
    eyes = Eyes(build.PREPROCESSOR, image_token=0, patches=build.PATCHES)
    shown = scene(random.Random(1))
    ours = build.normalised(build.pixels_of(shown)[None].copy())
    torch.testing.assert_close(ours, eyes.inputs([pictured(shown, "one.png")])["pixel_values"])


def test_no_pair_that_is_held_out_is_drawn_for_training(drawn: build.Drawn) -> None:
    pairs = {tuple(patch[:2]) for picture in drawn.targets.tolist() for patch in picture}
    assert len(pairs) > 40 and not pairs & HELD_PAIRS
    held = build.draw(40, seed=1, held=True, two=0.0)
    assert {tuple(first[:2]) for first in held.first.tolist()} <= HELD_PAIRS


def test_each_patch_is_told_of_the_figure_on_its_side(drawn: build.Drawn) -> None:
    place = list(build.PARTS).index("place")
    columns = np.arange(build.PATCHES) % (build.SIDE // build.PATCH)
    two = drawn.first[:, 0] < 0
    assert 0 < two.sum() < len(two)
    for told in drawn.targets[two][..., place]:
        if set(told.tolist()) == {0, 1}:
            assert ((told == 0) == (columns < 3)).all()


def test_of_the_mirrored_left_is_right_and_the_last_are_in_grey(drawn: build.Drawn) -> None:
    pixels, targets, first = build.batch_of(drawn, 0, 5)
    place = list(build.PARTS).index("place")
    order = torch.randperm(len(drawn.pixels), generator=torch.Generator().manual_seed(5 * 10_007))[: build.BATCH]
    for row, number in enumerate(order.tolist()):
        mirrored = row < build.BATCH // 2
        shown, grey = drawn.pixels[number][..., ::-1] if mirrored else drawn.pixels[number], row >= 96
        assert (pixels[row] == (shown.mean(axis=0).astype(np.uint8) if grey else shown)).all()
        before, after = drawn.first[number], first[row].numpy()
        assert (np.delete(before, place) == np.delete(after, place)).all()
        swapped = {0: 1, 1: 0} if mirrored else {}
        assert after[place] == swapped.get(before[place], before[place])
        assert targets[row, 0].tolist()[0] == drawn.targets[number, 5 if mirrored else 0, 0]


def test_no_loss_teaches_that_a_pair_which_is_never_drawn_cannot_be(drawn: build.Drawn) -> None:
    """Of a picture's shape only those are weighed that its colour can have; the others get no gradient. In grey too."""
    heads = build.Heads(build.SHAPE["hidden_size"])
    features = torch.randn(2, build.SHAPE["hidden_size"])
    for (shape, colour), grey in itertools.product(build.HELD_PAIRS, (0, 1)):
        heads.layer.bias.grad = None
        seen = next(s for s in range(10) if (s, colour) not in build.HELD_PAIRS)
        loss = heads.loss(features, torch.tensor([[seen, colour, 0, 0, 0]] * 2), grey)
        loss.backward()
        assert torch.isfinite(loss) and heads.layer.bias.grad[shape] == 0 and heads.layer.bias.grad[seen] < 0


def test_of_grey_pictures_no_colour_is_asked() -> None:
    heads = build.Heads(build.SHAPE["hidden_size"])
    width, colours = build.SHAPE["hidden_size"], slice(10, 18)
    targets = torch.tensor([[0, 3, 0, 0, 0], [2, 5, 1, 1, 1]])
    for grey in (0, 1):
        heads.layer.weight.grad = None
        features = torch.eye(width)[:2]  # each picture has its own column of the weights
        heads.norm = torch.nn.Identity()
        heads.loss(features, targets, grey).backward()
        of_colour = heads.layer.weight.grad[colours, :2].abs().sum(0)
        assert of_colour[0] > 0 and bool(of_colour[1]) is not bool(grey)


def test_an_interrupted_training_goes_on_to_the_same_weights(
    drawn: build.Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "EVERY", 2)
    monkeypatch.setattr(build, "BATCH", 16)
    few = build.Drawn(drawn.pixels[:64], drawn.targets[:64], drawn.first[:64])
    file = tmp_path / "state.safetensors"

    def trained(keep: Path | None) -> Any:
        torch.manual_seed(0)
        tower = tower_of()
        build.train(tower, few, few, epochs=1.0, seed=0, keep=keep)
        return tower.state_dict()

    whole = trained(None)
    with monkeypatch.context() as cut:  # the third of four steps never comes
        cut.setattr(build, "batch_of", _until(2, build.batch_of))
        with pytest.raises(KeyboardInterrupt):
            trained(file)
    for name, tensor in trained(file).items():
        torch.testing.assert_close(tensor, whole[name], rtol=0, atol=0)


def tower_of() -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    return CLIPVisionModel(CLIPVisionConfig(**build.SHAPE))


def _until(step: int, real: Any) -> Any:
    def batch_of(drawn: build.Drawn, asked: int, seed: int) -> Any:
        if asked >= step:
            raise KeyboardInterrupt
        return real(drawn, asked, seed)

    return batch_of


@pytest.mark.slow
def test_what_the_card_says_can_be_read_off_the_shipped_tower() -> None:
    """By linear heads that are trained anew, on pairs that neither they nor the tower were shown."""
    from transformers import CLIPVisionModel

    tower = CLIPVisionModel.from_pretrained(WEIGHTS, dtype=torch.float32).eval()
    card = json.loads((WEIGHTS / "evaluation.json").read_text(encoding="utf-8"))["held_out_pairs"]
    seen, held = build.draw(4_000, seed=7, held=False, two=0.0), build.draw(500, seed=8, held=True, two=0.0)
    with torch.inference_mode():
        parts = [build.normalised(seen.pixels[at : at + 250]) for at in range(0, 4_000, 250)]
        read = [tower(part, output_hidden_states=True).hidden_states[build.FEATURES][:, 1:] for part in parts]
    features, targets = torch.cat(read).clone(), torch.from_numpy(seen.targets)
    torch.manual_seed(0)
    heads = build.Heads(build.SHAPE["hidden_size"])
    optimizer = torch.optim.AdamW(heads.parameters(), lr=1e-2, weight_decay=0.05)
    for step in range(300):
        rows = torch.randint(0, len(features), (128,), generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        heads.loss(features[rows], targets[rows]).backward()
        optimizer.step()
    shares = build.measure(tower, heads, held)
    assert all(shares[part] > card[part] - 0.08 for part in build.PARTS), (shares, card)
