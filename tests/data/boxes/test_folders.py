"""Boxes laid on images: units, EXIF orientation, other sizes, edges, and what has no annotation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import shapes
from headstart import data
from headstart.core.dataset import Dataset
from headstart.core.targets import Targets
from headstart.data.boxes.formats.written import Mark
from headstart.data.boxes.placing import corners
from headstart.data.checks import doctor
from headstart.errors import DataError
from headstart.modalities import image

from . import made

CODES = {"HS302", "HS303", "HS311", "HS413", *(f"HS33{last}" for last in range(9))}


def codes(found: Dataset) -> dict[str, str]:
    """Code -> what the doctor says of boxes."""
    report = doctor.check(found)
    return {
        f.code: f"{f.where}: {f.message}" for f in report.findings if f.code in CODES and f.code != "HS310"
    }


def said(found: Dataset) -> str:
    return "\n".join(note.message for note in found.notes)


def changed(folder: Path, **boxes: list[made.Box]) -> Dataset:
    made.coco(folder, {**made.BOXES, **boxes})
    return data.load(folder)


def test_targets_of_parts(tmp_path: Path) -> None:
    found = changed(tmp_path)
    assert isinstance(found.targets, Targets)
    assert codes(found) == {"HS334": "images/c.jpg: images without boxes"}
    view = found.view(labels=np.array([1]))
    assert np.flatnonzero(view.labelled).tolist() == [1]
    with pytest.raises(LookupError):
        view.targets[np.array([0, 1])]
    assert found.subset([1]).targets.to_list() == [[[20, 16, 60, 48, 1]]]
    before = found.fingerprint
    assert changed(tmp_path, b=[("cat", 20, 16, 60, 48)]).fingerprint != before


def test_shares_are_found_out(tmp_path: Path) -> None:
    shares = {
        name: [(label, x / 80, y / 64, r / 80, b / 64) for label, x, y, r, b in some]
        for name, some in made.BOXES.items()
    }
    found = changed(tmp_path, **shares)
    assert found.targets.to_list() == [[[8, 4, 40, 36, 0], [0, 0, 80, 64, 1]], [[20, 16, 60, 48, 1]], []]
    assert "3 boxes as shares of width and height (0 to 1)" in said(found)
    with pytest.raises(DataError, match="2 boxes within 0 to 1, 1 beyond: some are in pixels"):
        changed(tmp_path, a=shares["a"])
    with pytest.raises(DataError, match=r"cannot be told; write boxes in pixels"):
        changed(tmp_path, a=[("cat", 0, 0, 1, 1)], b=[("cat", 0, 0, 1, 1)])


def test_yolo_in_pixels(tmp_path: Path) -> None:
    made.yolo(tmp_path)
    (tmp_path / "labels" / "a.txt").write_text("0 24 20 32 32\n1 40 32 80 64\n")
    (tmp_path / "labels" / "b.txt").write_text("1 40 32 40 32\n")
    found = data.load(tmp_path)
    assert found.targets[0].corners.tolist() == [[8, 4, 40, 36], [0, 0, 80, 64]]
    assert "in pixels" in said(found)


def test_boxes_that_are_mended(tmp_path: Path) -> None:
    odd: list[made.Box] = [
        ("cat", 8, 4, 40, 36), ("cat", 8, 4, 40, 36), ("dog", 8, 4, 40, 36), ("cat", 5, 5, 5, 20),
        ("cat", 60, 40, 120, 50), ("cat", 200, 10, 220, 30), ("dog", 10, 10, 11, 12), ("cat", 0, 0, 80.5, 64),
    ]  # fmt: skip
    found = changed(tmp_path, a=odd)
    kept = [[8, 4, 40, 36, 0], [8, 4, 40, 36, 1], [60, 40, 80, 50, 0], [10, 10, 11, 12, 1], [0, 0, 80, 64, 0]]
    assert found.targets.to_list()[0] == kept
    assert codes(found) == {
        "HS330": "images/a.jpg: 1 of 8 boxes without an area: left out",
        "HS331": "images/a.jpg: 1 of 8 boxes over its edge: cut there; 1 of 8 boxes outside of it: left out",
        "HS332": "images/a.jpg: 1 of 6 boxes there twice: counted once",
        "HS333": "images/a.jpg: 1 of 5 boxes tiny, such as one of 1 x 2 pixels",
        "HS334": "images/c.jpg: images without boxes",
    }


def test_coordinates_that_are_no_numbers_have_no_area(tmp_path: Path) -> None:
    found = changed(tmp_path, a=[("cat", float("nan"), 4, 40, 36), ("dog", 0, 0, float("inf"), 64)])
    assert found.targets.to_list()[0] == []
    assert "2 of 2 boxes without an area" in said(found)


def test_images_without_annotations_and_the_other_way_round(tmp_path: Path) -> None:
    document = made.coco(tmp_path)
    document["images"].append({"id": 9, "file_name": "gone.jpg", "width": 80, "height": 64})
    document["categories"].append({"id": 99, "name": "horse"})
    made.write(tmp_path / "annotations.json", document)
    made.images(tmp_path / "images", ["d"])
    found = data.load(tmp_path)
    assert found.labelled.tolist() == [True, True, True, False]
    assert codes(found) == {
        "HS311": "horse: label that no item has",
        "HS334": "images/c.jpg: images without boxes",
        "HS335": "annotations.json: 1 image that it names missing: gone.jpg",
        "HS336": f"{tmp_path}: 1 image that no annotation names (images/d.jpg): read as unlabelled",
    }


def test_files_that_name_no_image(tmp_path: Path) -> None:
    made.coco(tmp_path)
    for path in (tmp_path / "images").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    message = r"annotations\.json names no image of this folder: it names a\.jpg, b\.jpg and 1 more; there are images/xa"
    with pytest.raises(DataError, match=message):
        data.load(tmp_path)


def test_two_files_of_one_image(tmp_path: Path) -> None:
    made.coco(tmp_path)
    made.coco(tmp_path, file="more.json")
    with pytest.raises(DataError, match=r"annotations\.json and more\.json both tell of images/a\.jpg"):
        data.load(tmp_path)


def turned(path: Path, orientation: int) -> None:
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = orientation
        image.load()
        image.save(path, exif=exif)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_points_turn_as_pixels_do(orientation: int, tmp_path: Path) -> None:
    """A box in a picture as stored lies where Pillow's upright picture has it."""
    made.coco(tmp_path, {"a": [("cat", 8, 4, 40, 20)], "b": [("cat", 8, 4, 40, 20)]})
    pixels = np.zeros((64, 80, 3), np.uint8)
    pixels[4:20, 8:40] = 255
    Image.fromarray(pixels).save(tmp_path / "images" / "a.jpg", quality=100)
    turned(tmp_path / "images" / "a.jpg", orientation)
    turned(tmp_path / "images" / "b.jpg", 6)  # tells that sizes are those of files as stored
    found = data.load(tmp_path)
    upright = np.asarray(image.open_image(found.items[0].read()))[..., 0] > 128
    left, top, right, bottom = found.targets[0].corners[0].astype(int)
    assert found.targets[0].size == upright.shape
    assert upright[top:bottom, left:right].all()
    assert upright.sum() == (bottom - top) * (right - left)
    assert "belong to the files as stored" in said(found)
    assert "HS338" not in codes(found)


