"""Models that see by themselves, by the commands' own way: recipe, training, resume, adapter, merge, elsewhere."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ready import make_ready
from workbench.chat import Assistant
from workbench.data import write
from workbench.data.drawn import questions
from workbench.data.imaging import opened
from workbench.data.picture import Picture
from workbench.data.pictures import illustrated
from workbench.errors import BadSetting
from workbench.export import convert, merge
from workbench.models import load
from workbench.runs import claim
from workbench.training import load_recipe, train
from workbench.training.assemble import with_adapter
from workbench.training.checks import check_settings
from workbench.training.execution import packs
from workbench.training.forecast import outlook
from workbench.training.recipe import shipped

RECIPES = {"idefics3": "smolvlm-500m-qlora", "smolvlm": "smolvlm2-2_2b-qlora", "qwen2_5_vl": "qwen2_5-vl-3b-qlora"}
FEW = ["data.general=null", "max_length=700", "max_new_tokens=4", "device=cpu", "max_steps=2", "eval_steps=1"]
FEW += ["gradient_accumulation_steps=2", "per_device_train_batch_size=2", "task_probes=2", "optim=adamw_torch"]
FEW += ["general_probes=0", "unrelated_probes=0", "identity_probes=0", "learning_rate=1e-2", "lora_dropout=0"]
# What anybody would write who knows only the library. Its classes for SmolVLM and Qwen2.5-VL want further packages, for
# films, before they read a picture; where these are missing, the processor is put together from its parts.
ELSEWHERE = """
import json, sys
def offline(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError(f"{event} {args[-1]}")
sys.addaudithook(offline)
from importlib.util import find_spec
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer
folder, rows = sys.argv[1], json.loads(sys.argv[2])
kind = AutoConfig.from_pretrained(folder).model_type
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32", attn_implementation="eager").eval()
if kind == "idefics3" or (find_spec("torchvision") and find_spec("num2words")):
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
else:
    from transformers import Idefics3Processor
    images = AutoImageProcessor.from_pretrained(folder, backend="pil")
    if kind == "qwen2_5_vl":
        def processor(text, images, return_tensors, by=images):
            seen = by(images=images, return_tensors=return_tensors)
            pads = "<|image_pad|>" * (int(seen["image_grid_thw"].prod()) // by.merge_size**2)
            words = tokenizer([each.replace("<|image_pad|>", pads) for each in text], return_tensors=return_tensors)
            places = words["input_ids"] == tokenizer.convert_tokens_to_ids("<|image_pad|>")
            return {**words, **seen, "mm_token_type_ids": places.int()}
    else:
        length = json.load(open(folder + "/processor_config.json"))["image_seq_len"]
        processor = Idefics3Processor(images, tokenizer, image_seq_len=length)
said = []
for question, file in rows:
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    inputs = processor(text=[text], images=[Image.open(file).convert("RGB")], return_tensors="pt")
    out = model.generate(**inputs, do_sample=False, max_new_tokens=8)
    said.append(tokenizer.decode(out[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
assert "workbench" not in sys.modules
print(json.dumps(said))
"""


def overrides(folder: Path, rows: Path, *more: str) -> list[str]:
    return [f"model.name={folder}", f"data.train={rows}", *FEW, *more]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write(questions(24), file)
    return file


@pytest.fixture(scope="module", params=RECIPES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ready(request.param, tmp_path_factory.mktemp(request.param) / "m")


def kind(folder: Path) -> str:
    return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])


def losses(run: Any) -> list[float]:
    return [event.loss for event in run.events.all() if event.kind == "train"]


@pytest.mark.slow
def test_trained_resumed_merged_and_asked_elsewhere(folder: Path, rows: Path, tmp_path: Path) -> None:
    settings = overrides(folder, rows)
    run = train(RECIPES[kind(folder)], tmp_path / "run", overrides=settings)
    before = losses(run)
    assert run.state().status == "ended" and len(before) == 2 and all(loss < 30 for loss in before)
    for file in (run.path / "checkpoints").glob("step-*2"):
        shutil.rmtree(file)
    with claim(run, resume_from=1) as worker:
        worker.finish("stopped")
    assert losses(train(RECIPES[kind(folder)], run.path, overrides=settings, resume=True)) == before

    adapter = convert(run.path, tmp_path / "adapter")
    merged = merge(str(folder), adapter, tmp_path / "merged", dtype="float32")
    held = questions(3, seed=5, held=True)
    files = []
    for number, row in enumerate(held):
        files.append(tmp_path / f"{number}.png")
        opened(row.pictures[0]).resize((90, 40 + 20 * number)).save(files[-1])
    texts = [row.messages[0].content.removeprefix("<image>\n") for row in held]
    asked = json.dumps(
        [[f"\n{t}", str(file)] for t, file in zip(texts, files, strict=True)]
    )  # a line after the picture
    done = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, str(merged), asked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # random weights write broken letters too, which an assistant leaves out
    elsewhere = [answer.replace("\ufffd", "") for answer in json.loads(done.stdout.strip().splitlines()[-1])]
    shown = [[illustrated(t, (Picture.of(file),))] for t, file in zip(texts, files, strict=True)]
    for ours in (Assistant.load(str(folder), adapter), Assistant.load(str(merged))):
        assert ours.ask_all(shown, max_new_tokens=8) == elsewhere
    assert Assistant.load(str(folder)).ask_all(shown, max_new_tokens=8) != elsewhere


def pixels(inputs: Any) -> str:
    digest = hashlib.sha256()
    for name in sorted(set(inputs) - {"mm_token_type_ids"}):
        digest.update(inputs[name].numpy().tobytes())
    return digest.hexdigest()


def test_the_pixels_served_are_the_pixels_trained(folder: Path, tmp_path: Path) -> None:
    import torch

    from workbench.data.conversation import Message
    from workbench.data.picture import inline
    from workbench.models.batches import pad
    from workbench.models.generation import seen_in
    from workbench.templates import encode, prompt_ids

    loaded = load(str(folder), device="cpu")
    (row,) = questions(1)
    trained = pad(encode([row], loaded.tokenizer).examples, loaded.eyes)
    opened(row.pictures[0]).save(tmp_path / "a.png")
    by_file = Picture.of(tmp_path / "a.png")
    for picture in (by_file, inline(by_file.in_row())):  # and by bytes, as a request carries them
        prompt = prompt_ids([Message("user", row.messages[0].content, images=(picture,))], loaded.tokenizer)
        served = seen_in(loaded, [prompt], torch.tensor([prompt]))
        assert pixels(served) == pixels({name: trained[name] for name in served})


def test_the_language_model_is_trained_and_nothing_else(folder: Path) -> None:
    recipe = load_recipe(RECIPES[kind(folder)], [f"model.name={folder}", "quantization=none", "device=cpu"])
    loaded = load(str(folder), device="cpu")
    parts = loaded.eyes.parts  # type: ignore[union-attr]
    model = with_adapter(loaded.model, recipe, 10)
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    assert len(names) == 28 and all(f".{parts.language}." in name for name in names)
    assert not any("modules_to_save" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize("method", ["lora", "none"])
def test_the_projector_is_trained_where_the_recipe_says_so(folder: Path, method: str) -> None:
    import torch

    from workbench.data.conversation import ask
    from workbench.models.batches import pad, summed_loss
    from workbench.templates import encode

    changes = ["quantization=none", "device=cpu", "vision.train_projector=true", f"adapter.method={method}"]
    recipe = load_recipe(RECIPES[kind(folder)], [f"model.name={folder}", *changes])
    loaded = load(str(folder), device="cpu")
    parts = loaded.eyes.parts  # type: ignore[union-attr]
    model = loaded.model = with_adapter(loaded.model, recipe, 10)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    projector = {name: p for name, p in trained.items() if parts.projector in name}
    assert projector and (method == "lora") == (len(trained) > len(projector))
    for conversations, moves in ((questions(2), True), ([ask("Hi", "Hello.")], False)):
        model.zero_grad()
        loss, _ = summed_loss(model, pad(encode(conversations, loaded.tokenizer).examples, loaded.eyes))
        loss.backward()
        assert all(p.grad is not None and bool(p.grad.any()) == moves for p in projector.values())
    assert all(p.dtype == torch.float32 for p in projector.values())


def test_the_tower_has_a_rank_of_its_own(folder: Path) -> None:
    changes = ["quantization=none", "device=cpu", "vision.tower_lora_r=2"]
    recipe = load_recipe(RECIPES[kind(folder)], [f"model.name={folder}", *changes])
    loaded = load(str(folder), device="cpu")
    parts = loaded.eyes.parts  # type: ignore[union-attr]
    model = with_adapter(loaded.model, recipe, 10)
    tower = {name: p for name, p in model.named_parameters() if p.requires_grad and f".{parts.tower}." in name}
    assert tower and {min(p.shape) for p in tower.values()} == {2}
    assert not any(f".{parts.projector}." in name for name in tower)


def test_what_does_not_go_with_pictures_is_refused(folder: Path, tmp_path: Path) -> None:
    name, base = RECIPES[kind(folder)], f"model.name={folder}"
    for change in ("data.packing=true", "adapter.method=full", "adapter.method=none"):
        with pytest.raises(BadSetting):
            check_settings(load_recipe(name, [base, "quantization=none", change]))
    assert not packs(load_recipe(name, [base]))
    recipe = load_recipe(name, [base, "quantization=none", f"vision.projector={tmp_path}"])
    with pytest.raises(BadSetting, match="projector of its own kind"):
        with_adapter(load(str(folder), device="cpu").model, recipe, 10)


def test_the_forecast_counts_the_tower_in_16_bit(folder: Path, rows: Path) -> None:
    name = RECIPES[kind(folder)]
    packed, bare = (outlook(load_recipe(name, overrides(folder, rows, f"quantization={q}"))) for q in ("nf4", "none"))
    assert 0 < packed.needed.weights < bare.needed.weights
    more = outlook(load_recipe(name, overrides(folder, rows, "vision.train_projector=true")))
    assert more.needed.trained_parameters > packed.needed.trained_parameters


def test_the_forecast_counts_an_adapter_on_the_tower(folder: Path, rows: Path) -> None:
    recipe = load_recipe(RECIPES[kind(folder)], overrides(folder, rows, "quantization=none", "vision.tower_lora_r=2"))
    model = with_adapter(load(str(folder), device="cpu").model, recipe, 10)
    real = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert outlook(recipe).needed.trained_parameters == real


def test_each_architecture_has_a_recipe() -> None:
    assert set(RECIPES.values()) < set(shipped())
    for name in shipped():
        if name.startswith(("smolvlm", "qwen2_5-vl")):
            recipe = load_recipe(name)
            assert recipe.model.quantization == "nf4" and recipe.adapter.method == "lora"
            assert not recipe.vision.tower and not recipe.vision.train_projector
