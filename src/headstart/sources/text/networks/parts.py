"""Text networks as lists of layers: found, watched, and cut with gates before them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from headstart.errors import SourceError
from headstart.sources.cuts.segments import evaluating
from headstart.sources.layers.parts import Layers, Part, Trunk
from headstart.sources.text.networks.gates import Act, acting, install
from headstart.sources.text.networks.transformer import running


@dataclass(frozen=True)
class Plan(Layers):
    """How a text network is cut.

    States are `[B, T, D + 1]`, the mask as last channel; with one axis more for two texts apart.
    """

    answer: int | None
    """What a layer gives: 0 for a state, n for a tuple of it and n - 1 times None; None: more than that, so
    that no layer may be left out."""
    types: bool
    """Whether the network is told which of two texts a token belongs to."""
    pad: int

    def states(self, network: nn.Module, x: Tensor, start: int, cuts: tuple[int, ...]) -> list[Tensor]:
        """The states at some cuts behind `start`, from one pass that begins with `x` at `start`."""
        apart = x.ndim == (4 if start else 3) and (bool(start) or x.shape[1] == 6)
        shape = x.shape
        if apart:  # [B, 6, T] -> [2 B, 3, T]; [B, 2, T, D + 1] -> [2 B, T, D + 1]
            x = x.flatten(0, 1) if start else x.reshape(-1, 3, shape[-1])
        mask = x[..., -1] if start else x[:, 1]
        tokens = x if start == 0 else _dummy(mask)
        gates = frozenset(cut - 1 for cut in cuts if cut <= self.count)
        act = Act(
            x[..., :-1] if start else None,
            max(0, start - 1),
            self.answer,
            gates,
            max(gates) if len(gates) == len(cuts) else None,
        )
        with self.precision(x.device.type), acting(act):
            act.seen[self.count] = run(network, tokens, types=self.types, pad=self.pad)
        found = []
        for cut in cuts:
            hidden = act.seen[cut - 1]
            state = torch.cat([hidden, mask.unsqueeze(-1).to(hidden.dtype)], -1)
            found.append(state.reshape(shape[0], 2, *state.shape[1:]) if apart else state)
        return found


def make_plan(network: nn.Module, *, types: bool, pad: int, spec: str) -> Plan:
    """Find the layers of a network, put gates on them, and prove that cutting changes nothing.

    Raises `SourceError` for a network that is no plain stack of layers, that cannot be run, or that answers
    a text otherwise in a batch.
    """
    with running(spec):
        path, count = _layers(network, spec)
        install(network, path)
        width, answer, closing = _watch(network, path, spec)
        plan = Plan(path, count, width, closing, half=True, answer=answer, types=types, pad=pad)
        _prove(network, plan, spec)
        return replace(plan, half=plan.halves(network, _example(network)))


def _layers(network: nn.Module, spec: str) -> tuple[str, int]:
    """Path and length of the list of layers."""
    wanted = int(getattr(network.config, "num_hidden_layers", 0) or 0)
    for path, module in network.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted > 0:
            return path, wanted
    raise _uncut(spec)


def _uncut(spec: str) -> SourceError:
    return SourceError(spec, "its network is no plain stack of layers, so it cannot be cut between them")


EXAMPLE = 3, 5
"""Texts and tokens of the batch that a network is watched with; one text is shorter."""
SHORT = 1, 3
"""Which text that is, and its tokens."""
ALONE = 1e-3
"""Relative difference of an answer in a batch from that to the text alone which is more than rounding."""


def _example(network: nn.Module) -> Tensor:
    (texts, tokens), (short, length) = EXAMPLE, SHORT
    ids = torch.arange(1, texts * tokens + 1).reshape(texts, tokens) % int(
        getattr(network.config, "vocab_size", 1)
    )
    mask = torch.ones(texts, tokens, dtype=torch.long)
    mask[short, length:] = 0
    return torch.stack([ids, mask, torch.zeros_like(ids)], 1)


def _watch(network: nn.Module, path: str, spec: str) -> tuple[int, int | None, tuple[str, ...]]:
    """(width, what a layer gives, modules that run after the last layer)."""
    given: list[int | None] = []
    shapes: list[Any] = []
    after: list[str] = []

    def layer_done(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        length = len(out) if isinstance(out, tuple) else 0
        given.append(length if not length or all(part is None for part in out[1:]) else None)
        arrived = args[0] if args else kwargs.get("hidden_states")
        shapes.append(tuple(arrived.shape) if isinstance(arrived, Tensor) else None)

    def other_done(name: str) -> Callable[..., None]:
        return lambda *_: after.append(name) if len(given) == count else None

    listed = list(network.get_submodule(path).children())
    count = len(listed)
    inside = {id(part) for layer in listed for part in layer.modules()}
    hooks = [layer.register_forward_hook(layer_done, with_kwargs=True) for layer in listed]
    for name, module in network.named_modules():
        if id(module) not in inside and name and not f"{path}.".startswith(f"{name}."):
            hooks.append(module.register_forward_hook(other_done(name)))
    try:
        with evaluating(network), torch.no_grad():
            run(network, _example(network), types=False, pad=0)
    finally:
        for hook in hooks:
            hook.remove()
    if len(shapes) != count or any(shape is None or shape[:-1] != EXAMPLE for shape in shapes):
        raise _uncut(spec)
    return int(shapes[0][-1]), given[0] if len(set(given)) == 1 else None, tuple(dict.fromkeys(after))


@torch.no_grad()
def _prove(network: nn.Module, plan: Plan, spec: str) -> None:
    x = _example(network)
    expected = Part(network, plan, 0, plan.count + 1)(x)
    for cut in {1, plan.count // 2 + 1, plan.count}:
        state = Trunk(network, plan, 0, cut)(x)
        with evaluating(network):
            found = Part(network, plan, cut, plan.count + 1)(state)
        if not torch.allclose(found, expected, atol=1e-4 * max(1.0, float(expected.abs().max()))):
            raise _uncut(spec)
    short, length = SHORT
    alone = Part(network, plan, 0, plan.count + 1)(x[short : short + 1, :, :length])[0, :, :-1]
    change = (expected[short, :length, :-1] - alone).abs().max()
    if change > ALONE * alone.abs().max():
        problem = "its answers depend on how far texts are filled up in a batch"
        raise SourceError(spec, f"{problem}: one asked alone is answered otherwise", "take another source")


def run(network: nn.Module, x: Tensor, *, types: bool, pad: int) -> Tensor:
    """int64 `[B, 3, T]` -> hidden states `[B, T, D]`, through whatever the gates are told."""
    ids, mask, kinds = x.unbind(1)  # each [B, T]
    # attention over nothing gives NaN: a text without tokens sees its first filler, and its mask says 0
    seen = mask.masked_fill(torch.arange(mask.shape[1], device=mask.device) == 0, 1)
    ids = torch.where(mask > 0, ids, torch.full_like(ids, pad))
    more = {"token_type_ids": kinds} if types else {}
    found: Tensor = network(input_ids=ids, attention_mask=seen, **more)[0]
    return found


def takes_types(network: nn.Module) -> bool:
    """Whether the network has a use for which of two texts a token belongs to."""
    known = "token_type_ids" in inspect.signature(network.forward).parameters
    return known and int(getattr(network.config, "type_vocab_size", 0) or 0) > 1


def _dummy(mask: Tensor) -> Tensor:
    """Tokens that only say how many there are: what is made of them is replaced at a gate."""
    seen = (mask > 0).long()
    return torch.stack([torch.zeros_like(seen), seen, torch.zeros_like(seen)], 1)
