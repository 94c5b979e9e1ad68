"""One thing that a person hands in -> an item: a path, bytes, a picture, an array, a record, an open file.

Everything that takes things from Python, or out of the cells of a table, comes here: `load`, `predict`,
`evaluate` and the estimators. What is no item becomes a `BadItem`, which says why when it is read.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from headstart import modalities
from headstart.core.dataset import ArrayItem, FileItem, Item
from headstart.core.untrusted import limits, reason
from headstart.data.reading import ADDRESSES, NOT_FETCHED, printable, suffix_of
from headstart.errors import DataError, ItemError
from headstart.modalities.image import as_array, as_bytes

CHANNELS = (1, 3, 4)
"""How many a picture may have."""
NOTHING = "there is nothing in this row"
BYTES = (bytes, bytearray, memoryview)
_RECORD = {"bytes", "path", "array"}
_ONE_AT_A_TIME = threading.Lock()
"""Pictures that Pillow has not decoded yet, and rows of other people's data sets, may share a file."""


@dataclass(frozen=True)
class BadItem:
    """Something that was named and cannot be read; reading it says why."""

    id: str
    problem: str

    def read(self) -> bytes:
        raise OSError(self.problem)


@dataclass(frozen=True)
class BytesItem:
    """The content of a file, held in memory."""

    id: str
    content: bytes = field(repr=False)

    def read(self) -> bytes:
        return self.content


@dataclass(frozen=True)
class ImageItem:
    """A Pillow image; its bytes are those of a .npy file of its pixels."""

    id: str
    image: Any = field(repr=False)

    def read(self) -> bytes:
        """Raises `ItemError` for what cannot be decoded."""
        with _ONE_AT_A_TIME:
            return as_bytes(self.image)


@dataclass(frozen=True)
class RowItem:
    """A row of a data set, or of a column, of pictures: asked for when it is read, and not kept."""

    id: str
    rows: Any = field(repr=False, compare=False)
    row: int
    part: Any = None
    """Where in the row the picture is; None: the row is the picture."""

    def read(self) -> bytes:
        """Raises `OSError`, `ItemError`."""
        try:
            with _ONE_AT_A_TIME:
                found = self.rows[self.row]
            entry = found if self.part is None else found[self.part]
        except OSError:
            raise
        except Exception as error:  # the code of others raises what it likes
            raise OSError(
                f"its data set gives no picture here ({type(error).__name__}: {reason(error)})"
            ) from None
        return picture(entry, self.id).read()


def picture(entry: Any, name: str) -> Item:
    """The picture that one thing is, called `name` (files by their path); a `BadItem` for what is none.

    A path; the bytes of a file, or something with `read()`; a Pillow image; an array or tensor `[H, W]`,
    `[H, W, C]`, or `[C, H, W]` where that cannot be mistaken; a record with `bytes`, `array` or `path`; an
    item.
    """
    try:
        return _picture(entry, name)
    except (DataError, ItemError) as error:
        return BadItem(name, getattr(error, "problem", "") or str(error).removeprefix(f"{name}: "))


def _picture(entry: Any, name: str) -> Item:  # noqa: PLR0911 (a line for each form)
    if isinstance(entry, Item):
        return entry
    if nothing(entry):
        return BadItem(name, NOTHING)
    if is_path(entry):
        return at_path(entry)
    if is_content(entry):
        return BytesItem(name, content_of(entry))
    if isinstance(entry, Image.Image):
        deep = entry.mode.startswith("I") or entry.mode == "F"
        # of more than 8 bits: what is white shows in all of them together
        return ArrayItem(name, as_array(entry)) if deep else ImageItem(name, entry)
    if kind := modalities.of_object(entry):
        return BytesItem(name, modalities.get(kind).as_bytes(entry))
    if is_array(entry):
        array = numpy_of(entry)
        if array.ndim == 1 and array.dtype == np.uint8 and array.size:
            return BytesItem(name, array.tobytes())  # a file as OpenCV and torchvision.io hold it
        return ArrayItem(name, one_picture(array))
    if is_record(entry):
        held = [entry[key] for key in ("bytes", "array", "path") if entry.get(key) is not None]
        return _picture(held[0], name)
    return BadItem(name, f"{type(entry).__name__} is neither a path nor an image")


def is_picture(entry: Any) -> bool:
    """Whether it is one picture, or item of another kind, beyond doubt, which is not a path."""
    if is_content(entry) or is_record(entry) or modalities.of_object(entry):
        return True
    if is_array(entry):
        shape = np.shape(entry)
        if len(shape) == 3:
            return shape[2] in CHANNELS or shape[0] in CHANNELS
        return len(shape) == 2 or (len(shape) == 1 and "uint8" in str(entry.dtype) and shape[0] > 32)
    return isinstance(entry, Item)


LOOKED_AT = 8
"""Items that are opened to tell what they are."""


def modality_of(items: Sequence[Item]) -> str:
    """What most items are, by the endings of their files or by how the first few begin; images where that
    does not tell."""
    found: Counter[str] = Counter()
    for item in items:
        path = getattr(item, "path", None)
        if path is not None:
            found[modalities.of_ending(suffix_of(str(path)))] += 1
        elif not isinstance(item, ArrayItem | ImageItem | BadItem) and sum(found.values()) < LOOKED_AT:
            with contextlib.suppress(Exception):  # items of other packages raise what they like
                found[modalities.of_content(item.read())] += 1
    kind, count = found.most_common(1)[0] if found else ("", 0)
    return kind if 2 * count > sum(found.values()) and kind else "image"


