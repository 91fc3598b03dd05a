"""The tokenizer that a GGUF file describes, cutting text as the vocabulary was learnt. Knows names of ways to cut;
nothing of weights.

The library builds it from the file, but of the ways to cut a text before the merges (``tokenizer.ggml.pre``) it knows
only some, and takes GPT-2's for every other: the ids would be others than the model was trained with, and nobody would
be told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.models.gguf_header import Head

# GPT-2's own cut, under the names that files give it; "default" is what a converter writes that does not know better.
GPT2 = frozenset({"", "default", "gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jais", "roberta-bpe", "jina-es", "jina-de"})
# each digit by itself, then GPT-2's cut
DIGITS = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"})


def load_tokenizer(folder: Path, name: str, head: Head, file: Path) -> Any:
    """Return the tokenizer of the file ``name`` in ``folder``, which holds nothing else.

    Args:
        file: what the person called it, for errors.

    Raises:
        BadInput: it has none, or one that cuts text in a way that is not known here.
    """
    from transformers import AutoTokenizer

    if not head.values.get("tokenizer.ggml.tokens"):
        raise BadInput("models.gguf.no_tokenizer", file=file)
    cut = _cut(head, file)
    tokenizer = AutoTokenizer.from_pretrained(
        str(folder), gguf_file=name, trust_remote_code=False, local_files_only=True
    )
    if cut in DIGITS:
        from tokenizers import pre_tokenizers

        single = pre_tokenizers.Digits(individual_digits=True)
        plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([single, plain])
    return tokenizer


def _cut(head: Head, file: Path) -> str:
    """The name of the way in which a byte-level vocabulary cuts text; empty for the other kinds.

    Raises:
        BadInput: nobody here knows it.
    """
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    if head.values.get("tokenizer.ggml.model") != "gpt2":
        return ""
    named = str(head.values.get("tokenizer.ggml.pre") or "")
    if named not in GPT2 | DIGITS | set(GGUF_PRE_TOKENIZER_SPLITS):
        raise BadInput("models.gguf.cut", file=file, given=named[:80])
    return named
