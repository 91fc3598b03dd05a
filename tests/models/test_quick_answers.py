"""Facts about the quick answers: the library's, however long prompts and answers are, and nothing where they would not
be those."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.models.test_quick import adapted
from workbench.models import Loaded, generate, load
from workbench.models import generation as generating
from workbench.models.loading import POCKET
from workbench.models.quick_answers import ROOM, quick_answers


def prompts(*lengths: int) -> list[list[int]]:
    chance = random.Random(0)
    return [[chance.randrange(5, 300) for _ in range(length)] for length in lengths]


def both(loaded: Loaded, monkeypatch: pytest.MonkeyPatch, asked: list[list[int]], **limits: Any) -> Any:
    """The quick answers, and the library's."""
    assert quick_answers(loaded.model) is not None
    quick = generate(loaded, asked, **limits)
    monkeypatch.setattr(generating, "quick_answers", lambda _: None)
    return quick, generate(loaded, asked, **limits)


def as_loaded(model: Any) -> Loaded:
    return Loaded(model.eval(), None, "tiny", model.device)


@pytest.mark.parametrize("lengths", [(1,), (7, 7, 7), (3, 30, 4, 12, 5, 61)])
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_the_answers_are_the_library_s(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, quantization: str, lengths: tuple[int, ...]
) -> None:
    loaded = as_loaded(adapted(tiny, quantization=quantization))
    ours, theirs = both(loaded, monkeypatch, prompts(*lengths), max_new_tokens=2 * ROOM + 3)
    assert ours == theirs
    assert all(len(answer) == 2 * ROOM + 3 for answer in ours)


@pytest.mark.parametrize("keys", [1, 2])
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_the_answers_are_the_library_s_where_heads_share_their_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantization: Any, keys: int
) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {"num_attention_heads": 4, "num_key_value_heads": keys, "head_dim": 16, "num_hidden_layers": 2}
    config = LlamaConfig(vocab_size=300, hidden_size=64, intermediate_size=96, tie_word_embeddings=True, **shape)
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / file).write_bytes((POCKET / file).read_bytes())
    base = load(str(tmp_path), device="cpu", quantization=quantization)
    ours, theirs = both(base, monkeypatch, prompts(3, 30, 4, 12, 5, 61), max_new_tokens=2 * ROOM + 3)
    assert ours == theirs


def test_rows_end_at_a_stop_token_each_at_its_own_time(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = as_loaded(adapted(tiny))
    asked = prompts(*range(2, 42))
    free = generate(loaded, asked, max_new_tokens=24)
    stops = [answer[at] for at, answer in enumerate(free[:12], start=2)]  # what some of them say
    ours, theirs = both(loaded, monkeypatch, asked, max_new_tokens=24, stop_ids=stops)
    assert ours == theirs
    assert len({len(answer) for answer in ours}) > 2
    assert not any(token in stops for answer in ours for token in answer)


def test_the_embedded_model_answers_as_with_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.evaluation import general_probes
    from workbench.templates import prompt_ids, stop_ids

    loaded = load("pocket", device="cpu")
    asked = [prompt_ids(probe.messages, loaded.tokenizer) for probe in general_probes(limit=40)]
    ours, theirs = both(loaded, monkeypatch, list(map(list, asked)), stop_ids=stop_ids(loaded.tokenizer))
    assert ours == theirs


def test_an_adapter_that_is_off_says_nothing(tiny: Path) -> None:
    model = adapted(tiny)
    asked, base = prompts(5, 9), load(str(tiny), device="cpu")
    with model.disable_adapter():
        assert generate(as_loaded(model), asked, max_new_tokens=9) == generate(base, asked, max_new_tokens=9)
    assert generate(as_loaded(model), asked, max_new_tokens=9) != generate(base, asked, max_new_tokens=9)


def test_what_it_is_not_made_for_is_left_to_the_library(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert quick_answers(load(str(tiny), device="cpu", dtype="bfloat16").model) is None
    model = load(str(tiny), device="cpu").model
    assert quick_answers(model) is not None
    model.config.hidden_act = "gelu"
    assert quick_answers(model) is None
    model.config.hidden_act = "silu"
    monkeypatch.setattr("workbench.models.quick_answers.SMALL", 1000)
    assert quick_answers(model) is not None
    monkeypatch.setattr("workbench.models.quick_answers.SPARE", 1e12)  # no machine has so much
    assert quick_answers(model) is None
    monkeypatch.setattr("workbench.models.quick_answers.SPARE", 1)
    monkeypatch.setattr("workbench.models.quick_answers.LIMIT", 1000)
    assert quick_answers(model) is None


def test_learnt_prompts_and_norms_are_left_to_the_library(tiny: Path) -> None:
    from peft import LoraConfig, PromptTuningConfig, get_peft_model

    lora = {"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    for config, taken in (
        (LoraConfig(**lora), True),
        (LoraConfig(**lora, modules_to_save=["norm"]), False),
        (PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"), False),
    ):
        model = get_peft_model(load(str(tiny), device="cpu").model, config)
        assert (quick_answers(model) is not None) == taken


def test_no_prompt_has_no_answer(tiny: Path) -> None:
    assert generate(load(str(tiny), device="cpu"), []) == []
