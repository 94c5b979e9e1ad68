"""Conformance suite for generators: what `headstart.core.generator` promises, checked on any of them.

    from headstart.testing.generator import check_generator
    check_generator(my_backbone, "some words that its tokenizer knows")

Every check raises `AssertionError` saying what was promised and what was found.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from headstart import sources
from headstart.core.generator import Generator, Prompted, Writes, Writing
from headstart.core.masked import Layout, of_inputs
from headstart.errors import NetError
from headstart.sources.layers.filling import unshared
from headstart.testing.backbone import random_batch
from headstart.train.trim import trimmed

TOLERANCE = 1e-4
"""Allowed difference, relative to the largest logit."""
LONGEST = 8
"""Tokens of the answers that are written."""


def check_generator(backbone: Any, text: str, batch: int = 3) -> Generator:
    """Run every check on random items of different lengths; gives what writes, with short answers. The `text`
    is one that the tokenizer gives back as it is."""
    assert isinstance(backbone, Writes), "it lacks a part of the contract"
    assert backbone.source.writes, "its source does not say that it writes"
    backbone = backbone.prompted(())
    opened = backbone.generator()
    assert backbone.generator() is opened, "it is opened twice"
    assert opened.place in backbone.cuts, f"{opened.place!r} is none of its cuts"
    first = backbone.cuts[0]
    check_tokens(opened, text)
    check_prompt(backbone)
    generator = opened.writes(LONGEST)
    assert generator.module is opened.module, "shorter answers have a network of their own"
    prepared = random_batch(backbone, batch)
    states = backbone.states(backbone.normalise(prepared), (opened.place,))[opened.place]
    said = check_written(generator, states, prepared, first)
    check_logits(generator, states, said)
    check_alone(generator, prepared, said, first, of_inputs(backbone.source.input))
    check_parts(generator, prepared, said, first)
    check_copies(generator, prepared, said, first)
    check_rebuilt(generator, backbone, prepared, said)
    return generator


def check_tokens(generator: Generator, text: str) -> None:
    """Answers end, are cut where they must be, and come back as they were; so does how they are written."""
    end = generator.writing.end
    tokens = generator.tokens(text, 512)
    assert tokens[-1] == end[0], "an answer has no end"
    assert not set(tokens[:-1]) & set(end), "an answer ends before its end"
    found = generator.text([*tokens, tokens[0], -1])
    assert found == text, f"{text!r} comes back as {found!r}"
    assert generator.tokens(text, 1) == tokens[:1], "an answer that is too long is not cut off"
    again = Writing.from_json(json.loads(json.dumps(generator.writing.to_json())))
    assert again == generator.writing, "how it writes is not the same after JSON"


def check_prompt(backbone: Any) -> None:
    """Behind another prompt only the contract differs."""
    if isinstance(backbone, Prompted):
        other = backbone.behind("so: ")
        assert other.source.input != backbone.source.input, "a prompt changes nothing"
        assert other.generator() is backbone.generator(), "a prompt opens the network once more"
        assert (
            other.behind(getattr(backbone.source.input, "prefix", "")).source.input == backbone.source.input
        )


def check_written(generator: Generator, states: Tensor, prepared: Tensor, first: str) -> Tensor:
    """int64 `[B, longest]`, -1 after the end, the same of stored states and of what the network reads."""
    said: Tensor = generator.write(states, generator.place)
    assert said.shape == (len(states), generator.writing.longest), f"answers {tuple(said.shape)}"
    assert said.dtype == torch.long, f"answers are {said.dtype}"
    assert torch.equal(said, generator.write(prepared, first)), "stored states give other answers"
    for row in said.tolist():
        ends = [place for place, token in enumerate(row) if token in generator.writing.end]
        written = row[: ends[0] + 1] if ends else row
        assert min(written) >= 0, "an answer has a hole"
        assert set(row[len(written) :]) <= {-1}, "something stands after the end"
    assert not any(part.training for part in generator.module.modules()), "it is not in eval mode"
    return said


@torch.no_grad()
def check_logits(generator: Generator, states: Tensor, said: Tensor) -> None:
    """Given an answer, each of its tokens is the likeliest after those before it."""
    z = generator.logits(states, said, generator.place)
    assert z.shape[:2] == said.shape, f"logits {tuple(z.shape)} of answers {tuple(said.shape)}"
    there = said >= 0
    assert torch.equal(z.argmax(-1)[there], said[there]), "it does not write what its logits say"


@torch.no_grad()
def check_alone(generator: Generator, prepared: Tensor, said: Tensor, first: str, layout: Layout) -> None:
    """An item's logits do not depend on how far it is filled up, nor on those beside it."""
    together = generator.logits(prepared, said, first)
    assert bool(together.isfinite().all()), "logits are not finite"
    scale = TOLERANCE * max(1.0, float(together.abs().max()))
    for row in range(len(prepared)):
        item = trimmed(prepared[row : row + 1], layout)
        alone = generator.logits(item, said[row : row + 1], first)
        apart = float((alone - together[row : row + 1]).abs()[said[row : row + 1] >= 0].max())
        assert apart <= scale, f"alone, an item's logits differ by {apart:g}"


def check_parts(generator: Generator, prepared: Tensor, said: Tensor, first: str) -> None:
    """Layers of the decoder, and what is behind them, are parts of the network that gradients reach."""
    inside = {id(parameter) for parameter in generator.module.parameters()}
    layers = list(generator.layers())
    assert layers, "its decoder has no layers"
    twin = generator.copy()
    twin.module.requires_grad_(True)
    twin.logits(prepared, said.clamp(min=0), first).square().mean().backward()
    for part in (*generator.layers(), *generator.last()):
        assert all(id(parameter) in inside for parameter in part.parameters()), "a part is not the network's"
    for part in (*twin.layers(), *twin.last()):
        reached = [p.grad is not None and bool(p.grad.any()) for p in part.parameters()]
        assert not reached or any(reached), "no gradient reaches a layer"
    assert all(parameter.grad is None for parameter in generator.module.parameters()), "a copy is none"


def check_copies(generator: Generator, prepared: Tensor, said: Tensor, first: str) -> None:
    """A copy writes alike and keeps the digest, also trained; new weights are others, alike for a seed."""
    twin = generator.copy()
    assert torch.equal(twin.write(prepared, first), said), "a copy writes something else"
    with torch.no_grad():
        for parameter in twin.module.parameters():
            parameter.add_(0.1)
    assert twin.digest == generator.digest, "a trained copy forgets where it came from"
    assert torch.equal(generator.write(prepared, first), said), "training a copy changes it"
    fresh = generator.fresh(1)
    assert fresh.digest != generator.digest, "new weights are the old ones"
    assert fresh.digest == generator.fresh(1).digest, "new weights do not follow from the seed"


def check_rebuilt(generator: Generator, backbone: Any, prepared: Tensor, said: Tensor) -> None:
    """Architecture, tensors and tokenizer bring it back; a tensor too few is told."""
    first, made = backbone.cuts[0], (generator.architecture, backbone.source.input)
    tensors = {name: value.numpy() for name, value in unshared(generator.module).items()}
    how = (generator.writing, generator.vocabulary)
    again = sources.generator_from_state(*made, tensors, *how)
    assert torch.equal(again.write(prepared, first), said), "made again it writes something else"
    try:
        sources.generator_from_state(*made, dict(list(tensors.items())[1:]), *how)
    except NetError:
        return
    raise AssertionError("a tensor is missing, and nothing says so")
