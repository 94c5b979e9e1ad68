from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headstart.measure.shift.bbsd import Bbsd
from headstart.measure.shift.label_shift import LabelShift
from headstart.measure.shift.mmd import Mmd
from headstart.measure.shift.separation import Separation
from headstart.measure.shift.signature import Circle, signature

ONE = np.array([0.5, 0.5])


def apart(value: float) -> Separation:
    return Separation(value, value - 0.05, min(1.0, value + 0.05), np.zeros(4), 0.0, 100)


SAME, FAR = apart(0.51), apart(0.9)
REJECTS, ACCEPTS = Bbsd((0.4,), (0.001,), 0.001), Bbsd((0.1,), (0.5,), 0.5)
MOVED = LabelShift(np.array([0.8, 0.2]), ONE, ONE, ONE, 0.3, 0.2, 0.4, "calibrated MLLS", 2.0)
STAYED = replace(MOVED, prior=ONE, total_variation=0.02, tv_low=0.0, tv_high=0.1)


@pytest.mark.parametrize(
    ("auc", "answers", "kind"),
    [
        (SAME, {}, "none"),
        (apart(0.57), {}, "none"),
        (FAR, {}, "covariate"),
        (FAR, {"bbsd": REJECTS, "label_shift": STAYED}, "covariate"),
        (SAME, {"bbsd": ACCEPTS, "label_shift": MOVED}, "none"),
        (SAME, {"bbsd": REJECTS, "label_shift": STAYED}, "none"),
        (SAME, {"bbsd": REJECTS, "label_shift": MOVED}, "label"),
        (FAR, {"bbsd": REJECTS, "label_shift": MOVED, "reweighted": SAME}, "label"),
        (FAR, {"bbsd": REJECTS, "label_shift": MOVED}, "both"),
        (FAR, {"bbsd": REJECTS, "label_shift": MOVED, "reweighted": apart(0.8)}, "both"),
        (FAR, {"circle": Circle(0.55, 0.9, 0.5)}, "concept"),
        (FAR, {"circle": Circle(0.8, 0.9, 0.5)}, "covariate"),
        (SAME, {"circle": Circle(0.55, 0.9, 0.5)}, "none"),
    ],
)
def test_the_table(auc: Separation, answers: dict, kind: str) -> None:
    found = signature(auc, **answers)
    assert found.kind == kind
    assert "AUC" in found.reason


def test_what_no_line_tells_is_said() -> None:
    found = signature(SAME, mmd=Mmd(0.1, 0.002, 1.0), bbsd=REJECTS)
    assert found.kind == "none"
    assert "MMD, p = 0.002" in found.reason
    assert "BBSD, p = 0.001" in found.reason
    assert ";" not in signature(SAME, mmd=Mmd(0.0, 0.4, 1.0)).reason


def test_amounts_of_classes_may_move() -> None:
    told = "there is an estimated 3.0 cell an image instead of 6.0"
    assert signature(SAME, bbsd=REJECTS, amounts=told).kind == "label"
    assert signature(FAR, bbsd=REJECTS, amounts=told).kind == "both"
    assert told in signature(SAME, bbsd=REJECTS, amounts=told).reason
    assert signature(SAME, bbsd=ACCEPTS, amounts=told).kind == "none"
    assert signature(FAR, bbsd=REJECTS, amounts="").kind == "covariate"
