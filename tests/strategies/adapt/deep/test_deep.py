"""The contract of every deep adapter on pictures: from stored states and from the pixels, with an ordinary model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.dataset import ArrayItem
from headstart.core.strategy import Settings
from headstart.planning.adaptation import TRAINED, decide
from headstart.strategies import adapt
from headstart.strategies.adapt.assess import CLOSE, WAY_BACK, assess, assess_trained, circular, diagnosed
from headstart.strategies.adapt.deep._base import Offered
from headstart.strategies.adapt.deep.shot import Shot
from headstart.testing.adapters import Example, check_contract, example
from headstart.testing.fakes import MemoryExtractor, TinyBackbone

DEEP = list(adapt.DEEP)
QUICK = Settings(epochs=1, augment="none", batch_size=16, freeze="middle")


def pictures(settings: Settings = QUICK) -> Example:
    """Few of them, and trainings of four steps."""
    given = example("statistics", rows=48)
    return replace(given, request=replace(given.request, settings=settings))


@pytest.mark.parametrize("name", DEEP)
def test_contract(name: str, tmp_path: Path) -> None:
    adapter = adapt.get(name)
    assert adapter.name == name
    check_contract(adapter, pictures(), tmp_path)


def test_the_first_checkpoint_is_the_source_only_model() -> None:
    given = pictures(replace(QUICK, epochs=2))
    found = adapt.get("mcc").adapt(given.request)
    assert isinstance(found, Offered)
    plain = adapt.get(adapt.NONE).adapt(given.request)
    rows = given.request.target
    assert rows is not None
    first, *others = found.checkpoints
    assert np.abs(first.predict(rows) - plain.predict(rows)).max() < 0.02
    assert first.model().fingerprint() != found.model().fingerprint()
    assert [one.choices["checkpoint"] for one in others] == [1, 2, 3, 4]
    assert others[-1].model().fingerprint() == found.model().fingerprint()


def test_the_frozen_part_is_not_run_again_and_does_not_change() -> None:
    request = pictures().request
    adapt.get("mcc").adapt(request)
    extractor = request.features
    assert isinstance(extractor, MemoryExtractor)
    passes = extractor.forward_passes
    model = adapt.get("dann").adapt(request).model()
    assert extractor.forward_passes == passes
    for key, before in request.network.module.state_dict().items():
        same = np.array_equal(before.numpy(), model.tensors[f"trunk.{key}"])
        assert same == (not key.startswith("last") or "running" in key or "batches" in key), key


def test_a_small_network_is_trained_from_its_inputs() -> None:
    given = pictures(replace(QUICK, freeze=None))
    found = adapt.get("adamatch").adapt(given.request)
    assert found.choices["freeze"] == "none"
    assert found.choices["views"] == "views of the pixels"
    before = given.request.network.module.state_dict()["stem.0.weight"].numpy()
    assert not np.array_equal(found.model().tensors["trunk.stem.0.weight"], before)


@pytest.mark.parametrize("name", TRAINED)
def test_a_destroyed_target_gives_no_ground_to_adapt(name: str) -> None:
    """Through a witness that has not seen the labels, none of its checkpoints passes."""
    given = pictures()
    request, rng = given.request, np.random.default_rng(0)
    rows = request.target
    assert rows is not None
    noise = [ArrayItem(f"n{row}", rng.integers(0, 255, (24, 24, 3)).astype(np.uint8)) for row in rows]
    dataset = replace(request.dataset, items=(*request.dataset.items[: rows[0]], *noise))
    request = replace(request, dataset=dataset, features=MemoryExtractor(dataset))
    trial, base, none = assess(adapt.get(adapt.NONE), request)
    assert none is not None
    _, seen, found = assess_trained(adapt.get(name), request, request, none.predict(rows))
    assert found is not None
    decision = decide(diagnosed(request, trial, none), [base, seen])
    assert decision.decision == "kept", decision.reason


def test_a_witness_tells_better_answers_from_worse() -> None:
    """The best checkpoint is taken, and no adaptation goes back by the same way."""
    given = pictures(replace(QUICK, epochs=4))
    request = given.request
    rows = request.target
    assert rows is not None
    none = adapt.get(adapt.NONE).adapt(request).predict(rows)
    truth = np.eye(3, dtype=np.float32)[given.y]
    judge = adapt.get(WAY_BACK)
    assert circular(judge, request, truth) > circular(judge, request, none)
    _, seen, found = assess_trained(adapt.get("shot"), request, request, none)
    assert isinstance(found, Offered)
    assert found.number == seen.checkpoint
    assert seen.base[0] == circular(judge, request, none)
    scores = [circular(judge, request, one.predict(rows)) for one in found.checkpoints]
    assert seen.circular >= max(scores) - CLOSE
    assert len(seen.again) == len(seen.base) - 1 == 5


def restored(_: Any, __: Any, tensors: Any) -> TinyBackbone:
    """What `sources.from_state` does for networks that are no fakes."""
    twin = TinyBackbone()
    twin.module.load_state_dict({key: torch.from_numpy(value) for key, value in tensors.items()})
    return twin


def test_shot_needs_a_model_and_target_items_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.sources.from_state", restored)
    given = pictures()
    request, shot = given.request, Shot()
    target = request.target
    assert target is not None
    whole = shot.adapt(request)
    model = whole.checkpoints[0].model()
    alone = request.dataset.subset(target)
    assert not alone.targets.known.any()
    own = replace(
        request,
        dataset=alone,
        backbone=None,
        features=MemoryExtractor(alone),
        target=np.arange(len(target)),
        split=replace(request.split, development=np.arange(len(target))),
    )
    found = shot.adapt_model(own, model)
    rows = own.target
    assert rows is not None
    assert np.abs(found.checkpoints[0].predict(rows) - whole.checkpoints[0].predict(target)).max() < 1e-3
    assert not np.array_equal(found.predict(rows), found.checkpoints[0].predict(rows))
