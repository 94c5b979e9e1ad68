"""The few cuts that users see: where a resolution or a group of blocks ends, and the embedding; and from the
state at one of them to a feature vector an image."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.core.backbone import Stage
from headstart.core.features import MAP as ENTIRE
from headstart.errors import BadOption
from headstart.sources.cuts.flow import Cut

EMBEDDING = "embedding"
MOST_STAGES = 8
MOST_TOKEN_STAGES = 6
SAME_LEVEL = 0.7
"""A side above this share of the level's first counts as the same resolution (149 and 147 pixels)."""

GRIDS = (1, 2, 4)
MOST_FEATURES = 2048
"""Widest tap worth storing; a grid of 1 is always kept."""
LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601: how a grey value is made of red, green and blue."""

VECTOR, MAP, MAP_LAST, TOKENS = "vector", "map", "map, channels last", "tokens"


@dataclass(frozen=True)
class Layout:
    """How a state lies in memory: `[B, C]`, `[B, C, H, W]`, `[B, H, W, C]` or `[B, T, C]`."""

    kind: str
    channels: int
    height: int = 1
    width: int = 1
    prefix: int = 0
    """Tokens before those of the patches: class, distillation and register tokens."""

    @property
    def side(self) -> int:
        return min(self.height, self.width)


def layout_of(cut: Cut, network: nn.Module, size: tuple[int, int]) -> Layout:
    """What the state at a cut is, from its shape; `size` is the height and width of the input."""
    shape = cut.shape[1:]
    if len(shape) == 1:
        return Layout(VECTOR, shape[0])
    if len(shape) == 2:
        return _tokens(shape[0], shape[1], network, size)
    a, b, c = shape
    if _unlike(a, b, size) < _unlike(b, c, size):
        return Layout(MAP_LAST, c, a, b)
    return Layout(MAP, a, b, c)


def _unlike(height: int, width: int, size: tuple[int, int]) -> float:
    """How far two numbers are from the proportions of the input."""
    return abs(math.log(height / width) - math.log(size[0] / size[1]))


def _tokens(count: int, channels: int, network: nn.Module, size: tuple[int, int]) -> Layout:
    known = getattr(network, "num_prefix_tokens", None)
    if known is None:
        known = 1 if hasattr(network, "class_token") or hasattr(network, "cls_token") else 0
    for prefix in (known, *range(count)):
        height, width = grid_of(count - prefix, size[0] / size[1])
        if height * width == count - prefix:
            return Layout(TOKENS, channels, height, width, prefix)
    return Layout(TOKENS, channels, 1, count, 0)


def grid_of(patches: int, proportion: float) -> tuple[int, int]:
    """Rows and columns of that many patches of an image with height / width = `proportion`."""
    height = max(1, round(math.sqrt(patches * proportion)))
    return height, max(1, patches // height)


def choose(cuts: Sequence[Cut], layouts: Sequence[Layout], input_side: int) -> list[tuple[Stage, Layout]]:
    """4 to 8 stages where the network has that many, in order; the last cut is the embedding."""
    inner = list(zip(cuts[1:-1], layouts[1:-1], strict=True))
    tokens = [pair for pair in inner if pair[1].kind == TOKENS]
    maps = [p for p in inner if p[1].kind in (MAP, MAP_LAST) and p[1].side > 1]
    if tokens and (not maps or maps[-1][0].node < tokens[-1][0].node):
        chosen = _even(tokens)
    else:
        chosen = _by_resolution(maps, cuts, input_side)
    stages = [(Stage(c.name, c.name, ly.channels, ly.side), ly) for c, ly in chosen]
    last = layouts[-1]
    return [*stages, (Stage(EMBEDDING, cuts[-1].name, last.channels, last.side), last)]


Pair = tuple[Cut, Layout]


def _even(tokens: list[Pair]) -> list[Pair]:
    """Blocks of a transformer at even distances; the last is the last state of all its tokens."""
    layouts = [layout for cut, layout in tokens if cut.ends]
    alike = [pair for pair in tokens if pair[1] == max(reversed(layouts), key=layouts.count)]
    families = _families([cut for cut, _ in alike])
    if not families:
        return alike[-MOST_TOKEN_STAGES:]
    blocks = max(families, key=len)
    count = min(len(blocks), MOST_TOKEN_STAGES)
    places = [round((i + 1) * len(blocks) / count) - 1 for i in range(count)]
    names = {blocks[i].name for i in places[:-1]}
    return [pair for pair in alike if pair[0].name in names] + alike[-1:]


def _by_resolution(maps: list[Pair], cuts: Sequence[Cut], input_side: int) -> list[Pair]:
    """The end of every resolution, and the ends of the network's own stages."""
    levels = _levels(maps)
    sides = {cut.name: i for i, level in enumerate(levels) for cut, _ in level}
    ends = [_end(level, after, sides) for level, after in _with_next(levels, cuts[-1])]
    if len(ends) > 5 and ends[0][1].side >= input_side:
        ends = ends[1:]
    by_name = {cut.name: (cut, layout) for cut, layout in maps}
    own = _own_stages([cut for cut, _ in maps], {cut.name for cut, _ in ends})
    kept = {cut.name for cut, _ in ends} | own
    order = [cut.name for cut, _ in maps if cut.name in kept]
    spare = [name for name in order if name not in own] + order
    while len(order) > MOST_STAGES - 1:
        order.remove(spare.pop(0))
    return [by_name[name] for name in order]


