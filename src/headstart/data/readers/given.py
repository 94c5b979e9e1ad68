"""A data set that is one already."""

from __future__ import annotations

from typing import Any

from headstart.core.dataset import Dataset
from headstart.data.reading import Reading
from headstart.errors import BadOption


def accepts(data: Any) -> bool:
    """A `Dataset`."""
    return isinstance(data, Dataset)


def read(data: Any, reading: Reading) -> Dataset:
    """The data set as it is. Raises `BadOption` for options: they say how to read what is read already."""
    if reading != Reading():
        raise BadOption("data", "a Dataset", "given without options on how to read it")
    dataset: Dataset = data
    return dataset
