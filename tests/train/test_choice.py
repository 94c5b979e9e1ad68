"""Which engine a training gets: the quickest that agrees, and none where a trial does not pay."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from headstart.train import choice
from headstart.train.choice import Choice
from train import toy

ORDINARY = {"eager": (1.0, 1.0), "bfloat16": (0.6, 1.0), "bfloat16-channels-last": (0.5, 1.0),
            "channels-last": (0.9, 1.0)}  # fmt: skip
"""Engine -> processor seconds of a step, and the cosine of its gradients."""


def trial(steps: int = 500, model: nn.Module | None = None, **more: Any) -> Choice | None:
    model = toy.net() if model is None else model
    data = toy.batches(size=20).read(0)
    groups = [list(model.body.parameters()), list(model.head.parameters())]
    return choice.trial(model, groups, toy.loss, (data.inputs, data.targets), steps=steps, **more)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Engines by name as `ORDINARY` has them, and what was measured; one without numbers raises."""
    about: dict[str, Any] = {**ORDINARY, "asked": []}

    def measured(asked: Choice, *_: Any) -> tuple[float, tuple[float, list[torch.Tensor]]]:
        about["asked"].append(asked)
        if about[asked.engine] is None:
            raise RuntimeError("no kernel\nfor this")
        seconds, cosine = about[asked.engine]
        vector = torch.tensor([cosine, (1 - cosine**2) ** 0.5], dtype=torch.double)
        return seconds, (2.0, [torch.zeros(2, dtype=torch.double), vector])

    monkeypatch.setattr(choice, "_measured", measured)
    for engine in choice.ENGINES.values():
        monkeypatch.setattr(type(engine), "suits", True)
    return about


def test_the_quickest_that_agrees_is_taken(scripted: dict[str, Any]) -> None:
    assert trial() == Choice("bfloat16-channels-last", parts_of(), 2.0, 1.0, {})
    scripted["bfloat16-channels-last"] = (0.1, 0.98)
    scripted["channels-last"] = None
    found = trial()
    assert found is not None
    assert (found.engine, found.gain) == ("bfloat16", 1.67)
    assert found.refused == {
        "bfloat16-channels-last": "its gradients agree only to a cosine of 0.9800",
        "channels-last": "RuntimeError: no kernel",
    }


def parts_of() -> int:
    return max(1, min(torch.get_num_threads(), 20 // choice.LEAST))


def test_a_small_gain_is_none(scripted: dict[str, Any]) -> None:
    scripted.update({name: (0.9, 1.0) for name in ORDINARY if name != "eager"})
    found = trial()
    assert found is not None
    assert (found.engine, found.parts, found.gain) == ("eager", 1, 1.11)


def test_a_short_training_gets_no_trial(scripted: dict[str, Any]) -> None:
    assert trial(steps=choice.FROM_STEPS - 1) is None
    assert not scripted["asked"]
    scripted["eager"] = (choice.WORTH / 1000, 1.0)
    assert trial(steps=900) is None
    assert len(scripted["asked"]) == 1
    assert trial(steps=1100) is not None


def test_no_more_than_a_share_of_the_time_left(scripted: dict[str, Any]) -> None:
    assert trial(seconds=0.0) is None
    assert len(scripted["asked"]) == 1


@pytest.mark.parametrize("cause", ["statistics", "dropout", "neither"])
def test_only_what_treats_every_item_by_itself_is_divided(
    cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "WORTH", 0.0)
    monkeypatch.setattr(choice, "GAIN", 0.0)
    monkeypatch.setattr(choice, "LEAST", 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    seen: list[Choice] = []
    whole = choice._measured
    monkeypatch.setattr(
        choice, "_measured", lambda asked, *rest: [seen.append(asked), whole(asked, *rest)][1]
    )
    model = toy.net(dropout=0.5 if cause == "dropout" else 0.0).train()
    model.body[1].train(cause == "statistics")
    assert trial(model=model) is not None
    assert {one.parts for one in seen if one.engine != "eager"} == {2 if cause == "neither" else 1}


def test_losses_that_differ_do_not_agree() -> None:
    same = [torch.ones(3, dtype=torch.double)]
    assert choice.agreement((2.0, same), (2.01, same)) == ("", pytest.approx(1.0))
    assert "its loss is 2.1 instead of 2" in choice.agreement((2.0, same), (2.1, same))[0]
    assert choice.agreement((2.0, same), (2.0, [torch.zeros(3, dtype=torch.double)]))[1] == 0
    assert choice.agreement((2.0, same), (float("nan"), same))[0]


def test_what_was_kept_is_read_back_and_what_is_not_known_is_not() -> None:
    found = Choice("bfloat16", 2, 2.1, 0.999, {"channels-last": "slow"})
    assert Choice.of(found.to_json()) == found
    assert found.to_json()["precision"] == "bfloat16"
    assert Choice.of({**found.to_json(), "engine": "abacus"}) is None
    assert Choice.of(None) is None


def test_the_key_names_what_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {choice.key({"cut": "a"}), choice.key({"cut": "b"})}
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    assert len(keys | {choice.key({"cut": "a"})}) == 3
