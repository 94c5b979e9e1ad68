"""Boxes of each image as the targets of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.core import fingerprint
from headstart.core.boxes import Boxes
from headstart.core.cells import column
from headstart.core.untrusted import Damaged


class Annotations:
    """Targets (`core.targets`) of N rows: the boxes of each row's image, or None where nobody looked.

    An image with no object on it has `Boxes` of length 0. A row gives `Boxes`; several rows give
    `Annotations`.
    """

    def __init__(self, boxes: Sequence[Boxes | None], outputs: int) -> None:
        self.boxes, self.outputs = tuple(boxes), outputs

    @property
    def known(self) -> np.ndarray:
        return np.array([one is not None for one in self.boxes], bool)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: Any) -> Any:
        picked = np.arange(len(self.boxes))[rows]
        some = [self.boxes[row] for row in np.atleast_1d(picked).tolist()]
        lost = sum(one is None for one in some)
        if lost:
            raise LookupError(f"{lost:,} of the rows asked for have no boxes, or none that may be seen here")
        return some[0] if picked.ndim == 0 else Annotations(some, self.outputs)

    def hidden(self, kept: np.ndarray) -> Annotations:
        there = set(kept.tolist())
        return Annotations([b if row in there else None for row, b in enumerate(self.boxes)], self.outputs)

    def subset(self, rows: np.ndarray) -> Annotations:
        return Annotations([self.boxes[int(row)] for row in rows], self.outputs)

    def content(self) -> np.ndarray:
        """uint8: the digests of the rows."""
        text = " ".join("-" if one is None else fingerprint.of_bytes(one.to_bytes()) for one in self.boxes)
        return np.frombuffer(text.encode(), np.uint8)

    def to_list(self) -> list[Any]:
        """Row by row `[[left, top, right, bottom, class], ...]`."""
        return [
            None if one is None else np.column_stack([one.corners, one.classes]).tolist()
            for one in self.boxes
        ]

    def kept(self) -> list[bytes | None]:
        """See `data.kept`: height, width, then left, top, right, bottom, class and crowd of each box."""
        found: list[bytes | None] = []
        for one in self.boxes:
            if one is None:
                found.append(None)
                continue
            crowd = np.zeros(len(one), bool) if one.crowd is None else one.crowd
            table = np.column_stack([one.corners, one.classes, crowd])
            found.append(np.append(np.array(one.size, np.float64), table).astype("<f4").tobytes())
        return found

    def column(self) -> np.ndarray:
        """Object array `[n]` of the `Boxes` of the rows that have any known."""
        return column(one for one in self.boxes if one is not None)

    def digests(self) -> list[str]:
        """Of each row whose boxes are known, in order."""
        return [fingerprint.of_bytes(one.to_bytes()) for one in self.boxes if one is not None]

    def counts(self) -> np.ndarray:
        """int64 `[n, K]`: boxes of each class, of the rows whose boxes are known."""
        known = [one for one in self.boxes if one is not None]
        found = [np.bincount(one.classes, minlength=self.outputs)[: self.outputs] for one in known]
        return np.stack(found) if found else np.zeros((0, self.outputs), np.int64)

    def extent(self) -> tuple[int, int]:
        """Median height and width of the images."""
        sizes = [one.size for one in self.boxes if one is not None]
        height, width = np.median(sizes, axis=0).round().astype(int).tolist() if sizes else (1, 1)
        return height, width


def of_kept(rows: Sequence[bytes | None], labels: Sequence[str]) -> Annotations:
    """Back from `kept`. Raises `Damaged`."""
    found: list[Boxes | None] = []
    for row in rows:
        if row is None:
            found.append(None)
            continue
        if len(row) % 24 != 8:
            raise Damaged("it holds boxes that are none")
        numbers = np.frombuffer(row, "<f4")
        table = numbers[2:].reshape(-1, 6)
        sound = np.isfinite(numbers).all() and (numbers[:2] >= 1).all()
        if not sound or not ((table[:, 4] >= 0) & (table[:, 4] < len(labels))).all():
            raise Damaged("it holds boxes that are none")
        crowd = table[:, 5] > 0 if table[:, 5].any() else None
        size = (int(numbers[0]), int(numbers[1]))
        found.append(Boxes(size, table[:, :4], table[:, 4].astype(np.int64), crowd=crowd))
    return Annotations(found, len(labels))
