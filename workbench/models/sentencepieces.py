"""``tokenizer.model`` (SentencePiece, BPE) as a fast tokenizer with the same ids. Knows both formats; runs no code of a
model's folder.

Source: the format is ``sentencepiece_model.proto``; the ids are those of the SentencePiece library, release 0.2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.models.headers import settings
from workbench.models.internlm import is_internlm

MODEL, SPACE = "tokenizer.model", "▁"
# Bytes: of the largest vocabularies a tokenizer.model has some 5 million; a template some 20 000.
LARGEST, LARGEST_SETTINGS = 50_000_000, 20_000_000
# Places at which pieces can be cut, times their lengths: some 20 million in the largest vocabularies.
_MOST_CUTS = 1_000_000_000
# kinds of pieces
_NORMAL, _CONTROL, _USER, _UNUSED = 1, 3, 4, 5
_BPE = 2
_CLASSES = re.compile(r"InternLM\d?Tokenizer(Fast)?")
_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")
_MORE = ("additional_special_tokens", "extra_special_tokens")
# how templates/codec.py spells a control token that must not be one
_RESPELLED = "\ue000[0-9a-f]+\ue001"


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold a piece of the vocabulary; its id is its place.

    Args:
        text: as it is spelled, ``▁`` for a space.
        score: the higher, the sooner it is made.
        kind: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
    """

    text: str
    score: float
    kind: int


def is_internlms(folder: Path) -> bool:
    """Tell whether the tokenizer in ``folder`` is an InternLM's, which the library reads only with the folder's own
    code."""
    if not any((folder / name).is_file() for name in (MODEL, "tokenizer.json")):
        return False
    if is_internlm(settings(folder)):
        return True
    config = _read(folder / "tokenizer_config.json")
    is_custom = "auto_map" in config or bool(_CLASSES.fullmatch(str(config.get("tokenizer_class", ""))))
    return is_custom and "internlm" in json.dumps(config).lower()


def read_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of ``folder``, a fast one, with its template and its special tokens.

    Raises:
        BadInput: ``tokenizer.model`` is damaged, or of a kind that is not read here.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    config = _read(folder / "special_tokens_map.json") | _read(folder / "tokenizer_config.json")
    added = {int(key): value for key, value in (config.get("added_tokens_decoder") or {}).items()}
    if (folder / "tokenizer.json").is_file():
        backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    else:
        backend = convert(folder / MODEL, added)
        _begin_and_end(backend, config)
    special = {key: _content(config[key]) for key in _TOKENS if _content(config.get(key))}
    if not special and backend.token_to_id("<s>") is not None:
        special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        additional_special_tokens=[value["content"] for value in added.values() if value.get("special")]
        or [_content(token) for key in _MORE for token in config.get(key) or []],
        clean_up_tokenization_spaces=False,
        model_max_length=config.get("model_max_length") or int(1e30),
        padding_side=config.get("padding_side") or "right",
        **special,
    )
    tokenizer.chat_template = _chat_template(folder, config)
    tokenizer.name_or_path = str(folder)
    return tokenizer


