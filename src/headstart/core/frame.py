"""Frames: which part of an item a view of it shows. What has a place in the item moves with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Frame:
    """A rectangle in shares of the item's width and height, from the left upper corner; mirrored or not.

    It may reach beyond the item (below 0, above 1): a view is filled up there with what is no item.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0
    mirrored: bool = False

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Points float `[..., 2]` (x and y in shares of the item) in shares of the view; those outside of it
        are below 0 or above 1. Of a mirrored box left and right change places."""
        x = (points[..., 0] - self.left) / (self.right - self.left)
        y = (points[..., 1] - self.top) / (self.bottom - self.top)
        return np.stack([1 - x if self.mirrored else x, y], axis=-1)

    def places(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """(y float64 `[height]`, x float64 `[width]`): where in the item, in shares of it, the middles of the
        cells of a view of that size lie."""
        y = self.top + (np.arange(height) + 0.5) / height * (self.bottom - self.top)
        x = self.left + (np.arange(width) + 0.5) / width * (self.right - self.left)
        return y, x[::-1] if self.mirrored else x

    def nearest(self, table: np.ndarray, size: tuple[int, int], beyond: int) -> np.ndarray:
        """A map of numbers `[H, W]` as the view shows it, `[h, w]`: of each cell the number at its middle;
        `beyond` where there is no item."""
        y, x = self.places(*size)
        rows, columns = np.floor(y * table.shape[0]).astype(int), np.floor(x * table.shape[1]).astype(int)
        found = table[rows.clip(0, table.shape[0] - 1)[:, None], columns.clip(0, table.shape[1] - 1)]
        found[(y < 0) | (y >= 1)] = beyond
        found[:, (x < 0) | (x >= 1)] = beyond
        return np.asarray(found)
