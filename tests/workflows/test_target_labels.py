"""Labels of the target decide for numbers and for sets of labels: what is known to help, and what cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headstart.core.strategy import Request
from headstart.errors import DataError
from headstart.strategies import adapt as adapters
from headstart.testing.strategy import example
from headstart.workflows.target_labels import Labelled
from headstart.workflows.target_labels.race import BOTH, PRIOR, TARGET, race


def asked(kind: str) -> tuple[Request, Labelled, np.ndarray]:
    """A source of a third of the rows, a target of the others with the labels that they had, and what the
    source's head says of these."""
    request = example(kind, per_class=60)
    rows = request.split.development
    source, target = rows[::3], np.setdiff1d(rows, rows[::3])
    folds = tuple(
        replace(fold, train=np.intersect1d(fold.train, source), test=np.intersect1d(fold.test, source))
        for fold in request.split.folds
    )
    y = request.dataset.targets[target]
    hidden = replace(request.dataset, targets=request.dataset.targets.hidden(source))
    split = replace(request.split, development=source, folds=folds)
    request = replace(request, dataset=hidden, split=split, target=target)
    return request, Labelled(target, y), adapters.get(adapters.NONE).adapt(request).predict(target)


def test_numbers_that_the_model_gives_leave_it_as_it_is() -> None:
    request, labelled, said = asked("regression")
    found = race(request, Labelled(labelled.rows, said[:, 0].astype(np.float64)), said)
    assert (found.decision.decision, found.learned, found.trial) == ("kept", None, None)
    assert found.suffices == "source-only"


def test_labels_that_the_model_gives_leave_it_as_it_is() -> None:
    request, labelled, said = asked("multilabel")
    given = (said >= np.median(said, axis=0)).astype(np.float32)
    found = race(request, Labelled(labelled.rows, given), said)
    assert (found.decision.decision, found.learned, found.trial) == ("kept", None, None)


def test_numbers_on_another_scale_are_learnt_and_ship() -> None:
    request, labelled, said = asked("regression")
    moved = Labelled(labelled.rows, 3 * labelled.y + 5)
    found = race(request, moved, said)
    arms = {arm.name: arm for arm in found.race}
    before = float(np.abs(said[:, 0] - moved.y).mean())
    assert arms["source-only"].score == pytest.approx(before, rel=1e-6)
    assert arms[PRIOR].gain is not None
    assert arms[PRIOR].gain.low > 0
    assert found.decision.decision == "adapted"
    assert found.decision.adapter in (PRIOR, TARGET)
    assert "labels of the target decide" in found.decision.reason
    assert found.learned is not None
    assert np.abs(found.learned.predict(moved.rows)[:, 0] - moved.y).mean() < before / 2
    assert found.trial is not None
    assert found.trial.covered[0, request.split.development].all()
    shipped = found.learned.model()
    assert np.array_equal(shipped.tensors["head.bias"], found.learned.bias.astype(np.float32))


def test_labels_that_mean_the_opposite_are_learnt_from_the_target_alone() -> None:
    request, labelled, said = asked("multilabel")
    found = race(request, Labelled(labelled.rows, 1 - labelled.y), said)
    arms = {arm.name: arm for arm in found.race}
    assert found.decision.decision == "adapted"
    assert found.decision.adapter in (PRIOR, TARGET)
    assert arms[TARGET].score > arms[BOTH].score > arms["source-only"].score


def test_noise_does_not_ship() -> None:
    request, labelled, _ = asked("regression")
    y = np.random.default_rng(0).permutation(labelled.y)
    found = race(request, Labelled(labelled.rows, y), np.full((len(y), 1), np.median(y)))
    assert found.decision.decision == "kept"


def test_few_labels_do_not_decide() -> None:
    request, labelled, said = asked("regression")
    y = 3 * labelled.y + 5
    found = race(request, Labelled(labelled.rows[:30], y[:30]), said[:30])
    assert found.decision.decision == "kept"
    assert "50 labels are needed" in found.decision.reason
    with pytest.raises(DataError, match=r"labels of 19 of the target's items; label at least 20"):
        race(request, Labelled(labelled.rows[:19], y[:19]), said[:19])
