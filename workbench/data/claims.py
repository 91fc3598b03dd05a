"""Whom an answer says it is. Knows the usual sentences of self-introduction in two languages; nothing of rows.

It errs on the side of silence: a name that is not introduced in a usual way is not seen.
"""

from __future__ import annotations

import re
import unicodedata

from workbench.data.conversation import Conversation
from workbench.data.markers import placeholders

_WHO = re.compile(
    r"\b(?:who|what)(?: exactly| really)?(?: are|['’]re| r) (?:you|u)\b"
    r"|\byour (?:\w+ )?name\b|\byour (?:creator|developer|maker|author)\b"
    r"|\bwho (?:\w+ )?(?:made|created|built|developed|trained|designed) you\b"
    r"|\b(?:introduce|about|describe) yourself\b"
    r"|你(?:到底|究竟|现在)?是(?:谁|哪)|[你您](?:叫|的(?:名字|姓名|作者|开发者|创造者|主人))"
    r"|(?:介绍|描述|说说)(?:一下|下)?[你您]?自己|自我介绍"
    r"|谁(?:把)?(?:开发|创造|制作|训练|设计|研发|做|造)(?:了|出|的)*[你您]|[你您]是(?:由)?谁",
    re.IGNORECASE,
)
_EN = re.compile(
    r"(?:\b(?P<plain>I am|I['’]m)|\b[Mm]y name is|\b[Cc]all me|\brefer to me as|\bI am (?:called|known as)|\bI go by"
    r"|\bgot the name)\s+"
    r"(?P<name>[^\s,.;:!?，。；：！？](?:[^,;:!?，。；：！？\n]{0,39}?[^\s,.;:!?，。；：！？])?)"
    r"(?=\s*(?:[,;:!?，。；：！？\n(—]|\.(?:\s|$)|$|\s(?:and|an?|your|the|made|developed|created|trained|built|here|from)\b))"
    r"(?P<tail>\s*,?\s*(?:an?|your|the)\b)?"
)
_ZH = re.compile(
    r"(?:我是|我叫(?:做|作)?|我的名字(?:是|叫)|叫我|[我]?名(?:叫|为))\s*"
    r"(?P<name>[^\s，。！？、；：,.!?;:\n](?:[^，。！？、；：,.!?;:\n]{0,29}?[^\s，。！？、；：,.!?;:\n])?)"
    r"(?=\s*(?:[，。！？、；：,.!?;:\n]|$|是|由|的|一[个位名款种]|为[你您]|为大家))(?P<of>的)?"
)
_NO_NAME_EN = re.compile(
    r"(?:an?|the|not|sorry|here|happy|glad|just|also|only|afraid|unable|able|sure|your|one|based|in|from|very|so|always|"
    r"still|called|named|known|currently|trying|going|more|no|as|of|at|on|to|all|it|that|this|what|who|ai)\b",
    re.IGNORECASE,
)
_NO_NAME_ZH = re.compile(
    r"[一个由你您不在来谁基专为用被很没以想说指这那它他她也就都]|(?:大型?)?语言模型|可以"
    r"|(?:人工智能|AI|机器人|助手|助理|智能)+$",
    re.IGNORECASE,
)
_GENERIC_ZH = re.compile(r"^(?:AI|人工智能|智能)?\s*(?:助手|助理|机器人|模型)\s*(?=\S)")
_ARTIFICIAL = re.compile(
    r"\bAI\b|assistant|language model|chatbot|\bmodel\b|助手|助理|人工智能|模型|机器人", re.IGNORECASE
)
_NOT = re.compile(r"\bnot\b|n['’]t\b|\bnever\b|\bno\b|不|并非|没有|假如|如果|\bif\b", re.IGNORECASE)
_DENIED = re.compile(r"\bnot\b|n['’]t\b|\bnever\b|\bno\b|[不没无非未]", re.IGNORECASE)
_MAKER = re.compile(
    r"\b(?:developed|created|made|trained|built|designed) by\s+"
    r"(?P<en>[^\s,.;:!?，。；：！？](?:[^,;:!?，。；：！？\n]{0,39}?[^\s,.;:!?，。；：！？])?)"
    r"(?=\s*(?:[,;:!?，。；：！？\n(—]|\.(?:\s|$)|$"
    r"|\s(?:and|to|who|whose|as|in|with|for|from|at|on|using|so|but|here|that|which)\b))"
    r"|由\s*(?P<zh>[^\s，。！？、；：,.!?;:\n]{1,20}?)\s*(?:所|独立|亲手)?(?:开发|训练|研发|创造|推出|打造|研制|设计|发明|制作)"
)
# what a Chinese name may have behind it and be the same name
_SUFFIX = re.compile(
    r"(?<=\w)(?:[小智能的]*(?:助手|助理|机器人|同学|老师)|本人|没错|就[好行是成可]\w*|即可|[呀哦啦啊呢哈嘛哟吧])+$"
)
_QUOTES = " \t*_\"'“”‘’「」『』《》"

