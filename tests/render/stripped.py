"""Pages as other readers see them. Knows HTML; nothing of ours."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br", "meta", "link", "img", "input", "hr", "use", "path"}


class Page(HTMLParser):
    """What is left of a page where a viewer drops styles and scripts, and what it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("br", "tr", "div", "p", "li", "section"):
            self.words.append("\n")
        if tag in ("td", "th"):
            self.words.append("\t")

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        """The words, with line breaks where blocks begin."""
        return "".join(self.words)

    def with_class(self, name: str) -> list[dict[str, str]]:
        """The attributes of each element of a class."""
        return [attrs for _, attrs in self.tags if name in attrs.get("class", "").split()]

    def levels(self) -> list[int]:
        """The levels of the headings, in order."""
        return [int(name[1]) for name, _ in self.tags if name in ("h1", "h2", "h3", "h4", "h5", "h6")]

    def of(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each element of a tag."""
        return [attrs for name, attrs in self.tags if name == tag]
