"""Round trips and small promises of the other records."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core import files, fingerprint, words
from headstart.core.evidence import Cost, Evidence, unit_of
from headstart.core.features import Tap
from headstart.core.registry import Registry
from headstart.core.split import Fold, Split
from headstart.core.task import Task
from headstart.errors import DuplicateName, UnknownName
from headstart.modalities.image.preprocessing import ImagePreprocessing


def test_json_round_trips() -> None:
    task = Task("classification", ("Ameise", "蜂"), "accuracy")
    contract = ImagePreprocessing(size=(32, 48), mean=(0.5,), std=(0.2,), channels=1)
    evidence = Evidence("accuracy", 0.9, 0.8, 0.95, n=100, seed=3, cost=Cost(1, 2.5, 10))
    for record in (task, contract, evidence):
        assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record


def test_evidence_of_older_versions_says_what_it_counts_in_its_method() -> None:
    stored = Evidence("mAP", 0.9, 0.8, 0.95, n=6, seed=3, method="percentile bootstrap over groups").to_json()
    del stored["unit"]
    assert Evidence.from_json(stored).unit == "groups"
    assert unit_of({"n": 6, "method": "Wilson"}) == "items"
    assert unit_of({"n": 60, "method": "paired percentile bootstrap over groups"}) == "items"


def test_taps_have_names() -> None:
    assert Tap.parse(str(Tap("blocks.3/x", 2))) == Tap("blocks.3/x", 2)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_no_two_sequences_share_a_fingerprint(a: list[str], b: list[str]) -> None:
    assert (fingerprint.of_parts(a) == fingerprint.of_parts(b)) == (a == b)


def test_fingerprints_of_arrays_know_shape_and_type() -> None:
    a = np.arange(6, dtype=np.int32)
    assert fingerprint.of_array(a) == fingerprint.of_array(a.copy()[::1])
    assert fingerprint.of_array(a) != fingerprint.of_array(a.reshape(2, 3))
    assert fingerprint.of_array(a) != fingerprint.of_array(a.astype(np.int64))
    assert fingerprint.of_array(np.asfortranarray(a.reshape(2, 3))) == fingerprint.of_array(a.reshape(2, 3))


def test_registries_never_overwrite() -> None:
    registry: Registry[int] = Registry("ranker")
    registry.add("logme", 1)
    with pytest.raises(DuplicateName, match="ranker called 'logme'"):
        registry.add("logme", 2)
    with pytest.raises(UnknownName, match="did you mean 'logme'"):
        registry["logm"]
    assert list(registry) == ["logme"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    files.write_json(path, {"a": np.float64(1.5), "b": np.arange(2), "c": tmp_path})
    before = path.read_bytes()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_json(path, {"a": 2})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_split_fingerprint_follows_the_folds() -> None:
    def split(train: list[int]) -> Split:
        fold = Fold(0, np.array(train), np.array([9]))
        return Split(np.arange(10), np.array([], np.int64), (fold,), np.arange(10), 0, "one hold-out")

    assert split([1, 2]).fingerprint() == split([1, 2]).fingerprint()
    assert split([1, 2]).fingerprint() != split([1, 3]).fingerprint()
    assert split([1]).repeats == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (words.value("accuracy", 0.9123), "91.2 %"),
        (words.value("MAE", 12.34567), "12.35"),
        (words.value("log loss", 1.9873e-09), "0.0000"),
        (words.value("MAE", 1.9873e-09), "1.987e-09"),
        (words.value("accuracy", float("nan")), "-"),
        (words.interval("accuracy", 0.89, 0.931), "[89.0, 93.1]"),
        (words.interval("MAE", 10.5, 10.5), "[not known]"),
        (words.gain("accuracy", -0.0001), "+0.0 points"),
        (words.gain("accuracy", 0.278), "+27.8 points"),
        (words.gain_interval("accuracy", -0.0001, 0.306), "[0.0, 30.6]"),
        (words.count(1, "class", "classes"), "1 class"),
        (words.count(1234, "image"), "1,234 images"),
        (words.size(2_480_000), "2.5 MB"),
        (words.size(12), "12 B"),
    ],
)
def test_numbers_in_words(text: str, expected: str) -> None:
    assert text == expected
