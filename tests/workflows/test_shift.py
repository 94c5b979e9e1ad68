"""Shift from data to answer: what is there is found, what is not is not, and mistakes are one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart import sources
from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.features import FeatureSpec
from headstart.core.task import MULTILABEL, REGRESSION
from headstart.errors import HeadstartError, UnknownName
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.testing.fakes import shapes
from headstart.testing.texts import WORDS, sentences

STROKES = "bundled/strokes"


@pytest.fixture(autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One for all tests here: the same pictures are read once."""
    where = tmp_path_factory.getbasetemp() / "store-of-shift"
    monkeypatch.setenv("HEADSTART_CACHE", str(where))
    return where


@pytest.fixture(scope="module")
def here() -> Dataset:
    return shapes(per_class=20)


@pytest.fixture(scope="module")
def there() -> Dataset:
    return shapes(per_class=20, seed=1)


def changed(dataset: Dataset, change: Any) -> Dataset:
    """The same pictures, each after a change of its array."""
    items = tuple(replace(item, array=change(item.array)) for item in dataset.items)
    return replace(dataset, items=items)


def written(dataset: Dataset, place: Path, **how: Any) -> Path:
    """Class folders of JPEG files."""
    for row, item in enumerate(dataset.items):
        assert isinstance(item, ArrayItem)
        path = place / dataset.task.labels[int(dataset.y[row])] / f"{row}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(item.array).resize((64, 64)).save(path, **how)
    return place


def test_equal_domains_are_none_after_one_pass(here: Dataset, there: Dataset) -> None:
    found = hs.shift(here, there, source=STROKES)
    assert found.kind == "none"
    assert found.auc.low <= 0.5 or found.auc.value < 0.6
    assert found.mmd.p_value > 0.01
    assert found.warning == ""
    assert found.accuracy_bound.value is not None
    assert [one.label for one in found.classes] == list(here.task.labels)
    backbone = sources.load(STROKES)
    for data in (here, there):  # which a fit, or an adaptation, finds
        extract = StoreExtractor(FeatureStore.default(), data)
        assert extract.missing(backbone, FeatureSpec(taps=backbone.taps())) == 0
    again = hs.shift(here, there, source=STROKES)
    assert again.to_json() == found.to_json()


def test_json_has_what_the_issue_names(here: Dataset, there: Dataset) -> None:
    content = hs.shift(here, there, source=STROKES).to_json()
    assert content.keys() >= {
        "kind", "auc", "label_shift", "mmd", "bbsd", "accuracy_bound", "items", "features", "artefacts", "reason",
        "advice",
    }  # fmt: skip
    assert content["auc"].keys() >= {"value", "low", "high"}
    assert {one["domain"] for one in content["items"]} == {"a", "b"}
    assert all(0 <= one["score"] <= 1 for one in content["items"])
    assert {one["name"] for one in content["features"]} >= {"brightness", "contrast"}


def test_classes_that_are_rarer_are_label_shift(here: Dataset, there: Dataset) -> None:
    rest = shapes(per_class=60, seed=2)
    rows = np.concatenate([np.flatnonzero(rest.y == 0), np.flatnonzero(rest.y != 0)[:12]])
    found = hs.shift(here, rest.subset(rows), source=STROKES)
    assert found.kind == "label"
    first = found.classes[0]
    assert first.low < 60 / 72 < first.high
    assert found.label_shift.total_variation == pytest.approx(0.5, abs=0.12)
    assert "weigh" in found.advice


