"""Documents become passages with their source; a page is on one side; hostile files are one sentence."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from workbench.cli import run
from workbench.data import read, split, write
from workbench.data.documents import Passages, Section, passages, sections
from workbench.errors import BadData

DAY = "The kumquat is pollinated by bees, and its flowers open in the morning of a warm day in June. "
NIGHT = "The dragon fruit is pollinated by moths and bats; its flowers open at night, for one night only. "


def pdf(file: Path, pages: list[list[str]], *, password: str = "") -> Path:
    """A PDF of these lines, written by the library that reads it."""
    pypdf = pytest.importorskip("pypdf")
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    for lines in pages:
        page = writer.add_blank_page(600, 800)
        font = DictionaryObject({NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1"),
                                 NameObject("/BaseFont"): NameObject("/Helvetica")})  # fmt: skip
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): writer._add_object(font)})}
        )
        content = DecodedStreamObject()
        words = "".join(f"({line.replace('(', '').replace(')', '')}) Tj T*\n" for line in lines)
        content.set_data(f"BT /F1 10 Tf 14 TL 40 760 Td {words} ET".encode())
        page[NameObject("/Contents")] = writer._add_object(content)
    if password:
        writer.encrypt(password)
    writer.write(file)
    return file


def word(file: Path) -> Path:
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.add_heading("Kumquat", 1)
    document.add_paragraph(DAY * 2)
    document.add_heading("Dragon fruit", 1)
    document.add_paragraph(NIGHT)
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "harvested in", "August and September"
    document.save(str(file))
    return file


def changed(source: Path, out: Path, part: str, content: bytes) -> Path:
    """The zip with another content of one part."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in archive.infolist():
            new.writestr(entry.filename, content if entry.filename == part else archive.read(entry))
    return out


def cut(*files: Path, size: int = 600) -> Passages:
    return passages((one for file in files for one in sections(file)), size=size)


def test_a_pdf_keeps_its_pages_and_loses_its_running_heads(tmp_path: Path) -> None:
    texts = [f"Number {word} is about plants of its own kind, and about nothing else at all." for word in "abcdef"]
    file = pdf(tmp_path / "book.pdf", [["A handbook of fruit.", text, f"{n}"] for n, text in enumerate(texts, 1)])
    made = cut(file)
    assert [one.meta["page"] for one in made.conversations] == [1, 2, 3, 4, 5, 6]
    assert all("handbook" not in one.answer for one in made.conversations) and made.running >= 6
    assert made.conversations[2].answer.startswith("Number c is about plants")


def test_pages_that_are_pictures_are_counted(tmp_path: Path) -> None:
    made = cut(pdf(tmp_path / "scan.pdf", [[], [DAY], []]))
    assert (made.empty, len(made.conversations)) == (2, 1)


def test_docx_markdown_and_html_say_under_which_heading_a_passage_stands(tmp_path: Path) -> None:
    table = "| a | b |\n|---|---|\n| harvested in | August and September |\n"
    text = f"---\ntitle: x\n---\n# Kumquat\n\n{DAY}\n**{DAY.strip()}**\n\n## Dragon fruit\n\n{NIGHT}\n\n{table}"
    (tmp_path / "a.md").write_text(text)
    (tmp_path / "a.html").write_text(
        f"<html><head><title>no</title><script>var no</script></head><body><nav>no</nav><h1>Kum<b>quat</b></h1><p>{DAY}"
        f"<br>{DAY}</p><h2>Dragon fruit</h2><div>{NIGHT}<table><tr><td>harvested in</td><td>August and September</td>"
        "</tr></table></div><!-- no --></body></html>"
    )
    pytest.importorskip("bs4")
    for file in (tmp_path / "a.md", tmp_path / "a.html", word(tmp_path / "a.docx")):
        made = cut(file)
        assert [one.meta["heading"] for one in made.conversations] == ["Kumquat", "Dragon fruit"], file
        assert made.conversations[0].answer.count("pollinated by bees") == 2, file
        assert "harvested in | August and September" in made.conversations[1].answer, file
        assert "no" not in made.conversations[0].answer.split(), file


