"""The contract of a kind of task: everything that differs between classification, regression, ...

A network's head gives `z` `[B, K]`. `logits = z * scale + offset` (a standardised regression target
is undone there; for the other kinds scale is 1 and offset 0) and `predictions = activate(logits)`:
probabilities, or the value itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from headstart.core.task import Task


@dataclass(frozen=True)
class Linear:
    """A fitted linear model on raw (not z-scored) features: `logits = X @ weight.T + bias`."""

    weight: np.ndarray = field(repr=False)
    """float64 `[K, D]`"""
    bias: np.ndarray = field(repr=False)
    """float64 `[K]`"""
    penalty: float
    """The chosen C of logistic regression; lambda where it is `ridge` regression."""
    ridge: bool = False

    def logits(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight.T + self.bias


class TaskMethods(Protocol):
    """One kind of task. Stateless; one file in this room each."""

    kind: str

    def make_task(self, labels: Sequence[str]) -> Task:
        """A `Task` of this kind with its default metric."""

    def scaling(self, y: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """(offset `[K]`, scale `[K]`) from training targets."""

    def targets(self, y: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Dataset targets -> what `loss` takes (int64 classes, float32 `[N, C]` or `[N, 1]`)."""

    def loss(self, z: Any, targets: Any, *, smoothing: float = 0.0) -> Any:
        """Tensor `[B]`: loss of each item, from `z` and `targets`."""

    def activate(self, logits: np.ndarray) -> np.ndarray:
        """Logits -> probabilities or values, same shape."""

    def activate_tensor(self, logits: Any) -> Any:
        """The same on tensors (it becomes part of the exported graph)."""

    def decode(self, task: Task, predictions: np.ndarray) -> list[Any]:
        """Predictions `[N, K]` -> a label, a list of labels, or a number for each row."""

    def per_item(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray | None:
        """float64 `[N]`: each item's share of the headline metric, higher is better, such that its
        mean is the metric (its negative where lower is better). None where no such share exists."""

    def resampled(self, y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """float64 `[B]`: the headline metric under each row of item weights `[B, N]`, higher is
        better (its negative where lower is better): what a bootstrap computes again and again."""

    def headline(self, y: np.ndarray, predictions: np.ndarray) -> float:
        """The headline metric, in its natural direction."""

    def metrics(
        self, task: Task, y: np.ndarray, predictions: np.ndarray, each: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, float]:
        """All metrics a user of this kind of task expects, by name. `each` stands in for `over_labels`."""

    def over_labels(self, y: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
        """By metric that is a mean over labels: float64 `[K]`, what each label has (`[1]` where it is of one
        alone), NaN for a label that does not count."""

    def constant(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """float64 `[K]`: logits of the best constant prediction (class priors; median)."""

    def fit_linear(
        self,
        features: np.ndarray,
        y: np.ndarray,
        *,
        outputs: int,
        groups: np.ndarray | None = None,
        penalties: Sequence[float] | None = None,
        seed: int = 0,
    ) -> Linear:
        """The linear probe: z-scored inside, penalty by grouped cross-validation on log-loss (or
        squared error) unless a single one is given, z-scoring folded into the result."""
