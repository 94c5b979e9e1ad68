"""Boxes: what lies where on an image, as a label and as an answer, and predictions made of such answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from headstart.core.cells import Cells
from headstart.core.targets import frozen
from headstart.core.untrusted import Damaged


@dataclass(frozen=True, eq=False)
class Boxes:
    """n boxes on one image; labels have the score 1."""

    size: tuple[int, int]
    """(height, width) of the image in pixels, upright (its EXIF orientation applied)."""
    corners: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32), repr=False)
    """float32 `[n, 4]`: left, top, right, bottom in pixels; the first pixel alone is 0, 0, 1, 1."""
    classes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    """int64 `[n]`: number of each box's class."""
    scores: np.ndarray | None = field(default=None, repr=False)
    """float32 `[n]`, 0 to 1; None for labels."""
    crowd: np.ndarray | None = field(default=None, repr=False)
    """bool `[n]`: boxes around many objects, in which an answer is neither right nor wrong (`iscrowd` of
    COCO); None where there are none."""

    def __post_init__(self) -> None:
        given = {"corners": np.float32, "classes": np.int64, "scores": np.float32, "crowd": bool}
        for name, dtype in given.items():
            array = getattr(self, name)
            if array is not None:
                object.__setattr__(self, name, frozen(np.asarray(array, dtype)))
        if self.corners.shape != (len(self.classes), 4):
            raise ValueError(f"{len(self.classes)} classes for boxes {list(self.corners.shape)}")

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, rows: np.ndarray) -> Boxes:
        """Some of them (int64 or bool `[n]`)."""
        scores, crowd = (None if one is None else one[rows] for one in (self.scores, self.crowd))
        return Boxes(self.size, self.corners[rows], self.classes[rows], scores, crowd)

    def to_bytes(self) -> bytes:
        """What differs where two do."""
        parts = [np.asarray(self.size, np.int64), self.corners, self.classes, self.scores, self.crowd]
        return b"|".join(b"-" if part is None else np.ascontiguousarray(part).tobytes() for part in parts)


class Boxed(Cells[Boxes]):
    """Predictions (`core.predictions`) of R repeats for N items: `Boxes` with scores in each covered cell."""

    columns = 3

    @staticmethod
    def renumbered(one: Boxes, outputs: Sequence[int]) -> Boxes:
        kept = one.take(np.isin(one.classes, list(outputs)))
        table = {number: place for place, number in enumerate(outputs)}
        classes = np.array([table[number] for number in kept.classes.tolist()], np.int64)
        return Boxes(kept.size, kept.corners, classes, kept.scores, kept.crowd)

    @staticmethod
    def packed(answers: Sequence[Boxes]) -> tuple[list[list[int]], dict[str, np.ndarray]]:
        numbers = [np.column_stack([one.corners, one.classes, _scores(one)]) for one in answers]
        flat = np.concatenate([np.zeros((0, 6)), *numbers]).astype(np.float32)
        return [[*one.size, len(one)] for one in answers], {"boxes": flat}

    @staticmethod
    def unpacked(table: list[list[int]], arrays: Mapping[str, np.ndarray]) -> list[Boxes]:
        flat, found, start = arrays["boxes"], [], 0
        if not np.isfinite(flat).all() or sum(row[2] for row in table) != len(flat):
            raise Damaged("it holds boxes that are none")
        for height, width, count in table:
            part = flat[start : start + count]
            found.append(Boxes((height, width), part[:, :4], part[:, 4], part[:, 5]))
            start += count
        return found


def _scores(one: Boxes) -> np.ndarray:
    return np.ones(len(one), np.float32) if one.scores is None else one.scores
