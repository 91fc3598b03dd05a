"""Step two, templates and the mask: which tokens of a conversation are trained. Knows templates and tokenizers; loads
no model."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from workbench.data.conversation import Conversation, Message, ask
from workbench.errors import BadInput, BadSetting, nearest
from workbench.steps.code import call, lines, written
from workbench.steps.step import Step
from workbench.texts import lookup, text

if TYPE_CHECKING:
    from workbench.templates import MaskView
    from workbench.templates.view import ViewComparison

LOSS_ON = ("assistant", "last", "all")
ROLES = ("system", "user", "assistant")
_SPOKEN = re.compile(r"(?im)^\s*(system|user|assistant)\s*[:：]\s?")


@dataclass(frozen=True, slots=True)
class TemplateSettings:
    """Hold what is looked at, and how.

    Args:
        conversation: the conversation.
        model: whose tokenizer: ``pocket``, a folder, or a hub id.
        template: a named template; None for the tokenizer's own.
        other: a second one to set beside it, ``chat_template`` for the tokenizer's own; None for none.
        loss_on: ``assistant``, ``last`` or ``all``.
        max_length: tokens to cut to, as training would.
        system: what stands where the conversation has no system text: ``keep``, ``none``, or a text.
        thinking: what is done with thoughts: ``keep``, ``mask`` or ``empty``.
    """

    conversation: Conversation = field(default_factory=lambda: Conversation(()))
    model: str = "pocket"
    template: str | None = None
    other: str | None = None
    loss_on: str = "assistant"
    max_length: int | None = None
    system: str = "keep"
    thinking: str = "keep"


class TemplateStep(Step[TemplateSettings]):
    """Take a conversation in, give its tokens out.

    Args:
        conversation: what to look at; a short one without it.
        lang: the language of the conversation that is shown at first.
        **settings: fields of :class:`TemplateSettings`.
    """

    def __init__(self, conversation: Conversation | None = None, *, lang: str | None = None, **settings: Any) -> None:
        self.samples = samples(lang)
        first = TemplateSettings(conversation or self.samples[0], **settings)
        self._views: tuple[MaskView, ...] | None = None
        super().__init__(self._checked(first))

    def choices(self) -> list[str]:
        """Return the templates to choose from: the tokenizer's own (``chat_template``) first, then the named ones."""
        from workbench.templates import names

        return ["chat_template", *names()]

    def ask(self, question: str, answer: str, system: str = "") -> None:
        """Look at one question and its answer."""
        self.change(conversation=ask(question, answer, system=system))

    def paste(self, content: str) -> Conversation:
        """Look at a pasted conversation: a row of any data format as JSON, or lines that begin ``user:`` and
        ``assistant:``.

        Raises:
            BadInput: it is neither.
        """
        conversation = pasted(content)
        self.change(conversation=conversation)
        return conversation

    def toggle(self, index: int, train: bool | None = None) -> None:
        """Train the answer that is message ``index``, or not; without ``train``, the other way round than now.

        Raises:
            BadInput: that message is no answer.
        """
        conversation = self.settings.conversation
        messages = list(conversation.messages)
        if not 0 <= index < len(messages) or messages[index].role != "assistant":
            raise BadInput("steps.no_answer_there", index=index + 1)
        train_it = not self.trained(index) if train is None else train
        messages[index] = replace(messages[index], train=train_it)
        self.change(conversation=conversation.with_messages(*messages))

    def trained(self, index: int) -> bool:
        """Tell whether the answer that is message ``index`` is trained."""
        messages = self.settings.conversation.messages
        if messages[index].train is not None:
            return bool(messages[index].train)
        answers = [index for index, message in enumerate(messages) if message.role == "assistant"]
        return index in (answers[-1:] if self.settings.loss_on == "last" else answers)

    def tokenizer(self) -> Any:
        """Return the tokenizer, loaded once for each model.

        Raises:
            UnknownName: no such model.
        """
        return tokenizer_of(self.settings.model)

    def views(self) -> tuple[MaskView, ...]:
        """Return the view of the conversation, or the two views where there is another template beside it.

        Raises:
            BadInput: the conversation, the template or the length does not go with the others; says why.
        """
        with self._guard:
            s = self.settings
            if self._views is None:
                names = [s.template] if s.other is None else [s.template, s.other]
                self._views = tuple(self._view(_named(name)) for name in names)
            return self._views

    def _view(self, template: str | None) -> MaskView:
        from workbench.templates import bound, dressed, mask_view

        s = self.settings
        options: dict[str, Any] = {"loss_on": s.loss_on, "max_length": s.max_length, "thinking": s.thinking}
        tokenizer = dressed(self.tokenizer(), template, system=s.system, thinking=options["thinking"])
        return mask_view(s.conversation, tokenizer, template=bound(tokenizer, template, system=s.system), **options)

    def view(self) -> MaskView:
        """Return the first view; raises as :meth:`views`."""
        return self.views()[0]

    def comparison(self) -> ViewComparison | None:
        """Return both views compared, where there are two; raises as :meth:`views`."""
        from workbench.templates import compare_views

        views = self.views()
        return compare_views(*views) if len(views) == 2 else None

    def code(self) -> str:
        """Return the lines that give the same view."""
        s = self.settings
        dress = {key: value for key in ("system", "thinking") if (value := getattr(s, key)) != "keep"}
        options = {"template": _named(s.template), "loss_on": s.loss_on, "max_length": s.max_length}
        options["thinking"] = None if s.thinking == "keep" else s.thinking
        arguments = {key: value for key, value in options.items() if value not in (None, "assistant")}
        messages = [
            call("wb.Message", m.role, m.content, **({} if m.train is None else {"train": m.train}))
            for m in s.conversation.messages
        ]
        second = {**arguments, "template": _named(s.other)}
        extra = "".join(f", {key}={written(value)}" for key, value in arguments.items())
        second_arguments = "".join(f", {key}={written(value)}" for key, value in second.items())
        return lines(
            "import workbench as wb",
            "from workbench.models import load_tokenizer",
            f"from workbench.templates import compare_views, {'dressed, ' if dress else ''}mask_view",
            "",
            f"conversation = wb.Conversation(({', '.join(messages)},))",
            f"tokenizer = load_tokenizer({s.model!r})",
            f"tokenizer = {call('dressed', **dress).replace('(', '(tokenizer, ', 1)}" if dress else "",
            f"view = mask_view(conversation, tokenizer{extra})",
            f"comparison = compare_views(view, mask_view(conversation, tokenizer{second_arguments}))"
            if s.other
            else "",
            "print(view.trained, len(view.tokens), view.prompt_is_prefix)",
        )

    def _checked(self, settings: TemplateSettings) -> TemplateSettings:
        from workbench.templates.encoding import check_settings
        from workbench.templates.named import spec

        if settings.loss_on not in LOSS_ON:
            raise BadSetting("steps.loss_on", given=settings.loss_on, nearest=nearest(settings.loss_on, LOSS_ON))
        check_settings(settings.loss_on, None, None, settings.thinking)
        for name in (settings.template, settings.other):
            if _named(name):
                spec(str(name))
        return replace(settings, template=_named(settings.template))

    def _after_change(self) -> None:
        self._views = None

    _forget = _after_change


