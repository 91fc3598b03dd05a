"""The tokenizer: trained on the corpus, saved for ``AutoTokenizer``; and encoding by segments.

Knows ChatML and the control tokens. Must not know facts or models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 3072
START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
MARKERS = ("<image>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
SPARE = tuple(f"<|reserved_{n}|>" for n in range(16))
CONTROL = (PAD, START, END, *MARKERS, *SPARE)
"""The control tokens, in the order of their ids from 0."""

PATTERN = (
    r"\n"  # a newline stands alone, so that a segment may end at it
    r"|\p{N}"  # digits one by one
    r"|\p{Han}"  # a Chinese character is never joined to another
    r"| ?[\p{L}\p{M}&&[^\p{Han}]]+"
    r"| ?[^\s\p{L}\p{M}\p{N}]"
    r"|[^\S\n]+(?!\S)"
    r"|[^\S\n]"
)
IGNORED = -100
TOOL_MARKERS = MARKERS[1:]
MARKED = re.compile("(" + "|".join(map(re.escape, TOOL_MARKERS)) + ")")
SHOWN = {"call": "assistant", "result": "tool", "wrong": "assistant"}
"""Roles of the corpus → roles of the chat."""

TEMPLATE = (
    # one compact line a tool: a JSON schema would be most of the prompt
    "{%- macro line(tool) %}{%- set f = tool.function if tool.function is defined else tool %}"
    "{%- set schema = f.parameters if f.parameters is defined and f.parameters else {} %}"
    "{{- f.name + '(' }}"
    "{%- for name, kind in (schema.properties or {}).items() %}"
    "{{- (', ' if not loop.first else '') + name }}"
    "{{- '?' if schema.required is defined and name not in schema.required else '' }}"
    "{{- ': ' + (kind.type if kind.type is string else 'string') }}"
    "{%- endfor %}"
    "{{- ')' + (': ' + f.description if f.description else '') }}"
    "{%- endmacro %}"
    "{%- macro offered() %}{{- 'Tools:' }}{%- for tool in tools %}{{- '\n' + line(tool) }}{%- endfor %}{%- endmacro %}"
    "{%- if tools and (not messages or messages[0].role != 'system') %}"
    "{{- '<|im_start|>system\n' + offered() + '<|im_end|>\n' }}"
    "{%- endif %}"
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\n' }}"
    "{%- if message['role'] == 'assistant' %}"
    "{% generation %}{{- message['content'] or '' }}"
    "{%- for call in message.tool_calls or [] %}"
    "{%- set call = call.function if call.function is defined else call %}"
    "{{- '<tool_call>{\"name\": ' + call.name | tojson + ', \"arguments\": ' }}"
    "{{- call.arguments if call.arguments is string else call.arguments | tojson }}"
    "{{- '}</tool_call>' }}"
    "{%- endfor %}"
    "{{- '<|im_end|>' }}{% endgeneration %}"
    "{%- elif message['role'] == 'tool' %}"
    "{{- '<tool_response>' + message['content'] + '</tool_response><|im_end|>' }}"
    "{%- else %}{{- message['content'] }}"
    "{%- if tools and loop.first and message['role'] == 'system' %}{{- '\n' + offered() }}{%- endif %}"
    "{{- '<|im_end|>' }}{%- endif %}"
    "{{- '\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
"""ChatML without a system prompt of its own; with tools, calls and results."""


def train(texts: Iterable[str]) -> Tokenizer:
    """A byte-level BPE of ``VOCABULARY`` tokens [Sennrich et al. 2016], all bytes included."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(t, special=True, normalized=False) for t in CONTROL],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes ``tokenizer.json``, its config and the chat template for ``AutoTokenizer``."""
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "additional_special_tokens": [START, *MARKERS, *SPARE],
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1024,
        "padding_side": "left",
    }
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
    (folder / "tokenizer_config.json").write_text(config, encoding="utf-8")
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")


def load(folder: Path) -> Tokenizer:
    """The tokenizer of a folder, as the ``tokenizers`` library knows it."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json"))


@dataclass(frozen=True, slots=True)
class Encoded:
    """Ids and labels of a conversation: ``labels[t]`` is ``ids[t]`` where trained, else −100."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]


class Encoder:
    """Encodes conversations segment by segment: header, content, end.

    Control tokens written in a content are text: they are encoded as their characters.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        from tokenizers import Tokenizer as Copy

        self._plain = Copy.from_str(tokenizer.to_str())
        self._plain.encode_special_tokens = True
        self.pad, self.start, self.end = (CONTROL.index(token) for token in (PAD, START, END))
        self.size = tokenizer.get_vocab_size()
        self._newline = self.text("\n")

    def text(self, content: str) -> list[int]:
        """The ids of a content, in which nothing is a control token."""
        return list(self._plain.encode(content, add_special_tokens=False).ids)

    def marked(self, content: str) -> list[int]:
        """Return the ids of a content in which tool markers are control tokens."""
        ids: list[int] = []
        for part in MARKED.split(content):
            ids += [CONTROL.index(part)] if part in TOOL_MARKERS else self.text(part) if part else []
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an answer's ids, up to its end-of-turn."""
        ids = list(ids)
        if self.end in ids:
            ids = ids[: ids.index(self.end)]
        return self._plain.decode(ids, skip_special_tokens=False)

    def conversation(self, turns: Sequence[tuple[str, str | Sequence[int]]]) -> Encoded:
        """Return ids and labels of whole turns; a content may also be given as ids.

        Args:
            turns: roles and contents. Beside the chat's own roles: ``call`` and ``result``, an assistant's and a
                tool's turn in which tool markers are control tokens; ``wrong``, an assistant's that is not trained.
        """
        ids: list[int] = []
        labels: list[int] = []
        for role, content in turns:
            header = [self.start, *self.text(SHOWN.get(role, role) + "\n")]
            if isinstance(content, str):
                body = self.marked(content) if role in ("call", "result") else self.text(content)
            else:
                body = list(content)
            body = [*body, self.end]
            ids += header + body + self._newline
            mine = body if role in ("assistant", "call") else [IGNORED] * len(body)
            labels += [IGNORED] * len(header) + mine + [IGNORED] * len(self._newline)
        return Encoded(tuple(ids), tuple(labels))

    def last_answer(self, turns: Sequence[tuple[str, str]]) -> Encoded:
        """As :meth:`conversation`, with labels on the last answer only."""
        whole, before = self.conversation(turns), len(self.prompt(turns[:-1]))
        return Encoded(whole.ids, (IGNORED,) * before + whole.labels[before:])

    def prompt(self, turns: Sequence[tuple[str, str]]) -> list[int]:
        """The ids up to where the assistant begins to answer."""
        ids = list(self.conversation(turns).ids)
        return [*ids, self.start, *self.text("assistant\n")]
