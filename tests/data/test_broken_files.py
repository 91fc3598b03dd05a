"""Hundreds of files that are broken on purpose: each gives one clear sentence, exit status 2, and no traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workbench.cli import run

OK = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
ALPACA = {"instruction": "Hi", "input": "", "output": "Hello"}
SHARE = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
XTUNER = {"conversation": [{"input": "Hi", "output": "Hello"}]}
LLAVA = {
    "id": "1",
    "image": "a.jpg",
    "conversations": [{"from": "human", "value": "<image>Hi"}, {"from": "gpt", "value": "A"}],
}
TEXT = {"text": "Once upon a time."}
GOOD = {"messages": OK, "alpaca": ALPACA, "sharegpt": SHARE, "xtuner": XTUNER, "llava": LLAVA, "text": TEXT}


def said(role: str, content: object, **more: object) -> dict:
    return {"messages": [{"role": "user", "content": "Hi"}, {"role": role, "content": content, **more}]}


def shared(who: object, value: object) -> dict:
    return {"conversations": [{"from": "human", "value": "Hi"}, {"from": who, "value": value}]}


def turn(**fields: object) -> dict:
    return {"conversation": [fields]}


def deep(depth: int) -> str:
    return "[" * depth + "]" * depth


NOT_TEXT = {"null": None, "number": 7, "decimal": 1.5, "true": True, "list": ["a"], "object": {"a": 1}}
NOT_LIST = {"null": None, "number": 7, "text": "hello", "object": {"role": "user"}, "true": True}
# name -> (a good row of the same file, the broken row)
ROWS: dict[str, tuple[dict, object]] = {}
for name, value in NOT_TEXT.items():
    if name not in ("list", "object"):
        ROWS[f"content-{name}"] = OK, said("assistant", value)
    ROWS[f"role-{name}"] = OK, {"messages": [{"role": value, "content": "Hi"}]}
    ROWS[f"output-{name}"] = ALPACA, {**ALPACA, "output": value}
    ROWS[f"instruction-{name}"] = ALPACA, {**ALPACA, "instruction": value}
    ROWS[f"value-{name}"] = SHARE, shared("gpt", value) if name not in ("list", "object") else shared("gpt", [value])
    ROWS[f"from-{name}"] = SHARE, shared(value, "Hello")
    ROWS[f"xtuner-input-{name}"] = XTUNER, turn(input=value, output="Hello")
    ROWS[f"xtuner-output-{name}"] = XTUNER, turn(input="Hi", output=value)
    ROWS[f"text-{name}"] = TEXT, {"text": value}
    if value is not None:
        ROWS[f"alpaca-input-{name}"] = ALPACA, {**ALPACA, "input": value}
        ROWS[f"alpaca-system-{name}"] = ALPACA, {**ALPACA, "system": value}
        ROWS[f"sharegpt-system-{name}"] = SHARE, {**SHARE, "system": value}
for name, value in NOT_LIST.items():
    ROWS[f"messages-{name}"] = OK, {"messages": value}
    ROWS[f"conversations-{name}"] = SHARE, {"conversations": value}
    ROWS[f"conversation-{name}"] = XTUNER, {"conversation": value}
    if value:
        ROWS[f"history-{name}"] = ALPACA, {**ALPACA, "history": value}
        ROWS[f"tools-{name}"] = OK, {**OK, "tools": value}
        ROWS[f"tool_calls-{name}"] = OK, said("assistant", "x", tool_calls=value)
for name, good in GOOD.items():
    key = next(k for k in good if k not in ("id", "image"))
    ROWS[f"{name}-row-is-text"] = good, "hello"
    ROWS[f"{name}-row-is-number"] = good, 42
    ROWS[f"{name}-row-is-list"] = good, [good]
    ROWS[f"{name}-row-is-null"] = good, None
    ROWS[f"{name}-row-is-empty"] = good, {}
    ROWS[f"{name}-misspelt"] = good, {key + "x": good[key]}
    other = ALPACA if name != "alpaca" else OK
    ROWS[f"{name}-mixed"] = good, other
    if name != "text":
        ROWS[f"{name}-nul"] = good, json.loads(json.dumps(good).replace("Hi", "H\\u0000i"))
        ROWS[f"{name}-half-emoji"] = good, json.loads(json.dumps(good).replace("Hi", "H\\ud83d"))
NESTED = {"a": json.loads(deep(900))}
ROWS |= {
    "picture-deep": (LLAVA, {**LLAVA, "image": NESTED["a"]}),
    "arguments-deep": (OK, said("assistant", None, tool_calls=[{"function": {"name": "a", "arguments": NESTED}}])),
    "arguments-deep-text": (SHARE, shared("function_call", json.dumps({"name": "a", "arguments": NESTED}))),
    "tools-deep": (OK, {**OK, "tools": [NESTED]}),
    "tools-deep-text": (SHARE, {**SHARE, "tools": json.dumps([NESTED])}),
    "messages-empty": (OK, {"messages": []}),
    "conversations-empty": (SHARE, {"conversations": []}),
    "conversation-empty": (XTUNER, {"conversation": []}),
    "message-is-text": (OK, {"messages": ["Hi"]}),
    "message-is-null": (OK, {"messages": [None]}),
    "message-without-role": (OK, {"messages": [{"content": "Hi"}]}),
    "message-without-content": (OK, {"messages": [{"role": "user"}]}),
    "role-unknown": (OK, said("asistant", "Hello")),
    "role-empty": (OK, said("", "Hello")),
    "role-upper-case": (OK, said("Assistant", "Hello")),
    "from-unknown": (SHARE, shared("robot", "Hello")),
    "turn-without-from": (SHARE, {"conversations": [{"value": "Hi"}]}),
    "turn-without-value": (SHARE, {"conversations": [{"from": "human"}]}),
    "call-not-json": (SHARE, shared("function_call", "add(1, 2)")),
    "call-without-name": (SHARE, shared("function_call", '{"arguments": {}}')),
    "call-arguments-list": (SHARE, shared("function_call", '{"name": "add", "arguments": [1]}')),
    "call-arguments-not-json": (
        OK,
        said("assistant", None, tool_calls=[{"function": {"name": "a", "arguments": "{"}}]),
    ),
    "call-text-without-name": (OK, said("assistant", None, tool_calls=["{}"])),
    "call-text-is-number": (OK, said("assistant", None, tool_calls=["5"])),
    "calls-of-user": (OK, said("user", "x", tool_calls=[{"function": {"name": "a"}}])),
    "function-call-of-tool": (OK, said("tool", "x", function_call={"name": "a", "arguments": "{}"})),
    "call-function-text": (OK, said("assistant", None, tool_calls=[{"function": "add"}])),
    "tools-not-json": (SHARE, {**SHARE, "tools": "[{"}),
    "tools-of-numbers": (SHARE, {**SHARE, "tools": [1, 2]}),
    "alpaca-without-output": (ALPACA, {"instruction": "Hi", "input": ""}),
    "alpaca-without-instruction": (ALPACA, {"input": "Hi", "output": "Hello"}),
    "history-single": (ALPACA, {**ALPACA, "history": [["question"]]}),
    "history-triple": (ALPACA, {**ALPACA, "history": [["a", "b"], ["a", "b", "c"]]}),
    "history-flat": (ALPACA, {**ALPACA, "history": ["question", "answer"]}),
    "history-number": (ALPACA, {**ALPACA, "history": [["question", 1]]}),
    "history-null": (ALPACA, {**ALPACA, "history": [[None, "answer"]]}),
    "xtuner-without-input": (XTUNER, turn(output="Hello")),
    "xtuner-without-output": (XTUNER, turn(input="Hi")),
    "xtuner-loss-text": (XTUNER, turn(input="Hi", output="Hello", output_with_loss="maybe")),
    "flag-text": (OK, said("assistant", "Hello", loss="yes")),
    "flag-number": (OK, said("assistant", "Hello", train=2)),
    "flag-half": (OK, said("assistant", "Hello", weight=0.5)),
    "flag-list": (OK, said("assistant", "Hello", loss=[True])),
    "flags-differ": (OK, said("assistant", "Hello", loss=True, weight=0)),
    "flag-on-user": (OK, said("user", "Hello", train=True)),
    "two-systems": (OK, {**said("assistant", "x"), "messages": [{"role": "system", "content": "A"}], "system": "B"}),
    "system-number": (OK, {**OK, "system": 7}),
    "content-object": (OK, said("assistant", {"text": "Hello"})),
    "part-number": (OK, said("user", [1])),
    "part-without-type": (OK, said("user", [{"text": "Hi"}])),
    "part-audio": (OK, said("user", [{"type": "input_audio", "audio": "a.wav"}])),
    "part-text-missing": (OK, said("user", [{"type": "text"}])),
    "part-image-missing": (OK, said("user", [{"type": "image_url"}])),
    "part-image-number": (OK, said("user", [{"type": "image", "image": 3}])),
    "more-pictures-than-places": (LLAVA, {**LLAVA, "image": ["a.jpg", "b.jpg"]}),
    "more-places-than-pictures": (OK, {**said("user", "<image><image>"), "images": ["a.jpg"]}),
    "picture-without-question": (OK, {"messages": [{"role": "assistant", "content": "A cat."}], "images": ["a.jpg"]}),
    "picture-number": (LLAVA, {**LLAVA, "image": 5}),
    "two-formats": (OK, {**OK, **ALPACA}),
    "two-formats-sharegpt": (OK, {**OK, **SHARE}),
}
# what stands in a line of JSON lines, or as an element of a list, instead of a row
BROKEN = {
    "nonsense": "hello",
    "single-quotes": "{'messages': []}",
    "python-literal": '{"messages": None}',
    "nan": '{"text": NaN}',
    "infinity": '{"text": "a", "score": -Infinity}',
    "too-large": '{"text": "a", "score": 1e999}',
    "very-long-integer": '{"text": "a", "n": ' + "9" * 5000 + "}",
    "twice": '{"text": "a", "text": "b"}',
    "trailing-comma": '{"text": "a",}',
    "missing-colon": '{"text" "a"}',
    "missing-comma": '{"text": "a" "b": 1}',
    "bad-escape": '{"text": "C:\\data"}',
    "bad-unicode-escape": '{"text": "\\u12"}',
    "raw-tab": '{"text": "a\tb"}',
    "unquoted-key": '{text: "a"}',
    "comment": '{"text": "a" /* why */}',
    "deep": '{"text": ' + deep(200_000) + "}",
    "rather-deep": json.dumps({"text": "a", "meta": json.loads(deep(900))}),
    "huge-line": '{"text": "' + "x" * 3_000_000 + '"',
    "closing": '{"text": "a"]',
}
TABLES = {
    "missing-cell.csv": "instruction,input,output\na,b,c\na,b\n",
    "extra-cell.csv": "instruction,input,output\na,b,c\na,b,c,d\n",
    "open-quote.csv": 'instruction,input,output\na,b,c\na,b,"c\n',
    "quote-inside.csv": 'instruction,input,output\na,b,c\na,b,"c"d\n',
    "empty-output.csv": "instruction,input,output\na,b,c\na,b,\n",
    "python-list.csv": 'messages\n"[{""role"": ""user"", ""content"": ""Hi""}]"\n"[{\'role\': \'user\'}]"\n',
    "not-json.csv": 'messages\n"[{""role"": ""user"", ""content"": ""Hi""}]"\nhello\n',
    "missing-cell.tsv": "text\tsource\na\tb\na\n",
}  # fmt: skip
PLACELESS: dict[str, bytes] = {
    "empty.json": b"",
    "empty.jsonl": b"",
    "empty.csv": b"",
    "empty.txt": b"",
    "blank.jsonl": b"\n \n\n",
    "mark-only.json": b"\xef\xbb\xbf",
    "empty-list.json": b"[]",
    "empty-data.json": b'{"data": []}',
    "data-text.json": b'{"data": "hello"}',
    "heading-only.csv": b"instruction,input,output\n",
    "heading-twice.csv": b"text,text\na,b\n",
    "heading-unnamed.csv": b"text,\na,b\n",
    "picture.json": b"\x89PNG\r\n\x1a\n\0\0\0",
    "zipped.json": b"PK\x03\x04rest",
    "gzipped.jsonl": b"\x1f\x8b\x08rest",
    "pdf.txt": b"%PDF-1.7",
    "parquet.json": b"PAR1....PAR1",
    "pickle.jsonl": b"\x80\x04\x95\x00",
    "sheet.xlsx": b"PK\x03\x04",
    "model.safetensors": b"\x00",
    "not-parquet.parquet": b"hello",
    "empty.parquet": b"",
    "cut.parquet": b"PAR1" + b"\0" * 40,
    "list-never-closed.json": b"[",
    "brackets.json": b"[" * 100_000,
    "nul.json": b'[{"text": "a\0b"}]',
    "zeroes.json": b"\0" * 64,
    "cut-utf16.json": '[{"text": "a"}]'.encode("utf-16")[:-1],
}
FOREIGN = {
    "gbk.json": json.dumps([TEXT, {"text": "你好"}], ensure_ascii=False, indent=0).encode("gbk"),
    "gbk.jsonl": b'{"text": "a"}\n' + '{"text": "你好"}\n'.encode("gb18030"),
    "latin.csv": b"text\ncaf\xe9\n",
    "cut-utf8.txt": "a\n你好".encode()[:-1],
    "overlong.jsonl": b'{"text": "a"}\n{"text": "\xc0\x80"}\n',
    "surrogate-bytes.jsonl": b'{"text": "a"}\n{"text": "\xed\xa0\x80"}\n',
}


def lines(good: object, broken: str) -> bytes:
    return "\n".join([json.dumps(good), broken, json.dumps(good)]).encode()


def items(good: object, broken: str) -> bytes:
    return ("[" + ",\n".join([json.dumps(good), broken, json.dumps(good)]) + "]").encode()


def cases() -> Iterator[tuple[str, bytes, str]]:
    """Name of the file, its bytes, and what the sentence must say of the place."""
    for name, (good, broken) in ROWS.items():
        yield f"{name}.jsonl", lines(good, json.dumps(broken)), "row 2"
        yield f"{name}.json", items(good, json.dumps(broken)), "row 2"
    for name, broken in BROKEN.items():
        yield f"{name}.jsonl", lines(TEXT, broken), "row 2"
        yield f"{name}.json", items(TEXT, broken), "row 2"
    for name, table in TABLES.items():
        yield name, table.encode(), "row 2"
    for name, content in PLACELESS.items():
        yield name, content, ""
    for name, content in FOREIGN.items():
        yield name, content, "line 2" if name != "gbk.json" else "line 6"
    whole = json.dumps([ALPACA] * 3, indent=1)
    for at in range(5, len(whole) - 2, 23):
        row = whole[:at].count("instruction") or 1
        yield f"cut-at-{at}.json", whole[:at].encode(), f"row {row}|row {row + 1}"
    for name, tail in {
        "comma": ",]",
        "missing-comma": '{"text": "b"}]',
        "extra": "] hello",
        "two-lists": "] []",
    }.items():
        yield f"list-{name}.json", b'[{"text": "a"}' + tail.encode(), "row 1"


CASES = list(cases())


def one_sentence(capfd: pytest.CaptureFixture[str], argv: list[str]) -> str:
    status = run(argv)
    out, err = capfd.readouterr()
    assert (status, out) == (2, ""), err
    assert "Traceback" not in err
    assert err.count("workbench: ") == 1
    assert len(err) < 1500
    return err


def test_there_are_at_least_two_hundred() -> None:
    assert len({name for name, _, _ in CASES}) == len(CASES) >= 200


@pytest.mark.parametrize(("name", "content", "place"), CASES, ids=[name for name, _, _ in CASES])
def test_gives_one_sentence_with_file_and_row(
    name: str, content: bytes, place: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    sentence = one_sentence(capfd, ["data", "check", str(tmp_path / name)])
    assert name in sentence
    assert re.search(rf"\b(?:{place})\b", sentence)


def a_folder_without_data(folder: Path) -> Path:
    (folder / "readme.md").write_text("nothing here")
    return folder


def a_missing_file(folder: Path) -> Path:
    (folder / "identity.json").write_text("[]")
    return folder / "identiy.json"


def a_damaged_dataset(folder: Path) -> Path:
    (folder / "state.json").write_text("{}")
    return folder


def a_file_in_no_folder(folder: Path) -> Path:
    return folder / "nowhere" / "data.json"


PLACES: list[Callable[[Path], Path]] = [a_folder_without_data, a_missing_file, a_damaged_dataset, a_file_in_no_folder]


@pytest.mark.parametrize("make", PLACES, ids=lambda make: make.__name__)
def test_a_place_without_data_is_one_sentence(
    make: Callable[[Path], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = make(tmp_path)
    assert str(place) in one_sentence(capfd, ["data", "check", str(place)])


def test_a_missing_file_names_the_nearest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "identity.json" in one_sentence(capfd, ["data", "check", str(a_missing_file(tmp_path))])


@pytest.mark.parametrize("name", ["", "\0", "nobody/no-such-set"])
def test_what_is_no_path_is_one_sentence(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    one_sentence(capfd, ["data", "check", name])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_error_is_said_in_both_languages(lang: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.data import read
    from workbench.errors import BadInput

    monkeypatch.setenv("WORKBENCH_LANG", lang)
    for name, content, _ in CASES:
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(BadInput) as caught:
            read(file)
        assert name in caught.value.say(lang)
        assert caught.value.do(lang)
