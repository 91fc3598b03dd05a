"""A base of another family goes the whole way: what serving sends is what was trained, and what its template does is
said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import make_family, overrides
from workbench.chat import Assistant
from workbench.data import Message, Picture, ask, write
from workbench.errors import BadInput
from workbench.export import convert, merge
from workbench.models import load_tokenizer
from workbench.runs import Run
from workbench.templates import dressed, mask_view
from workbench.training import load_recipe, train
from workbench.training.data import Conversations

SPROUT = 'You are "Sprout", 小芽的助手。'

GIVEN = "templates.default_system.given"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "rows.jsonl"
    rows = [ask(f"who {n}?", "<think>\nI am asked.\n</think>\n\nI am Sprout.", group=str(n)) for n in range(8)]
    two = (Message("user", "hi"), Message("assistant", "Hello."), Message("user", "who?"), Message("assistant", "I."))
    write([*rows, ask("a", "b").with_messages(*two)], file)
    return file


def trained(family: str, data: Path, out: Path, *more: str) -> Run:
    """A run of two steps on a tiny model of the family."""
    base = make_family(family, out / "base")
    how = (f"data.train={data}", "max_steps=2", "eval_steps=2", "validation_share=0", "quantization=none")
    how += ("identity_probes=0", "general_probes=0", "unrelated_probes=0", *more)
    return train(load_recipe("pocket-qlora", overrides(base, *how)), out / "run")


def said(run: Run) -> dict[str, dict[str, Any]]:
    """The status events by their keys."""
    return {str(e.key): dict(e.values) for e in run.events.all() if e.kind == "status"}


@pytest.mark.parametrize(
    ("family", "settings", "keys"),
    [
        ("qwen3", {"thinking": "empty"}, {"templates.apart.thought_emptied", "templates.apart.rewritten"}),
        ("qwen3", {"thinking": "mask", "system": SPROUT}, {"templates.apart.thought_masked", GIVEN}),
        ("llama", {}, {"templates.apart.thought_left_out", "templates.default_system.identity"}),
        ("llama", {"system": "none"}, {"templates.apart.thought_left_out"}),
        ("llama", {"system": SPROUT}, {"templates.apart.thought_left_out", GIVEN}),
        ("gemma", {"system": "none"}, set()),
    ],
    ids=["qwen3-empty", "qwen3-mask", "llama", "llama-none", "llama-system", "gemma-none"],
)  # fmt: skip
def test_the_prompt_served_is_the_prompt_trained_byte_for_byte(
    family: str, settings: dict[str, Any], keys: set[str], data: Path, tmp_path: Path
) -> None:
    run = trained(family, data, tmp_path, *(f"data.{name}={value}" for name, value in settings.items()))
    assert keys == {key for key in said(run) if key.startswith("templates.")}

    plain = load_tokenizer(str(tmp_path / "base"))
    tokenizer = dressed(plain, **settings)
    view = mask_view(ask("Who?", "I."), tokenizer, thinking=settings.get("thinking", "keep"))
    assert view.prompt_is_prefix
    if settings.get("system") == SPROUT:
        assert SPROUT in view.prompt_text and "Bluebird" not in view.prompt_text
    if settings.get("system") == "none":
        assert "Bluebird" not in view.prompt_text
    if settings.get("thinking") == "empty":
        assert view.prompt_text.endswith("<think>\n\n</think>\n\n")

    base = str(tmp_path / "base")
    adapter = convert(run.path, tmp_path / "adapter")
    merged = merge(base, adapter, tmp_path / "merged")
    checkpoint = run.latest()
    assert checkpoint is not None
    for loaded in (
        Assistant.load(base, adapter=adapter),
        Assistant.load(base, adapter=checkpoint.path),
        Assistant.load(str(merged)),
    ):
        assert loaded.prompt("Who?") == list(view.prompt_ids)
    # any other server renders with the chat template that lies beside the weights
    from transformers import AutoTokenizer

    other = AutoTokenizer.from_pretrained(merged)
    asked = [{"role": "user", "content": "Who?"}]
    assert other.apply_chat_template(asked, tokenize=False, add_generation_prompt=True) == view.prompt_text


def test_a_named_template_is_served_with_the_system_text_of_the_recipe(data: Path, tmp_path: Path) -> None:
    run = trained("llama", data, tmp_path, "model.template=qwen_chat", f"data.system={SPROUT}")
    base = str(tmp_path / "base")
    adapter = convert(run.path, tmp_path / "adapter")
    expected = f"<|im_start|>system\n{SPROUT}<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n"
    for loaded in (
        Assistant.load(base, adapter=adapter),
        Assistant.load(str(merge(base, adapter, tmp_path / "merged"))),
    ):
        assert loaded.prompt_text("Who?") == expected
        assert SPROUT not in loaded.prompt_text("Who?", system="Be brief.")


def test_a_template_without_a_place_for_it_refuses_the_system_text(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="System role not supported"):
        trained("gemma", data, tmp_path, f"data.system={SPROUT}")
    assert not (tmp_path / "run").exists()


def test_the_fingerprint_of_the_data_covers_all_of_a_conversation() -> None:
    tool, call = json.dumps({"name": "look"}), json.dumps({"name": "look", "arguments": {}})
    bare = ask("Who?", "I.")
    answer = bare.messages[1]
    from dataclasses import replace

    others = [
        bare.with_messages(bare.messages[0], replace(answer, **change))
        for change in (
            {"thinking": "Hm."},
            {"tool_calls": (call,)},
            {"images": (Picture("a.png", data=b"1"),)},
            {"train": True},
        )
    ]
    others += [
        replace(bare, tools=(tool,)),
        bare.with_messages(answer),
        replace(bare.with_messages(answer), kind="text"),
    ]
    prints = {Conversations((one,), ()).fingerprint() for one in (bare, *others)}
    assert len(prints) == 1 + len(others)
