"""Words that are hidden and must be guessed: what an encoder learns from texts without labels.

Masked language modelling as in BERT (Devlin et al., NAACL 2019): 15 % of the tokens are asked for; of those
80 % are hidden, 10 % replaced by another token, 10 % left as they are. Going on with it on texts of one's own
is task-adaptive pretraining (Gururangan et al., ACL 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.backbone import Backbone
from headstart.core.masked import of_inputs
from headstart.train.batches import Batch, Batches
from headstart.train.device import reproducible
from headstart.train.engines import quick_on_cpu
from headstart.train.trim import trimmed

ASKED, HIDDEN, REPLACED = 0.15, 0.8, 0.1
"""Share of the tokens asked for; of these, the shares hidden and replaced."""


@dataclass(frozen=True)
class Vocabulary:
    """The numbers of a source's tokens."""

    size: int
    mask: int
    """Stands for a hidden token."""
    special: frozenset[int]
    """Never asked for: those that begin, end and part texts."""


def hide(
    tokens: np.ndarray, vocabulary: Vocabulary, rng: np.random.Generator, *, every: bool = False
) -> np.ndarray:
    """Prepared texts int32 `[B, 3, T]` -> `[B, 4, T]`: some tokens hidden; the last row has those asked for,
    plus 1, and 0 elsewhere. With `every`, a text of which none is asked for by chance is asked for one."""
    ids, mask = tokens[:, 0], tokens[:, 1] > 0
    ordinary = mask & ~np.isin(ids, list(vocabulary.special))
    drawn = rng.random(ids.shape)
    asked = ordinary & (drawn < ASKED)
    if every:
        rows, least = np.arange(len(ids)), np.where(ordinary, drawn, 1.0).argmin(1)
        asked[rows, least] = ordinary[rows, least]
    fate = rng.random(ids.shape)
    others = rng.integers(vocabulary.size, size=ids.shape)
    hidden = np.where(asked & (fate < HIDDEN), vocabulary.mask, ids)
    replaced = asked & (fate >= HIDDEN) & (fate < HIDDEN + REPLACED)
    changed = np.where(replaced, others, hidden)
    made = [changed, tokens[:, 1], tokens[:, 2], np.where(asked, ids + 1, 0)]
    return np.stack(made, axis=1).astype(np.int32)


@dataclass(frozen=True)
class MaskedBatches(Batches):
    """Batches of texts with hidden words; others are hidden in every epoch."""

    vocabulary: Vocabulary = Vocabulary(0, 0, frozenset())

    def read(self, step: int) -> Batch:
        rows = self.rows[self.members(step)]
        made = hide(self.views[0][rows], self.vocabulary, np.random.default_rng([self.seed, step]))
        epoch = step // self.per_epoch
        return Batch(torch.from_numpy(made), torch.zeros(len(rows), dtype=torch.int64), rows, epoch)


class Reader(Backbone, Protocol):
    """A backbone that knows the table of its tokens' embeddings; others may be larger, as that of places."""

    @property
    def words(self) -> Any: ...


class Guesser(nn.Module):
    """An encoder, and a head that guesses hidden tokens from its states by their embeddings.

    `[B, 4, T]` as `hide` makes it -> `[B]` such that the mean over the batch is the mean cross-entropy of the
    tokens asked for.
    """

    def __init__(self, backbone: Reader, seed: int) -> None:
        super().__init__()
        self.body = backbone.tail(backbone.cuts[0])
        self.words: nn.Embedding = backbone.words
        width = self.words.embedding_dim
        with reproducible(seed):
            self.dense = nn.Linear(backbone.stages[-1].channels, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(self.words.num_embeddings))
        self._normalise, self._layout = backbone.normalise, of_inputs(backbone.source.input)

    def forward(self, inputs: Tensor) -> Tensor:
        short = trimmed(inputs[:, :3], self._layout)
        wanted = inputs[:, 3, : short.shape[-1]].long()  # [B, T]
        asked = wanted > 0
        with quick_on_cpu(self.training and inputs.device.type == "cpu"):
            hidden = self.body(self._normalise(short))[..., :-1][asked]  # [m, D]
            logits = nn.functional.linear(
                self.norm(nn.functional.gelu(self.dense(hidden))), self.words.weight, self.bias
            )
        losses = nn.functional.cross_entropy(logits.float(), wanted[asked] - 1, reduction="none")  # [m]
        share = torch.zeros(len(inputs), device=losses.device)
        share = share.index_add(0, asked.nonzero()[:, 0], losses)
        return share * len(inputs) / max(1, len(losses))


def held_out_loss(net: Guesser, hidden: list[Tensor]) -> float:
    """Mean cross-entropy of the tokens asked for, over batches that `hide` made."""
    net.eval()
    device = next(net.parameters()).device
    total, count = 0.0, 0
    with torch.inference_mode():
        for batch in hidden:
            asked = int((batch[:, 3] > 0).sum())
            if asked:
                total += float(net(batch.to(device)).mean()) * asked
                count += asked
    return total / max(1, count)
