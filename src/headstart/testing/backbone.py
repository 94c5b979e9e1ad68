"""Conformance suite for Backbones: what `headstart.core.backbone` promises, checked on any of them.

    from headstart.testing.backbone import check_backbone
    check_backbone(my_backbone)

Every check raises `AssertionError` saying what was promised and what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from headstart.core.backbone import Backbone, Tap

TOLERANCE = 1e-4
"""Allowed difference, relative to the largest value of the embedding."""


def check_backbone(backbone: Any, batch: int = 2, *, least_cuts: int = 3, rebuild: bool = True) -> None:
    """Run every check on batches of random images of the source's own input size.

    With `rebuild` the backbone is also made again from its architecture and its state alone.
    """
    pixels = random_pixels(backbone, batch)
    x = backbone.normalise(pixels)
    check_structure(backbone, least_cuts)
    check_normalise(backbone, pixels)
    check_cuts(backbone, x)
    check_pooling(backbone, x)
    check_frozen(backbone, x)
    check_training(backbone, x)
    check_copies(backbone, x)
    check_fresh(backbone, x)
    if rebuild:
        check_rebuilt(backbone, x)


def random_pixels(backbone: Backbone, batch: int, seed: int = 0) -> Tensor:
    """uint8 `[batch, 3, H, W]` of the source's input size."""
    generator = torch.Generator().manual_seed(seed)
    height, width = backbone.source.input.size
    return torch.randint(0, 256, (batch, 3, height, width), generator=generator, dtype=torch.uint8)


def check_structure(backbone: Any, least_cuts: int = 3) -> None:
    """Names: cuts unique and in order from the input to the embedding, stages among them."""
    assert isinstance(backbone, Backbone), "it lacks a part of the contract"
    cuts, stages = backbone.cuts, backbone.stages
    assert cuts[0] == "input", f"the first cut is {cuts[0]!r}, not 'input'"
    assert len(set(cuts)) == len(cuts), "two cuts have one name"
    assert least_cuts <= len(cuts) <= 70, f"{len(cuts)} cuts"
    assert 1 <= len(stages) <= 8, f"{len(stages)} stages"
    places = [cuts.index(stage.cut) for stage in stages]
    assert places == sorted(set(places)), "stages are not in order of the data flow"
    assert stages[-1].cut == cuts[-1], "the last stage is not the embedding"
    assert len({stage.name for stage in stages}) == len(stages), "two stages have one name"
    assert not any(part.training for part in backbone.module.modules()), "it is not in eval mode"


def check_normalise(backbone: Backbone, pixels: Tensor) -> None:
    """Pixels become (value / 255 - mean) / std, channel by channel."""
    contract = backbone.source.input
    x = backbone.normalise(pixels)
    assert x.dtype == torch.float32, f"normalised pixels are {x.dtype}"
    assert x.shape == (len(pixels), contract.channels, *contract.size), f"their shape is {tuple(x.shape)}"
    if contract.channels == 3:
        for channel, (mean, std) in enumerate(zip(contract.mean, contract.std, strict=True)):
            expected = (pixels[:, channel].double() / 255 - mean) / std
            assert torch.allclose(x[:, channel].double(), expected, atol=1e-5), "mean or std is not applied"


@torch.no_grad()
def check_cuts(backbone: Backbone, x: Tensor) -> None:
    """`tail(cut)(trunk(cut)(x)) == full(x)` at every cut, and no tail changes the state it is given."""
    embedding = backbone.full(x)
    together = backbone.states(x, backbone.cuts)
    assert tuple(together) == backbone.cuts, "states do not come in the order asked for"
    for cut in backbone.cuts:
        state = backbone.trunk(cut)(x)
        assert close(state, together[cut]), f"the state at {cut} differs between trunk and states"
        before = state.clone()
        assert close(backbone.tail(cut)(state), embedding), f"trunk and tail at {cut} do not make the whole"
        assert torch.equal(state, before), f"the tail at {cut} changes its input"
    assert torch.equal(together["input"], x), "the state at the input is not the input"
    if backbone.classifier is not None:
        logits = backbone.classifier(embedding)
        assert logits.ndim == 2, f"logits have shape {tuple(logits.shape)}"


@torch.no_grad()
def check_pooling(backbone: Backbone, x: Tensor) -> None:
    """Every tap gives float32 `[B, channels * max(1, grid)**2]`; the embedding has one of grid 1."""
    taps = backbone.taps()
    stages = {stage.name: stage for stage in backbone.stages}
    last = Tap(backbone.stages[-1].name, 1)
    assert last in taps, f"{last} is not among the taps"
    assert len(set(taps)) == len(taps), "a tap is named twice"
    states = backbone.states(x, tuple(stage.cut for stage in backbone.stages))
    for tap in taps:
        stage = stages[tap.stage]
        pooled = backbone.pool(states[stage.cut], tap)
        width = stage.channels * max(1, tap.grid) ** 2
        assert pooled.shape == (len(x), width), f"{tap} has shape {tuple(pooled.shape)}, not {width} wide"
        assert pooled.dtype == torch.float32, f"{tap} is {pooled.dtype}"
        assert torch.isfinite(pooled).all(), f"{tap} is not finite"
        if tap.grid > 1 and stage.side % tap.grid == 0:
            cells = pooled.reshape(len(x), stage.channels, -1).mean(2)  # [B, C, cells] -> [B, C]
            mean = backbone.pool(states[stage.cut], Tap(tap.stage, 1))
            assert close(cells, mean), f"the cells of {tap} do not average to grid 1"


