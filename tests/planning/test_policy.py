from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from headstart.planning.policy import LEAST, best_source, next_step, outline, skipped
from headstart.planning.seen import Candidate, Known, Outcome
from headstart.strategies import STRATEGIES

TWO = (Candidate("a", classifies=True), Candidate("b"))


def known(**changes: object) -> Known:
    estimates = {"a: probe": 5.0, "b: probe": 5.0, "a: direct": 0.1, "b: scratch": 60.0, "a: scratch": 60.0}
    return replace(Known(sources=TWO, left=600.0, estimates=estimates), **changes)  # type: ignore[arg-type]


def test_order_without_surprises() -> None:
    steps, left_out = outline(known())
    assert [step.arm for step in steps] == [
        "majority", "pixels", "a: probe", "a: direct", "b: probe",
        "a: random-frozen", "a: scratch", "a: finetune", "a: full",
    ]  # fmt: skip
    assert left_out == []


def test_quality_says_what_is_tried() -> None:
    def arms(quality: str, **changes: object) -> list[str]:
        steps, left_out = outline(known(quality=quality, **changes))
        assert left_out == []
        return [step.arm for step in steps]

    assert arms("fast") == arms("balanced")[:6]
    assert {STRATEGIES[arm.split(": ")[-1]].trains for arm in arms("fast")} == {False}
    assert set(arms("best")) - set(arms("balanced")) == {"a: lora", "a: bitfit"}
    named = frozenset({"probe", "full"})
    assert arms("fast", allowed=named) == ["a: probe", "b: probe", "a: full"], "what is named is run"


def test_where_what_was_asked_for_is_reached_only_what_proves_it_is_run() -> None:
    done = {arm: Outcome(arm.split(": ")[-1], None, 0.5) for arm in ("majority", "pixels")}
    state = known(outcomes={**done, "b: probe": Outcome("probe", "b", 0.96)}, reached="b: probe has 96.0 %")
    steps, left_out = outline(state)
    assert [step.arm for step in steps] == ["b: random-frozen"]
    assert {s.reason for s in left_out} == {"b: probe has 96.0 %"}
    assert {s.arm for s in left_out} >= {"a: probe", "b: scratch", "b: finetune", "b: full"}
    early, _ = outline(replace(state, outcomes={}))
    assert [step.arm for step in early[:3]] == ["majority", "pixels", "a: probe"]


def test_the_best_probe_is_trained_further() -> None:
    outcomes = {
        "majority": Outcome("majority", None, 0.5),
        "pixels": Outcome("pixels", None, 0.6),
        "a: probe": Outcome("probe", "a", 0.7),
        "a: direct": Outcome("direct", "a", None),
        "b: probe": Outcome("probe", "b", 0.8),
    }
    step = next_step(known(outcomes=outcomes))
    assert step is not None
    assert step.arm == "b: random-frozen"
    assert best_source(known(outcomes=outcomes)) == TWO[1]


def test_one_source_is_always_measured() -> None:
    steps, left_out = outline(known(left=0.0))
    assert [step.arm for step in steps] == ["majority", "pixels", "a: probe"]
    assert {s.arm for s in left_out} >= {"a: scratch", "a: finetune", "a: full"}
    assert all(s.reason for s in left_out)


def test_scratch_leaves_time_for_fine_tuning() -> None:
    outcomes = {
        arm: Outcome(arm.split(": ")[-1], None, 0.5)
        for arm in ("majority", "pixels", "a: probe", "a: direct", "b: probe", "a: random-frozen")
    }
    step = next_step(known(outcomes=outcomes, left=100.0))
    assert step is not None
    assert (step.strategy, step.seconds) == ("scratch", 50.0)


def test_an_arm_that_lacked_a_little_gets_all_the_time_left() -> None:
    done = {
        arm: Outcome(arm.split(": ")[-1], None, 0.5)
        for arm in ("majority", "pixels", "a: probe", "a: direct", "b: probe", "a: random-frozen")
    }
    little = known(outcomes={**done, "a: scratch": Outcome("scratch", "a", None, needs=60.0)}, left=90.0)
    step = next_step(little)
    assert step is not None
    assert (step.strategy, step.seconds) == ("scratch", 90.0)
    much = known(outcomes={**done, "a: scratch": Outcome("scratch", "a", None, needs=89.0)}, left=90.0)
    step = next_step(much)
    assert step is not None
    assert step.strategy == "finetune"


def test_what_trains_all_layers_is_not_measured_again_where_one_took_too_long() -> None:
    done = {
        arm: Outcome(arm.split(": ")[-1], None, 0.5)
        for arm in ("majority", "tfidf", "a: label-names", "a: probe", "a: random-frozen", "a: finetune")
    }
    slow = {**done, "a: scratch": Outcome("scratch", "a", None, needs=160.0)}
    texts = replace(known(outcomes=slow, left=90.0), sources=(Candidate("a"),), modality="text")
    step = next_step(texts)
    assert step is not None
    assert step.strategy == "contrastive"
    why = {s.strategy: s.reason for s in skipped(texts)}
    assert why["full"] == "trains all layers, as scratch does, which would have taken about 2 min 40 s"
    assert {"lora", "bitfit", "full"} <= set(why)
    step = next_step(replace(texts, left=100.0))
    assert step is not None
    assert step.strategy == "lora"


