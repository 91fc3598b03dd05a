"""Documents as people really have them: wrong endings, old encodings, two columns, code, what Word wraps and hides."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.test_documents import DAY, NIGHT, changed, cut, pdf, word
from workbench.data.documents.pages import Piece, by_column
from workbench.errors import BadData

ZH = "金桔靠蜜蜂授粉，花在六月温暖的早晨开放，果实在冬天成熟。"
LEFT = [f"Line {n} on the left, of bees and of" for n in range(8)]
RIGHT = [f"Line {n} on the right, of bats and of" for n in range(8)]
SPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def rows(*columns: list[str], x: tuple[int, ...] = (40, 320), top: int = 760) -> list[Piece]:
    """Text that is written line by line over its columns."""
    return [
        Piece(left, top - 14 * n, text + "\n")
        for n, line in enumerate(zip(*columns, strict=True))
        for left, text in zip(x, line, strict=True)
    ]


def test_two_columns_that_are_written_line_by_line_are_read_one_after_the_other() -> None:
    title, foot = Piece(40, 790, "A title over both columns\n"), Piece(300, 30, "17\n")
    longer = Piece(40, 760 - 14 * 8, "ends here.\n")
    assert by_column([title, *rows(LEFT, RIGHT), longer, foot]) == [
        "A title over both columns", *LEFT, "ends here.", *RIGHT, "17",
    ]  # fmt: skip


def test_bold_words_within_a_line_do_not_part_it() -> None:
    pieces = [part for piece in rows(LEFT, RIGHT) for part in (
        (Piece(piece.x, piece.y, piece.text[:10]), Piece(piece.x + 50, piece.y, piece.text[10:])))]  # fmt: skip
    assert by_column(pieces) == [*LEFT, *RIGHT]


def test_a_table_and_columns_that_are_written_one_by_one_stay_as_they_are() -> None:
    table = rows([f"the kind number {n} of" + " all" * n for n in range(8)], [f"{n} days" for n in range(8)])
    assert by_column(table) == []
    by_one = sorted(rows(LEFT, RIGHT), key=lambda piece: piece.x)
    assert by_column(by_one) == [] and by_column(by_one[:1]) == [] and by_column([]) == []


def test_two_columns_of_a_pdf_are_read_as_a_person_does(tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import DecodedStreamObject, NameObject

    writer = PdfWriter(PdfReader(pdf(tmp_path / "a.pdf", [[DAY]])))
    content = DecodedStreamObject()
    lines = [f"BT /F1 10 Tf 14 TL {p.x} {p.y} Td ({p.text.strip()}) Tj T* ET\n" for p in rows(LEFT, RIGHT)]
    content.set_data("".join(lines).encode())
    writer.pages[0][NameObject("/Contents")] = writer._add_object(content)
    writer.write(tmp_path / "two.pdf")
    text = " ".join(one.answer for one in cut(tmp_path / "two.pdf").conversations)
    assert text.index(LEFT[7]) < text.index(RIGHT[0])


def test_letters_that_no_font_names_are_no_text(tmp_path: Path) -> None:
    from workbench.data.documents.pages import _is_unknown

    assert _is_unknown("\ue001\ue002 \ufffd a") and not _is_unknown(ZH) and not _is_unknown("")


@pytest.mark.parametrize(
    ("called", "codec"),
    [("gb2312", "gb18030"), ("GBK", "gbk"), ("utf-8", "utf-8"), ("gb2312", "utf-8"), ("x", "utf-16")],
)
def test_a_web_page_is_read_in_the_encoding_that_it_names(called: str, codec: str, tmp_path: Path) -> None:
    pytest.importorskip("bs4")
    page = f'<html><head><meta http-equiv="Content-Type" content="text/html; charset={called}"></head><p>{ZH}</p>'
    (tmp_path / "a.html").write_bytes(page.encode(codec))
    assert cut(tmp_path / "a.html").conversations[0].answer == ZH


def test_old_western_quotes_are_read_and_a_page_that_names_another_encoding_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("bs4")
    said = "The “kumquat” – it’s pollinated by bees, à l’aube."
    (tmp_path / "a.html").write_bytes(f"<meta charset='iso-8859-1'><p>{said}</p>".encode("cp1252"))
    assert cut(tmp_path / "a.html").conversations[0].answer == said
    for called in ("utf-8", "rot13", "unicode_escape", "idna"):
        (tmp_path / "b.html").write_bytes(f"<meta charset='{called}'><p>{ZH}</p>".encode("gbk"))
        with pytest.raises(BadData, match="GB18030"):
            cut(tmp_path / "b.html")


def test_code_keeps_its_lines_also_where_it_is_cut(tmp_path: Path) -> None:
    lines = "".join(f"def f{n}(x):\n    if x != {n}:\n        return x; y\n\n" for n in range(12))
    (tmp_path / "a.md").write_text(f"# Code\n\n{DAY}\n\n```python\n{lines}```\n")
    assert lines.strip() in cut(tmp_path / "a.md", size=2000).conversations[0].answer
    for one in cut(tmp_path / "a.md", size=120).conversations[1:]:
        assert all(line in lines.split("\n") for line in one.answer.split("\n"))
    pytest.importorskip("bs4")
    (tmp_path / "a.html").write_text(f"<p>{DAY}</p><pre><b>{lines}</b></pre><p>{NIGHT}</p>")
    texts = [one.answer for one in cut(tmp_path / "a.html", size=2000).conversations]
    assert lines.strip() in texts[0] and NIGHT.strip() in texts[0]


def test_html_within_markdown_is_text(tmp_path: Path) -> None:
    table = "<table><tr><td>harvest</td><td>August</td></tr><tr><td>sow</td><td>April</td></tr></table>"
    (tmp_path / "a.md").write_text(f"# H\n\n<p align=center>{DAY}</p>\n\n{table}\n\n<script>no</script>\n\n{NIGHT}\n")
    text = cut(tmp_path / "a.md").conversations[0].answer
    assert text == f"{DAY.strip()}\nharvest | August\nsow | April\n{NIGHT.strip()}"


def test_what_a_page_does_not_show_is_no_text(tmp_path: Path) -> None:
    pytest.importorskip("bs4")
    unseen = [
        "<p hidden>no</p>",
        "<div style='color:red; Display : none'>no <p>no</p></div>",
        "<textarea>no</textarea>",
    ]
    (tmp_path / "a.html").write_text(f"<p onclick='no()'>{DAY}</p>{''.join(unseen)}<p>{NIGHT}</p>")
    assert cut(tmp_path / "a.html").conversations[0].answer == f"{DAY.strip()}\n{NIGHT.strip()}"


def _word_with(tmp_path: Path, body: str) -> str:
    """The text of a DOCX that has ``body`` before its end."""
    import zipfile

    plain = word(tmp_path / "plain.docx")
    with zipfile.ZipFile(plain) as archive:
        content = archive.read("word/document.xml").decode()
    before, end = content.rsplit("<w:sectPr", 1)
    new = changed(plain, tmp_path / "new.docx", "word/document.xml", f"{before}{body}<w:sectPr{end}".encode())
    return "\n".join(one.answer for one in cut(new, size=5000).conversations)


def test_a_docx_is_read_as_it_is_seen(tmp_path: Path) -> None:
    pytest.importorskip("docx")

    def run(text: str, look: str = "") -> str:
        return f"<w:r>{look}<w:t>{text}</w:t></w:r>"

    hidden, seen = "<w:rPr><w:vanish/></w:rPr>", "<w:rPr><w:vanish w:val='0'/></w:rPr>"
    box = f"<w:txbxContent><w:p>{run('BOX')}</w:p></w:txbxContent>"
    both = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    text = _word_with(
        tmp_path,
        f"<w:sdt><w:sdtContent><w:p>{run('CONTROL')}</w:p></w:sdtContent></w:sdt>"
        f"<w:p>{run('a-')}<w:ins>{run('INSERTED')}</w:ins><w:del><w:r><w:delText>no</w:delText></w:r></w:del>"
        f"{run('no', hidden)}{run('-z', seen)}</w:p>"
        f"<w:p><w:r><mc:AlternateContent {both}><mc:Choice Requires='x'><w:drawing>{box}</w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict>{box}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>",
    )
    assert "CONTROL" in text and "a-INSERTED-z" in text and text.count("BOX") == 1 and "no" not in text.split("\n")


def test_tables_within_tables_and_cells_over_rows_are_read(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    document = docx.Document()
    table = document.add_table(rows=3, cols=2)
    table.cell(0, 0).merge(table.cell(1, 0)).text = "kumquat and its kin"
    table.cell(0, 1).text, table.cell(1, 1).text = "May", "June"
    inner = table.cell(2, 1).add_table(rows=1, cols=2)
    table.cell(2, 0).text, inner.cell(0, 0).text, inner.cell(0, 1).text = "dragon fruit", "July", "August"
    document.save(str(tmp_path / "a.docx"))
    expected = ["kumquat and its kin | May", "kumquat and its kin | June", "dragon fruit | July | August"]
    assert cut(tmp_path / "a.docx").conversations[0].answer.split("\n") == expected


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"%PDF-1.7\n", r"really PDF.*\.pdf"),
        ("a.md", b"\xef\xbb\xbf<!DOCTYPE html><p>x</p>", r"really HTML.*\.html"),
        ("a.pdf", b"<html lang=en><p>x</p></html>", r"really HTML.*\.html"),
        ("a.pdf", b"\x89PNG\r\n", "picture"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + b"\0" * 600, "really DOC"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "password"),
        ("a.txt", b"{\\rtf1 text}", "really RTF"),
        ("a.html", b"MIME-Version: 1.0\nContent-Type: multipart/related; boundary=x\n", "really MHTML"),
        ("a.pdf", b"", "is empty"),
        ("a.docx", b"", "is empty"),
        ("a.html", b" \n", "is empty"),
        ("a.jsonl", b"{}", "data convert"),
        ("a.epub", b"x", "Save it as"),
    ],
)  # fmt: skip
def test_a_wrong_ending_is_told_with_the_right_one(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    pytest.importorskip({"pdf": "pypdf", "docx": "docx", "html": "bs4"}.get(name.rpartition(".")[2], "json"))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadData) as refused:
        cut(tmp_path / name)
    import re

    assert re.search(words, f"{refused.value}".replace("\n", " "))


def test_a_docx_under_another_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(word(tmp_path / "a.docx").read_bytes())
    with pytest.raises(BadData, match="DOCX"):
        cut(tmp_path / "a.pdf")


def test_a_text_without_a_gap_is_cut_in_time_that_grows_with_its_length(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(chr(97 + n * n % 26) for n in range(300_000)))
    made = cut(tmp_path / "a.txt")
    assert all(len(one.answer) <= 600 for one in made.conversations)
