"""What breaks ends itself alone, and a run that is killed comes to the same end."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart import strategies
from headstart.core.events import Event
from headstart.core.evidence import Cost
from headstart.core.strategy import Request, Trial
from headstart.errors import BadOption, RunError, SourceError
from headstart.evidence.verdict import verdict_of
from headstart.planning.seen import Step
from headstart.run import conclude, fit, known, set_up
from headstart.run.state.closing import Closing
from headstart.run.state.config import RunConfig
from headstart.run.state.context import Context
from headstart.run.state.folder import RunFolder
from headstart.run.state.ledger import Ledger
from headstart.testing.fakes import TinyBackbone
from made import simulated


class PanicException(BaseException):
    """What a library in Rust raises."""


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Fake:
    """An arm of known accuracy whose folds take `seconds` of the clock; at first it settles on `first` of
    them. `before` is called when it begins."""

    def __init__(self, name: str, accuracy: float, seconds: float, first: int, clock: Clock) -> None:
        self.name, self.accuracy, self.seconds, self.first, self.clock = name, accuracy, seconds, first, clock
        self.given: list[float] = []
        self.parts: list[float] = []
        self.before: Callable[[], None] = lambda: None

    def fit(self, request: Request) -> Trial:
        self.before()
        self.given.append(request.budget.seconds)
        if request.part:
            self.parts.append(request.part)
            self.clock.now += self.seconds * request.part
            seed = sum(map(ord, self.name))
            trial = simulated.arm(request, "", self.name, self.accuracy, seed=seed, folds=1)
            choices = {"part": request.part}
            return replace(trial, cost=Cost(fold=self.seconds), status="cut off", choices=choices)
        folds = max(request.folds, self.first)
        done = request.workdir / "done"  # type: ignore[operator]
        self.clock.now += self.seconds * (folds - (int(done.read_text()) if done.exists() else 0))
        done.write_text(str(folds))
        seed = sum(map(ord, self.name))
        trial = simulated.arm(request, "", self.name, self.accuracy, seed=seed, folds=folds)
        return replace(trial, cost=Cost(fold=self.seconds))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def arms(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> dict[str, Fake]:
    found = {
        name: Fake(name, accuracy, seconds, first, clock)
        for name, accuracy, seconds, first in (
            ("majority", 0.5, 0.0, 10),
            ("pixels", 0.6, 0.1, 10),
            ("probe", 0.8, 0.2, 10),
            ("scratch", 0.5, 6.0, 1),
            ("full", 0.95, 4.0, 1),
        )
    }
    monkeypatch.setattr(strategies, "get", lambda name, *_: found[name])
    return found


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Context]:
    bench = simulated.experiment(n=100)
    source = replace(TinyBackbone().source, name="net", spec="net", labels=())
    with RunFolder(tmp_path / "run") as folder:
        folder.begin({"seed": 0})
        closing = Closing(110.0, imports=4.0, beat=lambda: 0.01)
        made = Context(
            bench, SimpleNamespace(engine="auto"), {"net": source}, folder, lambda event: None,  # type: ignore[arg-type]
            reserve=10.0, passes={"net": 1.0}, closing=closing,
        )  # fmt: skip
        made._loaded["net"] = TinyBackbone()
        yield made


def run(setting: Context, clock: Clock, budget: float, **more: Any) -> tuple[dict[str, Trial], Ledger]:
    ask = RunConfig(None, **{"budget": budget, "strategies": ("probe", "scratch", "full"), **more})
    ledger = Ledger(setting.folder, budget, 0.0, clock, aim=ask.aim)
    trials, _ = fit.run_arms(setting, ask, ledger)
    return trials, ledger


def evidence(setting: Context, trials: dict[str, Trial]) -> tuple[str, dict[str, int]]:
    """The verdict's sentence, and the folds of each arm."""
    folds = {name: known.outcome_of(trial, setting).folds for name, trial in trials.items()}
    return verdict_of(conclude.in_order(trials, setting), setting.experiment).sentence, folds


def test_no_arm_stays_cut_off_while_there_is_time(
    setting: Context, arms: dict[str, Fake], clock: Clock
) -> None:
    trials, ledger = run(setting, clock, 110.0)
    _, folds = evidence(setting, trials)
    assert folds == {"majority": 10, "pixels": 10, "net: probe": 10, "net: scratch": 5, "net: full": 5}
    scratch, full = (
        [s["folds"] for s in ledger.steps if s["arm"] == f"net: {arm}"] for arm in ("scratch", "full")
    )
    assert scratch == full == [0, 2, 3, 5]
    order = [s["arm"].removeprefix("net: ") for s in ledger.steps[3:]]
    # ten items do not tell the probe from scratch, twenty do
    assert order == ["scratch", "scratch", "full", "full", *2 * ["scratch", "full"]], "in step"
    more = [s["reason"] for s in ledger.steps if s["folds"]]
    assert all("the verdict hangs on it" in reason for reason in more)


