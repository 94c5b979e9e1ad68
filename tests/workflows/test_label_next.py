"""What to label next: chosen by the right policy, never twice, with a reason."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.task import Task
from headstart.errors import BadOption, DataError, RunError, UnknownName
from headstart.modalities.text import open_item
from headstart.modalities.text.preprocessing import TextPreprocessing
from headstart.predict.inputs import items_of
from headstart.predict.predictor import Predictor
from headstart.workflows.inputs.finished import data_of
from headstart.workflows.label_next import (
    Proposal,
    Room,
    Wanted,
    choose,
    choose_policy,
    doubt,
    pool_items,
    propose,
    read_pool,
)
from made.models import tiny_images, tiny_model

CLASSES = Task("classification", ("cat", "dog", "owl"), "accuracy")
LABELS = Task("multilabel", ("red", "round"), "mAP")
NUMBER = Task("regression", ("size",), "MAE", higher_is_better=False)


def room(task: Task = CLASSES, *, pool: int = 60, seed: int = 0) -> tuple[Room, np.ndarray]:
    """Three blobs, the first of which has labels; and the blob of each row."""
    rng = np.random.default_rng(seed)
    blob = np.concatenate([np.zeros(9, int), np.arange(pool) % 3])
    x = (5 * np.eye(6)[blob] + rng.normal(0, 0.3, (len(blob), 6))).astype(np.float32)
    labelled = np.arange(len(blob)) < 9
    p = rng.dirichlet(np.ones(task.outputs), pool).astype(np.float32)
    return Room(x, labelled, ~labelled, p, task, ("image", "images")), blob


def test_few_labels_cover_what_has_none() -> None:
    given, blob = room()
    picks = choose(given, 2, few=True)
    assert {int(blob[row]) for row, _, _ in picks} <= {1, 2}
    assert all(how == "typical" for _, how, _ in picks)
    assert all("typical of a group of" in why and "no label near" in why for _, _, why in picks)
    assert "images" in picks[0][2]


def test_many_labels_ask_where_the_model_hesitates() -> None:
    given, _ = room()
    picks = choose(given, 10, few=False)
    assert [how for _, how, _ in picks].count("random") == 2
    top = np.sort(given.predictions, axis=1)
    margin = top[:, -1] - top[:, -2]
    chosen = [row - 9 for row, how, _ in picks if how == "doubtful"]
    assert np.median(margin[chosen]) < np.median(margin)
    row, _, why = next(pick for pick in picks if pick[1] == "doubtful")
    one, two = np.argsort(-given.predictions[row - 9])[:2]
    assert why.startswith(f"between {CLASSES.labels[one]} and {CLASSES.labels[two]} (0.")


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 500])
def test_each_item_once_and_a_fifth_at_random(few: bool, n: int) -> None:
    given, _ = room()
    free = given.free.copy()
    free[15:30] = False
    picks = choose(replace(given, free=free), n, few=few)
    rows = [row for row, _, _ in picks]
    assert len(set(rows)) == len(rows) == min(n, 45)
    assert free[rows].all()
    assert abs(sum(how == "random" for _, how, _ in picks) - 0.2 * len(rows)) <= 1


def test_the_seed_decides() -> None:
    given, _ = room()
    assert choose(given, 15, few=True, seed=1) == choose(given, 15, few=True, seed=1)
    assert choose(given, 15, few=True, seed=1) != choose(given, 15, few=True, seed=2)


def test_doubt_in_words() -> None:
    assert doubt(CLASSES, np.array([0.45, 0.48, 0.07])) == "between dog and cat (0.48 / 0.45)"
    assert doubt(LABELS, np.array([0.9, 0.52])) == "unsure about round (0.52)"


def data(n: int, task: Task = CLASSES) -> Dataset:
    items = tuple(ArrayItem(str(i), np.full((8, 8), i % 200, np.uint8)) for i in range(n))
    return Dataset("d", "image", items, task)


@pytest.mark.parametrize(
    ("n", "score", "task", "few"),
    [
        (30, 0.9, CLASSES, True),
        (45, 0.9, CLASSES, True),
        (46, 0.9, CLASSES, False),
        (500, 0.5, CLASSES, True),
        (500, 0.9, LABELS, False),
        (500, 0.2, replace(CLASSES, metric="log loss", higher_is_better=False), False),
        (500, 0.1, NUMBER, True),
    ],
)
def test_the_policy_depends_on_labels_and_score(n: int, score: float, task: Task, few: bool) -> None:
    record = {"answer": {"rows": [{"shipped": False, "score": 0.1}, {"shipped": True, "score": score}]}}
    found, words = choose_policy(record, data(n, task), task)
    assert found is few
    assert ("typical" in words) is few


def test_test_items_do_not_count_as_labels_to_learn_from() -> None:
    record = {"answer": {"rows": [{"shipped": True, "score": 0.9}]}}
    known = replace(data(60), split=np.repeat(["train", "test"], [40, 20]))
    assert choose_policy(record, known, CLASSES)[0]


def test_unreadable_items_are_set_aside(tmp_path) -> None:
    predictor = Predictor(tiny_model(), device="cpu")
    good = [image.transpose(1, 2, 0) for image in tiny_images(3)]
    (tmp_path / "bad.png").write_bytes(b"nothing")
    named = [good[0], str(tmp_path / "bad.png"), good[1], str(tmp_path / "gone.png")]
    pool = read_pool(predictor, items_of(named))
    assert [item.id for item in pool.items] == ["0", "2"]
    assert len(pool.predictions) == 2
    assert [reason for _, reason in pool.unreadable][1] == "no such file or folder"
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"none of 1 can be read.*no images in this folder"):
        read_pool(predictor, items_of(str(empty)))
    with pytest.raises(DataError, match="none of 0"):
        read_pool(predictor, [])


def test_a_pool_is_read_from_the_columns_of_the_run(tmp_path) -> None:
    pool = tmp_path / "pool.csv"
    pool.write_text("headline,body\nfirst of all,and then this\n")
    predictor = SimpleNamespace(model=SimpleNamespace(input=TextPreprocessing("")))

    def read(record: dict, **columns: str) -> str:
        (item,) = pool_items(predictor, pool, Wanted(columns=columns), record)
        return open_item(item.read()).first

    assert read({}) == "and then this"
    assert read({"reading": {"text_column": "headline", "label_column": "mood"}}) == "first of all"
    assert read({"reading": {"text_column": "title"}}) == "and then this"
    assert read({"reading": {"text_column": "headline"}}, text_column="body") == "and then this"
    with pytest.raises(UnknownName, match="title"):
        read({}, text_column="title")


def test_data_that_is_gone_is_one_sentence(tmp_path) -> None:
    for origin, named in ((str(tmp_path / "gone"), "gone"), ("", "given in Python")):
        with pytest.raises(RunError, match=f"{named}.*not there any more.*--data"):
            data_of(tmp_path, {"origin": origin})
    with pytest.raises(RunError, match="given in Python"):
        data_of(tmp_path, {"origin": "memory", "from_path": False})


def test_data_is_read_as_the_run_did(tmp_path, monkeypatch) -> None:
    from PIL import Image

    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    lines = ["where;kind;wing".replace(";", ",")]
    for number in range(8):
        Image.fromarray(np.full((20, 20), 20 * number, np.uint8)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{'ab'[number % 2] if number < 6 else ''},{number}")
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    record = {
        "origin": str(tmp_path / "table.csv"),
        "reading": {"path_column": "where", "label_column": "kind", "task": "classification"},
    }
    known = data_of(tmp_path, record)
    assert [item.id for item in known.items] == [f"{n}.png" for n in range(8)]
    assert known.labelled.tolist() == [True] * 6 + [False] * 2
    assert known.task is not None
    assert known.task.labels == ("a", "b")
    # a data set that was loaded in Python need not be what a plain reading of its file gives
    with pytest.raises(RunError, match=r"given in Python, and what is read from .*table\.csv is not"):
        data_of(tmp_path, {**record, "from_path": False, "question": {"data": "other"}})


def test_how_many_must_be_positive(tmp_path) -> None:
    with pytest.raises(BadOption, match="at least 1"):
        propose(tmp_path, Predictor(tiny_model(), device="cpu"), [], Wanted(n=0))


def test_a_proposal_is_json() -> None:
    import json

    found = Proposal((), "p", "s", 3, 1, (("größe.png", "broken"),)).to_json()
    assert json.loads(json.dumps(found))["unreadable"] == [{"id": "größe.png", "error": "broken"}]
