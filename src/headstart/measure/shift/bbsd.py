"""Black-box shift detection: whether a model answers differently (Rabanser, Günnemann and Lipton, "Failing
loudly", NeurIPS 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

LEVEL = 0.05


@dataclass(frozen=True)
class Bbsd:
    """One Kolmogorov-Smirnov test for each output."""

    statistics: tuple[float, ...]
    """Of each output: the largest gap between the two distributions, 0 to 1."""
    p_values: tuple[float, ...]
    """Of each output, as they are."""
    p_value: float
    """The smallest, times the number of tests (Bonferroni)."""

    @property
    def rejects(self) -> bool:
        """Whether the answers differ, at `LEVEL`."""
        return self.p_value < LEVEL

    def to_json(self) -> dict[str, Any]:
        return {
            "p_value": self.p_value,
            "rejects": self.rejects,
            "statistics": list(self.statistics),
            "p_values": list(self.p_values),
        }


def bbsd(ps: np.ndarray, pt: np.ndarray) -> Bbsd:
    """The test of a model's answers, held-out ones `ps` `[S, C]` and `pt` `[T, C]`, column by column.

    Two columns of probabilities that add up to 1 are one test. Raises `ValueError` where a domain is empty.
    """
    from scipy.stats import ks_2samp

    if not len(ps) or not len(pt):
        raise ValueError(f"{len(ps)} answers of the source and {len(pt)} of the target")
    ps, pt = (np.asarray(p, np.float64).reshape(len(p), -1) for p in (ps, pt))
    found = [ks_2samp(ps[:, c], pt[:, c], method="asymp") for c in range(ps.shape[1])]
    p_values = tuple(float(one.pvalue) for one in found)
    alike = len(found) == 2 and all(np.allclose(p.sum(axis=1), 1, atol=1e-4) for p in (ps, pt))
    tests = 1 if alike else len(found)
    return Bbsd(tuple(float(one.statistic) for one in found), p_values, min(1.0, tests * min(p_values)))
