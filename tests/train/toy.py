"""A toy problem: two noisy clouds and a small network with a BatchNorm and dropout."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from headstart.train.batches import Batches
from headstart.train.groups import parameter_groups
from headstart.train.loop import Outcome, Watch, train
from headstart.train.recipe import Recipe

N, D = 120, 6


def arrays(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(N) % 2
    x = rng.normal(size=(N, D)) + 1.5 * y[:, None]
    return x.astype(np.float32), y.astype(np.int64)


def batches(size: int = 16, **changes: object) -> Batches:
    x, y = arrays()
    return Batches(**{"views": [x], "rows": np.arange(N), "targets": y, "size": size, "seed": 3, **changes})


class Net(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(D, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def net(seed: int = 1, dropout: float = 0.0) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Net(dropout)


def loss(z: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(z, targets, reduction="none", label_smoothing=0.1)


def run(
    model: Net, recipe: Recipe, data: Batches | None = None, watch: Watch | None = None, **more
) -> Outcome:
    groups = parameter_groups(model.body, model.head, recipe)
    watch = watch or Watch()
    return train(model, data or batches(), recipe, param_groups=groups, loss=loss, watch=watch, **more)
