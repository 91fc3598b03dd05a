"""A model that answers as it was trained to. Knows models, prompts and adapters; nothing of screens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.chat.history import Asked, Fitted, as_messages, fit, tell_cut
from workbench.chat.opening import open_model
from workbench.chat.pieces import pieces
from workbench.chat.sampling import Sampling, Tools, box_of
from workbench.data.conversation import Message, offering
from workbench.data.picture import Picture
from workbench.data.pictures import illustrated

if TYPE_CHECKING:
    from workbench.models import Loaded
    from workbench.models.loading import Quantization
    from workbench.templates.values import Prompt
    from workbench.tools import Card, End


@dataclass(frozen=True, slots=True, eq=False)
class Assistant:
    """Hold a loaded model with its template. Several threads may ask at once: they take turns, a token each.

    Made by :meth:`load`. It keeps no conversation; :class:`workbench.chat.Chat` does.

    Args:
        loaded: the model and its tokenizer.
        template: the named template, or None for the tokenizer's own.
        stop_ids: the tokens at which an answer ends.
        note: what the adapter or the merged model says of itself (``workbench.json``).
        notices: sentences that whoever uses it should read.
        adapted: whether an adapter is on it and takes part.
        system: what it was trained with where a conversation has no system text (``data.system``).
    """

    loaded: Loaded
    template: str | None
    stop_ids: tuple[int, ...]
    note: dict[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    adapted: bool = False
    system: str = "keep"
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def load(
        cls,
        model: str,
        adapter: str | Path | None = None,
        quantization: Quantization = "none",
        template: str | None = None,
        device: str | None = None,
    ) -> Assistant:
        """Load a model, and an adapter on it.

        Args:
            model: ``pocket``, a folder (a model's, or an adapter's that names its base), or a hub id.
            adapter: a folder in PEFT's format.
            quantization: ``nf4`` stores the linear layers in 4 bit.
            template: a named template; by default the one that the adapter or model was trained with, else the
                tokenizer's own.
            device: where to run; by default the best there is.

        Raises:
            UnknownName: no such model or template.
            BadInput: the adapter does not fit or changes nothing, or its template is not the one it was trained with.
        """
        opened = open_model(model, adapter, quantization, template, device)
        return cls(**opened)

    @property
    def name(self) -> str:
        """Return the persona's name, else the model's."""
        persona = self.note.get("persona")
        name = persona.get("name") if isinstance(persona, dict) and self._speaks_as_trained else None
        return str(name or Path(self.loaded.name).name or self.loaded.name)

    @property
    def _speaks_as_trained(self) -> bool:
        return self.adapted or self.note.get("kind") == "merged"

    @property
    def base(self) -> Assistant:
        """Return the same weights in the same memory, answering without the adapter."""
        return replace(self, adapted=False)

    @property
    def context(self) -> int:
        """Return tokens that the model can see, question and answer together."""
        config = self.loaded.model.config
        config = getattr(config, "text_config", config)
        return int(getattr(config, "max_position_embeddings", 0) or 2048)

    def prompt(self, question: Asked, *, system: str | None = None, tools: Tools = ()) -> Prompt:
        """Return the token ids that the model is given: the same that training put before the answer.

        Raises:
            BadInput: the messages cannot be asked, or the template refuses them or the tools.
        """
        return self._encode(as_messages(question, system), _schemas(tools))

    def prompt_text(self, question: Asked, *, system: str | None = None, tools: Tools = ()) -> str:
        """Return the prompt as text, markers spelled out."""
        ids = self.prompt(question, system=system, tools=tools)
        return str(self.loaded.tokenizer.decode(ids, skip_special_tokens=False))

    def fit(
        self, question: Asked, *, system: str | None = None, tools: Sequence[str] = (), max_new_tokens: int = 256
    ) -> Fitted:
        """Return what is sent of these messages: all, or without the oldest turns where they are too long.

        Args:
            tools: the JSON texts of the tools that are offered.

        Raises:
            BadInput: the last question alone is too long.
        """
        messages = as_messages(question, system)
        return fit(messages, lambda some: self._encode(some, tools), context=self.context, answer=max_new_tokens)

    def ask(
        self,
        question: Asked,
        *,
        system: str | None = None,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        top_k: int = 0,
        seed: int = 0,
        tools: Tools = (),
        images: Sequence[Picture | str | Path] = (),
    ) -> str:
        """Return the answer to a question, or to messages that end with one.

        Args:
            images: pictures, or their files, that the question is asked about.
            tools: names (``"calculator,weekday"``), functions with type hints and a docstring, or both; the assistant
                may call them before it answers.

        Raises:
            BadInput: as :meth:`fit`.
        """
        if images:
            question = shown_with(question, images)
        sampling = Sampling(max_new_tokens, temperature, top_p, top_k, seed)
        return "".join(self.stream(question, system=system, sampling=sampling, tools=tools))

    def stream(
        self,
        question: Asked,
        *,
        system: str | None = None,
        sampling: Sampling | None = None,
        should_stop: Callable[[], bool] | None = None,
        on_cut: Callable[[int], None] | None = None,
        tools: Tools = (),
        on_card: Callable[[Card], Any] | None = None,
        on_end: Callable[[End], Any] | None = None,
        **settings: Any,
    ) -> Iterator[str]:
        """Yield the answer in pieces, as it comes; together they are what :meth:`ask` gives.

        Args:
            question: a question, or messages that end with one.
            system: the system message, where the messages have none.
            sampling: how it is drawn; ``settings`` of the same names may be given instead.
            should_stop: asked before each token; the answer ends where it says so.
            on_cut: told how many of the oldest messages were left out; without it, a warning says so.
            tools: as in :meth:`ask`.
            on_card: told of each call, when it begins and with what came of it.
            on_end: told where the limits of the tools ended the answer; without it, a warning says so.
            **settings: ``max_new_tokens``, ``temperature``, ``top_p``, ``top_k``, ``seed``, ``repetition_penalty``.

        Raises:
            BadInput: as :meth:`fit`.
        """
        options = sampling or Sampling(**settings)
        if tools:
            yield from self._acting(as_messages(question, system), options, should_stop, on_cut, tools, on_card, on_end)
            return
        fitted = self.fit(question, system=system, max_new_tokens=options.max_new_tokens)
        if fitted.cut:
            tell_cut(fitted.cut, on_cut)
        if opening := self.begun(fitted.ids):
            yield opening
        yield from pieces(self.tokens(fitted.ids, options, should_stop), self.loaded.tokenizer)

    def _acting(
        self, messages: Sequence[Message], how: Sampling, should_stop: Any, on_cut: Any, tools: Tools, on_card: Any,
        on_end: Any,
    ) -> Iterator[str]:  # fmt: skip
        from workbench.chat.acting import Local, act, heard

        box = box_of(tools)
        assert box  # noqa: S101  there are tools
        events = act(Local(self, box), messages, box, sampling=how, should_stop=should_stop, on_cut=on_cut)
        yield from heard(events, on_card, on_end)

    def ask_all(self, questions: Sequence[Asked], *, system: str | None = None, max_new_tokens: int = 64) -> list[str]:
        """Return the greedy answers to many questions, asked in batches."""
        from workbench.models import generate

        prompts = [self.fit(q, system=system, max_new_tokens=max_new_tokens).ids for q in questions]
        with self._lock, self._weights():
            answers = generate(self.loaded, prompts, max_new_tokens=max_new_tokens, stop_ids=self.stop_ids)
        pairs = zip(prompts, answers, strict=True)
        return [self.begun(prompt) + "".join(pieces(ids, self.loaded.tokenizer)) for prompt, ids in pairs]

    def look_at(self, prompt: Prompt) -> None:
        """Open the pictures of a prompt now, and not when its answer begins.

        Raises:
            BadPicture: one of them cannot be seen.
        """
        if prompt.media and self.loaded.eyes is not None:
            with self._lock:
                self.loaded.eyes.inputs(prompt.media)

    def begun(self, prompt: Sequence[int]) -> str:
        """Return the mark of a thought that the prompt itself begins, which whoever shows the answer must see."""
        from workbench.templates.thoughts import begun

        return begun(str(self.loaded.tokenizer.decode(list(prompt[-8:]), skip_special_tokens=False)))

    def _encode(self, messages: Sequence[Message], tools: Sequence[str] = ()) -> Prompt:
        from workbench.templates import bound, prompt_ids

        tokenizer = self.loaded.tokenizer
        asked = offering(messages, tools)
        return prompt_ids(asked, tokenizer, template=bound(tokenizer, self.template, system=self.system))

    def tokens(self, ids: Sequence[int], options: Sampling, should_stop: Callable[[], bool] | None) -> Iterator[int]:
        """Yield token after token. The lock is held for one token only: whoever stops listening blocks nobody."""
        from workbench.models import stream

        tokens = stream(
            self.loaded,
            ids,
            max_new_tokens=min(options.max_new_tokens, self.context - len(ids)),
            stop_ids=self.stop_ids,
            do_sample=options.temperature > 0,
            temperature=options.temperature,
            top_p=options.top_p,
            top_k=options.top_k,
            seed=options.seed,
            repetition_penalty=options.repetition_penalty,
        )
        while not (should_stop and should_stop()):
            with self._lock, self._weights():
                token = next(tokens, None)
            if token is None:
                return
            yield token

    def _weights(self) -> AbstractContextManager[Any]:
        """The adapter off for the time of the block, where this is the base of an adapted model."""
        switch = getattr(self.loaded.model, "disable_adapter", None)
        return nullcontext() if self.adapted or switch is None else switch()


def shown_with(question: Asked, images: Sequence[Picture | str | Path]) -> Sequence[Message]:
    """Return a question, or messages that end with one, with pictures before its words."""
    pictures = [image if isinstance(image, Picture) else Picture.of(image) for image in images]
    *before, last = as_messages(question)
    return [*before, illustrated(last.content, pictures)]


def _schemas(tools: Tools) -> tuple[str, ...]:
    box = box_of(tools)
    return box.schemas if box else ()