def test_annotations_of_upright_images(tmp_path: Path) -> None:
    document = made.coco(tmp_path, {"a": [("cat", 8, 4, 40, 20)]})
    document["images"][0] |= {"width": 64, "height": 80}
    made.write(tmp_path / "annotations.json", document)
    turned(tmp_path / "images" / "a.jpg", 6)
    found = data.load(tmp_path)
    assert found.targets[0].corners.tolist() == [[8, 4, 40, 20]]
    assert found.targets[0].size == (80, 64)
    assert "belong to upright images (by the sizes that are written)" in said(found)
    assert "HS338" not in codes(found)


def test_images_of_another_size(tmp_path: Path) -> None:
    made.coco(tmp_path)
    made.images(tmp_path / "images", ["a"], size=(160, 128))
    made.images(tmp_path / "images", ["b"], size=(80, 80))
    found = data.load(tmp_path)
    assert found.targets[0].corners.tolist() == [[16, 8, 80, 72], [0, 0, 160, 128]]
    assert codes(found) == {
        "HS334": "images/c.jpg: images without boxes",
        "HS337": "images/a.jpg: 80 x 64, and the image has 160 x 128: scaled to it",
        "HS338": "images/b.jpg: 80 x 64, and the image has 80 x 80 pixels",
    }


def test_images_that_cannot_be_read(tmp_path: Path) -> None:
    for form in ("COCO JSON", "YOLO"):
        made.WRITERS[form](tmp_path / form)
        (tmp_path / form / "images" / "a.jpg").write_bytes(b"\xff\xd8\xff")
        found = data.load(tmp_path / form)
        assert found.labelled.tolist() == [form == "COCO JSON", True, True]  # whose size is written
        assert {f.code for f in doctor.check(found).errors} == {"HS104"}


def test_one_class_one_image_and_none(tmp_path: Path) -> None:
    found = changed(tmp_path, a=[("dog", 1, 2, 30, 40)])
    assert "HS303" not in codes(found)
    made.coco(tmp_path / "one", {"a": [("cat", 8, 4, 40, 36)]})
    one = doctor.check(data.load(tmp_path / "one"))
    assert {f.code for f in one.errors} == {"HS407"}
    made.coco(tmp_path / "none", {"a": [], "b": []})
    none = codes(data.load(tmp_path / "none"))
    assert none["HS303"].endswith("the boxes of all 2 images hold no class at all")


def test_large_images_are_read_by_their_header(tmp_path: Path) -> None:
    made.coco(tmp_path, {"a": [("cat", 8, 4, 40, 36)]})
    Image.new("L", (8000, 6400)).save(tmp_path / "images" / "a.jpg", quality=1)
    assert data.load(tmp_path).targets[0].corners.tolist() == [[800, 400, 4000, 3600]]


