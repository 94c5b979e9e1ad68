"""Which parameters are trained, and how fast: early layers slower, norms and biases without decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from headstart.core.backbone import Backbone
from headstart.errors import BadOption
from headstart.train.recipe import Recipe, head_rate, rate

OPTIMIZERS = ("sgd", "adamw")


def stage_depths(backbone: Backbone) -> dict[int, int]:
    """id(parameter) -> number of the first stage whose trunk holds it."""
    depths: dict[int, int] = {}
    for number, stage in enumerate(backbone.stages):
        for parameter in backbone.trunk(stage.cut).parameters():
            depths.setdefault(id(parameter), number)
    return depths


def parameter_groups(
    body: nn.Module,
    head: nn.Module,
    recipe: Recipe,
    depths: Mapping[int, int] | None = None,
    scales: Mapping[int, float] | None = None,
) -> list[dict[str, Any]]:
    """Optimiser groups, each with "scale" (share of the recipe's rate) and "head" (bool).

    A body parameter of stage d learns at `layer_decay ** (last stage - d)` of the recipe's rate
    (Howard & Ruder, ACL 2018; Clark et al., ICLR 2020). Vectors (biases, norm scales) get no
    weight decay. Parameters that `depths` does not know count as the last stage. `scales` are
    shares of the rate by stage, in place of that decay.
    """
    last = max(depths.values(), default=0) if depths else 0
    groups: dict[tuple[bool, float, bool], list[nn.Parameter]] = {}
    for module, is_head in ((body, False), (head, True)):
        for parameter in module.parameters():
            stage = (depths or {}).get(id(parameter), last)
            decayed = recipe.layer_decay ** (last - stage)
            scale = 1.0 if is_head else (scales or {}).get(stage, decayed)
            groups.setdefault((is_head, scale, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": members,
            "scale": scale,
            "head": is_head,
            "weight_decay": recipe.weight_decay if decays else 0.0,
        }
        for (is_head, scale, decays), members in sorted(groups.items(), key=lambda entry: entry[0])
    ]


def make_optimizer(groups: list[dict[str, Any]], recipe: Recipe) -> Optimizer:
    """SGD with Nesterov momentum 0.9, or AdamW. Raises `BadOption` for other names."""
    if recipe.optimizer == "sgd":
        return SGD(groups, lr=recipe.lr, momentum=0.9, nesterov=True)
    if recipe.optimizer == "adamw":
        return AdamW(groups, lr=recipe.lr)
    raise BadOption("--optimizer", recipe.optimizer, " or ".join(OPTIMIZERS))


def set_rates(optimizer: Any, recipe: Recipe, step: int) -> None:
    """Write the learning rates of `step` into the optimiser's groups."""
    for group in optimizer.param_groups:
        if not group["head"]:
            group["lr"] = recipe.lr * group["scale"] * rate(step, recipe.steps)
        elif recipe.head_lr is not None:
            group["lr"] = recipe.head_lr * rate(step, recipe.steps)
        else:
            group["lr"] = recipe.lr * head_rate(step, recipe.steps, recipe.head_boost)
