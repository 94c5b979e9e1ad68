"""The same few boxes in every format that is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("cat", "dog")
SIZE = (80, 64)
"""Width and height."""
Box = tuple[str, float, float, float, float]
"""Label, left, top, right, bottom."""
BOXES: dict[str, list[Box]] = {
    "a": [("cat", 8, 4, 40, 36), ("dog", 0, 0, 80, 64)],
    "b": [("dog", 20, 16, 60, 48)],
    "c": [],
}
Given = Mapping[str, Sequence[Box]]


def images(folder: Path, names: Sequence[str] = tuple(BOXES), size: tuple[int, int] = SIZE) -> None:
    """A JPEG of noise for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        rng = np.random.default_rng(sum(name.encode()))
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.jpg")


def coco(
    folder: Path, boxes: Given = BOXES, *, images_in: str = "images", file: str = "annotations.json"
) -> dict:
    """Images and COCO JSON; what is written is returned."""
    images(folder / images_in, tuple(boxes))
    numbers = {name: 3 + 4 * place for place, name in enumerate(NAMES)}  # sparse, as those of COCO are
    listed = [(name, *box) for name, some in boxes.items() for box in some]
    order = {name: place for place, name in enumerate(boxes)}
    document = {
        "images": [
            {"id": order[n], "file_name": f"{n}.jpg", "width": SIZE[0], "height": SIZE[1]} for n in boxes
        ],
        "annotations": [
            {"id": i, "image_id": order[n], "category_id": numbers[label], "bbox": [x, y, r - x, b - y],
             "area": (r - x) * (b - y), "iscrowd": 0}
            for i, (n, label, x, y, r, b) in enumerate(listed)
        ],
        "categories": [{"id": numbers[name], "name": name} for name in NAMES],
    }  # fmt: skip
    write(folder / file, document)
    return document


def write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def yolo(folder: Path, boxes: Given = BOXES) -> None:
    images(folder / "images", tuple(boxes))
    (folder / "labels").mkdir(exist_ok=True)
    for name, some in boxes.items():
        lines = [
            f"{NAMES.index(label)} {(x + r) / 2 / SIZE[0]} {(y + b) / 2 / SIZE[1]} "
            f"{(r - x) / SIZE[0]} {(b - y) / SIZE[1]}"
            for label, x, y, r, b in some
        ]
        (folder / "labels" / f"{name}.txt").write_text("\n".join(lines))
    (folder / "data.yaml").write_text("train: images\nnc: 2\nnames: ['cat', 'dog']  # two\n")


def voc(folder: Path, boxes: Given = BOXES) -> None:
    images(folder / "JPEGImages", tuple(boxes))
    (folder / "Annotations").mkdir(exist_ok=True)
    for name, some in boxes.items():
        objects = "".join(
            f"<object><name>{label}</name><difficult>0</difficult><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
            f"<xmax>{r}</xmax><ymax>{b}</ymax></bndbox></object>"
            for label, x, y, r, b in some
        )
        (folder / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>elsewhere</filename><size><width>{SIZE[0]}</width>"
            f"<height>{SIZE[1]}</height><depth>3</depth></size>{objects}</annotation>"
        )


def labelme(folder: Path, boxes: Given = BOXES) -> None:
    images(folder, tuple(boxes))
    for name, some in boxes.items():
        shapes = [
            {"label": label, "points": [[r, b], [x, y]], "shape_type": "rectangle", "group_id": None}
            if place % 2
            else {"label": label, "points": [[x, y], [r, y], [r, b], [x, b]], "shape_type": "polygon"}
            for place, (label, x, y, r, b) in enumerate(some)
        ]
        document = {"version": "5.2.1", "shapes": shapes, "imagePath": f"..\\{name}.jpg", "imageData": None}
        write(folder / f"{name}.json", {**document, "imageHeight": SIZE[1], "imageWidth": SIZE[0]})


def cvat(folder: Path, boxes: Given = BOXES) -> None:
    images(folder / "images", tuple(boxes))
    listed = "".join(f"<label><name>{name}</name></label>" for name in NAMES)
    found = "".join(
        f'<image id="{i}" name="{name}.jpg" width="{SIZE[0]}" height="{SIZE[1]}">'
        + "".join(
            f'<box label="{label}" xtl="{x}" ytl="{y}" xbr="{r}" ybr="{b}" occluded="0"/>'
            for label, x, y, r, b in some
        )
        + "</image>"
        for i, (name, some) in enumerate(boxes.items())
    )
    text = f"<annotations><meta><task><labels>{listed}</labels></task></meta>{found}</annotations>"
    (folder / "annotations.xml").write_text(f'<?xml version="1.0" encoding="utf-8"?>{text}')


WRITERS: dict[str, Callable[[Path], object]] = {
    "COCO JSON": coco, "YOLO": yolo, "Pascal VOC": voc, "LabelMe": labelme, "CVAT for images": cvat,
}  # fmt: skip
