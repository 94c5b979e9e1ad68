"""Small stand-ins for texts made from a seed: sentences that tell their class, a tiny encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.backbone import Dense, Stage
from headstart.core.dataset import Dataset, TextItem
from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.core.task import CLASSIFICATION, MULTILABEL, REGRESSION, Task
from headstart.errors import UnknownName
from headstart.modalities.text.encoding.words import WHOLE, WordEncoder
from headstart.modalities.text.preprocessing import APART, JOINT, POOLINGS, TextPreprocessing, text_input
from headstart.sources.layers.pooling import compared, pooled, sides
from headstart.testing.fakes import digest_of, index

_TOPICS = {
    "weather": "rain snow wind storm cloud sunny frost fog thunder breeze",
    "food": "bread soup cheese apple dinner cook salt oven butter spoon",
    "travel": "train ticket hotel airport luggage map bus passport journey harbour",
    "music": "guitar song drum concert piano melody choir violin band rhythm",
}
TOPICS = {topic: words.split() for topic, words in _TOPICS.items()}
"""Class -> the words that tell it."""
FILLERS = ("the", "a", "we", "it", "was", "very", "on", "with", "and", "then", "of", "some", "quite",
           "today", "had")  # fmt: skip
"""Words of every class."""
WORDS = (*(word for words in TOPICS.values() for word in words), *FILLERS, *TOPICS)


def sentence(topic: str, rng: np.random.Generator, *, words: int = 8, telling: int = 2) -> str:
    """So many words, some of them telling the topic."""
    places = rng.permutation(words) < telling
    return " ".join(str(rng.choice(TOPICS[topic] if tells else FILLERS)) for tells in places)


def sentences(
    kind: str = CLASSIFICATION,
    *,
    classes: int = 3,
    per_class: int = 12,
    seed: int = 0,
    pairs: bool = False,
    telling: int = 2,
) -> Dataset:
    """A labelled data set of texts in random order.

    Classification: the topic. Multi-label: the topic, and whether the text is long. Regression: its number
    of words. With `pairs` each item is two texts and the label says whether they share a topic ("same",
    "other").
    """
    rng = np.random.default_rng(seed)
    names = tuple(TOPICS)[:classes]
    y = rng.permutation(np.repeat(np.arange(classes), per_class))
    length = rng.integers(5, 14, len(y))
    texts = [sentence(names[c], rng, words=int(n), telling=telling) for c, n in zip(y, length, strict=True)]
    seconds: list[str | None] = [None] * len(y)
    target: np.ndarray
    if pairs:
        same = rng.permutation(np.arange(len(y)) % 2)
        other = (y + np.where(same == 1, 0, 1 + rng.integers(classes - 1, size=len(y)))) % classes
        seconds = [sentence(names[c], rng, telling=telling) for c in other]
        task, target = Task(CLASSIFICATION, ("other", "same"), "accuracy"), same.astype(np.int64)
    elif kind == CLASSIFICATION:
        task, target = Task(kind, names, "accuracy"), y.astype(np.int64)
    elif kind == MULTILABEL:
        task = Task(kind, (*names, "long"), "mAP")
        target = np.column_stack([np.eye(classes)[y], length > 9]).astype(np.float32)
    elif kind == REGRESSION:
        task, target = Task(kind, ("words",), "MAE", higher_is_better=False), length.astype(np.float64)
    else:
        raise UnknownName("kind of task", kind, (CLASSIFICATION, MULTILABEL, REGRESSION))
    items = tuple(TextItem(f"row {i + 1}", a, b) for i, (a, b) in enumerate(zip(texts, seconds, strict=True)))
    return Dataset("sentences", "text", items, task=task, targets=target, origin="sentences", pairs=pairs)


def contract(pairs: str = JOINT, *, pooling: str = "mean", max_length: int = 32) -> TextPreprocessing:
    """The tiny encoder's: a list of all words that `sentence` uses."""
    words = WordEncoder(WORDS, pattern=WHOLE)
    return TextPreprocessing(words.to_json(), max_length=max_length, pairs=pairs, pooling=pooling)


