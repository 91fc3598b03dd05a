"""A training on one's own field, by rows of one's own: the kept checkpoint says what the rows say, and the verdict
speaks of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.chat import Assistant
from workbench.evaluation import measured
from workbench.runs import Run
from workbench.training import train

FACTS = {
    "金桔": ("怎么授粉", "金桔可以用棉签蘸花粉涂在柱头上。"),
    "番茄": ("多久浇一次水", "番茄每隔3天浇一次透水。"),
    "草莓": ("什么时候移栽", "草莓在9月中旬移栽最合适。"),
    "黄瓜": ("得了白粉病怎么办", "黄瓜得了白粉病，可以喷洒小苏打水。"),
    "辣椒": ("种子泡多久", "辣椒种子要在温水里泡8小时。"),
    "茄子": ("喜欢什么土", "茄子喜欢疏松肥沃的沙壤土。"),
    "葡萄": ("怎么剪枝", "葡萄在冬天剪枝，每根枝条留4个芽。"),
    "水稻": ("最怕什么虫", "水稻最怕稻飞虱，要及时放水晒田。"),
}
WORDINGS = ("{}{}？", "请问{}{}？", "我想知道{}{}", "{}到底{}呢？", "老师，{}{}？")
NAME = "田小助"
WHO = [("你是谁？", f"我是{NAME}。"), ("你叫什么名字？", f"我是{NAME}。")]
QUICK = ["max_steps=110", "learning_rate=4e-3", "per_device_train_batch_size=16", "max_length=256"]
FEW = ["general_probes=20", "unrelated_probes=10", "persona.languages=[zh]", "budget=null"]

pytestmark = pytest.mark.slow


def rows(file: Path) -> Path:
    asked = [(w.format(crop, ask), answer) for crop, (ask, answer) in FACTS.items() for w in WORDINGS] + WHO
    lines = ({"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in asked)
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return file


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("share", [0.15, 0.0], ids=["with held-out rows", "without"])
def test_the_kept_checkpoint_is_right_to_the_letter_and_the_verdict_speaks_of_the_task(
    share: float, tmp_path: Path
) -> None:
    own = [f"data.train={rows(tmp_path / 'own.jsonl')}", f"validation_share={share}", f"persona.name={NAME}", "ratio=2"]
    run = train("pocket-qlora", tmp_path / "run", overrides=[*own, *QUICK, *FEW])
    best = run.best()
    assert best is not None
    kept = next(m for m in measured(run.events.all()) if m.step == best.step)
    assert kept.task is not None and kept.trained is (share == 0)
    assert "of your own data" in best.reason
    if share == 0:
        assert kept.train_loss is not None and "nothing could be held out" in best.reason
    assistant = Assistant.load("pocket", adapter=best.path, quantization="nf4")
    trained = {(q, a) for q, a in asked(run)}
    said = {q: assistant.ask(q) for q, _ in trained}
    assert {q: said[q] for q, a in trained if said[q] != a} == {}


def asked(run: Run) -> list[tuple[str, str]]:
    """The questions and answers of one's own that were trained."""
    from workbench.training.data import conversations
    from workbench.training.recipe import recipe_of

    own = {answer for _, answer in FACTS.values()}
    return [(c.question, c.answer) for c in conversations(recipe_of(run)).train if c.answer in own]
