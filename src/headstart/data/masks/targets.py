"""Masks as targets: read from their files one at a time; of each only what was counted is kept."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from headstart.core import fingerprint
from headstart.core.dataset import Item
from headstart.core.maps import VOID
from headstart.core.untrusted import Damaged, limits, parsing
from headstart.data.masks.legend import OTHERS, Legend
from headstart.errors import ItemError
from headstart.modalities.image.decoding._quiet import quiet

FORMATS = ("PNG", "BMP", "TIFF", "GIF")
"""Without loss: a JPEG has other values than were written into it."""


def values_of(data: bytes) -> np.ndarray:
    """The ids `[H, W]`, or colours uint8 `[H, W, 3]`, of a mask; of one with a palette its numbers.

    Raises `Damaged` for what is no picture without loss, and for one of too many pixels.
    """
    if data.startswith(b"\xff\xd8"):
        raise Damaged("it is a JPEG, whose values are not those that were written: save masks as PNG")
    with parsing(), quiet():
        image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > limits.PIXELS:
            raise Damaged(
                f"it has {image.width} x {image.height} pixels, over {limits.PIXELS // 10**6} million"
            )
        if image.mode in ("RGBA", "LA", "PA"):
            image = image.convert("RGB" if image.mode == "RGBA" else image.mode[0])
        if image.mode == "1":
            image = image.convert("L")
        if image.mode not in ("P", "L", "RGB") and not image.mode.startswith("I"):
            raise Damaged(f"its pixels are {image.mode}, neither ids nor colours")
        return np.asarray(image)


@dataclass
class Seen:
    """What reading a mask showed."""

    digest: str = ""
    shape: tuple[int, int] = (0, 0)
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64 `[K]`: pixels of each class."""
    others: tuple[int, ...] = ()
    """Values that no class has, as they are written (colours as one number), the first few."""
    strange: int = 0
    """Pixels of them."""
    problem: str = ""


@dataclass(frozen=True)
class _Kept:
    """A mask in memory."""

    id: str
    data: bytes = field(repr=False)

    def read(self) -> bytes:
        return self.data


class Masks:
    """Targets (`core.targets`) of N rows: the item of each row's mask, or None.

    A row gives uint8 `[H, W]` of class numbers, `VOID` where there is none; several rows give `Masks`.
    """

    def __init__(self, items: Sequence[Item | None], legend: Legend) -> None:
        self.items, self.legend = tuple(items), legend
        self._seen: dict[str, Seen] = {}

    @property
    def outputs(self) -> int:
        """Classes."""
        return len(self.legend.labels)

    @property
    def known(self) -> np.ndarray:
        return np.array([item is not None for item in self.items], bool)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, rows: Any) -> Any:
        picked = np.arange(len(self.items))[rows]
        if picked.ndim == 0:
            item = self.items[int(picked)]
            if item is None:
                raise LookupError("the row asked for has no mask, or none that may be seen here")
            try:
                found = self.legend.numbers(values_of(item.read()))
            except (Damaged, ValueError) as error:
                raise ItemError("HS323", f"its mask {item.id}: {error}") from None
            found[found == OTHERS] = VOID
            return found
        some = self._of([self.items[row] for row in picked.tolist()])
        if not some.known.all():
            lost = int(np.sum(~some.known))
            raise LookupError(f"{lost:,} of the rows asked for have no mask, or none that may be seen here")
        return some

    def _of(self, items: Sequence[Item | None]) -> Masks:
        other = Masks(items, self.legend)
        other._seen = self._seen  # what was read once is known to all parts
        return other

    def hidden(self, kept: np.ndarray) -> Masks:
        there = set(kept.tolist())
        return self._of([item if row in there else None for row, item in enumerate(self.items)])

    def subset(self, rows: np.ndarray) -> Masks:
        return self._of([self.items[int(row)] for row in rows])

    def content(self) -> np.ndarray:
        """uint8: the digests of the files."""
        text = " ".join(seen.digest if seen is not None else "-" for seen in self.seen())
        return np.frombuffer(text.encode(), np.uint8)

    def to_list(self) -> list[Any]:
        """The name of each mask's file."""
        return [None if item is None else item.id for item in self.items]

    def kept(self) -> list[bytes | None]:
        """See `data.kept`: PNG of class numbers."""
        found: list[bytes | None] = []
        for row, item in enumerate(self.items):
            buffer = io.BytesIO()
            if item is not None:
                Image.fromarray(self[row]).save(buffer, "PNG")
            found.append(None if item is None else buffer.getvalue())
        return found

    def digests(self) -> list[str]:
        """Of each row that has a mask, in order."""
        return [seen.digest for seen in self.seen() if seen is not None]

    def counts(self) -> np.ndarray:
        """int64 `[n, K]`: pixels of each class, of the rows that have a mask."""
        found = [seen.counts for seen in self.seen() if seen is not None]
        return np.stack(found) if found else np.zeros((0, self.outputs), np.int64)

    def extent(self) -> tuple[int, int]:
        """Median height and width of the masks that are known and can be read."""
        sizes = [seen.shape for seen in self.seen() if seen is not None and seen.shape[0]]
        height, width = np.median(sizes, axis=0).round().astype(int).tolist() if sizes else (1, 1)
        return height, width

    def seen(self) -> list[Seen | None]:
        """What reading each mask showed; one that cannot be read has a `problem`. Each is read once."""
        new = {item.id: item for item in self.items if item is not None and item.id not in self._seen}
        if new:
            with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
                self._seen.update(
                    zip(new, pool.map(partial(look, legend=self.legend), new.values()), strict=True)
                )
        return [None if item is None else self._seen[item.id] for item in self.items]


def look(item: Item, legend: Legend) -> Seen:
    """Read a mask and count."""
    nothing = np.zeros(len(legend.labels), np.int64)
    try:
        data = item.read()
    except (OSError, ItemError) as error:
        return Seen(item.id, counts=nothing, problem=f"cannot be read: {error}")
    digest = fingerprint.of_bytes(data)
    try:
        values = values_of(data)
        numbers = legend.numbers(values)
    except (Damaged, ValueError) as error:
        return Seen(digest, counts=nothing, problem=str(error))
    counts = np.bincount(numbers.ravel(), minlength=256)
    strange = numbers == OTHERS
    others: tuple[int, ...] = ()
    if counts[OTHERS]:
        odd = values[strange]
        codes = odd.astype(np.int32) @ np.array([65536, 256, 1]) if odd.ndim == 2 else odd
        others = tuple(int(code) for code in np.unique(codes)[:4])
    shape = (values.shape[0], values.shape[1])
    return Seen(digest, shape, counts[: len(legend.labels)], others, int(counts[OTHERS]))


def of_kept(rows: Sequence[bytes | None], labels: Sequence[str]) -> Masks:
    """Back from `kept`."""
    legend = Legend(tuple(labels), ids=tuple(range(len(labels))), void=frozenset({VOID}))
    items = [None if row is None else _Kept(f"mask {number}", row) for number, row in enumerate(rows)]
    return Masks(items, legend)