def _levels(maps: list[Pair]) -> list[list[Pair]]:
    levels: list[list[Pair]] = []
    for pair in maps:
        if levels and pair[1].side > SAME_LEVEL * levels[-1][0][1].side:
            levels[-1].append(pair)
        else:
            levels.append([pair])
    return levels


def _with_next(levels: list[list[Pair]], embedding: Cut) -> list[tuple[list[Pair], str]]:
    """Each level with the path of what comes after it."""
    if not levels:  # no state is wider than a pixel: the input is tiny
        return []
    return list(zip(levels, [*(level[0][0].path for level in levels[1:]), embedding.path], strict=True))


def _end(level: list[Pair], after: str, sides: dict[str, int]) -> Pair:
    """The last cut of a level that is not inside the block which leads on."""
    fallback = min(reversed(level), key=lambda pair: _shared(pair[0].name, after).count("."))
    for pair in reversed(level):
        module = _shared(pair[0].name, after)
        within = {side for name, side in sides.items() if name.startswith(module)}
        if pair[0].ends and (not module or len(within) > 2):
            return pair
    return fallback


def _shared(a: str, b: str) -> str:
    """Path, with its dot, of the innermost module around both; "" for the network itself."""
    parts = []
    for x, y in zip(a.split("."), f"{b}.".split("."), strict=False):
        if x != y:
            break
        parts.append(x)
    return "".join(f"{part}." for part in parts)


def _own_stages(cuts: list[Cut], ends: set[str]) -> set[str]:
    """Ends of numbered modules (layer1 to layer4, stages.0 to stages.3): those that mark resolutions best."""
    families = [f for f in _families(cuts) if 3 <= len(f) < MOST_STAGES]
    if not families:
        return set()
    best = max(families, key=lambda f: (sum(cut.name in ends for cut in f), len(f)))
    return {cut.name for cut in best} if sum(cut.name in ends for cut in best) >= 2 else set()


def _families(cuts: list[Cut]) -> list[list[Cut]]:
    """Cuts that end modules whose paths differ in their last number only."""
    found: dict[str, dict[int, Cut]] = defaultdict(dict)
    for cut in cuts:
        for path in cut.ends:
            match = re.fullmatch(r"(.*?)(\d+)", path)
            if match:
                found[match[1]].setdefault(int(match[2]), cut)
    return [[family[number] for number in sorted(family)] for family in found.values()]


def grids(layout: Layout) -> tuple[int, ...]:
    """The grids worth storing at a stage; 0 is the class token."""
    if layout.kind == VECTOR:
        return (1,)
    found = tuple(
        g for g in GRIDS if g == 1 or (layout.channels * g * g <= MOST_FEATURES and g <= layout.side)
    )
    if layout.kind != TOKENS:
        return found
    return (*((0,) if layout.prefix else ()), *(g for g in found if g <= 2))


