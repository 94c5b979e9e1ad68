"""Task: what is to be predicted, and by which number it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

CLASSIFICATION = "classification"
MULTILABEL = "multilabel"
REGRESSION = "regression"
SEGMENTATION = "segmentation"
DETECTION = "detection"
TRANSLATE = "translate"

Cell = str | float | int
"""Of a table."""

LABEL_TYPES: dict[str, Callable[[str], Any]] = {
    "text": str,
    "int": int,
    "float": float,
    "bool": {"false": False, "true": True}.__getitem__,
}
"""Type in which labels were given -> from the name of a label to the label as it was given."""


@dataclass(frozen=True)
class Task:
    """A kind of prediction over a fixed label space.

    `kind` names a room of `headstart.tasks`. Labels are numbered in the order of `labels`:
    the targets of a data set are int64 `[N]` (classification), float32 `[N, C]` of 0/1 (multi-label) or
    float64 `[N]` (regression); how a missing label is written says `core.targets`.
    """

    kind: str
    labels: tuple[str, ...]
    """Class names in the order of their numbers; for regression the name of the one target."""
    metric: str
    """Headline metric: "accuracy", "mAP" or "MAE" by default."""
    higher_is_better: bool = True
    label_type: str = "text"
    """In which type the labels were given, and answers come: a name in `LABEL_TYPES`."""

    @cached_property
    def values(self) -> tuple[Any, ...]:
        """The labels in the type in which they were given: 0 and 1 where their names are "0" and "1"."""
        return tuple(map(LABEL_TYPES[self.label_type], self.labels))

    def typed(self, answer: Any) -> Any:
        """A decoded answer (the name of a label, a list of names, a number) in the type of the labels."""
        if isinstance(answer, list):
            return [self.typed(label) for label in answer]
        return LABEL_TYPES[self.label_type](answer) if isinstance(answer, str) else answer

    @property
    def outputs(self) -> int:
        """Width of a model's output: classes, labels, or 1."""
        return len(self.labels)

    def to_json(self) -> dict[str, Any]:
        said = {**asdict(self), "labels": list(self.labels)}
        if self.label_type == "text":  # what was written before types were kept stays as it is, to the digest
            del said["label_type"]
        return said

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """Raises `KeyError`, `TypeError`, `ValueError` for what is no task."""
        found = cls(
            kind=str(data["kind"]),
            labels=tuple(map(str, data["labels"])),
            metric=str(data["metric"]),
            higher_is_better=bool(data["higher_is_better"]),
            label_type=str(data.get("label_type", "text")),
        )
        _ = found.values  # raises for labels that are not of the type that is told
        return found
