"""The whole policy on simulated arms: it keeps its time, comes to an end, and loses the best by no more than the
noise of the items it was measured on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.planning import more_folds
from headstart.planning.policy import LEAST, MARGIN
from headstart.planning.seen import Candidate, Known, Outcome, Step
from headstart.planning.seen.race import Heat
from headstart.strategies import facts

TRAINED = ("scratch", "finetune", "full", "finetune-slow", "stack")
ARMS = ("majority", "pixels", "probe", "random-frozen", *TRAINED, "early-probe")
FOLDS = 5
AGAIN = 1.4
NOISE = 0.08
"""Standard error of the score of one fold, at the most."""


@dataclass
class Race:
    """A run whose arms are numbers. Where every arm ends, `luck` turns what a fold shows: early ones flatter some
    arms and slander others (curves cross), later ones even it out (plateaus)."""

    budget: float
    truth: dict[str, float]
    seconds: dict[str, float]
    """Of a fold, by arm."""
    luck: dict[str, float]
    """-1 to 1, by arm."""
    slower: float
    """How much longer a step takes than was said, up to what is allowed for."""
    early: dict[str, tuple[float, float]] = field(default_factory=dict)
    """How far below what it ends with an arm is after a ninth and a third of its steps: curves cross and dip."""
    spent: float = 0.0
    longest: float = 0.0
    steps: list[Step] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def known(self, doubt: str) -> Known:
        left = self.budget - self.spent
        refits = {a: AGAIN * o.fold for a, o in self.outcomes.items() if o.trains and o.folds}
        kept = {a: s for a, s in refits.items() if not self.outcomes[a].behind}
        scored = {a: o.score for a, o in self.outcomes.items() if facts(o.strategy).transfers and o.folds}
        best = max(scored, key=lambda a: scored[a] or 0.0, default=None)
        return Known(
            (Candidate("net"),), 0.88 * self.budget - self.spent, self.outcomes,
            {"net: probe": FOLDS * self.seconds["net: probe"], **self.estimates},
            spare=left - max(refits.values(), default=0.0), settled=left - max(kept.values(), default=0.0),
            hangs=tuple(a for a in ("net: scratch", best) if a in self.outcomes and self.outcomes[a].folds),
            open=tuple(a for a in ("net: scratch",) if best and self.unbeaten(a, best)), doubt=doubt,
        )  # fmt: skip

    def unbeaten(self, arm: str, best: str) -> bool:
        """Whether few folds of an arm cannot tell it from the best."""
        one = self.outcomes.get(arm)
        return bool(one and one.rungs) and self.score(best) < self.score(arm) + 2 * NOISE / one.folds**0.5

    @property
    def estimates(self) -> dict[str, float]:
        return {arm: self.seconds[arm] * (FOLDS + AGAIN) for arm in ("net: finetune", "net: full")}

    def heat(self, arm: str, part: float) -> Heat:
        """Compared with the best that trains nothing, through the noise of one fold."""
        before = self.outcomes[arm].heat if arm in self.outcomes else None
        score = self.shown(arm, 1) - self.early.get(arm, (0.0, 0.0))[before is not None]
        gain = score - max(o.score or 0.0 for o in self.outcomes.values() if not o.trains and o.folds)
        return Heat(part, score, before.score if before else None, "best", gain, gain + 2 * NOISE)

    def shown(self, arm: str, folds: int) -> float:
        return self.truth[arm] + self.luck[arm] * NOISE / folds**0.5

    def take(self, step: Step) -> None:
        arm, own = step.arm, self.seconds[step.arm] * self.slower
        before = self.outcomes.get(arm)
        trains = facts(step.strategy).trains
        if step.part:
            assert facts(step.strategy).races
            heat = self.heat(arm, step.part)
            took = own * (step.part - (before.heat.part if before and before.heat else 0.0))
            self.steps.append(step)
            self.spent, self.longest = self.spent + took, max(self.longest, took)
            self.outcomes[arm] = Outcome(
                step.strategy, step.source, None, folds=0, rungs=(1, 2, 3, 5), fold=self.seconds[arm],
                heat=heat, behind=heat.hopeless,
            )  # fmt: skip
            return
        if step.folds:
            assert before is not None
            assert step.folds in before.rungs
            assert before.heat is None or not before.heat.hopeless
            done = before.heat.part if before.heat else before.folds
            folds, took = step.folds, own * (step.folds - done)
        else:  # it settles on what fits, with the model on all rows
            fitting = [f for f in (5, 3, 2, 1) if self.seconds[arm] * (f + AGAIN * trains) <= step.seconds]
            folds = FOLDS if not trains else fitting[0] if fitting else 0
            took = own * folds
        self.steps.append(step)
        self.spent, self.longest = self.spent + took, max(self.longest, took)
        rungs = tuple(f for f in (1, 2, 3, 5) if f > folds) if folds else ()
        needs = None if folds else self.seconds[arm] * (1 + AGAIN)
        score = self.shown(arm, folds) if folds else None
        self.outcomes[arm] = Outcome(
            step.strategy, step.source, score, needs, folds, rungs, self.seconds[arm], trains=trains
        )
        frozen = max((o.score or 0.0 for o in self.outcomes.values() if not o.trains), default=0.0)
        for name, one in self.outcomes.items():
            if one.heat is not None:
                continue
            clear = one.trains and one.folds > 0 and (one.score or 0.0) + 3 * NOISE / one.folds**0.5 < frozen
            self.outcomes[name] = replace(one, behind=clear)

    def ships(self) -> str:
        """What trains must be ahead of what does not by one standard error."""
        frozen = max((a for a, o in self.outcomes.items() if not o.trains), key=self.score)
        trained = [
            a for a, o in self.outcomes.items()
            if o.trains and o.folds and self.score(a) - NOISE / o.folds**0.5 > self.score(frozen)
        ]  # fmt: skip
        return max(trained, key=self.score, default=frozen)

    def score(self, arm: str) -> float:
        score = self.outcomes[arm].score
        return float("-inf") if score is None else score

    def run(self, outcome: str) -> Known:
        doubt = ""
        while True:
            known = self.known(doubt)
            step = more_folds.next_step(known)
            if step is None and doubt:
                return known
            if step is not None:
                assert not step.folds or step.arm in known.hangs or not known.outcomes[step.arm].behind
                self.take(step)
                assert len(self.steps) < 60, "it never ends"
            if step is None or doubt:
                doubt = outcome


names = [arm if arm in ("majority", "pixels", "stack") else f"net: {arm}" for arm in ARMS]
races = st.builds(
    lambda budget, truth, seconds, luck, slower, early: Race(
        budget, *(dict(zip(names, values, strict=True)) for values in (truth, seconds, luck)), slower,
        early=dict(zip(("net: finetune", "net: full"), early, strict=True)),
    ),
    st.floats(10.0, 3600.0),
    st.lists(st.floats(0.3, 1.0), min_size=len(names), max_size=len(names)),
    st.tuples(
        st.just(0.0), st.floats(0.01, 0.1), st.floats(0.02, 0.3), st.floats(0.02, 0.3),
        st.floats(0.5, 120.0), st.floats(0.5, 40.0), st.floats(0.5, 120.0), st.floats(0.5, 40.0),
        st.floats(0.0, 1.0), st.floats(0.02, 0.3),
    ),
    st.lists(st.floats(-1.0, 1.0), min_size=len(names), max_size=len(names)),
    st.floats(0.7, MARGIN),
    st.lists(st.tuples(st.floats(-0.2, 0.5), st.floats(-0.1, 0.3)), min_size=2, max_size=2),
)  # fmt: skip
outcomes = st.sampled_from(["helps", "no evidence", "hurts", "not compared"])


@given(race=races, outcome=outcomes)
@settings(max_examples=300)
def test_the_budget_is_kept_to_a_twentieth_or_the_step_it_is_at(race: Race, outcome: str) -> None:
    race.run(outcome)
    shipped = race.outcomes[race.ships()]
    again = 1.25 * shipped.fold * race.slower if shipped.trains else 0.0
    due = sum(FOLDS * race.seconds[arm] * race.slower for arm in ("majority", "pixels", "net: probe"))
    assert race.spent + again <= max(1.05 * race.budget, race.budget + race.longest, due + LEAST)


@given(race=races, outcome=outcomes)
@settings(max_examples=300)
def test_it_stops_where_nothing_can_improve_and_not_before(race: Race, outcome: str) -> None:
    known = race.run(outcome)
    seconds = known.spare if outcome in ("hurts", "no evidence") else max(known.spare, known.settled)
    for arm, one in race.outcomes.items():
        if one.rungs and (arm in known.hangs or not one.behind):
            assert MARGIN * one.fold * (one.rungs[0] - one.folds) > seconds, f"{arm} could have gone on"
    begun = [step for step in race.steps if step.folds]
    assert all(race.outcomes[step.arm].folds >= step.folds for step in begun)
    late = [s for s in begun if s.reason.startswith("time is left, and it scores higher")]
    assert all(facts(step.strategy).trains for step in late)


@given(race=races, outcome=outcomes)
@settings(max_examples=300)
def test_the_best_arm_that_ran_is_lost_by_no_more_than_what_was_promised(race: Race, outcome: str) -> None:
    """Twice the noise of the folds of the two arms, and the standard error that what trains must be ahead by."""
    race.run(outcome)
    ran = {arm: one for arm, one in race.outcomes.items() if one.folds}
    dropped = [(arm, one.heat) for arm, one in race.outcomes.items() if one.heat is not None and one.behind]
    for arm, heat in dropped:  # what its last steps bring beyond what those before them have brought
        late = max(0.0, race.early[arm][1] - heat.rise)
        frozen = max(race.truth[a] for a, one in ran.items() if not one.trains)
        assert race.truth[arm] <= frozen + late, "it would have won"
    best = max(ran, key=lambda arm: race.truth[arm])
    ships = race.ships()
    promised = sum(NOISE / ran[arm].folds ** 0.5 for arm in (best, ships)) + NOISE / ran[best].folds ** 0.5
    assert race.truth[ships] >= race.truth[best] - promised - 1e-9


def test_what_is_ahead_on_one_fold_gets_the_time_that_is_left() -> None:
    truth = dict(zip(names, (0.5, 0.65, 0.92, 0.7, 0.5, 0.9, 0.98, 0.5, 0.5, 0.5), strict=True))
    seconds = dict(zip(names, (0.0, 0.1, 0.2, 0.2, 30.0, 15.0, 20.0, 15.0, 1.0, 0.1), strict=True))
    race = Race(150.0, truth, seconds, dict.fromkeys(names, 0.0), 1.0)
    race.run("helps")
    assert race.outcomes["net: full"].folds > 1
    assert race.ships() == "net: full"
    assert race.outcomes["net: scratch"].behind, "which therefore need not be trained again"
    doubted = Race(150.0, truth, seconds, dict.fromkeys(names, 0.0), 1.0)
    doubted.run("no evidence")  # an average with it may ship: its time is kept back
    assert (doubted.outcomes["net: full"].folds, doubted.ships()) == (1, "net: probe")
    assert race.spent + 1.25 * 20.0 <= 150.0