def convert(file: Path, added: Mapping[int, Mapping[str, Any]]) -> Any:
    """Return the backend of a fast tokenizer.

    Args:
        file: a ``tokenizer.model``.
        added: id -> {"content": …, "special": …}: tokens that take a piece's place, or come after all pieces.

    Raises:
        BadInput: it is damaged, or of a kind that is not read here.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models

    proto = _parsed(file)
    byte_fallback = bool(proto.trainer_spec.byte_fallback)
    pieces = [_piece(piece, byte_fallback) for piece in proto.pieces]
    names = [str(added[i]["content"]) if i in added else piece.text for i, piece in enumerate(pieces)]
    names += [str(added[i]["content"]) for i in sorted(added) if i >= len(pieces)]
    backend = Tokenizer(
        models.BPE(
            # a piece of that kind is never made of text: its name must not be met either
            {f"{SPACE}{i}{SPACE}unused" if _hidden(pieces, i) else name: i for i, name in enumerate(names)},
            merges(pieces, {i for i in added if names[i] != pieces[i].text} if pieces else set()),
            unk_token=next((piece.text for piece in pieces if piece.kind == 2), None),
            fuse_unk=True,
            byte_fallback=byte_fallback,
        )
    )
    # one with a space in it is never met: texts have none, after normalizing
    user = [p.text for i, p in enumerate(pieces) if p.kind == _USER and i not in added and " " not in p.text]
    backend.normalizer = _normalizer(proto.normalizer_spec, user)
    prefix = [decoders.Strip(" ", 1, 0)] if proto.normalizer_spec.add_dummy_prefix else []
    backend.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *prefix]
    )
    backend.add_tokens([AddedToken(text, normalized=True, special=False) for text in user])
    control = [piece.text for i, piece in enumerate(pieces) if piece.kind in (2, _CONTROL) and i not in added]
    backend.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in control])
    for value in added.values():
        special = bool(value.get("special", True))
        token = AddedToken(str(value["content"]), normalized=False, special=special)
        (backend.add_special_tokens if special else backend.add_tokens)([token])
    return backend


def merges(pieces: Sequence[Piece], renamed: set[int]) -> list[tuple[str, str]]:
    """Return the pairs that become one piece, in the order of the pieces' scores.

    SentencePiece joins whichever neighbours make the piece of the highest score, the leftmost first; so every way to
    cut a piece in two is a pair.
    """
    normal = {piece.text: (i, piece.score) for i, piece in enumerate(pieces) if piece.kind == _NORMAL}
    pairs = [
        (-score, i, cut, text)
        for text, (i, score) in normal.items()
        if i not in renamed
        for cut in range(1, len(text))
        if text[:cut] in normal and text[cut:] in normal
    ]
    return [(text[:cut], text[cut:]) for _, _, cut, text in sorted(pairs)]


def _piece(piece: Any, byte_fallback: bool) -> Piece:
    # a null is given as a byte, as the library does
    kind = _UNUSED if piece.piece == "\0" and byte_fallback else int(piece.type)
    return Piece(piece.piece, float(piece.score), kind)


def _hidden(pieces: Sequence[Piece], index: int) -> bool:
    return index < len(pieces) and pieces[index].kind == _UNUSED


def _normalizer(spec: Any, user: Sequence[str]) -> Any:
    from tokenizers import Regex, normalizers

    steps: list[Any] = []
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(bytes(spec.precompiled_charsmap)))
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(r"\A +| +\z"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    if spec.add_dummy_prefix:
        # What stands between special tokens begins with a space. Tokens are normalized by the same rules and must not.
        alone = "|".join([*(re.sub(r"([^\w\s])", r"\\\1", text) for text in user), _RESPELLED])
        steps.append(normalizers.Replace(Regex(rf"\A(?!(?:{alone})\z)(?=[\s\S])"), " "))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])


def _begin_and_end(backend: Any, config: Mapping[str, Any]) -> None:
    """BOS before a text, and EOS after it where the folder says so; as special tokens, which may be left away."""
    from tokenizers import processors

    begin = _content(config.get("bos_token")) or "<s>" if config.get("add_bos_token", True) else ""
    end = _content(config.get("eos_token")) or "</s>" if config.get("add_eos_token", False) else ""
    around = [token for token in (begin, end) if token and backend.token_to_id(token) is not None]
    if around:
        row = [*([begin] if begin in around else []), "$A", *([end] if end in around else [])]
        backend.post_processor = processors.TemplateProcessing(
            single=row,
            pair=[*row, *(f"{part}:1" for part in (begin, "$B", end) if part == "$B" or part in around)],
            special_tokens=[(token, backend.token_to_id(token)) for token in around],
        )


def _parsed(file: Path) -> Any:
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2 as format_of

    proto = format_of.ModelProto()
    try:
        proto.ParseFromString(_bytes(file, LARGEST))
    except (OSError, DecodeError) as error:
        raise BadInput("models.broken_tokenizer", file=file, reason=str(error) or type(error).__name__) from error
    if not proto.pieces:
        raise BadInput("models.broken_tokenizer", file=file, reason="no pieces")
    if sum(len(piece.piece) ** 2 for piece in proto.pieces) > _MOST_CUTS:
        raise BadInput("models.broken_tokenizer", file=file, reason="pieces without end")
    if proto.trainer_spec.model_type != _BPE or proto.trainer_spec.treat_whitespace_as_suffix:
        raise BadInput("models.tokenizer_kind", file=file)
    return proto


def _chat_template(folder: Path, config: Mapping[str, Any]) -> Any:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return _bytes(file, LARGEST_SETTINGS).decode("utf-8")
    template = config.get("chat_template")
    if isinstance(template, list):
        return {entry["name"]: entry["template"] for entry in template}
    return template


def _content(token: Any) -> str:
    return str(token.get("content", "")) if isinstance(token, Mapping) else str(token or "")


def _bytes(file: Path, largest: int) -> bytes:
    from workbench.runs.files import read_bounded  # a look at a folder need not load all that a run is

    return read_bounded(file, largest)


def _read(file: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(_bytes(file, LARGEST_SETTINGS))
    except (OSError, ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
