"""Pictures in the cells of tables: Parquet as hubs write it, plain bytes, folders of such tables, saved data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from headstart.data import load
from headstart.data.checks import doctor
from headstart.errors import DataError, HeadstartError, MissingExtra
from headstart.predict.inputs import items_of

from .files import picture

BYTES = [picture(i) for i in range(6)]
Y = [0, 1, 0, 1, 0, 1]
NAMES = {
    "info": {
        "features": {
            "image": {"_type": "Image"},
            "label": {"names": ["zebra", "null"], "_type": "ClassLabel"},
        }
    }
}


def records(content: list[bytes | None], paths: list[str | None]) -> pl.Series:
    kind = pl.Struct({"bytes": pl.Binary, "path": pl.String})
    rows = [{"bytes": one, "path": path} for one, path in zip(content, paths, strict=True)]
    return pl.Series("image", rows, dtype=kind)


def hub(path: Path, labels: Any = Y, said: Any = None) -> Path:
    table = pl.DataFrame([records(BYTES, [f"{i}.png" for i in range(6)]), pl.Series("label", labels)])
    table.write_parquet(path, metadata={"huggingface": json.dumps(said)} if said is not None else None)
    return path


def test_records_of_bytes_and_paths(tmp_path: Path) -> None:
    dataset = load(hub(tmp_path / "t.parquet"))
    assert (dataset.modality, len(dataset), dataset.task.labels) == ("image", 6, ("0", "1"))
    assert [item.read() for item in dataset.items] == BYTES
    assert dataset.items[1].id == "row 2 (1.png)"
    assert "images from 'image', labels from 'label'" in [note.message for note in dataset.notes]


def test_plain_bytes_whatever_their_column_is_called(tmp_path: Path) -> None:
    pl.DataFrame({"content": BYTES, "kind": list("ababab")}).write_parquet(tmp_path / "t.parquet")
    dataset = load(tmp_path / "t.parquet")
    assert (dataset.modality, dataset.task.labels) == ("image", ("a", "b"))
    assert [item.read() for item in dataset.items] == BYTES
    pl.DataFrame({"hash": [b"\0\1"] * 6, "text": ["so many words here"] * 6}).write_parquet(
        tmp_path / "u.parquet"
    )
    assert load(tmp_path / "u.parquet", label_column=None, items_only=True).modality == "text"


def test_numbers_of_classes_have_the_names_of_the_features(tmp_path: Path) -> None:
    dataset = load(hub(tmp_path / "t.parquet", [0, 1, -1, 1, 0, None], NAMES))
    assert dataset.task.labels == ("zebra", "null")
    assert dataset.y.tolist() == [0, 1, -1, 1, 0, -1]
    several = json.loads(json.dumps(NAMES))
    several["info"]["features"]["label"] = {"feature": several["info"]["features"]["label"], "_type": "List"}
    lists = load(hub(tmp_path / "l.parquet", [[0, 1], [1], [], [0], [0], [1]], several))
    assert (lists.task.kind, lists.task.labels) == ("multilabel", ("zebra", "null"))
    assert lists.y[:3].tolist() == [[1, 1], [0, 1], [0, 0]]
    for odd in ({}, [], "x", {"info": {"features": [1]}}, {"info": {"features": {"label": {"names": 3}}}}):
        assert load(hub(tmp_path / "o.parquet", Y, odd)).task.labels == ("0", "1")
    with pytest.raises(DataError, match="'label' holds class 7, but its features name 2 classes"):
        load(hub(tmp_path / "n.parquet", [0, 1, 7, 1, 0, 1], NAMES))


def test_a_damaged_cell_is_a_finding_with_its_row(tmp_path: Path) -> None:
    broken = [BYTES[0], BYTES[1][:60], b"", None, b"no image", BYTES[5], *BYTES[2:4]]
    pl.DataFrame({"image": broken, "label": list("abababab")}).write_parquet(tmp_path / "t.parquet")
    dataset = load(tmp_path / "t.parquet")
    report = doctor.check(dataset)
    found = {finding.where: finding.code for finding in report.errors if finding.row is not None}
    assert found == {"row 2": "HS104", "row 3": "HS102", "row 4": "HS101", "row 5": "HS103"}
    kept, gone = doctor.drop_bad(dataset, report)
    assert (len(kept), gone) == (4, ["row 2", "row 3", "row 4", "row 5"])


def test_a_record_may_name_a_file_only(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(BYTES[0])
    pl.DataFrame([records([None, BYTES[1]], ["a.png", None]), pl.Series("label", ["x", "y"])]).write_parquet(
        tmp_path / "t.parquet"
    )
    assert [item.read() for item in load(tmp_path / "t.parquet").items] == BYTES[:2]


def test_arrays_in_cells(tmp_path: Path) -> None:
    block = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
    pl.DataFrame({"image": block, "label": list("abab")}).write_parquet(tmp_path / "t.parquet")
    assert [item.array.tolist() for item in load(tmp_path / "t.parquet").items] == block.tolist()


@pytest.mark.parametrize("names", [("train", "test"), ("train-00000-of-00001", "test-00000-of-00001")])
def test_a_folder_of_such_tables(tmp_path: Path, names: tuple[str, str]) -> None:
    (tmp_path / "data").mkdir()
    for name in names:
        hub(tmp_path / "data" / f"{name}.parquet", said=NAMES)
    dataset = load(tmp_path)
    assert (len(dataset), dataset.task.labels) == (12, ("zebra", "null"))
    assert dataset.split.tolist() == ["train"] * 6 + ["test"] * 6
    assert len({item.id for item in dataset.items}) == 12


def test_the_parts_of_one_table_belong_together(tmp_path: Path) -> None:
    for number in range(2):
        hub(tmp_path / f"data-{number:05d}-of-00002.parquet")
    assert len(load(tmp_path)) == 12


def test_predict_takes_such_tables(tmp_path: Path) -> None:
    path = hub(tmp_path / "t.parquet")
    for given in (path, str(path), [path], tmp_path):
        assert [item.read() for item in items_of(given)] == BYTES
    assert items_of(path)[0].id == f"{path} row 1 (0.png)"
    (tmp_path / "t.csv").write_text("file\nx.png\n")
    (tmp_path / "x.png").write_bytes(BYTES[0])
    assert [item.read() for item in items_of(tmp_path / "t.csv")] == BYTES[:1]
    with pytest.raises(DataError, match="it holds images, but texts are read here"):
        items_of(path, "text")
    named = pl.DataFrame({"a": BYTES, "b": BYTES[::-1]})
    assert [item.read() for item in items_of(named, path_column="b")] == BYTES[::-1]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    datasets = pytest.importorskip("datasets")
    folder = tmp_path_factory.mktemp("saved")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["b", "a"])})
    pictures = [Image.new("RGB", (8, 8), (9 * i, 0, 0)) for i in range(4)]
    table = datasets.Dataset.from_dict({"image": pictures, "label": [0, 1, 0, 1]}, features=features)
    table.save_to_disk(str(folder / "one"))
    datasets.DatasetDict({"train": table, "test": table}).save_to_disk(str(folder / "two"))
    return folder


@pytest.mark.filterwarnings("ignore")
def test_a_saved_data_set_is_read(saved: Path) -> None:
    one, two = load(saved / "one"), load(str(saved / "two"))
    assert (one.task.labels, one.y.tolist(), one.name) == (("b", "a"), [0, 1, 0, 1], "one")
    assert two.split.tolist() == ["train"] * 4 + ["test"] * 4
    assert [item.read() for item in items_of(saved / "one")] == [item.read() for item in one.items]


def test_a_saved_data_set_needs_its_package(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises((MissingExtra, HeadstartError), match="needs the package 'datasets'"):
        load(saved / "one")


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_saved_data_set_is_told(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text("{")
    (tmp_path / "x.arrow").write_bytes(b"no arrow")
    with pytest.raises(DataError, match="a saved data set that cannot be read"):
        load(tmp_path)
