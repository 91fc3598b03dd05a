"""Models that see by themselves: pixels, answers and 4 bit as the library has them; hostile folders in one sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.data.pictured import held
from tests.ready import KINDS, LONGEST, SIDE, make_ready
from tests.seeing import make_tower
from tests.strangers import edit
from workbench.data.conversation import Message
from workbench.data.drawn import questions
from workbench.data.imaging import opened
from workbench.errors import BadInput
from workbench.models import generate, load, load_tokenizer, resolve, stream
from workbench.models.architectures import ARCHITECTURES
from workbench.models.batches import pad
from workbench.models.eyes_registry import EYES, eyes_in
from workbench.models.packed import four_bit_weights
from workbench.templates import encode, prompt_ids

SIZES = ((70, 40), (24, 24), (10, 90), (64, 64))


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ready(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def sees(folder: Path) -> Any:
    return load(str(folder), device="cpu")


def test_each_architecture_has_eyes_and_names_of_its_parts() -> None:
    assert {kind for eyes in EYES for kind in eyes.kinds} == set(ARCHITECTURES)
    assert all(ARCHITECTURES[kind] == ARCHITECTURES[eyes.kinds[0]] for eyes in EYES for kind in eyes.kinds)


def test_the_parts_are_where_they_are_said_to_be(sees: Any) -> None:
    parts = sees.eyes.parts
    for name in (parts.language, parts.tower, parts.projector):
        assert any(True for _ in sees.model.get_submodule(name).parameters()), name


def test_pixels_are_those_of_the_library_s_processor(folder: Path, sees: Any) -> None:
    import torch
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    picture = opened(questions(1)[0].messages[0].images[0])
    for size in SIZES:
        image = picture.resize(size)
        theirs = processor(images=[image], return_tensors="pt")["pixel_values"]
        assert torch.equal(sees.eyes._processed(image), theirs.reshape(sees.eyes._processed(image).shape))


def test_pictures_that_were_shown_are_not_held(folder: Path) -> None:
    eyes = load_tokenizer(str(folder)).picture_places
    grown = held(lambda picture: (eyes.ids(picture), eyes.inputs([picture])))
    assert grown - eyes._bytes < 1_000_000  # beside the numbers, of which a bounded part is kept


def test_as_many_placeholders_as_the_model_fills(folder: Path, sees: Any) -> None:
    """Of every shape: the model itself counts them, and refuses another number."""
    import io

    from workbench.data.picture import Picture

    source = opened(questions(1)[0].messages[0].images[0])
    for size in [*SIZES, (65, 33), (64, 33), (33, 32), (200, 30), (1, 7), (129, 128)]:
        out = io.BytesIO()
        source.resize(size).save(out, "PNG")
        shown = Message("user", "<image>\nWhat?", images=(Picture("a.png", data=out.getvalue()),))
        (answer,) = generate(sees, [prompt_ids([shown], sees.tokenizer)], max_new_tokens=1)
        assert len(answer) <= 1


def test_answers_are_those_of_the_library_s_generate(folder: Path, sees: Any) -> None:
    """Alone, in a batch beside others with and without pictures, and a token at a time; in whatever order."""
    import torch
    from transformers import AutoModelForImageTextToText

    theirs = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    prompts = [prompt_ids(row.messages[:1], sees.tokenizer) for row in questions(3)]
    prompts.insert(1, prompt_ids([Message("user", "Who are you?")], sees.tokenizer))
    expected = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        inputs = sees.eyes.inputs(prompt.media, ids)
        out = theirs.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), **inputs, do_sample=False, max_new_tokens=6,
            eos_token_id=None,
        )  # fmt: skip
        expected.append(out[0, len(prompt) :].tolist())
    assert len({tuple(answer) for answer in expected}) == 4
    assert generate(sees, prompts, max_new_tokens=6) == expected
    assert [generate(sees, [prompt], max_new_tokens=6)[0] for prompt in prompts] == expected
    assert [list(stream(sees, prompt, max_new_tokens=6)) for prompt in prompts] == expected


def test_padding_changes_no_loss(sees: Any) -> None:
    import torch

    from workbench.data.conversation import ask
    from workbench.models.batches import summed_loss

    rows = encode([*questions(3), ask("Hi", "Hello, who are you? I am nobody.")], sees.tokenizer).examples
    with torch.no_grad():
        together, _ = summed_loss(sees.model, pad(rows, sees.eyes))
        apart = sum(summed_loss(sees.model, pad([row], sees.eyes))[0] for row in rows)
    assert float(together) == pytest.approx(float(apart), rel=1e-4)


def test_the_loss_is_the_library_s_own(folder: Path, sees: Any) -> None:
    import torch
    from transformers import AutoModelForImageTextToText

    from workbench.models.batches import summed_loss

    theirs = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    batch = pad(encode(questions(3), sees.tokenizer).examples, sees.eyes)
    with torch.no_grad():
        loss, count = summed_loss(sees.model, batch)
        mean = theirs(**batch).loss
    assert float(loss) / count == pytest.approx(float(mean), rel=1e-4)


def test_four_bit_packs_the_language_model_alone(folder: Path) -> None:
    model = load(str(folder), quantization="nf4", device="cpu")
    parts = model.eyes.parts
    packed = {name for name, module in model.model.named_modules() if hasattr(module, "quant_state")}
    assert len(packed) == 14 and all(name.startswith(f"{parts.language}.") for name in packed)
    assert four_bit_weights(str(folder)) == {f"{name}.weight" for name in packed}
    assert generate(model, [prompt_ids(questions(1)[0].messages[:1], model.tokenizer)], max_new_tokens=2)


def test_a_text_question_is_answered_after_one_with_a_picture(sees: Any) -> None:
    text = prompt_ids([Message("user", "Who are you?")], sees.tokenizer)
    before = list(stream(sees, text, max_new_tokens=6))
    list(stream(sees, prompt_ids(questions(1)[0].messages[:1], sees.tokenizer), max_new_tokens=2))
    assert list(stream(sees, text, max_new_tokens=6)) == before


def test_pixels_belong_to_the_fingerprint(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "m"))
    edit("preprocessor_config.json", image_mean=[0.1, 0.2, 0.3])(other)
    eyes = [eyes_in(each) for each in (folder, other)]
    assert eyes[0].fingerprint() != eyes[1].fingerprint()  # type: ignore[union-attr]


ODD: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "tiled": [
        ("preprocessor_config.json", {"size": {"longest_edge": 100_000}}),
        ("preprocessor_config.json", {"size": {"longest_edge": 2_048}}),  # four thousand tiles
        ("preprocessor_config.json", {"size": {"shortest_edge": LONGEST}}),
        ("preprocessor_config.json", {"size": LONGEST}),
        ("preprocessor_config.json", {"max_image_size": {"longest_edge": 2 * SIDE}}),
        ("preprocessor_config.json", {"max_image_size": {"longest_edge": 0}}),
        ("preprocessor_config.json", {"max_image_size": "x"}),
        ("preprocessor_config.json", {"do_resize": False}),
        ("preprocessor_config.json", {"do_image_splitting": "maybe"}),
        ("preprocessor_config.json", {"image_std": [0, 1, 1]}),
        ("processor_config.json", {"image_seq_len": 81}),
        ("processor_config.json", {"image_seq_len": "x"}),
        ("config.json", {"scale_factor": 3}),
        ("config.json", {"scale_factor": 0}),
        ("config.json", {"image_token_id": -1}),
        ("config.json", {"image_token_id": 7}),  # a token that is none of its own
        ("config.json", {"vision_config": {"image_size": 10**9, "patch_size": 8}}),
        ("config.json", {"vision_config": "x"}),
    ],
    "grid": [
        ("preprocessor_config.json", {"max_pixels": 10**9}),
        ("preprocessor_config.json", {"min_pixels": 0}),
        ("preprocessor_config.json", {"min_pixels": 10_000_000}),
        ("preprocessor_config.json", {"size": {"longest_edge": 10**12, "shortest_edge": 1}}),
        ("preprocessor_config.json", {"size": {"height": 5, "width": 5}}),
        ("preprocessor_config.json", {"patch_size": 14}),
        ("preprocessor_config.json", {"merge_size": 0}),
        ("preprocessor_config.json", {"temporal_patch_size": 1}),
        ("preprocessor_config.json", {"do_resize": False}),
        ("preprocessor_config.json", {"image_mean": "x"}),
        ("config.json", {"image_token_id": "x"}),
        ("config.json", {"image_token_id": 7}),
        ("config.json", {"vision_config": {"patch_size": 8, "window_size": 1}}),
        ("config.json", {"vision_config": {"depth": 10**7}}),
    ],
}


@pytest.mark.parametrize(("kind", "number"), [(kind, n) for kind, odd in ODD.items() for n in range(len(odd))])
def test_what_a_strange_folder_says_of_its_pictures_is_one_sentence(
    kind: str, number: int, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    file, change = ODD[kind][number]
    copied = Path(shutil.copytree(_made(kind, tmp_path_factory), tmp_path / "m"))
    edit(file, **change)(copied)
    with pytest.raises(BadInput) as error:
        load_tokenizer(str(copied))
        load(str(copied), device="cpu")
    assert len(str(error.value)) < 900 and "Traceback" not in str(error.value)


def _made(kind: str, factory: pytest.TempPathFactory) -> Path:
    """One folder of each kind for all strange ones."""
    home = factory.getbasetemp() / f"strange-{kind}"
    if not home.is_dir():
        home.mkdir()
        make_ready("idefics3" if kind == "tiled" else "qwen2_5_vl", home)
    return home


def test_code_that_a_folder_names_is_not_looked_for(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "m"))
    (copied / "evil.py").write_text("raise SystemExit('it ran')", encoding="utf-8")
    code = {"auto_map": dict.fromkeys(("AutoConfig", "AutoModelForImageTextToText", "AutoProcessor"), "evil.Evil")}
    for file in ("config.json", "preprocessor_config.json", "tokenizer_config.json"):
        content = json.loads((copied / file).read_text(encoding="utf-8"))
        (copied / file).write_text(json.dumps(content | code | {"image_processor_type": "Evil"}), encoding="utf-8")
    loaded = load(str(copied), device="cpu")
    assert generate(loaded, [prompt_ids(questions(1)[0].messages[:1], loaded.tokenizer)], max_new_tokens=1)


def test_a_folder_without_its_processor_is_told(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "m"))
    (copied / "preprocessor_config.json").unlink()
    with pytest.raises(BadInput, match=r"preprocessor_config\.json"):
        load_tokenizer(str(copied))


def test_a_ready_model_is_joined_with_no_tower(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="sees by itself"):
        resolve(f"{folder}+{make_tower(tmp_path)}")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most that a process held is told by Linux")
def test_the_largest_picture_of_a_stranger_takes_a_bounded_memory(folder: Path, tmp_path: Path) -> None:
    """From its file to the numbers that the model is given."""
    file = tmp_path / "vast.png"
    Image.linear_gradient("L").resize((5000, 5000)).convert("RGB").save(file, compress_level=1)
    code = (
        "import sys; from pathlib import Path; from workbench.data.limits import serve_others\n"
        "from workbench.data.picture import Picture; from workbench.models import load_tokenizer; import torch\n"
        "def most(): return int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]) // 1000\n"
        "serve_others(); eyes = load_tokenizer(sys.argv[1]).picture_places\n"
        "small, vast = (Picture('a', data=Path(file).read_bytes()) for file in sys.argv[2:])\n"
        "eyes.inputs([small]); before = most(); assert eyes.inputs([vast]); print(most() - before)"
    )
    Image.new("RGB", (64, 64), "red").save(tmp_path / "small.png")
    files = [str(folder), str(tmp_path / "small.png"), str(file)]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 600
