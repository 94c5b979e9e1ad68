"""The Backbone of word vectors: a text is the weighted mean of its words' vectors.

Smooth inverse frequency (Arora, Liang, Ma: A simple but tough-to-beat baseline for sentence embeddings, ICLR
2017): a word weighs a / (a + p(word)), a = 1e-3, and what all texts have in common is taken away.
Differences: the probabilities are those of Zipf's law by rank, since files of vectors hold no counts; and
the common direction is the first principal one of the vocabulary, each word weighted by p(word) and its
weight, not that of the texts at hand, so that a text's features depend on nothing but the text.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.backbone import Stage
from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.sources.cuts.segments import NeverTrains
from headstart.sources.text.files.vectors import Table
from headstart.sources.text.networks import named
from headstart.sources.text.networks.network import TextNetwork

SMOOTHING = 1e-3
EXAMPLE = 32
"""Words of an example."""
WIDE, CELLS = 1_024, 4_000_000
"""Columns up to which a matrix of columns x columns is decomposed, where one direction is wanted of them, and
numbers that are worked on at once."""


def probabilities(count: int) -> np.ndarray:
    """float64 `[count]`: Zipf's law, the probability of a word falls with its rank."""
    inverse = 1 / np.arange(1, count + 1)
    return np.asarray(inverse / inverse.sum())


def weights(count: int) -> np.ndarray:
    """float64 `[count]`: how much a word counts in the mean."""
    return np.asarray(SMOOTHING / (SMOOTHING + probabilities(count)))


def common_direction(vectors: np.ndarray) -> np.ndarray:
    """float32 `[D]`, of length 1: the first principal direction of weighted vectors `[V, D]`, uncentred."""
    words, width = vectors.shape
    step = max(1, CELLS // max(1, width))
    factors = weights(words) * np.sqrt(probabilities(words))

    def parts() -> Iterator[np.ndarray]:
        for start in range(0, words, step):
            part = slice(start, start + step)
            yield vectors[part].astype(np.float64) * factors[part, None]

    if width <= WIDE:
        moments = np.zeros((width, width))
        for part in parts():
            moments += part.T @ part
        direction = np.linalg.eigh(moments)[1][:, -1]
    else:
        from scipy.sparse.linalg import LinearOperator, eigsh

        def moved(vector: np.ndarray) -> np.ndarray:
            return np.asarray(sum(part.T @ (part @ vector.ravel()) for part in parts()))

        operator = LinearOperator((width, width), matvec=moved, dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(width)
        direction = eigsh(operator, k=1, v0=start)[1][:, 0]
    return np.asarray(direction * np.sign(direction[np.abs(direction).argmax()]), np.float32)


class Vectors(nn.Module):
    """int64 `[..., 3, T]` -> state `[..., T, D + 1]`, see the module. Word 0 is none."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding.from_pretrained(torch.zeros(words + 1, width), freeze=False)
        self.register_buffer("weights", torch.zeros(words + 1))
        self.register_buffer("common", torch.zeros(width))
        self.weights: Tensor
        self.common: Tensor

    @property
    def width(self) -> int:
        """Numbers of a word."""
        return self.vectors.embedding_dim

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] == 6:
            x = x.unflatten(-2, (2, 3))  # [B, 6, T] -> [B, 2, 3, T]
        ids, mask = x[..., 0, :], x[..., 1, :]
        hidden = self.vectors(ids) * self.weights[ids].unsqueeze(-1)
        hidden = hidden - (hidden @ self.common).unsqueeze(-1) * self.common
        return torch.cat([hidden, mask.unsqueeze(-1).to(hidden.dtype)], -1)

    def fill(self, vectors: np.ndarray) -> None:
        """Vectors `[V, D]` of words in order of frequency."""
        nothing = np.zeros((1, vectors.shape[1]), np.float32)
        with torch.no_grad():
            self.vectors.weight.copy_(torch.from_numpy(np.concatenate([nothing, vectors])))
            self.weights.copy_(torch.from_numpy(np.concatenate([[0.0], weights(len(vectors))])))
            self.common.copy_(torch.from_numpy(common_direction(vectors)))


def of_table(table: Table, source: Source) -> WordBackbone:
    """The vectors of a list as a network, its record completed with what the list says."""
    module = Vectors(*table.vectors.shape)
    module.fill(table.vectors)
    found = replace(
        source, architecture=table.architecture, input=table.contract, parameters=int(table.vectors.size)
    )
    return WordBackbone(module, found)


class _Frozen(NeverTrains):
    """The vectors, never trained."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part
        self.train(False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.part(x)
        return found


class WordBackbone(TextNetwork):
    """A `headstart.core.backbone.Backbone` of one layer: the words' vectors."""

    STAGE = "vectors"

    def __init__(self, module: Any, source: Source, *, digest: str | None = None) -> None:
        self.source = source
        self.module: Any = module.eval()
        self.classifier: Any | None = None
        self.cuts: tuple[str, ...] = ("input", self.STAGE)
        self.stages: tuple[Stage, ...] = (Stage(self.STAGE, self.STAGE, module.width, 1),)
        self.embedding = Tap(self.STAGE, self.contract.pooling)
        if digest is not None:
            self.digest = digest

    def trunk(self, cut: str) -> nn.Module:
        """Module: normalised batch -> state at `cut`, without gradients."""
        return nn.Identity().eval() if self.place(cut) == 0 else _Frozen(self.module)

    def tail(self, cut: str) -> nn.Module:
        """Module: state at `cut` -> embedding state; `module` itself, or nothing at all."""
        _ = self.digest  # what follows may train the weights
        found: nn.Module = self.module if self.place(cut) == 0 else nn.Identity().eval()
        return found

    def states(self, x: Tensor, cuts: tuple[str, ...]) -> dict[str, Tensor]:
        return {cut: self.full(x) if self.place(cut) else x for cut in dict.fromkeys(cuts)}

    def taps(self) -> tuple[Tap, ...]:
        """The weighted mean, and the maximum."""
        return Tap(self.STAGE, "mean"), Tap(self.STAGE, "max")

    def example(self, batch: int) -> np.ndarray:
        """int32 `[batch, channels, 32]`: the most frequent word again and again."""
        found = np.ones((batch, self.contract.channels, min(EXAMPLE, self.contract.max_length)), np.int32)
        found[:, 2::3] = 0
        return found

    def fresh(self, seed: int) -> Self:
        """Random vectors as long as the words' own, weighted alike."""
        own = self.module.vectors.weight.detach().cpu().numpy()[1:]
        drawn = np.random.default_rng(seed).normal(size=own.shape).astype(np.float32)
        drawn *= np.linalg.norm(own, axis=1, keepdims=True) / np.sqrt(own.shape[1])
        module = Vectors(*own.shape)
        module.fill(drawn)
        return type(self)(module, replace(self.source, sha256=None))

    def copy(self) -> Self:
        """An independent copy of weights and all, to be trained. It keeps the digest it came from."""
        return type(self)(copy.deepcopy(self.module), self.source, digest=self.digest)

    def apart(self) -> Self:
        """The same, which reads the two texts of a pair apart. Nothing is copied."""
        return type(self)(self.module, named.apart(self.source), digest=self.digest)
