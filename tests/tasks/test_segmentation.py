"""Segmentation: mIoU from counts of each image, alone and under weights of the images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from sklearn.metrics import f1_score, jaccard_score

import shapes
from headstart import data, tasks
from headstart.core import maps
from headstart.core.cells import column
from headstart.core.maps import LabelMap
from headstart.data.kept import of_kept
from headstart.measure import overlap


@pytest.fixture
def judged(tmp_path: Path) -> tuple:
    """(task, masks, predictions, the pixels of both)"""
    shapes.write(tmp_path, 8, void=True)
    found, rng = data.load(tmp_path), np.random.default_rng(1)
    y = found.targets[np.arange(8)]
    said = [
        np.where(rng.random(m.shape) < 0.3, rng.integers(0, 3, m.shape), np.minimum(m, 2))
        for m in (y[row] for row in range(8))
    ]
    return (
        found.task,
        y,
        column(LabelMap.of(one.astype(np.uint8)) for one in said),
        [y[row] for row in range(8)],
        said,
    )


def test_scores_are_those_of_scikit_learn(judged: tuple) -> None:
    task, y, predictions, masks, said = judged
    weights = np.array([[1, 1, 1, 1, 1, 1, 1, 1], [3, 0, 2, 0, 1, 1, 0, 1]], float)
    for name, theirs in (("mIoU", jaccard_score), ("Dice", f1_score)):
        score = tasks.for_task(task).scores[name]
        for row, got in zip(weights, score.resampled(y, predictions, weights), strict=True):
            drawn = np.repeat(np.arange(8), row.astype(int))
            truth = np.concatenate([masks[i].ravel() for i in drawn])
            guess = np.concatenate([said[i].ravel() for i in drawn])
            use = truth != 255
            assert got == pytest.approx(theirs(truth[use], guess[use], average="macro"), abs=1e-9)
        assert score.per_item(y, predictions) is None
    accuracy = tasks.for_task(task).scores["pixel accuracy"].value(y, predictions)
    every = [(m[m != 255] == s[m != 255]).mean() for m, s in zip(masks, said, strict=True)]
    assert accuracy == pytest.approx(np.mean(every), abs=1e-9)


def test_what_is_told(judged: tuple) -> None:
    task, y, predictions, masks, _ = judged
    methods = tasks.for_task(task)
    rows = methods.per_class(task, y, predictions)
    assert [row["label"] for row in rows] == ["0", "1", "2"]
    found = methods.metrics(task, y, predictions)
    assert np.mean([row["iou"] for row in rows]) == pytest.approx(found["mIoU"])
    assert methods.value(task, masks[0]).startswith("0 ")
    told = methods.told(task, masks[0])
    assert told["size"] == [64, 48]
    assert sum(told["shares"].values()) == pytest.approx(1, abs=1e-4)
    assert methods.strata(y) == [[0]] * 8
    scores = np.zeros((3, 2, 2), np.float32)
    scores[1, :, 1] = 1
    placed = methods.placed(scores, (4, 6))
    assert placed.shape == (4, 6)
    assert set(placed[:, -1].tolist()) == {1}
    assert set(methods.placed(np.array([0, 0, 1.0]), (3, 2)).ravel().tolist()) == {2}


def test_scores_are_scaled_as_torch_does_it() -> None:
    rng = np.random.default_rng(0)
    for cells, size in (((5, 7), (33, 20)), ((9, 8), (4, 3)), ((1, 1), (5, 6)), ((6, 6), (6, 6))):
        scores = rng.normal(size=(4, *cells)).astype(np.float32)
        table = torch.nn.functional.interpolate(torch.from_numpy(scores)[None], size, mode="bilinear")[0]
        found = maps.largest(scores, size)
        assert found.dtype == np.uint8
        assert (found == table.argmax(0).numpy()).mean() > 0.999  # but for ties in the last digit


def test_strips_are_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(1).normal(size=(3, 6, 5)).astype(np.float32)
    whole = maps.largest(scores, (50, 40))
    monkeypatch.setattr(maps, "STRIP", 123)
    np.testing.assert_array_equal(maps.largest(scores, (50, 40)), whole)


def test_boundaries_are_those_of_a_distance_transform() -> None:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 4, (2, 8, 10)).astype(np.uint8)
    truth, said = (np.kron(one, np.ones((12, 12), np.uint8)) for one in coarse)
    said = np.where(rng.random(said.shape) < 0.01, 1, said).astype(np.uint8)
    truth[:7] = 255

    def edges(labels: np.ndarray, k: int) -> np.ndarray:
        out = np.zeros(labels.shape, bool)
        for y, x in np.argwhere(labels == k):
            around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            inside = [labels[a] for a in around if 0 <= a[0] < len(labels) and 0 <= a[1] < labels.shape[1]]
            out[y, x] = any(other not in (k, 255) for other in inside)
        return out

    found, within = overlap.boundaries(truth, said, 4), 0.0075 * np.hypot(*truth.shape)
    seen = np.where(truth == 255, 255, said)
    for k in range(4):
        mine, theirs = edges(seen, k), edges(truth, k)
        far = [distance_transform_edt(~one) <= max(1.0, within) for one in (theirs, mine)]
        assert found[:, k].tolist() == [
            (mine & far[0]).sum(), mine.sum(), (theirs & far[1]).sum(), theirs.sum()
        ]  # fmt: skip
    precision, recall = found[0] / found[1], found[2] / found[3]
    np.testing.assert_allclose(overlap.boundary_fs(found), 2 * precision * recall / (precision + recall))
    same = overlap.boundary_fs(overlap.boundaries(truth, truth, 5))
    np.testing.assert_array_equal(same, [1, 1, 1, 1, np.nan])
    one_sided = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 0.0], [0.0, 4.0]])
    np.testing.assert_array_equal(overlap.boundary_fs(one_sided), [0, 0])


def test_an_image_is_doubtful_by_its_share_of_the_least_sure_places() -> None:
    methods, task = tasks.get("segmentation"), tasks.get("segmentation").make_task(("a", "b", "c"))
    clear = np.zeros((3, 40, 50), np.float32)
    clear[0] = 5
    torn = clear.copy()
    torn[1, :30] = 4.9  # three quarters of it between a and b
    found = methods.unsure(task, [methods.glance(None, one) for one in (clear, torn)])
    assert found[0] == (1.0, "unsure at 0% of its places")
    assert found[1][1] == "unsure at 75% of its places, mostly between a and b"
    assert found[1][0] == 0.25
    # the same in other units, and of scores for the image as a whole
    again = methods.unsure(task, [methods.glance(None, 100 * one) for one in (clear, torn)])
    assert again == found
    np.testing.assert_allclose(methods.glance(None, np.array([0.5, 0.2, 0.3])), [[0.2], [0], [2]], rtol=1e-6)


def test_masks_are_kept_as_bytes(judged: tuple) -> None:
    task, y, answers, truth, said = judged
    back = of_kept(task, [*y.kept(), None])
    assert back.known.tolist() == [True] * len(y) + [False]
    for row, mask in enumerate(truth):
        np.testing.assert_array_equal(back[row], mask)
    methods = tasks.for_task(task)
    np.testing.assert_allclose(
        methods.amounts(task, answers[0]), methods.amounts(task, said[0].astype(np.uint8))
    )
    score = methods.scores["mIoU"]
    assert score.value(back[np.arange(len(y))], answers) == score.value(y, answers)
