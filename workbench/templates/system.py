"""The system text and the thoughts that a template is to begin with. Knows chat templates as text, and tokenizers;
nothing of recipes.

A setting is written into the chat template itself, before everything that the template has: so whoever renders with
it, this program or any server, sends byte for byte what was trained.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from workbench.errors import BadInput
from workbench.templates.named import NamedTemplate
from workbench.templates.registry import get
from workbench.templates.seeing import SeeingTemplate, words_of
from workbench.templates.thoughts import Thinking, switches
from workbench.templates.values import Template

KEEP, NONE = "keep", "none"
_NO_SYSTEM = "not messages or messages[0]['role'] not in ('system', 'developer')"

_dressed: WeakKeyDictionary[Any, dict[tuple[str, Thinking], Any]] = WeakKeyDictionary()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class DefaultSystem:
    """Hold a system text that a template adds by itself.

    Args:
        text: the text; empty where it adds none.
        identity: whether it says who the assistant is or who made it.
        given: whether it is the one that was set (``data.system``), and none of the model's makers'.
    """

    text: str
    identity: bool
    given: bool = False

    def says(self, lang: str | None = None) -> str:
        """Return the finding in words."""
        from workbench.texts import text

        (key, values), *_ = (*self.notices(), ("templates.default_system.none", {}))
        return text(key, lang, **values)

    def notices(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the finding as a key of the texts and its values; none where the template adds nothing."""
        kind = "given" if self.given else "identity" if self.identity else "plain"
        return [(f"templates.default_system.{kind}", {"text": self.text})] if self.text else []


_IDENTITY = re.compile(
    r"\b(made|created|developed|trained|built) by\b|\bname is\b|\bnamed\b|\bcalled [A-Z]"
    r"|\b(You are|I am|I'm|You're) (?!an? |the |not |to |in )[A-Z]\w+"
    r"|由.{1,20}(开发|研发|训练|创建|打造)|名(字|为|叫)|(你|我)(是|叫)(?!一|个|位|名)[^，。,.\s]{1,20}"
    r"|\b(Qwen|InternLM|ChatGPT|GPT-\d|Llama|Mistral|DeepSeek|Gemma|Zephyr|Claude|Gemini|ChatGLM|Baichuan|Yi|Phi)\b"
    r"|通义|书生|浦语|智谱|百川|文心|混元|豆包"
)


def default_system(template: Template) -> DefaultSystem:
    """Return the system text that a template adds by itself, and whether it asserts an identity.

    A named template adds none without a system message; some put words of their own round it, which are given here.
    """
    template = words_of(template)
    if isinstance(template, NamedTemplate):
        if template.default:
            return DefaultSystem(template.default, bool(_IDENTITY.search(template.default)), given=True)
        around = (template.spec.system or "").replace("{system}", "")
        text = around.strip() if _IDENTITY.search(around) else ""
    else:
        text = str(getattr(template, "default", ""))
    source = str(getattr(getattr(template, "render", None), "template", ""))
    return DefaultSystem(text, bool(_IDENTITY.search(text)), given=_NO_SYSTEM in source.partition("\n")[0])


def text_of(system: str) -> str:
    """Return the system text that the setting ``system`` asks for; empty for ``keep`` and ``none``."""
    return "" if system in (KEEP, NONE) else system.strip()


def bound(tokenizer: Any, template: str | None, *, system: str = KEEP) -> Template:
    """Return the template as :func:`workbench.templates.get` gives it; a named one begins with the setting's system
    text.

    Args:
        tokenizer: for the tokenizer's own template as :func:`dressed` gives it.

    Raises:
        BadInput: as there; or the named template has no place for a system text.
    """
    chosen = get(template, tokenizer)
    system_text = text_of(system)
    named = words_of(chosen)
    if not system_text or not isinstance(named, NamedTemplate):
        return chosen
    if named.spec.system is None:
        raise BadInput("templates.no_place_for_system", template=named.name)
    begun = replace(named, default=system_text)
    return replace(chosen, inner=begun) if isinstance(chosen, SeeingTemplate) else begun


def dressed(tokenizer: Any, template: str | None = None, *, system: str = KEEP, thinking: Thinking = "keep") -> Any:
    """Return the tokenizer with a chat template that does as the settings say; the tokenizer itself where nothing
    changes.

    Args:
        tokenizer: it is not changed.
        template: the name of a named template, which leaves the tokenizer's own as it is.
        system: what stands where a conversation has no system text: ``keep`` what the template adds, ``none`` nothing
            but an empty system message in its place, or a text.
        thinking: ``empty`` lets the prompt say that nothing is thought, where the template has a switch for that.

    Raises:
        BadInput: the template cannot be proved, or does not take the system text.
    """
    if template:
        return tokenizer
    with _lock:
        cache = _dressed.setdefault(tokenizer, {})
        if (system, thinking) in cache:
            return cache[system, thinking] or tokenizer
    new = _dress(tokenizer, system, thinking)
    with _lock:
        cache[system, thinking] = None if new is tokenizer else new
    return new


def _dress(tokenizer: Any, system: str, thinking: Thinking) -> Any:
    system_text = text_of(system)
    adds = system != KEEP and str(getattr(words_of(get(None, tokenizer)), "default", ""))
    begins = bool(system_text or adds)
    current = tokenizer.chat_template
    sources = current if isinstance(current, dict) else {"": current or ""}
    in_parts = bool(begins and words_of(get(None, tokenizer)).render.in_parts)  # type: ignore[attr-defined]
    changed_sources = {
        name: _before(source, system_text, begins, thinking, in_parts=in_parts) for name, source in sources.items()
    }
    if not any(changed_sources.values()):
        return tokenizer
    written = {name: _written(changed_sources[name], source) for name, source in sources.items()}
    new = copy.copy(tokenizer)
    new.chat_template = written if isinstance(current, dict) else written[""]
    if system_text or adds:
        _check_taken(new, system_text, str(adds or ""))
    return new


def _before(source: str, system_text: str, begins: bool, thinking: Thinking, *, in_parts: bool) -> str:
    """What is to stand before a template's source."""
    lines = []
    if thinking == "empty":
        lines += [f"{{%- set {name} = false %}}" for name in switches(source)]
    if begins:
        words = json.dumps(system_text, ensure_ascii=False)
        content = f"[{{'type': 'text', 'text': {words}}}]" if in_parts else words
        message = f"{{'role': 'system', 'content': {content}}}"
        lines.append(f"{{%- if {_NO_SYSTEM} %}}{{%- set messages = [{message}] + messages %}}{{%- endif %}}")
    return "".join(lines)


def _written(before: str, source: str) -> str:
    """``before`` and the template; the line break between them is the block's own, which Jinja takes away."""
    return source if not before or source.startswith(before) else f"{before}\n{source}"


def _check_taken(tokenizer: Any, system_text: str, earlier: str) -> None:
    """
    Raises:
        BadInput: the template refuses a system text, or does not write the one that is asked for.
    """
    chosen = words_of(get(None, tokenizer))
    plain = chosen.render([{"role": "user", "content": "Hi"}])  # type: ignore[attr-defined]
    if system_text not in plain or (earlier and earlier != system_text and earlier in plain):
        raise BadInput("templates.system_not_taken", system=system_text or NONE)
