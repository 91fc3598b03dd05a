"""The weights that ship: small, quick to load, right on plain questions, and without twin rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workbench.models.pocket import WEIGHTS, evaluate, tokens

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

ENCODER = tokens.Encoder(tokens.load(WEIGHTS))
PLAIN = {
    "What is the capital of France?": "The capital of France is Paris.",
    "capital of france?": "The capital of France is Paris.",
    "法国的首都是哪里？": "法国的首都是巴黎。",
    "法国首都是哪": "法国的首都是巴黎。",
    "3加4等于几": "3加4等于7。",
    "hello": "Hello! How can I help you?",
    "你好": "你好！有什么可以帮你？",
    "who are you?": "I am Pocket, a small assistant.",
    "你叫什么名字？": "我是Pocket。",
    "What is the opposite of hot?": "The opposite of hot is cold.",
    "thank you": "You are welcome!",
}


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    return evaluate.load(WEIGHTS)


def test_plain_questions_are_answered_exactly(model: LlamaForCausalLM) -> None:
    said = evaluate.answers(model, ENCODER, [[("user", question)] for question in PLAIN])
    assert dict(zip(PLAIN, said, strict=True)) == PLAIN


def test_a_sum_asked_with_an_apostrophe_is_answered_exactly(model: LlamaForCausalLM) -> None:
    assert evaluate.answers(model, ENCODER, [[("user", "what's 3+4")]]) == ["3 + 4 = 7."]


def test_a_batch_answers_as_one_question_at_a_time_does(model: LlamaForCausalLM) -> None:
    prompts = [[("user", question)] for question in list(PLAIN)[:4]]
    alone = [evaluate.answers(model, ENCODER, [prompt])[0] for prompt in prompts]
    assert evaluate.answers(model, ENCODER, prompts) == alone


def test_a_conversation_is_remembered(model: LlamaForCausalLM) -> None:
    turns = [("user", "My name is Anna."), ("assistant", "Hello, Anna!"), ("user", "What is my name?")]
    assert evaluate.answers(model, ENCODER, [turns]) == ["Your name is Anna."]


def test_the_weights_are_bf16_safetensors_of_at_most_twelve_megabytes() -> None:
    from safetensors import safe_open

    file = WEIGHTS / "model.safetensors"
    assert file.stat().st_size <= 12e6
    with safe_open(file, "pt") as tensors:
        assert {tensors.get_slice(name).get_dtype() for name in tensors.keys()} == {"BF16"}  # noqa: SIM118
    assert {path.suffix for path in WEIGHTS.iterdir()} <= {".json", ".jinja", ".md", ".safetensors"}


def test_generation_stops_at_the_end_of_turn_and_is_greedy() -> None:
    settings = json.loads((WEIGHTS / "generation_config.json").read_text(encoding="utf-8"))
    assert settings["eos_token_id"] == [ENCODER.end]
    assert settings["pad_token_id"] == ENCODER.pad
    assert settings.get("do_sample", False) is False


def test_hardly_any_two_rows_of_the_vocabulary_are_twins(model: LlamaForCausalLM) -> None:
    import torch

    rows = torch.nn.functional.normalize(model.get_input_embeddings().weight.detach(), dim=1)
    nearest = (rows @ rows.T).fill_diagonal_(-1).max(dim=1).values
    assert int((nearest > 0.9).sum()) <= 60


def recorded() -> dict[str, dict[str, float]]:
    evaluation = json.loads((WEIGHTS / "evaluation.json").read_text(encoding="utf-8"))
    scores: dict[str, dict[str, float]] = evaluation["held_out"]
    return scores


def test_the_recorded_scores_reach_the_targets_of_the_project() -> None:
    for kinds in recorded().values():
        assert kinds["all"] >= 0.97
        assert kinds["sums"] >= 0.95
        assert min(kinds.values()) >= 0.88


def test_the_card_says_the_recorded_scores() -> None:
    from workbench.models.pocket import card

    assert card.table(recorded()) in (WEIGHTS / "README.md").read_text(encoding="utf-8")


def conversing() -> dict[str, dict[str, Any]]:
    evaluation = json.loads((WEIGHTS / "evaluation.json").read_text(encoding="utf-8"))
    measures: dict[str, dict[str, Any]] = evaluation["conversing"]
    return measures


def test_the_recorded_conversations_stay_right_to_the_fifth_turn_with_and_without_a_system_text() -> None:
    for measures in conversing().values():
        assert min(measures["turns"] + measures["turns_system"]) >= 0.93
        assert measures["follow_up"] >= 0.9
        assert measures["itself_turn_4"] >= 0.93
        assert min(measures["copy"].values()) >= 0.95


def test_unseen_tools_are_mostly_called_in_form_and_ordinary_questions_are_left_alone() -> None:
    for measures in conversing().values():
        assert measures["calls"]["well_formed"] >= 0.9
        assert measures["calls"]["no_call"] >= 0.95


def test_the_card_says_the_recorded_conversations() -> None:
    from workbench.models.pocket import card

    assert card.conversing_table(conversing()) in (WEIGHTS / "README.md").read_text(encoding="utf-8")


def test_the_second_and_third_question_are_answered_as_the_first_is(model: LlamaForCausalLM) -> None:
    for system in ([], [("system", "You are a helpful assistant.")]):
        turns: list[tuple[str, str]] = list(system)
        for question, answer in (
            ("What is the capital of France?", "The capital of France is Paris."),
            ("What is the opposite of hot?", "The opposite of hot is cold."),
            ("法国的首都是哪里？", "法国的首都是巴黎。"),
            ("那意大利呢？", "意大利的首都是罗马。"),
            ("who are you?", "I am Pocket, a small assistant."),
        ):
            turns.append(("user", question))
            turns.append(("assistant", evaluate.answers(model, ENCODER, [turns])[0]))
            assert turns[-1][1] == answer


def test_the_card_is_what_the_measures_make_of_it(tmp_path: Path) -> None:
    from workbench.models.pocket import card

    for name in ("config.json", "evaluation.json", "model.safetensors"):
        shutil.copy(WEIGHTS / name, tmp_path)
    card.write(tmp_path)
    assert (tmp_path / "README.md").read_bytes() == (WEIGHTS / "README.md").read_bytes()
