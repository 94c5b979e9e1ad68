"""Train a small network to tell apart what formulas make, and write it into the package.

`python -m pretraining.sounds [--out FOLDER]`: about five minutes on one free core of 2026.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from headstart.core.files import write_atomic, write_json
from headstart.core.fingerprint import of_bytes
from headstart.sources.audio.networks import convolutional
from pretraining.publish import LARGEST, PACKAGE
from pretraining.sounds.formulas import CLASSES, FAMILIES
from pretraining.sounds.stream import Batch, Stream
from pretraining.sounds.waves import CONTRACT
from pretraining.train import has_bfloat16, schedule

NOTE = (
    "has only heard sounds that formulas make: good at telling kinds of sounds apart where labels are few; "
    "bad at words, where networks that have heard speech are far ahead"
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what the source becomes."""

    name: str = "tones"
    seed: int = 1
    batch: int = 32
    steps: int = 1250
    rate: float = 2e-3
    """Largest learning rate; 5 % of warm-up, then a cosine down to 0."""
    decay: float = 0.05
    smoothing: float = 0.05
    average: float = 0.998
    """Decay of the moving average of the weights, which is what ships."""
    deep: float = 0.3
    """Weight of the losses of two further heads, on layers 2 and 3."""
    widths: tuple[int, ...] = (24, 48, 96, 128, 160)

    @property
    def architecture(self) -> dict[str, Any]:
        kwargs = {"channels": CONTRACT.mels, "widths": list(self.widths)}
        return {"library": convolutional.LIBRARY, "arch": convolutional.ARCH, "kwargs": kwargs}


class Head(nn.Module):
    """Linear on standardised means and maxima over time."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2 * width, affine=False)
        self.lin = nn.Linear(2 * width, outputs)

    def forward(self, hidden: Tensor) -> Tensor:
        answer: Tensor = self.lin(self.norm(torch.cat([hidden.mean(1), hidden.amax(1)], 1).float()))
        return answer


class Training:
    """One training, step by step."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.stream = recipe, Stream(recipe.seed)
        traits = [table.shape[1] for table in self.stream.traits]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.trunk = convolutional.build(recipe.architecture).train()
            outputs = len(FAMILIES) * (1 + CLASSES) + sum(traits)
            last = len(recipe.widths) - 1
            asked = range(max(1, last - 2), last + 1)
            self.heads = nn.ModuleList(Head(self.trunk.width(piece), outputs) for piece in asked)
        self.sizes = (len(FAMILIES), len(FAMILIES) * CLASSES, *traits)
        self.parameters = [*self.trunk.parameters(), *self.heads.parameters()]
        weights = [p for p in self.parameters if p.dim() > 1]
        others = [p for p in self.parameters if p.dim() <= 1]  # norms and biases do not decay
        self.optimiser = torch.optim.AdamW(
            [{"params": weights, "weight_decay": recipe.decay}, {"params": others, "weight_decay": 0.0}],
            lr=recipe.rate,
        )
        self.average = {name: value.clone() for name, value in self.trunk.state_dict().items()}
        self.step, self.right = 0, 0.0

    def advance(self) -> float:
        """One step: draw, forward, backward, update, average. Returns the loss."""
        recipe, batch = self.recipe, self.stream.batch(self.recipe.batch)
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.rate * rate_at(self.step / recipe.steps)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bfloat16()):
            hidden = self.trunk.stem(batch.frames)
            states = []
            for layer in self.trunk.layers:
                hidden = layer(hidden)
                states.append(hidden)
            asked = states[-len(self.heads) :]
            answers = [head(state) for head, state in zip(self.heads, asked, strict=True)]
        loss = torch.zeros(())
        for answer, weight in zip(answers, [recipe.deep] * (len(answers) - 1) + [1.0], strict=True):
            loss = loss + weight * (self.asked(answer, batch) + self.asked(answer, batch, behind=True))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 5.0)
        self.optimiser.step()
        self.step += 1
        self._move_average()
        found = self.classes_of(answers[-1].detach(), batch.families).argmax(1) == batch.classes
        self.right = 0.98 * self.right + 0.02 * float(found[batch.share == 1].float().mean())
        return float(loss.detach())

    def classes_of(self, answer: Tensor, families: Tensor) -> Tensor:
        """`[B, CLASSES]`: the scores of the classes of each sound's family."""
        every = answer.split(list(self.sizes), 1)[1].view(-1, len(FAMILIES), CLASSES)
        return every[torch.arange(len(answer)), families]

    def asked(self, answer: Tensor, batch: Batch, *, behind: bool = False) -> Tensor:
        """The loss on family, class and numbers of the sounds, or of those behind them."""
        rows = batch.others if behind else torch.arange(len(answer))
        families, classes = batch.families[rows], batch.classes[rows]
        weight = 1 - batch.share if behind else batch.share
        answer = answer.float()
        parts = answer.split(list(self.sizes), 1)
        loss = weight * functional.cross_entropy(parts[0], families, reduction="none")
        own = self.classes_of(answer, families)
        smooth = self.recipe.smoothing
        loss = loss + weight * functional.cross_entropy(
            own, classes, reduction="none", label_smoothing=smooth
        )
        error = torch.zeros(len(answer))
        for number, (found, table) in enumerate(zip(parts[2:], self.stream.traits, strict=True)):
            of = families == number
            if of.any():
                error[of] = (found[of] - table[classes[of]]).square().mean(1)
        return (loss + weight * error).mean()

    def _move_average(self) -> None:
        keep = min(self.recipe.average, self.step / (self.step + 10))
        for name, value in self.trunk.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - keep)
            else:
                self.average[name].copy_(value)


