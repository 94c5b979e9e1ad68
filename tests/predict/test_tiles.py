"""Large images in tiles: how they are cut, and that what is joined is what one look at the whole would give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart import tasks
from headstart.core.model import Model
from headstart.errors import BadOption
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.predict import tiles
from headstart.predict.predictor import Prediction, predict
from headstart.predict.tiles import Tiling

INPUT = ImagePreprocessing((16, 16), crop_pct=1.0, crop_mode="squash", interpolation="bilinear")


class Cells:
    """Says of every 2 x 2 pixels which channel is the brightest."""

    def __init__(self) -> None:
        task = tasks.get("segmentation").make_task(("red", "green", "blue"))
        self.model, self.batches = Model(task, INPUT, {}, {}), list[int]()

    def scores(self, prepared: np.ndarray) -> np.ndarray:
        self.batches.append(len(prepared))
        return prepared.reshape(len(prepared), 3, 8, 2, 8, 2).mean((3, 5)).astype(np.float32)


class Bright:
    """Says where what is bright is: one box, sure by how much of it is seen."""

    def __init__(self) -> None:
        self.model = Model(tasks.get("detection").make_task(("dark", "light")), INPUT, {}, {})

    def scores(self, prepared: np.ndarray) -> np.ndarray:
        out = np.zeros((len(prepared), 2, 6), np.float32)
        for row, one in enumerate(prepared[:, 0] > 127):
            y, x = np.nonzero(one)
            if len(y):
                box = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1]) / 16
                out[row, 0] = [*box, 1, 0.5 + len(y) / 1000]
        return out


@pytest.fixture
def four(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """An image of 4 tiles of 16 pixels, blocks of 4 pixels of one colour, and the classes of its pixels."""
    blocks = np.random.default_rng(0).integers(0, 3, (7, 7)).astype(np.uint8)
    classes = blocks.repeat(4, 0).repeat(4, 1)
    Image.fromarray((np.eye(3, dtype=np.uint8) * 200)[classes]).save(tmp_path / "four.png")
    return tmp_path / "four.png", classes


def test_masks_of_four_tiles_are_those_of_the_whole(four: tuple[Path, np.ndarray]) -> None:
    path, classes = four
    cells = Cells()
    (row,) = predict(cells, path, tile=16)  # type: ignore[arg-type]
    assert (row.tiles, cells.batches) == (4, [4])
    np.testing.assert_array_equal(row.scores.argmax(0), classes[::2, ::2])
    assert (row.answer == classes).mean() > 0.9  # scaled bilinearly between the cells
    (whole,) = predict(Cells(), path)  # type: ignore[arg-type]
    assert whole.tiles == 1
    assert whole.scores.shape == (3, 8, 8)
    assert (whole.answer == classes).mean() < (row.answer == classes).mean()


@pytest.mark.parametrize("corner", [(2, 3), (11, 11), (8, 1), (20, 21), (13, 5), (10, 17)])
def test_an_object_is_one_box_wherever_it_lies(corner: tuple[int, int], tmp_path: Path) -> None:
    top, left = corner
    pixels = np.zeros((28, 28, 3), np.uint8)
    pixels[top : top + 4, left : left + 3] = 255
    Image.fromarray(pixels).save(tmp_path / "one.png")
    (row,) = predict(Bright(), tmp_path / "one.png", tile=16)  # type: ignore[arg-type]
    assert row.tiles == 4
    assert row.answer.size == (28, 28)
    assert row.answer.classes.tolist() == [1]
    np.testing.assert_allclose(row.answer.corners, [[left, top, left + 3, top + 4]], atol=1e-4)


def test_how_images_are_cut() -> None:
    assert Tiling(100, 100).units((100, 60)) == (4, 4)
    assert Tiling(100, 100).units((101, 60)) == (7, 4)
    assert tiles.number(Tiling(100, 100).units((175, 175))) == 4
    assert Tiling(100, 100, 2.0).units((200, 150)) == (4, 4)
    assert tiles.number(Tiling(480, 480).units((8000, 8000))) == 22**2
    for side in range(101, 1000, 37):  # no tile is larger than it may be, and they end where the image ends
        (high, _) = Tiling(100, 100).units((side, 50))
        assert (high - 4) % 3 == 0
        assert 100 / 1.75 <= side * 4 / high <= 100


def test_what_a_model_has_learnt_from_says_what_is_large() -> None:
    model = Cells().model
    assert Tiling.of(model, None) is None
    known = replace(model, evidence={"data": {"extent": [30, 40]}})
    assert Tiling.of(known, None) == Tiling(30, 40, 2.0)
    assert Tiling.of(known, 0) is None
    wide = replace(known, input=replace(INPUT, size=(16, 32)))
    assert Tiling.of(wide, 64) == Tiling(32, 64)
    for extent in ([0, 4], "no", [None, 2], [1]):
        assert Tiling.of(replace(model, evidence={"data": {"extent": extent}}), None) is None
    with pytest.raises(BadOption, match="at least 16"):
        Tiling.of(known, 3)
    other = replace(model, task=tasks.get("classification").make_task(("a", "b")))
    with pytest.raises(BadOption, match="answers for a whole item"):
        Tiling.of(other, 64)
    rows = [Prediction("a.png"), Prediction("b.png", tiles=9)]
    said = tiles.told(rows, Tiling(30, 40, 2.0), 2)
    assert said.startswith("1 of 2 images is much larger than what the model has learnt from (40 x 30)")
    assert "b.png: 9" in said
    assert tiles.told(rows, Tiling(30, 40), 2) == ""


def test_what_cannot_be_read_keeps_its_row(four: tuple[Path, np.ndarray]) -> None:
    (four[0].parent / "bad.png").write_text("nothing")
    rows = predict(Cells(), [four[0].parent / "bad.png", four[0]], tile=16)  # type: ignore[arg-type]
    assert [bool(row.error) for row in rows] == [True, False]