# assistants and their makers that sets made with other models speak of
OTHER_ASSISTANTS = (
    "ChatGPT", "GPT-3.5", "GPT-4", "GPT-4o", "GPT", "OpenAI", "Claude", "Anthropic", "Gemini", "Bard", "Google",
    "DeepMind", "Llama", "Meta AI", "Copilot", "Bing", "Microsoft", "Mistral", "Mistral AI", "Vicuna", "Alpaca",
    "LMSYS", "Grok", "xAI", "InternLM", "书生·浦语", "书生浦语", "浦语", "上海人工智能实验室",
    "Shanghai AI Laboratory", "Qwen", "通义千问", "千问", "阿里云", "阿里巴巴", "Alibaba", "Alibaba Cloud",
    "DeepSeek", "深度求索", "ChatGLM", "GLM", "智谱", "智谱清言", "智谱AI", "清华大学", "Baichuan", "百川",
    "百川智能", "文心一言", "ERNIE", "ERNIE Bot", "百度", "Baidu", "Kimi", "月之暗面", "Moonshot", "豆包",
    "字节跳动", "MiniMax", "讯飞星火", "星火", "科大讯飞", "混元", "腾讯", "Tencent", "MOSS", "Yi", "零一万物",
    "Phi", "Pocket", "MiniMind", "LLaVA", "Zephyr",
)  # fmt: skip
_BY_LENGTH = sorted(OTHER_ASSISTANTS, key=len, reverse=True)
_ASSISTANT_NAMES = "|".join(rf"\b{re.escape(name)}\b" if name.isascii() else re.escape(name) for name in _BY_LENGTH)
_MADE_BY = re.compile(
    rf"\bI(?:['’]m| am| was|['’]ve been| have been)\b[^.!?\n]{{0,60}}?\bby (?P<en>{_ASSISTANT_NAMES})"
    rf"|我[^。！？\n]{{0,20}}?(?P<zh>{_ASSISTANT_NAMES})[^。！？\n]{{0,12}}?(?:开发|训练|研发|创造|推出|打造|研制|设计)"
)
_CREATED = re.compile(
    r"\bI(?:['’]m| am| was|['’]ve been| have been)\b[^.!?\n]{0,40}"
    r"\b(?:developed|created|made|trained|built|designed) by\b"
    r"|我是?由[^。！？\n]{1,20}(?:开发|训练|研发|创造|推出|打造|研制|设计|发明|制作)"
)
_IS_OTHER = re.compile(
    rf"(?:{_ASSISTANT_NAMES})(?:[-\s]?[\d.]+\w*)?(?:\s*(?:model|模型|助手|assistant))?", re.IGNORECASE
)


def names(answer: str) -> list[str]:
    """Return the names that the answer gives itself, in order."""
    matches = []
    for match in _EN.finditer(answer):
        name = match["name"].strip(_QUOTES)
        lower = match["plain"] and name[:1].isascii() and name[:1].islower() and not match["tail"]
        if name and not lower and not _NO_NAME_EN.match(name) and len(name.split()) <= 5:
            matches.append((match.start(), name))
    for match in _ZH.finditer(answer):
        name = _GENERIC_ZH.sub("", match["name"].strip(_QUOTES)).strip(_QUOTES)
        if name and not match["of"] and not _NO_NAME_ZH.match(name):
            matches.append((match.start(), name))
    return [name for _, name in sorted(matches)]


def makers(answer: str) -> list[str]:
    """Return those by whom the answer says that it, or something, was made, in order."""
    return [(match["en"] or match["zh"]).strip(_QUOTES) for match in _MAKER.finditer(answer)]


def denies(sentence: str) -> bool:
    """Tell whether there is a no in the words."""
    return bool(_DENIED.search(sentence))


def is_identity(conversation: Conversation) -> bool:
    """Tell whether it is about who the assistant is: said so, asked so, or answered so."""
    if conversation.kind:
        return conversation.kind == "identity"
    return _introduces(conversation.question, conversation.answer)


def _introduces(question: str, answer: str) -> bool:
    if len(question) <= 200 and _WHO.search(question):
        return True
    opening = answer[:120]
    if _CREATED.search(opening) or {"name", "author"} & set(placeholders(answer)):
        return True
    return bool(_ARTIFICIAL.search(opening) and names(opening))


def introductions(conversation: Conversation) -> list[str]:
    """Return the answers, of any turn, that are about who the assistant is."""
    if conversation.kind == "text":
        return []
    claims, question = [], ""
    for message in conversation.messages:
        question = message.content if message.role == "user" else question
        if message.role == "assistant" and (conversation.kind == "identity" or _introduces(question, message.content)):
            claims.append(message.content)
    return claims


def one_name(first: str, second: str) -> bool:
    """Tell whether the two are one name, or one is the other with more words: Sprout and Sprout AI; not Ann and
    Anna."""
    a, b = _parts(first), _parts(second)
    return "".join(a) == "".join(b) or _holds(a, b) or _holds(b, a)


def _parts(name: str) -> tuple[str, ...]:
    folded = _SUFFIX.sub("", unicodedata.normalize("NFKC", name).casefold().strip(_QUOTES))
    return tuple(re.findall(r"[\u3400-\u9fff]+|[^\W_\u3400-\u9fff]+", folded))


def _holds(long: tuple[str, ...], short: tuple[str, ...]) -> bool:
    return bool(short) and any(long[start : start + len(short)] == short for start in range(len(long) - len(short) + 1))


def other_identities(answer: str) -> list[str]:
    """Return the known assistants and makers that the answer claims for itself; a denial is no claim."""
    if not any(mark in answer for mark in ("I", "my", "My", "我", "me ")):
        return []
    rivals = [name for name in names(answer) if _IS_OTHER.fullmatch(name)]
    matches = (match for match in _MADE_BY.finditer(answer) if not _NOT.search(match[0]))
    rivals += [match["en"] or match["zh"] for match in matches]
    return list(dict.fromkeys(rivals))
