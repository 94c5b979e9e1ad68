"""A linear model on a prepared row of a table."""

from __future__ import annotations

from torch import Tensor

from headstart.core.task import Task
from headstart.nets.base import Net, Parts, Recipe


class Row(Net):
    """A linear head, and nothing before it."""

    def __init__(self, task: Task, parts: Parts, width: int) -> None:
        super().__init__(task, parts)
        self.head = parts.linear("head", width, task.outputs)

    def raw(self, prepared: Tensor) -> Tensor:
        z: Tensor = self.head(prepared)
        return z


def width_of(recipe: Recipe) -> int:
    """Numbers of a prepared row. Raises `NetError` for an input that is none."""
    recipe.only()
    shape = recipe.input.signature().shape
    if recipe.input.columns_read is None or len(shape) != 1:
        raise recipe.error("has an input that is no row of a table")
    return int(shape[0])


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    return Row(recipe.task, recipe.parts, width_of(recipe))
