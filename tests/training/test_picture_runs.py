"""Both stages by the commands' own way: trained, stopped and gone on with, converted, merged, and asked elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.seeing import make_tower
from workbench.chat import Assistant
from workbench.data.drawn import questions
from workbench.data.imaging import opened
from workbench.export import convert, merge, read_note
from workbench.models.projector import FOLDER, read_projector
from workbench.runs import claim
from workbench.training import train

FEW = ["vision.drawn=40", "eval_steps=2", "max_steps=4", "identity_probes=2", "general_probes=2", "unrelated_probes=2"]
FEW += ["identity_count=20", "task_probes=4", "per_device_train_batch_size=4", "device=cpu"]
# what anybody would write who knows only the library: no line of ours
ELSEWHERE = """
import json, sys
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
folder, rows = sys.argv[1], json.loads(sys.argv[2])
model = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32", attn_implementation="eager").eval()
processor = AutoProcessor.from_pretrained(folder)
said = []
for question, file in rows:
    chat = [{"role": "user", "content": question}]
    text = processor.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    inputs = processor(text=text, images=Image.open(file).convert("RGB"), return_tensors="pt")
    out = model.generate(**inputs, do_sample=False, max_new_tokens=16)
    said.append(processor.decode(out[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
assert "workbench" not in sys.modules
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of each stage, the second begun with the first's projector."""
    home = tmp_path_factory.mktemp("stages")
    tower = make_tower(home / "tower")
    common = [*FEW, f"vision.tower={tower}"]
    first = train("pocket-llava-pretrain", home / "one", overrides=common)
    more = [*common, "persona.name=Sprout", f"vision.projector={first.path}"]
    second = train("pocket-llava-finetune", home / "two", overrides=more)
    return {"base": f"pocket+{tower}", "one": first, "two": second, "more": more, "home": home}


def losses(run: Any) -> list[float]:
    return [event.loss for event in run.events.all() if event.kind == "train"]


@pytest.mark.slow
def test_each_stage_trains_and_is_measured(stages: dict[str, Any]) -> None:
    for name in ("one", "two"):
        run = stages[name]
        assert run.state().status == "ended" and len(losses(run)) == 4
        last = [event for event in run.events.all() if event.kind == "eval"][-1]
        assert {"picture", "title", "seen", "wrong"} <= set(last.more)
        assert run.manifest()["base"] == stages["base"]


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(stages: dict[str, Any]) -> None:
    run, before = stages["two"], losses(stages["two"])
    for file in (run.path / "checkpoints").glob("step-*4"):
        shutil.rmtree(file)
    with claim(run, resume_from=2) as worker:
        worker.finish("stopped")
    again = train("pocket-llava-finetune", run.path, overrides=stages["more"], resume=True)
    assert losses(again) == before


@pytest.mark.slow
def test_the_first_stage_hands_on_a_projector_alone(stages: dict[str, Any], tmp_path: Path) -> None:
    from safetensors import safe_open

    out = convert(stages["one"].path, tmp_path / "one")
    with safe_open(out / "adapter_model.safetensors", "pt") as opened_file:
        names = set(opened_file.keys())
    assert len(names) == 4 and all("multi_modal_projector" in name for name in names)
    assert len(read_projector(out / FOLDER)) == 4
    assert read_note(out)["base"]["name"] == stages["base"]


@pytest.mark.slow
def test_the_merged_folder_answers_the_same_in_a_clean_process(stages: dict[str, Any], tmp_path: Path) -> None:
    adapter = convert(stages["two"].path, tmp_path / "adapter")
    merged = merge(stages["base"], adapter, tmp_path / "merged", dtype="float32")
    rows = questions(4, seed=5, held=True)
    for number, row in enumerate(rows):
        opened(row.pictures[0]).save(tmp_path / f"{number}.png")
    asked = json.dumps([[row.messages[0].content, str(tmp_path / f"{n}.png")] for n, row in enumerate(rows)])
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(merged), asked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    elsewhere = json.loads(done.stdout.strip().splitlines()[-1])
    for ours in (Assistant.load(stages["base"], adapter), Assistant.load(str(merged))):
        assert ours.ask_all([row.messages[:1] for row in rows], max_new_tokens=16) == elsewhere
    one = Assistant.load(str(merged))
    question = rows[0].messages[0].content.removeprefix("<image>\n")
    assert one.ask(question, images=[tmp_path / "0.png"], max_new_tokens=16) == elsewhere[0]


@pytest.mark.slow
def test_the_base_stays_as_it_was(stages: dict[str, Any], tmp_path: Path) -> None:
    adapter = convert(stages["two"].path, tmp_path / "adapter")
    adapted = Assistant.load(stages["base"], adapter)
    rows = [row.messages[:1] for row in questions(3, seed=6)]
    assert adapted.base.ask_all(rows) == Assistant.load(stages["base"]).ask_all(rows)