FINEST, COARSEST = 3, 40
"""A map worth reading has sides of at most the input's by the one, and at least by the other."""
NARROW = 640
"""Of the stages of one resolution the last that is no wider is read: the last layer of some networks only
widens what is there."""


def maps(found: Sequence[Stage], layouts: Mapping[str, Layout], size: tuple[int, int]) -> tuple[str, ...]:
    """Names of the stages whose maps are worth reading: one for each resolution; of a network that has one
    resolution the middle one and the last."""
    levels: dict[tuple[int, int], list[str]] = {}
    for stage in found:
        layout = layouts[stage.name]
        side = (layout.height, layout.width)
        wide = min(side) > 1 or layout.kind != VECTOR
        if wide and max(size) / COARSEST <= max(side) <= max(size) / FINEST and stage.name != EMBEDDING:
            levels.setdefault(side, []).append(stage.name)
    if len(levels) == 1 and len(only := next(iter(levels.values()))) > 1:
        return (only[(len(only) - 1) // 2], only[-1])
    return tuple(
        next((n for n in reversed(names) if layouts[n].channels <= NARROW), names[-1])
        for names in levels.values()
    )


def pool(state: Tensor, layout: Layout, cells: int | str, name: str) -> Tensor:
    """State -> float32 `[B, channels * max(1, grid)**2]`, averaged over `grid` x `grid` cells.

    The channel comes before the cell in the flattened order. For tokens grid 0 is the class token;
    other tokens in front of the patches are left out. Raises `BadOption` for a grid the state has not.
    """
    if cells == ENTIRE:
        return as_map(state, layout).flatten(1).float()
    grid = cells if isinstance(cells, int) else -1
    if grid < 0 or (grid == 0 and not layout.prefix) or (grid > 1 and layout.kind == VECTOR):
        known = ", ".join(map(str, grids(layout)))
        raise BadOption(f"the grid of tap {name}", cells, f"one of {known}")
    if layout.kind == VECTOR:
        return state.flatten(1).float()
    if layout.kind == TOKENS and grid == 0:
        return state[:, 0].float()
    table = as_map(state, layout)
    if grid == 1:
        return table.mean((2, 3)).float()
    return F.adaptive_avg_pool2d(table, grid).flatten(1).float()


def as_map(state: Tensor, layout: Layout) -> Tensor:
    """Any state as `[B, C, H, W]`."""
    if layout.kind == VECTOR:
        return state[:, :, None, None]
    if layout.kind == MAP_LAST:
        return state.permute(0, 3, 1, 2)  # [B, H, W, C] -> [B, C, H, W]
    if layout.kind == TOKENS:
        patches = state[:, layout.prefix :]
        height, width = layout.height, layout.width
        if patches.shape[1] != height * width:  # an image of another size
            height, width = grid_of(patches.shape[1], height / width)
        # [B, T, C] -> [B, C, T] -> [B, C, H, W]
        return patches.transpose(1, 2).reshape(patches.shape[0], -1, height, width)
    return state


def from_map(cells: Tensor, layout: Layout) -> Tensor:
    """`[B, C, H, W]` as a state of that layout; tokens before the patches are zero."""
    if layout.kind == MAP_LAST:
        return cells.permute(0, 2, 3, 1)
    if layout.kind == TOKENS:
        patches = cells.flatten(2).transpose(1, 2)  # [B, C, H, W] -> [B, C, T] -> [B, T, C]
        return torch.cat([patches.new_zeros(len(patches), layout.prefix, layout.channels), patches], 1)
    return cells


def normalise(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...], channels: int) -> Tensor:
    """uint8 `[B, 3, H, W]` -> float32 `[B, channels, H, W]`; 1 channel is the luma of three."""
    x = pixels.float() / 255
    if channels == 1:
        x = (x * torch.tensor(LUMA, device=x.device)[:, None, None]).sum(1, keepdim=True)
    centre = torch.tensor(mean, device=x.device)[:, None, None]
    spread = torch.tensor(std, device=x.device)[:, None, None]
    return (x - centre) / spread
