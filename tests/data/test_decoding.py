"""A file that is not UTF-8: which encoding it is in, or which byte of it is damaged; never advice that garbles it."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.data import read
from workbench.errors import BadInput

CHINESE = "你是谁？我是小苗，由三班开发。可以回答问题。"


def refusal(place: Path, content: bytes) -> str:
    (place / "a.jsonl").write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read(place / "a.jsonl")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        (CHINESE, "gb18030", "GB18030"),
        ("你好", "gbk", "GB18030"),
        ("你是誰？我是小苗，由三班開發。可以回答問題。", "big5", "BIG5"),
        ("こんにちは、私は学生です。", "shift_jis", "SHIFT_JIS"),
        ("안녕하세요 저는 학생입니다", "euc_kr", "EUC-KR"),
        ("ein schöner Tag, café, “déjà vu”", "cp1252", "WINDOWS-1252"),
        ("привет, как дела", "cp1251", "WINDOWS-1251"),
    ],
)
def test_the_advice_names_the_encoding_that_the_file_is_in(text: str, encoding: str, name: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, b'{"text": "a"}\n' + f'{{"text": "{text}"}}\n'.encode(encoding))
    assert f"iconv -f {name} " in said
    assert "line 2" in said
    assert text in f'{{"text": "{text}"}}'.encode(encoding).decode(name)


@pytest.mark.parametrize("before", ["", f'{{"text": "{CHINESE}"}}\n'])
def test_one_damaged_byte_in_utf8_is_named_and_nothing_is_converted(before: str, tmp_path: Path) -> None:
    at = len(before.encode()) + 1
    said = refusal(tmp_path, before.encode() + b"\xe6" + f'{{"text": "{CHINESE}"}}\n'.encode())
    assert f"byte {at} " in said
    assert "e6" in said
    assert "iconv" not in said


def test_where_no_encoding_fits_none_is_advised(tmp_path: Path) -> None:
    assert "iconv" not in refusal(tmp_path, b'{"text": "\xc0\x80\xff\xfe\x81\x8d"}\n')
