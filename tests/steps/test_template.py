"""The step of templates: what is pasted, what is toggled, one view or two."""

from __future__ import annotations

import json

import pytest

from workbench.errors import BadInput, UnknownName
from workbench.steps import TemplateStep


def test_the_view_is_that_of_the_pocket_models_own_template() -> None:
    view = TemplateStep(lang="en").view()
    assert view.prompt_is_prefix
    assert 0 < view.trained < len(view.tokens)


def test_another_template_stands_beside_the_first() -> None:
    step = TemplateStep(lang="zh")
    assert step.comparison() is None
    step.change(other="qwen_chat")
    compared = step.comparison()
    assert compared is not None
    assert compared.b.template == "qwen_chat"


@pytest.mark.parametrize(
    "given",
    [
        json.dumps({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}),
        json.dumps([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]),
        json.dumps({"instruction": "Hi", "input": "", "output": "Hello"}),
        "user: Hi\nassistant: Hello",
        "User：Hi\nAssistant：Hello\n",
    ],
)
def test_a_conversation_is_pasted_in_any_form(given: str) -> None:
    step = TemplateStep()
    step.paste(given)
    conversation = step.settings.conversation
    assert [(m.role, m.content) for m in conversation.messages] == [("user", "Hi"), ("assistant", "Hello")]


@pytest.mark.parametrize("given", ["", "hello", "[]", '{"messages": '])
def test_what_is_no_conversation_is_refused_and_the_last_one_stays(given: str) -> None:
    step = TemplateStep()
    before = step.settings
    with pytest.raises(BadInput):
        step.paste(given)
    assert step.settings == before


def test_an_answer_is_toggled_and_untoggled() -> None:
    step = TemplateStep(lang="en")
    step.change(conversation=step.samples[2])
    both = step.view().trained
    step.toggle(1)
    assert 0 < step.view().trained < both
    step.undo()
    assert step.view().trained == both


def test_only_answers_are_toggled() -> None:
    with pytest.raises(BadInput, match="no answer"):
        TemplateStep(lang="en").toggle(0)


def test_an_unknown_template_is_refused_before_anything_is_drawn() -> None:
    with pytest.raises(UnknownName, match="qwen_chat"):
        TemplateStep().change(template="qwen_chta")


def test_its_code_gives_the_same_view() -> None:
    step = TemplateStep(lang="zh", template="qwen_chat", other="chat_template", loss_on="last")
    space: dict[str, object] = {}
    exec(compile(step.code(), "code", "exec"), space)
    assert space["view"] == step.view()
    assert space["comparison"] == step.comparison()