def test_time_that_is_left_holds_what_keeps_the_verdict_open_out_again(
    setting: Context, arms: dict[str, Fake], clock: Clock
) -> None:
    arms["scratch"].accuracy, arms["full"].accuracy = 0.78, 0.5
    trials, ledger = run(setting, clock, 150.0)
    sentence, folds = evidence(setting, trials)
    assert sentence.startswith("No evidence")
    assert (folds["net: scratch"], folds["net: probe"]) == (10, 10)
    assert ledger.steps[-1]["reason"] == "time is left, and the verdict hangs on it: 5 more folds, 10 of 10"


def test_the_first_verdict_comes_before_anything_is_trained_and_once(
    setting: Context, arms: dict[str, Fake], clock: Clock
) -> None:
    told: list[Event] = []
    setting.listen = told.append
    setting.closing.startup = 3.0
    trials, _ = run(setting, clock, 60.0)
    kinds = [(event.kind, event.data.get("arm")) for event in told]
    at = kinds.index(("first_verdict", None))
    assert kinds[at - 1] == ("trial", "net: probe")
    assert kinds[at + 1] == ("step", "net: scratch")
    first = told[at].data
    early = {name: trials[name] for name in ("majority", "pixels", "net: probe")}
    found = verdict_of(conclude.in_order(early, setting), setting.experiment)
    assert (first["sentence"], first["outcome"]) == (found.sentence, "not compared")
    assert first["seconds"] == pytest.approx(3.0 + 1.0 + 2.0)
    assert setting.folder.read()["first_verdict"] == first
    run(setting, clock, 110.0)  # more time improves it, and says nothing of a first one again
    assert [event.kind for event in told].count("first_verdict") == 1
    assert setting.folder.read()["first_verdict"] == first


def test_a_run_stops_where_it_is_as_good_as_asked_for(
    setting: Context, arms: dict[str, Fake], clock: Clock
) -> None:
    trials, _ = run(setting, clock, 110.0, until=0.75)
    assert set(trials) == {"majority", "pixels", "net: probe"}
    more, ledger = run(setting, clock, 110.0, until=0.9)
    assert "net: full" in more, "the probe is not as good as that"
    assert ledger.steps[-1]["arm"] == "net: full"
    assert all(s["arm"] != "net: scratch" for s in ledger.steps[-1:])


def test_a_fast_run_trains_nothing_and_goes_on_where_more_is_asked(
    setting: Context, arms: dict[str, Fake], clock: Clock
) -> None:
    arms["random-frozen"] = Fake("random-frozen", 0.55, 0.2, 10, clock)
    arms["direct"] = arms["stack"] = Fake("direct", 0.5, 0.0, 10, clock)
    trials, ledger = run(setting, clock, 110.0, quality="fast", strategies=())
    assert set(trials) == {"majority", "pixels", "net: probe", "net: random-frozen"}
    found = verdict_of(conclude.in_order(trials, setting), setting.experiment)
    assert found.sentence.startswith("Not compared with the same architecture from scratch: ")
    assert ledger.ended
    more, _ = run(setting, clock, 110.0)
    assert more["net: full"].status == "done"


def test_what_is_left_is_too_little_for_one_more_rung(
    setting: Context, arms: dict[str, Fake], clock: Clock
) -> None:
    trials, ledger = run(setting, clock, 55.0)
    _, folds = evidence(setting, trials)
    closing = setting.closing.seconds()
    assert 1 < folds["net: scratch"] < 5
    left = ledger.budget.left - closing - conclude.AGAIN * 6.0
    assert 0 <= left < 2.2 * 6.0


@pytest.mark.parametrize(("killed", "budget"), [(1, 70.0), (3, 55.0), (4, 70.0), (6, 110.0)])
def test_killed_and_resumed_it_comes_to_the_same_end(
    setting: Context, arms: dict[str, Fake], clock: Clock, budget: float, killed: int, tmp_path: Path
) -> None:
    calls = []

    def kill() -> None:
        calls.append(clock.now)
        if len(calls) == killed + 1:
            clock.now += 3.7  # what the killed process did is lost
            raise KeyboardInterrupt

    for arm in arms.values():
        arm.before = kill
    with pytest.raises(KeyboardInterrupt):
        run(setting, clock, budget)
    resumed = evidence(setting, run(setting, clock, budget)[0])
    spent = setting.folder.read()["ledger"]["spent"]
    clock.now, calls[:] = 0.0, [0.0] * 99
    with RunFolder(tmp_path / "other") as folder:
        folder.begin({"seed": 0})
        setting.folder = folder
        assert resumed == evidence(setting, run(setting, clock, budget)[0])
        assert spent == pytest.approx(folder.read()["ledger"]["spent"])


