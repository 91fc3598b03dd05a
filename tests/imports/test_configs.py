"""A config is read by its syntax tree: every fact carried over or named, and none of its lines run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.imports.theirs import CONFIG
from workbench.errors import BadInput
from workbench.imports.configs import read_config, read_text
from workbench.imports.draft import Draft
from workbench.imports.recipe import draft
from workbench.training.checks import check_settings
from workbench.training.recipe import check_recipe


def drafted(text: str, **how: str) -> Draft:
    return draft(read_text(text, "c.py"), "c.py", **how)


def test_every_fact_of_the_courses_config_is_carried_over() -> None:
    made = drafted(CONFIG)
    assert made.settings == {
        "adapter": {"method": "lora", "r": 64, "lora_alpha": 16, "lora_dropout": 0.1, "target_modules": "all-linear"},
        "checkpoints": {"save_steps": 19, "save_total_limit": None},
        "data": {"general": None, "validation_share": 0.0, "train": "/group/data/personal_assistant.json",
                 "format": "messages", "max_length": 1024, "packing": True},
        "evaluation": {"eval_steps": 19, "questions": ["请你介绍一下你自己", "你是谁"]},
        "model": {"name": "internlm2-chat-1_8b", "quantization": "nf4", "template": "internlm2_chat"},
        "optimizer": {"optim": "paged_adamw_32bit", "learning_rate": 2e-4, "weight_decay": 0.0, "adam_beta1": 0.9,
                      "adam_beta2": 0.999, "max_grad_norm": 1.0},
        "schedule": {"gradient_accumulation_steps": 16, "per_device_train_batch_size": 1, "num_train_epochs": 2.0,
                     "warmup_ratio": 0.03, "lr_scheduler_type": "cosine"},
    }  # fmt: skip
    check_recipe(made.settings)
    left = [row.theirs for row in made.rows if row.kind == "left"]
    assert left == ["SYSTEM = xtuner.utils.SYSTEM_TEMPLATE.alpaca", "–", "randomness.deterministic = False"]
    assert all(row.said("en") and row.said("zh") for row in made.rows if row.note)


def test_dumped_as_text_or_json_it_is_the_same(tmp_path: Path) -> None:
    dumped = CONFIG.replace("PROMPT_TEMPLATE.internlm2_chat", "'xtuner.utils.PROMPT_TEMPLATE.internlm2_chat'")
    dumped = dumped.replace("type=openai_map_fn", "'xtuner.dataset.map_fns.openai_map_fn'")
    values = json.loads(json.dumps(read_text(dumped, "c.py").values))
    (tmp_path / "c.json").write_text(json.dumps(values), encoding="utf-8")
    assert draft(read_config(tmp_path / "c.json"), "c.json").settings == drafted(CONFIG).settings


CHANGES = {
    "max_epochs = 2\n": ("max_epochs = 2\n", {}),
    "load_in_4bit=True": ("load_in_8bit=True", {"model": {"quantization": "none"}}),
    "prompt_template = PROMPT_TEMPLATE.internlm2_chat": (
        "prompt_template = PROMPT_TEMPLATE.qwen_chat",
        {"model": {"template": "qwen_chat"}},
    ),
    "dict(type=TrainLoop, max_epochs=max_epochs)": (
        "dict(type=TrainLoop, max_iters=50)",
        {"schedule": {"max_steps": 4}},
    ),
    "'/group/model/internlm2-chat-1_8b'": (
        "'internlm/internlm2-chat-1_8b'",
        {"model": {"name": "internlm/internlm2-chat-1_8b"}},
    ),
    "r=64,": (
        "r=8, target_modules=['wqkv', 'wo'],",
        {"adapter": {"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]}},
    ),
    "accumulative_counts *= 1": ("accumulative_counts //= 4", {"schedule": {"gradient_accumulation_steps": 4}}),
    "lr = 2e-4": ("lr = 1e-4 * 3 if max_epochs > 1 else 1e-4", {"optimizer": {"learning_rate": 1e-4 * 3}}),
}


@pytest.mark.parametrize("theirs", CHANGES)
def test_one_line_changed_changes_what_it_says(theirs: str) -> None:
    new, wanted = CHANGES[theirs]
    assert theirs in CONFIG
    settings = drafted(CONFIG.replace(theirs, new)).settings
    assert all(settings[group][name] == value for group, names in wanted.items() for name, value in names.items())


PASTED = {
    "bom": lambda text: "\ufeff" + text,
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "fence": lambda text: f"Change these lines:\n```python\n{text}```\nand train.",
    "diff": lambda text: text.replace("lr = 2e-4", "- lr = 1e-3\n+ lr = 2e-4"),
    "whole diff": lambda text: "".join(f" {line}\n" for line in text.splitlines()).replace(" lr =", "-lr = 1\n+lr ="),
    "tabs": lambda text: text + "if max_epochs:\n\tseen = 1\n        other = 2\n",
}


@pytest.mark.parametrize("name", PASTED)
def test_pasted_as_people_paste_it_reads_the_same(name: str) -> None:
    wanted = drafted(CONFIG).settings
    assert drafted(PASTED[name](CONFIG)).settings == wanted


REFUSED = {
    "import os\nos.system('x')\n": "line 2.*os.system",
    "x = __import__('os').getcwd()\n": "line 1.*__import__",
    "max_epochs = eval('3')\n": "line 1.*eval",
    "x = ().__class__.__bases__[0].__subclasses__()\n": "line 1.*__",
    "from subprocess import run\nx = open('/etc/passwd').read()\n": "line 2.*open",
    "lr = 1\nx = ['a'，'b']\n": "line 2.*，",
    "lr = 1\nname = 'sprout\n": "line 2",
    "x = 3\n": "sets nothing",
    "from x import TrainingArguments\na = TrainingArguments\n": "another program",
    "(" * 5000: "no Python",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_config_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(BadInput, match=REFUSED[text]):
        drafted(text)


def test_what_is_not_read_is_told_with_its_line_and_the_rest_is_read() -> None:
    made = drafted(CONFIG + "def more():\n    return 1\nbig = 9 ** 9 ** 9\nlong = 'a' * 10**12\n")
    lines = len(CONFIG.splitlines())
    told = [dict(row.values).get("line") for row in made.rows if row.note.startswith("imports.remark")]
    assert (
        told == [str(lines + 1), str(lines + 3), str(lines + 4)] and made.settings["optimizer"]["learning_rate"] == 2e-4
    )


def test_a_function_of_ones_own_is_named() -> None:
    with pytest.raises(BadInput, match="my_map_fn"):
        drafted(CONFIG.replace("openai_map_fn", "my_map_fn"))


def test_bases_are_read_where_they_lie_beside(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "c.py").write_text("_base_ = ['./base.py']\nmodel = dict(lora=dict(r=2))\n")
    assert draft(read_config(tmp_path / "c.py"), "c.py").settings["adapter"]["r"] == 2
    (tmp_path / "c.py").write_text("_base_ = '../../secret.py'\n" + CONFIG, encoding="utf-8")
    assert any(row.note == "imports.remark.base" for row in draft(read_config(tmp_path / "c.py"), "c.py").rows)


def test_real_configs_of_xtuner(shared: Path) -> None:
    for file in (shared / "xtuner").rglob("config.py"):
        check_recipe(draft(read_config(file), str(file)).settings)


SEES = """
visual_encoder_name_or_path = 'openai/clip-vit-large-patch14-336'
image_folder = '/group/images'
model = dict(type=LLaVAModel, freeze_llm=True, freeze_visual_encoder=True,
    llm=dict(pretrained_model_name_or_path='/group/model/internlm2-chat-1_8b'),
    visual_encoder=dict(pretrained_model_name_or_path=visual_encoder_name_or_path){more})
