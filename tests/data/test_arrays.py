"""Images in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.data import load
from headstart.errors import BadOption, DataError
from headstart.modalities.image import open_image

from .files import picture

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "block",
    [
        RNG.integers(0, 256, (4, 6, 5), dtype=np.uint8),
        RNG.integers(0, 256, (4, 6, 5, 3), dtype=np.uint8),
        RNG.integers(0, 256, (4, 6, 5, 4), dtype=np.uint8),
        RNG.integers(0, 256, (4, 3, 6, 5), dtype=np.uint8),
        RNG.integers(0, 65536, (4, 6, 5), dtype=np.uint16),
        RNG.integers(0, 256, (4, 6, 5)),
        RNG.random((4, 6, 5)),
        RNG.random((4, 6, 5)) > 0.5,
    ],
    ids=lambda block: f"{block.dtype}-{block.shape}",
)
def test_blocks_of_images(block: np.ndarray) -> None:
    dataset = load(block, labels=["x", "y", "x", "y"])
    assert dataset.y.tolist() == [0, 1, 0, 1]
    assert [item.id for item in dataset.items] == ["image-0", "image-1", "image-2", "image-3"]
    assert open_image(dataset.items[0].read()).size == (5, 6)


def test_lists_of_arrays_images_and_paths(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(picture(3))
    mixed = [
        RNG.random((5, 4)),
        Image.new("RGBA", (3, 2), (0, 0, 0, 0)),
        tmp_path / "x.png",
        str(tmp_path / "x.png"),
    ]
    dataset = load(mixed, labels=[0, 1, 0, 1])
    sizes = [open_image(item.read()).size for item in dataset.items]
    assert sizes == [(4, 5), (3, 2), (12, 10), (12, 10)]
    assert open_image(dataset.items[1].read()).getpixel((0, 0)) == (255, 255, 255)
    assert len({item.id for item in dataset.items}) == 4


def test_labels_of_every_kind() -> None:
    block = np.zeros((40, 4, 4), dtype=np.uint8)
    assert load(block, labels=np.arange(40) % 4).task.labels == ("0", "1", "2", "3")
    assert load(block, labels=RNG.random(40)).task.kind == "regression"
    several = load(block, labels=np.eye(40, 3))
    assert (several.task.kind, several.task.labels) == ("multilabel", ("0", "1", "2"))
    assert several.y.shape == (40, 3)
    assert load(block).task is None
    ages = load(block, labels=list(range(40)), task="regression")
    assert ages.y.dtype == np.float64


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        (np.zeros((5, 64)), None, "an array of shape 5 x 64"),
        (np.full((2, 4, 4), 16.0), None, r"must lie in \[0, 1\], but these lie in \[16, 16\]"),
        (np.full((2, 4, 4), np.nan), None, "not finite"),
        (np.full((2, 4, 4), -1), None, "whole numbers must lie"),
        (np.zeros((2, 4, 4), dtype=complex), None, "is no image"),
        (np.zeros((0, 4, 4)), None, "there are none"),
        ([], None, "there are none"),
        ([3], None, "image 0: int is neither a path nor an image"),
        (np.zeros((3, 4, 4)), [0, 1], "3 images, but 2 labels"),
        (np.zeros((2, 4, 4)), np.array([[1, 2], [0, 1]]), "must be 0 or 1"),
        (np.zeros((2, 4, 4)), np.array([["a", "b"], ["c", "d"]]), "must be 0 or 1"),
        (np.zeros((2, 4, 4)), np.zeros((2, 2, 2)), "labels of shape 2 x 2 x 2"),
        (np.zeros((2, 4, 4)), np.array(3), "labels of shape no dimension"),
        (np.zeros((2, 4, 4)), 3, "labels=3 are no labels"),
        (np.zeros((2, 4, 4)), "ab", "labels='ab' are no labels"),
        ([np.full((4, 4), 2.0)], None, r"image 0: floats must lie in \[0, 1\]"),
        ([Image.fromarray(np.full((4, 4), 2.0, np.float32))], None, r"image 0: floats must lie in \[0, 1\]"),
    ],
)
def test_mistakes_are_named(data, labels, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(data, labels=labels)


def test_whole_numbers_have_one_scale_in_all_the_list() -> None:
    dark, bright = np.full((2, 2), 200), np.full((2, 2), 60_000)
    levels = [open_image(item.read()).getpixel((0, 0))[0] for item in load([dark, bright]).items]
    assert levels == [1, 233]
    assert open_image(load([dark, dark]).items[0].read()).getpixel((0, 0))[0] == 200
    block = load(np.stack([dark, bright])).items
    assert [open_image(item.read()).getpixel((0, 0))[0] for item in block] == levels


def test_floats_may_miss_their_range_by_a_rounding_error() -> None:
    (item,) = load([np.array([[-1e-4, 1 + 1e-4]])]).items
    assert np.asarray(open_image(item.read()))[0, :, 0].tolist() == [0, 255]


def test_options_that_make_no_sense() -> None:
    with pytest.raises(BadOption, match="no columns"):
        load(np.zeros((2, 4, 4)), label_column="x")
    with pytest.raises(BadOption, match="no labels"):
        load(np.zeros((2, 4, 4)), task="regression")