def test_a_larger_budget_goes_on_where_the_smaller_one_ended(
    setting: Context, arms: dict[str, Fake], clock: Clock
) -> None:
    trials, _ = run(setting, clock, 40.0)
    assert evidence(setting, trials)[1]["net: scratch"] < 5
    clock.now += 1000
    trials, ledger = run(setting, clock, 140.0)
    assert evidence(setting, trials)[1]["net: scratch"] == 5
    assert ledger.budget.spent < 140


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA error: out of memory"), MemoryError(), SourceError("net", "gives NaN"),
              ValueError("array must not contain infs"), PanicException("index out of bounds"), OSError("pipe")]
)  # fmt: skip
def test_an_arm_that_breaks_ends_itself(
    setting: Context, arms: dict[str, Fake], clock: Clock, error: BaseException
) -> None:
    def broken() -> None:
        raise error

    arms["scratch"].before = broken
    trials, _ = run(setting, clock, 110.0)
    assert trials["net: scratch"].status == "failed"
    words = str(error).split(" (")[0] or type(error).__name__
    assert words in trials["net: scratch"].reason
    assert trials["net: full"].status == "done"


def test_a_rung_that_adds_no_fold_is_the_last(setting: Context, arms: dict[str, Fake], clock: Clock) -> None:
    """What there was stays, and it is not begun over and over."""
    step = Step("net: scratch", "scratch", "net", 10.0, None, "")
    before = setting.run(step)
    assert known.outcome_of(before, setting).rungs[-1] == 5
    after = fit.run_step(setting, replace(step, folds=1), {step.arm: before})  # as many folds as there were
    np.testing.assert_array_equal(after.predictions.array, before.predictions.array)
    assert known.outcome_of(after, setting).rungs == ()
    assert after.cost.seconds >= before.cost.seconds

    def break_later() -> None:
        if arms["full"].given:
            raise RuntimeError("boom")

    arms["full"].before = break_later
    trials, ledger = run(setting, clock, 110.0)
    assert [s["folds"] for s in ledger.steps if s["arm"] == "net: full"] == [0, 2]
    assert (trials["net: full"].status, evidence(setting, trials)[1]["net: full"]) == ("done", 1)


def test_ctrl_c_and_a_full_disk_end_the_run(setting: Context, arms: dict[str, Fake]) -> None:
    step = Step("majority", "majority", None, 1.0, None, "")

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    arms["majority"].before = full
    with pytest.raises(RunError, match=r"No space left on device.*free some space"):
        setting.run(step)

    def stop() -> None:
        raise KeyboardInterrupt

    arms["majority"].before = stop
    with pytest.raises(KeyboardInterrupt):
        setting.run(step)


def test_a_source_that_breaks_ends_itself(setting: Context, arms: dict[str, Fake], clock: Clock) -> None:
    setting.sources = {**setting.sources, "other": setting.sources["net"]}
    with set_up.surviving(setting, "other"):
        raise RuntimeError("size mismatch for layer.0\nand so on")
    assert list(setting.sources) == ["net"]
    trials, _ = run(setting, clock, 110.0)
    assert trials["other: probe"].status == "failed"
    assert trials["other: probe"].reason == "RuntimeError: size mismatch for layer.0"
    assert trials["net: probe"].status == "done"


def test_the_last_source_that_breaks_is_one_sentence(setting: Context) -> None:
    with (
        pytest.raises(SourceError, match=r"it broke .RuntimeError: boom."),
        set_up.surviving(setting, "net"),
    ):
        raise RuntimeError("boom")
    with pytest.raises(BadOption), set_up.surviving(setting, "net"):
        raise BadOption("--freeze", "x", "a stage")


@pytest.mark.parametrize(("estimate", "begun"), [(10.0, ()), (500.0, ("majority", "pixels", "probe"))])
def test_the_fresh_process_starts_when_little_is_left_to_do(
    setting: Context, arms: dict[str, Fake], clock: Clock, estimate: float, begun: tuple[str, ...]
) -> None:
    class Fresh:
        ready, started = False, ("nothing",)

        def start(self) -> None:
            self.started = tuple(name for name, arm in arms.items() if arm.given)

    setting.closing.standby = fresh = Fresh()
    setting.estimates = {"majority": 0.1, "pixels": 1.0, "net: probe": estimate}
    run(setting, clock, 5_000.0, strategies=("probe",))
    assert fresh.started == begun


