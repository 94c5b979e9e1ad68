"""Train a recipe: `python -m pretraining.train --config pretraining/configs/strokes.json`.

Runs on a GPU when there is one, else on the CPU; in bfloat16 where the hardware has it. A checkpoint a
minute; the same command goes on where a stopped training was, and gives the same weights as one that was
never stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from headstart.sources.networks.small import DEFAULTS, SmallResNet, build
from pretraining.lesson import Lesson
from pretraining.recipe import VERSION, Recipe, read
from pretraining.stream import Batch, Stream

WORK = Path("build/pretraining")


class Pupil(nn.Module):
    """The trunk that will ship, and the heads that only teach it."""

    def __init__(self, kwargs: dict[str, Any], outputs: int, *, deep: bool) -> None:
        super().__init__()
        trunk = build(kwargs, 0)
        assert isinstance(trunk, SmallResNet)
        self.trunk = trunk
        widths = kwargs.get("widths", DEFAULTS["widths"])
        self.heads = nn.ModuleList(
            head(width, outputs) for width in (widths[3], *widths[1:3])[: 3 if deep else 1]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Answers `[B, outputs]` of the last stage, then those of stages 2 and 3 if they are asked too."""
        trunk = self.trunk
        two = trunk.stage2(trunk.stage1(trunk.stem(x)))
        three = trunk.stage3(two)
        pooled = (trunk.pool(trunk.stage4(three)), two.mean((2, 3)), three.mean((2, 3)))
        return [ask(state) for ask, state in zip(self.heads, pooled, strict=False)]


def head(width: int, outputs: int) -> nn.Module:
    """Linear on standardised features: means of what a ReLU leaves are far from 0, which slows learning."""
    return nn.Sequential(nn.BatchNorm1d(width, affine=False), nn.Linear(width, outputs))


class Training:
    """One training, step by step; `save` and `resume` hold all that the next step depends on."""

    def __init__(self, recipe: Recipe, device: str | None = None) -> None:
        self.recipe = recipe
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.half = self.device == "cuda" or has_bfloat16()
        self.stream = Stream(
            recipe.shares,
            recipe.classes,
            recipe.seed,
            side=recipe.side,
            device=self.device,
            cutmix=recipe.cutmix,
            look=recipe.look,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.lesson = Lesson(self.stream.traits, recipe.traits)
            self.pupil = Pupil(dict(recipe.kwargs), self.lesson.outputs, deep=recipe.deep > 0)
        self.pupil = self.pupil.to(self.device, memory_format=torch.channels_last)
        self.average = {k: v.clone() for k, v in self.pupil.trunk.state_dict().items()}
        weights = [p for p in self.pupil.parameters() if p.dim() > 1]
        others = [p for p in self.pupil.parameters() if p.dim() <= 1]  # biases and norms do not decay
        self.optimiser = torch.optim.SGD(
            [{"params": weights, "weight_decay": recipe.decay}, {"params": others, "weight_decay": 0.0}],
            lr=recipe.rate,
            momentum=0.9,
            nesterov=True,
        )
        self.step, self.loss, self.right = 0, math.nan, 0.0
        self.mean = torch.tensor(recipe.mean, device=self.device)[:, None, None]
        self.std = torch.tensor(recipe.std, device=self.device)[:, None, None]

    def advance(self) -> None:
        """One step: draw, forward, backward, update, average."""
        recipe = self.recipe
        calm = self.step >= (1 - recipe.calm) * recipe.steps
        if calm:
            self.stream.cutmix = 0.0
        batch = self.stream.batch(recipe.batch)
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.rate * schedule(self.step / recipe.steps)
        self.pupil.train()
        pictures = ((batch.pictures - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.half):
            answers = self.pupil(pictures)
        smoothing = 0.0 if calm else recipe.smoothing
        losses = [self.lesson.loss(answer.float(), batch, smoothing) for answer in answers]
        loss = losses[0] + recipe.deep * sum(losses[1:], torch.zeros((), device=self.device))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.pupil.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        self._move_average()
        self._note(losses[0].detach(), answers[0].detach(), batch)

    def _move_average(self) -> None:
        keep = min(self.recipe.average, self.step / (self.step + 10))
        for name, value in self.pupil.trunk.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - keep)
            else:
                self.average[name].copy_(value)

    def _note(self, loss: Tensor, answer: Tensor, batch: Batch) -> None:
        """Moving means of loss and accuracy, for the line a minute."""
        if self.step % 10 and self.step > 1:
            return
        found = self.lesson.classes_of(answer)
        right = float((found == batch.classes)[batch.share == 1].float().mean())
        self.loss = float(loss) if math.isnan(self.loss) else 0.9 * self.loss + 0.1 * float(loss)
        self.right = 0.9 * self.right + 0.1 * right if self.step > 1 else right

    def save(self, path: Path) -> None:
        """Write a checkpoint beside `path`, then move it there."""
        state = {
            "version": VERSION,
            "pupil": self.pupil.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "stream": self.stream.state(),
            "step": self.step,
            "loss": self.loss,
            "right": self.right,
        }
        torch.save(state, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same recipe."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["version"] != VERSION:
            raise ValueError(f"{path} was made by version {state['version']} of the recipe, not {VERSION}")
        self.pupil.load_state_dict(state["pupil"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.stream.restore(state["stream"].cpu())
        self.step, self.loss, self.right = state["step"], state["loss"], state["right"]

    def trunk(self) -> nn.Module:
        """The averaged network without classifier, on the CPU, in eval mode: what ships."""
        trunk = build(dict(self.recipe.kwargs), 0)
        trunk.load_state_dict({k: v.cpu() for k, v in self.average.items()})
        return trunk.eval()


def schedule(part: float) -> float:
    """Learning rate at a part of the training, relative to its largest: 5 % warm-up, then cosine."""
    if part < 0.05:
        return 0.02 + 0.98 * part / 0.05
    return 0.5 * (1 + math.cos(math.pi * (part - 0.05) / 0.95))


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 by itself; elsewhere it is slower than float32."""
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def train(recipe: Recipe, work: Path, *, minute: float = 60.0) -> Training:
    """Train to the end, from the last checkpoint if there is one; returns the finished training."""
    folder = work / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(recipe)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        training.resume(checkpoint)
    told, seen = time.monotonic(), training.step
    while training.step < recipe.steps:
        training.advance()
        now = time.monotonic()
        if now - told >= minute or training.step == recipe.steps:
            line = {
                "source": recipe.name,
                "images": training.step * recipe.batch,
                "of": recipe.images,
                "per_second": round((training.step - seen) * recipe.batch / max(now - told, 1e-9)),
                "loss": round(training.loss, 4),
                "accuracy": round(training.right, 4),
            }
            with (folder / "metrics.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
            training.save(checkpoint)
            told, seen = now, training.step
    return training


def main() -> None:
    """Train one recipe and publish it."""
    from pretraining.publish import publish

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=WORK, help="where checkpoints and metrics lie")
    parser.add_argument("--out", type=Path, default=None, help="where the source goes (default: the package)")
    options = parser.parse_args()
    recipe = read(options.config)
    publish(train(recipe, options.work), out=options.out)


if __name__ == "__main__":
    main()
