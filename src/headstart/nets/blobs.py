"""A linear model of every place on colours and textures, and a box around each connected part of a class."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from headstart.nets.base import Block, Recipe
from headstart.nets.colours import WIDTH, features
from headstart.nets.found import MOST, Found


def parts_of(scores: np.ndarray) -> np.ndarray:
    """float64 `[n, 6]`: a box around each connected part, from scores float32 `[K + 1, h, w]` of which the
    last is for no object; its score grows with how clearly its places are of its class."""
    from scipy import ndimage

    said = scores.argmax(axis=0)
    height, width = said.shape
    other = np.sort(scores, axis=0)
    margin = other[-1] - other[-2]
    rows = []
    for number in range(len(scores) - 1):
        marked, count = ndimage.label(said == number)
        for place, (down, across) in enumerate(ndimage.find_objects(marked), start=1):
            clear = float(margin[down, across][marked[down, across] == place].mean())
            box = (across.start / width, down.start / height, across.stop / width, down.stop / height)
            rows.append((*box, number, clear / (clear + 0.3)))
        del count
    return np.array(rows, np.float64).reshape(-1, 6)


def of_size(rows: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """The rows `[n, 6]` whose sides are between those of their class `[K, 2]`, the best `MOST` of them."""
    sides, number = rows[:, 2:4] - rows[:, :2], rows[:, 4].astype(np.int64)
    kept = rows[((sides >= least[number]) & (sides <= most[number])).all(axis=1)]
    return np.asarray(kept[np.argsort(-kept[:, 5], kind="stable")][:MOST])


class Blobs(Found):
    """See `parts_of`."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe.task, recipe.parts)
        outputs = recipe.task.outputs
        self.head = recipe.parts.linear("head", WIDTH, outputs + 1)
        self.sides = Block(
            least=recipe.parts.take("sides.least", (outputs, 2)),
            most=recipe.parts.take("sides.most", (outputs, 2)),
        )

    def found(self, prepared: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            raise NotImplementedError("boxes around connected parts are nothing that a graph can give")
        scores = torch.einsum("kd,bdhw->bkhw", self.head.weight, features(prepared))
        scores = scores + self.head.bias[None, :, None, None]
        least, most = (self.sides.get_buffer(name).cpu().numpy() for name in ("least", "most"))
        out = np.zeros((len(prepared), MOST, 6), np.float32)
        for row, one in enumerate(scores.cpu().numpy()):
            boxes = of_size(parts_of(one), least, most)
            out[row, : len(boxes)] = boxes
        return torch.from_numpy(out).to(prepared.device)


def build(recipe: Recipe) -> Blobs:
    """See `headstart.nets`."""
    recipe.only()
    return Blobs(recipe)
