"""Detection: average precision is that of pycocotools and faster-coco-eval, alone and on resamples."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from headstart.core.boxes import Boxes
from headstart.measure import detection

CLASSES = 4
"""Of which no image has the last."""


def case(seed: int, images: int = 9) -> list[tuple[Boxes, Boxes]]:
    """(truth, answers) of images: crowds, empty images, equal overlaps, answers of a class that is missing."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(images):
        count, said = (0, 5) if number == 1 else (7, 0) if number == 2 else rng.integers(1, 25, 2)
        corners = _corners(rng, count)
        truth = Boxes(
            (400, 500), corners, rng.integers(0, CLASSES - 1, count), None, rng.random(count) < 0.15
        )
        near = rng.integers(0, max(1, count), said)
        moved = corners[near] + rng.normal(0, 4, (said, 4)) if count else _corners(rng, said)
        moved = np.where(rng.random((said, 1)) < 0.7, moved, _corners(rng, said))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        scores = (rng.permutation(said) + 1 + 100 * number + rng.random()) / 2000
        named = truth.classes[near] if count else np.zeros(said, np.int64)
        named = np.where(rng.random(said) < 0.8, named, rng.integers(0, CLASSES, said))
        found.append((truth, Boxes((400, 500), np.round(moved, 1), named, scores)))
    return found


def _corners(rng: np.random.Generator, count: int) -> np.ndarray:
    start = rng.uniform(0, 300, (count, 2))
    return np.round(
        np.concatenate(
            [start, start + rng.choice([12, 50, 130], (count, 1)) * rng.uniform(0.5, 1.2, (count, 2))], 1
        )
    )


def theirs(pairs: list[tuple[Boxes, Boxes]], kind: str) -> np.ndarray:
    """The first six numbers of a COCO summary."""
    if kind == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval as Judge
    else:
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as Judge
    images, truths, answers = [], [], []
    for image, (truth, said) in enumerate(pairs, start=1):
        images.append({"id": image, "height": 400, "width": 500})
        for box, number, crowd in zip(
            truth.corners.tolist(), truth.classes.tolist(), truth.crowd, strict=True
        ):
            truths.append({"id": len(truths) + 1, "image_id": image, "category_id": number + 1, "iscrowd": int(crowd),
                           **_sides(box)})  # fmt: skip
        for box, number, score in zip(
            said.corners.tolist(), said.classes.tolist(), said.scores.tolist(), strict=True
        ):
            answers.append({"image_id": image, "category_id": number + 1, "score": score, **_sides(box)})
    with contextlib.redirect_stdout(io.StringIO()):
        given: Any = COCO()
        categories = [{"id": number + 1, "name": str(number)} for number in range(CLASSES)]
        given.dataset = {"images": images, "annotations": truths, "categories": categories, "info": {}}
        given.createIndex()
        judge = Judge(given, given.loadRes(answers), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return np.asarray(judge.stats[:6])


def _sides(box: list[float]) -> dict[str, Any]:
    left, top, right, bottom = box
    return {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}


def ours(pairs: list[tuple[Boxes, Boxes]], weights: np.ndarray) -> np.ndarray:
    """float64 `[B, 6]` in the same order; -1 where nothing is known."""
    found = [detection.match(truth, said, CLASSES) for truth, said in pairs]
    by = {s: detection.precisions(found, weights, classes=CLASSES, size=s) for s in detection.SIZES}
    parts = [by["all"], by["all"][:, :1], by["all"][:, 5:6], by["small"], by["medium"], by["large"]]
    with np.errstate(invalid="ignore"):
        sums, known = (
            np.stack([f(p) for p in parts], 1)
            for f in (lambda p: np.nansum(p, (1, 2)), lambda p: (~np.isnan(p)).sum((1, 2)))
        )
    return np.where(known > 0, sums / np.maximum(known, 1), -1)


@pytest.mark.parametrize("kind", ["pycocotools", "faster_coco_eval"])
def test_it_is_what_coco_says(kind: str) -> None:
    pytest.importorskip(kind)
    for seed in range(12):
        pairs = case(seed)
        np.testing.assert_allclose(ours(pairs, np.ones((1, len(pairs))))[0], theirs(pairs, kind), atol=1e-6)


def test_a_resample_is_the_images_as_often_as_they_are_drawn() -> None:
    pytest.importorskip("pycocotools")
    pairs = case(3)
    weights = np.random.default_rng(0).multinomial(len(pairs), np.full(len(pairs), 1 / len(pairs)), 6)
    got = ours(pairs, weights)
    for row, times in zip(got, weights, strict=True):
        drawn = [pair for pair, often in zip(pairs, times, strict=True) for _ in range(often)]
        np.testing.assert_allclose(row, theirs(drawn, "pycocotools"), atol=1e-9)


def test_nothing_there_and_nothing_said() -> None:
    empty = Boxes((10, 10))
    found = [detection.match(empty, empty, 2)]
    assert np.isnan(detection.precisions(found, np.ones((1, 1)), classes=2)).all()
    one = Boxes((10, 10), np.array([[1, 1, 5, 5]]), np.array([1]))
    found = [detection.match(one, empty, 2)]
    np.testing.assert_array_equal(
        detection.precisions(found, np.ones((1, 1)), classes=2)[0, 0], [np.nan, 0.0]
    )
    assert detection.curve(found, 1).best() is None


def test_of_boxes_that_overlap_the_best_is_kept() -> None:
    corners = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [30, 30, 40, 40]])
    boxes = Boxes((50, 50), corners, np.array([0, 0, 1, 0]), np.array([0.5, 0.9, 0.2, 0.3]))
    kept = detection.suppressed(boxes, 0.6)
    np.testing.assert_allclose(kept.scores, [0.9, 0.3, 0.2])
    assert kept.classes.tolist() == [0, 0, 1]


def test_boxes_of_many_blocks_are_suppressed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    corners = np.tile(rng.uniform(0, 60, (400, 2)), 2) + np.array([0, 0, 20, 20])
    boxes = Boxes((80, 80), corners, rng.integers(0, 3, 400), rng.random(400))
    whole = detection.suppressed(boxes, 0.5)
    assert 10 < len(whole) < 200
    monkeypatch.setattr(detection, "CELLS", 1_000)
    assert detection.suppressed(boxes, 0.5).to_bytes() == whole.to_bytes()


def test_the_curve_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import precision_recall_curve

    found = [detection.match(truth, said, CLASSES) for truth, said in case(5)]
    curve = detection.curve(found, 0)
    use = [(one.classes == 0) & ~one.ignored[0, 0] for one in found]
    y = np.concatenate([one.right[0, 0][u] for one, u in zip(found, use, strict=True)])
    s = np.concatenate([one.scores[u] for one, u in zip(found, use, strict=True)])
    precision, recall, scores = precision_recall_curve(y, s)
    truths = sum(int(one.truths[0, 0]) for one in found)
    np.testing.assert_allclose(curve.scores[::-1], scores)
    np.testing.assert_allclose(curve.precision[::-1], precision[:-1])
    np.testing.assert_allclose(curve.recall[::-1], recall[:-1] * y.sum() / truths)
    at = curve.best()
    f1 = 2 * curve.precision * curve.recall / np.maximum(curve.precision + curve.recall, 1e-9)
    assert f1[at] == f1.max()
