from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart.core import words
from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.task import Task
from headstart.report import pictures, samples

TASK = Task("classification", ("ant", "bee"), "accuracy")


class Broken:
    id = "broken.png"

    def read(self) -> bytes:
        return b"\x89PNG nothing more"


class Gone:
    id = "gone.png"

    def read(self) -> bytes:
        raise FileNotFoundError("gone.png")


def dataset(sizes: list[tuple[int, int]]) -> Dataset:
    rng = np.random.default_rng(0)
    items: list[Any] = [
        ArrayItem(f"{i}", rng.integers(0, 255, (*s, 3), np.uint8)) for i, s in enumerate(sizes)
    ]
    items += [Broken(), Gone()]
    y = np.arange(len(items)) % 2
    y[0] = -1
    return Dataset("d", "image", tuple(items), TASK, y)


def opened(source: str) -> Image.Image:
    head, _, body = source.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


def insight(rows: list[int]) -> dict[str, Any]:
    points = [{"row": r, "id": str(r), "x": 0.5, "y": 0.5, "right": r != 3} for r in rows]
    return {"mistakes": [{"row": 1}], "label_errors": [{"row": 0}, {"row": 5}], "map": {"points": points}}


def test_pictures_of_what_the_insight_names() -> None:
    data = dataset([(8, 8), (300, 200), (1, 500), (96, 96), (97, 3)])
    shown = samples.gather(data, TASK, insight(list(range(7))))
    json.dumps(shown)  # plain
    assert set(shown["items"]) == {"0", "1", "2", "3", "4"}  # neither the broken one nor the one that is gone
    sizes = [opened(shown["items"][str(r)]["source"]).size for r in range(5)]
    assert sizes[0] == (96, 96)  # grown by whole pixels
    assert sizes[1] == (64, 96)
    assert all(max(size) <= 96 for size in sizes)
    assert shown["items"]["1"]["label"] == "bee"
    assert shown["items"]["0"]["label"] is None
    assert set(shown["examples"]) == {1, 2, 3, 4}
    sheet = shown["sheet"]
    assert sheet["rows"] == [3, 0, 1, 2, 4]  # what it was wrong on first
    assert opened(sheet["source"]).size == (5 * pictures.TILE, pictures.TILE)


def test_no_map_no_sheet_and_old_insight() -> None:
    shown = samples.gather(dataset([(8, 8)] * 4), TASK, {})
    assert shown["sheet"] is None
    assert set(shown["items"]) == {str(row) for row in shown["examples"]}


def test_the_map_does_not_wait_for_slow_pictures() -> None:
    now = iter(range(0, 1000, 3))
    shown = samples.gather(
        dataset([(8, 8)] * 30), TASK, insight(list(range(30))), clock=lambda: float(next(now))
    )
    assert len(shown["sheet"]["rows"]) == 2


@pytest.mark.parametrize(("count", "wrong"), [(10, 0), (1500, 40), (1500, 900), (600, 600)])
def test_rows_of_the_map(count: int, wrong: int) -> None:
    points = [{"row": i, "right": i >= wrong} for i in range(count)]
    rows = pictures.map_rows(points)
    assert len(rows) == len(set(rows)) == min(count, pictures.TILES)
    assert set(range(min(wrong, pictures.TILES))) <= set(rows)


@pytest.mark.parametrize(
    ("label", "expected"), [("ant", "ant"), (["a", "b"], "a, b"), ([], "none"), (1.23456, "1.235"), (3, "3")]
)
def test_labels_as_text(label: Any, expected: str) -> None:
    assert words.label(label) == expected


def test_sounds_are_seen_and_heard() -> None:
    sounds = pytest.importorskip("sounds")
    entries = pytest.importorskip("headstart.data.items.entries")
    items: list[Any] = [
        entries.BytesItem(str(row), sounds.written(sounds.tone(300 * (1 + row), 4.0))) for row in range(4)
    ]
    data = Dataset("d", "audio", (*items, Broken()), TASK, np.arange(5) % 2)
    shown = samples.gather(data, TASK, insight(list(range(5))) | {"label_errors": []})
    assert set(shown["items"]) == {"0", "1", "2", "3"}
    assert shown["sheet"]["rows"] == [3, 0, 1, 2]
    for item in shown["items"].values():
        assert opened(item["source"]).size == (96, 64)
        assert item["sound"].startswith("data:audio/mpeg;base64,")
        assert len(item["sound"]) < 20_000
    assert "sound" not in samples.gather(dataset([(8, 8)] * 6), TASK, insight([0]))["items"]["0"]
