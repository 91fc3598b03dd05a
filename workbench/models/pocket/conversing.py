"""Measures how well a pocket model holds a conversation: later turns, follow-ups, copies, calls, pictures.

Everything is asked in held-out wordings, the model's own answers standing as history. Knows how prompts are drawn and
answers counted. Must not know how the model was trained.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.models.pocket import calling, corpus, evaluate, tokens
from workbench.models.pocket.conversations import Conversations
from workbench.models.pocket.dialogue import Turn
from workbench.models.pocket.facts import LANGUAGES
from workbench.models.pocket.samples import about_itself

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

SYSTEM = {"en": "You are a helpful assistant.", "zh": "你是一个乐于助人的助手。"}
TURNS = 5
DISTANCES = (0, 30, 100, 200)
"""Tokens before the question whose text is to be copied."""


class Measure:
    """Asks one model everything.

    Args:
        count: conversations of each measure, language and setting.
    """

    def __init__(self, model: LlamaForCausalLM, encoder: tokens.Encoder, *, seed: int = 0, count: int = 60) -> None:
        self.model, self.encoder, self.count = model, encoder, count
        self.rng = random.Random(f"conversing-{seed}")
        self.drawn = Conversations(self.rng, held=True)
        self.samples = {
            lang: [s for s in corpus.held_out_samples(seed) if s.lang == lang and len(s.turns) == 2 and _plain(s)]
            for lang in LANGUAGES
        }
        self.wrong: list[str] = []

    def answers(self, prompts: Sequence[Sequence[Turn]]) -> list[str]:
        """Return the greedy answer to each prompt."""
        return evaluate.answers(self.model, self.encoder, prompts)

    def share(self, name: str, prompts: Sequence[Sequence[Turn]], right: Sequence[str]) -> float:
        """Return the share of exact answers, and note the wrong ones."""
        answers = self.answers(prompts)
        for prompt, answer, expected in zip(prompts, answers, right, strict=True):
            if answer != expected:
                self.wrong.append(f"{name} | {prompt[-1][1][:80]} | {answer} | {expected}")
        return round(sum(a == r for a, r in zip(answers, right, strict=True)) / len(right), 4)

    def turns(self, lang: str, *, system: bool) -> list[float]:
        """Return the share of right answers at each turn, unrelated questions one after the other."""
        histories: list[list[Turn]] = [[("system", SYSTEM[lang])] if system else [] for _ in range(self.count)]
        shares = []
        for number in range(TURNS):
            samples = self.rng.sample(self.samples[lang], self.count)
            for history, sample in zip(histories, samples, strict=True):
                history.append(("user", sample.question))
            answers = self.answers(histories)
            for history, sample, answer in zip(histories, samples, answers, strict=True):
                history.append(("assistant", answer))
                if answer != sample.answer:
                    self.wrong.append(f"turn {number + 1} {lang} | {sample.question} | {answer} | {sample.answer}")
            shares.append(round(sum(a == s.answer for a, s in zip(answers, samples, strict=True)) / self.count, 4))
        return shares

    def followed(self, lang: str) -> float:
        """Return the share of right answers to follow-ups ("and of …?") behind the model's own answer."""
        firsts: list[list[Turn]] = []
        asks: list[Turn] = []
        right = []
        while len(firsts) < self.count:
            turns, topic = self.drawn.parts.question(lang)
            going = self.drawn.parts.on(topic) if len(turns) == 2 else None
            if going:
                firsts.append(turns[:1])
                asks.append(going[0][0])
                right.append(going[0][1][1])
        answers = self.answers(firsts)
        prompts = [[*f, ("assistant", a), ask] for f, a, ask in zip(firsts, answers, asks, strict=True)]
        return self.share(f"follow {lang}", prompts, right)

    def itself(self, lang: str, turn: int = 4) -> float:
        """Return the share of right answers to who it is, at a later turn.

        There are fewer held-out wordings than conversations: each is asked behind several, in equal numbers.
        """
        samples = [s for s in corpus.held_out_samples(1) if s.kind == "identity" and s.lang == lang]
        samples = self.rng.sample(samples * -(-self.count // len(samples)), self.count)
        prompts: list[list[Turn]] = []
        for sample in samples:
            earlier = [turn for _ in range(turn - 1) for turn in self.rng.choice(self.samples[lang]).turns]
            prompts.append([*earlier, ("user", sample.question)])
        return self.share(f"itself {lang}", prompts, [s.answer for s in samples])

    def copied(self, lang: str, distance: int) -> float:
        """Return the share of exact copies behind a system text of about ``distance`` tokens."""
        prompts, right = [], []
        for _ in range(self.count):
            turns = self.drawn.parts.copied(lang)
            prompts.append([*self._before(lang, distance), turns[0]])
            right.append(turns[1][1])
        return self.share(f"copy {distance} {lang}", prompts, right)

    def _before(self, lang: str, distance: int) -> list[Turn]:
        text = ""
        for sentences in range(1, 60):
            if len(self.encoder.text(text)) >= distance:
                break
            text = self.drawn.beside(lang, sentences)
        return [("system", text)] if text else []

    def called(self, lang: str) -> dict[str, float]:
        """Return how calls of unseen tools end: well formed, exact, answered, and ordinary questions left alone."""
        prompts, right, tools = [], [], []
        for _ in range(self.count):
            offered = self.drawn.parts.calling.tools(lang)
            tool = self.rng.choice(offered)
            turns = self.drawn.parts.calling.called(tool, lang)
            prompts.append([("system", calling.offered(offered)), *turns])
            right.append(turns[1][1])
            tools.append(tool)
        answers = self.answers([prompt[:2] for prompt in prompts])
        self.wrong += [
            f"call {lang} | {p[1][1]} | {a} | {r}" for p, a, r in zip(prompts, answers, right, strict=True) if a != r
        ]
        calls = [call_in(answer) for answer in answers]
        chosen = [chooses(call, tool) for call, tool in zip(calls, tools, strict=True)]
        exact = [answer == call for answer, call in zip(answers, right, strict=True)]
        final = self.share(f"result {lang}", [p[:-1] for p in prompts], [p[-1][1] for p in prompts])
        samples = self.rng.sample(self.samples[lang], self.count)
        quiet = [[prompt[0], ("user", sample.question)] for prompt, sample in zip(prompts, samples, strict=True)]
        return {
            "well_formed": _mean([call is not None for call in calls]),
            "tool": _mean(chosen),
            "exact": _mean(exact),
            "answered": final,
            "no_call": self.share(f"no call {lang}", quiet, [sample.answer for sample in samples]),
        }

    def seen(self, lang: str) -> float:
        """Return the share of right answers about described pictures."""
        rows = [self.drawn.parts.scenes.turns(lang) for _ in range(self.count)]
        return self.share(f"scene {lang}", [row[:1] for row in rows], [row[1][1] for row in rows])

    def all(self) -> dict[str, Any]:
        """Return everything, by language."""
        return {lang: self.of(lang) for lang in LANGUAGES}

    def of(self, lang: str) -> dict[str, Any]:
        """Return everything of one language."""
        return {
            "turns": self.turns(lang, system=False),
            "turns_system": self.turns(lang, system=True),
            "follow_up": self.followed(lang),
            "itself_turn_4": self.itself(lang),
            "copy": {str(distance): self.copied(lang, distance) for distance in DISTANCES},
            "calls": self.called(lang),
            "pictures": self.seen(lang),
        }


def _plain(sample: corpus.Sample) -> bool:
    return sample.kind not in ("repeat", "names", "captions") and not about_itself(sample)


def call_in(answer: str) -> dict[str, Any] | None:
    """Return the call that an answer is: the JSON of a name and its arguments between the two marks; else None."""
    body = answer.removeprefix("<tool_call>").removesuffix("</tool_call>")
    if len(body) != len(answer) - len("<tool_call></tool_call>"):
        return None
    try:
        value = json.loads(body)
    except ValueError:
        return None
    formed = isinstance(value, dict) and set(value) == {"name", "arguments"} and isinstance(value["arguments"], dict)
    return value if formed else None


def chooses(call: dict[str, Any] | None, tool: calling.Tool) -> bool:
    """Return whether a call is one of ``tool``, with its arguments by name."""
    names = [name for name, _ in tool.arguments]
    return call is not None and call["name"] == tool.name and list(call["arguments"]) == names


def _mean(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 4)


def measured(folder: Path, seed: int = 0, count: int = 60) -> tuple[dict[str, Any], list[str]]:
    """Return what :class:`Measure` says of saved weights, and a line for each wrong answer."""
    measure = Measure(evaluate.load(folder), tokens.Encoder(tokens.load(folder)), seed=seed, count=count)
    return measure.all(), measure.wrong


if __name__ == "__main__":
    sys.exit(evaluate.show(measured, sys.argv[1:]))
