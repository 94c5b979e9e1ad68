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

from headstart.core.backbone import Backbone, Dense, Stage
from headstart.core.features import Tap
from headstart.core.masked import of_inputs
from headstart.modalities.audio.preprocessing import AudioPreprocessing
from headstart.modalities.image.preprocessing import image_input
from headstart.modalities.text import largest_number
from headstart.modalities.text.preprocessing import CROSS_ENCODER, TextPreprocessing
from headstart.train.trim import trimmed

TOLERANCE = 1e-4
"""Allowed difference, relative to the largest value of the embedding."""


def check_backbone(backbone: Any, batch: int = 2, *, least_cuts: int = 3, rebuild: bool = True) -> None:
    """Run every check on batches of random images of the source's own input size, or of random texts.

    With `rebuild` the backbone is also made again from its architecture and its state alone.
    """
    prepared = random_batch(backbone, batch)
    x = backbone.normalise(prepared)
    check_structure(backbone, least_cuts)
    check_normalise(backbone, prepared)
    if backbone.source.input.max_length is not None:
        check_padding(backbone, prepared)
    check_cuts(backbone, x)
    check_pooling(backbone, x)
    check_dense(backbone, x)
    check_frozen(backbone, x)
    check_training(backbone, x)
    check_copies(backbone, x)
    check_fresh(backbone, x)
    if rebuild:
        check_rebuilt(backbone, x)


def random_pixels(backbone: Backbone, batch: int, seed: int = 0) -> Tensor:
    """uint8 `[batch, 3, H, W]` of the source's input size."""
    generator = torch.Generator().manual_seed(seed)
    height, width = image_input(backbone.source).size
    return torch.randint(0, 256, (batch, 3, height, width), generator=generator, dtype=torch.uint8)


def random_batch(backbone: Backbone, batch: int, seed: int = 0) -> Tensor:
    """A prepared batch of the source's modality: see `random_pixels`, `random_tokens`, `random_frames`."""
    return RANDOM.get(backbone.source.modality, random_pixels)(backbone, batch, seed)


LENGTHS = (9, 1, 4)
"""Tokens of the texts of a batch, again and again."""


