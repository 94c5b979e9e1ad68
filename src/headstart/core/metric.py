"""Metric: a number by which predictions are judged, and how it is read. `headstart.tasks` computes it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Metric:
    """One metric."""

    name: str
    higher_is_better: bool = True
    low: float = 0.0
    high: float = inf
    percent: bool = False
    """Whether it is a fraction that is shown in percent, and its gains in points."""
    probabilities: bool = False
    """Whether it judges probabilities: beyond four places there is nothing to see."""
    overstated: bool = False
    """Whether resamples make it larger: twice the same item in a bin is twice the same error."""

    @property
    def range(self) -> tuple[float, float]:
        """The least and the most that it can be."""
        return self.low, self.high


def _fraction(name: str) -> Metric:
    return Metric(name, high=1.0, percent=True)


_ALL = (
    *map(_fraction, ("accuracy", "balanced accuracy", "top-5 accuracy", "mAP", "F1", "micro F1", "macro F1")),
    *map(_fraction, ("AUROC", "LRAP", "mIoU", "Dice", "boundary F", "pixel accuracy")),
    *map(_fraction, ("mAP50:95", "mAP50", "AP small", "AP medium", "AP large")),
    *map(_fraction, ("chrF", "BLEU", "ROUGE-1", "ROUGE-2", "ROUGE-L", "exact_match")),
    *(Metric(name, higher_is_better=False, percent=True) for name in ("WER", "CER")),
    Metric("repetition", higher_is_better=False, high=1.0, percent=True),
    Metric("log loss", higher_is_better=False, probabilities=True),
    Metric("Brier", higher_is_better=False, high=1.0, probabilities=True),
    Metric("ECE", higher_is_better=False, high=1.0, probabilities=True, overstated=True),
    Metric("MAE", higher_is_better=False),
    Metric("RMSE", higher_is_better=False),
    Metric("R2", low=-inf, high=1.0),
)
METRICS = {one.name: one for one in _ALL}


def named(name: str) -> Metric:
    """The metric of that name; of one of another package's task what is safe to say."""
    return METRICS.get(name) or Metric(name, low=-inf)
