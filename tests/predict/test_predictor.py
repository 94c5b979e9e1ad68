from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.core.dataset import ArrayItem
from headstart.core.model import Model
from headstart.core.task import Task
from headstart.errors import BadOption
from headstart.predict.predictor import AHEAD, Predictor, predict, stream, told_unread
from headstart.testing.texts import contract
from made.models import tiny_images, tiny_model, tiny_task


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(tiny_model(), device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images as the model wants them, and three files that are none."""
    root = tmp_path / "new"
    root.mkdir()
    for number, pixels in enumerate(tiny_images(3)):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(root / f"{number}.png")
    (root / "empty.png").write_bytes(b"")
    (root / "short.png").write_bytes((root / "0.png").read_bytes()[:200])
    (root / "text.jpg").write_bytes(b"no image at all")
    return root


def test_readable_files_get_the_answers_of_the_network(predictor: Predictor, folder: Path) -> None:
    found = predict(predictor, [folder / f"{number}.png" for number in range(3)])
    expected = predictor.scores(tiny_images(3))
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert found.answers == [predictor.model.task.labels[i] for i in expected.argmax(axis=1)]
    assert not found.failed


@pytest.mark.parametrize("batch_size", [1, 2, None])
def test_unreadable_files_are_reported_and_the_rest_predicted(
    predictor: Predictor, folder: Path, batch_size: int | None
) -> None:
    found = predict(predictor, [folder, folder / "gone.png"], batch_size=batch_size)
    assert [Path(row.id).name for row in found] == [
        "0.png", "1.png", "2.png", "empty.png", "short.png", "text.jpg", "gone.png",
    ]  # fmt: skip
    assert [Path(row.id).name for row in found.failed] == ["empty.png", "short.png", "text.jpg", "gone.png"]
    assert all(row.error and "\n" not in row.error for row in found.failed)
    assert found[-1].error == "no such file or folder"
    assert np.isnan(found.scores[3:]).all()
    np.testing.assert_allclose(found.scores[:3], predictor.scores(tiny_images(3)), atol=1e-6)


def test_arrays_and_images_in_memory(predictor: Predictor) -> None:
    images = tiny_images(2).transpose(0, 2, 3, 1)
    expected = predictor.scores(tiny_images(2))
    np.testing.assert_allclose(predict(predictor, images).scores, expected, atol=1e-6)
    np.testing.assert_allclose(
        predict(predictor, [Image.fromarray(image) for image in images]).scores, expected, atol=1e-6
    )


def test_kinds_of_answers() -> None:
    several = predict(tiny_model(task=tiny_task("multilabel")), tiny_images(2).transpose(0, 2, 3, 1))
    for row in several:
        assert row.answer == [
            label for label, p in zip(several.task.labels, row.scores, strict=True) if p >= 0.5
        ]
    number = predict(tiny_model(task=tiny_task("regression")), tiny_images(1).transpose(0, 2, 3, 1))[0]
    assert isinstance(number.answer, float)


def test_memory_is_bounded_by_a_few_batches(predictor: Predictor) -> None:
    """Items are read no further ahead than the window, however many there are."""
    asked, lock = [0], threading.Lock()

    def endless() -> Iterator[ArrayItem]:
        image = tiny_images(1)[0].transpose(1, 2, 0)
        while True:
            with lock:
                asked[0] += 1
            yield ArrayItem(str(asked[0]), image)

    rows = stream(predictor, endless(), batch_size=4)
    for _ in range(10):
        next(rows)
    rows.close()
    assert asked[0] <= 12 + 4 * (AHEAD + 1)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_progress_counts_every_row(predictor: Predictor, folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    predict(predictor, folder, progress=lambda what, done, total: seen.append((done, total)))
    assert seen == [(number, 6) for number in range(1, 7)]


def test_nothing_to_predict(predictor: Predictor) -> None:
    found = predict(predictor, [])
    assert len(found) == 0
    assert found.scores.shape == (0, 3)


def test_a_batch_needs_a_size(predictor: Predictor) -> None:
    with pytest.raises(BadOption, match="at least 1"):
        predict(predictor, [], batch_size=0)


@pytest.mark.parametrize("pairs", [True, False])
def test_a_model_of_pairs_says_so_of_single_texts_and_the_other_way_round(pairs: bool) -> None:
    task = Task("classification", ("no", "yes"), "accuracy")
    bias = {"head.bias": np.zeros(2, np.float32)}
    evidence = {"data": {"pairs": pairs}}
    model = Model(task, contract(), {"kind": "constant"}, bias, evidence=evidence)
    found = predict(model, ["rain", ("rain", "snow")])
    wrong, right = (found[0], found[1]) if pairs else (found[1], found[0])
    assert wrong.error == (
        "one text, but the model reads pairs" if pairs else "two texts, but the model reads one"
    )
    assert right.answer == "no"


@pytest.mark.parametrize(
    ("labels", "label_type", "expected"),
    [(("0", "5"), "int", 5), (("0.5", "1"), "float", 1.0), (("false", "true"), "bool", True), (("a", "b"), "text", "b")],
)  # fmt: skip
def test_answers_have_the_type_of_the_labels(
    labels: tuple[str, str], label_type: str, expected: object
) -> None:
    task = Task.from_json(Task("classification", labels, "accuracy", label_type=label_type).to_json())
    bias = {"head.bias": np.array([0, 1], np.float32)}
    answer = predict(Model(task, contract(), {"kind": "constant"}, bias), ["rain"])[0].answer
    assert (type(answer), answer) == (type(expected), expected)
    assert Task("multilabel", labels, "mAP", label_type=label_type).typed([labels[1]]) == [expected]


def test_a_task_whose_labels_are_not_of_its_type_is_refused() -> None:
    with pytest.raises(ValueError, match="a"):
        Task.from_json({**Task("classification", ("a", "b"), "accuracy").to_json(), "label_type": "int"})


def test_what_the_model_does_not_see_is_said() -> None:
    task = Task("classification", ("no", "yes"), "accuracy")
    read = contract(max_length=8)
    model = Model(task, read, {"kind": "constant"}, {"head.bias": np.zeros(2, np.float32)})
    found = predict(model, ["rain", "rain " * 7, "rain " * 40])
    assert [row.unread for row in found[:2]] == ["", ""]
    assert found.unread == (found[2],)
    assert re.fullmatch("8 of 4[0-9] tokens are read", found[2].unread)
    assert told_unread(found, 3).startswith("1 of 3 is seen only in part: text 3: 8 of 4")
    assert not told_unread(found[:2], 2)


def test_a_long_strip_of_a_picture_is_said_to_be_cut(predictor: Predictor) -> None:
    wide = np.zeros((10, 100, 3), np.uint8)
    wide[:, :50] = 255
    found = predict(predictor, [wide, np.ascontiguousarray(wide[:, :20])])
    assert "of the picture is seen" in found[0].unread
    assert not found[1].unread
