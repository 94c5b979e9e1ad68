"""How accurate a model may be at best where nobody has labelled.

ATC: Garg et al., "Leveraging unlabeled data to predict out-of-distribution performance", ICLR 2022. DoC:
Guillory et al., "Predicting with confidence on unseen distributions", ICCV 2021. Under a strong shift a model
is sure of what it gets wrong: then both are far too high, and nothing is said.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headstart.measure.shift.label_shift import calibrated
from headstart.measure.shift.separation import STRONG


@dataclass(frozen=True)
class AccuracyBound:
    """What the accuracy on the target does not exceed, if the model's confidence can be believed."""

    value: float | None
    """The higher of both estimates; None: withheld."""
    atc: float | None
    doc: float | None
    source: float
    """Accuracy on the held-out source rows."""
    reason: str = ""
    """Why it is withheld."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def accuracy_on_target(
    p_val: np.ndarray, y_val: np.ndarray, p_target: np.ndarray, *, auc: float
) -> AccuracyBound:
    """An upper bound from held-out probabilities `p_val` `[S, C]`, labels int64 `[S]`, and `p_target` `[T,
    C]`.

    `auc` is that of `domain_auc`: above `STRONG` nothing is said. Confidence is the negative entropy of
    calibrated probabilities (ATC) and the highest of them (DoC).
    """
    wrong = int((p_val.argmax(axis=1) != y_val).sum())
    source = 1 - wrong / len(y_val)
    if auc > STRONG:
        why = f"the domains are told apart with AUC {auc:.2f}, and above {STRONG} confidence misleads"
        return AccuracyBound(None, None, None, source, why)
    calibration = calibrated(p_val, y_val)
    own, theirs = calibration(p_val), calibration(p_target)
    sure_s, sure_t = _certainty(own), _certainty(theirs)
    # as many source rows lie below it as are wrong
    threshold = np.sort(sure_s)[wrong] if wrong < len(sure_s) else np.inf
    atc = float((sure_t >= threshold).mean()) if wrong else 1.0
    doc = float(np.clip(source - (own.max(axis=1).mean() - theirs.max(axis=1).mean()), 0, 1))
    return AccuracyBound(max(atc, doc), atc, doc, source)


def _certainty(p: np.ndarray) -> np.ndarray:
    """float64 `[N]`: negative entropy in nats."""
    return np.asarray((p * np.log(np.maximum(p, 1e-12))).sum(axis=1))
