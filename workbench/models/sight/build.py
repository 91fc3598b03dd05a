"""Trains the tower on drawn pictures: ``python -m workbench.models.sight.build``.

Knows the order of the work and what is learnt; nothing of language models. Each of a picture's patches learns to say of
what lies on its side of the picture the shape, colour, size, place and count, from the features that a projector will
read: those of the last layer but one, without the first token.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workbench.data.drawing import COLOURS, COUNTS, HELD_PAIRS, PLACES, SHAPES, SIZES, Figure, Scene, paint, scene
from workbench.models.sight import WEIGHTS

PARTS = {"shape": SHAPES, "colour": COLOURS, "size": SIZES, "place": PLACES, "count": COUNTS}
SIDE, PATCH = 48, 8
PATCHES = (SIDE // PATCH) ** 2
FEATURES = -2
"""Of which layer's output a projector reads."""
SHAPE = {
    "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4,
    "image_size": SIDE, "patch_size": PATCH,
}  # fmt: skip
PICTURES, TWO, HELD = 48_000, 0.1, 1_000
"""Pictures that are drawn, the share of those with two sorts of shapes, and pictures of held-out pairs."""
BATCH, EPOCHS, RATE, DECAY, WARMUP = 128, 10.0, 1.5e-3, 0.05, 0.04
EVERY = 250
"""Steps between two states that are kept."""
GREY = 0.25
"""Share of the pictures that are shown in grey, of whose colour nothing is asked: a shape is one without its colour."""
LAST = 0.3
"""Weight of what the last layer's first token learns, which no projector reads."""
PREPROCESSOR = {
    "image_processor_type": "LlavaImageProcessor",
    "do_convert_rgb": True, "do_pad": True, "do_resize": True, "do_center_crop": True, "do_rescale": True,
    "do_normalize": True, "size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE},
    "resample": 3, "rescale_factor": 1 / 255,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """Hold pictures as they are before they are normalised, and what is in them.

    Args:
        pixels: (N, 3, 48, 48) uint8.
        targets: (N, 36, 5) int64, of each patch the five parts of the figure on its side.
        first: (N, 5) int64, those of the only sort of figures; -100, which no loss counts, where there are two.
    """

    pixels: Any
    targets: Any
    first: Any


def draw(count: int, *, seed: int, held: bool, two: float) -> Drawn:
    """Return so many drawn pictures."""
    import numpy as np

    rng = random.Random(f"sight {seed} {held}")
    scenes = [scene(rng, held=held, figures=2 if rng.random() < two else 1) for _ in range(count)]
    with ProcessPoolExecutor() as pool:
        pixels = np.stack(list(pool.map(pixels_of, scenes, chunksize=500)))
    targets = np.array([[_parts(_nearest(s, patch)) for patch in range(PATCHES)] for s in scenes], dtype=np.int64)
    return Drawn(pixels, targets, np.array([_only(s) for s in scenes], dtype=np.int64))


def pixels_of(drawn: Scene) -> Any:
    """Return a scene's pixels (3, 48, 48) uint8, made small as the processor makes them."""
    import numpy as np
    from PIL import Image

    return np.asarray(paint(drawn).resize((SIDE, SIDE), Image.Resampling.BICUBIC)).transpose(2, 0, 1)


def _parts(figure: Figure) -> list[int]:
    return [getattr(figure, name) for name in PARTS]


def _only(drawn: Scene) -> list[int]:
    return _parts(drawn.figures[0]) if len(drawn.figures) == 1 else [-100] * len(PARTS)


def _nearest(drawn: Scene, patch: int) -> Figure:
    """The figure on whose side of the picture a patch lies."""
    if len(drawn.figures) == 1:
        return drawn.figures[0]
    row, column = divmod(patch, SIDE // PATCH)
    half = SIDE // PATCH / 2
    sides = {0: column < half, 1: column >= half, 2: row < half, 3: row >= half}
    return next(figure for figure in drawn.figures if sides[figure.place])


class Heads:
    """Represent what reads the five parts off features (…, 128)."""

    def __init__(self, width: int) -> None:
        import torch

        self.norm = torch.nn.LayerNorm(width)
        self.layer = torch.nn.Linear(width, sum(PARTS.values()))

    def parameters(self) -> list[Any]:
        """Return what is trained."""
        return [*self.norm.parameters(), *self.layer.parameters()]

    def __call__(self, features: Any) -> Sequence[Any]:
        """Return the logits of each part."""
        scores: Sequence[Any] = self.layer(self.norm(features)).split(list(PARTS.values()), dim=-1)
        return scores

    def loss(self, features: Any, targets: Any, grey: int = 0) -> Any:
        """Return the mean cross-entropy of all parts.

        Args:
            features: (N, …, 128).
            targets: (N, …, 5).
            grey: of the last so many of N no colour is asked. It still tells which shapes can be: of what was white a
                grey picture shows enough, and without it the loss would teach that no bright thing is a triangle.
        """
        import torch

        names = list(PARTS)
        of_shapes, of_colours = never_drawn()
        shape, colour = (targets[..., names.index(name)] for name in ("shape", "colour"))
        barred = {"shape": of_shapes[colour.clamp(min=-1)], "colour": of_colours[shape.clamp(min=-1)]}
        asked = targets.clone()
        asked[len(asked) - grey :, ..., names.index("colour")] = -100
        parts = []
        for index, (name, scores) in enumerate(zip(names, self(features), strict=True)):
            chosen = scores + barred[name] if name in barred else scores
            parts.append(torch.nn.functional.cross_entropy(chosen.flatten(0, -2), asked[..., index].flatten()))
        return torch.stack(parts).sum()


@cache
def never_drawn() -> tuple[Any, Any]:
    """Return what is added to the scores of shapes, by colour (9, 10), and of colours, by shape (11, 8): minus infinity
    where the pair is never drawn, else 0; the last row is that of no colour, or shape.

    With it a loss asks for the right one among those that can be. Without it, it would teach that a blue thing is never
    a heart, which is learnt before hearts are, and a blue heart would never be read as one. Source: "Long-tail learning
    via logit adjustment", Menon et al. 2021, for a prior of 0.
    """
    import torch

    of_shapes, of_colours = torch.zeros(COLOURS + 1, SHAPES), torch.zeros(SHAPES + 1, COLOURS)
    for shape, colour in HELD_PAIRS:
        of_shapes[colour, shape] = of_colours[shape, colour] = -math.inf
    return of_shapes, of_colours


def normalised(pixels: Any) -> Any:
    """Return pixels (N, 3, 48, 48) uint8 as the processor gives them, float32."""
    import torch

    mean, std = (torch.tensor(PREPROCESSOR[name]).view(1, 3, 1, 1) for name in ("image_mean", "image_std"))
    return (torch.from_numpy(pixels).float() / 255 - mean) / std


def train(tower: Any, drawn: Drawn, held: Drawn, *, epochs: float, seed: int, keep: Path | None = None) -> Heads:
    """Train the tower, and return the heads that read its features.

    All in float32: with bfloat16 a step takes a third more, whose matrices here are too small to gain by it.

    Args:
        drawn: what it is trained on.
        held: what is read while it trains, to be seen; nothing is chosen by it.
        keep: the file of a state, from which an interrupted training goes on to the same weights.
    """
    import torch

    heads, last = Heads(SHAPE["hidden_size"]), Heads(SHAPE["hidden_size"])
    trained = [*tower.parameters(), *heads.parameters(), *last.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98), fused=True)
    steps, state = int(epochs * (len(drawn.pixels) // BATCH)), State(keep, trained, optimizer)
    begun, start = time.monotonic(), state.load()
    tower.train()
    for step in range(start, steps):
        pixels, targets, first = batch_of(drawn, step, seed)
        out = tower(normalised(pixels), output_hidden_states=True)
        patches = out.hidden_states[FEATURES][:, 1:]
        loss = heads.loss(patches, targets, greys()) + LAST * last.loss(out.pooler_output, first, greys())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.param_groups[0]["lr"] = RATE * rate_at(step, steps)
        optimizer.step()
        if step % 50 == 0:
            passed = time.monotonic() - begun
            print(f"step {step}/{steps} loss {float(loss.detach()):.3f} {passed:.0f} s", flush=True)
        if (step + 1) % EVERY == 0:
            state.save(step + 1)
            print(f"step {step + 1}/{steps} pairs never drawn: {measure(tower, heads, held)}", flush=True)
            tower.train()
    return heads


def rate_at(step: int, steps: int) -> float:
    """Return the share of the learning rate: up in a line, then down along a cosine."""
    return min((step + 1) / max(1, WARMUP * steps), 0.5 * (1 + math.cos(math.pi * step / steps)))


def batch_of(drawn: Drawn, step: int, seed: int) -> tuple[Any, Any, Any]:
    """Return a step's pictures and targets, by the step alone: half of them mirrored, as each of the shapes is its own
    mirror image, and left is then right; a quarter in grey.

    Returns:
        pixels (128, 3, 48, 48) uint8 of numpy, the patches' targets (128, 36, 5), the pictures' (128, 5).
    """
    import torch

    epoch, begins = divmod(step, len(drawn.pixels) // BATCH)
    order = torch.randperm(len(drawn.pixels), generator=torch.Generator().manual_seed(10_007 * seed + epoch)).numpy()
    chosen, half = order[begins * BATCH : (begins + 1) * BATCH], BATCH // 2
    pixels, targets, first = drawn.pixels[chosen], drawn.targets[chosen], drawn.first[chosen]
    pixels[:half] = pixels[:half, ..., ::-1].copy()
    grid = targets[:half].reshape(half, SIDE // PATCH, SIDE // PATCH, len(PARTS))
    targets[:half] = _mirrored(grid[:, :, ::-1].reshape(half, PATCHES, len(PARTS)))
    first[:half] = _mirrored(first[:half])
    grey = BATCH - greys()
    pixels[grey:] = pixels[grey:].mean(axis=1, keepdims=True)
    return pixels, torch.from_numpy(targets), torch.from_numpy(first)


def greys() -> int:
    """Return how many pictures of a batch, the last ones, are in grey."""
    return int(GREY * BATCH)


def _mirrored(targets: Any) -> Any:
    """Targets (…, 5) with left and right exchanged."""
    import numpy as np

    place = list(PARTS).index("place")
    exchanged, places = targets.copy(), targets[..., place]
    exchanged[..., place] = np.where((places == 0) | (places == 1), 1 - places, places)
    return exchanged


@dataclass(frozen=True, slots=True)
class State:
    """Represent a training on the disk: weights, moments and the step, in safetensors.

    Args:
        path: the file, which is replaced as a whole; None keeps nothing.
        trained: the weights, in one order.
        optimizer: theirs.
    """

    path: Path | None
    trained: Sequence[Any]
    optimizer: Any

    def save(self, step: int) -> None:
        """Write the state after ``step``."""
        from safetensors.torch import save_file

        if self.path is None:
            return
        tensors = {f"weight.{number}": weight.detach() for number, weight in enumerate(self.trained)}
        for number, weight in enumerate(self.trained):
            tensors |= {f"adam.{number}.{name}": value for name, value in self.optimizer.state[weight].items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        save_file(tensors, part, {"step": str(step)})
        part.replace(self.path)

    def load(self) -> int:
        """Put back what was written, and return after which step; 0 where there is nothing."""
        import torch
        from safetensors import safe_open

        if self.path is None or not self.path.exists():
            return 0
        with safe_open(self.path, "pt") as file, torch.no_grad():
            names = list(file.keys())
            for number, weight in enumerate(self.trained):
                weight.copy_(file.get_tensor(f"weight.{number}"))
                mine = [name for name in names if name.startswith(f"adam.{number}.")]
                self.optimizer.state[weight] = {name.rpartition(".")[2]: file.get_tensor(name) for name in mine}
            return int(file.metadata()["step"])


def measure(tower: Any, heads: Heads, drawn: Drawn) -> dict[str, float]:
    """Return the share of pictures of which each part, and all five, are read right off the mean of all patches."""
    import torch

    tower.eval()
    right = []
    with torch.inference_mode():
        for start in range(0, len(drawn.pixels), BATCH):
            out = tower(normalised(drawn.pixels[start : start + BATCH]), output_hidden_states=True)
            scores = heads(out.hidden_states[FEATURES][:, 1:])
            chosen = torch.stack([part.log_softmax(-1).mean(1).argmax(-1) for part in scores], -1)
            right.append(chosen == torch.from_numpy(drawn.first[start : start + BATCH]))
    table = torch.cat(right)
    shares = {name: round(float(table[:, index].float().mean()), 4) for index, name in enumerate(PARTS)}
    return shares | {"all": round(float(table.all(-1).float().mean()), 4)}


def build(
    out: Path, *, pictures: int = PICTURES, epochs: float = EPOCHS, seed: int = 0, keep: Path | None = None
) -> dict[str, Any]:
    """Train the tower, write it with its preprocessing and its card, and return the measures.

    Args:
        keep: folder of what is kept, so that an interrupted build goes on.
    """
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel

    begun = time.monotonic()
    torch.manual_seed(seed)
    drawn = draw(pictures, seed=seed, held=False, two=TWO)
    held, seen = draw(HELD, seed=1, held=True, two=0.0), draw(HELD, seed=2, held=False, two=0.0)
    print(f"drawn in {time.monotonic() - begun:.0f} s", flush=True)
    tower = CLIPVisionModel(CLIPVisionConfig(**SHAPE))
    kept = keep / f"sight-{pictures}-{epochs:g}-{seed}.safetensors" if keep else None
    heads = train(tower, drawn, held, epochs=epochs, seed=seed, keep=kept)
    with torch.no_grad():
        for weight in tower.parameters():  # what is measured is what is kept
            weight.copy_(weight.to(torch.bfloat16))
    measures = {
        "held_out_pairs": measure(tower, heads, held), "seen_pairs": measure(tower, heads, seen),
        "pictures": pictures, "epochs": epochs, "seed": seed,
        "parameters": sum(p.numel() for p in tower.parameters()),
    }  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    tower.to(torch.bfloat16).save_pretrained(str(out), safe_serialization=True)
    for file in out.glob("*.safetensors"):
        file.chmod(0o644)  # it is shipped: whoever installs it must be able to read it
    (out / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2) + "\n", encoding="utf-8")
    (out / "evaluation.json").write_text(json.dumps(measures, indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(card(measures), encoding="utf-8")
    return measures


def card(measures: dict[str, Any]) -> str:
    """Return the card, in English and Chinese."""
    rows = "\n".join(
        f"| {name} | {measures['held_out_pairs'][name]:.1%} | {measures['seen_pairs'][name]:.1%} |"
        for name in (*PARTS, "all")
    )
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    return template.format(rows=rows, **{name: measures[name] for name in ("pictures", "epochs", "seed", "parameters")})


def main(argv: Sequence[str] | None = None) -> int:
    """Build as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder from which an interrupted build goes on")
    options = parser.parse_args(argv)
    measures = build(
        options.out, pictures=options.pictures, epochs=options.epochs, seed=options.seed, keep=options.keep
    )
    print(json.dumps(measures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