def test_a_winner_that_breaks_on_all_rows_makes_way_for_the_next(
    setting: Context, arms: dict[str, Fake], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials, _ = run(setting, clock, 110.0)

    def concluding(_: Context, trials: dict[str, Any]) -> str:
        if trials["net: full"].status == "failed":
            return "the next"
        raise conclude.NotTrained("net: full", "MemoryError: no reason given")

    def broken(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(conclude, "trained_on_all", broken)
        with pytest.raises(conclude.NotTrained) as caught:
            conclude.conclude(setting, trials)
    assert caught.value.args == ("net: full", "MemoryError: no reason given")
    monkeypatch.setattr(conclude, "conclude", concluding)
    assert fit.concluded(setting, trials) == "the next"
    assert trials["net: full"].reason == "training on all rows broke it: MemoryError: no reason given"


def test_arms_race_and_what_cannot_win_is_dropped(
    setting: Context, arms: dict[str, Fake], clock: Clock
) -> None:
    setting.experiment = simulated.experiment(n=300)
    for name, accuracy in (("finetune", 0.3), ("random-frozen", 0.5), ("early-probe", 0.6)):
        arms[name] = Fake(name, accuracy, 2.0, 1 if name == "finetune" else 10, clock)
    setting.estimates = {"net: finetune": 60.0, "net: full": 60.0, "net: scratch": 60.0}
    told: list[Event] = []
    setting.listen = told.append
    trials, _ = run(setting, clock, 400.0, strategies=())
    assert arms["finetune"].parts == arms["full"].parts == [1 / 9, 1 / 3]
    assert arms["scratch"].parts == [], "a control does not race"
    loser, winner = trials["net: finetune"], trials["net: full"]
    assert not loser.covered.any(), "what a part predicts is nobody's result"
    assert "after a third of the steps of its first fold" in loser.reason
    assert loser.reason.endswith("dropped")
    assert known.outcome_of(winner, setting).folds == 5
    assert "part" not in winner.choices
    lines = [event.data for event in told if event.kind == "race"]
    assert [line["arm"] for line in lines if line["dropped"]] == ["net: finetune"]
    kept = setting.folder.read()["race"]
    assert [one["summary"] for one in kept] == [one["summary"] for one in lines]
    dropped = next(one for one in kept if one["dropped"])
    assert dropped["gain"] < dropped["high"] < 0
    assert dropped["reach"] < 0
    assert len({(one["arm"], one["part"]) for one in kept}) == len(kept), "each once"

    told.clear()
    again, _ = run(setting, clock, 400.0, strategies=())  # and it stays so where the run is resumed
    assert again["net: finetune"].reason == loser.reason
    assert not [event for event in told if event.kind == "race"]
    assert evidence(setting, again) == evidence(setting, trials)


def test_the_test_part_is_counted_without_the_engine_of_the_passes(setting: Context) -> None:
    split = setting.split
    held = replace(split, development=np.arange(80), test=np.arange(80, 100))
    setting.experiment = replace(setting.experiment, split=held)
    setting.passes, setting.slower = {"net": 10.0, "other": 50.0}, {"net": 2.5}
    setting.left_out = {"other": "not probed"}
    assert conclude.seconds_on_test(setting) == pytest.approx(0.2 * 2.5 * 10.0)


def test_an_average_is_trained_as_long_as_its_members() -> None:
    kind = np.zeros((1, 2, 2), np.float32)
    trials = {
        name: Trial(name, "probe", None, kind, Cost(fold=fold)) for name, fold in (("a", 10.0), ("b", 5.0))
    }
    stack = Trial("stack", "stack", None, kind, choices={"members": ["a", "b"]})
    assert conclude.refit_seconds(stack, {**trials, "stack": stack}) == pytest.approx(15 * conclude.AGAIN)


def test_arms_of_other_folds_are_made_again(setting: Context, arms: dict[str, Fake], clock: Clock) -> None:
    run(setting, clock, 110.0)
    before, told = len(arms["probe"].given), []
    setting.listen = told.append
    run(setting, clock, 110.0)
    assert len(arms["probe"].given) == before, "finished steps cost nothing"
    folds = setting.split.folds
    split = replace(setting.split, folds=(*folds[1:5], folds[0], *folds[5:]))
    setting.experiment = replace(setting.experiment, split=split, gains={})
    trials, _ = run(setting, clock, 400.0)
    assert len(arms["probe"].given) == before + 1
    assert trials["net: probe"].covered.any()
    assert any("not those of before" in e.data.get("text", "") for e in told if e.kind == "note")
