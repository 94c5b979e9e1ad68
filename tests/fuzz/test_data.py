"""Readers of data: a valid `Dataset` whose findings can be told, or a `HeadstartError`."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from headstart.core.dataset import Dataset
from headstart.data import doctor, load

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


FAMILIES = [
    Family("t.csv", csv, checked, valid),
    Family("t.tsv", tsv, checked, valid),
    Family("t.jsonl", lines, checked, valid),
    Family("t.parquet", parquet, checked, valid),
    Family("stored.zip", archive(zipfile.ZIP_STORED), checked, valid),
    Family("lzma.zip", archive(zipfile.ZIP_LZMA), checked, valid),
    Family("a.tar", tar("w"), checked, valid),
    Family("a.tar.gz", tar("w:gz"), checked, valid),
]


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_readers(fuzz: Callable[[Family], None], family: Family) -> None:
    fuzz(family)
