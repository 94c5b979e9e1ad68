"""Which engine a pass gets: the quickest that agrees, the same one again, and none where a trial does not pay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.core.features import FeatureSpec
from headstart.passes.engines import ENGINES
from headstart.passes.extractor import StoreExtractor, measure_pass
from headstart.passes.steps import choice
from headstart.passes.steps.choice import Choice
from headstart.store.store import FeatureStore
from headstart.testing.fakes import TinyBackbone, shapes

BATCHES = [np.ones((4, 3)) for _ in range(3)]


class Clock:
    """Processor seconds that only `Engines` spend."""

    now = 0.0

    def process_time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(choice, "time", found)
    return found


def opened(clock: Clock, about: Mapping[str, tuple[float, float, float]]) -> Any:
    """Engines by name: seconds an item, seconds to be built, and how far their features are turned."""
    names = {id(ENGINES[name]): name for name in ENGINES}

    @contextmanager
    def open_(engine: Any) -> Iterator[Any]:
        seconds, setup, turned = about[names[id(engine)]]
        clock.now += setup
        if np.isnan(turned):
            raise RuntimeError("no kernel\nfor this")

        def run(batch: np.ndarray) -> dict[str, np.ndarray]:
            clock.now += seconds * len(batch)
            rows = np.tile([np.cos(turned), np.sin(turned)], (len(batch), 1))
            return {"tap:a": rows, "tap:b": np.zeros((len(batch), 2))}

        yield run

    return open_


AS_IT_IS = (0.1, 0.0, 0.0)


def test_the_quickest_that_agrees_is_taken(clock: Clock) -> None:
    about = {
        "eager": AS_IT_IS,
        "folded": (0.08, 0.0, 0.0),
        "fused": (0.04, 0.1, 0.005),
        "autocast": (0.01, 0.0, 0.02),
        "openvino": (0.01, 0.0, float("nan")),
    }
    found = choice.trial("auto", list(about)[1:], BATCHES, 1000, opened(clock, about))
    assert found is not None
    assert (found.engine, found.items) == ("fused", 12)
    assert found.gain == pytest.approx(2.5)
    assert found.agreement == pytest.approx(np.cos(0.005))
    assert found.refused == {
        "autocast": "its features agree only to a cosine of 0.99980",
        "openvino": "RuntimeError: no kernel",
    }
    assert "2.5 times as fast" in str(found)


def test_building_counts_and_a_small_gain_does_not(clock: Clock) -> None:
    about = {"eager": AS_IT_IS, "fused": (0.05, 60.0, 0.0), "folded": (0.09, 0.0, 0.0)}
    found = choice.trial("auto", ["folded", "fused"], BATCHES, 1000, opened(clock, about))
    assert found == Choice(items=12)
    found = choice.trial("auto", ["folded", "fused"], BATCHES, 10_000, opened(clock, about))
    assert found is not None
    assert found.engine == "fused"


def test_a_short_pass_gets_no_trial_and_nothing_dear_is_built_for_it(clock: Clock) -> None:
    about = {"eager": AS_IT_IS, "fused": (0.01, 0.0, 0.0)}  # of "compiled" nothing is known: it would raise
    assert choice.trial("auto", ["fused"], BATCHES, 20, opened(clock, about)) is None
    found = choice.trial("auto", ["fused", "compiled"], BATCHES, 200, opened(clock, about))
    assert found is not None
    assert (found.engine, found.refused) == ("fused", {})


@pytest.mark.parametrize(("turned", "engine"), [(0.02, "fused"), (0.1, "eager")])
def test_one_that_is_asked_for_need_not_be_quicker_but_has_to_agree(
    clock: Clock, turned: float, engine: str
) -> None:
    about = {"eager": AS_IT_IS, "fused": (0.2, 0.0, turned)}
    found = choice.trial("fused", ["fused"], BATCHES, 10, opened(clock, about))
    assert found is not None
    assert (found.engine, bool(found.refused)) == (engine, engine == "eager")


def test_one_that_is_asked_for_and_does_not_suit_is_refused(tmp_path: Path) -> None:
    extract = StoreExtractor(FeatureStore(tmp_path), shapes(per_class=2), engine="fused")
    found = extract.choice(TinyBackbone())
    assert found == Choice(refused={"fused": "its network is no graph"})
    assert "fused refused: its network is no graph" in str(found)


def test_what_was_kept_is_read_back_and_what_is_not_known_is_not() -> None:
    found = Choice("fused", 2.0, 0.9999, 24, {"autocast": "slow"})
    assert Choice.of(found.to_json()) == found
    assert Choice.of({}) is None
    assert Choice.of({"engine": "steam", "refused": {}}) is None


@pytest.fixture
def worth(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As if every pass were worth a trial, and autocast the best: the trials that were made."""
    made: list[int] = []

    def trial(asked: str, tried: Any, batches: Any, items: int, opened: Any) -> Choice:
        del asked, opened
        assert tried == ["autocast"]
        assert [len(batch) for batch in batches] == [4, 4, 4]
        made.append(items)
        return Choice("autocast", 2.0, 1.0, 12)

    monkeypatch.setattr(choice, "trial", trial)
    return made