def test_pictures_that_look_different_are_covariate_shift(here: Dataset, there: Dataset) -> None:
    dark = changed(there, lambda array: (array // 3).astype(np.uint8))
    found = hs.shift(here, dark, source=STROKES)
    assert found.kind in ("covariate", "both", "concept")
    assert found.auc.low > 0.85
    assert found.accuracy_bound.value is None
    assert "confidence misleads" in found.accuracy_bound.reason
    looks = {one["name"]: one["auc"] for one in found.features}
    assert looks["brightness"] > 0.9


def test_the_form_of_the_files_is_said_first(here: Dataset, there: Dataset, tmp_path: Path) -> None:
    a, b = written(here, tmp_path / "a", quality=95), written(there, tmp_path / "b", quality=30)
    found = hs.shift(a, str(b), source=STROKES)
    told = {one.name: one for one in found.artefacts}
    assert told["JPEG quality"].auc == 1.0
    assert (told["JPEG quality"].source, told["JPEG quality"].target) == ("95", "30")
    assert "JPEG quality: 95 in A, 30 in B" in found.warning
    assert found.advice.startswith("bring both to one form first (JPEG quality)")


def test_without_labels_items_alone_are_compared(here: Dataset, there: Dataset) -> None:
    bare = replace(here, task=None, targets=None)
    found = hs.shift(bare, there, source=STROKES)
    assert found.kind == "none"
    assert found.bbsd is None
    assert found.label_shift is None
    assert any("without labels of the source" in note for note in found.notes)


@pytest.mark.parametrize(("kind", "why"), [(REGRESSION, "numbers"), (MULTILABEL, "several labels")])
def test_other_kinds_of_task_compare_answers_and_say_what_they_do_not(kind: str, why: str) -> None:
    found = hs.shift(shapes(kind, per_class=12), shapes(kind, per_class=12, seed=1), source=STROKES)
    assert found.bbsd is not None
    assert found.label_shift is None
    assert any(why in note for note in found.notes)


def test_labels_of_the_target_change_nothing(here: Dataset, there: Dataset) -> None:
    """They are not there when anything is computed."""
    wrong = replace(there, targets=np.roll(np.sort(there.y), 7))
    bare = replace(there, task=None, targets=None)
    found = [hs.shift(here, one, source=STROKES).to_json() for one in (there, wrong, bare)]
    assert found[0] == found[1] == found[2]


def test_texts_and_the_words_that_differ(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{word} {' '.join(f'{v:.3f}' for v in rng.normal(size=24))}" for word in WORDS]
    (tmp_path / "words.txt").write_text("\n".join(lines) + "\n")
    a, b = sentences(per_class=30), sentences(per_class=30, seed=1)
    said = tuple(
        replace(item, text=f"{item.text} zebra") if row % 3 else item for row, item in enumerate(b.items)
    )
    found = hs.shift(a, replace(b, items=said), source=f"vectors:{tmp_path}/words.txt")
    word = next(one for one in found.features if one["name"] == "zebra")
    assert word["kind"] == "word"
    assert word["a"] == 0
    assert word["ratio"] > 10
    assert all(one.text for one in found.items)


def test_the_page_has_both_domains(here: Dataset, there: Dataset, tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    hostile = replace(there, origin="<script>alert(1)</script>")
    found = hs.shift(here, hostile, source=STROKES, page=place)
    page = place.read_text()
    assert "<script>alert" not in page
    assert page.count("<use href=") >= len(here) + len(there)
    assert "How frequent the classes are" in page
    assert page.count("data:image/jpeg") >= len(found.items)
    with pytest.raises(HeadstartError, match="cannot be written"):
        hs.shift(here, there, source=STROKES, page=tmp_path / "no" / "page.html")


def bad(name: str, here: Dataset, tmp_path: Path) -> tuple[Any, Any]:
    pixels = np.zeros((8, 8, 3), np.uint8)
    empty = tmp_path / "empty"
    empty.mkdir()
    return {
        "other kind": (here, sentences()),
        "one item": (here, shapes(per_class=20, seed=4).subset([0])),
        "all equal": (here, Dataset("b", "image", tuple(ArrayItem(str(i), pixels) for i in range(9)))),
        "itself": (here, here),
        "a part of itself": (here, here.subset(np.arange(20))),
        "nothing": (here, str(empty)),
        "not there": (here, str(tmp_path / "missing")),
        "other labels": (here, shapes(per_class=20, seed=4, labels=("x", "y", "z"))),
    }[name]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("other kind", "holds texts, but .* holds images"),
        ("one item", "1 image can be read; at least 5 are needed"),
        ("all equal", "all 9 images are the same one"),
        ("itself", "each of its 60 items is in .*: it is the source itself"),
        ("a part of itself", "each of its 20 items is in"),
        ("nothing", "empty"),
        ("not there", "missing"),
        ("other labels", r"its labels \(x, y, z\) are others than those of"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(name: str, says: str, here: Dataset, tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match=says) as told:
        hs.shift(*bad(name, here, tmp_path), source=STROKES)
    assert len(str(told.value).splitlines()) == 1


def test_tables_of_other_columns(tmp_path: Path) -> None:
    texts = [item.text for item in sentences(per_class=12).items]
    for name, head, rows in (
        ("a", "review,mood", texts[:18]),
        ("b", "review", texts[18:]),
        ("c", "words", texts[18:]),
    ):
        ends = [f",{'ab'[row % 2]}" if name == "a" else "" for row in range(len(rows))]
        lines = [f'"{text}"{end}' for text, end in zip(rows, ends, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join([head, *lines]) + "\n")
    named = {"text_column": "review", "label_column": "mood", "source": f"vectors:{tmp_path}/words.txt"}
    (tmp_path / "words.txt").write_text("\n".join(f"{word} {i}.0 1.0" for i, word in enumerate(WORDS)) + "\n")
    found = hs.shift(tmp_path / "a.csv", tmp_path / "b.csv", **named)
    assert found.sizes == (18, 18)
    with pytest.raises(UnknownName, match="review"):
        hs.shift(tmp_path / "a.csv", tmp_path / "c.csv", **named)
    with pytest.raises(UnknownName, match="no option is called 'metrics'"):
        hs.shift(tmp_path / "a.csv", tmp_path / "b.csv", metrics="accuracy")


def test_copies_are_told_and_count_once(here: Dataset, there: Dataset) -> None:
    mixed = replace(there, items=(*there.items[:50], *here.items[:10]))
    found = hs.shift(here, mixed, source=STROKES)
    assert any("10 images of B are copies of items of A" in note for note in found.notes)
