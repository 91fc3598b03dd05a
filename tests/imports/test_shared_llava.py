"""XTuner's own files of a LLaVA: what its program computes of them is computed here, to the numbers.

The reference is written out from the library's separate parts, as XTuner's model puts them together: the tower's last
layer but one without its first token, two matrices as its own program converted them, and the vectors where the picture
is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.data import read
from workbench.imports import bring
from workbench.models import load
from workbench.models.batches import pad, summed_loss
from workbench.templates import encode
from workbench.templates.values import IGNORE_INDEX

PLACES = 16
OPENS, CLOSES = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def theirs(shared: Path) -> Path:
    folder = shared / "xtuner"
    if not (folder / "llava").is_dir():
        pytest.skip("no LLaVA of XTuner's among the samples")
    return folder


@pytest.fixture(scope="module")
def ours(theirs: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Both bases as one model, with what stage 1 left of its projector."""
    out = tmp_path_factory.mktemp("brought") / "out"
    name = f"{theirs / 'base_llama'}+{theirs / 'base_clip'}"
    assert bring([theirs / "llava" / "pretrain_work_dir"], out, base=name).parts["projector"] == 4
    return load(name, adapter=out / "llava", device="cpu", dtype="float32")


def rows(theirs: Path, stage: str) -> list[Any]:
    return read(theirs / "data" / f"llava_{stage}.json", compat="xtuner", image_folder=theirs / "data" / "images")


def turns(theirs: Path, stage: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Of each row its picture, and what is asked and said, as the file has it."""
    import json

    for row in json.loads((theirs / "data" / f"llava_{stage}.json").read_text(encoding="utf-8")):
        said = [turn["value"] for turn in row["conversations"]]
        yield row.get("image", ""), list(zip(said[::2], said[1::2], strict=True))


def reference_ids(tokenizer: Any, talk: list[tuple[str, str]]) -> tuple[list[int], list[int]]:
    """XTuner's ids and labels, -200 where the picture is."""

    def plain(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    ids: list[int] = [tokenizer.bos_token_id]
    labels = [IGNORE_INDEX]
    for question, answer in talk:
        words, shown = question.replace("<image>", "").strip(), "<image>" in question
        before = plain(OPENS) if shown else []
        asked = [*before, -200, *plain(f"\n{words}{CLOSES}")] if shown else plain(f"{OPENS}{words}{CLOSES}")
        output = plain(f"{answer}<|im_end|>")
        ids += [*asked, *output, *plain("\n")]
        labels += [*[IGNORE_INDEX] * len(asked), *output, *[IGNORE_INDEX] * len(plain("\n"))]
    return ids, labels


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_ids_and_labels_are_theirs(theirs: Path, ours: Any, stage: str) -> None:
    made = encode(rows(theirs, stage), ours.tokenizer, template="internlm2_chat", compat="xtuner")
    assert len(made.examples) == {"pretrain": 8, "finetune": 9}[stage] and not made.dropped
    token = ours.eyes.image_token
    for example, (_, talk) in zip(made.examples, turns(theirs, stage), strict=True):
        ids, labels = reference_ids(ours.tokenizer, talk)
        assert list(example.input_ids) == [x for id_ in ids for x in ([token] * PLACES if id_ == -200 else [id_])]
        wide = zip(ids, labels, strict=True)
        assert list(example.labels) == [x for id_, label in wide for x in [label] * (PLACES if id_ == -200 else 1)]


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_loss_and_best_logits_are_theirs(theirs: Path, ours: Any, stage: str) -> None:
    import torch

    (example, *_) = encode(rows(theirs, stage), ours.tokenizer, template="internlm2_chat", compat="xtuner").examples
    with torch.no_grad():
        loss, count = summed_loss(ours.model, pad([example], ours.eyes))
        scores = ours.model(**{k: v for k, v in pad([example], ours.eyes).items() if k != "labels"}).logits[0]
    picture, talk = next(turns(theirs, stage))
    expected_loss, expected = reference(theirs, picture, *reference_ids(ours.tokenizer, talk))
    assert float(loss) / count == pytest.approx(expected_loss, abs=1e-4)
    width = expected.shape[-1]
    torch.testing.assert_close(scores[:, :width], expected, rtol=1e-3, atol=5e-4)
    assert torch.equal(scores[:, :width].argmax(-1), expected.argmax(-1))


def test_the_loss_is_below_the_one_that_they_logged_on_the_way(theirs: Path, ours: Any) -> None:
    """Their log has 7.9597 as the mean of the first four steps; the projector is of the eighth."""
    import torch

    examples = encode(rows(theirs, "pretrain"), ours.tokenizer, template="internlm2_chat", compat="xtuner").examples
    with torch.no_grad():
        loss, count = summed_loss(ours.model, pad(examples, ours.eyes))
    assert 7.0 < float(loss) / count < 7.9597


def test_a_cut_counts_a_picture_as_one(theirs: Path, ours: Any) -> None:
    (row, *_) = rows(theirs, "pretrain")
    (whole,) = encode([row], ours.tokenizer, template="internlm2_chat", compat="xtuner").examples
    short = encode(
        [row], ours.tokenizer, template="internlm2_chat", compat="xtuner", max_length=len(whole.input_ids) - PLACES
    )
    assert short.examples[0].input_ids == whole.input_ids[:-1] and short.cuts == {"end": [0]}


def reference(theirs: Path, picture: str, ids: list[int], labels: list[int]) -> tuple[float, Any]:
    """Their loss and logits of one row, from the library's separate parts."""
    import torch
    from PIL import Image
    from transformers import AutoModelForCausalLM, CLIPImageProcessor, CLIPVisionModel

    tower = CLIPVisionModel.from_pretrained(theirs / "base_clip", dtype=torch.float32).eval()
    words = AutoModelForCausalLM.from_pretrained(theirs / "base_llama", dtype=torch.float32).eval()
    file = theirs / "llava" / "expected_pretrain_hf" / "projector" / "pytorch_model.bin"
    weights = {name: tensor.float() for name, tensor in torch.load(file, weights_only=True).items()}
    first, second = ([weights[f"model.{n}.{kind}"] for kind in ("weight", "bias")] for n in (0, 2))
    image = Image.open(theirs / "data" / "images" / picture).convert("RGB")
    numbers = padded(theirs, image, CLIPImageProcessor)
    with torch.no_grad():
        features = tower(numbers, output_hidden_states=True).hidden_states[-2][:, 1:]
        hidden = torch.nn.functional.gelu(torch.nn.functional.linear(features, *first))
        shown = torch.nn.functional.linear(hidden, *second)[0]
        at = ids.index(-200)
        embed = words.get_input_embeddings()
        vectors = torch.cat([embed(torch.tensor(ids[:at])), shown, embed(torch.tensor(ids[at + 1 :]))])
        targets = [*labels[:at], *[IGNORE_INDEX] * len(shown), *labels[at + 1 :]]
        out = words(inputs_embeds=vectors[None], labels=torch.tensor([targets]))
    return float(out.loss), out.logits[0]


def padded(theirs: Path, image: Any, processor: Any) -> Any:
    """The picture's numbers, padded to a square with the mean colour, as XTuner's chat and second stage have them."""
    from PIL import Image

    made = processor.from_pretrained(theirs / "base_clip")
    side = max(image.size)
    square = Image.new("RGB", (side, side), tuple(int(x * 255) for x in made.image_mean))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return made(square, return_tensors="pt")["pixel_values"]
