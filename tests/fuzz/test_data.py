"""Readers of data: a valid `Dataset` whose findings can be told, or a `HeadstartError`."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from data.boxes import made
from headstart.core.dataset import Dataset
from headstart.data import load
from headstart.data.checks import doctor
from headstart.errors import ItemError
from headstart.modalities import audio
from workbook import workbook

from .mutate import Family

ROWS = [
    (f"{word} came on day {i}", label) for i in range(3) for word, label in (("it", "good"), ("none", "bad"))
]
RECORDS = [{"text": text, "label": label} for text, label in ROWS]


def checked(path: Path) -> Dataset:
    """Read, and examined as `headstart check` does."""
    dataset = load(path)
    doctor.check(dataset)
    return dataset


def valid(found: object) -> bool:
    return isinstance(found, Dataset) and len(found) > 0


def csv(_: Path) -> bytes:
    return "\n".join(["text,label", *(f"{text},{label}" for text, label in ROWS)]).encode()


def tsv(_: Path) -> bytes:
    return csv(_).replace(b",", b"\t")


def lines(_: Path) -> bytes:
    return "\n".join(map(json.dumps, RECORDS)).encode()


def frame(write: Callable[[pl.DataFrame, io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(pl.DataFrame(RECORDS), buffer)
    return buffer.getvalue()


def parquet(_: Path) -> bytes:
    return frame(lambda table, file: table.write_parquet(file))


def files() -> dict[str, bytes]:
    """Two classes of small pictures, by their paths."""
    found = {}
    for i, label in enumerate("abab"):
        buffer = io.BytesIO()
        Image.new("L", (3, 2), 40 * i).save(buffer, "PNG")
        found[f"{label}/{i}.png"] = buffer.getvalue()
    return found


def archive(method: int) -> Callable[[Path], bytes]:
    def make(_: Path) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as out:
            for name, content in files().items():
                out.writestr(name, content)
        return buffer.getvalue()

    return make


def tar(mode: str) -> Callable[[Path], bytes]:
    def make(_: Path) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as out:  # type: ignore[call-overload]
            for name, content in files().items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                out.addfile(info, io.BytesIO(content))
        return buffer.getvalue()

    return make


def feather(_: Path) -> bytes:
    return frame(lambda table, file: table.write_ipc(file, compression="zstd"))


def stream(_: Path) -> bytes:
    return frame(lambda table, file: table.write_ipc_stream(file))


def sheet(_: Path) -> bytes:
    return workbook([("text", "label"), *ROWS])


def document(_: Path) -> bytes:
    return json.dumps({"train": RECORDS[:4], "test": RECORDS[4:]}).encode()


def columns(_: Path) -> bytes:
    return json.dumps({"version": 1, "data": RECORDS}).encode()


def pictures(read: Callable[[Path], Dataset]) -> Callable[[Path], Dataset]:
    """The file as one picture of a folder with others."""

    def in_folder(path: Path) -> Dataset:
        folder = path.parent.parent / "photos"
        for name, content in files().items():
            target = folder / name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        (folder / "a" / "0.png").write_bytes(path.read_bytes())
        return read(folder)

    return in_folder


def texts(path: Path) -> Dataset:
    """The file as one text of a folder with others."""
    folder = path.parent.parent / "texts"
    for number, (text, label) in enumerate(ROWS):
        target = folder / label / f"{number}.txt"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    (folder / "good" / "0.txt").write_bytes(path.read_bytes())
    return checked(folder)


def tones(form: str, kind: str) -> Callable[[Path], bytes]:
    def make(_: Path) -> bytes:
        import sounds  # skips where no package reads them

        return sounds.written(sounds.tone(440, 0.1), form=form, kind=kind)

    return make


def sound(path: Path) -> Dataset:
    """The file as one recording of a folder with others."""
    folder = path.parent.parent / "sounds"
    for number, label in enumerate("abab"):
        target = folder / label / f"{number}{path.suffix}"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(tones("WAV", "PCM_16")(path))
    odd = folder / "a" / f"0{path.suffix}"
    odd.write_bytes(path.read_bytes())
    with contextlib.suppress(ItemError):
        audio.prepare(odd.read_bytes(), audio.PLAIN)
    return checked(folder)


def labels(_: Path) -> bytes:
    """Labels of several kinds, and a group and a split."""
    values = ["a;b", "1", "0.5", "2024-01-01", "", "nan", "[a]"]
    parts = ["train", "test", "", "val", "train", "train", "test"]
    rows = (f"it came on day {i},{v},{i % 3},{p}" for i, (v, p) in enumerate(zip(values, parts, strict=True)))
    return "\n".join(["text,label,group,split", *rows]).encode()


def annotations(form: str, file: str) -> tuple[Callable[[Path], bytes], Callable[[Path], Dataset]]:
    """What makes the annotation file of a format, and what reads it among the others of its folder."""

    def make(folder: Path) -> bytes:
        made.WRITERS[form](folder / form)
        return (folder / form / file).read_bytes()

    def read(path: Path) -> Dataset:
        folder = path.parent.parent / form
        (folder / file).write_bytes(path.read_bytes())
        return load(folder)

    return make, read


FAMILIES = [
    Family("t.csv", csv, checked, valid),
    Family("t.tsv", tsv, checked, valid),
    Family("t.jsonl", lines, checked, valid),
    Family("t.parquet", parquet, checked, valid),
    Family("t.json", document, checked, valid),
    Family("one.json", columns, checked, valid),
    Family("t.feather", feather, checked, valid),
    Family("t.arrow", stream, checked, valid),
    Family("t.xlsx", sheet, checked, valid),
    Family("t.txt", lambda _: "".join(f"__label__{c} {t}\n" for t, c in ROWS).encode(), checked, valid),
    Family("t.csv.gz", lambda _: gzip.compress(csv(_), mtime=0), checked, valid),
    Family("t.jsonl.xz", lambda _: lzma.compress(lines(_)), checked, valid),
    Family("labels.csv", labels, checked, valid),
    Family("photo.png", lambda _: files()["a/0.png"], pictures(checked), valid),
    Family("sound.wav", tones("WAV", "PCM_16"), sound, valid),
    Family("sound.flac", tones("FLAC", "PCM_16"), sound, valid),
    Family("sound.ogg", tones("OGG", "VORBIS"), sound, valid),
    Family("sound.mp3", tones("MP3", "MPEG_LAYER_III"), sound, valid),
    Family("coco.json", *annotations("COCO JSON", "annotations.json"), valid),
    Family("voc.xml", *annotations("Pascal VOC", "Annotations/a.xml"), valid),
    Family("labelme.json", *annotations("LabelMe", "a.json"), valid),
    Family("yolo.txt", *annotations("YOLO", "labels/a.txt"), valid),
    Family("text.txt", lambda _: ROWS[0][0].encode(), texts, valid),
    Family("stored.zip", archive(zipfile.ZIP_STORED), checked, valid),
    Family("lzma.zip", archive(zipfile.ZIP_LZMA), checked, valid),
    Family("a.tar", tar("w"), checked, valid),
    Family("a.tar.gz", tar("w:gz"), checked, valid),
]


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_readers(check_family: Callable[[Family], None], family: Family) -> None:
    check_family(family)
