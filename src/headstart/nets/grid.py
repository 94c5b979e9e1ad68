"""The network that does not look: the same boxes for every image."""

from __future__ import annotations

from torch import Tensor

from headstart.nets.base import Block, Recipe
from headstart.nets.found import Found


class Grid(Found):
    """`head.boxes` for every image."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe.task, recipe.parts)
        self.head = Block(boxes=recipe.parts.take("head.boxes", (None, 6)))

    def found(self, prepared: Tensor) -> Tensor:
        return self.head.get_buffer("boxes")[None].expand(
            prepared.shape[0], -1, -1
        )  # len() would fix it in a graph


def build(recipe: Recipe) -> Grid:
    """See `headstart.nets`."""
    recipe.only()
    return Grid(recipe)
