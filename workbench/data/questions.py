"""When two questions ask the same in other words. Knows the small words of two languages; nothing of rows.

Only small words may differ: one other name, number or no makes another question. So it errs on the side of silence.
"""

from __future__ import annotations

import re
import unicodedata

from workbench.data.fields import name_set

_HAN = re.compile("[\u3400-\u9fff]")
# what stands for itself, before the small words that it is made of go
_ZH_WORDS = {
    "为什么": "①", "为啥": "①", "为何": "①",
    "怎么样": "②", "怎样": "②", "怎么": "②", "如何": "②", "咋": "②",
    "什么时候": "③", "何时": "③", "什么地方": "④", "哪里": "④", "哪儿": "④", "何处": "④",
    "没有": "没", "不同": "⑤", "相同": "⑥", "差别": "区别", "差异": "区别", "能不能": "能", "能否": "能",
    "可不可以": "可以", "可否": "可以", "会不会": "会", "有没有": "", "是不是": "", "是否": "",
}  # fmt: skip
_ZH_SMALL = re.compile(
    "请问|请|你好|您好|麻烦|帮我|告诉我|给我|介绍|解释|说说|谈谈|一下|什么样|什么|啥|何|之间|以及|这个|那个|一个|一种|"
    "[的了吗呢吧啊呀嘛么是有和与跟及、]"
)
_ZH_SIDES = re.compile("关系|区别|联系|比较|⑤|⑥")
_EN_SMALL = name_set("a an the please kindly is are do does of between and there s re")
_EN_ASIDE = re.compile(
    r"\b(?:(?:can|could|would) you (?:please )?)?(?:tell|explain|describe)(?: to)?(?: me)?\b(?: about)?"
    r"|\b(?:hi|hello|hey)\b|\bdo you know\b|\bi(?: would|'d) like to know\b"
)
_EN_SIDES = name_set("relation difference same differ different")
_TOKENS = re.compile(r"[^\W_]+|[-+*/=<>^%]")


def question_core(question: str) -> str:
    """Return what is left of a question without its small words; ``''`` where that is too little to tell."""
    text = unicodedata.normalize("NFKC", question).casefold()
    return _chinese(text) if _HAN.search(text) else _english(text)


def _chinese(text: str) -> str:
    for word in sorted(_ZH_WORDS, key=len, reverse=True):
        text = text.replace(word, _ZH_WORDS[word])
    text = "".join(_TOKENS.findall(text))
    core = _ZH_SMALL.sub("", text)
    if _ZH_SIDES.search(core):  # of two things whose relation is asked, either may stand first
        core = "".join(sorted(core.replace("②", "")))
    return core if len(core) >= 2 else ""


def _english(text: str) -> str:
    text = text.replace("’", "'").replace("n't", " not").replace("&", " and ")
    tokens = [_stem(token) for token in _TOKENS.findall(_EN_ASIDE.sub(" ", text)) if token not in _EN_SMALL]
    if _EN_SIDES & set(tokens):
        tokens.sort()
    return " ".join(tokens) if len(tokens) >= 2 else ""


def _stem(token: str) -> str:
    token = token.removesuffix("ship") if len(token) > 6 else token
    return token[:-1] if len(token) > 3 and token.endswith("s") and not token.endswith("ss") else token