def test_the_choice_is_kept_and_the_next_pass_makes_no_trial(tmp_path: Path, worth: list[int]) -> None:
    store, data, backbone = FeatureStore(tmp_path), shapes(per_class=10), TinyBackbone()
    first = StoreExtractor(store, data, batch_size=4)
    features = first(backbone, FeatureSpec(taps=backbone.taps()))
    assert (worth, first.choice(backbone).engine, features.forward_passes) == ([30], "autocast", 1.0)
    more = shapes(per_class=20)
    again = StoreExtractor(FeatureStore(tmp_path), more, batch_size=4)
    assert again.choice(backbone) == first.choice(backbone)
    assert worth == [30]
    other = SimpleNamespace(source=backbone.source, digest="of another network")
    assert choice.key("auto", backbone, "cpu") != choice.key("auto", other, "cpu")


def test_an_engine_is_built_once_for_trial_measurement_and_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    for name in ("eager", "autocast"):
        build = ENGINES[name].build

        def counted(backbone: Any, cuts: Any, name: str = name, build: Any = build) -> Any:
            built.append(name)
            return build(backbone, cuts)

        monkeypatch.setattr(ENGINES[name], "build", counted)

    def trial(asked: str, tried: Any, batches: Any, items: int, opened: Any) -> Choice:
        del asked, tried, items
        for name in ("eager", "autocast"):
            with opened(ENGINES[name]) as run:
                run(batches[0])
        return Choice("autocast", 2.0, 1.0, 12)

    monkeypatch.setattr(choice, "trial", trial)
    data, backbone = shapes(per_class=60), TinyBackbone()
    extract = StoreExtractor(FeatureStore(tmp_path), data, batch_size=4)
    extract.choice(backbone)
    assert [kept for _, kept in extract.built] == [ENGINES["autocast"].PRECISION]
    measure_pass(backbone, data, extract, n=8, store=extract.store)
    features = extract(backbone, FeatureSpec(taps=backbone.taps()))
    assert built == ["eager", "autocast"]
    assert not extract.built, "what the pass has used is let go"
    plain = StoreExtractor(FeatureStore(tmp_path / "other"), data, batch_size=4, engine="eager")
    expected = plain(backbone, FeatureSpec(taps=backbone.taps()))
    last = backbone.taps()[-1]
    np.testing.assert_allclose(features.tap(last)[:], expected.tap(last)[:], atol=0.05)


def test_features_that_are_stored_already_are_taken_whatever_computed_them(
    tmp_path: Path, worth: list[int]
) -> None:
    store, data, backbone = FeatureStore(tmp_path), shapes(per_class=10), TinyBackbone()
    StoreExtractor(store, data, batch_size=4, engine="eager")(backbone, FeatureSpec(taps=backbone.taps()))
    later = StoreExtractor(store, data, batch_size=4)
    features = later(backbone, FeatureSpec(taps=backbone.taps()))
    assert (later.choice(backbone).engine, features.forward_passes, worth) == ("eager", 0.0, [])


def test_a_hit_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, data, backbone = FeatureStore(tmp_path), shapes(per_class=10), TinyBackbone()
    spec = FeatureSpec(taps=backbone.taps(), cut="stem")
    StoreExtractor(store, data)(backbone, spec)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something was decoded or computed")

    monkeypatch.setattr("headstart.modalities.image.held", refuse)
    monkeypatch.setattr("headstart.modalities.image.prepare", refuse)
    monkeypatch.setattr(TinyBackbone, "states", refuse)
    features = StoreExtractor(FeatureStore(tmp_path), data)(backbone, spec)
    assert features.forward_passes == 0
    assert features.tap(backbone.taps()[0])[np.arange(30)].shape[0] == 30
