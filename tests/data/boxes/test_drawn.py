"""Masks that are drawn of outlines: polygons and run lengths, as targets of segmentation."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart import data
from headstart.core.dataset import Dataset
from headstart.core.maps import VOID
from headstart.data.boxes.placing.drawn import Drawn, filled
from headstart.data.checks import doctor
from headstart.errors import DataError, ItemError

from . import made


def masks_of(folder: Path, *shapes: object, crowd: bool = False) -> Dataset:
    """The data set of one image, "a", with these outlines of cats; "b" has a dog, "c" nothing."""
    document = made.coco(folder, {**made.BOXES, "a": [("cat", 10, 10, 20, 20)] * len(shapes)})
    for one, shape in zip(document["annotations"], shapes, strict=False):
        if shape is None:
            continue
        one["segmentation"] = shape
        one["iscrowd"] = int(crowd)
    document["annotations"][-1]["segmentation"] = [[20, 16, 60, 16, 60, 48, 20, 48]]
    made.write(folder / "annotations.json", document)
    return data.load(folder, task="segmentation")


def test_pixels_whose_centres_are_inside() -> None:
    """Against each centre by itself: how often a ray to the right crosses the outline."""
    rng = np.random.default_rng(0)
    for corners in (3, 4, 9):
        polygon = rng.uniform(-4, 24, (corners, 2))
        expected = np.zeros((16, 20), bool)
        for y in range(16):
            for x in range(20):
                crossed = 0
                for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
                    if min(y0, y1) <= y + 0.5 < max(y0, y1):
                        crossed += x + 0.5 >= x0 + (y + 0.5 - y0) * (x1 - x0) / (y1 - y0)
                expected[y, x] = crossed % 2
        np.testing.assert_array_equal(filled([polygon], (20, 16)), expected)
    square = np.array([[2, 3], [6, 3], [6, 9], [2, 9]], float)
    two = filled([square, square + np.array([3, 0])], (12, 12))
    assert two.sum() == two[3:9, 2:9].sum() == 42  # together, not one out of the other


def test_outlines_become_masks(tmp_path: Path) -> None:
    polygon = [[4, 4, 30, 4, 30, 24, 4, 24], [50, 40, 60, 40, 60, 50]]
    found = masks_of(tmp_path, polygon)
    assert found.task is not None
    assert (found.task.kind, found.task.labels) == ("segmentation", ("background", "cat", "dog"))
    mask = found.targets[0]
    assert mask.shape == (64, 80)
    assert (mask[4:24, 4:30] == 1).all()
    assert (mask == 1).sum() == 20 * 26 + 55  # centres on its left edge belong to the triangle
    dog = np.zeros((64, 80), np.uint8)
    dog[16:48, 20:60] = 2
    np.testing.assert_array_equal(found.targets[1], dog)
    assert not found.targets[2].any()
    assert not doctor.check(found).errors
    assert "masks drawn of 2 outlines of 2 classes" in "\n".join(note.message for note in found.notes)
    boxes = data.load(tmp_path)  # without being asked
    assert boxes.task is not None
    assert boxes.task.kind == "detection"
    assert any("for masks say --task segmentation" in note.message for note in boxes.notes)


def test_small_objects_lie_on_large_ones_and_crowds_are_void(tmp_path: Path) -> None:
    document = made.coco(
        tmp_path, {"a": [("cat", 10, 10, 20, 20), ("dog", 0, 0, 80, 64), ("dog", 60, 50, 80, 64)]}
    )
    document["annotations"][0]["segmentation"] = [[10, 10, 20, 10, 20, 20, 10, 20]]
    document["annotations"][1]["segmentation"] = {"size": [64, 80], "counts": [0, 64 * 80]}
    document["annotations"][1]["iscrowd"] = 1
    made.write(tmp_path / "annotations.json", document)
    found = data.load(tmp_path, task="segmentation")
    mask = found.targets[0]
    assert mask[15, 15] == 1
    assert mask[0, 0] == mask[60, 70] == VOID
    assert "1 object with a box alone: void" in "\n".join(note.message for note in found.notes)


def test_run_lengths_turn_with_their_image(tmp_path: Path) -> None:
    document = made.coco(tmp_path, {"a": [("cat", 8, 4, 40, 20)]})
    stored = np.zeros((64, 80), np.uint8)
    stored[4:20, 8:40] = 1
    flat = stored.T.ravel()
    runs = np.diff([0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]).tolist()
    document["annotations"][0]["segmentation"] = {"size": [64, 80], "counts": runs}
    made.write(tmp_path / "annotations.json", document)
    path = tmp_path / "images" / "a.jpg"
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.load()
        image.save(path, exif=exif)
    found = data.load(tmp_path, task="segmentation")
    upright = np.asarray(Image.fromarray(stored).transpose(Image.Transpose.ROTATE_270))
    np.testing.assert_array_equal(found.targets[0], upright)
    assert not [f for f in doctor.check(found).errors if f.code == "HS324"]


def test_damaged_run_lengths(tmp_path: Path) -> None:
    found = masks_of(tmp_path, {"size": [64, 80], "counts": [3, 4]})
    errors = doctor.check(found).errors
    assert [(f.code, f.row) for f in errors] == [("HS323", 0)]
    assert "a damaged RLE: its runs have 7 pixels, its size 5,120" in errors[0].message
    with pytest.raises(ItemError, match="damaged RLE"):
        found.targets[0]
    document = made.coco(tmp_path, {"a": [("cat", 10, 10, 20, 20)]})
    document["annotations"][0] |= {"segmentation": {"size": [64, 80], "counts": "zz"}, "bbox": None}
    made.write(tmp_path / "annotations.json", document)
    with pytest.raises(DataError, match="annotation 1: a damaged RLE"):
        data.load(tmp_path)


def test_boxes_alone_give_no_masks(tmp_path: Path) -> None:
    made.coco(tmp_path)
    with pytest.raises(DataError, match="boxes without outlines") as caught:
        data.load(tmp_path, task="segmentation")
    assert "--task detection" in str(caught.value)


def test_outlines_that_are_none(tmp_path: Path) -> None:
    odd = [[float("nan"), 4, 30, 4, 30, 24], [4, 4, 30, 4], [4, 4, 8, 4, 8, 8, 9]]
    found = masks_of(tmp_path, odd)
    assert (found.targets[0] == 1).sum() == 10  # of the last, whose odd number is left out
    for shape in ([["x", 1, 2, 3, 4, 5]], [[1, 2, 3, 4, 5, 6], 7]):
        with pytest.raises(DataError, match=r"a\.jpg: an outline that is none"):
            masks_of(tmp_path, shape)


def test_outlines_over_the_edge() -> None:
    """Drawn in a part of the image, they are as if drawn in all of it."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        polygons = [rng.uniform(-20, 60, (5, 2)), rng.uniform(-20, 60, (3, 2))]
        with Image.open(io.BytesIO(Drawn("x", (40, 30), ((7, polygons),)).read())) as image:
            np.testing.assert_array_equal(np.asarray(image) == 7, filled(polygons, (40, 30)))
    with Image.open(io.BytesIO(Drawn("x", (40, 30), ((7, [rng.uniform(90, 99, (3, 2))]),)).read())) as image:
        assert not np.asarray(image).any()


def test_masks_of_too_many_pixels() -> None:
    with pytest.raises(ItemError, match="over 100 million"):
        Drawn("x", (20_000, 20_000)).read()


def test_masks_in_the_order_of_a_model(tmp_path: Path) -> None:
    masks_of(tmp_path, [[4, 4, 30, 4, 30, 24, 4, 24]])
    known = data.load(tmp_path, task="segmentation", known=("dog", "background", "cat"))
    assert np.unique(known.targets[0]).tolist() == [1, 2]
    with pytest.raises(DataError, match="does not know the class 'dog'"):
        data.load(tmp_path, task="segmentation", known=("background", "cat"))
