"""Networks as they are shipped: a recipe in JSON and tensors, assembled into one torch module.

`assemble(net, tensors, input, task)` gives a module in eval mode that maps prepared batches (images
uint8 `[B, 3, H, W]`, texts int32 `[B, channels, T]`, sounds float32 `[B, bands + 1, T]`, as
`headstart.modalities` makes them for `input`) to predictions float32 `[B, K]` (activated by the task); its
method `logits` stops before the activation.

Kinds of `net` (the key "kind"), with their tensors:

* "constant": `head.bias [K]`; {"part": one of `measure.texts.chosen.parts.PARTS`} where the answer is that
  part of the item.
* "pixels": {"side": int, "map": "linear" | "rbf", "gamma": float}: the image area-averaged to
  side x side, scaled to [0, 1], flattened; `pixels.mean`, `pixels.sd`; for "rbf" the features are
  exp(-gamma * |x - landmark|^2) with `landmarks [m, D]`; then `head.weight`, `head.bias`.
* "taps": {"architecture": Source.architecture, "taps": ["stage/g1", ...]}: a backbone
  (`trunk.*`: state of `Backbone.module`), the listed taps pooled and concatenated in order, then
  `head.weight [K, D]`, `head.bias [K]`. Probe and fine-tuned models alike.
* "classifier": {"architecture", "columns": [[source class, ...] for each target label]}: the
  source's own classifier (`trunk.*`, `classifier.*`), probabilities of the listed source classes
  summed for each target label and renormalised.
* "words": {"pairs": bool}: prepared texts int32 `[B, 3, T]` -> TF-IDF of the entries their encoder knows,
  `words.idf [V]`, then `head.weight`, `head.bias`; of pairs the second text's entries (type 1) are features
  of their own, and three more say how much the two have in common.
* "bands": prepared recordings float32 `[B, bands + 1, T]` -> mean and standard deviation over time of each
  band and of its changes, `bands.mean`, `bands.sd`, then `head.weight`, `head.bias`.
* "row": a prepared row of a table float32 `[B, D]` under `head.weight`, `head.bias`.
* "trees": gradient-boosted trees on such a row (`nets.trees`): `trees.feature`, `.threshold`, `.left`,
  `.right` and `.value [M]` of all nodes, `.root` and `.output [T]` of each tree, `.base [K]`.
* "maps": {"architecture", "taps": ["stage/map", ...]}: a backbone (`trunk.*`), the maps of the listed stages
  under `head.weight [K, D]`, `head.bias [K]` at every place, scaled to the largest of them and added: scores
  float32 `[B, K, h, w]`.
* "decoder": {"architecture", "taps": ["stage/map", ...]}: a backbone (`trunk.*`), the maps of the listed
  stages under a light decoder (`nets.decoder`, `head.*`): scores `[B, K, h, w]` at the size of the largest.
* "colours": colours, textures and place of every 4 x 4 pixels and their products (`nets.colours`), then
  `head.weight`, `head.bias`: scores `[B, K, h, w]`.
* "grid": `head.boxes [M, 6]` for every image: left, top, right, bottom in 0 to 1, class, score.
* "blobs": the scores of "colours", the last of them for what is no object, and each connected part of a class
  whose sides are within `sides.least [K, 2]` and `sides.most [K, 2]` (width and height in 0 to 1) as a box.
* "boxes": {"architecture", "taps"}: a backbone (`trunk.*`), and at every place of the first map a small
  convolutional head (`head.*`, see `nets.boxes`) that says how likely an object's middle is there, and how
  far its sides are. These three give rows float32 `[B, M, 6]` as "grid" has them, with 0 for no box; the
  score of a class is moved by `settled.thresholds [K]` (log-odds), so that one half is where it is said.
* "detector": {"architecture", "columns": [[source class, ...] for each target label]}: a whole detector
  (`detector.*`) with its library's post-processing, rows as "grid" has them; `settled.thresholds`.
* "extract": {"architecture", "stage", "part": "sentences" or "span"}: a backbone (`trunk.*`) whose states of
  single tokens at that stage choose what part of an item is said, by `head.*` (`measure.texts.chosen`):
  states float32 `[B, T, D + 1]`, of two texts apart `[B, 2, T, D + 1]`.
* "generator": {"architecture", "writing": `core.generator.Writing`, "cut": the first cut}: a whole network
  that writes (`trunk.*`, tensors that are shared under one of their names), and the tokenizer of its answers
  (`words.tokenizer`, uint8, its JSON): tokens float32 `[B, longest]`, -1 after the end.
* "ctc": {"architecture", "stage", "alphabet": [character, ...]}: a backbone (`trunk.*`), and at every step of
  the stage a small head (`head.*`): log-probabilities float32 `[B, T, K]` of no character, and of each.
* "average": {"members": [net, ...], "weights": [float, ...], "sizes": [null or [H, W], ...]}: predictions
  averaged; tensors of member i are prefixed `i.`. All members share the input contract, except that a
  member with a size gets the prepared image scaled to it.

Every kind may carry `temperature [1]`: logits are divided by it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.core.source import Preprocessing
from headstart.core.task import Task
from headstart.errors import NetError, UnknownName

if TYPE_CHECKING:
    from headstart.nets.base import Net

KINDS = (
    "constant",
    "pixels",
    "taps",
    "classifier",
    "words",
    "bands",
    "row",
    "trees",
    "average",
    "maps",
    "decoder",
    "colours",
    "grid",
    "blobs",
    "boxes",
    "detector",
    "extract",
    "generator",
    "ctc",
)
"""Each is a module here with `build(recipe: Recipe) -> Net`, which takes its tensors from `recipe.parts`. To
add a kind: its file, its name here, its paragraph above."""


def kind_of(net: Mapping[str, Any]) -> str:
    """The kind a recipe names. Raises `UnknownName` or `NetError`; members are checked too."""
    kind = net.get("kind")
    if not isinstance(kind, str):
        raise NetError("?", 'the recipe has no "kind"')
    if kind not in KINDS:
        raise UnknownName("kind of network", kind, sorted(KINDS))
    for member in net.get("members", ()) if kind == "average" else ():
        if not isinstance(member, Mapping):
            raise NetError(kind, "has a member that is no recipe")
        kind_of(member)
    return kind


def assemble(
    net: Mapping[str, Any], tensors: Mapping[str, np.ndarray], input: Preprocessing, task: Task
) -> Net:
    """The network a recipe describes, in eval mode and without gradients, on the CPU.

    Its `state_dict` has the names of `tensors` (plus what a trunk shares under other names).

    Raises `NetError` when recipe and tensors do not fit together, `UnknownName` for an unknown
    kind or architecture.
    """
    from headstart.nets.base import Parts, Recipe

    kind = kind_of(net)
    parts = Parts(kind, tensors)
    module: Net = importlib.import_module(f"headstart.nets.{kind}").build(
        Recipe(net, parts, input, task, assemble)
    )
    parts.finish()
    return module.eval().requires_grad_(False)
