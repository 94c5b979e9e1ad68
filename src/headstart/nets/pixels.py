"""A simple model on raw pixels: linear, or linear on Gaussian similarities to landmarks."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from headstart.core.task import Task
from headstart.nets.base import Block, Net, Parts, Recipe

MAPS = ("linear", "rbf")


class Pixels(Net):
    """Area-averaged pixels, standardised, then a linear head (on RBF features for "rbf")."""

    def __init__(self, task: Task, parts: Parts, side: int, gamma: float | None) -> None:
        super().__init__(task, parts)
        self.side, self.gamma = side, gamma
        width = 3 * side * side
        self.pixels = Block(mean=parts.take("pixels.mean", (width,)), sd=parts.take("pixels.sd", (width,)))
        if gamma is not None:
            self.register_buffer("landmarks", parts.take("landmarks", (None, width)))
            width = len(self.landmarks)  # type: ignore[arg-type]
        self.head = parts.linear("head", width, task.outputs)

    def raw(self, prepared: Tensor) -> Tensor:
        x = functional.adaptive_avg_pool2d(prepared.float() / 255.0, self.side)  # [B, 3, s, s]
        x = (x.flatten(1) - self.pixels.get_buffer("mean")) / self.pixels.get_buffer("sd")  # [B, 3 s s]
        if self.gamma is not None:
            marks: Tensor = self.landmarks  # type: ignore[assignment]
            square = (x**2).sum(1, keepdim=True) + (marks**2).sum(1) - 2.0 * x @ marks.T  # [B, m]
            x = (-self.gamma * square.clamp(min=0.0)).exp()
        z: Tensor = self.head(x)
        return z


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    recipe.only("side", "map", "gamma")
    side = recipe.field("side", int)
    if recipe.input.size is None:
        raise recipe.error("has an input that is no image")
    height, width = recipe.input.size
    if not 1 <= side <= min(height, width):
        raise recipe.error(f"has the side {side}, but its images are {height} x {width}")
    if recipe.net.get("map") not in MAPS:
        raise recipe.error(f"has the map {recipe.net.get('map')!r} instead of {' or '.join(MAPS)}")
    gamma = float(recipe.field("gamma", (int, float))) if recipe.net["map"] == "rbf" else None
    return Pixels(recipe.task, recipe.parts, side, gamma)
