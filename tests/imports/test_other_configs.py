"""Configs of other kinds: what each of them says is carried over, told or refused; nothing is lost silently."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.imports.theirs import CONFIG, TINY, lora, save_pth
from workbench.cli import run as command
from workbench.errors import BadInput
from workbench.imports import bring
from workbench.imports.configs import read_config, read_text
from workbench.imports.draft import Draft
from workbench.imports.recipe import draft
from workbench.training.recipe import check_recipe

FILES = "dataset=dict(type=load_dataset, path='json', data_files=dict(train=data_files))"
FUNCTION = "dataset_map_fn=openai_map_fn"
BITS = "load_in_4bit=True, bnb_4bit_quant_type='nf4'"
SET = "dataset=train_dataset)\n"
LLM = "    lora=dict("
KEPT = "interval=save_steps"
LLAVA = (
    CONFIG.replace("type=SupervisedFinetune,", "type=LLaVAModel, freeze_llm=True, freeze_visual_encoder=True,"
                   " visual_encoder=dict(pretrained_model_name_or_path='/group/clip-large'),")
    .replace(FILES, "data_path='/d/rows.json', image_folder='/d/images', pad_image_to_square=True")
    .replace(FUNCTION, "dataset_map_fn=llava_map_fn").replace(", pack_to_max_length=pack_to_max_length", "")
)  # fmt: skip
BOTH = "    visual_encoder_lora=dict(r=8, lora_alpha=16), pretrained_pth='/w/iter_2181.pth', llm_lora=dict("


def drafted(text: str) -> Draft:
    made = draft(read_text(text, "c.py"), "c.py")
    check_recipe(made.settings)
    assert all(row.said("en") and row.said("zh") for row in made.rows if row.note)
    return made


# what is changed in the course's config -> (by what, what the recipe then says, what is told as not carried over)
KINDS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "a folder saved by datasets": (FILES, "dataset=dict(type=load_from_disk, dataset_path='/d/saved')",
                                   {"data.train": "/d/saved"}, ""),
    "a set of the hub": (FILES, "dataset=dict(type=load_dataset, path='tatsu-lab/alpaca', split='train[:9%]')",
                         {"data.train": "tatsu-lab/alpaca"}, "split"),
    "a set of ModelScope": (FILES, "dataset=dict(type=MsDataset.load, dataset_name='damo/MSAgent-Bench')",
                            {"data.train": "damo/MSAgent-Bench"}, ""),
    "two splits": ("dict(train=data_files)", "dict(train='/d/a.json', test='/d/b.json')",
                   {"data.train": "/d/a.json"}, "data_files.test"),
    "token ids": (FILES, "dataset_cfg=dict(type=load_intern_repo_tokenized_dataset, folder='/d/ids')",
                  {}, "folder = '/d/ids'"),
    "repeated": (SET, "dataset=dict(type='RepeatDataset', times=5, dataset=train_dataset))\n",
                 {"schedule.num_train_epochs": 10.0, "data.format": "messages", "data.max_length": 1024}, ""),
    "moss": ("train_dataset = dict(", "train_dataset = dict(type=MOSSSFTDataset, data_file='/d/m.jsonl', bot_name='x',",
             {"data.format": "moss", "data.train": "/group/data/personal_assistant.json"}, "bot_name"),
    "epochs between checkpoints": (KEPT, "by_epoch=True, interval=1", {"checkpoints.save_steps": None}, "interval"),
    "a share of the epochs": (KEPT, "by_epoch=False, interval=32", {"checkpoints.save_steps": 2}, ""),
    "another quantization": (BITS, "bits=4", {"model.quantization": "none"}, ""),
    "a warm-up of iterations": ("by_epoch=True, begin=0, end=warmup_ratio * max_epochs)",
                                "by_epoch=False, begin=0, end=200)", {"schedule.warmup_ratio": None}, "LinearLR.end"),
    "a folder of Windows": ("'/group/model/internlm2-chat-1_8b'", r"r'D:\m\internlm2-chat-1_8b'",
                            {"model.name": "internlm2-chat-1_8b"}, ""),
    "a template of one's own": ("PROMPT_TEMPLATE.internlm2_chat", "dict(INSTRUCTION='{input}', SUFFIX='<e>')",
                                {"model.template": None}, "prompt_template"),
    "decoupled settings": ("lora_dropout=0.1", "lora_dropout=0.1, use_dora=True, modules_to_save=['lm_head']",
                           {"adapter.r": 64}, "use_dora"),
    "no head": ("from xtuner.utils import PROMPT_TEMPLATE, SYSTEM_TEMPLATE\n", "",
                {"model.template": "internlm2_chat"}, "SYSTEM"),
    "another loop": ("type=TrainLoop, max_epochs=max_epochs", "type='IterBasedTrainLoop', max_iters=160",
                     {"schedule.max_steps": 10}, ""),
    "momentum": ("optimizer=dict(type=optim_type,", "optimizer=dict(type=SGD, momentum=0.9,",
                 {"optimizer.optim": "sgd"}, "momentum"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_config_of_another_kind_is_carried_over_or_told(kind: str) -> None:
    theirs, ours, wanted, told = KINDS[kind]
    assert theirs in CONFIG
    made = drafted(CONFIG.replace(theirs, ours))
    for key, value in wanted.items():
        group, name = key.split(".")
        assert made.settings[group].get(name) == value, key
    assert told in " ".join(row.theirs for row in made.rows if row.kind == "left")


REFUSED = {
    "a loop over files": (
        "['/group/data/personal_assistant.json']",
        "[f'/d/{i}.json' for i in range(3)]",
        "data_files",
    ),
    "files that are looked for": ("dict(train=data_files)", "dict(train=glob.glob('/d/*.json'))", "data_files"),
    "a function without a name": (FUNCTION, "dataset_map_fn=lambda row: row", "lambda row: row"),
    "pairs": ("type=SupervisedFinetune", "type=DPO", "DPO"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_training_stands_on_is_refused_by_name(kind: str) -> None:
    theirs, ours, name = REFUSED[kind]
    assert theirs in CONFIG
    with pytest.raises(BadInput, match=name):
        drafted(CONFIG.replace(theirs, ours))


def test_beside_weights_a_config_of_pairs_or_of_ones_own_function_is_only_told(tmp_path: Path) -> None:
    for i, text in enumerate((CONFIG.replace("type=SupervisedFinetune", "type=DPO"),
                              CONFIG.replace(FUNCTION, "dataset_map_fn=mine"))):  # fmt: skip
        made = bring([save_pth(tmp_path / str(i) / "iter_4.pth", lora(), text.replace("r=64", "r=4"))])
        assert made.parts == {"adapter": 8} and made.recipe
        assert any(row.note in ("imports.note.preferences", "imports.note.own_function") for row in made.rows)


def test_beside_weights_files_that_are_looked_for_are_only_told(tmp_path: Path) -> None:
    text = CONFIG.replace("dict(train=data_files)", "dict(train=glob.glob('/d/*.json'))").replace("r=64", "r=4")
    made = bring([save_pth(tmp_path / "iter_4.pth", lora(), text)])
    assert made.recipe and made.recipe.data.train is None and made.parts == {"adapter": 8}
    assert "glob.glob('/d/*.json')" in [row.theirs for row in made.rows if row.kind == "left"]


def test_a_config_stands_on_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "usual.py").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "mine.py").write_text(
        "from mmengine.config import read_base\n"
        "with read_base():\n    from .parts.usual import *\n    from xtuner.configs.other import *\n"
        "model.update(dict(lora=dict(r=2)))\nmodel.lora.lora_alpha = 4\n"
        "optim_wrapper['optimizer']['lr'] = 1e-5\ncustom_hooks.append(dict(type=ThroughputHook))\n"
        "custom_hooks[1].evaluation_inputs.extend(['在吗'])\ndel model.llm['quantization_config']\n",
        encoding="utf-8",
    )
    made = draft(read_config(tmp_path / "mine.py"), "mine.py")
    check_recipe(made.settings)
    assert [made.settings["adapter"][name] for name in ("r", "lora_alpha", "lora_dropout")] == [2, 4, 0.1]
    assert made.settings["optimizer"]["learning_rate"] == 1e-5 and made.settings["model"]["quantization"] == "none"
    assert made.settings["evaluation"]["questions"][-1] == "在吗"
    assert [row.theirs for row in made.rows if row.note == "imports.remark.base"] == [
        "from xtuner.configs.other import *"
    ]


def test_a_neighbour_outside_the_folder_or_in_a_circle_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("lr = 0.5\n", encoding="utf-8")
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "mine.py"
    for line in ("from ..secret import *", "from .mine import *", "from .secret import lr"):
        file.write_text(f"with read_base():\n    {line}\n" + CONFIG, encoding="utf-8")
        made = draft(read_config(file), "mine.py")
        assert made.settings["optimizer"]["learning_rate"] == 2e-4
        assert any(row.note == "imports.remark.base" for row in made.rows), line


def test_a_neighbour_that_would_do_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import os\nx = os.system('touch /tmp/never')\n", encoding="utf-8")
    (tmp_path / "mine.py").write_text("with read_base():\n    from .bad import *\n" + CONFIG, encoding="utf-8")
    with pytest.raises(BadInput, match=r"bad\.py, line 2"):
        read_config(tmp_path / "mine.py")


def test_llavas_first_stage_trains_the_projector_alone() -> None:
    made = drafted(LLAVA[: LLAVA.index(LLM)].rstrip(",\n") + ")\n" + LLAVA[LLAVA.index("train_dataset = dict(") :])
    assert made.settings["adapter"] == {"method": "none"}
    # its map function keeps the question, so the rows are the second stage's: what is trained is not
    assert made.settings["vision"] == {"tower": "clip-large", "stage": "finetune", "image_folder": "/d/images"}
    assert made.settings["data"]["train"] == "/d/rows.json" and "packing" not in made.settings["data"]


def test_llavas_second_stage_trains_both_towers() -> None:
    made = drafted(LLAVA.replace(LLM, BOTH))
    assert made.settings["vision"] == {"tower": "clip-large", "stage": "finetune", "image_folder": "/d/images",
                                       "tower_lora_r": 8}  # fmt: skip
    assert made.settings["adapter"]["r"] == 64 and made.settings["data"]["format"] == "llava"
    assert [row.theirs for row in made.rows if row.note == "imports.note.projector_begins"]


DEEPSPEED = {
    "config='/x/deepspeed_zero2.json'": "zero2",
    "config='deepspeed_zero3_offload'": "zero3-offload",
    "config=dict(zero_optimization=dict(stage=1))": "zero1",
    "zero_optimization=dict(stage=3, offload_param=dict(device='cpu'))": "zero3-offload",
}


@pytest.mark.parametrize("table", DEEPSPEED)
def test_deepspeed_is_in_the_recipe_where_that_can_be_trained(table: str) -> None:
    line = f"strategy = dict(type='xtuner.engine.DeepSpeedStrategy', gradient_accumulation_steps=4, {table})\n"
    dumped = CONFIG.replace("accumulative_counts=accumulative_counts)", ")").replace(
        "clip_grad=dict(max_norm", "x=dict(y"
    )
    made = drafted(dumped + line)
    assert made.settings["schedule"]["gradient_accumulation_steps"] == 4 and "runtime" not in made.settings
    assert any(dict(row.values).get("mode") == DEEPSPEED[table] for row in made.rows)
    whole = drafted((dumped + line).replace(", optimizer=dict(type=optim_type", ", optimizer=dict(type=AdamW")
                    .replace(BITS, "").replace("quantization_config=dict(type=BitsAndBytesConfig, )", ""))  # fmt: skip
    wanted = {"deepspeed": DEEPSPEED[table]} if find_spec("deepspeed") else None
    assert whole.settings.get("runtime") == wanted


def test_several_configs_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(TINY, encoding="utf-8")
    assert command(["import", str(tmp_path), "--dry-run"]) == 2
    assert "a.py" in capsys.readouterr().err
