"""Data: readers of every form in, the doctor that checks them, the splits that all arms share.

To add a reader: write a module with `accepts(data) -> bool` and `read(data, reading) -> Dataset`,
and add its line to `READERS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from headstart.core.dataset import Dataset
from headstart.data.reading import Reading
from headstart.errors import BadOption

__all__ = ["READERS", "load"]

READERS = {
    "a data set": "headstart.data.given",
    "a Hugging Face data set": "headstart.data.hub",
    "a .csv, .tsv, .parquet or .jsonl table": "headstart.data.table",
    "a .zip archive": "headstart.data.zipped",
    "a folder": "headstart.data.folder",
    "arrays, Pillow images or a list of files": "headstart.data.arrays",
}
"""What is read -> the module that reads it; the first that accepts wins."""


def load(
    data: Any,
    *,
    path_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    task: str | None = None,
    labels: Any = None,
    name: str | None = None,
) -> Dataset:
    """Read a data set; nothing is decoded yet.

    `data` is one of

    * a folder of class folders, with or without a train, val or test level above them; a folder of
      plain images (no labels); a folder with one table and the images, or their .zip, beside it;
    * a .csv, .tsv, .parquet or .jsonl file with a path column (paths are relative to the file) and
      a label column, optionally split and group columns: recognised by their usual names or given;
    * a .zip of any of these, read without unpacking it;
    * an array `[N, H, W]` or `[N, H, W, C]`, or a list of arrays, Pillow images or paths, with `labels`;
    * a Hugging Face `datasets.Dataset` or `DatasetDict` with an image column.

    `task` is "classification", "multilabel" or "regression"; without it the labels decide: lists,
    and text with ";" or "|" in it, are several labels an item; numbers with decimals, and whole
    numbers that hardly repeat, are regression; everything else are classes, in natural order. What
    was decided is in `Dataset.notes`. For arrays `labels` are the labels, one for each item;
    otherwise it may give the class names in the order wanted.

    Raises `PathError`, `DataError`, `BadOption`, and `UnknownName` for columns that are not there.
    """
    reading = Reading(path_column, label_column, split_column, group_column, task, labels, name)
    for module in READERS.values():
        reader = importlib.import_module(module)
        if reader.accepts(data):
            dataset: Dataset = reader.read(data, reading)
            return dataset
    raise BadOption("data", _short(data), f"one of: {'; '.join(READERS)}")


def _short(data: Any) -> str:
    if isinstance(data, Sequence) and not isinstance(data, str):
        return f"{type(data).__name__} of {len(data)}"
    return data if isinstance(data, str) else type(data).__name__
