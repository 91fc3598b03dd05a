"""A language model and a tower as one: the words as before, the pictures as the library's own processor has them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.data.pictured import held
from tests.seeing import PLACES, make_tower
from workbench.data.conversation import Message
from workbench.data.drawn import questions
from workbench.data.imaging import opened
from workbench.errors import BadInput, UnknownName
from workbench.models import generate, load, load_tokenizer, resolve
from workbench.models.projector import NAMES, load_projector, read_projector, write_projector
from workbench.models.seeing import parted
from workbench.templates import prompt_ids, stop_ids


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"pocket+{make_tower(tmp_path_factory.mktemp('tower'))}"


@pytest.fixture(scope="module")
def sees(name: str) -> Any:
    return load(name, device="cpu")


def test_text_is_answered_as_before(sees: Any) -> None:
    base = load("pocket", device="cpu")
    asked = [Message("user", "What is the capital of France?")]
    prompts = [prompt_ids(asked, loaded.tokenizer) for loaded in (sees, base)]
    assert prompts[0] == prompts[1]
    stops = stop_ids(base.tokenizer)
    assert generate(sees, prompts[:1], stop_ids=stops) == generate(base, prompts[1:], stop_ids=stops)


def test_ids_and_pixels_are_those_of_the_library_s_processor(name: str) -> None:
    import torch
    from transformers import AutoProcessor

    (row,) = questions(1)
    tokenizer = load_tokenizer(name)
    ours = prompt_ids(row.messages[:1], tokenizer)
    processor = AutoProcessor.from_pretrained(resolve(name))
    chat = [{"role": "user", "content": row.messages[0].content}]
    wide = opened(row.messages[0].images[0]).resize((60, 30))
    for image in (opened(row.messages[0].images[0]), wide):
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        theirs = processor(text=text, images=image, return_tensors="pt")
        assert theirs["input_ids"][0].tolist() == list(ours)
        assert torch.equal(theirs["pixel_values"][0], tokenizer.picture_places._processed(image))
    assert ours.count(tokenizer.picture_places.image_token) == PLACES


def test_pictures_that_were_shown_are_not_held(name: str) -> None:
    eyes = load_tokenizer(name).picture_places
    grown = held(lambda picture: (eyes.ids(picture), eyes.inputs([picture])))
    assert grown - eyes._bytes < 1_000_000  # beside the numbers, of which a bounded part is kept


def test_a_wide_picture_is_padded_and_not_cut(name: str) -> None:
    from PIL import Image

    eyes = load_tokenizer(name).picture_places
    plain = Image.new("RGB", (60, 20), "white")
    marked = plain.copy()
    marked.paste((0, 0, 0), (0, 0, 8, 20))  # at the edge, where a crop of the centre would lose it
    assert not eyes._processed(plain).equal(eyes._processed(marked))


def test_the_quick_way_answers_about_pictures_as_the_library_does(sees: Any) -> None:
    from workbench.models import generation

    prompts = [prompt_ids(row.messages[:1], sees.tokenizer) for row in questions(6)]
    prompts.append(prompt_ids([Message("user", "Hi")], sees.tokenizer))
    stops = stop_ids(sees.tokenizer)
    quick = generate(sees, prompts, max_new_tokens=8, stop_ids=stops)
    plain = generation._batch(sees, prompts, 8, stops, generation.chooser(do_sample=False))
    assert quick == plain
    assert len({tuple(answer) for answer in quick}) > 1


def test_a_picture_may_be_anywhere_in_a_batch(sees: Any) -> None:
    prompts = [prompt_ids(row.messages[:1], sees.tokenizer) for row in questions(3)]
    text = prompt_ids([Message("user", "Who are you?")], sees.tokenizer)
    one = [generate(sees, [prompt], max_new_tokens=6)[0] for prompt in (prompts[0], text, prompts[1])]
    assert generate(sees, [prompts[0], text, prompts[1]], max_new_tokens=6) == one


def test_four_bit_packs_the_language_model_alone(name: str) -> None:
    model = load(name, quantization="nf4", device="cpu").model
    packed = [n for n, module in model.named_modules() if hasattr(module, "quant_state")]
    assert len(packed) == 28
    assert all(n.startswith("model.language_model.") for n in packed)


def test_a_projector_is_a_folder_of_its_own(sees: Any, tmp_path: Path) -> None:
    import torch

    before = {n: p.clone() for n, p in sees.model.model.multi_modal_projector.named_parameters()}
    write_projector(tmp_path / "p", {n: t + 1 for n, t in before.items()}, tower="tower")
    tensors = read_projector(tmp_path / "p")
    assert set(tensors) == set(NAMES)
    load_projector(sees.model, tmp_path / "p")
    after = dict(sees.model.model.multi_modal_projector.named_parameters())
    assert all(torch.equal(after[n], tensors[n]) for n in NAMES)
    write_projector(tmp_path / "p", before, tower="tower")
    load_projector(sees.model, tmp_path / "p")


def test_a_projector_of_another_width_is_refused(sees: Any, tmp_path: Path) -> None:
    import torch

    shapes = {"linear_1.weight": (8, 4), "linear_1.bias": (8,), "linear_2.weight": (8, 8), "linear_2.bias": (8,)}
    write_projector(tmp_path, {n: torch.ones(shape) for n, shape in shapes.items()}, tower="tower")
    with pytest.raises(BadInput, match=r"linear_1.weight is 8×4, and 256×32 is needed"):
        load_projector(sees.model, tmp_path)


def test_what_is_no_tower_is_refused(tiny: Path) -> None:
    with pytest.raises(BadInput, match="no CLIP vision tower"):
        resolve(f"pocket+{tiny}")
    with pytest.raises(UnknownName, match="sight"):
        resolve("pocket+sihgt")


def test_a_folder_that_is_called_so_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a+b").mkdir()
    assert parted("a+b") is None
    assert parted("a+c") == ("a", "c")


def test_a_process_that_was_quicker_has_made_the_same_model(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shutil.copytree(resolve(name), tmp_path / "whole")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    rename = Path.rename

    def late(part: Path, out: Path) -> Path:
        shutil.copytree(whole, out)  # the other process's, in the moment before
        return rename(part, out)

    monkeypatch.setattr(Path, "rename", late)
    made = Path(resolve(name))
    assert made.parent.parent == tmp_path / "cache" and (made / "config.json").is_file()
    assert [folder.name for folder in made.parent.iterdir()] == [made.name]
