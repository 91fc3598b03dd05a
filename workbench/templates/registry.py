"""Which templates there are, by name, and which tokens stop an answer. Knows tokenizers' special tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.errors import BadInput
from workbench.templates.codec import codec
from workbench.templates.named import NamedTemplate, spec, specs
from workbench.templates.seeing import with_sight
from workbench.templates.values import Template


def names() -> list[str]:
    """Return the named templates."""
    return list(specs())


def get(template: str | Template | None, tokenizer: Any) -> Template:
    """Return the named template bound to ``tokenizer``, or the tokenizer's own chat template, proved.

    Raises:
        UnknownName: no template of that name.
        BadInput: the tokenizer has no chat template, or its trained spans cannot be proved.
    """
    if template is None or template == "":
        from workbench.templates.own import own_template

        return with_sight(own_template(tokenizer), tokenizer)
    if not isinstance(template, str):
        return template
    eos, eos_ids = _token(tokenizer, "eos")
    chosen = spec(template)
    if not eos_ids and not chosen.suffix_ends:
        raise BadInput("templates.no_eos", template=template)
    bos, bos_ids = _token(tokenizer, "bos")
    return with_sight(NamedTemplate(chosen, bos, bos_ids, eos, eos_ids), tokenizer)


def _token(tokenizer: Any, kind: str) -> tuple[str, tuple[int, ...]]:
    """A special token's text and ids; both empty where the tokenizer has none."""
    id_ = getattr(tokenizer, f"{kind}_token_id", None)
    if id_ is None:
        return "", ()
    ids: Sequence[int] = [id_] if isinstance(id_, int) else id_
    return str(getattr(tokenizer, f"{kind}_token", "") or ""), tuple(ids)


@dataclass(frozen=True, slots=True)
class Stop:
    """Hold a text at which generation is to stop.

    Args:
        word: the text.
        ids: what it is encoded to; more than one id cannot stop an answer.
        trained: whether the template's answers end with it, so that the model learns to write it.
    """

    word: str
    ids: tuple[int, ...]
    trained: bool

    def says(self, lang: str | None = None) -> str:
        """Tell whether it can stop an answer, in words."""
        from workbench.texts import text

        kind = "several" if len(self.ids) != 1 else "single" if self.trained else "untrained"
        return text(f"templates.stop.{kind}", lang, word=self.word, id=self.ids[0], count=len(self.ids))


def stops(tokenizer: Any, *, template: str | Template | None = None) -> list[Stop]:
    """Return each text at which generation stops, the end-of-turn first."""
    chosen = get(template, tokenizer)
    texts = chosen.stop_words
    encoded = codec(tokenizer).encode([((word, True),) for word in texts])
    trained = set(chosen.ends)
    return [Stop(word, encoded[((word, True),)], word in trained) for word in texts]


def stop_ids(tokenizer: Any, *, template: str | Template | None = None, generation_config: Any = None) -> list[int]:
    """Return the ids at which generation stops: the template's end-of-turn, its other stop words, and the model's own
    EOS.

    Args:
        tokenizer: the tokenizer.
        template: as in :func:`get`.
        generation_config: the model's, whose ``eos_token_id`` (one or several) is added.

    Raises:
        BadInput: no stop word is a single token, so that an answer would never end.
    """
    ids = [stop.ids[0] for stop in stops(tokenizer, template=template) if len(stop.ids) == 1]
    if tokenizer.eos_token_id is not None:
        ids.append(tokenizer.eos_token_id)
    extra = getattr(generation_config, "eos_token_id", None)
    ids += [extra] if isinstance(extra, int) else list(extra or ())
    if not ids:
        raise BadInput("templates.no_stop", template=get(template, tokenizer).name)
    return list(dict.fromkeys(ids))
