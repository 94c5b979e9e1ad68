"""What kind of shift the measurements together are the mark of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from headstart.measure.shift.bbsd import LEVEL, Bbsd
from headstart.measure.shift.label_shift import LabelShift
from headstart.measure.shift.mmd import Mmd
from headstart.measure.shift.separation import MODERATE, STRONG, Separation

Kind = Literal["none", "covariate", "label", "both", "concept"]
LOST = 0.5
"""Share of the score above chance that may be lost on the way to the target and back."""


@dataclass(frozen=True)
class Signature:
    """The kind of shift, and what it is told by."""

    kind: Kind
    reason: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Circle:
    """Circular validation (Bruzzone and Marconcini, PAMI 2010): a model of the source labels the target, a
    model of these labels answers for the source."""

    back: float
    """Balanced accuracy on the source of the model that learnt from the target's pseudo-labels."""
    source: float
    """Balanced held-out accuracy of a model of the source itself."""
    chance: float
    """Of guessing: 1 / classes."""

    @property
    def broken(self) -> bool:
        """Whether more than `LOST` of what is above chance does not come back."""
        return self.source > self.chance and self.back - self.chance < LOST * (self.source - self.chance)


def signature(
    auc: Separation,
    *,
    mmd: Mmd | None = None,
    bbsd: Bbsd | None = None,
    label_shift: LabelShift | None = None,
    reweighted: Separation | None = None,
    circle: Circle | None = None,
    amounts: str = "",
) -> Signature:
    """The kind: "none", "covariate" (items look different), "label" (classes are not as frequent), "both", or
    "concept" (what is known of the source does not hold in the target).

    `reweighted` is the AUC with the source's classes as frequent as the target's: when it falls to chance,
    classes alone make the difference. Without answers of a model (`bbsd`, `label_shift`) items are all that
    is looked at. `amounts` says which class has moved where items show several (`Amounts.told`).
    """
    answers = bbsd is None or bbsd.rejects
    if amounts and answers:
        held = f"{_said(auc)}, and {amounts}"
        if auc.told and auc.value > STRONG:
            held += ", which cannot be relied on while items look so different"
        return Signature("both" if auc.told else "label", held)
    labels = label_shift is not None and label_shift.told and answers
    items = auc if reweighted is None or not labels else reweighted
    said = _said(auc)
    if items.told and circle is not None and circle.broken:
        reason = (
            f"{said}, and a model taught with its own answers on the target scores {circle.back:.2f} on "
            f"the source instead of {circle.source:.2f} (balanced accuracy): what it knows "
            "does not carry over"
        )
        return Signature("concept", reason)
    if labels:
        assert label_shift is not None
        moved = f"an estimated {label_shift.total_variation:.0%} of the items are of other classes"
        if not items.told:
            how = "" if items is auc else f", and {_said(items)} once classes are weighted alike"
            return Signature("label", f"{moved}{how if auc.told else f', and {said}'}")
        still = "" if items is auc else f", AUC {items.value:.2f} with classes weighted alike"
        if items.value > STRONG:
            moved = (
                f"answers would put {label_shift.total_variation:.0%} of the items into other classes, which "
                "cannot be relied on while items look so different"
            )
        return Signature("both", f"{said}{still}, and {moved}")
    if auc.told:
        same = "" if label_shift is None else ", while classes are about as frequent"
        return Signature("covariate", f"{said}{same}")
    seen = []
    if mmd is not None and mmd.p_value < LEVEL:
        seen.append(f"their distributions differ (MMD, p = {mmd.p_value:.2g})")
    if bbsd is not None and bbsd.rejects:
        seen.append(f"the model answers differently (BBSD, p = {bbsd.p_value:.2g})")
    more = f"; {' and '.join(seen)}, too little to act on" if seen else ""
    return Signature("none", f"{said}{more}")


def _said(auc: Separation) -> str:
    found = f"AUC {auc.value:.2f}, {auc.low:.2f} to {auc.high:.2f}"
    if auc.low <= 0.5:
        return f"items are not told apart ({found})"
    if auc.value < MODERATE:
        return f"items are hardly told apart ({found})"
    return f"items are told apart ({found})"
