"""Models that see by themselves behind the endpoint: pictures within the request, also odd and hostile ones."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.data.pictured import odd
from tests.ready import KINDS, shared
from workbench.chat import Assistant
from workbench.data import read, write
from workbench.data.conversation import Conversation, Message
from workbench.data.drawn import questions
from workbench.data.imaging import encoded, opened
from workbench.data.picture import Picture
from workbench.models.batches import pad
from workbench.serve import Server
from workbench.serve.protocol import read_request
from workbench.templates import encode

ODD = odd()
SIZES = ((90, 40), (33, 64), (64, 64), (31, 47))


@pytest.fixture(scope="module", params=KINDS)
def seeing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return Assistant.load(str(shared(request.param, tmp_path_factory.getbasetemp())), device="cpu")


@pytest.fixture(scope="module")
def server(seeing: Assistant) -> Iterator[Server]:
    with Server(seeing, "eyes", key="") as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Drawn pictures of four shapes."""
    folder, drawn = tmp_path_factory.mktemp("pictures"), questions(len(SIZES))
    made = [folder / f"{number}.png" for number in range(len(SIZES))]
    for file, row, size in zip(made, drawn, SIZES, strict=True):
        file.write_bytes(encoded(opened(row.pictures[0]).resize(size)))
    return made


def part(data: bytes) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(data).decode()}"}}


def asked(text: str, *pictures: bytes) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}, *map(part, pictures)]}


def ask(server: Server, *messages: dict[str, Any], **more: Any) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=120)
    body = {"model": "eyes", "messages": messages, "max_tokens": 12, "temperature": 0, **more}
    connection.request("POST", "/v1/chat/completions", json.dumps(body).encode())
    response = connection.getresponse()
    raw = response.read().decode()
    connection.close()
    return response.status, raw


def words(raw: str) -> str:
    return str(json.loads(raw)["choices"][0]["message"]["content"])


def hashed(inputs: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(inputs):
        digest.update(inputs[name].numpy().tobytes())
    return digest.hexdigest()


def test_a_picture_is_answered_as_in_the_chat(server: Server, seeing: Assistant, files: list[Path]) -> None:
    answers = []
    for file in files[:2]:
        status, raw = ask(server, asked("What is <image>?", file.read_bytes()))
        answers.append(words(raw))
        assert status == 200 and answers[-1] == seeing.ask("What is <image>?", images=[file], max_new_tokens=12)
        status, streamed = ask(server, asked("What is <image>?", file.read_bytes()), stream=True)
        events = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
        pieces = [event["choices"][0]["delta"].get("content", "") for event in events if event["choices"]]
        assert status == 200 and "".join(pieces) == answers[-1]
    assert answers[0] != answers[1]


def test_the_pixels_of_a_request_are_those_of_a_row(seeing: Assistant, files: list[Path], tmp_path: Path) -> None:
    """Two questions with one and two pictures, from files beside the rows and from within a request."""
    shown = [(files[0],), (files[1], files[2])]
    turns = []
    for number, some in enumerate(shown):
        images = tuple(Picture.of(file) for file in some)
        turns += [Message("user", "<image>\n" * len(some) + f"Number {number}?", images=images)]
        turns += [Message("assistant", f"It is {number}.")]
    write([Conversation(tuple(turns))], tmp_path / "rows.jsonl")
    (example,) = encode(read(tmp_path / "rows.jsonl"), seeing.loaded.tokenizer).examples
    trained = pad([example], seeing.loaded.eyes)

    sent = [asked("Number 0?", files[0].read_bytes()), {"role": "assistant", "content": "It is 0."}]
    sent.append(asked("Number 1?", *(file.read_bytes() for file in shown[1])))
    request = read_request(json.dumps({"model": "eyes", "messages": sent}).encode())
    prompt = seeing.fit(request.messages).ids
    assert example.input_ids[: len(prompt)] == tuple(prompt)
    served = seeing.loaded.eyes.inputs(prompt.media)  # type: ignore[union-attr]
    assert hashed(served) == hashed({name: trained[name] for name in served})
    assert len({picture.sha256 for picture in prompt.media}) == 3


@pytest.mark.parametrize("name", ODD)
def test_an_odd_picture_is_seen_or_refused_in_one_sentence(server: Server, seeing: Assistant, name: str) -> None:
    data, fault = ODD[name]
    thin = "strip" in name and not hasattr(seeing.loaded.eyes, "tiles")
    for more in ({}, {"stream": True}):
        status, raw = ask(server, asked("What?", data), **more)
        assert status == (400 if fault or thin else 200), raw
        if status == 400:
            told = json.loads(raw)["error"]["message"]
            assert len(told) < 300 and "\n" not in told and "Error" not in told
            assert "two hundred" in told or not thin
    assert ask(server, {"role": "user", "content": "Hi"}, max_tokens=2)[0] == 200


def test_a_request_of_thousands_of_small_pictures_is_refused_before_one_is_opened(server: Server) -> None:
    status, raw = ask(server, asked("What?", *[ODD["a palette with transparency"][0]] * 2_000))
    assert status == 400 and "64 are the most" in json.loads(raw)["error"]["message"]


def test_an_odd_picture_is_seen_as_it_is_seen_in_training(seeing: Assistant) -> None:
    """Turned, on white, its first frame: the same pixels by a request, by a visitor and by a row."""
    from workbench.chat.shown import from_visitor

    for name, (data, fault) in ODD.items():
        if fault or "strip" in name:
            continue
        row = Picture("a.png", data=data)
        (shown,) = from_visitor([row], seeing.loaded.eyes.widest)  # type: ignore[union-attr]
        assert hashed(seeing.loaded.eyes.inputs([row])) == hashed(seeing.loaded.eyes.inputs([shown])), name  # type: ignore[union-attr]