def test_backgrounds_are_no_class(tmp_path: Path) -> None:
    document = made.coco(tmp_path)
    document["categories"].insert(0, {"id": 0, "name": "__background__"})
    made.write(tmp_path / "annotations.json", document)
    assert data.load(tmp_path).task.labels == made.NAMES  # type: ignore[union-attr]


def test_classes_in_the_order_asked_for(tmp_path: Path) -> None:
    made.coco(tmp_path)
    found = data.load(tmp_path, labels=["horse", "dog", "cat"])
    assert found.task is not None
    assert found.task.labels == ("horse", "dog", "cat")
    assert found.targets[1].classes.tolist() == [1]
    with pytest.raises(DataError, match="labels do not name the class 'cat'"):
        data.load(tmp_path, labels=["dog"])
    known = data.load(tmp_path, known=("dog", "cat", "cow"))
    assert known.targets[1].classes.tolist() == [0]
    with pytest.raises(DataError, match="the model does not know the class 'dog'"):
        data.load(tmp_path, known=("cat",))


def test_what_is_asked_for(tmp_path: Path) -> None:
    made.images(tmp_path / "plain" / "x")
    with pytest.raises(
        DataError, match=r"no boxes that are read here; lay it out as one of: images/ and annot"
    ):
        data.load(tmp_path / "plain", task="detection")
    shapes.write(tmp_path / "both", 2)
    names = [path.stem for path in (tmp_path / "both" / "images").iterdir()]
    made.write(
        tmp_path / "both" / "annotations.json",
        {
            "images": [{"id": i, "file_name": f"{name}.png"} for i, name in enumerate(names)],
            "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 2, 30, 40]}],
            "categories": [{"id": 1, "name": "disc"}],
        },
    )
    masks = data.load(tmp_path / "both")
    assert masks.task is not None
    assert masks.task.kind == "segmentation"
    assert "there are boxes, too (COCO JSON): to learn those, say --task detection" in said(masks)
    boxes = data.load(tmp_path / "both", task="detection")
    assert boxes.task is not None
    assert boxes.task.labels == ("disc",)


def test_folders_that_only_look_alike(tmp_path: Path) -> None:
    """Class folders with texts, records or documents beside their images are read as before."""
    for name in ("cat", "dog"):
        made.images(tmp_path / name)
        (tmp_path / name / "a.txt").write_text("a cat on a mat\n")
        (tmp_path / name / "b.txt").write_text("12\n")
        made.write(tmp_path / name / "a.json", {"taken": "today"})
        (tmp_path / name / "a.xml").write_text("<meta><camera>x</camera></meta>")
    found = data.load(tmp_path)
    assert found.task is not None
    assert (found.task.kind, found.task.labels) == ("classification", ("cat", "dog"))


def test_videos_in_two_parts(tmp_path: Path) -> None:
    box: list[made.Box] = [("cat", 8, 4, 40, 36)]
    for part, names in (
        ("train", ["clip_0001", "shore_0002", "shore_0003"]),
        ("test", ["clip_0007", "wood_0001"]),
    ):
        made.coco(tmp_path / part, dict.fromkeys(names, box))
    found = codes(data.load(tmp_path))["HS413"]
    assert found.startswith("'clip': 1 image outside of the test part and 1 in it, such as ")
    for path in tmp_path.rglob("clip_0007*"):
        path.rename(path.with_name("lake_0007.jpg"))
    text = (tmp_path / "test" / "annotations.json").read_text()
    (tmp_path / "test" / "annotations.json").write_text(text.replace("clip_0007", "lake_0007"))
    assert "HS413" not in codes(data.load(tmp_path))
    for part in ("train", "test"):  # one beginning is the name of the data set
        made.coco(tmp_path / "cells" / part, {f"Cell_{part == 'test':05d}": box})
    assert "HS413" not in codes(data.load(tmp_path / "cells"))


def test_units_of_few_and_many() -> None:
    def sheet(*boxes: tuple[float, float, float, float]) -> corners.Sheet:
        return corners.Sheet("x", tuple(Mark("y", box) for box in boxes))

    rng = np.random.default_rng(0)
    shares = [tuple(np.sort(rng.random((2, 2)), axis=0).ravel()) for _ in range(50)]
    pixels = [tuple(value * 300 for value in box) for box in shares]
    for expected in (True, False):
        assert corners.in_shares([sheet(*shares)], expected=expected, where="")
        assert not corners.in_shares([sheet(*pixels)], expected=expected, where="")
        assert corners.in_shares([sheet(*shares[:49], (0.5, 0.5, 1.4, 1))], expected=expected, where="")
        assert not corners.in_shares([sheet(*pixels[:49], (0, 0, 1, 1))], expected=expected, where="")
        assert corners.in_shares([], expected=expected, where="") is expected
        with pytest.raises(DataError):
            corners.in_shares([sheet(*pixels[:25], *shares[25:])], expected=expected, where="")
