"""Data sets of the Hugging Face package, made in memory."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image

from headstart.data import load
from headstart.data.checks import doctor
from headstart.errors import DataError, UnknownName

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    datasets = pytest.importorskip("datasets")

pytestmark = pytest.mark.filterwarnings("ignore")


def images(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(count)
    return [Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)) for _ in range(count)]


def hub(labels: list, feature, **more) -> datasets.Dataset:
    features = datasets.Features(
        {"image": datasets.Image(), "label": feature, **{k: datasets.Value("string") for k in more}}
    )
    return datasets.Dataset.from_dict(
        {"image": images(len(labels)), "label": labels, **more}, features=features
    )


def test_class_labels_keep_their_names_and_order() -> None:
    dataset = load(hub([1, 0, -1, 1], datasets.ClassLabel(names=["zebra", "ant"])))
    assert dataset.task.labels == ("zebra", "ant")
    assert dataset.y.tolist() == [1, 0, -1, 1]
    assert dataset.items[0].read().startswith(b"\x89PNG")
    assert not [f for f in doctor.check(dataset).errors if f.code.startswith("HS10")]


def test_parts_become_splits() -> None:
    label = datasets.ClassLabel(names=["a", "b"])
    parts = datasets.DatasetDict(
        {"train": hub([0, 1, 0], label), "validation": hub([1], label), "test": hub([0], label)}
    )
    dataset = load(parts)
    assert dataset.split.tolist() == ["train"] * 3 + ["val", "test"]
    assert dataset.items[0].id == "train/0"


def test_numbers_groups_and_several_labels() -> None:
    dataset = load(hub([0.5, 1.5], datasets.Value("float32"), patient=["x", "x"]))
    assert dataset.task.kind == "regression"
    assert dataset.groups.tolist() == [0, 0]
    several = load(hub([[0, 1], []], datasets.List(datasets.ClassLabel(names=["a", "b"]))))
    assert several.task.kind == "multilabel"
    assert several.y.tolist() == [[1, 1], [0, 0]]


def test_mistakes_are_named() -> None:
    toy = hub([0, 1], datasets.ClassLabel(names=["a", "b"]))
    with pytest.raises(UnknownName, match="did you mean 'label'"):
        load(toy, label_column="labels")
    with pytest.raises(DataError, match="no column holds images"):
        load(toy.remove_columns("image"))
    with pytest.raises(DataError, match="'extra' is no split"):
        load(datasets.DatasetDict({"extra": toy}))


def test_a_split_column_is_followed() -> None:
    toy = hub([0, 1, 0, 1], datasets.ClassLabel(names=["a", "b"]), part=["train", "TEST", None, "valid"])
    assert load(toy, split_column="part").split.tolist() == ["train", "test", "", "val"]
    assert load(toy).split is None
    both = datasets.DatasetDict({"train": toy})
    assert load(both, split_column="part").split.tolist() == ["train", "test", "", "val"]
    numbers = toy.cast_column("part", datasets.Value("string")).class_encode_column("part")
    assert load(numbers, split_column="part").split.tolist() == ["train", "test", "", "val"]


def test_a_split_column_that_is_none_is_named() -> None:
    toy = hub([0, 1], datasets.ClassLabel(names=["a", "b"]), part=["train", "nonsense"])
    with pytest.raises(UnknownName, match="no column is called 'parts'"):
        load(toy, split_column="parts")
    with pytest.raises(DataError, match=r"'part' holds 'nonsense' \(first in row 2\), which is no split"):
        load(toy, split_column="part")


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    toy = hub([0, 1, 0, 1, 1], datasets.ClassLabel(names=["a", "b"]), patient=["x", None, "", "x", None])
    assert load(toy).groups.tolist() == [0, 1, 2, 0, 3]


def test_columns_are_recognised_as_those_of_a_table() -> None:
    rows = {"text": [f"some words number {i}" for i in range(6)], "gold_label": list("ababab"),
            "Patient ID": list("xxyyzz"), "split": ["train"] * 4 + ["test"] * 2}  # fmt: skip
    dataset = load(datasets.Dataset.from_dict(rows))
    assert dataset.y.tolist() == [0, 1] * 3
    assert dataset.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert dataset.split.tolist() == ["train"] * 4 + ["test"] * 2
    (note,) = (note for note in dataset.notes if note.code == "HS506")
    assert (
        note.message
        == "texts from 'text', labels from 'gold_label', splits from 'split', groups from 'Patient ID'"
    )
    alone = load(datasets.Dataset.from_dict({"text": rows["text"], "mood": list("ababab"), "id": range(6)}))
    assert alone.task.labels == ("a", "b")
    parts = datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows)})
    assert load(parts).split.tolist() == ["train"] * 6  # what the parts are called goes first


def test_what_cannot_be_labels_is_not_taken_for_them() -> None:
    texts = {"text": [f"some words number {i}" for i in range(4)]}
    for odd in ({"meta": [{"a": 1}] * 4}, {"emb": [[0.5, 0.25]] * 4}):
        assert load(datasets.Dataset.from_dict({**texts, **odd})).task is None
    parts = datasets.DatasetDict({"train": datasets.Dataset.from_dict({**texts, "split": ["train"] * 4})})
    assert load(parts).task is None
    marked = datasets.Dataset.from_dict({**texts, "label": [{"a": 1}] * 4})
    assert load(marked, items_only=True).task is None


def test_a_class_may_be_called_nothing() -> None:
    dataset = load(hub([0, 1, -1], datasets.ClassLabel(names=["n/a", "null"])))
    assert dataset.y.tolist() == [0, 1, -1]
    assert load(hub(["n/a", "x", "y"], datasets.Value("string"))).y.tolist() == [0, 1, 2]


def test_a_column_of_objects_makes_boxes() -> None:
    names = datasets.ClassLabel(names=["cat", "dog"])
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "objects": {
                "bbox": datasets.List(datasets.List(datasets.Value("float32"))),
                "category": datasets.List(names),
            },
        }
    )
    objects = [{"bbox": [[1, 2, 3, 4]], "category": [1]}, {"bbox": [], "category": []}]
    given = datasets.Dataset.from_dict({"image": images(2), "objects": objects}, features=features)
    found = load(datasets.DatasetDict(train=given, test=given))
    assert (found.task.kind, found.task.labels) == ("detection", ("cat", "dog"))
    assert found.targets.to_list() == [[[1, 2, 4, 6, 1]], []] * 2
    assert found.split.tolist() == ["train"] * 2 + ["test"] * 2
    assert found.targets[0].size == (6, 5)
    odd = given.add_column("x", [0, 1]).map(lambda row: {"objects": {**row["objects"], "category": []}})
    with pytest.raises(DataError, match="row 0: 1 boxes and 0 classes"):
        load(odd)
    with pytest.raises(DataError, match="no column is called 'objects' among image, label"):
        load(hub([0, 1], names), task="detection")