def random_tokens(backbone: Backbone, batch: int, seed: int = 0) -> Tensor:
    """int32 `[batch, channels, 9]` of the source's vocabulary; the second text has one token."""
    generator = torch.Generator().manual_seed(seed)
    contract = backbone.source.input
    assert isinstance(contract, TextPreprocessing)
    lengths = torch.tensor([LENGTHS[row % len(LENGTHS)] for row in range(batch)])
    mask = (torch.arange(max(LENGTHS)) < lengths[:, None]).int()  # [B, T]
    sides = []
    for _ in range(contract.channels // 3):
        tokens = torch.randint(1, words_of(contract), mask.shape, generator=generator).int()
        types = (torch.arange(max(LENGTHS)) >= 5).int().expand_as(mask)
        sides += [tokens * mask, mask, types * mask]
    return torch.stack(sides, 1)


def random_frames(backbone: Backbone, batch: int, seed: int = 0) -> Tensor:
    """float32 `[batch, C + 1, T]`: recordings of 1.3, 0.02 and 0.4 windows of the source, and the mask."""
    generator = torch.Generator().manual_seed(seed)
    contract = backbone.source.input
    assert isinstance(contract, AudioPreprocessing)
    sizes = [min(contract.max_length, max(1, int(contract.window * share))) for share in (1.3, 0.02, 0.4)]
    lengths = torch.tensor([sizes[row % len(sizes)] for row in range(batch)])
    mask = (torch.arange(max(sizes)) < lengths[:, None]).float()[:, None]  # [B, 1, T]
    values = torch.randn((batch, contract.bands, max(sizes)), generator=generator)
    return torch.cat([values * mask, mask], 1)


RANDOM = {"text": random_tokens, "audio": random_frames}
"""Modality -> what makes a batch; all others are pixels."""


def words_of(contract: TextPreprocessing) -> int:
    """Numbers that a contract's encoder gives out: all below this one."""
    return largest_number(contract) + 1


def check_structure(backbone: Any, least_cuts: int = 3) -> None:
    """Names: cuts unique and in order from the input to the embedding, stages among them."""
    assert isinstance(backbone, Backbone), "it lacks a part of the contract"
    cuts, stages = backbone.cuts, backbone.stages
    assert cuts[0] == "input", f"the first cut is {cuts[0]!r}, not 'input'"
    assert len(set(cuts)) == len(cuts), "two cuts have one name"
    assert least_cuts <= len(cuts) <= 70, f"{len(cuts)} cuts"
    most = 8 if backbone.source.input.max_length is None else 13
    assert 1 <= len(stages) <= most, f"{len(stages)} stages"
    places = [cuts.index(stage.cut) for stage in stages]
    assert places == sorted(set(places)), "stages are not in order of the data flow"
    assert stages[-1].cut == cuts[-1], "the last stage is not the embedding"
    assert len({stage.name for stage in stages}) == len(stages), "two stages have one name"
    assert not any(part.training for part in backbone.module.modules()), "it is not in eval mode"
    assert backbone.embedding.stage == stages[-1].name, "its embedding is not of the last stage"
    assert backbone.embedding in backbone.taps(), f"{backbone.embedding} is not among the taps"
    example = backbone.normalise(torch.from_numpy(backbone.example(3)))
    assert len(backbone.full(example)) == 3, "its example is no batch"


def check_normalise(backbone: Backbone, pixels: Tensor) -> None:
    """Pixels become (value / 255 - mean) / std, channel by channel; tokens stay what they are, as int64, and
    frames as float32."""
    if backbone.source.input.max_length is not None:
        x, wanted = backbone.normalise(pixels), torch.float32 if pixels.is_floating_point() else torch.int64
        assert x.dtype == wanted, f"normalised tokens or frames are {x.dtype}"
        assert torch.equal(x, pixels.to(wanted)), "tokens or frames are changed"
        return
    contract, x = image_input(backbone.source), backbone.normalise(pixels)
    assert x.dtype == torch.float32, f"normalised pixels are {x.dtype}"
    assert x.shape == (len(pixels), contract.channels, *contract.size), f"their shape is {tuple(x.shape)}"
    if contract.channels == 3:
        for channel, (mean, std) in enumerate(zip(contract.mean, contract.std, strict=True)):
            expected = (pixels[:, channel].double() / 255 - mean) / std
            assert torch.allclose(x[:, channel].double(), expected, atol=1e-5), "mean or std is not applied"


@torch.no_grad()
def check_padding(backbone: Backbone, tokens: Tensor) -> None:
    """What fills up a sequence changes nothing, whatever stands there, and neither do others of its batch."""
    layout = of_inputs(backbone.source.input)
    cuts = tuple(stage.cut for stage in backbone.stages)
    longer = torch.cat([tokens, torch.zeros_like(tokens)], -1)
    strange = torch.where(layout.masks(longer).any(1, keepdim=True), longer, torch.ones_like(longer))
    layout.masks(strange)[:] = layout.masks(longer)
    whole = backbone.states(backbone.normalise(tokens), cuts)
    others = [backbone.states(backbone.normalise(batch), cuts) for batch in (longer, strange)]
    alone = [
        backbone.states(backbone.normalise(trimmed(tokens[row : row + 1], layout)), cuts)
        for row in range(len(tokens))
    ]
    for tap in backbone.taps():
        cut = next(stage.cut for stage in backbone.stages if stage.name == tap.stage)
        expected, steps = backbone.pool(whole[cut], tap), shown(backbone.dense(whole[cut], tap.stage))
        for states in others:
            assert close(backbone.pool(states[cut], tap), expected), f"filling up a sequence changes {tap}"
            found = shown(backbone.dense(states[cut], tap.stage))
            assert close(found, steps), f"filling up a sequence changes its steps at {tap.stage}"
        single = torch.cat([backbone.pool(states[cut], tap) for states in alone])
        assert close(single, expected), f"{tap} of a sequence depends on the others of its batch"


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
    """Every tap gives float32 `[B, width(tap)]`; the embedding is one of them."""
    taps = backbone.taps()
    stages = {stage.name: stage for stage in backbone.stages}
    assert backbone.embedding in taps, f"{backbone.embedding} is not among the taps"
    assert len(set(taps)) == len(taps), "a tap is named twice"
    states = backbone.states(x, tuple(stage.cut for stage in backbone.stages))
    for tap in taps:
        stage = stages[tap.stage]
        pooled = backbone.pool(states[stage.cut], tap)
        width = backbone.width(tap)
        assert pooled.shape == (len(x), width), f"{tap} has shape {tuple(pooled.shape)}, not {width} wide"
        assert pooled.dtype == torch.float32, f"{tap} is {pooled.dtype}"
        assert torch.isfinite(pooled).all(), f"{tap} is not finite"
        if isinstance(tap.grid, int):
            check_grid(backbone, stage, tap, states[stage.cut])
    contract = backbone.source.input
    if isinstance(contract, TextPreprocessing) and contract.normalize and contract.pairs == CROSS_ENCODER:
        lengths = backbone.pool(backbone.full(x), backbone.embedding).norm(dim=1)
        assert close(lengths, torch.ones_like(lengths)), "the embedding is not scaled to length 1"


def shown(places: Dense) -> Tensor:
    """`[P, D]`: the places that belong to their items."""
    found: Tensor = places.values[places.mask]
    return found


@torch.no_grad()
def check_dense(backbone: Backbone, x: Tensor) -> None:
    """Every stage gives `[B, *places, D]` and a mask of truth values; a map's cells average to its mean."""
    states = backbone.states(x, tuple(stage.cut for stage in backbone.stages))
    for stage in backbone.stages:
        state = states[stage.cut]
        places = backbone.dense(state, stage.name)
        shape = tuple(places.values.shape)
        assert (shape[0], shape[-1]) == (len(x), stage.channels), f"{stage.name} has places of shape {shape}"
        assert tuple(places.mask.shape) == shape[:-1], f"the mask of {stage.name} has another shape"
        assert places.mask.dtype == torch.bool, f"the mask of {stage.name} is {places.mask.dtype}"
        assert places.mask.flatten(1).any(1).all(), f"an item has no place at {stage.name}"
        if backbone.source.input.max_length is None:
            assert min(shape[1:-1]) == stage.side, f"{stage.name} is a map of {shape[1:-1]}, not {stage.side}"
            mean = backbone.pool(state, Tap(stage.name, 1))
            assert close(places.values.float().mean((1, 2)), mean), f"the cells of {stage.name} are others"


def check_grid(backbone: Backbone, stage: Stage, tap: Tap, state: Tensor) -> None:
    """A tap of an image has `channels * max(1, grid)**2` numbers, and its cells average to grid 1."""
    assert isinstance(tap.grid, int)
    width = stage.channels * max(1, tap.grid) ** 2
    assert backbone.width(tap) == width, f"{tap} is not {width} wide"
    if tap.grid > 1 and stage.side % tap.grid == 0:
        pooled = backbone.pool(state, tap)
        cells = pooled.reshape(len(state), stage.channels, -1).mean(2)  # [B, C, cells] -> [B, C]
        mean = backbone.pool(state, Tap(tap.stage, 1))
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