def nothing(entry: Any) -> bool:
    """What stands for something that is missing, in lists and in columns of tables."""
    return (
        entry is None or (isinstance(entry, float) and math.isnan(entry)) or type(entry).__name__ == "NAType"
    )


def is_path(entry: Any) -> bool:
    """A string, or a path of any other kind."""
    return isinstance(entry, str | os.PathLike)


def is_address(entry: Any) -> bool:
    """Whether a string names something on the net."""
    return isinstance(entry, str) and entry.lower().startswith(ADDRESSES)


def at_path(entry: Any) -> Item:
    """The file with this path, whether it is there or not."""
    if is_address(entry):
        return BadItem(str(entry), NOT_FETCHED)
    path = Path(os.fsdecode(entry))
    with contextlib.suppress(RuntimeError):  # the home of nobody: a file may be called so
        path = path.expanduser()
    return FileItem(printable(os.fsdecode(entry)), path)


def is_content(entry: Any) -> bool:
    """The bytes of a file, or something that gives them: a file that is open, `io.BytesIO`, an upload."""
    return isinstance(entry, BYTES) or (
        callable(getattr(entry, "read", None)) and not isinstance(entry, Item)
    )


def content_of(entry: Any) -> bytes:
    """The bytes, from the beginning wherever it can be wound back. Raises `ItemError` HS101."""
    if isinstance(entry, BYTES):
        return bytes(entry)
    try:
        with contextlib.suppress(AttributeError, OSError, ValueError, TypeError):
            entry.seek(0)  # who has just written it stands at its end
        found = entry.read(limits.ITEM_BYTES + 1)
    except Exception as error:  # the code of others raises what it likes
        raise ItemError("HS101", f"{type(entry).__name__} cannot be read: {reason(error)}") from None
    if isinstance(found, str):
        raise ItemError("HS101", f'{type(entry).__name__} gives text, not bytes: open it with "rb"')
    if not isinstance(found, BYTES):
        if inspect.iscoroutine(found):
            found.close()
        problem = f"the read() of {type(entry).__name__} gives {type(found).__name__}, not bytes"
        raise ItemError("HS101", f"{problem}: await it first" if inspect.iscoroutine(found) else problem)
    if len(found) > limits.ITEM_BYTES:
        raise ItemError("HS105", f"it holds more than the {limits.ITEM_BYTES:,} bytes that are read")
    return bytes(found)


def is_record(entry: Any) -> bool:
    """A record of one item, as hubs store them: `bytes`, `path`, `array`, and nothing else; or as
    a kind of data has it."""
    if isinstance(entry, Mapping) and modalities.of_object(entry):
        return True
    if not isinstance(entry, Mapping) or not entry or not _RECORD.issuperset(entry):
        return False
    content, path, array = (entry.get(name) for name in ("bytes", "path", "array"))
    fits = (content is None or isinstance(content, BYTES), path is None or is_path(path))
    held = any(one is not None for one in (content, path, array))
    return held and all(fits) and (array is None or (is_array(array) and is_picture(array)))


def is_array(entry: Any) -> bool:
    """An array, a tensor, a series: what numpy can take, but for single values and Pillow images."""
    array = hasattr(entry, "__array__") and not isinstance(entry, np.generic)
    return array and not isinstance(entry, Image.Image)


def numpy_of(entry: Any) -> np.ndarray:
    """An array or tensor, wherever it lies and whatever follows its gradients. Raises `ItemError` HS103."""
    try:
        if hasattr(entry, "detach"):
            entry = entry.detach().cpu()
            if str(entry.dtype) in ("torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2"):
                entry = entry.float()  # numpy has no such numbers
        return np.asarray(entry)
    except Exception as error:  # sparse tensors, those without data, lists of unequal lengths, ...
        raise ItemError(
            "HS103", f"{type(entry).__name__} is no array that can be read: {reason(error)}"
        ) from None


def length(entry: Any) -> int:
    """How many things it holds; -1 for what is no container: a text, a number, something without an end."""
    if isinstance(entry, (str, *BYTES)):
        return -1
    try:
        return len(entry)
    except (TypeError, NotImplementedError):
        return -1


def shown(shape: Sequence[int]) -> str:
    """ "24 x 48 x 48", for messages."""
    return " x ".join(map(str, shape)) or "no dimension"


def one_picture(array: np.ndarray) -> np.ndarray:
    """`[H, W]` or `[H, W, C]`, from one of these, from `[C, H, W]`, or from a batch of one.

    Raises `ItemError` for any other shape.
    """
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in CHANNELS):
        return array
    if array.ndim == 3 and array.shape[0] in CHANNELS:
        return array.transpose(1, 2, 0)
    raise ItemError(
        "HS103",
        f"an array of shape {shown(array.shape)} is not one picture: "
        "give H x W, or H x W x C with 1, 3 or 4 channels (or C x H x W): reshape or transpose it; "
        "of a recording (samples, samples a second)",
    )
