"""Every adapter of the registry keeps its contract, and mends what its facts say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headstart.planning import adaptation
from headstart.strategies import adapt
from headstart.strategies.adapt.assess import assess, diagnosed
from headstart.testing.adapters import Case, check_adapter, example


@pytest.mark.parametrize("name", list(adapt.ADAPTERS))
def test_contract(name: str, tmp_path: Path) -> None:
    check_adapter(name, workdir=tmp_path)


@pytest.mark.parametrize(("case", "decision"), [("linear", "adapted"), ("noise", "kept")])
def test_the_guard_tells_classes_from_noise_of_the_same_covariance(case: Case, decision: str) -> None:
    """Two halves of the columns agree on both."""
    request = example(case).request
    trial, base, found = assess(adapt.get(adapt.NONE), request)
    assert found is not None
    pool = [base, assess(adapt.get("linot"), request)[1]]
    shift = diagnosed(request, trial, found)
    assert adaptation.decide(shift, pool).decision == decision
    blind = replace(shift, clustered=adaptation.CLUSTERED)
    assert adaptation.decide(blind, pool).decision == "adapted"
