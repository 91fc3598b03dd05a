"""Training measured against the peers, in one run: the same model, conversations, adapter and tokens a step.

    python benchmarks/train.py [--rows 960] [--epochs 1] [--rounds 3] [--envs FOLDER] [--json train.json]
    python benchmarks/train.py --shape 1.8b [--twice] [--rows 640] [--envs here]

Each way runs in a process of its own, one after the other; ``--rounds`` evens out a machine whose speed drifts. Timed
is the training itself, from its first step to its last: no imports, no loading, no encoding, no evaluation, no
checkpoint. Ours has the environment that its workers get. TRL and LLaMA-Factory get environments of their
own (venv and pip, in ``--envs``; made once, kept there if you name the folder), in which torch is that of this one.
Each is measured in the settings that its users would try (numbers, attention, padding, grouping by length, packing).
A way that ends with a worse held-out loss than ours is given more conversations, a quarter more each time, until its
loss is as good; we are compared with the quickest to get there. The held-out loss is measured in the same way for all:
by one program, on the adapter that was saved. Peak memory is that of the process (``ru_maxrss``), on a GPU that of
torch's allocator.

``--shape`` is for a GPU: in place of *pocket* a model of that shape with random weights, in 4 bit, on conversations of
256 tokens in the mean, so that a step of 16 has 4 096 tokens; kernels are compiled in the first steps, which are not
timed. The peers get Liger's kernels and flash attention where these are installed, as we do. ``--shape tiny`` tries all
of that on a CPU, where the figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from encode import environment
from shapes import SHAPES, long_talks, make_model

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# A held-out loss counts as equal within this share; a way that does not get there with so many times the conversations
# counts with what these took.
EQUAL, MOST = 0.02, 3
# of an order, unless a shape says otherwise
PLAIN = {"quantization": "none", "length": 256, "optim": "adamw_torch_fused", "warm": 0, "has_liger": False}

# peers with an environment of their own -> (its name, their program)
PEERS = {"trl": ("TRL", "train_trl.py"), "llamafactory": ("LLaMA-Factory", "train_llamafactory.py")}
# name -> (program, settings); the attention "best" is flash attention where it is installed, else torch's own
SHAPED: dict[str, tuple[str, dict[str, Any]]] = {
    "workbench": ("ours", {}),
    "workbench, padded": ("ours", {"packing": False}),
    "plain Trainer + PEFT": ("plain", {"attention": "best"}),
    "TRL": ("trl", {"attention": "best"}),
    "TRL, Liger": ("trl", {"attention": "best", "liger": True}),
    "TRL, Liger, by length": ("trl", {"attention": "best", "liger": True, "grouped": True}),
    "TRL, Liger, packing": ("trl", {"attention": "best", "liger": True, "packing": True}),
    "LLaMA-Factory, Liger": ("llamafactory", {"attention": "auto", "liger": True}),
}
# name -> (program, settings)
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "workbench": ("ours", {}),
    "plain Trainer + PEFT": ("plain", {"attention": "sdpa"}),
    "plain Trainer + PEFT, eager": ("plain", {"attention": "eager"}),
    "TRL": ("trl", {"attention": "sdpa"}),
    "TRL, by length": ("trl", {"attention": "sdpa", "grouped": True}),
    "TRL, by length, eager": ("trl", {"attention": "eager", "grouped": True}),
    "TRL, packing": ("trl", {"attention": "sdpa", "packing": True}),
    "TRL, bfloat16, by length": ("trl", {"attention": "sdpa", "grouped": True, "dtype": "bfloat16"}),
    "LLaMA-Factory": ("llamafactory", {"attention": "sdpa"}),
    "LLaMA-Factory, by length, eager": ("llamafactory", {"attention": "disabled", "grouped": True}),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket", help="pocket, or a folder with a model in the Llama format")
    parser.add_argument("--rows", type=int, default=960, help="training conversations")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16, help="conversations a step")
    parser.add_argument(
        "--rounds", type=int, default=1, help="measure all ways so many times in turn; the quickest counts"
    )
    parser.add_argument("--shape", choices=SHAPES, default=None, help="in place of --model, its shape; in 4 bit")
    parser.add_argument("--twice", action="store_true", help="activations are computed twice (gradient checkpointing)")
    parser.add_argument("--only", nargs="*", default=None, help="these ways")
    parser.add_argument("--envs", default=None, help="where the peers' environments are kept; here: in this one")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    given = arguments()
    if given.work:
        print(json.dumps(WORK[json.loads(given.work)["way"]](json.loads(given.work))))
        return 0
    with tempfile.TemporaryDirectory(prefix="train-") as scratch:
        work = Path(scratch)
        order = {"model": given.model, "batch": given.batch, "epochs": given.epochs, "twice": given.twice, **PLAIN}
        if given.shape:
            order |= {"model": str(work / "model"), **shaped()}
            child({"way": "model", "shape": given.shape, "out": order["model"]})
        only = given.only or list(SHAPED if given.shape else WAYS)
        turns = [turn(only, order, given.rows, work, given.envs or str(work / "envs")) for _ in range(given.rounds)]
        results = {
            name: min((one[name] for one in turns), key=lambda r: r.get("equal", r.get("seconds", 1e9)))
            for name in only
        }
    report = {"rows": given.rows, "epochs": given.epochs, "device": device(), "ways": results}
    report |= {"ratios": ratios(results), "memory": memory(results)}
    print(table(report))
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def shaped() -> dict[str, Any]:
    """What a benchmark of a shape adds to the order, on this device."""
    import torch

    from workbench.models.kernels import has_liger

    gpu = torch.cuda.is_available()
    return {
        "long": True,
        "quantization": "nf4",
        "length": 4096,
        "dtype": "bfloat16" if gpu else "float32",
        "optim": "paged_adamw_8bit" if gpu else PLAIN["optim"],
        "warm": 3 if gpu else 0,
        "has_liger": gpu and has_liger(),
        "best": "flash_attention_2" if gpu and find_spec("flash_attn") else "sdpa",
    }


def device() -> str:
    """What the figures are of."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} cores"


