"""Detection as a kind of task: scores under weights of the images, and what is told of boxes."""

from __future__ import annotations

import numpy as np
import pytest

from headstart import tasks
from headstart.core.boxes import Boxes
from headstart.core.cells import column
from headstart.core.untrusted import Damaged
from headstart.data.boxes.targets import Annotations
from headstart.data.kept import of_kept
from headstart.tasks.base import Confidence, Doubts, Labels, Places

LABELS = ("cat", "dog")
METHODS = tasks.get("detection")
TASK = METHODS.make_task(LABELS)


def boxes(*rows: tuple[float, ...], scores: bool = False) -> Boxes:
    """left, top, right, bottom, class and, where there are `scores`, one."""
    table = np.array(rows, float).reshape(len(rows), 6 if scores else 5)
    return Boxes((100, 200), table[:, :4], table[:, 4].astype(int), table[:, 5] if scores else None)


@pytest.fixture
def judged() -> tuple:
    """(targets, answers) of four images."""
    truth = [
        boxes((10, 10, 50, 50, 0), (100, 10, 150, 60, 1)),
        boxes((20, 20, 60, 60, 0)),
        boxes(),
        boxes((0, 0, 40, 40, 1), (60, 60, 90, 90, 1)),
    ]
    said = [
        boxes((10, 10, 50, 50, 0, 0.9), (100, 10, 150, 60, 0, 0.6), scores=True),
        boxes((22, 20, 60, 60, 0, 0.7), (120, 20, 160, 60, 1, 0.8), scores=True),
        boxes((1, 1, 9, 9, 1, 0.2), scores=True),
        boxes((0, 0, 40, 40, 1, 0.55), (60, 60, 90, 90, 1, 0.3), scores=True),
    ]
    return Annotations(truth, 2), column(said)


def test_scores_follow_the_images(judged: tuple) -> None:
    y, said = judged
    found = METHODS.metrics(TASK, y, said)
    # cats: right, right, wrong of two; dogs: wrong, right, right of three
    dogs = (34 * 2 / 3 + 33 * 2 / 3) / 101
    assert found["mAP50"] == pytest.approx((1 + dogs) / 2)
    assert {"mAP50:95", "mAP50", "AP medium"} <= found.keys()
    score = METHODS.scores["mAP50"]
    weights = np.array([[1, 1, 1, 1], [0, 1, 0, 0], [2, 0, 1, 1]], float)
    got = score.resampled(y, said, weights)
    assert got[0] == pytest.approx(found["mAP50"])
    rows = np.array([0, 0, 2, 3])
    assert got[2] == pytest.approx(METHODS.metrics(TASK, y[rows], said[rows])["mAP50"])
    # the second image alone: its cat is found; dogs, which it has none of, are as in the whole
    whole = score.each(y, said)  # type: ignore[attr-defined]
    assert got[1] == pytest.approx((1 + whole[1]) / 2)


def test_what_is_told(judged: tuple) -> None:
    y, said = judged
    assert METHODS.decode(TASK, said) == ["2 cat", "1 cat, 1 dog", "nothing", "1 dog"]
    assert METHODS.value(TASK, y[3]) == "2 dog"
    np.testing.assert_allclose(METHODS.off(y, said), [0.5, 1 / 3, 0, 1 / 3])
    assert METHODS.strata(y) == [[-1, 0, 1], [-1, 0], [-1], [-1, 1]]
    assert METHODS.differ(y)
    assert not METHODS.differ(y[np.array([2])])
    assert METHODS.occurring(y[np.array([1])], 2).tolist() == [True, False]
    cat, dog = METHODS.per_class(TASK, y, said)
    assert (cat["n"], cat["predicted"], cat["precision"], cat["recall"]) == (2, 3, 2 / 3, 1)
    assert (dog["n"], dog["predicted"], dog["precision"], dog["recall"]) == (3, 2, 1 / 2, 1 / 3)
    assert cat["AP50"] == pytest.approx(METHODS.scores["mAP50"].each(y, said)[0])  # type: ignore[attr-defined]
    told = METHODS.told(TASK, said[0])
    assert told == {
        "size": [200, 100],
        "boxes": [
            {"label": "cat", "score": pytest.approx(0.9), "box": [10, 10, 50, 50]},
            {"label": "cat", "score": pytest.approx(0.6), "box": [100, 10, 150, 60]},
        ],
    }
    assert METHODS.cells(TASK, None, np.zeros(0), None) == {"count:cat": 0, "count:dog": 0}


