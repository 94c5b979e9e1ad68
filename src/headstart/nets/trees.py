"""Gradient-boosted trees on a prepared row of a table."""

from __future__ import annotations

import torch
from torch import Tensor

from headstart.core.task import Task
from headstart.nets.base import Block, Net, Parts, Recipe
from headstart.nets.row import width_of

NODES = ("feature", "threshold", "left", "right", "value")
DEEPEST = 512
"""Nodes from a root to a leaf, at most."""


class Trees(Net):
    """The leaves that a row falls into, added up for each output."""

    def __init__(self, task: Task, parts: Parts) -> None:
        super().__init__(task, parts)
        tensors = {name: parts.take(f"trees.{name}", (None,)) for name in (*NODES, "root", "output")}
        self.depth = 0
        self.trees = Block(**tensors, base=parts.take("trees.base", (task.outputs,)))

    def raw(self, prepared: Tensor) -> Tensor:
        tree = self.trees.get_buffer
        feature, left, right, root, output = (
            tree(name).long() for name in ("feature", "left", "right", "root", "output")
        )
        z = tree("base").double().expand(prepared.shape[0], -1).clone()
        if not len(root):
            return z.float()
        node = root.expand(prepared.shape[0], -1)  # [B, T]
        for _ in range(self.depth):
            column = feature[node]
            inner = column >= 0
            low = prepared.gather(1, column.clamp(min=0)) <= tree("threshold")[node]
            node = torch.where(inner, torch.where(low, left[node], right[node]), node)
        added = z.index_add(1, output, tree("value").double()[node])
        return added.float()


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    width = width_of(recipe)
    net = Trees(recipe.task, recipe.parts)
    tree = net.trees.get_buffer
    nodes, trees = len(tree("feature")), len(tree("root"))
    same = all(len(tree(name)) == nodes for name in NODES) and len(tree("output")) == trees
    numbers = {"feature": (-1, width), "left": (0, nodes), "right": (0, nodes), "root": (0, nodes),
               "output": (0, recipe.task.outputs)}  # fmt: skip
    for name, (least, end) in numbers.items():
        given = tree(name)
        if not same or not ((given >= least) & (given < max(end, 1)) & (given == given.floor())).all():
            raise recipe.error(f"has trees that do not hang together ({name!r})")
    net.depth = _depth(net)
    if net.depth > DEEPEST:
        raise recipe.error("has trees that do not hang together (they never end)")
    return net


def _depth(net: Trees) -> int:
    """Nodes from a root to the farthest leaf; more than `DEEPEST` where there is no end."""
    feature, left, right, at = (
        net.trees.get_buffer(name).long() for name in ("feature", "left", "right", "root")
    )
    for depth in range(DEEPEST + 1):
        at = at[feature[at] >= 0]
        if not len(at):
            return depth
        at = torch.cat([left[at], right[at]]).unique()
    return DEEPEST + 1
