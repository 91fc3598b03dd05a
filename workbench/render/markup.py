"""The plain pieces of HTML: escaping, tables, a whole page. Knows HTML; nothing of masks, curves or reports.

Every text of a learner or a model goes through :func:`escape` before it stands in a page, and a page forbids by its
content security policy every script but our own and every request to a network.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from workbench.render import palette
from workbench.templates.thoughts import parted
from workbench.texts import language, text

_LONE = re.compile("[\ud800-\udfff]")
_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n\r"} | {127: 0x2421}
_CONTROLS |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)  # C1: some terminals obey them as well


def visible(value: object) -> str:
    """Return ``value`` with pictures (␛ …) for control characters, which steer terminals, and U+FFFD for lone
    surrogates."""
    return _LONE.sub("\ufffd", str(value)).translate(_CONTROLS)


def escape(value: object) -> str:
    """Return ``value``, made visible, as text that HTML cannot mistake for markup, in content and in quoted
    attributes."""
    return html.escape(visible(value), quote=True)


def spoken_html(value: object) -> str:
    """Return somebody's words as HTML: escaped, line breaks kept, unable to turn the direction of what stands round
    them."""
    return f"<bdi>{escape(value)}</bdi>".replace("\r\n", "\n").replace("\n", "<br>")


def thought(answer: str, lang: str | None = None) -> str:
    """Return what was thought before an answer, folded; empty where nothing was."""
    spoken = parted(answer)
    if not spoken.thought:
        return ""
    label = text("render.thinking" if spoken.going else "render.thought", lang)
    return (
        f'<details class="wb-thought"><summary>{escape(label)}</summary><p>{spoken_html(spoken.thought)}</p></details>'
    )


def call_html(title: str, body: str, words: str = "") -> str:
    """Return a call of a tool as HTML, folded, and what was said before it."""
    before = f"<p>{spoken_html(words)}</p>" if words else ""
    return f'{before}<details class="wb-thought"><summary>{escape(title)}</summary><p>{spoken_html(body)}</p></details>'


def answered(answer: str) -> str:
    """Return an answer as HTML, without what was thought before it."""
    return spoken_html(parted(answer).answer or "…")


def tag(name: str, content: str = "", **attributes: object) -> str:
    """Return an element round ``content``, which is HTML; the attributes' values are escaped, and ``None`` leaves one
    out.

    ``class_`` gives ``class``, ``aria_label`` gives ``aria-label``.
    """
    attributes_text = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{attributes_text}>{content}</{name}>"


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str = "",
    class_: str = "",
    labels: Sequence[str] = (),
) -> str:
    """Return a table of cells that are HTML already; the first cell of a row is its heading.

    Args:
        head, rows: the cells.
        caption: a sentence above it.
        class_: of the table.
        labels: the columns in plain words: on a narrow screen each cell then stands under the one before, behind its
            column's label.
    """
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    if labels:
        class_ = f"{class_} wb-stacks"
    body = "".join(_row(row, labels or [None] * len(row)) for row in rows)
    says = tag("p", caption, class_="wb-soft") if caption else ""  # some viewers drop a <caption>
    return (
        f'{says}<div class="wb-scroll"><table class="wb-table {escape(class_)}">'
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )


def _row(cells: Sequence[str], labels: Sequence[str | None]) -> str:
    first = tag("th", cells[0], scope="row", data_label=labels[0])
    more = (tag("td", cell, data_label=label) for cell, label in zip(cells[1:], labels[1:], strict=True))
    return f"<tr>{first}{''.join(more)}</tr>\n"


def disclosure(summary: str, content: str, *, opened: bool = False) -> str:
    """Return something behind a triangle; readable, opened, where a viewer drops the element."""
    return f"<details{' open' if opened else ''}><summary>{summary}</summary>\n{content}</details>\n"


@cache
def static(name: str) -> str:
    """Return the text of a file of ``static/``: our own style or script."""
    return (Path(__file__).parent / "static" / name).read_text(encoding="utf-8")


@cache
def styles(*names: str) -> str:
    """Return a ``<style>`` of the palette, the base, and the named files; it holds only inside elements of class
    ``wb``."""
    return f"<style>{palette.css()}{static('base.css')}{''.join(static(name) for name in names)}</style>\n"


def root(content: str, *, lang: str | None, theme: str = "", large: bool = False, class_: str = "") -> str:
    """Return the element that everything of ours stands in.

    Args:
        theme: ``light``, ``dark``, or empty for the reader's own.
        large: type for a projector.
    """
    names = ["wb", class_, f"wb-{theme}" if theme else "", "wb-large" if large else ""]
    return tag("div", content, class_=" ".join(filter(None, names)), lang=html_lang(lang))


def html_lang(lang: str | None) -> str:
    """Return the value of HTML's ``lang``: with it a browser takes Chinese, not Japanese, shapes of the characters."""
    return "zh-CN" if language(lang) == "zh" else "en"


def page(body: str, *, title: str, lang: str | None = None, theme: str = "", large: bool = False) -> str:
    """Return a whole document, standing alone, round ``body``: fragments of ours with their styles and scripts.

    Of scripts only our own files may run, each allowed by its hash; nothing may be fetched.
    """
    script = f"<script>{static('page.js')}</script>"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {_own_scripts()}"
    labels = {f"data_{name}": text(f"render.page.{name}", lang) for name in _LABELS}
    content = tag("main", body, class_="wb-page", **labels)
    return (
        f'<!doctype html>\n<html lang="{html_lang(lang)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n{styles()}{_STYLE}</head>\n<body>\n"
        f"{root(content, lang=lang, theme=theme, large=large, class_='wb-whole')}\n{script}\n</body>\n</html>\n"
    )


_LABELS = ("larger", "theme", "print", "copy", "copied")  # of the buttons that page.js makes
_STYLE = "<style>body{margin:0}</style>\n"


@cache
def _own_scripts() -> str:
    """The hashes of our own scripts, as a policy names them: a script that stood in somebody's text would not run."""
    files = sorted((Path(__file__).parent / "static").glob("*.js"))
    digests = (hashlib.sha256(static(file.name).encode()).digest() for file in files)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
