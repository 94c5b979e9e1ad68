"""Folders of images and masks: what is read of them, and what the doctor says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import shapes
from headstart import data
from headstart.core.maps import VOID
from headstart.core.targets import Targets
from headstart.data import splits
from headstart.data.checks import doctor
from headstart.data.masks import legend
from headstart.errors import DataError, ItemError


def codes(folder: Path) -> list[str]:
    return [f.code for f in doctor.check(data.load(folder)).findings if f.code in CODES]


CODES = {"HS302", "HS303", "HS311", "HS323", "HS324", "HS325", "HS326", "HS327"}


def test_images_and_masks_are_recognised(tmp_path: Path) -> None:
    shapes.write(tmp_path, 4, void=True)
    (tmp_path / "classes.txt").write_text("ground\ndisc\nbar\n")
    found = data.load(tmp_path)
    assert found.task is not None
    assert (found.task.kind, found.task.labels, found.task.metric) == ("segmentation", shapes.NAMES, "mIoU")
    assert isinstance(found.targets, Targets)
    mask = np.asarray(Image.open(tmp_path / "masks" / "2.png"))
    np.testing.assert_array_equal(found.targets[2], mask)
    assert found.targets[2][0, 0] == VOID
    np.testing.assert_array_equal(
        found.targets[[0, 2]].counts()[1], [(mask == label).sum() for label in range(3)]
    )
    assert codes(tmp_path) == []
    view = found.view(labels=np.array([1]))
    assert np.flatnonzero(view.labelled).tolist() == [1]
    with pytest.raises(LookupError):
        view.targets[np.array([0, 1])]
    other = np.array(mask)
    other[20, 20] = 2 - other[20, 20] // 2 * 2
    Image.fromarray(other).save(tmp_path / "masks" / "2.png")
    assert data.load(tmp_path).fingerprint != found.fingerprint


def test_splits_above_and_marks_in_names(tmp_path: Path) -> None:
    for part, number in (("train", 3), ("val", 1), ("test", 2)):
        shapes.write(tmp_path / part, number)
        for path in (tmp_path / part / "masks").iterdir():
            path.rename(path.with_name(f"{path.stem}_mask.png"))
    found = data.load(tmp_path)
    assert found.split is not None
    assert sorted(found.split) == ["test", "test", "train", "train", "train", "val"]
    assert found.labelled.all()
    assert found.task is not None
    assert found.task.labels == ("0", "1", "2")  # no file names them


def test_palettes_colours_and_two_values(tmp_path: Path) -> None:
    shapes.write(tmp_path, 2)
    masks = tmp_path / "masks"
    first, second = (np.asarray(Image.open(masks / f"{n}.png")) for n in (0, 1))
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 0]], np.uint8)
    for n, mask in enumerate((first, second)):
        Image.fromarray(colours[mask]).save(masks / f"{n}.png")
    with pytest.raises(DataError, match="in colours, and no file tells which class"):
        data.load(tmp_path)
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\nbar,0,128,0\ndisc,255,0,0\nvoid,0,0,0\n")
    found = data.load(tmp_path)
    np.testing.assert_array_equal(found.targets[0], np.array([VOID, 1, 0], np.uint8)[first])
    (tmp_path / "class_dict.csv").unlink()
    for n, mask in enumerate((first, second)):
        indexed = Image.fromarray(mask)
        indexed.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 200])
        indexed.save(masks / f"{n}.png")
    np.testing.assert_array_equal(data.load(tmp_path).targets[1], second)
    for n, mask in enumerate((first, second)):
        Image.fromarray((mask > 0).astype(np.uint8) * 255).save(masks / f"{n}.png")
    found = data.load(tmp_path)
    assert found.task is not None
    assert found.task.labels == ("background", "foreground")
    np.testing.assert_array_equal(found.targets[0], first > 0)


@pytest.mark.parametrize(
    ("name", "text", "labels", "values", "void"),
    [
        ("codes.txt", "Sky\nRoad\nVoid\n", ("Sky", "Road"), (0, 1), {2, 255}),
        ("labels.txt", "1: cell\n2: wall\n", ("cell", "wall"), (1, 2), {255}),
        ("names.csv", "id,name\n7,cell\n9,wall of it\n", ("cell", "wall of it"), (7, 9), {255}),
        ("label_colors.txt", "64 128 64\tAnimal\n0 0 0\tVoid\n", ("Animal",), ((64, 128, 64),), {(0, 0, 0)}),
        ("classes.json", '{"cell": 1, "wall": 255}', ("cell", "wall"), (1, 255), set()),
        ("classes.json", '{"0": "cell", "3": "wall"}', ("cell", "wall"), (0, 3), {255}),
        ("classes.json", '{"categories": [{"id": 4, "name": "cell"}]}', ("cell",), (4,), {255}),
        ("classes.json", '["a", "b"]', ("a", "b"), (0, 1), {255}),
    ],
)
def test_files_of_classes(name: str, text: str, labels: tuple, values: tuple, void: set) -> None:
    found = legend.of_file(name, text.encode(), "here")
    assert (found.labels, found.colours or found.ids, set(found.void)) == (labels, values, void)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("classes.txt", "a\na\n", "names a class twice"),
        ("classes.txt", "", "lists no classes"),
        ("classes.txt", "a,1,2,300\n", "a colour beyond 255"),
        ("classes.txt", "a,1,2,3\nb\n", "a colour for some of its classes only"),
        ("classes.json", "{", "lists no classes"),
        ("classes.json", "3", "neither a list nor a record"),
        ("classes.txt", "\n".join(f"c{i}" for i in range(300)), "300 classes, more than 255"),
    ],
)
def test_a_file_that_lists_no_classes_is_one_sentence(name: str, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        legend.of_file(name, text.encode(), "here")


def test_what_the_doctor_says(tmp_path: Path) -> None:
    shapes.write(tmp_path, 7)
    masks = tmp_path / "masks"
    (tmp_path / "classes.txt").write_text("ground\ndisc\nbar\nghost\n")
    (masks / "0.png").unlink()
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(masks / "1.png")
    Image.fromarray(np.full((48, 64), 77, np.uint8)).save(masks / "2.png")
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(masks / "3.jpg")
    (masks / "3.png").unlink()
    (masks / "4.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(masks / "beside.png")
    assert sorted(codes(tmp_path)) == [
        "HS302", "HS311", "HS323", "HS323", "HS324", "HS325", "HS326", "HS327",
    ]  # fmt: skip
    report = doctor.check(found := data.load(tmp_path))
    text = "\n".join(report.lines())
    assert "it is a JPEG" in text
    assert "64 x 48 pixels, its mask 5 x 5" in text
    assert "3,072 pixels of masks/2.png have a value that no class has (77)" in text
    assert sorted(found.items[row].id for row in report.bad_rows) == [f"images/{n}.png" for n in (1, 3, 4)]
    with pytest.raises(ItemError, match=r"masks/4\.png"):
        found.targets[[item.id for item in found.items].index("images/4.png")]


def test_one_class_and_a_mask_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes.write(tmp_path, 3)
    for path in (tmp_path / "masks").iterdir():
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(path)
    assert "HS303" in codes(tmp_path)
    monkeypatch.setattr("headstart.data.masks.targets.limits.PIXELS", 1000)
    with pytest.raises(DataError, match="none of the masks can be read"):
        data.load(tmp_path)


def test_masks_that_are_asked_for_and_not_there(tmp_path: Path) -> None:
    shapes.write(tmp_path, 2)
    with pytest.raises(DataError, match="no folders images/ and masks/"):
        data.load(tmp_path / "images", task="segmentation")


def test_class_folders_stay_class_folders(tmp_path: Path) -> None:
    shapes.write(tmp_path, 2)
    (tmp_path / "masks").rename(tmp_path / "cats")
    found = data.load(tmp_path)
    assert found.task is not None
    assert found.task.labels == ("cats", "images")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda mask: mask.unlink(), r"the folder masks/ is empty: no image has a mask"),
        (
            lambda mask: mask.rename(mask.with_stem(f"x{mask.stem}")),
            r"no image has the name of a mask such as masks/x0",
        ),
        (
            lambda mask: (Image.open(mask).save(mask.with_suffix(".jpg")), mask.unlink()),
            r"none of the masks can be read \(masks/0.jpg: it is a JPEG",
        ),
    ],
)
def test_masks_that_are_missing_are_one_sentence(tmp_path: Path, broken: Any, said: str) -> None:
    shapes.write(tmp_path, 3)
    for mask in list((tmp_path / "masks").iterdir()):
        broken(mask)
    with pytest.raises(DataError, match=said):
        data.load(tmp_path)


def test_masks_of_too_many_pixels_are_told_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    shapes.write(tmp_path, 3)
    Image.new("L", (12_000, 12_000)).save(tmp_path / "masks" / "1.png")
    found = data.load(tmp_path)
    with pytest.raises(ItemError, match="12000 x 12000 pixels, over 100 million"):
        found.targets[1]
    assert not [one for one in recwarn if "pixels" in str(one.message)]


def test_images_with_masks_are_held_out_once(tmp_path: Path) -> None:
    split = splits.make_split(data.load(shapes.write(tmp_path, 10)), seed=0)
    assert split.repeats == 1
    assert sorted(row for fold in split.folds for row in fold.test.tolist()) == list(range(10))
