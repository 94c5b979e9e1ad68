"""The guard: each rule by itself stops an adapter, labels overrule all, and the sentence has the numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headstart.planning.adaptation import HARM, Decision, decide, may_train, overridden
from headstart.strategies.adapt.assess import Assessed, Shift

SHIFT = Shift(0.9, 0.85, 0.02, 0.0, (0.5, 0.5), (0.5, 0.5), 0.9, clustered=12.0)
BASE = Assessed(
    "none", circular=0.70, again=(0.7,) * 5, source=0.90, held=500, agreement=(0.5,) * 6, items=400,
    said=(0.5, 0.5), low=(0.4, 0.4), high=(0.6, 0.6), bnm=0.8, im=0.5, snd=1.0,
)  # fmt: skip
GOOD = replace(BASE, adapter="coral", circular=0.80, again=(0.8,) * 5, agreement=(0.58,) * 6)


def test_all_rules_hold() -> None:
    found = decide(SHIFT, [BASE, GOOD])
    assert (found.decision, found.adapter) == ("adapted", "coral")
    assert found.gain == pytest.approx((0.08, 0.08, 0.08))
    assert "0.80" in found.reason
    assert HARM in found.reason


@pytest.mark.parametrize(
    ("rule", "shift", "candidate"),
    [
        ("a", replace(SHIFT, auc=0.55, auc_low=0.5), GOOD),
        ("b", SHIFT, replace(GOOD, circular=0.68)),
        ("f", SHIFT, replace(GOOD, agreement=(0.51,) * 6)),
        ("f", replace(SHIFT, clustered=2.9), GOOD),
        ("g", SHIFT, replace(GOOD, adapter="subspace")),
        ("c", SHIFT, replace(GOOD, said=(0.95, 0.05), low=(0.9, 0.0), high=(1.0, 0.1))),
        ("c", SHIFT, replace(GOOD, said=(0.7, 0.3), low=(0.4, 0.4), high=(0.6, 0.6))),
        ("d", SHIFT, replace(GOOD, source=0.80)),
    ],
)
def test_each_rule_stops_it(rule: str, shift: Shift, candidate: Assessed) -> None:
    found = decide(shift, [BASE, candidate])
    assert (found.decision, found.adapter, found.gain) == ("kept", "none", None)
    assert found.checks is not None
    assert [check.rule for check in found.checks[candidate.adapter] if not check.passed] == [rule]
    assert found.reason.startswith("do not adapt: no evidence that it would help")


def test_halves_that_agree_by_chance_are_no_evidence() -> None:
    """Even where they agree more than without adaptation."""
    base, one = replace(BASE, agreement=(0.02,) * 6), replace(GOOD, agreement=(0.14,) * 6)
    assert "no more than chance (0.15)" in decide(SHIFT, [base, one]).reason
    assert decide(SHIFT, [base, replace(one, agreement=(0.16,) * 6)]).adapter == "coral"


def test_a_lost_class_is_called_by_its_name() -> None:
    lost = replace(GOOD, said=(0.95, 0.05), low=(0.9, 0.0), high=(1.0, 0.1))
    assert (
        "'bee' is all but lost (5.0% instead of about 50.0%)"
        in decide(SHIFT, [BASE, lost], ("ant", "bee")).reason
    )


def test_a_target_that_seems_to_be_of_one_class_is_left_to_labels() -> None:
    """Adapted to, it would be said to hold the source's classes."""
    assert decide(SHIFT, [replace(BASE, said=(0.86, 0.14)), GOOD]).decision == "adapted"
    found = decide(SHIFT, [replace(BASE, said=(0.99, 0.01)), GOOD])
    assert "99.0% are of one class" in found.reason


def test_the_one_whose_halves_agree_best_is_chosen() -> None:
    better = replace(GOOD, adapter="linot", agreement=(0.6,) * 6, circular=0.7, bnm=0.7)
    assert decide(SHIFT, [BASE, GOOD, better]).adapter == "linot"


def test_clusters_of_many_classes_are_believed_whatever_comes_back() -> None:
    """Of few classes both halves find the same clusters of something else."""
    shares = (0.2,) * 5
    shift = replace(SHIFT, source=shares, shares=shares)
    base = replace(BASE, said=shares, low=(0.1,) * 5, high=(0.3,) * 5)
    refit = replace(base, adapter="clusters", circular=0.4, source=0.84, agreement=(0.6,) * 6, itself=True)
    assert decide(shift, [base, refit]).adapter == "clusters"
    for one in (
        replace(refit, itself=False),
        replace(refit, agreement=(0.54,) * 6),
        replace(refit, source=0.79),
    ):
        assert decide(shift, [base, one]).decision == "kept"
    few = replace(refit, said=BASE.said, low=BASE.low, high=BASE.high)
    assert decide(SHIFT, [BASE, few]).decision == "kept"
    assert decide(SHIFT, [BASE, replace(few, circular=0.7, source=0.9)]).adapter == "clusters"