def test_a_further_source_leaves_time_for_the_comparison() -> None:
    outcomes = {
        "majority": Outcome("majority", None, 0.5),
        "pixels": Outcome("pixels", None, 0.6),
        "a: probe": Outcome("probe", "a", 0.7),
        "a: direct": Outcome("direct", "a", None),
    }
    tight = known(outcomes=outcomes, estimates={"b: probe": 80.0}, left=100.0)
    step = next_step(tight)
    assert step is not None
    assert step.arm == "a: random-frozen"
    assert "compare" in next(s.reason for s in skipped(tight) if s.arm == "b: probe")
    step = next_step(replace(tight, allowed=frozenset({"majority", "pixels", "probe", "direct"})))
    assert step is not None
    assert step.arm == "b: probe"


def test_the_second_way_of_reading_pairs_is_no_further_source() -> None:
    done = {arm: Outcome(arm.split(": ")[-1], None, 0.5) for arm in ("majority", "tfidf")}
    done["a: probe"] = Outcome("probe", "a", 0.6)
    done["a: label-names"] = Outcome("label-names", "a", None)
    both = known(outcomes=done, estimates={"a apart: probe": 80.0}, modality="text", left=100.0)
    for second, expected in ((True, "a apart: probe"), (False, "a apart: label-names")):
        step = next_step(replace(both, sources=(Candidate("a"), Candidate("a apart", second_way=second))))
        assert step is not None
        assert step.arm == expected
    late = replace(both, sources=(Candidate("a"), Candidate("a apart", second_way=True)), left=79.0)
    assert "a apart: probe" in {s.arm for s in skipped(late)}


def test_a_pass_is_counted_once() -> None:
    estimates = {"a: probe": 45.0, "a: direct": 40.0, "b: probe": 45.0}
    here = known(estimates=estimates, passes={"a": 40.0, "b": 40.0}, left=600.0)
    took = {step.arm: step.estimate for step in outline(here)[0]}
    assert (took["a: probe"], took["a: direct"], took["b: probe"]) == (45.0, 40.0, 45.0), "its own"
    read = replace(here, read=frozenset({"a"}), left=110.0)
    took = {step.arm: step.estimate for step in outline(read)[0]}
    assert took["a: probe"] == 5.0
    assert took["b: probe"] == 45.0, "it fits, for the pass of a is made"
    assert "b: probe" in {s.arm for s in outline(replace(read, read=frozenset()))[1]}


def test_failed_arms_are_not_tried_again() -> None:
    first = next_step(known())
    assert first is not None
    after = known(outcomes={first.arm: Outcome(first.strategy, None, None)})
    assert next_step(after) != first


@given(left=st.floats(0, 1e4), allowed=st.sets(st.sampled_from(list(STRATEGIES))))
def test_every_arm_is_run_or_named(left: float, allowed: set[str]) -> None:
    state = known(left=left, allowed=frozenset(allowed))
    steps, left_out = outline(state)
    arms = [step.arm for step in steps]
    assert len(arms) == len(set(arms))
    assert not set(arms) & {s.arm for s in left_out}
    assert {s.split(": ")[-1] for s in (*arms, *(s.arm for s in left_out))} <= allowed
    assert skipped(state) == skipped(state)
    assert all(step.seconds <= max(left, LEAST) for step in steps)


def test_few_texts_are_compared_in_pairs_before_anything_else_is_trained() -> None:
    def order(per_class: float | None, labelled: int = 100) -> list[str]:
        here = known(sources=TWO[1:], modality="text", per_class=per_class, labelled=labelled, left=6000.0)
        steps, _ = outline(here)
        return [step.strategy for step in steps if step.source]

    few = ["probe", "label-names", "random-frozen", "contrastive", "scratch", "finetune", "lora", "bitfit"]
    assert order(8.0)[:8] == few
    assert order(50.0, 7_500)[3:5] == ["scratch", "contrastive"]  # many in all, for many classes
    assert order(500.0)[:5] == ["probe", "label-names", "random-frozen", "scratch", "finetune"]
    assert order(None)[-1] == "contrastive"  # it says itself that there are no classes


def test_many_texts_give_scratch_the_time_that_images_give_it() -> None:
    def share(
        per_class: float, labelled: int = 100, allowed: frozenset[str] = frozenset(STRATEGIES)
    ) -> float:
        done = {
            arm: Outcome(arm.split(": ")[-1], None, 0.5) for arm in ("majority", "tfidf", "b: random-frozen")
        }
        done |= {f"b: {name}": Outcome(name, "b", 0.8) for name in ("label-names", "probe", "contrastive")}
        state = known(
            sources=TWO[1:],
            modality="text",
            per_class=per_class,
            labelled=labelled,
            outcomes=done,
            left=100.0,
            allowed=allowed,
        )
        step = next_step(state)
        assert step is not None
        assert step.strategy == "scratch"
        return step.seconds

    assert share(8.0) < share(500.0) == share(50.0, 7_500) == 50.0
    assert share(8.0, allowed=frozenset(STRATEGIES) - {"contrastive"}) == 50.0  # nothing to leave the time to


def test_counting_words_leaves_time_for_what_it_is_compared_with() -> None:
    done = {"majority": Outcome("majority", None, 0.5)}
    step = next_step(known(sources=TWO[1:], modality="text", outcomes=done, left=100.0))
    assert step is not None
    assert (step.strategy, step.seconds) == ("tfidf", 20.0)


def test_what_reads_a_source_leaves_time_where_a_head_is_trained_in_each_fold() -> None:
    done = {arm: Outcome(arm, None, 0.1) for arm in ("majority", "pixels")}
    step = next_step(known(form="boxes", outcomes=done))
    assert step is not None
    assert (step.arm, step.seconds) == ("a: probe", 300.0)
    step = next_step(known(outcomes=done))
    assert step is not None
    assert (step.arm, step.seconds) == ("a: probe", 600.0)