def test_a_tables_equal_cells_stay_and_one_over_two_columns_comes_once(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    document = docx.Document()
    table = document.add_table(rows=2, cols=3)
    for cell, words in zip(table.rows[0].cells, ("tomato and pepper in the open", "3 days", "3 days"), strict=True):
        cell.text = words
    table.rows[1].cells[0].merge(table.rows[1].cells[1]).text = "a cucumber under glass is watered"
    table.rows[1].cells[2].text = "daily"
    document.save(str(tmp_path / "t.docx"))
    text = cut(tmp_path / "t.docx").conversations[0].answer
    assert "tomato and pepper in the open | 3 days | 3 days" in text
    assert "a cucumber under glass is watered | daily" in text


def test_nothing_of_a_page_is_on_both_sides_nor_the_same_passage_of_two(tmp_path: Path) -> None:
    pages = [
        Section("a.pdf", n, tuple(f"{NIGHT} {DAY} It is page {n}, part {i}." for i in range(6)), page=n)
        for n in range(1, 21)
    ]
    pages += [Section("b.pdf", 1, (f"{NIGHT} {DAY} It is page 3, part 2.", f"{NIGHT} And more."), page=1)]
    made = passages(pages, size=230)
    train, held = split(made.conversations, validation=0.2)
    sides = [{(c.meta["document"], c.meta["page"]) for c in side} for side in (train, held)]
    assert held and not sides[0] & sides[1]
    assert (("b.pdf", 1) in sides[0]) == (("a.pdf", 3) in sides[0])
    assert len({c.answer for c in made.conversations}) == len(made.conversations)


def test_nothing_is_lost_by_cutting_and_nothing_is_longer_than_wanted() -> None:
    text = "".join(f"第{n}株金桔在春天开花，由蜜蜂授粉。果实在冬天成熟！" for n in range(40))
    text += "".join(f"x{n}y" for n in range(130)) + " and so on. " + "".join(f"Of {n}: {DAY}" for n in range(20))
    made = passages([Section("a.txt", 1, (text, DAY, "短"))], size=200)
    assert max(len(one.answer) for one in made.conversations) <= 200
    joined = "".join(one.answer for one in made.conversations)
    assert "".join(joined.split()) == "".join((text + DAY + "短").split())
    assert all(sentence in joined for sentence in ("第7株金桔在春天开花，由蜜蜂授粉。", f"Of 7: {DAY.strip()}"))


def test_they_are_written_and_read_again_as_bare_text(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(f"# Kumquat\n\n{DAY}\n\n# Other\n\n{NIGHT}")
    assert run(["data", "from", str(tmp_path / "a.md"), "--out", str(tmp_path / "p.jsonl")]) == 0
    found = read(tmp_path / "p.jsonl")
    assert [(c.kind, c.group[-2:], c.meta["heading"]) for c in found] == [
        ("text", "s1", "Kumquat"),
        ("text", "s2", "Other"),
    ]
    assert all(len(c.messages) == 1 for c in found)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.pdf", b"no pdf", "no PDF document"),
        ("a.pdf", b"%PDF-1.7\n%%EOF", "cannot be read|no PDF"),
        ("a.docx", b"PK\x03\x04 no zip", "no DOCX document"),
        ("a.doc", b"\xd0\xcf\x11\xe0", "Save it as DOCX"),
        ("a.xyz", b"x", "Read are"),
        ("a.md", b"\xff\xfe\x00", "a.md"),
        ("a.txt", b"", "a.txt"),
    ],
)
def test_what_is_no_document_is_one_sentence(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    pytest.importorskip({"pdf": "pypdf", "docx": "docx"}.get(name.rpartition(".")[2], "json"))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadData, match=words):
        cut(tmp_path / name)


def test_a_locked_pdf_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="password"):
        cut(pdf(tmp_path / "locked.pdf", [[DAY]], password="secret"))


def test_entities_and_bombs_are_not_opened(tmp_path: Path) -> None:
    plain = word(tmp_path / "a.docx")
    laughs = b'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><z>&b;</z>'
    wide = laughs.decode().encode("utf-16")
    for number, content in enumerate((laughs, wide)):
        with pytest.raises(BadData, match="entities"):
            cut(changed(plain, tmp_path / f"{number}.docx", "word/document.xml", content))
    with pytest.raises(BadData, match="in a way that no document does"):
        cut(changed(plain, tmp_path / "bomb.docx", "word/document.xml", b" " * 50_000_000))


def test_a_page_that_unpacks_to_gigabytes_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zlib

    pytest.importorskip("pypdf")
    whole = zlib.compress(b"(" + b"x" * 400_000_000 + b") Tj", 9)
    body = b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Count 1/Kids[3 0 R]>>endobj "
    body += b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>endobj "
    body += b"4 0 obj<</Length %d/Filter/FlateDecode>>stream\n" % len(whole) + whole + b"\nendstream endobj\n"
    (tmp_path / "bomb.pdf").write_bytes(b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R>>\n%%EOF")
    with pytest.raises(BadData, match=r"bomb\.pdf"):
        cut(tmp_path / "bomb.pdf")


def test_brackets_within_brackets_of_a_web_page_are_one_sentence_or_text(tmp_path: Path) -> None:
    pytest.importorskip("bs4")
    (tmp_path / "deep.html").write_text("<div>" * 20_000 + DAY + "</div>" * 20_000)
    try:
        assert "kumquat" in cut(tmp_path / "deep.html").conversations[0].answer
    except BadData as error:
        assert "deep.html" in str(error)


def test_a_long_web_page_takes_no_square_of_its_length(tmp_path: Path) -> None:
    pytest.importorskip("bs4")
    rows = "".join(f"<p>Row {n} says that {DAY}</p><br>" for n in range(8_000))
    (tmp_path / "long.html").write_text(f"<body>{rows}</body>")
    assert sum(len(section.paragraphs) for section in sections(tmp_path / "long.html")) == 8_000


def test_a_document_without_text_ends_with_status_2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pdf(tmp_path / "scan.pdf", [[]])
    assert run(["data", "from", str(tmp_path / "scan.pdf"), "--out", str(tmp_path / "p.jsonl")]) == 2
    assert "OCR" in capfd.readouterr().err and not (tmp_path / "p.jsonl").exists()


def test_what_is_written_goes_through_training_readers(tmp_path: Path) -> None:
    made = passages([Section("a.pdf", 1, (DAY,), page=7)])
    write(made.conversations, tmp_path / "p.jsonl")
    row = json.loads((tmp_path / "p.jsonl").read_text())
    assert row["page"] == 7 and row["document"] == "a.pdf"
