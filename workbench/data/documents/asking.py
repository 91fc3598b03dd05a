"""Questions with answers about passages, by a model that is asked for them; none is taken whose citation does not stand
in its passage. Knows what is asked and how it is checked; nothing of where the model is.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.data.conversation import Conversation, Message, ask
from workbench.data.documents.passages import LEAST
from workbench.data.markers import control_tokens
from workbench.data.ordering import normalised
from workbench.errors import Failed
from workbench.texts import text

Ask = Callable[[Sequence[Message]], str]
# Characters: of a citation at least, of a question and an answer at most, of a reply that is looked at.
QUOTE, LONGEST, REPLY = 8, 2_000, 200_000
# so many replies in a row that the server refuses end the work
_GIVE_UP = 3
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
REASONS = ("no_json", "incomplete", "not_cited", "number", "control", "twice", "refused")


@dataclass(frozen=True, slots=True)
class Asked:
    """Hold what came of asking.

    Args:
        conversations: a question with its answer each, in the passage's group; ``meta`` has citation and source.
        passages: how many passages were asked about.
        dropped: why pairs, or whole replies, were not taken -> how many.
        ended: the error that ended the work early; None where all were asked.
    """

    conversations: tuple[Conversation, ...]
    passages: int
    dropped: dict[str, int]
    ended: Failed | None = None


def questions(
    passages: Sequence[Conversation],
    ask_model: Ask,
    *,
    each: int = 2,
    cite: bool = False,
    lang: str | None = None,
    on_passage: Callable[[int], None] = lambda _: None,
) -> Asked:
    """Have a model write questions with answers on each passage, and take those whose citation stands in it.

    Args:
        passages: as :func:`workbench.data.documents.passages` makes them.
        ask_model: messages -> the model's reply.
        each: pairs wanted of a passage.
        cite: end each answer with its source.
        lang: the language of questions and answers, ``zh`` or ``en``; by default the passage's own.
        on_passage: told the number of each passage when it is done.

    Raises:
        Failed: the first replies were all refused.
    """
    results: list[Conversation] = []
    dropped: Counter[str] = Counter()
    seen: set[str] = set()
    refused, done = 0, 0
    for done, passage in enumerate(passages, 1):
        try:
            reply, refused = ask_model(_order(passage, each, lang)), 0
        except Failed as error:
            refused += 1
            dropped["refused"] += 1
            if refused == _GIVE_UP or done == 1:
                if not results:
                    raise
                return Asked(tuple(results), done, dict(dropped), error)
            continue
        for pair in _pairs(reply[:REPLY], dropped):
            built = _checked(pair, passage, seen, dropped, cite=cite)
            results += [built] if built else []
        on_passage(done)
    return Asked(tuple(results), done, dict(dropped))


def _order(passage: Conversation, each: int, lang: str | None) -> list[Message]:
    """What is asked of the model; the passage stands in it as what it is, not as an order."""
    wanted = lang or passage.lang or "en"
    system = text("data.documents.order.system", wanted)
    words = text("data.documents.order.user", wanted, count=each, least=QUOTE, passage=passage.answer)
    return [Message("system", system), Message("user", words)]


def _pairs(reply: str, dropped: Counter[str]) -> Iterator[dict[str, Any]]:
    """The objects of the JSON list in a reply, whatever stands round it."""
    begin, end = reply.find("["), reply.rfind("]")
    if begin < 0 and "{" in reply:
        reply = f"[{reply[reply.find('{') : reply.rfind('}') + 1]}]"
        begin, end = 0, len(reply) - 1
    try:
        loaded = json.loads(reply[begin : end + 1], strict=False) if 0 <= begin < end else None
    except (ValueError, RecursionError):
        loaded = None
    if not isinstance(loaded, list):
        dropped["no_json"] += 1
        return
    for item in loaded:
        if isinstance(item, dict):
            yield item
        else:
            dropped["incomplete"] += 1


def _checked(
    pair: dict[str, Any], passage: Conversation, seen: set[str], dropped: Counter[str], *, cite: bool
) -> Conversation | None:
    """The pair as a conversation; None, and counted, where something about it is not right."""
    asked, answer, quote = (pair.get(key) for key in ("question", "answer", "quote"))
    why = ""
    if not all(isinstance(words, str) and words.strip() for words in (asked, answer, quote)):
        why = "incomplete"
    else:
        asked, answer, quote = (" ".join(str(words).split()) for words in (asked, answer, quote))
        why = _fault(asked, answer, quote, passage.answer) or ("twice" if normalised(asked) in seen else "")
    if why:
        dropped[why] += 1
        return None
    seen.add(normalised(str(asked)))
    facts = f"{answer}{_source(passage)}" if cite else str(answer)
    meta = {**passage.meta, "quote": quote}
    return ask(
        str(asked), facts, group=passage.group, kind="document", lang=passage.lang, source=passage.source, meta=meta
    )


def _fault(asked: str, answer: str, quote: str, passage: str) -> str:
    """Why a pair is not taken; empty where it may be."""
    if max(len(asked), len(answer)) > LONGEST:
        return "incomplete"
    if not stands_in(quote, passage):
        return "not_cited"
    numbers = set(_NUMBER.findall(_folded(passage)))
    if any(number not in numbers for number in _NUMBER.findall(_folded(answer))):
        return "number"
    return "control" if any(control_tokens(Message("assistant", words)) for words in (asked, answer)) else ""


def stands_in(quote: str, passage: str) -> bool:
    """Tell whether the citation stands in the passage word for word; width, case and spaces do not count.

    A citation of a few characters proves nothing, unless the passage has no more.
    """
    wanted = _folded(quote)
    return len(wanted) >= min(QUOTE, LEAST) and wanted in _folded(passage)


def _folded(words: str) -> str:
    """Without case and width; spaces only between letters and digits of scripts that have them."""
    folded = " ".join(unicodedata.normalize("NFKC", words).casefold().split())
    return re.sub(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])", "", folded)


def _source(passage: Conversation) -> str:
    meta = passage.meta
    key = "page" if meta.get("page") else "heading" if meta.get("heading") else "file"
    lang = "zh" if passage.lang == "zh" else "en"
    values = {"document": meta["document"], "page": meta.get("page", ""), "heading": meta.get("heading", "")}
    return text(f"data.documents.cited.{key}", lang, **values)
