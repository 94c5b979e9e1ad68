"""Which column of a table is what: named by the user, or recognised by its usual names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from headstart.data.reading import Reading, suffix_of
from headstart.errors import DataError, UnknownName
from headstart.modalities.image import SUFFIXES

PATHS = ("path", "file", "filename", "filepath", "image", "imagepath", "imagefile", "imagename", "img",
         "imgpath", "imgname", "photo", "picture", "images", "files", "imageid", "id")  # fmt: skip
LABELS = ("label", "labels", "class", "classname", "classes", "category", "categories", "target", "targets",
          "y", "tag", "tags", "labelname", "species", "breed")  # fmt: skip
SPLITS = ("split", "set", "subset", "partition", "fold_name")
GROUPS = ("group", "groups", "groupid", "patient", "patientid", "subject", "subjectid")


@dataclass(frozen=True)
class Columns:
    """Names of the columns; None where the table has none of the kind."""

    path: str
    label: str | None
    split: str | None
    group: str | None


def find(table: pl.DataFrame, reading: Reading, where: str) -> Columns:
    """The columns to use. Raises `UnknownName` for a named one that is not there, `DataError`
    when the paths are nowhere to be seen, or several columns might be the labels."""
    names = table.columns
    for given in (reading.path_column, reading.label_column, reading.split_column, reading.group_column):
        if given is not None and given not in names:
            raise UnknownName(f"column (in {where})", given, names)
    path = reading.path_column or recognise_path(table)
    if path is None:
        raise DataError(
            where,
            f"no column of paths to images is recognised among {', '.join(names)}",
            "name it with path_column (--path-column)",
        )
    split = reading.split_column or _usual(names, SPLITS, {path})
    group = reading.group_column or _usual(names, GROUPS, {path, split})
    taken = {path, split, group}
    label = reading.label_column or _usual(names, LABELS, taken)
    rest = [name for name in names if name not in taken]
    if label is None and len(rest) == 1:
        label = rest[0]
    if label is None and rest:
        raise DataError(
            where,
            f"which column holds the labels: {', '.join(rest)}?",
            "name it with label_column (--label-column)",
        )
    return Columns(path, label, split, group)


def recognise_path(table: pl.DataFrame) -> str | None:
    """The column of paths: by its name if its values look right, else by its values alone."""
    texts = [name for name in table.columns if table[name].dtype == pl.String]
    by_value = [name for name in texts if _share_of_images(table[name]) >= 0.8]
    for usual in PATHS:
        for name in by_value or texts:
            if _bare(name) == usual:
                return name
    return by_value[0] if by_value else None


def _share_of_images(column: pl.Series) -> float:
    values = column.drop_nulls().head(200).to_list()
    return sum(suffix_of(value) in SUFFIXES for value in values) / len(values) if values else 0.0


def _usual(names: Sequence[str], usual: Sequence[str], taken: set[str | None]) -> str | None:
    for word in usual:
        for name in names:
            if name not in taken and _bare(name) == word:
                return name
    return None


def _bare(name: str) -> str:
    """ "Image Path" -> "imagepath"."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