def test_sure_boxes_where_nothing_is_labelled_are_labels_that_may_be_missing(judged: tuple) -> None:
    y, said = judged
    ((row, told),) = METHODS.doubts(LABELS, y, said)
    assert row == 1
    assert told == {
        "given": "1 box", "suggested": "1 more dog", "p_given": None, "p_suggested": pytest.approx(0.8)
    }  # fmt: skip


def test_rows_of_a_network_become_boxes_of_the_image() -> None:
    rows = np.zeros((6, 6), np.float32)
    rows[0] = [0.1, 0.2, 0.5, 0.6, 1, 0.9]
    rows[1] = [0.1, 0.2, 0.5, 0.58, 1, 0.8]  # the same object
    rows[2] = [0.1, 0.2, 0.5, 0.6, 0, 0.3]  # another class
    rows[3] = [-0.5, 0.5, 1.5, 2, 0, 0.2]  # beyond the edges
    rows[4] = [0.4, 0.4, 0.4, 0.9, 0, 0.2]  # no width
    found = METHODS.placed(rows, (100, 200))
    np.testing.assert_allclose(
        found.corners, [[20, 20, 100, 60], [20, 20, 100, 60], [0, 50, 200, 100]], atol=1e-4
    )
    assert found.classes.tolist() == [1, 0, 0]
    picture = METHODS.over(np.zeros((50, 100, 3), np.uint8), found.take(np.array([0])), 2)
    assert picture[10, 10:50].any(axis=1).all()
    assert not picture[20, 20].any()


def test_an_image_is_doubtful_by_its_open_boxes() -> None:
    sure = boxes((1, 1, 9, 9, 0, 0.95), (20, 20, 40, 40, 1, 0.01), scores=True)
    one = boxes((1, 1, 9, 9, 1, 0.5), (20, 20, 40, 40, 0, 0.9), scores=True)
    two = boxes((1, 1, 9, 9, 1, 0.5), (20, 20, 40, 40, 1, 0.6), (50, 1, 60, 9, 0, 0.3), scores=True)
    glances = [METHODS.glance(answer, np.zeros(0)) for answer in (sure, one, two, boxes(scores=True))]
    found = METHODS.unsure(TASK, glances)
    level = [value for value, _ in found]
    assert level[2] < level[1] < level[0] < level[3]
    assert [text for _, text in found] == [
        "unsure of 0 boxes, sure of 1", "unsure of 1 box, mostly dog, sure of 1",
        "unsure of 3 boxes, mostly dog, sure of 0", "unsure of 0 boxes, sure of 0",
    ]  # fmt: skip


def test_what_is_said_is_counted() -> None:
    answer = boxes((1, 1, 9, 9, 1, 0.5), (20, 20, 40, 40, 0, 0.4), scores=True)
    assert METHODS.amounts(TASK, answer).tolist() == [0, 1]
    assert METHODS.amounts(TASK, boxes((1, 1, 9, 9, 0), (2, 2, 5, 5, 0))).tolist() == [2, 0]


def test_boxes_are_kept_as_bytes() -> None:
    crowd = Boxes((30, 40), np.array([[1.25, 2, 3, 4]]), np.array([1]), crowd=np.array([True]))
    y = Annotations([boxes((10, 10, 50, 50, 0), (100, 10, 150, 60, 1)), None, boxes(), crowd], 2)
    back = of_kept(TASK, y.kept())
    assert back.digests() == y.digests()
    assert back.known.tolist() == [True, False, True, True]
    assert back.boxes[3].size == (30, 40)
    for damaged in ([b"123"], [y.kept()[0][:-1]], ["a text"], [np.full(8, np.nan, "<f4").tobytes()]):
        with pytest.raises(Damaged):
            of_kept(TASK, damaged)


def test_what_detection_is_and_is_not() -> None:
    for capability, has in ((Places, True), (Doubts, True), (Labels, False), (Confidence, False)):
        assert isinstance(METHODS, capability) is has
    assert not isinstance(tasks.get("segmentation"), Doubts)
    for kind in ("detection", "segmentation"):
        with pytest.raises(TypeError, match="no linear model"):
            tasks.get(kind).fit_linear(np.zeros((2, 2)), np.zeros(2), outputs=2)