def check_frozen(backbone: Backbone, x: Tensor) -> None:
    """A trunk stays in eval mode, gets no gradients and changes nothing, even inside a training parent."""
    middle = backbone.stages[len(backbone.stages) // 2].cut
    trunk = backbone.trunk(middle)
    expected = trunk(x)
    before = snapshot(trunk)
    parent = nn.Sequential(trunk).train()
    assert not any(part.training for part in trunk.modules()), "a trunk follows its parent into training"
    state = parent(x)
    assert not state.requires_grad, "gradients reach a trunk"
    assert torch.equal(state, expected), "a trunk in a training parent computes something else"
    assert same(before, snapshot(trunk)), "a forward pass changes a trunk"


def check_training(backbone: Backbone, x: Tensor) -> None:
    """Training a tail moves its weights and statistics, and nothing before it."""
    cuts = [stage.cut for stage in backbone.stages[:-1]] or ["input"]
    twin = backbone.copy()
    cut = next((c for c in reversed(cuts) if any(True for _ in twin.tail(c).parameters())), "input")
    trunk, tail = twin.trunk(cut), twin.tail(cut).train()
    own = {id(p) for p in backbone.module.parameters()}
    assert not own & {id(p) for p in tail.parameters()}, "a copy shares parameters"
    shared = {id(p) for p in twin.module.parameters()}
    assert {id(p) for p in tail.parameters()} <= shared, "a tail has parameters that its network has not"
    frozen, moving = snapshot(trunk), snapshot(tail)
    optimizer = torch.optim.SGD([p for p in tail.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        embedding = tail(trunk(x))
        (embedding**2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert same(frozen, snapshot(trunk)), f"training the tail at {cut} changes what lies before it"
    after = snapshot(tail)
    assert not same(moving, after), f"training the tail at {cut} changes nothing"
    statistics = [name for name in moving if name.endswith("running_mean")]
    still = [name for name in statistics if torch.equal(moving[name], after[name])]
    assert not still, f"batch-norm statistics of the tail stand still: {', '.join(still[:3])}"
    assert close(twin.states(x, (cut,))[cut], backbone.states(x, (cut,))[cut]), "the trunk's output moved"


@torch.no_grad()
def check_copies(backbone: Backbone, x: Tensor) -> None:
    """A copy answers the same, has the same digest, and changing it leaves the original alone."""
    expected, digest = backbone.full(x), backbone.digest
    twin = backbone.copy()
    assert twin.digest == digest, "a copy has another digest"
    assert torch.equal(twin.full(x), expected), "a copy answers differently"
    for parameter in twin.module.parameters():
        parameter.add_(1)
    assert torch.equal(backbone.full(x), expected), "changing a copy changes the original"
    assert backbone.digest == digest, "the digest is not stable"


@torch.no_grad()
def check_fresh(backbone: Backbone, x: Tensor) -> None:
    """New weights depend on the seed alone, and the global generator is left as it was."""
    before = torch.random.get_rng_state()
    one, again, other = backbone.fresh(1), backbone.fresh(1), backbone.fresh(2)
    assert torch.equal(torch.random.get_rng_state(), before), "fresh moves the global generator"
    assert one.digest == again.digest, "the same seed gives other weights"
    assert len({one.digest, other.digest, backbone.digest}) == 3, "another seed gives the same weights"
    assert one.cuts == backbone.cuts, "fresh has other cuts"
    assert one.stages == backbone.stages, "fresh has other stages"
    assert one.full(x).shape == backbone.full(x).shape, "fresh has another embedding"


@torch.no_grad()
def check_rebuilt(backbone: Backbone, x: Tensor) -> None:
    """Architecture, input and state alone give the same backbone again."""
    from headstart import sources

    state = {name: t.numpy() for name, t in backbone.module.state_dict().items()}
    head: Mapping[str, Any] = {}
    if backbone.classifier is not None:
        head = {name: t.numpy() for name, t in backbone.classifier.state_dict().items()}
    again = sources.from_state(backbone.source.architecture, backbone.source.input, state, head)
    assert again.cuts == backbone.cuts, "the rebuilt network has other cuts"
    assert again.taps() == backbone.taps(), "the rebuilt network has other taps"
    assert again.digest == backbone.digest, "the rebuilt network has another digest"
    assert torch.equal(again.full(x), backbone.full(x)), "the rebuilt network answers differently"
    if backbone.classifier is not None:
        logits = again.classifier(again.full(x))  # type: ignore[misc]
        assert torch.equal(logits, backbone.classifier(backbone.full(x))), "its classifier does"


def close(found: Tensor, expected: Tensor) -> bool:
    """Equal to float tolerance, relative to the largest value."""
    found, expected = found.detach(), expected.detach()
    scale = max(1.0, float(expected.abs().max()))
    return found.shape == expected.shape and bool((found - expected).abs().max() <= TOLERANCE * scale)


def snapshot(module: Any) -> dict[str, Tensor]:
    """A copy of weights and buffers by name."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
