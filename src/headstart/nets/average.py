"""Several networks whose predictions are averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from headstart import tasks
from headstart.core.source import Preprocessing
from headstart.core.task import Task
from headstart.nets.base import Net, Parts, Recipe


class Average(Net):
    """`sum_i w_i f_i(x)`, in the space of predictions, with the weights made to sum to one."""

    def __init__(
        self,
        task: Task,
        parts: Parts,
        members: Sequence[Net],
        weights: Sequence[float],
        sizes: Sequence[tuple[int, int] | None],
    ) -> None:
        super().__init__(task, parts)
        self.weights = [weight / sum(weights) for weight in weights]
        self.sizes = list(sizes)
        for number, member in enumerate(members):
            self.add_module(str(number), member)

    def raw(self, prepared: Tensor) -> Tensor:
        """Logits whose activation is the averaged prediction."""
        mean = sum(
            weight * self.get_submodule(str(number))(scaled(prepared, size))
            for number, (weight, size) in enumerate(zip(self.weights, self.sizes, strict=True))
        )
        assert isinstance(mean, Tensor)
        logits: Tensor = tasks.for_task(self.task).logits_tensor(mean)
        return logits


def scaled(pixels: Tensor, size: tuple[int, int] | None) -> Tensor:
    """uint8 images at another size (float, antialiased, as they are prepared), or as they are.

    Not rounded to whole grey levels: where two libraries differ in the last digit, rounding makes it one.
    """
    if size is None:
        return pixels
    return functional.interpolate(pixels.float(), size, mode="bilinear", antialias=True).clamp(0, 255)


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    recipe.only("members", "weights", "sizes")
    recipes = recipe.field("members", (list, tuple))
    weights = [float(weight) for weight in recipe.field("weights", (list, tuple))]
    if not recipes or len(recipes) != len(weights) or min(weights) < 0 or not 0 < sum(weights) < math.inf:
        raise recipe.error(f"has {len(recipes)} members with the weights {weights}")
    sizes = recipe.net.get("sizes") or [None] * len(recipes)
    if len(sizes) != len(recipes):
        raise recipe.error(f"has {len(recipes)} members and {len(sizes)} sizes")
    sizes = [None if size is None else (int(size[0]), int(size[1])) for size in sizes]
    inputs: list[Preprocessing] = []
    for size in sizes:
        if size is not None and recipe.input.size is None:
            raise recipe.error("has members with a size, but reads no images")
        inputs.append(recipe.input if size is None else recipe.input.scaled(size))
    members = [
        recipe.assemble(net, recipe.parts.under(str(i)), inputs[i], recipe.task)
        for i, net in enumerate(recipes)
    ]
    return Average(recipe.task, recipe.parts, members, weights, sizes)