train_dataloader = dict(dataset=dict(image_folder='/group/images', pad_image_to_square={square}, max_length=1472,
    dataset_map_fn='xtuner.dataset.map_fns.{function}'))
"""


def of_llava(function: str, *, square: bool, more: str = "", base: str = "") -> Draft:
    text = SEES.replace("{more}", more).replace("{square}", str(square)).replace("{function}", function)
    return drafted(text, **({"base": base} if base else {}))


def test_a_llavas_first_stage_trains_the_projector_from_titles() -> None:
    made = of_llava("llava_image_only_map_fn", square=False)
    assert made.settings["vision"] == {
        "tower": "openai/clip-vit-large-patch14-336", "stage": "pretrain", "image_folder": "/group/images",
    }  # fmt: skip
    assert (made.settings["adapter"]["method"], made.settings["model"]["name"]) == ("none", "internlm2-chat-1_8b")
    assert {"imports.note.cropped", "imports.note.picture_length"} <= {row.note for row in made.rows}
    check_settings(check_recipe(made.settings))


def test_a_llavas_second_stage_trains_both_loras() -> None:
    more = ", llm_lora=dict(r=512, lora_alpha=256), visual_encoder_lora=dict(r=64, lora_alpha=16)"
    made = of_llava("llava_map_fn", square=True, more=more, base="models/words+models/eyes")
    assert made.settings["vision"] == {
        "tower": "models/eyes", "stage": "finetune", "image_folder": "/group/images", "tower_lora_r": 64,
    }  # fmt: skip
    assert made.settings["model"]["name"] == "models/words"
    assert (made.settings["adapter"]["method"], made.settings["adapter"]["r"]) == ("lora", 512)
    recipe = check_recipe(made.settings)
    check_settings(recipe)
    assert recipe.base == "models/words+models/eyes"