def turn(names: list[str], order: dict[str, Any], rows: int, work: Path, envs: str) -> dict[str, dict[str, Any]]:
    """Each way once, and again with more conversations where its loss is worse than ours."""
    results: dict[str, dict[str, Any]] = {}
    for name in names:
        found = results[name] = measured(name, with_data(order, rows, work), envs)
        wanted = results.get("workbench", {}).get("held_out", float("inf")) * (1 + EQUAL)
        if "seconds" not in found:
            continue
        more, again = rows, found
        while again.get("held_out", 0) > wanted and more * 5 // 4 <= MOST * rows:
            more = more * 5 // 4
            again = measured(name, with_data(order, more, work), envs)
        found["equal"], found["equal_rows"] = again.get("seconds", float("inf")), more
    return results


def with_data(order: dict[str, Any], rows: int, work: Path) -> dict[str, Any]:
    """The order for so many conversations, in a folder that holds them; what is held out is the same for any."""
    place = work / str(rows)
    told = {**order, "work": str(place)}
    if not place.exists():
        place.mkdir()
        child({**told, "way": "data", "rows": rows})
    return told


def measured(name: str, order: dict[str, Any], envs: str) -> dict[str, Any]:
    """Seconds, steps and memory of one way, and the held-out loss of its adapter; or why it could not be measured."""
    print(f"{name} …", file=sys.stderr, flush=True)
    way, settings = (SHAPED if order.get("long") else WAYS)[name]
    out = Path(order["work"]) / name.replace(" ", "-").replace(",", "")
    told = {**order, **settings, "way": way, "out": str(out)}
    if told.get("attention") == "best":
        told["attention"] = told["best"]
    told["liger"] = told.get("liger", False) and told["has_liger"]
    try:
        if way in PEERS:
            peer, program = PEERS[way]
            told["model"] = model_folder(order["model"])
            python = sys.executable if envs == "here" else str(environment(peer, Path(envs)))
            command = [python, str(HERE / "peers" / program), json.dumps(told)]
            env = {"PYTHONPATH": "", "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
            found = last_json(command, env)
        else:
            found = child(told)
        found["held_out"] = child({**told, "model": order["model"], "way": "loss"})["loss"]
    except subprocess.CalledProcessError as error:
        said = [line for line in (error.stderr or error.stdout or "").splitlines() if line.strip()]
        return {"missing": said[-1] if said else f"exit status {error.returncode}"}
    return found


def child(told: dict[str, Any]) -> dict[str, Any]:
    """One of the works below, in a process of its own."""
    from workbench.environment import FOR_WORKERS

    env = FOR_WORKERS if told["way"] == "ours" else {}
    return last_json([sys.executable, __file__, "--work", json.dumps(told)], env)


def last_json(command: list[str], env: dict[str, str]) -> dict[str, Any]:
    quiet = {"TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore", "TRANSFORMERS_VERBOSITY": "error"}
    done = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, env={**os.environ, **quiet, **env}
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def model_folder(name: str) -> str:
    from workbench.models import resolve

    return resolve(name)


# ---- the works, each in a process of its own


def make_data(told: dict[str, Any]) -> dict[str, Any]:
    """Identity and general conversations, one question and one answer each, split; the same for all."""
    from workbench import shipped
    from workbench.data import Persona, identity_set, mix, read, split
    from workbench.data.writing import write
    from workbench.models import load_tokenizer

    persona = Persona("Sprout", "Ann")
    own = [c for c in identity_set(persona) if len(c.messages) == 2]
    train, held = split(own, validation=0.15)
    general, general_held = split(read(shipped.path("general/general.jsonl")), validation=0.05)
    general = [c for c in general if len(c.messages) == 2]
    work = Path(told["work"])
    if told.get("long"):
        coder = load_tokenizer(told["model"])
        for file, talks, count in (("train", general, told["rows"]), ("held_out", general_held, 40)):
            lines = [json.dumps({"messages": t}, ensure_ascii=False) for t in long_talks(talks, count, coder)]
            (work / f"{file}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return {"train": told["rows"]}
    rows = mix(train, general, ratio=4.0)[: told["rows"]]
    write(rows, work / "train.jsonl")
    write([*held, *(c for c in general_held if len(c.messages) == 2)][:200], work / "held_out.jsonl")
    return {"train": len(rows)}


def recipe(told: dict[str, Any]) -> Any:
    """What all ways train: LoRA of rank 16 on all linear layers, AdamW, a linear rate."""
    from workbench.training import load_recipe

    return load_recipe(
        "pocket-lora",
        [
            f"model.name={told['model']}",
            f"data.train={told['work']}/train.jsonl",
            f"data.validation={told['work']}/held_out.jsonl",
            "data.general=null",
            f"data.max_length={told['length']}",
            f"data.packing={told.get('packing', 'null')}",
            f"model.quantization={told['quantization']}",
            f"optimizer.optim={told['optim']}",
            f"runtime.gradient_checkpointing={told['twice']}",
            "adapter.r=16",
            "adapter.lora_alpha=16",
            "learning_rate=1e-3",
            "warmup_ratio=0.05",
            "adam_beta2=0.999",
            f"num_train_epochs={told['epochs']}",
            f"per_device_train_batch_size={told['batch']}",
        ],
    )


def ours(told: dict[str, Any]) -> dict[str, Any]:
    """The workbench's own loop, as its worker runs it."""
    import torch

    from workbench.training.assemble import assemble, material
    from workbench.training.execution import make_engine, make_task
    from workbench.training.loop import Loop
    from workbench.training.team import Team

    torch.manual_seed(0)
    wanted = recipe(told)
    made = material(wanted)
    loaded = assemble(wanted, made)
    engine = make_engine(loaded.model, wanted, made.plan.steps, Team())
    task = make_task(wanted, loaded, packed=made.packed)
    clock = clock_of(told)
    loop = Loop(engine, task, made.prepared.train, made.plan, lambda _, step, *__: clock.step(step))
    clock.begin()
    loop.train()
    clock.end(loop.finished)
    found = dict(clock.found)
    loaded.model.save_pretrained(told["out"])
    return {**found, "tokens": sum(len(e.input_ids) for e in made.prepared.train) * told["epochs"]}


def plain(told: dict[str, Any]) -> dict[str, Any]:
    """transformers' Trainer and PEFT with what their documentation shows: padding, labels, nothing else."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    from workbench.models.batches import pad
    from workbench.models.fewbits import nf4
    from workbench.training.assemble import adapter_config, material

    torch.manual_seed(0)
    wanted = recipe(told)
    made = material(wanted)
    half = told.get("dtype") == "bfloat16"
    dtype = torch.bfloat16 if half else torch.float32
    model = AutoModelForCausalLM.from_pretrained(
        model_folder(told["model"]),
        dtype=dtype,
        attn_implementation=told["attention"],
        **({"quantization_config": nf4(dtype)} if told["quantization"] == "nf4" else {}),
    )
    model.config.use_cache = False
    model = get_peft_model(model, adapter_config(wanted, made.plan.steps))
    args = TrainingArguments(
        output_dir=f"{told['out']}/run",
        num_train_epochs=told["epochs"],
        per_device_train_batch_size=told["batch"],
        learning_rate=1e-3,
        warmup_steps=0.05,
        lr_scheduler_type="linear",
        optim=told["optim"],
        bf16=half,
        use_cpu=not torch.cuda.is_available(),
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        **({"gradient_checkpointing": True} if told["twice"] else {}),
    )
    rows: Any = list(made.prepared.train)
    trainer = Trainer(model=model, args=args, train_dataset=rows, data_collator=pad)
    found = clocked(trainer, told)
    model.save_pretrained(told["out"])
    return {**found, "tokens": sum(len(e.input_ids) for e in made.prepared.train) * told["epochs"]}


def held_out_loss(told: dict[str, Any]) -> dict[str, Any]:
    """The held-out loss of an adapter, in nats a trained token."""
    from workbench.models import load
    from workbench.models.batches import mean_loss
    from workbench.training.assemble import material

    examples = material(recipe(told)).prepared.held_out
    loaded = load(told["model"], quantization=told["quantization"], adapter=told["out"])
    return {"loss": mean_loss(loaded.model, examples)}


def clock_of(told: dict[str, Any]) -> Any:
    """The clock that the peers have too."""
    sys.path.insert(0, str(HERE / "peers"))
    from clock import Clock

    return Clock(told["warm"])


def clocked(trainer: Any, told: dict[str, Any]) -> dict[str, Any]:
    clock = clock_of(told)
    trainer.add_callback(clock)
    trainer.train()
    return dict(clock.found)


def shaped_model(told: dict[str, Any]) -> dict[str, Any]:
    """The model of a shape, in a folder."""
    make_model(told["shape"], Path(told["out"]))
    return {}


WORK = {"model": shaped_model, "data": make_data, "ours": ours, "plain": plain, "loss": held_out_loss}


# ---- what is shown


def beside(results: dict[str, dict[str, Any]], ours: str, theirs: str) -> dict[str, tuple[float, float]]:
    """Our figure, and of each peer the lowest one of its ways."""
    mine = results.get("workbench", {})
    peers = {
        peer: [way[theirs] for name, way in results.items() if name.startswith(peer) and theirs in way]
        for peer in ("TRL", "LLaMA-Factory", "plain Trainer + PEFT")
    }
    return {peer: (mine[ours], min(ways)) for peer, ways in peers.items() if ways and ours in mine}


def ratios(results: dict[str, dict[str, Any]]) -> dict[str, float]:
    """How many times as fast as the quickest way of each peer we are, to a held-out loss as good."""
    return {peer: round(them / us, 2) for peer, (us, them) in beside(results, "seconds", "equal").items()}


def memory(results: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Our peak as a share of the lowest one of each peer."""
    return {peer: round(us / them, 2) for peer, (us, them) in beside(results, "peak", "peak").items()}


def table(report: dict[str, Any]) -> str:
    lines = [f"{report['rows']} conversations, {report['epochs']} epochs, {report['device']}"]
    heads = ("s/epoch", "ms/step", "tokens/s", "peak MiB", "held-out", "equal s", "with rows")
    lines.append(" " * 32 + "".join(f" {head:>9}" for head in heads))
    for name, found in report["ways"].items():
        if "missing" in found:
            lines.append(f"{name:32} not measured: {found['missing'][:160]}")
            continue
        seconds, steps = found["seconds"], found["steps"]
        rate = f"{found['tokens'] / seconds:9.0f}" if "tokens" in found else " " * 9
        told = f"{seconds / report['epochs']:9.1f} {1000 * seconds / steps:9.1f} {rate} {found['peak'] / 2**20:9.0f}"
        equal = f"{found['equal']:9.1f} {found['equal_rows']:9}"
        lines.append(f"{name:32} {told} {found['held_out']:9.4f} {equal}")
    lines += [f"we: × {times} of {peer}'s best, at equal held-out loss" for peer, times in report["ratios"].items()]
    lines += [f"we: × {share} of {peer}'s lowest peak memory" for peer, share in report["memory"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
