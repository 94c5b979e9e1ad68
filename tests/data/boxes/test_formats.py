"""Annotation files: every format of the same boxes gives the same targets; what is damaged is one sentence."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from headstart import data
from headstart.core.dataset import Dataset
from headstart.data.boxes.formats import coco, cvat, labelme, markup, records, rle, voc, yolo
from headstart.errors import DataError

from . import made

try:
    import pycocotools.mask as coco_masks
except ImportError:
    coco_masks = None

EXPECTED = [
    [[8, 4, 40, 36, 0], [0, 0, 80, 64, 1]],
    [[20, 16, 60, 48, 1]],
    [],
]


def notes(found: Dataset) -> str:
    return "\n".join(f"{note.code} {note.message}" for note in found.notes)


@pytest.mark.parametrize("form", made.WRITERS)
def test_every_format_gives_the_same_targets(form: str, tmp_path: Path) -> None:
    made.WRITERS[form](tmp_path)
    found = data.load(tmp_path)
    assert found.task is not None
    assert (found.task.kind, found.task.labels, found.task.metric) == ("detection", made.NAMES, "mAP50:95")
    assert found.targets.to_list() == EXPECTED
    assert found.targets[0].size == (64, 80)
    assert [Path(item.id).stem for item in found.items] == ["a", "b", "c"]
    assert f"{form}: 3 boxes" in notes(found)
    with zipfile.ZipFile(tmp_path.parent / f"{tmp_path.name}.zip", "w") as out:
        for path in tmp_path.rglob("*.*"):
            out.write(path, path.relative_to(tmp_path))
    packed = data.load(tmp_path.parent / f"{tmp_path.name}.zip")
    assert packed.targets.to_list() == EXPECTED
    np.testing.assert_array_equal(packed.targets.content(), found.targets.content())


@pytest.mark.parametrize("form", made.WRITERS)
def test_splits_in_folders(form: str, tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        made.WRITERS[form](tmp_path / part)
        for path in (tmp_path / part).rglob("data.yaml"):
            path.rename(tmp_path / "data.yaml")
    found = data.load(tmp_path)
    assert found.split is not None
    assert sorted(found.split) == ["test"] * 3 + ["train"] * 3 + ["val"] * 3
    assert found.targets.to_list() == EXPECTED * 3  # every sheet found the image of its own part


def test_layouts_of_coco(tmp_path: Path) -> None:
    for part in (
        "train",
        "valid",
    ):  # as Roboflow writes it: files beside each other, a group as first category
        folder = tmp_path / "roboflow" / part
        document = made.coco(folder, images_in=".", file="_annotations.coco.json")
        document["categories"].insert(0, {"id": 0, "name": "animals", "supercategory": "none"})
        for one in document["categories"][1:]:
            one["supercategory"] = "animals"
        made.write(folder / "_annotations.coco.json", document)
    found = data.load(tmp_path / "roboflow")
    assert found.task is not None
    assert found.task.labels == made.NAMES
    assert found.targets.to_list() == EXPECTED * 2
    folder = tmp_path / "instances"
    for part in ("train2017", "val2017"):
        made.coco(folder, images_in=f"images/{part}", file=f"annotations/instances_{part}.json")
    found = data.load(folder)
    assert found.split is not None
    assert sorted(found.split) == ["train"] * 3 + ["val"] * 3
    assert found.targets.to_list() == EXPECTED * 2


def test_poses_beside_instances(tmp_path: Path) -> None:
    document = made.coco(tmp_path, file="annotations/instances_all.json")
    made.write(tmp_path / "annotations" / "person_keypoints_all.json", document)
    document["annotations"][0]["image_id"] = 77
    made.write(tmp_path / "annotations" / "instances_all.json", document)
    found = data.load(tmp_path)
    assert found.targets.to_list()[0] == EXPECTED[0][1:]
    assert "HS335 1 annotation with an image_id that no image of the file has" in notes(found)


def test_other_ways_to_tell_splits(tmp_path: Path) -> None:
    made.cvat(tmp_path / "cvat")
    path = tmp_path / "cvat" / "annotations.xml"
    path.write_text(
        path.read_text().replace('id="0"', 'id="0" subset="Train"').replace('id="2"', 'subset="Test"')
    )
    made.yolo(tmp_path / "yolo")
    (tmp_path / "yolo" / "train.txt").write_text("./images/a.jpg\n")
    (tmp_path / "yolo" / "test.txt").write_text("./images/c.jpg\n")
    for form in ("cvat", "yolo"):
        found = data.load(tmp_path / form)
        assert found.split is not None
        assert found.split.tolist() == ["train", "", "test"]


def test_lists_of_splits(tmp_path: Path) -> None:
    made.voc(tmp_path)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "trainval.txt").write_text("a\nb\n")
    (lists / "val.txt").write_text("b  1\n")
    (lists / "test.txt").write_text("c\n")
    (lists / "cat_train.txt").write_text("c -1\n")
    found = data.load(tmp_path)
    assert found.split is not None
    assert found.split.tolist() == ["train", "val", "test"]


def test_an_archive_beside_a_list_of_splits(tmp_path: Path) -> None:
    made.voc(tmp_path / "raw")
    (tmp_path / "given").mkdir()
    with zipfile.ZipFile(tmp_path / "given" / "voc.zip", "w") as out:
        for path in (tmp_path / "raw").rglob("*.*"):
            out.write(path, path.relative_to(tmp_path / "raw"))
    (tmp_path / "given" / "splits.csv").write_text("image,split\na.jpg,train\nb.jpg,val\nc.jpg,test\n")
    found = data.load(tmp_path / "given")
    assert found.split is not None
    assert found.split.tolist() == ["train", "val", "test"]
    assert found.targets.to_list() == EXPECTED


def test_crowds_and_difficult_objects(tmp_path: Path) -> None:
    document = made.coco(tmp_path / "coco")
    document["annotations"][0]["iscrowd"] = 1
    made.write(tmp_path / "coco" / "annotations.json", document)
    made.voc(tmp_path / "voc")
    path = tmp_path / "voc" / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace("<difficult>0", "<difficult>1", 1))
    for form in ("coco", "voc"):
        found = data.load(tmp_path / form)
        assert found.targets[0].crowd.tolist() == [True, False]
        assert found.targets[1].crowd is None


def test_names_and_numbers_of_classes(tmp_path: Path) -> None:
    made.yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    found = data.load(tmp_path)
    assert found.task is not None
    assert found.task.labels == ("0", "1")
    assert "called by their numbers" in notes(found)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert data.load(tmp_path).task.labels == made.NAMES  # type: ignore[union-attr]
    for path in (tmp_path / "labels").iterdir():  # numbered from 1
        lines = path.read_text().splitlines()
        path.write_text("\n".join(f"{int(line[0]) + 1}{line[1:]}" for line in lines))
    found = data.load(tmp_path)
    assert found.targets.to_list() == EXPECTED
    assert "numbered from 1" in notes(found)
    (tmp_path / "classes.txt").write_text("cat\n")
    with pytest.raises(DataError, match=r"a\.txt has the class 1, which has no name: classes\.txt names 0"):
        data.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "names: [cat, 'dog']",
        'nc: 2\nnames: ["cat",\n  "dog"]\n',
        "names:\n  0: cat\n  1: dog\nnc: 2",
        "names:\n- cat  # a comment\n- 'dog'\ntrain: x",
        "names: {0: cat, 1: dog}",
    ],
)
def test_names_in_yaml(text: str) -> None:
    assert yolo.of_yaml(text) == {0: "cat", 1: "dog"}


def test_yaml_without_names() -> None:
    assert yolo.of_yaml("train: images\nnames_of: [x]") == {}
    assert yolo.of_yaml("names: [" + "'" * 10_000) == {}


def test_polygons_are_read_as_the_boxes_around_them(tmp_path: Path) -> None:
    made.yolo(tmp_path)
    (tmp_path / "labels" / "b.txt").write_text("1 0.25 0.25 0.75 0.3 0.5 0.75\n")
    found = data.load(tmp_path)
    assert found.targets[1].corners.tolist() == [[20, 16, 60, 48]]
    assert "of 1 outline the boxes are read: for masks say --task segmentation" in notes(found)


def test_shapes_of_labelme() -> None:
    shapes = [
        {"label": "x", "shape_type": "circle", "points": [[10, 10], [13, 14]]},
        {"label": "x", "shape_type": "polygon", "points": [[0, 0], [4, 0], [4, 4]], "group_id": 7},
        {"label": "x", "shape_type": "polygon", "points": [[8, 8], [9, 8], [9, 9]], "group_id": 7},
        {"label": "x", "shape_type": "point", "points": [[1, 1]]},
    ]
    found = labelme.of_json(json.dumps({"shapes": shapes, "imagePath": "x.jpg"}).encode())
    assert [mark.corners for mark in found.marks] == [(5, 5, 15, 15), (0, 0, 9, 9)]
    assert found.image == "x.jpg"


def test_a_turned_box_of_cvat() -> None:
    box = '<box label="x" xtl="10" ytl="20" xbr="30" ybr="24" rotation="90"/>'
    found = cvat.of_xml(f'<annotations><image name="i.jpg">{box}</image></annotations>'.encode())
    np.testing.assert_allclose(found.sheets[0].marks[0].corners, (18, 12, 22, 32), atol=1e-9)
    with pytest.raises(ValueError, match="tracks of a video"):
        cvat.of_xml(b"<annotations><track/></annotations>")


def test_objects_in_records(tmp_path: Path) -> None:
    made.images(tmp_path / "train")
    rows = [
        {
            "file_name": "a.jpg",
            "objects": {"bbox": [[8, 4, 32, 32], [0, 0, 80, 64]], "categories": ["cat", "dog"]},
        },
        {"file_name": "b.jpg", "objects": [{"bbox": [20, 16, 40, 32], "category": "dog"}]},
        {"file_name": "c.jpg", "objects": {"bbox": [], "categories": []}},
    ]
    path = tmp_path / "train" / "metadata.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert data.load(tmp_path).targets.to_list() == EXPECTED
    corners = [(50, 50, 60, 70), (60, 10, 90, 20), (5, 5, 10, 10)]
    sheet = records.Sheet("x", tuple(records.Mark("y", one) for one in corners))
    written = records.oriented([sheet], "there")
    assert [mark.corners for mark in written.sheets[0].marks] == corners
    assert "right, bottom" in written.notes[0].message


def packed(runs: list[int]) -> str:
    """The text of COCO for run lengths, from its definition: five bits a sign, differences from the third."""
    text = ""
    for place, run in enumerate(runs):
        left = run - (runs[place - 2] if place > 2 else 0)
        more = True
        while more:
            code, left = left & 31, left >> 5
            more = left != -1 if code & 16 else left != 0
            text += chr((code | 32 if more else code) + 48)
    return text


def test_run_lengths() -> None:
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (7, 5), (40, 90)):
        mask = rng.random(shape) < 0.4 if shape != (40, 90) else np.arange(3600).reshape(shape) % 1700 < 1000
        flat = mask.T.ravel()
        edges = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff([0, *edges, flat.size]).tolist()
        runs = [0, *runs] if flat[0] else runs
        for counts in (runs, packed(runs)):
            found = rle.decoded({"size": list(shape), "counts": counts})
            np.testing.assert_array_equal(found, mask)
        if coco_masks is not None:  # the reference itself, where it is installed
            encoded = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
            assert encoded["counts"].decode() == packed(runs)
    assert rle.around(np.pad(np.ones((2, 3), bool), ((1, 4), (2, 0)))) == (2, 1, 5, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": [4, 4], "counts": [3, 4]}, "7 pixels, its size 16"),
        ({"size": [4, 4], "counts": "\x7f"}, "damaged RLE"),
        ({"size": [4, 4], "counts": "o"}, "in the middle of a number"),
        ({"size": [4, 4], "counts": [20, -4]}, "no lengths"),
        ({"size": [4], "counts": [4]}, "its size is"),
        ({"size": [100_000, 100_000], "counts": [10**10]}, "over 100 million"),
        ({"size": [4, 4]}, "no lengths"),
    ],
)
def test_damaged_run_lengths(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rle.decoded(given)


def test_documents_with_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "xxxxxxxx">]><annotation><filename>&b;</filename></annotation>'
    for parse in (markup.parsed, voc.of_xml, cvat.of_xml):
        with pytest.raises(ValueError, match="document type"):
            parse(bomb)
    with pytest.raises(ValueError, match="more than 128 deep"):
        markup.parsed(b"<a>" * 200 + b"</a>" * 200)


def _spoil(document: dict, path: str, value: object) -> dict:
    *above, last = path.split(".")
    at: object = document
    for name in above:
        at = at[int(name) if name.isdecimal() else name]  # type: ignore[index]
    at[last] = value  # type: ignore[index]
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("categories", None, "categories is 'None', not a list"),
        ("annotations.1.category_id", 99, "annotation 2: category_id is 99, which no category has"),
        ("annotations.0.bbox", [1, 2, 3], r"annotation 1: bbox is \[1, 2, 3\], not \[left"),
        ("annotations.0.bbox", "x", "annotation 1: bbox is x"),
        ("annotations.0.bbox", [1, 2, 3, "x"], "annotation 1: could not convert"),
        ("annotations.0.image_id", [], r"annotation 1: '\[\]' is no id"),
        ("images.0.file_name", 3, "image 1 has no id or no file_name"),
        ("categories.0.name", None, "category 1 has no id or no name"),
    ],
)
def test_coco_that_is_none(path: str, value: object, message: str, tmp_path: Path) -> None:
    document = _spoil(made.coco(tmp_path), path, value)
    made.write(tmp_path / "annotations.json", document)
    with pytest.raises(DataError, match=message) as caught:
        data.load(tmp_path)
    assert "annotations.json is no COCO JSON that can be read" in str(caught.value)


def _cut(path: Path, share: float = 0.6) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize(
    ("form", "file", "spoil", "message"),
    [
        ("COCO JSON", "annotations.json", _cut, "annotations.json is no COCO JSON that can be read: "),
        ("Pascal VOC", "Annotations/a.xml", _cut, r"Annotations/a\.xml is no Pascal VOC XML that can be read: "),
        ("CVAT for images", "annotations.xml", _cut, r"annotations\.xml is no CVAT XML that can be read: "),
        ("LabelMe", "a.json", _cut, r"a\.json is no LabelMe JSON that can be read: "),
        ("YOLO", "labels/a.txt", lambda path: path.write_text("0 0.5 0.5 0.1\n"),
         "line 1 has 4 numbers: a box has 5"),
        ("YOLO", "labels/a.txt", lambda path: path.write_text("0 0.5 0.5 0.1 x\n"), "no numbers alone"),
        ("YOLO", "labels/a.txt", lambda path: path.write_text("0.5 0.5 0.5 0.1 0.1\n"), "no number of a class"),
        ("YOLO", "labels/a.txt", lambda path: path.write_text("0 0.5 0.5 0.1 0.1\n7 0.5 0.5 0.1 0.1\n"),
         "has the class 7, which has no name: data.yaml names 0, 1"),
        ("Pascal VOC", "Annotations/a.xml",
         lambda path: path.write_text(path.read_text().replace("<xmin>8</xmin>", "")), "bndbox/xmin> is missing"),
    ],
)  # fmt: skip
def test_damaged_files(
    form: str, file: str, spoil: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    made.WRITERS[form](tmp_path)
    spoil(tmp_path / file)
    with pytest.raises(DataError, match=message) as caught:
        data.load(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_no_coco(tmp_path: Path) -> None:
    made.images(tmp_path / "images")
    for document, message in (
        ({"images": [], "licence": ""}, "is no COCO JSON that can be read: annotations is missing"),
        ([{"image_id": 1, "bbox": [0, 0, 1, 1]}], "is no COCO JSON that can be read: it is no record"),
    ):
        made.write(tmp_path / "annotations.json", document)
        with pytest.raises(DataError, match=message):
            data.load(tmp_path)
    for other in ([], {"a.jpg": {"regions": []}}, {"train": [{"images": "a.jpg", "bbox": 1}]}):
        made.write(tmp_path / "annotations.json", other)
        assert data.load(tmp_path).task.kind == "classification"  # type: ignore[union-attr]
        with pytest.raises(DataError, match=r"read here \(annotations.json is no COCO JSON\); lay it out as"):
            data.load(tmp_path, task="detection")


@pytest.mark.parametrize("parse", [coco.of_json, voc.of_xml, cvat.of_xml, labelme.of_json, records.of_lines])
def test_bytes_that_are_anything_are_an_error(parse: Callable[[bytes], object]) -> None:
    rng = random.Random(0)
    for _ in range(50):
        with pytest.raises(ValueError, match=r"."):
            parse(b"<[{" + rng.randbytes(20))
