"""Families of images made by formulas. To add one: its file, its line in `FAMILIES`."""

from __future__ import annotations

from collections.abc import Callable

from pretraining.generators.base import Family
from pretraining.generators.contours import Contours
from pretraining.generators.ifs import Ifs
from pretraining.generators.leaves import Leaves
from pretraining.generators.spectrum import Spectrum
from pretraining.generators.strokes import Strokes

FAMILIES: dict[str, Callable[..., Family]] = {
    "ifs": Ifs,
    "contours": Contours,
    "strokes": Strokes,
    "leaves": Leaves,
    "spectrum": Spectrum,
}
"""Name -> maker, called as `maker(classes, seed, side=..., device=...)`."""

__all__ = ["FAMILIES", "Family"]
