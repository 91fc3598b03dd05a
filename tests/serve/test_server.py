"""The endpoint, asked by the real client, by our own, and by plain HTTP."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
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


def pictured(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "auto"}}


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
    "stream": question(stream="yes"),
    "stream options": question(stream_options=5),
    "parallel": question(parallel_tool_calls="no"),
    "half a token": question(max_tokens=2.5),
    "true tokens": question(max_tokens=True),
    "too many tokens": question(max_tokens=10**9),
    "huge": b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": ' + b"9" * 5000 + b"}",
    "three tools of five hundred": question(tools=TOOLS * 500),
    "json schema": question(response_format={"type": "json_schema", "json_schema": {}}),
    "logprobs": question(logprobs=True),
    "functions": question(functions=[{"name": "f"}]),
    "sound": question(modalities=["text", "audio"]),
    "a call in the old shape": question()
    | {"messages": [{"role": "assistant", "function_call": {"name": "f"}}, {"role": "user", "content": "x"}]},
    "calls of a person's": question() | {"messages": [{"role": "user", "content": "x", "tool_calls": [{"id": "a"}]}]},
    "a picture that would be fetched": question()
    | {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.png"}}]}
        ]
    },
    "a picture for a model without eyes": question()
    | {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}
        ]
    },
    "a result of no call": question()
    | {
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": "b", "content": "5"},
        ]
    },
    "deep": b'{"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "long": question("word " * 3000),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_in_the_clients_own_shape(name: str, server: Server) -> None:
    status, told = ask(server, REFUSED[name])
    assert status == 400 and told["error"]["message"] and told["error"]["type"] == "invalid_request_error"


def test_what_pages_and_clients_send_besides_is_answered(server: Server, pocket: Assistant) -> None:
    asked = question(
        stream=False, stream_options=None, max_tokens=None, max_completion_tokens=200, temperature=0, top_p=0, n=1,
        stop=None, seed=-1, presence_penalty=0.0, frequency_penalty=0, logit_bias={}, logprobs=False, tools=None,
        tool_choice=None, response_format={"type": "text"}, user="me", metadata={"chat_id": "1"}, store=False,
    )  # fmt: skip
    asked["messages"][0] |= {"name": "me", "content": [{"type": "text", "text": PARIS}]}
    status, answer = ask(server, asked)
    assert status == 200 and answer["choices"][0]["message"]["content"] == pocket.ask(PARIS)
    assert ask(server, question(tools=[], tool_choice="auto", parallel_tool_calls=True))[0] == 200
    assert ask(server, None, "/v1/models/pocket")[1]["object"] == "model"


def test_results_are_given_in_the_order_of_their_calls(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []

    def write(loaded: Any, ids: Any, **how: Any) -> Iterator[int]:
        prompts.append(loaded.tokenizer.decode(list(ids), skip_special_tokens=False))
        yield from loaded.tokenizer("Fine.", add_special_tokens=False)["input_ids"]

    monkeypatch.setattr("workbench.models.stream", write)
    calls = [{"id": id_, "type": "function", "function": {"name": "calculator", "arguments": "{}"}} for id_ in "ab"]
    results = [{"role": "tool", "tool_call_id": id_, "content": f"of {id_}"} for id_ in "ba"]
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": None, "tool_calls": calls}, *results]
    assert ask(server, question(tools=TOOLS) | {"messages": messages})[0] == 200
    assert prompts[0].index("of a") < prompts[0].index("of b")


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "FROB"])
def test_other_methods_are_refused_in_the_same_shape(method: str, server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    connection.request(method, "/v1/models")
    response = connection.getresponse()
    told = json.loads(response.read())["error"]
    connection.close()
    assert response.status == 501 and told["type"] == "invalid_request_error" and method in told["message"]


def test_other_models_paths_and_sizes_are_refused(server: Server) -> None:
    assert ask(server, question() | {"model": "gpt-9"})[0] == 404
    assert ask(server, question(), "/v1/embeddings")[0] == ask(server, None, "/etc/passwd")[0] == 404
    assert ask(server, b"x", **{"Content-Length": str(10**9)})[0] == 413
    assert ask(server, b"x", **{"Content-Length": "-1"})[0] == 411


def test_a_head_is_answered_without_a_body_and_the_connection_goes_on(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    for method, path in (("HEAD", "/v1/models"), ("GET", "/v1/models"), ("HEAD", "/nothing")):
        connection.request(method, path)
        response = connection.getresponse()
        assert int(response.headers["Content-Length"]) > 0 and bool(response.read()) == (method == "GET")
        assert response.status == (404 if path == "/nothing" else 200)
    connection.close()


def test_a_long_answer_may_be_allowed_behind_a_long_conversation(server: Server, pocket: Assistant) -> None:
    turns = [{"role": role, "content": text} for role, text in (("user", "Hello!"), ("assistant", "Hello! " * 200))]
    body = question(max_tokens=100_000)
    body["messages"] = [*turns, *body["messages"]]
    status, answer = ask(server, body)
    assert status == 200 and 512 < answer["usage"]["prompt_tokens"] < pocket.context
    body["messages"] = [*turns, *turns, *body["messages"]]
    status, told = ask(server, body)
    assert status == 400 and "longer" in told["error"]["message"]  # nothing of it is left out without a word


def test_the_real_client_raises_its_own_errors(pocket: Assistant) -> None:
    openai = pytest.importorskip("openai")
    large = [{"role": "user", "content": "x" * 12_000_000}]
    with Server(pocket, "pocket", key="a-long-enough-key") as locked:
        threading.Thread(target=locked.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        with openai.OpenAI(base_url=locked.url, api_key="a-long-enough-key", max_retries=0) as client:
            complete = client.chat.completions.create
            with pytest.raises(openai.BadRequestError, match="n asks for something"):
                complete(**question(n=2))
            with pytest.raises(openai.NotFoundError, match="gpt-9"):
                complete(**question() | {"model": "gpt-9"})
            with pytest.raises(openai.NotFoundError):
                client.embeddings.create(model="pocket", input="x")
            with pytest.raises(openai.APIStatusError, match="larger than") as error:
                complete(**question() | {"messages": large})
            assert error.value.status_code == 413
        with openai.OpenAI(base_url=locked.url, api_key="wrong", max_retries=0) as client:
            for messages in (question()["messages"], large):
                with pytest.raises(openai.AuthenticationError, match="key"):
                    client.chat.completions.create(model="pocket", messages=messages)
        locked.shutdown()


@pytest.mark.slow
def test_a_model_that_sees_is_sent_its_pictures_within_the_request(tmp_path: Path) -> None:
    from PIL import Image

    file = tmp_path / "red.png"
    Image.new("RGB", (60, 40), "red").save(file)
    url = f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
    seeing = Assistant.load("pocket+sight", device="cpu")
    body = question(max_tokens=8)
    body["messages"][0]["content"] = [{"type": "text", "text": "What is <image>?"}, pictured(url)]
    with Server(seeing, "pocket", key="") as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        status, answer = ask(running, body)
        body["messages"][0]["content"][1] = pictured(url[:60])
        assert ask(running, body)[0] == 400
        running.shutdown()
    words = answer["choices"][0]["message"]["content"]
    assert status == 200 and words == seeing.ask("What is <image>?", images=[file], max_new_tokens=8)
    assert answer["usage"]["prompt_tokens"] > 36


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


def test_fifty_agents_at_once_get_their_own_results(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(loaded: Any, ids: Any, **how: Any) -> Iterator[int]:
        *_, asked = loaded.tokenizer.decode(list(ids), skip_special_tokens=False).split("user\n")
        number = asked.split("?")[0]
        results = [turn.split("</tool_response>")[0] for turn in asked.split("<tool_response>")[1:]]
        text = [CALL % f"{number}+1", CALL % f"{results[-1] if results else ''}*2", f"It is {results[-1:]}."]
        yield from loaded.tokenizer(text[len(results)], add_special_tokens=False)["input_ids"]

    monkeypatch.setattr("workbench.models.stream", write)
    answers: dict[int, str] = {}

    def agent(number: int) -> None:
        answers[number] = "".join(Endpoint(server.url).stream(f"{number}?", tools="calculator"))

    threads = [threading.Thread(target=agent, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: f"It is ['{(number + 1) * 2}']." for number in range(50)}


def test_a_client_that_goes_away_frees_its_place(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    connection.request("POST", "/v1/chat/completions", json.dumps(question(stream=True, max_tokens=900)).encode())
    connection.getresponse().read(10)
    connection.close()
    assert ask(server, question())[0] == 200
    until(lambda: server.places.served == 0)  # a place is given back after the last byte is sent
