"""Encoding measured against the peers, in one run, on the same conversations.

    python benchmarks/encode.py --data alpaca_en.json alpaca_zh.json [--conversations 50000] [--json encode.json]

Each peer gets an environment of its own (venv and pip, in ``--envs``; made once, kept there if you name the folder).
Torch is large and has no part in encoding: it is taken from this environment. A peer that cannot be installed or
started is named with the reason, and the others are measured all the same. Each is timed with one process and with one
for each core; the better counts. Timed is the way from rows in memory to ids and labels; not imports, reading files or
loading the tokenizer. Where the package index has no XTuner 0.1.23, name a checkout of its tag with ``--xtuner``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

# name -> (its packages, packages taken without what they depend on)
PEERS: dict[str, tuple[list[str], list[str]]] = {
    "XTuner 0.1.23": (
        ["transformers==4.48.3", "datasets==3.2.0", "numpy<2.3", "addict", "termcolor", "rich", "pyyaml", "yapf",
         "pillow", "requests", "psutil"],
        ["xtuner==0.1.23", "mmengine==0.10.7", "peft==0.14.0", "accelerate==1.2.1"],
    ),
    "TRL": (["trl==1.16.0"], []),
    "LLaMA-Factory": (
        ["transformers==4.52.4", "datasets==3.6.0", "numpy<2.3", "omegaconf", "pydantic", "pyyaml", "requests",
         "psutil", "sentencepiece", "tiktoken", "protobuf", "einops", "fire", "tyro<0.9", "packaging", "pillow"],
        ["llamafactory==0.9.3", "peft==0.15.2", "accelerate==1.7.0", "trl==0.9.6"],
    ),
}  # fmt: skip
SCRIPTS = {"XTuner 0.1.23": "encode_xtuner.py", "TRL": "encode_trl.py", "LLaMA-Factory": "encode_llamafactory.py"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, type=Path, help="Alpaca files: instruction, input, output")
    parser.add_argument("--conversations", type=int, default=50_000, help="the rows are repeated up to this number")
    parser.add_argument("--tokenizer", default="pocket", help="pocket, or a folder with tokenizer.json")
    parser.add_argument("--only", nargs="*", default=list(PEERS), help="these peers")
    parser.add_argument("--xtuner", type=Path, default=None, help="a checkout of XTuner at v0.1.23")
    parser.add_argument("--envs", type=Path, default=None, help="where the peers' environments are kept")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    rows = [row for file in given.data for row in json.loads(file.read_text(encoding="utf-8"))]
    rows = [{key: row.get(key) or "" for key in ("instruction", "input", "output")} for row in rows]
    rows = list(islice(cycle(rows), given.conversations))
    if given.xtuner:
        alone = PEERS["XTuner 0.1.23"][1]
        alone[alone.index("xtuner==0.1.23")] = str(given.xtuner.resolve())
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        (work / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
        folder = tokenizer_folder(given.tokenizer)
        results = {"workbench": ours(rows, folder), "workbench, compat xtuner": ours(rows, folder, compat="xtuner")}
        for name in given.only:
            print(f"{name} …", file=sys.stderr, flush=True)
            results[name] = peer(name, given.envs or work / "envs", work, folder)
            found = results[name]  # said at once: the slowest peer may take longer than one waits
            print(f"  {found.get('missing') or round(found['per_second'])} a second", file=sys.stderr, flush=True)
    report = {"conversations": len(rows), "cores": os.cpu_count(), "rates": results, "ratios": ratios(results)}
    print(table(report))
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def tokenizer_folder(name: str) -> str:
    from workbench.models import resolve

    return resolve(name)


def ours(rows: list[dict[str, str]], folder: str, compat: str | None = None) -> dict[str, Any]:
    """Our rate: the better of two, as for the peers; nothing is kept from one to the next but the tokenizer."""
    from workbench.data.conversation import ask
    from workbench.models import load_tokenizer
    from workbench.templates import encode

    tokenizer = load_tokenizer(folder)
    if compat and tokenizer.bos_token is None:
        tokenizer.bos_token = tokenizer.eos_token  # XTuner needs one

    def run() -> int:
        if compat:
            talks = [ask(f"{row['instruction']}\n{row['input']}", row["output"]) for row in rows]
            return len(encode(talks, tokenizer, template="qwen_chat", compat=compat, max_length=2048).examples)
        joined = ((f"{r['instruction']}\n{r['input']}" if r["input"] else r["instruction"], r["output"]) for r in rows)
        return len(encode([ask(*pair) for pair in joined], tokenizer, max_length=2048).examples)

    return best([timed(run) for _ in range(2)])


def timed(run: Callable[[], int]) -> dict[str, Any]:
    start = time.perf_counter()
    done = run()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "encoded": done, "per_second": done / seconds}


def best(tries: list[dict[str, Any]]) -> dict[str, Any]:
    return max(tries, key=lambda one: one["per_second"])


def peer(name: str, envs: Path, work: Path, folder: str) -> dict[str, Any]:
    """A peer's better rate, or ``{"missing": reason}``."""
    try:
        python = environment(name, envs)
        tries = [measured(python, SCRIPTS[name], work, folder, count) for count in sorted({1, os.cpu_count() or 1})]
    except subprocess.CalledProcessError as error:
        said = [line for line in (error.stderr or error.stdout or "").splitlines() if line.strip()]
        return {"missing": said[-1] if said else f"exit status {error.returncode}"}
    return best(tries)


