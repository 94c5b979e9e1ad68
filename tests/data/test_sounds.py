"""Sounds in every form that data come in: files, tables, archives, memory, data frames and hub data sets."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from headstart.core.dataset import Dataset
from headstart.data import load
from headstart.data.checks import doctor
from headstart.data.checks.findings import Finding
from headstart.errors import BadOption, DataError
from headstart.modalities import audio
from sounds import RATE, clips, folder, written

MADE = clips(4)
LABELS = [name for name, _ in MADE]
ARRAYS = [samples for _, samples in MADE]
BYTES = [written(samples, form="FLAC") for samples in ARRAYS]
RECORDS = [{"array": samples, "sampling_rate": RATE} for samples in ARRAYS]


def found(data: Any, **options: Any) -> list[Finding]:
    return list(doctor.check(load(data, **options)).findings)


def whole(dataset: Dataset) -> Dataset:
    """The data set, of which all twelve sounds are there, with their labels."""
    assert (dataset.modality, len(dataset)) == ("audio", 12)
    assert dataset.task is not None
    assert dataset.targets is not None
    assert [dataset.task.labels[y] for y in dataset.targets] == LABELS
    for item, samples in zip(dataset.items, ARRAYS, strict=True):
        opened = audio.open_item(item.read())
        assert opened.rate == RATE
        assert np.abs(opened.samples - samples).max() < 1e-3
    return dataset


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (ARRAYS, {"labels": LABELS, "rate": RATE}),
        ([(samples, RATE) for samples in ARRAYS], {"labels": LABELS}),
        ([((samples, RATE), name) for samples, name in zip(ARRAYS, LABELS, strict=True)], {}),
        ([{**record, "path": None} for record in RECORDS], {"labels": LABELS}),
        ([{"bytes": data, "path": "a.flac"} for data in BYTES], {"labels": LABELS}),
        (BYTES, {"labels": LABELS}),
        ({"audio": RECORDS, "label": LABELS}, {}),
        ({"clip": [(samples, RATE) for samples in ARRAYS], "label": LABELS}, {}),
        (pl.DataFrame({"sound": BYTES, "label": LABELS}), {}),
    ],
    ids=["arrays", "pairs", "rows", "records", "files", "bytes", "dict", "dict of pairs", "frame"],
)
def test_sounds_in_memory(data: Any, options: dict[str, Any]) -> None:
    assert not doctor.check(whole(load(data, **options))).errors


def test_two_sounds_are_two_sounds() -> None:
    dataset = load([(samples, RATE) for samples in ARRAYS[:2]], labels=["a", "b"])
    assert [item.id for item in dataset.items] == ["recording-0", "recording-1"]


def test_a_block_of_sounds_of_one_length() -> None:
    dataset = load(np.stack([samples[:2000] for samples in ARRAYS]), labels=LABELS, rate=RATE)
    assert (dataset.modality, len(dataset), dataset.items[3].id) == ("audio", 12, "recording-03")


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (ARRAYS, {}, r"of a recording \(samples, samples a second\)"),
        (ARRAYS, {"rate": "fast"}, "such as 16000"),
        (ARRAYS, {"rate": 5}, "such as 16000"),
        (np.zeros((2, 3, 4)), {"rate": RATE}, "2 x 3 x 4 holds no recordings"),
        ((ARRAYS[0], RATE), {}, "tuple is one item"),
        ([(ARRAYS[0], RATE), {"array": "abc", "sampling_rate": RATE}], {}, "recording 1: "),
    ],
)
def test_what_is_no_sound_is_one_sentence(data: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises((DataError, BadOption), match=words):
        load(data, labels=["a"] * len(data), **options)


def test_files_say_their_rate_themselves(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="files say it themselves"):
        load(folder(tmp_path / "tones", 2), rate=RATE)


@pytest.mark.parametrize("packed", [False, True])
def test_folders_and_archives_of_clips(tmp_path: Path, packed: bool) -> None:
    place = folder(tmp_path / "tones", 3)
    (place / "low" / "notes.txt").write_text("recorded on Monday")
    (place / "low" / "old.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    (place / "mid" / "bad.wav").write_bytes(b"RIFF\x24\0\0\0WAVE")
    if packed:
        archive = tmp_path / "tones.zip"
        with zipfile.ZipFile(archive, "w") as out:
            for file in sorted(place.rglob("*.*")):
                out.write(file, file.relative_to(place))
        place = archive
    dataset = load(place)
    assert (dataset.modality, len(dataset)) == ("audio", 10)
    told = {finding.code: finding for finding in found(place)}
    assert told["HS104"].where == "mid/bad.wav"
    assert told["HS504"].message == "not a recording by its ending: left out"
    assert "convert it" in told["HS218"].message


def test_a_folder_of_nothing_but_sounds_that_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    with pytest.raises(DataError, match=r"a\.m4a is MPEG-4 audio.*convert it"):
        load(tmp_path)


@pytest.mark.parametrize("column", ["speaker", "speaker_id", "src_file", "Session ID"])
def test_rows_of_a_speaker_are_kept_together(tmp_path: Path, column: str) -> None:
    place = folder(tmp_path / "tones", 6)
    files = sorted(place.rglob("*.wav"))
    rows = [(str(file.relative_to(place)), file.parent.name, "abc"[i % 3]) for i, file in enumerate(files)]
    table = pl.DataFrame(rows, ["path", "label", column], orient="row")
    table.write_csv(place / "rows.csv")
    dataset = load(place / "rows.csv")
    assert dataset.group_names == ("a", "b", "c")
    assert any(f"groups from {column!r}" in note.message for note in dataset.notes)
    parted = table.with_columns(split=pl.Series(["test" if i % 6 == 0 else "train" for i in range(18)]))
    parted.write_csv(place / "rows.csv")
    assert "HS406" in {one.code for one in found(place / "rows.csv")}


def test_a_speaker_of_texts_is_no_group(tmp_path: Path) -> None:
    words = ["it came on a fine day", "none of it came at all", "this was a good one", "they said it was bad"]
    frame = pl.DataFrame({"text": words, "label": ["a", "b"] * 2, "speaker": ["x", "x", "y", "y"]})
    assert load(frame).groups is None


def test_cells_of_a_parquet_file(tmp_path: Path) -> None:
    cells = [{"bytes": data, "path": f"{i}.flac"} for i, data in enumerate(BYTES)]
    frame = pl.DataFrame({"audio": cells, "label": LABELS, "speaker": [*"aaabbbcccaaa"]})
    frame.write_parquet(tmp_path / "train.parquet")
    dataset = load(tmp_path / "train.parquet")
    whole(dataset)
    assert dataset.group_names == ("a", "b", "c")
    assert "recordings from 'audio'" in dataset.notes[-1].message


def test_hub_data_sets_of_sounds() -> None:
    hub = pytest.importorskip("datasets")
    cells = [{"bytes": data, "path": None} for data in BYTES]
    data = hub.Dataset.from_dict(
        {"audio": cells, "label": LABELS, "speaker_id": [1, 1, 1, 2, 2, 2, 3, 3, 3, 1, 1, 1]}
    )
    for read in (data, data.cast_column("audio", hub.Audio(sampling_rate=16_000))):
        dataset = load(read)
        whole(dataset)
        assert dataset.group_names == ("1", "2", "3")
    assert load(read, items_only=True).modality == "audio"


def test_sounds_beside_their_words_are_sounds(tmp_path: Path) -> None:
    place = folder(tmp_path / "tones", 2)
    for file in list(place.rglob("*.wav")):
        file.with_suffix(".txt").write_text("what is said in it")
    assert load(place).modality == "audio"
