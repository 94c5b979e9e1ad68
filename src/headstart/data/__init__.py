"""Data: readers of every form in, the doctor that checks them, the splits that all arms share.

To add a reader: write a module with `accepts(data) -> bool` and `read(data, reading) -> Dataset`,
and add its line to `READERS`; in a package of your own it is an entry point of the group "headstart.readers",
and is asked before these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.core.dataset import Dataset
from headstart.core.registry import Registry
from headstart.data.joined import with_unlabelled
from headstart.data.parts import check_order
from headstart.data.reading import ADDRESSES, NOT_FETCHED, Reading, as_path, levels_of
from headstart.errors import BadOption, PathError

__all__ = ["READERS", "load"]

_HERE = "headstart.data.readers"
READERS: Registry[Any] = Registry(
    "reader",
    {
        "a Hugging Face data set": f"{_HERE}.hub",
        "a table (.csv, .parquet, .json, .xlsx, ...)": f"{_HERE}.table",
        "a .zip or .tar archive": f"{_HERE}.folder",
        "a folder": f"{_HERE}.folder",
        "items with their labels: (X, y), a list of (image, label), a data set": f"{_HERE}.unpacked",
        "a data frame, or a dict of columns": f"{_HERE}.frames",
        "a list of texts, or of pairs of texts": f"{_HERE}.strings",
        "arrays, Pillow images or a list of files": f"{_HERE}.arrays",
    },
    group="headstart.readers",
)
"""What is read -> the module that reads it; the first that accepts wins."""


def load(data: Any, **options: Any) -> Dataset:
    """Read a data set; nothing is decoded yet.

    `data` is one of

    * a folder of class folders, of images/ and masks/ with like names, or of images with boxes (COCO, YOLO,
      Pascal VOC, LabelMe, CVAT), with or without a train, val or test level above them; one of plain images
      or texts (no labels); one with a table, or one for each split, and the files that it names, or a .zip;
    * a .csv, .tsv, .parquet, .json, .jsonl, .xlsx, .feather or .arrow file (also packed, as .csv.gz), or a
      .txt with the lines of fastText; it has a column of texts, two of them (pairs), or a column of
      paths to images, sounds or texts (relative to the file), and a label column, optionally columns of
      splits, groups and ids: recognised by their usual names and by their values, or given;
    * a .zip or .tar (.tar.gz, ...) of any of these, read without unpacking it;
    * a data frame of pandas or polars, or a dict of columns: as a table, with `labels` or a column of them;
    * a list, an array or a series of texts, or a list of pairs of texts, with `labels`;
    * an array or tensor `[N, H, W]`, `[N, H, W, C]`, or `[N, C, H, W]` where that cannot be mistaken, or a
      list of arrays, tensors, Pillow images, paths, bytes of files, or open files, with `labels`;
    * of sounds a list of (samples, rate) or of records with `array` and `sampling_rate`, or with `rate`
      (samples a second) an array `[N, samples]` or a list of arrays, with `labels`;
    * these with their labels: `(X, y)`, a list of (image, label), a `Bunch` of scikit-learn, a data set of
      torch or torchvision with a length, whose rows are read as they are needed;
    * a Hugging Face `datasets.Dataset` or `DatasetDict` with a column of images, sounds or texts, or a
      folder that its `save_to_disk` wrote; with a column `objects` of `bbox` and `category` it has boxes.

    Cells of tables (Parquet, frames, dicts) may be pictures: bytes, records with `bytes`, images, arrays.

    Options: `path_column`, `text_column`, `pair_column` (the second text of each pair), `label_column`,
    `feature_column`, `split_column`, `group_column`, `task`, `labels`, `missing`, `name`, `white`, `rate`,
    `unlabelled`; with `items_only` columns that hold no items (labels, splits, groups) are not looked at.
    `label_column` may be a list of columns of 0 and 1, one for each label. Where no column holds or names
    items, or `feature_column` names some ("*": all), each row is an item.

    `task` is "classification", "multilabel", "regression", "segmentation" or "detection"; without it the
    labels decide: lists, text that shows lists, text with ";" or "|" in it, and with commas where the parts
    recur by themselves, are several labels an item, lists of 0 and 1 with a place for each; numbers with
    decimals, and whole numbers that hardly repeat, are regression, also with a unit or a decimal comma;
    everything else are classes, in natural order. What was decided is in `Dataset.notes`. For what is in
    memory `labels` are the labels, one for each item; otherwise it may give the class names in the order
    wanted. `missing` lists the texts that stand for no label, beside empty cells; without it these are NA,
    N/A, NaN and null in .csv and .tsv files, unless `labels` names them, and none elsewhere.

    `white` is the value that is white in pictures of more than 8 bits a channel, 4095 say, or what is black
    and what is white, (-1024, 3071) say; without it both are found from all pictures when the data are
    checked.

    `unlabelled` is data of the same kind, in any of these forms: its items come last, without labels.

    Raises `PathError`, `DataError`, `BadOption`, and `UnknownName` for columns that are not there.
    """
    reading = Reading.of(options)
    if isinstance(data, Dataset):
        if reading != Reading():
            raise BadOption("data", "a Dataset", "given without options on how to read it")
        return data
    if isinstance(data, str) and data.lower().startswith(ADDRESSES):
        raise PathError(data, NOT_FETCHED)
    check_order(data, reading.labels)
    dataset, white = _read(data, reading), levels_of(reading.white)
    dataset = _beside(dataset, reading)
    return dataset if white is None else dataset.with_levels(white)


def _beside(dataset: Dataset, reading: Reading) -> Dataset:
    """With the items that were given without labels, if there are any."""
    given = reading.unlabelled
    if given is None:
        return dataset
    more = given if isinstance(given, Dataset) else _read(given, reading.of_items)
    return with_unlabelled(dataset, more)


def _read(data: Any, reading: Reading) -> Dataset:
    for name in (*READERS.others(), *READERS.own()):
        reader = READERS[name]
        if reader.accepts(data):
            if reading.rate is not None and as_path(data) is not None:
                raise BadOption("rate", reading.rate, "left out: files say it themselves")
            dataset: Dataset = reader.read(data, reading)
            return dataset
    found = data if isinstance(data, str) else type(data).__name__
    if isinstance(data, Sequence) and not isinstance(data, str):
        found += f" of {len(data)}"
    raise BadOption("data", found, f"one of: a data set; {'; '.join(READERS)}")