def environment(name: str, envs: Path) -> Path:
    """The interpreter of a peer's own environment; made where it is not there."""
    place = envs / name.replace(" ", "-")
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = place / "done"
    if done.exists():
        return python
    venv.create(place, with_pip=True, clear=True)
    packages, alone = PEERS[name]
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    # what this environment has and the peer's has not (torch above all) is found after the peer's own packages
    site = next(place.rglob("site-packages"))
    if alone:
        subprocess.run([*pip, "--no-deps", "--ignore-requires-python", *alone], check=True, capture_output=True)
        subprocess.run([*pip, *packages], check=True, capture_output=True, text=True)
    else:
        subprocess.run([*pip, "--no-deps", *packages], check=True, capture_output=True, text=True)
    import torch

    (site / "from_here.pth").write_text(f"{Path(torch.__file__).parents[1]}\n", encoding="utf-8")
    done.touch()
    return python


def measured(python: Path, script: str, work: Path, folder: str, processes: int) -> dict[str, Any]:
    told = {"rows": str(work / "rows.json"), "tokenizer": folder, "processes": processes}
    env = {
        **os.environ,
        "HF_HOME": str(work / "hf"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false" if processes > 1 else "true",
        "PYTHONPATH": "",
        "PYTHONWARNINGS": "ignore",
    }
    command = [str(python), str(HERE / "peers" / script), json.dumps(told)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env, cwd=work)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    found["per_second"] = found["encoded"] / found["seconds"]
    return {**found, "processes": processes}


def ratios(results: dict[str, dict[str, Any]]) -> dict[str, float]:
    """How many times as fast as each peer we are; against XTuner under its own rules, against the others by ours."""
    found = {}
    for name, result in results.items():
        if name.startswith("workbench") or "missing" in result:
            continue
        mine = results["workbench, compat xtuner" if name.startswith("XTuner") else "workbench"]
        found[name] = round(mine["per_second"] / result["per_second"], 2)
    return found


def table(report: dict[str, Any]) -> str:
    lines = [f"{report['conversations']} conversations, {report['cores']} cores"]
    for name, result in report["rates"].items():
        if "missing" in result:
            lines.append(f"{name:28} not measured: {result['missing'][:160]}")
            continue
        times = f"   we: × {report['ratios'][name]}" if name in report["ratios"] else ""
        lines.append(f"{name:28} {result['per_second']:>10.0f} a second   ({result['encoded']} encoded){times}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
