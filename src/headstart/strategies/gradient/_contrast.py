"""Learning from pairs: the loss over all pairs of a batch, batches that hold pairs, the network they train.

SetFit (Tunstall et al., 2022) encodes two texts for each pair. Here every text of a batch is encoded once and
compared with all others, so that B texts give B (B - 1) / 2 pairs (Khosla et al., NeurIPS 2020).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart import modalities
from headstart.core.backbone import Backbone
from headstart.core.source import Preprocessing
from headstart.strategies.gradient._trainee import Trainee, outputs_of
from headstart.train.batches import Batch, Batches

TEMPERATURE = 0.1
"""Of the similarities. Measured with all-MiniLM-L6-v2 on validation parts, 8 labels a class, 2 draws: at a
rate of 5e-5 this gains as much in 40 steps as squared errors of similarities at 2e-5 in 120 (TREC 0.77 and
0.78; the frozen probe 0.58). At 64 a class cross-entropy from the probe's head is no better (TREC 0.86; this
0.87)."""
OF_TWO = 0.3
"""The same with two classes: half of a batch is alike, and a sharp comparison hears only the nearest of it.
Measured on validation parts, 64 labels a class: CR 0.835 and 0.818 at 0.1 (3 draws), five other problems of
two classes +0.003 (2 draws each); with more classes 0.1 is as good or better (TREC and AG News -0.007)."""


def temperature_of(classes: int) -> float:
    """The temperature of the comparison for so many classes."""
    return OF_TWO if classes == 2 else TEMPERATURE


def pair_loss(z: Tensor, labels: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """Loss of each text `[B]` from embeddings `[B, D]` and class numbers `[B]`: supervised contrastive.

    Of text i, with similarities s = cos / temperature: the mean over the others of its class of
    `log(sum over all others of exp s) - s`. Texts without another of their class have loss 0, and the others
    are weighted so that the mean over the batch is the mean over them.
    """
    unit = nn.functional.normalize(z, dim=1)
    similar = unit @ unit.T / temperature  # [B, B]
    own = torch.eye(len(z), dtype=torch.bool, device=z.device)
    log_share = similar - similar.masked_fill(own, -torch.inf).logsumexp(1, keepdim=True)
    alike = ((labels[:, None] == labels[None, :]) & ~own).float()
    partners = alike.sum(1)
    losses = -(log_share * alike).sum(1) / partners.clamp(min=1)
    counted = (partners > 0).float()
    return losses * counted * len(z) / counted.sum().clamp(min=1)


class Embedder(Trainee):
    """Prepared texts int32 `[B, C, T]` -> the source's embedding `[B, D]`, from the first layer on.

    Token embeddings stay as they are: few texts hold few of them, and those would move away from their
    neighbours.
    """

    def __init__(self, backbone: Backbone, *, quick: bool = True) -> None:
        super().__init__(backbone, backbone.cuts[0], 1, quick=quick)
        self.head = nn.Identity()  # type: ignore[assignment]
        self.body.requires_grad_(True)
        if len(backbone.stages) > 1:
            backbone.trunk(backbone.stages[0].cut).requires_grad_(False)


class Tokens:
    """`Rows` of prepared texts, int32 `[len(index), C, t]`, made when they are asked for."""

    def __init__(self, items: Any, contract: Preprocessing) -> None:
        self._items, self._contract = items, contract
        entry, self._room = contract.signature(), modalities.get(contract.modality)
        self.shape: tuple[int, ...] = (len(items), *entry.at(entry.longest))
        self.dtype: np.dtype[Any] = np.dtype(entry.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        return self._room.collate(
            [self._room.prepare(self._items[row].read(), self._contract) for row in index]
        )


@dataclass(frozen=True)
class PairBatches(Batches):
    """Batches with several texts of each class that is in them, the classes taking turns.

    Rare classes are seen as often as common ones. `targets` are class numbers `[n]`. An "epoch" is a round of
    `round` steps: with all classes in every batch there is no other end.
    """

    round: int = 8
    places: tuple[np.ndarray, ...] = field(default=(), repr=False)
    """Positions in `rows` of each class's texts."""

    @classmethod
    def of(
        cls, view: Tokens, rows: np.ndarray, labels: np.ndarray, *, size: int, seed: int, steps: int
    ) -> PairBatches:
        """Batches of about `size` of the rows, whose class numbers are `labels`, in rounds of `steps`."""
        places = tuple(np.flatnonzero(labels == c) for c in np.unique(labels))
        return cls((view,), rows, labels, size, seed, round=steps, places=places)

    @property
    def per_epoch(self) -> int:
        """Steps in a round."""
        return self.round

    @property
    def smallest(self) -> int:
        """Items in a batch."""
        return min(self.size, len(self.rows))

    def members(self, step: int) -> np.ndarray:
        """int64: positions in `rows` of the texts of a step: all of them where they fit."""
        if len(self.rows) <= self.size:
            return np.arange(len(self.rows))
        rng = np.random.default_rng([self.seed, step])
        each = max(2, self.size // len(self.places))
        turn = rng.permutation(len(self.places))[: max(2, self.size // each)]
        taken = [rng.permutation(self.places[c])[:each] for c in turn]
        return np.sort(np.concatenate(taken))

    def read(self, step: int) -> Batch:
        members = self.members(step)
        rows = self.rows[members]
        inputs = torch.from_numpy(self.views[0][rows])
        return Batch(inputs, torch.from_numpy(self.targets[members]), rows, step // self.per_epoch)


def pairs_in(batches: PairBatches, steps: int) -> int:
    """Pairs of texts that so many steps compare."""
    sizes = [len(batches.members(step)) for step in range(min(steps, batches.round))]
    return round(steps * float(np.mean([n * (n - 1) / 2 for n in sizes]))) if sizes else 0


def embed(net: nn.Module, view: Tokens, rows: np.ndarray) -> np.ndarray:
    """float64 `[len(rows), D]`: embeddings of rows, in full precision."""
    return outputs_of(net, view, rows, unvaried=lambda inputs: inputs, batch=128)
