"""``workbench encode`` writes a line for each conversation, in order, and says what it left out."""

from __future__ import annotations

import json

import pytest

from workbench.cli import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that holds only a tokenizer, with one token a letter."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(set("<|User|>:\n<|Bot|>: hiyo what?"))
    backend = Tokenizer(models.WordLevel({letter: n for n, letter in enumerate(letters)}, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.Split(pattern="", behavior="isolated")
    backend.decoder = decoders.Fuse()
    backend.add_special_tokens([AddedToken(w, normalized=False) for w in ("<s>", "</s>")])
    place = tmp_path_factory.mktemp("tokenizer")
    PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>").save_pretrained(place)
    return place


@pytest.fixture
def alpaca(tmp_path):
    rows = [
        {"instruction": "hi", "input": "", "output": "yo"},
        {"instruction": "what", "input": "hi", "output": "<nooutput>"},
        {"instruction": "what", "input": "hi", "output": "ho"},
    ]
    file = tmp_path / "alpaca.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    return file


def texts(folder, lines):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [json.loads(line) for line in lines.splitlines()]
    return [
        (tokenizer.decode(row["input_ids"]), tokenizer.decode([i for i in row["labels"] if i != -100])) for row in rows
    ]


def test_xtuners_lines_are_those_of_its_reading_of_alpaca(folder, alpaca, capsys):
    how = ["--model", str(folder), "--template", "default", "--compat", "xtuner", "--json"]
    assert run(["encode", str(alpaca), *how]) == 0
    out, err = capsys.readouterr()
    assert texts(folder, out) == [
        ("<s><|User|>:hi\n\n<|Bot|>:yo</s>\n", "yo</s>"),
        ("<s><|User|>:what\nhi\n<|Bot|>:ho</s>\n", "ho</s>"),
    ]
    assert "2 conversations" in err


def test_by_default_no_line_break_is_added_and_a_file_can_be_written(folder, alpaca, tmp_path, capsys):
    place = tmp_path / "out.jsonl"
    how = ["--model", str(folder), "--template", "default", "--limit", "1", "--out", str(place)]
    assert run(["encode", str(alpaca), *how]) == 0
    assert capsys.readouterr().out == ""
    assert texts(folder, place.read_text(encoding="utf-8")) == [("<s><|User|>:hi\n<|Bot|>:yo</s>\n", "yo</s>")]
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".part"] == []


def test_neither_the_source_nor_another_file_is_written_over_unasked(folder, alpaca, tmp_path, capsys):
    before, other = alpaca.read_bytes(), tmp_path / "other.jsonl"
    other.write_text("mine")
    how = ["encode", str(alpaca), "--model", str(folder), "--template", "default", "--out"]
    assert run([*how, str(alpaca), "--overwrite"]) == 2
    assert run([*how, str(other)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (alpaca.read_bytes(), other.read_text()) == (before, "mine")
    assert run([*how, str(other), "--overwrite"]) == 0
    assert "input_ids" in other.read_text()


def test_what_is_left_out_is_said_on_stderr(folder, alpaca, capsys):
    how = ["--model", str(folder), "--template", "default", "--max-length", "27", "--json"]
    assert run(["encode", str(alpaca), *how]) == 0
    out, err = capsys.readouterr()
    assert texts(folder, out) == [("<s><|User|>:hi\n<|Bot|>:yo</s>\n", "yo</s>")]
    assert "2 left out: even their last turn is longer than max_length (rows 2, 3)" in err


def test_where_nothing_is_left_the_status_is_2_and_no_file_is_written(folder, alpaca, tmp_path, capsys):
    how = ["--model", str(folder), "--template", "default", "--max-length", "20", "--out", str(tmp_path / "out.jsonl")]
    assert run(["encode", str(alpaca), *how]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "3 left out: even their last turn is longer than max_length (rows 1, 2, 3)" in err
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (["--template", "defualt"], "Nearest: default"),
        ([], "no chat template of its own"),
        (["--template", "default", "--max-length", "0"], "at least 1"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(folder, alpaca, capsys, how, said):
    assert run(["encode", str(alpaca), "--model", str(folder), *how]) == 2
    assert said in capsys.readouterr().err
