"""Evidence: a number that knows where it comes from. Verdict: what the evidence says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Outcome = Literal["helps", "hurts", "no evidence", "not compared"]
DOUBTS = {
    "hurts": "transfer hurts so far",
    "no evidence": "transfer is not shown to help so far",
}
"""Outcomes that ask for an answer, in words."""


@dataclass(frozen=True)
class Cost:
    """What something cost, or will. Forward passes count whole readings of the labelled data."""

    forward_passes: float = 0.0
    seconds: float = 0.0
    peak_bytes: int = 0
    fold: float = 0.0
    """Seconds of the slowest fold (the first, which warms things up, only while there is no other)."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.forward_passes + other.forward_passes,
            self.seconds + other.seconds,
            max(self.peak_bytes, other.peak_bytes),
            max(self.fold, other.fold),
        )


@dataclass(frozen=True)
class Evidence:
    """A measured value with its interval and its circumstances. Values are fractions, not percent."""

    metric: str
    value: float
    low: float
    high: float
    n: int
    """How many it rests on of its `unit`."""
    seed: int
    unit: str = "items"
    """What `n` counts: "items", or "groups" where rows share one."""
    level: float = 0.95
    method: str = ""
    """How the interval was made, in words."""
    data: str = ""
    """Fingerprint of the data set."""
    model: str = ""
    """Fingerprint of the model or name of the arm."""
    cost: Cost = Cost()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evidence:
        return cls(**{**data, "unit": unit_of(data), "cost": Cost(**data["cost"])})


def unit_of(data: Mapping[str, Any]) -> str:
    """What the "n" of stored evidence counts. Older versions only say it in its method, and count items in a
    paired comparison."""
    method = str(data.get("method"))
    return str(data.get("unit") or ("groups" if "groups" in method and "paired" not in method else "items"))


@dataclass(frozen=True)
class Comparison:
    """A paired difference between two arms on the same held-out items."""

    arm: str
    against: str
    gain: Evidence
    """Positive: `arm` is better, whatever the direction of the metric."""
    p_value: float | None = None
    """McNemar mid-p for classification, adjusted for the number of comparisons (Holm); None where it does
    not apply."""
    smallest_visible: float | None = None
    """The smallest true gain that 80 % of such experiments would have seen."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """What may be said about transfer, with the sentence that says it."""

    outcome: Outcome
    sentence: str
    arm: str = ""
    """The best arm that uses a source."""
    comparisons: tuple[Comparison, ...] = ()
    """Against each baseline that was run."""
    missing: tuple[str, ...] = ()
    """Baselines that were not run, each with its reason."""
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return self.sentence

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
