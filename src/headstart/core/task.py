"""Task: what is to be predicted, and by which number it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CLASSIFICATION = "classification"
MULTILABEL = "multilabel"
REGRESSION = "regression"


@dataclass(frozen=True)
class Task:
    """A kind of prediction over a fixed label space.

    `kind` names a room of `headstart.tasks`. Labels are numbered in the order of `labels`:
    the target array of a data set is int64 `[N]` (classification, -1 = no label),
    float32 `[N, C]` of 0/1 (multi-label, a row of NaN = no label) or float64 `[N]`
    (regression, NaN = no label).
    """

    kind: str
    labels: tuple[str, ...]
    """Class names in the order of their numbers; for regression the name of the one target."""
    metric: str
    """Headline metric: "accuracy", "mAP" or "MAE" by default."""
    higher_is_better: bool = True

    @property
    def outputs(self) -> int:
        """Width of a model's output: classes, labels, or 1."""
        return len(self.labels)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        return cls(
            kind=str(data["kind"]),
            labels=tuple(map(str, data["labels"])),
            metric=str(data["metric"]),
            higher_is_better=bool(data["higher_is_better"]),
        )