_tokenizers: dict[str, Any] = {}


def tokenizer_of(model: str) -> Any:
    """Return the tokenizer of ``model``; the last few are kept."""
    from workbench.models import load_tokenizer

    if model not in _tokenizers:
        while len(_tokenizers) >= 4:
            _tokenizers.pop(next(iter(_tokenizers)))
        _tokenizers[model] = load_tokenizer(model)
    return _tokenizers[model]


def samples(lang: str | None = None) -> list[Conversation]:
    """Return short conversations to begin with: one turn, a system message, several turns, words that look like control
    tokens."""
    return [
        Conversation(tuple(Message(role, content) for role, content in rows)) for rows in lookup("steps.samples", lang)
    ]


def pasted(content: str) -> Conversation:
    """Return a pasted conversation.

    Raises:
        BadInput: it is no conversation.
    """
    from workbench.data.formats import gathered, settle
    from workbench.data.jsonfile import rows
    from workbench.data.parsing import parse

    content = content.strip()
    if not content.startswith(("{", "[")):
        return _spoken(content)
    if content.startswith("[") and '"role"' in content.partition("}")[0]:
        content = f'{{"messages": {content}}}'  # bare messages, as a chat's program has them
    parsed = list(rows(content, text("steps.pasted"), lines=False, limit=1))
    if not parsed:
        raise BadInput("steps.nothing_pasted")
    form = settle(parsed)
    return replace(parse(gathered(parsed, form)[0], form), source="")


def _spoken(content: str) -> Conversation:
    """Lines that begin with a role; what follows belongs to it until the next one."""
    before, *rest = _SPOKEN.split(content)
    if before.strip() or not rest:
        raise BadInput("steps.nothing_pasted")
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return Conversation(tuple(Message(role.lower(), content.strip()) for role, content in pairs))  # type: ignore[arg-type]


def _named(name: str | None) -> str | None:
    return None if name in (None, "", "chat_template") else name
