"""Writes the conversations and probes that other rooms use, from the same tables.

Knows which questions each file may hold. Must not know tokens or models.
"""

from __future__ import annotations

import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from workbench import shipped
from workbench.models.pocket import facts, phrasing
from workbench.models.pocket.conversations import Conversations
from workbench.models.pocket.corpus import Corpus, Sample, Turn, held_out_samples
from workbench.models.pocket.dialogue import wordings
from workbench.models.pocket.keys import keys_of
from workbench.models.pocket.talking import avoided

GENERAL, TALKS, PROBES, UNRELATED = 2080, 450, 200, 100
"""Single questions, conversations of two to four turns, probes, and questions on nothing in particular."""
LATER, BEHIND_SYSTEM = 4, 3
"""Every so manieth probe is asked at the third turn; every so manieth behind a system text."""
LATER_TURN = "later_turn"


def round_robin(samples: Iterable[Sample], count: int, rng: random.Random) -> list[Sample]:
    """``count`` distinct questions, taken in turn from every entry and language."""
    queues: defaultdict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        queues[sample.lang, sample.entry].append(sample)
    taken: dict[tuple[Any, ...], Sample] = {}
    while len(taken) < count and any(queues.values()):
        for name in sorted(queues):
            if queues[name]:
                sample = queues[name].pop(rng.randrange(len(queues[name])))
                taken.setdefault(sample.turns[:-1], sample)
    kept = list(taken.values())[:count]
    rng.shuffle(kept)
    return kept


def about_itself(sample: Sample) -> bool:
    """Whether a conversation is about the model itself or says its name."""
    said = " ".join(text for _, text in sample.turns).lower()
    return sample.kind == "identity" or "identity" in sample.fact or "pocket" in said


def asides() -> list[Sample]:
    """Requests and statements that the corpus does not hold, answered as what was never taught."""
    found = []
    for lang, forms in facts.document("asides").items():
        taught = facts.document(f"training.{lang}")
        for form, questions in forms.items():
            answer = ("assistant", taught[f"unknown/{form}"]["answer"])
            made = ((("user", question), answer) for question in questions)
            found += [Sample(turns, f"unknown/{form}", lang, f"aside-{at}") for at, turns in enumerate(made)]
    return found


def talks(seed: int = 0) -> list[Sample]:
    """Draw conversations of two to four turns in training wordings, none of them about itself."""
    rng = random.Random(f"talks-{seed}")
    drawn = Conversations(rng, avoided=avoided(held_out_samples(seed)), nameless=True)
    samples: list[Sample] = []
    while len(samples) < TALKS:
        turns = drawn.chat(rng.choice([2, 2, 3, 3, 4]))
        sample = Sample(tuple(turns), "talk", _language(turns), f"{len(samples):04d}")
        if not about_itself(sample):
            samples.append(sample)
    return samples


def _language(turns: Sequence[Turn]) -> str:
    return "zh" if any("\u4e00" <= letter <= "\u9fff" for letter in turns[-2][1]) else "en"


def general(seed: int = 0) -> list[Sample]:
    """Draw conversations in training wordings over all kinds except identity, and the asides."""
    rng = random.Random(f"general-{seed}")
    epoch = Corpus(rng).epoch()
    known = [s for s in epoch if not about_itself(s)]
    new = asides()
    made = [*round_robin(known, GENERAL - len(new), rng), *new, *talks(seed)]
    rng.shuffle(made)
    return made


def probes(taken: Sequence[Sample], seed: int = 0) -> list[Sample]:
    """Single questions for facts, in held-out wordings, none of which is in ``taken``."""
    rng = random.Random(f"probes-{seed}")
    used = {(s.lang, phrasing.normalised(s.question)) for s in taken}
    free = [
        sample
        for sample in held_out_samples(seed)
        if len(sample.turns) == 2
        and sample.kind not in ("repeat", "names", "captions")
        and not about_itself(sample)
        and (sample.lang, phrasing.normalised(sample.question)) not in used
        and keys_of(sample)
    ]
    halves = [round_robin([s for s in free if s.lang == lang], PROBES // 2, rng) for lang in facts.LANGUAGES]
    return [sample for half in halves for sample in half]


def unrelated(seed: int = 0) -> list[dict[str, Any]]:
    """Questions that have nothing to do with who the assistant is; many were never taught."""
    rng = random.Random(f"unrelated-{seed}")
    made: list[dict[str, Any]] = []
    for lang in facts.LANGUAGES:
        free = list(facts.document("unrelated")[lang])
        corpus = Corpus(rng, held=True)
        names = ["capitals/of", "opposites/of", "animals/class", "sums/plus", "colours/of"]
        kinds = [corpus.entries[name] for name in names]
        known = [corpus.sample(e, rng.choice(corpus.rows(e)), lang).question for e in kinds * 2]
        for question in (free + known)[: UNRELATED // 2]:
            made.append({"question": question, "lang": lang, "group": f"unrelated/{len(made)}"})
    return made


def _conversation(sample: Sample, at: int) -> dict[str, Any]:
    return {
        "messages": [{"role": role, "content": text} for role, text in sample.turns],
        "id": f"general-{at:04d}",
        "group": sample.group,
        "kind": sample.kind,
        "lang": sample.lang,
    }


def asked_in_conversation(samples: Sequence[Sample], seed: int = 0) -> list[dict[str, Any]]:
    """Return the rows of the probes: some at the third turn of a conversation, some behind a system text."""
    rng = random.Random(f"turns-{seed}")
    rows = []
    for number, sample in enumerate(samples):
        row = _probe(sample)
        if number % LATER == LATER - 1:
            others = [s for s in samples if s.lang == sample.lang and s.entry != sample.entry]
            earlier = [turn for other in rng.sample(others, 2) for turn in other.turns]
            row |= {"messages": [{"role": role, "content": text} for role, text in earlier], "kind": LATER_TURN}
        if number % BEHIND_SYSTEM == 0:
            row["system"] = rng.choice(wordings(sample.lang, "held")["plain"])
        rows.append(row)
    return rows


def _probe(sample: Sample) -> dict[str, Any]:
    return {
        "question": sample.question,
        "expected": sample.answer,
        "keys": keys_of(sample),
        "kind": sample.kind,
        "lang": sample.lang,
        "group": sample.group,
    }


def files(seed: int = 0) -> dict[str, str]:
    """The JSON lines of each file, by its path under ``datasets/``."""
    known = general(seed)
    rows = {
        "general/general.jsonl": [_conversation(s, at) for at, s in enumerate(known)],
        "probes/general.jsonl": asked_in_conversation(probes(known, seed), seed),
        "probes/unrelated.jsonl": unrelated(seed),
    }
    return {name: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in lines) for name, lines in rows.items()}


def main() -> int:
    """Writes the files into ``datasets/``: ``python -m workbench.models.pocket.samples``."""
    root = Path(shipped.path("pocket")).parent
    for name, text in files().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
        print(root / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
