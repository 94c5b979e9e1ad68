"""Annotation files of object detection, one module a format.

Each has `LAYOUT`, what a folder of it looks like, in words; `find(tree) -> list[str]`, the files of a tree
that are of the format; and `read(tree, files) -> Written`.
"""

from __future__ import annotations

from types import ModuleType

from headstart.data.boxes.formats import coco, cvat, labelme, records, voc, yolo

FORMATS: dict[str, ModuleType] = {
    "COCO JSON": coco,
    "CVAT for images": cvat,
    "Pascal VOC": voc,
    "LabelMe": labelme,
    "YOLO": yolo,
    "Hugging Face": records,
}
"""Name -> its module; the first that finds files is read."""
