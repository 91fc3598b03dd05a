"""The parts of the page by name, and the scripts that run in the browser. Knows both; not what a click does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.render.markup import static
from workbench.texts import lookup

LANGUAGES = [("中文", "zh"), ("English", "en")]
HEAD = "".join(
    f"<script>{code}</script>"
    for code in (Path(__file__).with_name("page.js").read_text(encoding="utf-8"), static("speak.js"))
)
# The tab's own storage: another tab is another conversation, and who comes after at a shared machine finds none. Where
# a browser allows no storage, as in some frames, there is no secret.
MEMORY = """() => {
  try {
    let secret = sessionStorage.getItem("workbench-conversation") || "";
    if (!/^[0-9a-f]{32}$/.test(secret)) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      secret = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      sessionStorage.setItem("workbench-conversation", secret);
    }
    return [secret];
  } catch { return [""]; }
}"""


# What was clicked may be hidden now, and the next thing is to write. A finger has no place that it would lose, and
# would only call the keyboard up.
READY = """() => {
  if (matchMedia("(hover: hover)").matches) document.querySelector("#question textarea")?.focus();
}"""


def _builtin() -> str:
    """What the library calls its own buttons, in both languages, for the page's script."""
    return json.dumps({lang: lookup("web.builtin", lang) for _, lang in LANGUAGES}, ensure_ascii=True)


SPEAK = f"""(lang) => {{
  const words = {_builtin()}, other = lang === "zh" ? "en" : "zh";
  window.workbenchSpeak(lang === "zh" ? "zh-CN" : "en", words[lang], words[other]);
}}"""


@dataclass
class Parts:
    """The parts of the page that handlers speak of, and the words that each of them bears."""

    lang: Any = None
    secret: Any = None
    title: Any = None
    chat: Any = None
    base: Any = None
    examples: list[Any] = field(default_factory=list)
    question: Any = None
    image: Any = None
    send: Any = None
    stop: Any = None
    note: Any = None
    system: Any = None
    temperature: Any = None
    top_p: Any = None
    longest: Any = None
    compare: Any = None
    new: Any = None
    after: Any = None
    retry: Any = None
    edit: Any = None
    save: Any = None
    row: Any = None
    earlier: Any = None
    careful: Any = None
    worded: list[tuple[Any, dict[str, str]]] = field(default_factory=list)

    def says(self, part: Any, **words: str) -> Any:
        """Remember which words ``part`` bears: property of the component -> key under ``web.page``."""
        self.worded.append((part, words))
        return part

    @property
    def wish(self) -> list[Any]:
        """The inputs that make a wish, in the order of :func:`_wish`."""
        return [self.lang, self.system, self.temperature, self.top_p, self.longest, self.compare]
