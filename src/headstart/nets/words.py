"""A linear model on weighted words: TF-IDF of the entries that a text's encoder knows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from headstart.core.task import Task
from headstart.nets.base import Block, Net, Parts, Recipe

OVERLAP = 3
"""Features of a pair besides its words: entries in common, as a share of all, the first's, the second's."""


class Words(Net):
    """Sublinear counts times idf, rows of length 1, then a linear head.

    Of pairs, tokens of type 1 (the second text's) are features of their own, and `OVERLAP` more are added.
    """

    def __init__(self, task: Task, parts: Parts, *, pairs: bool) -> None:
        super().__init__(task, parts)
        self.pairs = pairs
        self.words = Block(idf=parts.take("words.idf", (None,)))
        self.entries = len(self.words.get_buffer("idf"))
        width = 2 * self.entries + OVERLAP if pairs else self.entries
        self.head = parts.linear("head", width, task.outputs)

    def raw(self, prepared: Tensor) -> Tensor:
        ids, mask, types = prepared.long().unbind(1)  # [B, T] each
        if self.pairs:
            one, two = (self._counts(ids, mask * (types == side)) for side in (0, 1))
            features = torch.cat([self._weighted(one), self._weighted(two), overlap(one, two)], 1)
        else:
            features = self._weighted(self._counts(ids, mask))  # [B, V]
        z: Tensor = self.head(features)
        return z

    def _counts(self, ids: Tensor, mask: Tensor) -> Tensor:
        """float32 `[B, V]`: how often each entry occurs; number 0 is no entry."""
        counts = torch.zeros((ids.shape[0], self.entries + 1), device=ids.device)
        return counts.scatter_add(1, ids, mask.float())[:, 1:]

    def _weighted(self, counts: Tensor) -> Tensor:
        tf = torch.where(counts > 0, 1.0 + counts.clamp(min=1.0).log(), torch.zeros_like(counts))
        return functional.normalize(tf * self.words.get_buffer("idf"), dim=1)


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """`[B, V]` counts of both texts -> `[B, 3]`."""
    one, two = (first > 0).float(), (second > 0).float()
    common, a, b = (one * two).sum(1), one.sum(1), two.sum(1)
    return torch.stack([common / part.clamp(min=1.0) for part in (a + b - common, a, b)], 1)


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    recipe.only("pairs")
    if recipe.input.max_length is None:
        raise recipe.error("reads texts, but its inputs are images")
    if not isinstance(recipe.net.get("pairs"), bool):
        raise recipe.error('has a recipe without a usable "pairs"')
    return Words(recipe.task, recipe.parts, pairs=recipe.net["pairs"])
