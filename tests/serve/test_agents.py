"""smolagents, whose agents ask through the `openai` client: a task of two steps is completed at our address."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from workbench.chat import Assistant
from workbench.serve import Server
from workbench.tools.kit.calculator import calculator

smolagents = pytest.importorskip("smolagents")
pytest.importorskip("openai")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve pocket; which call it makes is written out here, by the results that its prompt holds."""

    def write(loaded: Any, ids: Any, **how: Any) -> Iterator[int]:
        text = loaded.tokenizer.decode(list(ids), skip_special_tokens=False)
        results = [turn.split("<|im_end|>")[0].strip() for turn in text.split("Observation:")[1:]]
        calls = [
            ("calculator", {"expression": "1+2"}),
            ("calculator", {"expression": f"{results[-1] if results else ''}*4"}),
            ("final_answer", {"answer": f"It is {results[-1] if results else ''}."}),
        ]
        name, arguments = calls[len(results)]
        call = json.dumps({"name": name, "arguments": arguments}) + "</tool_call>"
        yield from loaded.tokenizer(call, add_special_tokens=False)["input_ids"]

    monkeypatch.setattr("workbench.models.stream", write)
    with Server(Assistant.load("pocket", device="cpu"), "pocket", key="") as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield running
        running.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the agents' own
@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_completes_a_task_of_two_steps(server: Server, stream: bool) -> None:
    tool = smolagents.tool(calculator)
    model = smolagents.OpenAIModel("pocket", api_base=server.url, api_key="none")
    # pocket sees 1024 tokens at once, which the agents' own long prompt would fill
    prompts = smolagents.agents.EMPTY_PROMPT_TEMPLATES | {"system_prompt": "You use tools."}
    agent = smolagents.ToolCallingAgent(
        [tool], model, prompt_templates=prompts, max_steps=4, stream_outputs=stream,
        verbosity_level=smolagents.LogLevel.OFF,
    )  # fmt: skip
    assert agent.run("(1+2)*4?") == "It is 12."
    called = [call.arguments for step in agent.memory.steps for call in getattr(step, "tool_calls", None) or []]
    assert called[:2] == [{"expression": "1+2"}, {"expression": "3*4"}]
