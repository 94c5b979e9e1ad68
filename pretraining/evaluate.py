"""Quick probes of a trunk: `python -m pretraining.evaluate strokes [--data FOLDER]`.

For looking at a training while it runs. What is claimed for a source is measured through the product
itself, in `benchmarks/bundled.py`.
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.sources.networks.small import build
from pretraining.generators.base import Draw, affine, seeded

GLYPH_TAPS = ("stage2/g1", "stage2/g2", "stage3/g1", "stage3/g2", "stage4/g1")
IMAGE_TAPS = ("stage1/g4", "stage2/g4", "stage3/g2", "stage4/g1")


@dataclass(frozen=True)
class Pictures:
    """A target: pictures float32 `[N, 3, S, S]` in [0, 1], labels `[N]`, rows kept for the test."""

    pictures: Tensor
    labels: np.ndarray
    test: np.ndarray
    """bool `[N]`; all False where every row that was not drawn is tested on."""
    glyphs: bool


def digits(side: int = 32) -> Pictures:
    """scikit-learn's 1,797 handwritten digits, enlarged from 8 x 8."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    grey = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    large = F.interpolate(grey, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return Pictures(large.repeat(1, 3, 1, 1), labels, np.zeros(len(labels), bool), True)


def zipped(folder: Path, side: int = 32, test: str = "test") -> Pictures:
    """Photos of `images.zip` by `splits.csv` (path, label, split), cut to squares."""
    rows = [line.split(",") for line in (folder / "splits.csv").read_text().split()[1:]]
    names = sorted({label for _, label, _ in rows})
    pictures = np.empty((len(rows), side, side, 3), np.uint8)
    with zipfile.ZipFile(folder / "images.zip") as archive:
        for k, (path, _, _) in enumerate(rows):
            with archive.open(path) as file:
                image = Image.open(file).convert("RGB")
            edge = min(image.size)
            left, top = (image.width - edge) // 2, (image.height - edge) // 2
            image = image.crop((left, top, left + edge, top + edge))
            if edge != side:
                image = image.resize((side, side), Image.Resampling.BILINEAR)
            pictures[k] = np.asarray(image)
    labels = np.array([names.index(label) for _, label, _ in rows])
    held = np.array([split == test for _, _, split in rows])
    return Pictures(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255, labels, held, False)


def view(pictures: Tensor, rng: torch.Generator, *, glyphs: bool) -> Tensor:
    """One augmented view of each: small changes of pose; photos may also be mirrored."""
    draw, batch = Draw(rng), len(pictures)
    if glyphs:
        matrix, move = affine(draw, batch, turn=0.2, shear=0.1, scale=(0.9, 1.1))
    else:
        matrix, move = affine(draw, batch, turn=0.0, shear=0.0, scale=(0.8, 1.0))
        matrix[:, :, 0] *= draw.sign(batch, 1)
    grid = F.affine_grid(torch.cat([matrix, move[..., None]], 2), list(pictures.shape), align_corners=False)
    edge = "zeros" if glyphs else "reflection"
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode=edge, align_corners=False)


@torch.inference_mode()
def features(trunk: nn.Module, pictures: Tensor, taps: Sequence[str]) -> dict[str, Tensor]:
    """Tap -> `[N, channels * grid**2]`, of pictures in [0, 1] (mean and std 0.5 and 0.25)."""
    parts: dict[str, list[Tensor]] = {tap: [] for tap in taps}
    for batch in ((pictures - 0.5) / 0.25).contiguous(memory_format=torch.channels_last).split(128):
        state, states = batch, {}
        for name in ("stem", "stage1", "stage2", "stage3", "stage4"):
            state = states[name] = trunk.get_submodule(name)(state)
        for tap in taps:
            stage, _, grid = tap.rpartition("/g")
            parts[tap].append(F.adaptive_avg_pool2d(states[stage], int(grid)).flatten(1))
    return {tap: torch.cat(found) for tap, found in parts.items()}


def logistic(x: Tensor, y: Tensor, classes: int, strength: float) -> Callable[[Tensor], Tensor]:
    """Multinomial logistic regression on z-scored features; mean loss + strength / 2 * |W|^2."""
    mean, std = x.mean(0), x.std(0).clamp(min=1e-5)
    z = (x - mean) / std
    weight = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(z @ weight + bias, y) + strength / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    w, b = weight.detach(), bias.detach()
    return lambda new: ((new - mean) / std) @ w + b


def probe(
    trunk: nn.Module,
    target: Pictures,
    per_class: int,
    *,
    taps: Sequence[str] | None = None,
    draws: int = 5,
    views: int = 8,
    first: int = 0,
) -> np.ndarray:
    """Accuracy of the frozen probe for each draw of `per_class` labels."""
    taps = taps or (GLYPH_TAPS if target.glyphs else IMAGE_TAPS)
    classes = int(target.labels.max()) + 1
    plain = torch.cat(list(features(trunk, target.pictures, taps).values()), 1)
    labels = torch.from_numpy(target.labels).long()
    found = []
    for draw in range(first, first + draws):
        order = np.random.default_rng(draw).permutation(len(labels))
        order = order[~target.test[order]]
        rows = np.concatenate([order[target.labels[order] == c][:per_class] for c in range(classes)])
        held = target.test.copy() if target.test.any() else np.ones(len(labels), bool)
        held[rows] = False
        rng = seeded(draw)
        x = [plain[rows]]
        for _ in range(views):
            seen = view(target.pictures[rows], rng, glyphs=target.glyphs)
            x.append(torch.cat(list(features(trunk, seen, taps).values()), 1))
        model = logistic(torch.cat(x), labels[rows].repeat(views + 1), classes, strength=0.03)
        right = model(plain[held]).argmax(1) == labels[torch.from_numpy(held)]
        found.append(float(right.float().mean()))
    return np.array(found)


def table(trunk: nn.Module, data: Path | None, *, draws: int = 3, views: int = 8) -> dict[str, float]:
    """Target and labels a class -> mean accuracy in percent."""
    asked: list[tuple[str, Pictures, tuple[int, ...]]] = [("digits", digits(), (1, 5, 10))]
    if data is not None:
        asked.append(("cifar10", zipped(data / "cifar10_small"), (10, 50, 100)))
    result = {}
    for name, target, counts in asked:
        for count in counts:
            accuracy = probe(trunk, target, count, draws=draws, views=views).mean()
            result[f"{name} {count}/class"] = round(100 * float(accuracy), 1)
    return result


def load(path: Path, kwargs: Mapping[str, object]) -> nn.Module:
    """A trunk from safetensors or from a training's checkpoint, in eval mode, float32."""
    trunk = build(kwargs, 0)
    if path.suffix == ".pt":
        tensors = torch.load(path, map_location="cpu", weights_only=True)["average"]
    else:
        from safetensors.torch import load_file

        tensors = load_file(path)
    trunk.load_state_dict(tensors)
    return trunk.eval()


def main() -> None:
    """Print the table of one source, beside that of random weights."""
    from pretraining.recipe import CONFIGS, read
    from pretraining.train import WORK

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, default=None, help="a folder that holds cifar10_small")
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    kwargs = read(CONFIGS / f"{options.name}.json").kwargs
    trunk = load(options.work / options.name / "checkpoint.pt", kwargs)
    torch.manual_seed(0)
    print("trained", table(trunk, options.data, draws=options.draws))
    print("random ", table(build(kwargs, 0).eval(), options.data, draws=options.draws))


if __name__ == "__main__":
    main()