def rate_at(part: float) -> float:
    """Learning rate at a part of the training, relative to its largest: from 0 where it begins."""
    return part / 0.05 if part < 0.05 else schedule(part)


def publish(
    average: Mapping[str, Tensor], recipe: Recipe, steps: int, table: Mapping[str, Any], out: Path
) -> Path:
    """`NAME.safetensors` in float16 and `NAME.json` in `out`; returns the record's path."""
    data = save({n: (v.half() if v.is_floating_point() else v).contiguous() for n, v in average.items()})
    if len(data) > LARGEST:
        raise ValueError(f"{recipe.name} takes {len(data)} bytes, more than {LARGEST}")
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / f"{recipe.name}.safetensors", data)
    path = out / f"{recipe.name}.json"
    trunk = convolutional.build(recipe.architecture)
    content = {
        "name": recipe.name,
        **recipe.architecture,
        "input": CONTRACT.to_json(),
        "sha256": of_bytes(data),
        "parameters": sum(p.numel() for p in trunk.parameters()),
        "licence": "Apache-2.0",
        "recipe": {
            "version": 1,
            "seed": recipe.seed,
            "sounds": steps * recipe.batch,
            "families": list(FAMILIES),
            "classes": CLASSES * len(FAMILIES),
        },
        "note": NOTE,
        "table": dict(table),
    }
    write_json(path, content)
    return path


def train(recipe: Recipe) -> Training:
    """To the end; one line every hundred steps."""
    training = Training(recipe)
    while training.step < recipe.steps:
        loss = training.advance()
        if training.step % 100 == 0 or training.step == recipe.steps:
            line = {"source": recipe.name, "sounds": training.step * recipe.batch, "loss": round(loss, 3)}
            print(json.dumps({**line, "accuracy": round(training.right, 3)}), flush=True)
    return training


MEASURED = {
    "esc10 5/class": 80.4, "esc10 10/class": 84.6, "esc10 all": 90.5,
    "digits of a speaker not heard 10/class": 70.4,
}  # fmt: skip
"""What `benchmarks/audio.py` has found of what ships, in percent."""


def main() -> None:
    """Train the recipe and publish it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=PACKAGE, help="where the source goes (default: the package)"
    )
    options = parser.parse_args()
    recipe = Recipe()
    training = train(recipe)
    print(publish(training.average, recipe, training.step, MEASURED, options.out))
