"""Arms that were cut off go on while there is time."""

from __future__ import annotations

from dataclasses import replace

from headstart.planning.more_folds import next_step
from headstart.planning.seen import Candidate, Known, Outcome

DONE = {
    "majority": Outcome("majority", None, 0.5, folds=50),
    "tfidf": Outcome("tfidf", None, 0.6, folds=50),
    "net: probe": Outcome("probe", "net", 0.9, folds=50),
}
ALLOWED = frozenset({"majority", "tfidf", "probe", "scratch", "full", "bitfit"})
SOME = {
    "net: bitfit": Outcome("bitfit", "net", 0.7, folds=1, rungs=(2, 3, 5), fold=5.0),
    "net: full": Outcome("full", "net", 0.98, folds=1, rungs=(2, 3, 5), fold=10.0),
    "net: scratch": Outcome("scratch", "net", 0.4, folds=1, rungs=(2, 3, 5), fold=6.0),
}


def known(outcomes: dict[str, Outcome], spare: float, **changes: object) -> Known:
    state = Known(
        (Candidate("net"),), spare - 10, {**DONE, **outcomes}, allowed=ALLOWED, modality="text", spare=spare
    )
    return replace(state, hangs=("net: scratch", "net: full"), **changes)  # type: ignore[arg-type]


def story(outcomes: dict[str, Outcome], spare: float, **changes: object) -> tuple[list[str], float]:
    """What goes on, with the folds it then has, and the seconds left, every estimate come true."""
    told = []
    while (step := next_step(known(outcomes, spare, **changes))) is not None:
        old = outcomes[step.arm]
        left = tuple(rung for rung in old.rungs if rung > step.folds)
        outcomes = {**outcomes, step.arm: replace(old, folds=step.folds, rungs=left)}
        spare -= old.fold * (step.folds - old.folds)
        told.append(f"{step.arm} {step.folds}")
    return told, spare


def test_what_the_verdict_hangs_on_goes_on_first_and_in_step() -> None:
    told, left = story(SOME, 200.0)
    assert told == [f"net: {arm} {folds}" for folds in (2, 3, 5) for arm in ("scratch", "full")]
    assert left == 200 - 4 * 16
    everything, _ = story(SOME, 200.0, doubt="no evidence")
    assert everything == [*told, *(f"net: bitfit {folds}" for folds in (2, 3, 5))]


def test_no_more_folds_where_what_was_asked_for_is_reached() -> None:
    assert story(SOME, 200.0, doubt="helps", reached="net: full has 98.0 %")[0] == []


def test_only_as_far_as_the_time_goes() -> None:
    told, left = story(SOME, 40.0)
    assert told == ["net: scratch 2", "net: full 2", "net: scratch 3", "net: full 3"]
    assert 0 <= left < 2 * 6
    assert story(SOME, 5.0)[0] == []
    step = next_step(known(SOME, 40.0))
    assert step is not None
    assert step.reason == "time is left, and the verdict hangs on it: 1 more fold, 2 of 5"


def test_a_baseline_is_finished_before_anything_dear_begins() -> None:
    cut = Outcome("tfidf", None, 0.6, folds=1, rungs=(5, 10, 50), fold=0.04, trains=False)
    begun = {"majority": DONE["majority"], "tfidf": cut}
    state = replace(known({}, 100.0), outcomes=begun, hangs=())
    step = next_step(state)
    assert step is not None
    assert (step.arm, step.folds) == ("tfidf", 50)
    step = next_step(replace(state, outcomes={**begun, "tfidf": replace(cut, fold=2.0)}))
    assert step is not None
    assert (step.arm, step.folds) == ("tfidf", 5), "a repeat, as far as a tenth of the time goes"
    step = next_step(replace(state, outcomes={**begun, "tfidf": replace(cut, fold=20.0)}))
    assert step is not None
    assert step.arm == "net: probe"


def test_arms_that_were_not_begun_come_before_more_folds() -> None:
    step = next_step(known({name: SOME[name] for name in ("net: full", "net: bitfit")}, 200.0))
    assert step is not None
    assert (step.arm, step.folds) == ("net: scratch", 0)


def test_a_baseline_that_alone_keeps_the_verdict_open_comes_before_new_arms() -> None:
    begun = {"net: scratch": SOME["net: scratch"]}
    step = next_step(known(begun, 200.0, open=("net: scratch",)))
    assert step is not None
    assert (step.arm, step.folds) == ("net: scratch", 2)
    assert step.reason.startswith("time is left, and the verdict hangs on it")
    begins = next_step(known(begun, 200.0))
    assert begins is not None
    assert (begins.arm, begins.folds) == ("net: bitfit", 0), "it is beaten, or others are not"
    dear = {"net: scratch": replace(SOME["net: scratch"], fold=110.0)}
    step = next_step(known(dear, 200.0, open=("net: scratch",)))
    assert step is not None
    assert step.arm == "net: bitfit", "one fold takes more than half of what is left"


def test_with_all_its_folds_it_is_held_out_once_more_at_the_end() -> None:
    once = replace(SOME["net: scratch"], folds=5, rungs=(), again=(10, 15))
    ran = {"net: scratch": once, "net: full": replace(SOME["net: full"], folds=5, rungs=(), behind=True)}
    state = known({**ran, "net: bitfit": replace(SOME["net: bitfit"], folds=5, rungs=())}, 200.0)
    at_end = replace(state, open=("net: scratch",), doubt="no evidence")
    step = next_step(at_end)
    assert step is not None
    assert (step.arm, step.folds) == ("net: scratch", 10)
    assert next_step(replace(at_end, open=())) is None, "the verdict says something, or hangs on others, too"
    assert next_step(replace(at_end, spare=30.0, settled=30.0)) is None, "five folds of six seconds and more"
