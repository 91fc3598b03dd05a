"""The endpoint, asked by the real client, by our own, and by plain HTTP."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.waiting import until
from workbench.chat import Assistant
from workbench.chat.endpoint import Endpoint
from workbench.errors import BadInput, Failed
from workbench.serve import Server

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "calculator",
            "description": "Compute.",
            "parameters": {
                "type": "object",
                "properties": {"expression": {"type": "string"}},
                "required": ["expression"],
            },
        },
    }
]
CALL = '<tool_call>{"name": "calculator", "arguments": {"expression": "%s"}}</tool_call>'
PARIS = "What is the capital of France?"


@pytest.fixture(scope="module")
def pocket() -> Assistant:
    return Assistant.load("pocket", device="cpu")


@pytest.fixture(scope="module")
def server(pocket: Assistant) -> Iterator[Server]:
    with Server(pocket, "pocket", key="") as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield running
        running.shutdown()


@pytest.fixture
def two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model call twice and then answer with the last result, as its last message tells."""

    def write(loaded: Any, ids: Any, **how: Any) -> Iterator[int]:
        turns = loaded.tokenizer.decode(list(ids), skip_special_tokens=False).split("<tool_response>")[1:]
        results = [turn.split("</tool_response>")[0] for turn in turns]
        forced = "<tool_call>" if loaded.tokenizer.convert_tokens_to_ids("<tool_call>") in list(ids)[-30:] else ""
        calls = [CALL % "1+2", CALL % f"{results[-1] if results else ''}*4"]
        text = calls[len(results)] if len(results) < 2 else f"It is {results[-1]}."
        if forced and not results:
            text = '{"expression": "1+2"}}</tool_call>'
        yield from loaded.tokenizer(text, add_special_tokens=False)["input_ids"]

    monkeypatch.setattr("workbench.models.stream", write)


def ask(server: Server, body: Any, path: str = "/v1/chat/completions", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=120)
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    connection.request("GET" if data is None else "POST", path, data, headers)
    response = connection.getresponse()
    raw = response.read()
    connection.close()
    return response.status, json.loads(raw) if raw[:1] == b"{" else raw


def question(text: str = PARIS, **more: Any) -> dict[str, Any]:
    return {"model": "pocket", "messages": [{"role": "user", "content": text}], **more}


def test_an_answer_is_the_assistants_own(server: Server, pocket: Assistant) -> None:
    status, whole = ask(server, question())
    choice = whole["choices"][0]
    assert status == 200 and choice["message"]["content"] == pocket.ask(PARIS) and choice["finish_reason"] == "stop"
    assert whole["usage"]["prompt_tokens"] == len(pocket.prompt(PARIS)) and whole["usage"]["completion_tokens"] > 1
    assert ask(server, None, "/v1/models")[1]["data"][0]["id"] == "pocket"
    assert ask(server, question(max_tokens=2))[1]["choices"][0]["finish_reason"] == "length"
    assert ask(server, question(stop=" is"))[1]["choices"][0]["message"]["content"] == "The capital of France"


def test_our_own_endpoint_streams_the_same(server: Server, pocket: Assistant) -> None:
    pieces = list(Endpoint(server.url).stream(PARIS))
    assert len(pieces) > 2 and "".join(pieces) == pocket.ask(PARIS)


def test_our_own_endpoint_runs_tools_here(server: Server, two_steps: None) -> None:
    cards: list[Any] = []
    answer = "".join(Endpoint(server.url).stream("(1+2)*4?", tools="calculator", on_card=cards.append))
    assert answer == "It is 12." and [card.result for card in cards] == [None, "3", None, "12"]


def test_the_real_client_completes_a_task_of_two_steps(server: Server, two_steps: None) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=server.url, api_key="none")
    assert [model.id for model in client.models.list()] == ["pocket"]
    for stream in (False, True):
        messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "(1+2)*4?"}]}]
        for result in ("3", "12", ""):
            given = {"model": "pocket", "messages": messages, "tools": TOOLS}
            content, calls, finish = streamed(client, given) if stream else whole(client, given)
            if not calls:
                break
            assert finish == "tool_calls" and json.loads(calls[0]["function"]["arguments"])["expression"]
            messages += [
                {"role": "assistant", "content": content or None, "tool_calls": calls},
                {"role": "tool", "tool_call_id": calls[0]["id"], "content": result},
            ]
        assert content == "It is 12." and finish == "stop"
    client.close()


def whole(client: Any, given: dict[str, Any]) -> tuple[str, list[Any], str]:
    choice = client.chat.completions.create(**given).choices[0]
    calls = [call.model_dump() for call in choice.message.tool_calls or []]
    return choice.message.content or "", calls, choice.finish_reason


