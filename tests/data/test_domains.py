"""Domains: read from a column or from folders that are told to be some, held out one by one, parted from a target."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.task import Task
from headstart.data.checks import domains
from headstart.data.checks.findings.held_out import Coverage
from headstart.data.splits import make_split
from headstart.errors import BadOption, DataError, HeadstartError, UnknownName

ROWS = [("good", "a"), ("bad", "a"), ("good", "b"), ("bad", "b"), ("good", ""), ("", "c")]


def table(folder: Path, rows: list[tuple[str, str]], head: str = "text,label,domain") -> Path:
    path = folder / "table.csv"
    lines = [f"these are the words of {n},{label},{name}" for n, (label, name) in enumerate(rows)]
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def pictures(folder: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 9 * number, np.uint8)).save(path)
    return folder


def made(y: list[int], of: list[int], groups: list[int] | None = None) -> Dataset:
    items = tuple(ArrayItem(str(row), np.array([[row]])) for row in range(len(y)))
    task = Task("classification", ("x", "y", "z")[: max(y) + 1], "accuracy")
    column = None if groups is None else np.array(groups)
    names = tuple("abc"[: max(of) + 1])
    return Dataset("toy", "image", items, task, np.array(y), column, domains=np.array(of), domain_names=names)


def test_a_column_of_that_name_is_one_and_that_is_said(tmp_path: Path) -> None:
    found = hs.load(table(tmp_path, ROWS))
    assert found.domain_names == ("a", "b", "c")
    assert found.domains is not None
    assert found.domains.tolist() == [0, 0, 1, 1, -1, 2]
    assert "domains from 'domain'" in found.notes[-1].message
    assert found.subset([5, 0]).domains.tolist() == [2, 0]  # type: ignore[union-attr]
    plain = hs.load(table(tmp_path, ROWS, "text,label,site"))
    assert plain.domains is None
    assert plain.fingerprint == found.fingerprint, "nothing follows from them unless it is asked for"
    assert hs.load(table(tmp_path, ROWS, "text,label,site"), domain="site").domain_names == ("a", "b", "c")


def test_the_only_column_beside_the_texts_stays_that_of_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "text,domain\n" + "".join(f"these are the words of {n},{'ab'[n % 2]}\n" for n in range(6))
    )
    found = hs.load(path)
    assert found.task is not None
    assert found.task.labels == ("a", "b")
    assert found.domains is None


def test_folders_are_domains_only_where_that_is_said(tmp_path: Path) -> None:
    names = [
        f"{place}/{label}/{n}.png" for place in ("ink", "pen") for label in ("one", "two") for n in range(2)
    ]
    folder = pictures(tmp_path, [*names, "phone/1.png", "phone/2.png"])
    found = hs.load(folder, domain="folders")
    assert found.domain_names == ("ink", "pen", "phone")
    assert found.task is not None
    assert found.task.labels == ("one", "two")
    assert found.labelled.tolist() == [True] * 8 + [False] * 2
    plain = hs.load(folder)
    assert plain.domains is None
    assert plain.task is not None
    assert plain.task.labels == ("ink", "pen", "phone")
    source, target = domains.parted(found)
    assert (len(source), source.labelled.all()) == (8, True)
    assert target is not None
    assert (len(target), target.task, target.name) == (2, None, "phone")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["ink/one/1.png", "ink/two/2.png", "pen/own/3.png", "pen/own/4.png"], "shares no class"),
        (["1.png", "2.png"], "0 folders of domains"),
    ],
)
def test_folders_that_are_no_domains(names: list[str], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        hs.load(pictures(tmp_path, names), domain="folders")


def test_a_table_has_columns_and_a_folder_folders(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="the name of a column"):
        hs.load(table(tmp_path, ROWS), domain="folders")
    with pytest.raises(UnknownName, match="'site'"):
        hs.load(table(tmp_path, ROWS), domain="site")


def test_each_fold_holds_out_a_domain() -> None:
    of, y = [0] * 4 + [1] * 4 + [2] * 4 + [-1], [0, 1] * 6 + [0]
    data = made(y, [*of], groups=[*range(3), 20, 20, *range(5, 13)])  # a group in both of the first two
    split = make_split(data, by_domain=True)
    assert (split.domains, split.repeats, split.kind) == (("a", "b", "c"), 1, "3 folds, a domain in each")
    assert [fold.test.tolist() for fold in split.folds] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert [fold.train.tolist() for fold in split.folds[:2]] == [
        [5, 6, 7, 8, 9, 10, 11, 12], [0, 1, 2, 8, 9, 10, 11, 12],
    ]  # fmt: skip
    assert make_split(data).domains == ()


def test_a_class_of_one_domain_is_never_held_out() -> None:
    data = made([0, 1, 0, 1, 2, 2, 0, 1], [0, 0, 1, 1, 1, 1, 0, 0])
    split = make_split(data, by_domain=True)
    assert split.folds[1].test.tolist() == [2, 3]
    assert "it lies in one domain ('b')" in Coverage.of(data, split).sentence


@pytest.mark.parametrize(
    ("y", "of", "says"),
    [
        ([0, 1, 0, 1], [0, 0, 0, 0], "all labelled items are of the domain 'a'"),
        ([0, 1, 0, 1], [-1, -1, -1, -1], "no domains are known"),
        ([0, 1, 0, 0], [0, 0, 1, 1], "holding out the domain 'a' leaves one class"),
        ([0, 0, 1, 1], [0, 0, 1, 1], "holding out the domain 'a' leaves no class of its own"),
        ([0, 1] * 21, list(range(42)), "42 domains are too many"),
    ],
)
def test_domains_that_cannot_be_held_out(y: list[int], of: list[int], says: str) -> None:
    names = tuple(map(str, range(42))) if max(of) > 2 else ("a", "b")
    data = replace(made(y, [min(place, 2) for place in of]), domains=np.array(of), domain_names=names)
    with pytest.raises(DataError, match=says):
        make_split(data, by_domain=True)


def words(texts: list[str], labels: list[str] | None = None) -> Dataset:
    return hs.load(texts, labels=labels) if labels else hs.load(texts)


SOURCE = [f"a good book about {n} things" for n in range(8)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (words(["one text of it"]), "1 text can be read; at least 5 are needed"),
        (words(["the same text"] * 9), "all 9 texts are the same one"),
        (words(SOURCE), "it is the source itself"),
        (hs.load(np.arange(9 * 64, dtype=np.uint8).reshape(9, 8, 8)), "it holds images, but"),
        (
            words([f"kitchen tool {n} of mine" for n in range(8)], ["x", "y"] * 4),
            "its labels .* are others than",
        ),
    ],
)
def test_what_is_no_target_is_one_sentence(given: Dataset, says: str) -> None:
    source = words(SOURCE, ["good", "bad"] * 4)
    with pytest.raises(HeadstartError, match=says) as caught:
        domains.target_of(given, {}, source, None, {}, lambda *_: None)
    assert "\n" not in str(caught.value)


def test_a_target_with_other_columns_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "target.csv"
    path.write_text("number,other\n" + "".join(f"{n},{n * n}\n" for n in range(9)))
    with pytest.raises(HeadstartError, match="column"):
        domains.target_of(str(path), {}, words(SOURCE, ["good", "bad"] * 4), None, {}, lambda *_: None)


def test_columns_that_only_the_source_has_are_not_asked_of_the_target(tmp_path: Path) -> None:
    path = tmp_path / "target.csv"
    path.write_text("text,when,who\n" + "".join(f"a tool for the kitchen {n},{n},{-n}\n" for n in range(9)))
    reading: dict[str, Any] = {"label_column": "stars"}
    found = domains.target_of(
        str(path), reading, words(SOURCE, ["good", "bad"] * 4), None, {}, lambda *_: None
    )
    assert found is not None
    assert (len(found), found.task, found.origin) == (9, None, str(path))


def test_numbers_have_no_adapters() -> None:
    source = hs.load(SOURCE, labels=[n + 0.5 for n in range(8)])
    with pytest.raises(DataError, match=r"only classes are adapted to; .*adapt RUN TARGET --labels"):
        domains.target_of(words([f"a tool {n}" for n in range(8)]), {}, source, None, {}, lambda *_: None)
