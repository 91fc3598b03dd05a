"""Text to token ids and back, for one tokenizer. Knows backends and what a control token is; nothing of templates.

Two spellings of the same vocabulary make "control tokens inside somebody's words are text" safe without ever changing
the tokenizer that was given: the tokenizer itself, and its *twin*, in which each control token is spelled with a
secret string. Where somebody's words contain a control token's spelling, the whole chunk goes through the twin, with
the template's markers written in the secret spelling: so the words can only be read as text.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from workbench.errors import BadInput

# A chunk is encoded in one piece: (text, is it the template's own marker?), …
Chunk = tuple[tuple[str, bool], ...]

# Added tokens of this shape are control tokens even where the tokenizer does not call them special …
_MARKUP = re.compile(r"<[^<>\s]+>|\[[A-Z_/]+\]|<<[^<>\s]+>>")
# … except plain HTML, which some vocabularies hold as ordinary words.
_HTML = re.compile(
    r"</?(a|b|blockquote|body|br|caption|center|code|dd|div|dl|dt|em|font|form|h[1-6]|head|hr|html|i|img|li|link|meta|ol|p"
    r"|pre|s|script|small|span|strong|style|sub|sup|table|tbody|td|tfoot|th|thead|title|tr|u|ul|video)/?>"
)

_codecs: WeakKeyDictionary[Any, Codec] = WeakKeyDictionary()
_lock = threading.Lock()


def codec(tokenizer: Any) -> Codec:
    """Return the codec of a tokenizer; made once, and again where its added tokens have changed."""
    with _lock:
        cached = _codecs.get(tokenizer)
        if cached is None or cached.vocabulary_size != len(tokenizer):
            cached = _codecs[tokenizer] = Codec(tokenizer)
        return cached


class Codec:
    """Encode by the batch, each distinct chunk once.

    Args:
        tokenizer: a Hugging Face tokenizer; a fast one where speed and offsets are wanted.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer_of: Any = _weak(tokenizer)
        self.vocabulary_size = len(tokenizer)
        self.backend: Any = getattr(tokenizer, "backend_tokenizer", None)
        self.control = {
            str(token.content): int(id_) for id_, token in tokenizer.added_tokens_decoder.items() if _is_control(token)
        }
        self.control_ids = frozenset(self.control.values())
        self._finder = _alternatives(self.control)
        edges = {word[0] for word in self.control} | {word[-1] for word in self.control}
        self._edges = re.compile(f"[{re.escape(''.join(sorted(edges)))}]") if edges else None
        self._twin: _Twin | None = None
        self._twin_lock = threading.Lock()

    @property
    def tokenizer(self) -> Any:
        """Return the tokenizer itself."""
        return self.tokenizer_of()

    def encode(self, chunks: Iterable[Chunk]) -> dict[Chunk, tuple[int, ...]]:
        """Return the ids of each distinct chunk.

        In the pieces that are markers, control tokens are control tokens; in the others they are text.
        """
        distinct = list(dict.fromkeys(chunks))
        plain = [chunk for chunk in distinct if not self.hides_control(chunk)] if self._quick() else []
        encoded = dict(zip(plain, self.native(["".join(text for text, _ in chunk) for chunk in plain]), strict=True))
        for chunk in distinct:
            if chunk not in encoded:
                encoded[chunk] = self._twin_of().encode(chunk)[0]
        return encoded

    def native(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Return the ids that the tokenizer itself gives, control tokens in the text parsed, no special tokens
        added."""
        if not texts:
            return []
        if self._quick():
            return [tuple(e.ids) for e in self.backend.encode_batch_fast(list(texts), add_special_tokens=False)]
        batch = self.tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False)
        return [tuple(ids) for ids in batch["input_ids"]]

    def offsets(self, chunk: Chunk) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
        """Return the ids of one chunk and, for each, the characters of the chunk's text that it stands for.

        Raises:
            BadInput: the tokenizer is not a fast one and keeps no offsets.
        """
        if self.backend is None:
            raise BadInput("templates.slow_tokenizer", tokenizer=type(self.tokenizer).__name__)
        if not self._quick() or self.hides_control(chunk):
            return self._twin_of().encode(chunk)
        encoding = self.backend.encode("".join(text for text, _ in chunk), add_special_tokens=False)
        return tuple(encoding.ids), list(encoding.offsets)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, special tokens spelled out, nothing cleaned up."""
        if self.backend is not None:
            return str(self.backend.decode(list(ids), skip_special_tokens=False))
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def lossy(self, encoded: Mapping[Chunk, tuple[int, ...]]) -> dict[Chunk, str]:
        """Return those chunks whose ids do not decode to their text, with what they decode to."""
        if self.backend is None:
            decoded = [self.decode(ids) for ids in encoded.values()]
        else:
            decoded = self.backend.decode_batch([list(ids) for ids in encoded.values()], skip_special_tokens=False)
        texts = ["".join(text for text, _ in chunk) for chunk in encoded]
        return {
            chunk: got
            for chunk, text, got in zip(encoded, texts, decoded, strict=True)
            if not self.same_text(got, text)
        }

    def same_text(self, decoded: str, text: str) -> bool:
        """Tell whether a decoded text is the encoded one, up to what the tokenizer's normalizer makes equal."""
        if decoded == text:
            return True
        normalizer = getattr(self.backend, "normalizer", None)
        if normalizer is None:
            return False
        return bool(normalizer.normalize_str(decoded) == normalizer.normalize_str(text))

    def hides_control(self, chunk: Chunk) -> bool:
        """Tell whether a control token could be read in, or across the edge of, a piece that is somebody's words."""
        if self._edges is None or not any(self._edges.search(text) for text, marker in chunk if not marker):
            return False
        start, intended = 0, set()
        for text, marker in chunk:
            if marker:
                intended |= {(m.start() + start, m.end() + start) for m in self._finder.finditer(text)}
            start += len(text)
        joined = "".join(text for text, _ in chunk)
        return {m.span() for m in self._finder.finditer(joined)} != intended

    def find_control(self, text: str) -> list[str]:
        """Return the control tokens that are spelled in ``text``, in order."""
        return self._finder.findall(text)

    def _quick(self) -> bool:
        """Whether the backend does just what the tokenizer would: no cutting, no padding, control tokens parsed."""
        backend = self.backend
        return (
            backend is not None
            and backend.truncation is None
            and backend.padding is None
            and not getattr(self.tokenizer, "split_special_tokens", False)
            and not backend.encode_special_tokens
        )

    def _twin_of(self) -> _Twin:
        with self._twin_lock:
            if self._twin is None:
                if self.backend is None:
                    raise BadInput("templates.slow_tokenizer", tokenizer=type(self.tokenizer).__name__)
                self._twin = _Twin(self.backend, self.control, self._finder)
            return self._twin


class _Twin:
    """A copy of a backend in which control tokens are spelled with secret strings."""

    def __init__(self, backend: Any, control: dict[str, int], finder: re.Pattern[str]) -> None:
        from tokenizers import Tokenizer

        self.finder = finder
        nonce = secrets.token_hex(8)
        self.secret = {word: f"\ue000{nonce}{index:x}\ue001" for index, word in enumerate(control)}
        described = json.loads(backend.to_str())
        described.update(truncation=None, padding=None, post_processor=None)
        for token in described["added_tokens"]:
            token["content"] = self.secret.get(token["content"], token["content"])
        _respell(described["model"], self.secret)
        self.backend = Tokenizer.from_str(json.dumps(described, ensure_ascii=False))
        # ids may have moved where a control token has no place in the model's own vocabulary
        self.back = {self.backend.token_to_id(spelled): control[word] for word, spelled in self.secret.items()}
        for token in backend.get_added_tokens_decoder().values():
            if token.content not in control:
                self.back[self.backend.token_to_id(token.content)] = backend.token_to_id(token.content)

    def encode(self, chunk: Chunk) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
        """Return the ids, and for each the characters of the chunk's own text that it stands for."""
        written, offsets = [], [0]
        for text, marker in chunk:
            for part, spelled in self._spell(text) if marker else [(text, text)]:
                written.append(spelled)
                base = offsets[-1]
                # a secret spelling counts as standing where its control token stands
                step = range(1, len(spelled) + 1)
                offsets += [base + (n if part == spelled else len(part)) for n in step]
        encoding = self.backend.encode("".join(written), add_special_tokens=False)
        ids = tuple(self.back.get(id_, id_) for id_ in encoding.ids)
        return ids, [(offsets[start], offsets[end]) for start, end in encoding.offsets]

    def _spell(self, marker: str) -> Iterable[tuple[str, str]]:
        last = 0
        for match in self.finder.finditer(marker):
            if match.start() > last:
                yield marker[last : match.start()], marker[last : match.start()]
            yield match.group(), self.secret[match.group()]
            last = match.end()
        if last < len(marker):
            yield marker[last:], marker[last:]


def _respell(model: dict[str, Any], secret: dict[str, str]) -> None:
    """Rename control tokens in the model's vocabulary as well, so that no merge or whole-word match can make one."""
    vocabulary = model.get("vocab")
    if isinstance(vocabulary, dict):
        model["vocab"] = {secret.get(word, word): id_ for word, id_ in vocabulary.items()}
        if model.get("unk_token") in secret:
            model["unk_token"] = secret[model["unk_token"]]
        if "merges" in model:
            model["merges"] = [merge for merge in model["merges"] if not _makes(merge, secret)]
    elif isinstance(vocabulary, list):
        model["vocab"] = [[secret.get(piece, piece), score] for piece, score in vocabulary]


def _makes(merge: Any, secret: dict[str, str]) -> bool:
    """Whether a merge makes a control token out of letters (as ``<s`` and ``>`` do in some), or goes on from one."""
    left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
    return left + right in secret or left in secret or right in secret


def _is_control(token: Any) -> bool:
    text = str(token.content)
    if not text.strip():
        return False
    return bool(token.special) or (bool(_MARKUP.fullmatch(text)) and not _HTML.fullmatch(text))


def _alternatives(texts: Iterable[str]) -> re.Pattern[str]:
    """Matches the leftmost, and of those the longest, as the tokenizers library does."""
    ordered = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered)) if ordered else r"(?!)")


def _weak(tokenizer: Any) -> Any:
    """A weak reference, so that the cache of codecs keeps no tokenizer alive."""
    from weakref import ref

    return ref(tokenizer)