def streamed(client: Any, given: dict[str, Any]) -> tuple[str, list[Any], str]:
    content, calls, finish, counted = "", list[Any](), "", 0
    for event in client.chat.completions.create(**given, stream=True, stream_options={"include_usage": True}):
        counted += event.usage.total_tokens if event.usage else 0
        for choice in event.choices:
            content += choice.delta.content or ""
            calls += [call.model_dump(exclude={"index"}) for call in choice.delta.tool_calls or []]
            finish = choice.finish_reason or finish
    assert counted > 20
    return content, calls, finish


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "calculator"}}])
def test_a_call_that_is_demanded_comes(server: Server, two_steps: None, choice: Any) -> None:
    message = ask(server, question(tools=TOOLS, tool_choice=choice))[1]["choices"][0]["message"]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"expression": "1+2"}


def test_tools_that_are_not_to_be_used_are_not_offered(server: Server, pocket: Assistant) -> None:
    answer = ask(server, question(tools=TOOLS, tool_choice="none"))[1]
    assert answer["usage"]["prompt_tokens"] == len(pocket.prompt(PARIS))


REFUSED = {
    "not json": b"{",
    "a list": b"[]",
    "no messages": {"model": "pocket"},
    "messages": question() | {"messages": []},
    "role": question() | {"messages": [{"role": "king", "content": "x"}]},
    "content": question() | {"messages": [{"role": "user", "content": 5}]},
    "picture": question() | {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
    "assistant last": question() | {"messages": [{"role": "assistant", "content": "x"}]},
    "calls": question() | {"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]},
    "n": question(n=2),
    "format": question(response_format={"type": "json_object"}),
    "unknown": question(frobnicate=1),
    "temperature": question(temperature="hot"),
    "nan": b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
    "range": question(top_p=7),
    "tokens": question(max_tokens=0),
    "tools": question(tools={}),
    "tool": question(tools=[{"type": "function", "function": {"name": "a b"}}]),
    "schema": question(tools=[{"type": "function", "function": {"name": "a", "parameters": {"type": 5}}}]),
    "choice": question(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "other"}}),
    "required": question(tool_choice="required"),
    "stop": question(stop=[""]),
    "deep": b'{"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "long": question("word " * 3000),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_in_the_clients_own_shape(name: str, server: Server) -> None:
    status, told = ask(server, REFUSED[name])
    assert status == 400 and told["error"]["message"] and told["error"]["type"] == "invalid_request_error"


def test_other_models_paths_and_sizes_are_refused(server: Server) -> None:
    assert ask(server, question() | {"model": "gpt-9"})[0] == 404
    assert ask(server, question(), "/v1/embeddings")[0] == ask(server, None, "/etc/passwd")[0] == 404
    assert ask(server, b"x", **{"Content-Length": str(10**9)})[0] == 413
    assert ask(server, b"x", **{"Content-Length": "-1"})[0] == 411


def test_other_names_and_other_sites_pages_are_refused(server: Server) -> None:
    assert ask(server, question(), Host="evil.example")[0] == 421
    assert ask(server, question(), Origin="http://evil.example")[0] == 403


def test_a_key_is_asked_for(pocket: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_SERVE_KEY", "a-long-enough-key")
    with Server(pocket) as locked:
        threading.Thread(target=locked.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        body = question() | {"model": ""}
        assert ask(locked, body)[0] == ask(locked, body, Authorization="Bearer a-long-enough-kez")[0] == 401
        assert ask(locked, body, Authorization="Bearer a-long-enough-key")[0] == 200
        with pytest.raises(Failed):
            Endpoint(locked.url, key="wrong")
        locked.shutdown()


def test_nobody_serves_the_world_without_a_key(pocket: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_SERVE_KEY", raising=False)
    with pytest.raises(BadInput, match="WORKBENCH_SERVE_KEY"):
        Server(pocket, host="0.0.0.0")


def test_a_port_that_is_taken_is_told(pocket: Assistant, server: Server) -> None:
    with pytest.raises(Failed, match="taken"):
        Server(pocket, port=server.server_address[1])


def test_fifty_at_once_get_their_own_answers(server: Server, pocket: Assistant) -> None:
    answers: dict[int, str] = {}

    def one(number: int) -> None:
        text = f"Repeat: {number}"
        answers[number] = ask(server, question(text, max_tokens=8))[1]["choices"][0]["message"]["content"]

    threads = [threading.Thread(target=one, args=(number,)) for number in range(10, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: pocket.ask(f"Repeat: {number}", max_new_tokens=8) for number in range(10, 60)}
    assert len(set(answers.values())) > 30  # else a mix-up would not show


def test_a_client_that_goes_away_frees_its_place(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    connection.request("POST", "/v1/chat/completions", json.dumps(question(stream=True, max_tokens=900)).encode())
    connection.getresponse().read(10)
    connection.close()
    assert ask(server, question())[0] == 200
    until(lambda: server.places.served == 0)  # a place is given back after the last byte is sent
