"""The data sets that benchmarks draw their few labels from."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import headstart as hs
from headstart.core.dataset import Dataset

IMAGENET = "mobilenetv1_025.tfslim_quant_in1k_128.safetensors"
"""The fastest ImageNet network of `weights/imagenet`."""


@dataclass(frozen=True)
class Target:
    """One data set of the benchmark."""

    name: str
    counts: tuple[int, ...]
    """Labels a class."""
    augment: str
    read: Callable[[Path, Path], Dataset]
    """(folder of the packs, scratch folder) -> data set; rows of "test" are never trained on."""
    tests: int = 2000
    """Test items at most, drawn once."""


def digits(_data: Path, _scratch: Path) -> Dataset:
    """scikit-learn's digits; what is not drawn is the test part."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    pictures = np.round(x.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return hs.load(pictures, labels=[str(c) for c in y], name="digits")


def pack(name: str, keep: str = "") -> Callable[[Path, Path], Dataset]:
    """A pack of pictures; only paths that hold `keep`."""

    def read(data: Path, scratch: Path) -> Dataset:
        folder = scratch / name
        if not folder.exists():
            with zipfile.ZipFile(data / name / "images.zip") as archive:
                archive.extractall(folder)
            lines = (data / name / "splits.csv").read_text().splitlines()
            kept = [lines[0], *(line for line in lines[1:] if keep in line)]
            (folder / "splits.csv").write_text("\n".join(kept) + "\n")
        return hs.load(folder / "splits.csv", name=name)

    return read


def npz(part: str) -> Callable[[Path, Path], Dataset]:
    """MNIST or USPS of the digits pack, with its own test part."""

    def read(data: Path, _scratch: Path) -> Dataset:
        found = np.load(data / "digits_mnist_usps" / "digits.npz", allow_pickle=False)
        if part == "mnist":
            x, y, test = found["mnist_images"], found["mnist_labels"], found["mnist_split"] == 2
        else:
            train, held = found["usps_train_images"], found["usps_test_images"]
            x = np.concatenate([train, held])
            y = np.concatenate([found["usps_train_labels"], found["usps_test_labels"]])
            test = np.arange(len(x)) >= len(train)
        x = x if x.dtype == np.uint8 else np.round(255 * (x / x.max())).astype(np.uint8)
        dataset = hs.load(list(x), labels=[str(c) for c in y], name=part)
        return replace(dataset, split=np.where(test, "test", "train"))

    return read


TARGETS = (
    Target("digits", (1, 5, 10), "glyph", digits),
    Target("cifar10", (10, 50, 100), "crop-flip", pack("cifar10_small")),
    Target("mnist", (1, 10), "glyph", npz("mnist"), tests=1000),
    Target("usps", (1, 10), "glyph", npz("usps"), tests=1000),
    Target("hymenoptera", (10, 50), "crop-flip", pack("hymenoptera")),
    Target("dogcat", (10, 50), "crop-flip", pack("dogcat")),
    Target("pacs art", (5, 20), "crop-flip", pack("pacs_photo_art", "art_painting")),
)


def draw(dataset: Dataset, count: int, seed: int, tests: int) -> Dataset:
    """`count` labelled items of each class to learn from, and the test part."""
    assert dataset.y is not None
    order = np.random.default_rng(seed).permutation(len(dataset))
    held = dataset.split == "test" if dataset.split is not None else np.zeros(len(dataset), bool)
    free = order[~held[order]]
    train = np.concatenate([free[dataset.y[free] == c][:count] for c in np.unique(dataset.y)])
    test = np.flatnonzero(held) if held.any() else np.setdiff1d(order, train)
    if len(test) > tests:
        test = np.sort(np.random.default_rng(0).permutation(test)[:tests])
    rows = np.concatenate([train, test])
    split = np.repeat(["train", "test"], [len(train), len(test)])
    return replace(dataset.subset(rows), split=split)
