"""Which trainings are dropped: on simulated learning curves that cross, flatten and are seen through few items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.planning.seen.race import PARTS, Heat

END = 2.24
"""Standard errors to the upper end of the interval of a gain, above which one of 80 lies."""


def seen(curve: tuple[float, float, float], rival: float, items: int, rng: np.random.Generator) -> Heat:
    """An arm with these shares of right answers at a ninth, a third and all of its steps, and a rival's, on the same
    items: an item that is right stays so where the curve rises."""
    luck, theirs = rng.random(items), rng.random(items) < rival
    early, late = luck < curve[0], luck < curve[1]
    gain = late.astype(float) - theirs
    error = max(gain.std(ddof=1), 0.1) / np.sqrt(items)
    scores = float(early.mean()), float(late.mean())
    return Heat(PARTS[1], scores[1], scores[0], "probe", float(gain.mean()), float(gain.mean() + END * error))


shares = st.floats(0.0, 1.0)


@given(start=shares, first=st.floats(0.0, 0.5), last=st.floats(0.0, 0.5), rival=shares)
def test_without_noise_nothing_is_lost_but_what_comes_later_than_was_allowed_for(
    start: float, first: float, last: float, rival: float
) -> None:
    third = min(1.0, start + first)
    end = min(1.0, third + last)
    heat = Heat(PARTS[1], third, start, "probe", third - rival, third - rival)
    if heat.hopeless:
        assert end - rival <= max(0.0, (end - third) - (third - start)) + 1e-9
    else:
        assert third + (third - start) >= rival - 1e-9, "it is not dropped for nothing"


@pytest.mark.parametrize("items", [30, 200, 1000])
@pytest.mark.parametrize(
    "curve", [(0.9, 0.9, 0.9), (0.6, 0.75, 0.9), (0.5, 0.7, 0.9), (0.95, 0.85, 0.9)],
    ids=["flat", "straight", "flattening", "dipping"],
)  # fmt: skip
def test_an_arm_as_good_as_its_rival_is_dropped_once_in_eighty(
    curve: tuple[float, float, float], items: int
) -> None:
    """The worst case of the promise; a dip rises later than is allowed for, and has the interval alone."""
    rng = np.random.default_rng(0)
    dropped = sum(seen(curve, 0.9, items, rng).hopeless for _ in range(2000))
    late = max(0.0, (curve[2] - curve[1]) - max(0.0, curve[1] - curve[0]))
    if late * np.sqrt(items) < 0.3:
        assert dropped / 2000 <= 1 / 80 + 0.01


def test_regret_of_curves_that_cross_and_saving_of_those_that_do_not() -> None:
    """Mean and most that is lost over arbitrary curves, and how many hopeless arms are seen through."""
    rng = np.random.default_rng(1)
    lost, through = [], []
    for _ in range(3000):
        start, rival = rng.uniform(0.3, 0.95), rng.uniform(0.5, 0.98)
        third = start + rng.uniform(-0.1, 0.5) * (1 - start)
        end = third + rng.uniform(-0.1, 0.5) * (1 - third)
        heat = seen((start, third, end), rival, 100, rng)
        late = max(0.0, (end - third) - max(0.0, third - start))
        if heat.hopeless:
            lost.append(max(0.0, end - rival) - late)
        # hopeless by far
        if end < rival - 0.3 and late == 0.0 and third + (third - start) < rival - 0.3:
            through.append(heat.hopeless)
    assert max(lost) < 0.05, "of 0.11, half of the interval of 100 items"
    assert np.mean(np.clip(lost, 0.0, None)) < 0.001
    assert np.mean(through) > 0.5


def test_a_first_part_drops_nothing_and_parts_follow_each_other() -> None:
    first = Heat(PARTS[0], 0.1, None, "probe", -0.8, -0.7)
    assert not first.hopeless
    assert first.next == PARTS[1]
    second = Heat(PARTS[1], 0.1, 0.1, "probe", -0.8, -0.7)
    assert second.hopeless
    assert second.next == 0.0
    assert not Heat(PARTS[1], 0.1, 0.1).hopeless, "nothing to compare with"
    assert second.trained == "a third of the steps of its first fold"