def test_a_trained_network_is_held_against_no_adaptation_by_the_same_way_back() -> None:
    own = replace(
        GOOD, adapter="shot", circular=0.85, again=(0.85,) * 5, base=(0.7,) * 6, agreement=(0.75,) * 6,
        beside=(0.7,) * 6, surer=5.0,
    )  # fmt: skip
    found = decide(SHIFT, [BASE, GOOD, own])
    assert (found.adapter, found.gain) == ("shot", pytest.approx((0.05, 0.05, 0.05)))
    near = replace(own, circular=0.805, again=(0.805,) * 5, bnm=0.7)
    assert decide(SHIFT, [BASE, GOOD, near]).adapter == "coral"
    for one in (
        replace(own, base=(0.87,) * 6),
        replace(own, beside=(0.74,) * 6),
        replace(own, surer=2.0),
    ):
        assert decide(SHIFT, [BASE, one]).decision == "kept"


def test_networks_are_trained_for_what_is_far_or_adapted_already() -> None:
    kept, adapted = decide(SHIFT, [BASE]), decide(SHIFT, [BASE, GOOD])
    near = replace(SHIFT, auc=0.8)
    assert may_train(SHIFT, kept, 40)
    assert may_train(near, adapted, 40)
    assert not may_train(near, kept, 40)
    assert not may_train(SHIFT, adapted, 39)


def test_shares_that_are_known_bind_every_adapter() -> None:
    """The adapter's own estimate agrees with whatever it says."""
    shift = replace(
        SHIFT, auc=0.73, auc_low=0.68, variation=0.28, variation_low=0.2, shares=(0.9, 0.1), apart=0.03
    )
    base = replace(BASE, said=(0.85, 0.15))
    found = decide(shift, [base, replace(GOOD, said=(0.7, 0.3), low=(0.65, 0.2), high=(0.8, 0.35))])
    assert found.decision == "kept"
    assert "20% of its answers" in found.reason
    assert (
        decide(shift, [base, replace(GOOD, said=(0.83, 0.17), low=(0.7, 0.1), high=(0.9, 0.3))]).adapter
        == "coral"
    )
    unknown = replace(shift, apart=0.2)
    assert (
        decide(unknown, [base, replace(GOOD, said=(0.7, 0.3), low=(0.65, 0.2), high=(0.8, 0.35))]).adapter
        == "coral"
    )


def test_shares_alone_want_no_circle() -> None:
    shift = Shift(0.7, 0.65, 0.3, 0.2, (0.5, 0.5), (0.8, 0.2), 0.52)
    base = replace(BASE, reweighted=(0.04, 0.02, 0.06))
    prior = replace(base, adapter="prior", said=(0.85, 0.15))
    found = decide(shift, [base, prior])
    assert (found.adapter, found.gain) == ("prior", (0.04, 0.02, 0.06))
    doubtful = replace(BASE, reweighted=(0.01, -0.01, 0.03))
    assert decide(shift, [doubtful, replace(doubtful, adapter="prior")]).decision == "kept"
    assert decide(replace(shift, alike=0.8), [base, prior]).decision == "kept"
    away = decide(shift, [base, replace(prior, low=(0.99, 0.0), high=(1.0, 0.01))])
    assert away.decision == "kept"
    assert (
        "its answers lead to other shares again (99.0% to 100.0% of class 1, and not 40.0% to 60.0%)"
        in away.reason
    )


def test_what_cannot_be_used_is_not_chosen() -> None:
    found = decide(SHIFT, [BASE, Assessed("coral", "too few items")])
    assert found.reason == "do not adapt: no adapter was tried (too few items)"


def test_labels_overrule() -> None:
    kept = decide(SHIFT, [BASE, replace(GOOD, source=0.5)])
    found = overridden(kept, "coral", 60, (0.1, 0.02, 0.2))
    assert (found.decision, found.adapter, found.gain) == ("adapted", "coral", (0.1, 0.02, 0.2))
    found = overridden(decide(SHIFT, [BASE, GOOD]), "coral", 60, (0.01, -0.05, 0.07))
    assert (found.decision, found.gain) == ("kept", None)
    assert "+1.0 points (-5.0 to +7.0)" in found.reason
    assert isinstance(found, Decision)


def test_what_is_kept_for_a_resumed_call_is_the_same() -> None:
    import json

    assert Assessed.from_json(json.loads(json.dumps(GOOD.to_json()))) == GOOD
