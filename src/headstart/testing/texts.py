"""Small stand-ins for texts made from a seed: sentences that tell their class, a tiny encoder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.dataset import Dataset, TextItem
from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.core.task import CLASSIFICATION, MULTILABEL, REGRESSION, Task
from headstart.errors import UnknownName
from headstart.modalities.text.encoding.words import WHOLE, WordEncoder
from headstart.modalities.text.preprocessing import JOINT, POOLINGS, TextPreprocessing
from headstart.sources.layers.backbone import LayeredBackbone
from headstart.sources.layers.parts import Layers
from headstart.sources.text.networks.network import TextNetwork
from headstart.testing.fakes import digest_of

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

    def start(self, x: Tensor) -> Tensor:
        """int64 `[B, C, T]` -> state `[B, T, D + 1]`, of two texts apart `[B, 2, T, D + 1]`."""
        ids, mask, types = (x.unflatten(1, (2, 3)) if x.shape[1] == 6 else x).unbind(-2)
        return torch.cat([self.embeddings(ids) + self.types(types), mask.unsqueeze(-1).float()], -1)

    def advance(self, state: Tensor, number: int) -> Tensor:
        """One layer on a state `[..., T, D + 1]`."""
        flat = state.flatten(0, -3)
        hidden = self.layers[number](flat[..., :-1], flat[..., -1])
        return torch.cat([hidden, flat[..., -1:]], -1).reshape(state.shape)


class _Plan(Layers):
    def states(self, network: Any, x: Tensor, start: int, cuts: tuple[int, ...]) -> list[Tensor]:
        found = {}
        for piece in range(start, max(cuts)):
            x = found[piece + 1] = network.advance(x, piece - 1) if piece else network.start(x)
        return [found[cut] for cut in cuts]


class TinyTextBackbone(TextNetwork, LayeredBackbone):
    """A `Backbone` of a few thousand weights: cuts "input", "embeddings", "layer.1", "layer.2".

    Its weights are random and depend on `seed` only. It reads the words of `sentence`, and nothing else.
    """

    LAYERS, WIDTH = 2, 16

    def __init__(
        self,
        seed: int = 0,
        *,
        pairs: str = JOINT,
        pooling: str = "mean",
        name: str = "tiny",
        network: _Network | None = None,
    ) -> None:
        self.seed, self.contract = seed, contract(pairs, pooling=pooling)
        if network is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = self._made()
        source = Source(
            spec=f"fake/{name}",
            name=name if pairs == JOINT else f"{name} apart",
            modality="text",
            architecture={"library": "fake", "arch": "tiny", "kwargs": {}},
            input=self.contract,
            parameters=sum(p.numel() for p in network.parameters()),
            local=True,
        )
        plan = _Plan("layers", self.LAYERS, self.WIDTH, (), half=True)
        super().__init__(network, source, plan, rebuild=self._made)
        self.words: Any = network.embeddings

    @property
    def digest(self) -> str:  # type: ignore[override] # of the weights as they are now
        return digest_of(self.module)

    def taps(self) -> tuple[Tap, ...]:
        return tuple(Tap(stage.name, pooling) for stage in self.stages for pooling in POOLINGS[:3])

    def example(self, batch: int) -> np.ndarray:
        return np.ones((batch, self.contract.channels, 8), dtype=np.int32)

    def _made(self) -> _Network:
        return _Network(len(WORDS) + 1, self.WIDTH, self.LAYERS).eval()

    def fresh(self, seed: int) -> TinyTextBackbone:
        return super().fresh(10_000 + seed)

    def copy(self) -> TinyTextBackbone:
        return self._around(copy.deepcopy(self._network), self.source)

    def _around(self, network: Any, source: Source) -> TinyTextBackbone:
        name, said = source.name.removesuffix(" apart"), self.contract
        return TinyTextBackbone(self.seed, pairs=said.pairs, pooling=said.pooling, name=name, network=network)


def texts_of(dataset: Dataset) -> Sequence[str]:
    """The texts of a data set of `TextItem`s, the first of each pair."""
    return [item.text for item in dataset.items if isinstance(item, TextItem)]