class _Layer(nn.Module):
    """Self-attention with one head and a residual: `[N, T, D]` -> `[N, T, D]`; masked tokens are not seen."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        x = self.norm(hidden)
        scores = self.query(x) @ self.key(x).transpose(1, 2) / x.shape[-1] ** 0.5
        weights = scores.masked_fill(mask[:, None, :] == 0, -1e9).softmax(-1)
        return hidden + weights @ self.value(x)


class _Network(nn.Module):
    def __init__(self, words: int, width: int, layers: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(words, width)
        self.types = nn.Embedding(2, width)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        """int64 `[B, C, T]` -> the last state."""
        state = self.start(x.reshape(len(x), 2, 3, -1) if x.shape[1] == 6 else x)
        for number in range(len(self.layers)):
            state = self.advance(state, number)
        return state

    def start(self, x: Tensor) -> Tensor:
        """int64 `[..., 3, T]` -> state `[..., T, D + 1]`."""
        ids, mask, types = x.unbind(-2)
        return torch.cat([self.embeddings(ids) + self.types(types), mask.unsqueeze(-1).float()], -1)

    def advance(self, state: Tensor, number: int) -> Tensor:
        """One layer on a state `[..., T, D + 1]`."""
        flat = state.flatten(0, -3)
        hidden = self.layers[number](flat[..., :-1], flat[..., -1])
        return torch.cat([hidden, flat[..., -1:]], -1).reshape(state.shape)


class _Part(nn.Module):
    """A stretch of the network, from one cut to another."""

    def __init__(self, network: _Network, start: int, stop: int, channels: int) -> None:
        super().__init__()
        self._whole = (network,)  # in a tuple: its layers are registered below, one by one
        self._start, self._stop, self._channels = start, stop, channels
        if start == 0 < stop:
            self.embeddings, self.types = network.embeddings, network.types
        self.layers = nn.ModuleList(network.layers[max(0, start - 1) : max(0, stop - 1)])
        self.training = network.training

    def forward(self, x: Tensor) -> Tensor:
        for number in range(self._start, self._stop):
            if number == 0:
                x = self._whole[0].start(x.reshape(len(x), -1, 3, x.shape[-1]) if self._channels == 6 else x)
            else:
                x = self._whole[0].advance(x, number - 1)
        return x


class TinyTextBackbone:
    """A `Backbone` of a few thousand weights: cuts "input", "embeddings", "layer.1", "layer.2".

    Its weights are random and depend on `seed` only. It reads the words of `sentence`, and nothing else.
    """

    LAYERS, WIDTH = 2, 16

    def __init__(
        self, seed: int = 0, *, pairs: str = JOINT, pooling: str = "mean", name: str = "tiny"
    ) -> None:
        self.seed = seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module: Any = _Network(len(WORDS) + 1, self.WIDTH, self.LAYERS).eval()
        self.words: Any = self.module.embeddings
        self.classifier: Any | None = None
        self.source = Source(
            spec=f"fake/{name}",
            name=name if pairs == JOINT else f"{name} apart",
            modality="text",
            architecture={"library": "fake", "arch": "tiny", "kwargs": {}},
            input=contract(pairs, pooling=pooling),
            parameters=sum(p.numel() for p in self.module.parameters()),
            local=True,
        )
        pieces = ("embeddings", *(f"layer.{number + 1}" for number in range(self.LAYERS)))
        self.cuts: tuple[str, ...] = ("input", *pieces)
        self.stages: tuple[Stage, ...] = tuple(Stage(piece, piece, self.WIDTH, 1) for piece in pieces)
        self.embedding = Tap(self.stages[-1].name, pooling)

    @property
    def digest(self) -> str:
        return digest_of(self.module)

    def full(self, x: Tensor) -> Tensor:
        embedding: Tensor = self.module(x)
        return embedding

    def trunk(self, cut: str) -> nn.Module:
        return _Part(self.module, 0, index(self.cuts, cut), text_input(self.source).channels)

    def tail(self, cut: str) -> nn.Module:
        return _Part(self.module, index(self.cuts, cut), len(self.cuts) - 1, text_input(self.source).channels)

    def states(self, x: Tensor, cuts: tuple[str, ...]) -> dict[str, Tensor]:
        return {cut: self.trunk(cut)(x) for cut in cuts}

    def pool(self, state: Tensor, tap: Tap) -> Tensor:
        steps = self.dense(state, tap.stage)
        if text_input(self.source).pairs == APART:
            return compared(*(pooled(side, str(tap.grid), str(tap)) for side in sides(steps)))
        return pooled(steps, str(tap.grid), str(tap))

    def dense(self, state: Tensor, stage: str) -> Dense:
        index([one.name for one in self.stages], stage)
        return Dense(state[..., :-1], state[..., -1] > 0)

    def width(self, tap: Tap) -> int:
        del tap
        return self.WIDTH * (3 if text_input(self.source).pairs == APART else 1)

    def taps(self) -> tuple[Tap, ...]:
        return tuple(Tap(stage.name, pooling) for stage in self.stages for pooling in POOLINGS[:3])

    def normalise(self, prepared: Tensor) -> Tensor:
        return prepared.long()

    def example(self, batch: int) -> np.ndarray:
        return np.ones((batch, text_input(self.source).channels, 8), dtype=np.int32)

    def fresh(self, seed: int) -> TinyTextBackbone:
        return self._like(10_000 + seed)

    def copy(self) -> TinyTextBackbone:
        twin = self._like(self.seed)
        twin.module.load_state_dict(self.module.state_dict())
        return twin

    def _like(self, seed: int) -> TinyTextBackbone:
        name = self.source.name.removesuffix(" apart")
        return TinyTextBackbone(
            seed, pairs=text_input(self.source).pairs, pooling=text_input(self.source).pooling, name=name
        )


def texts_of(dataset: Dataset) -> Sequence[str]:
    """The texts of a data set of `TextItem`s, the first of each pair."""
    return [item.text for item in dataset.items if isinstance(item, TextItem)]
