"""Networks of `transformers` that write: an encoder-decoder of any kind of item, or a causal network of
texts.

What they have in common, whatever they read: answers are tokens behind a start, written greedily with a
cache of keys and values, items of like length together. A kind of item brings how a prepared batch becomes
the network's arguments (`EncoderDecoder.arguments`).
"""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from typing import Any, Self

import torch
from torch import Tensor, nn

from headstart.core import fingerprint
from headstart.core.generator import Writing
from headstart.modalities.text.encoding.vocabulary import vocabulary
from headstart.sources.cuts.segments import evaluating
from headstart.sources.cuts.traced import of_tensors

TOGETHER = 16
"""Items that are written at a time on a processor: those of like length."""


@dataclass(eq=False)
class Written(ABC):
    """A `headstart.core.generator.Generator`, but for how the network reads."""

    module: nn.Module
    writing: Writing
    place: str
    architecture: Mapping[str, Any]
    vocabulary: str = field(repr=False)
    rebuild: Callable[[], nn.Module] = field(repr=False)
    """Gives `module` with new random weights."""

    @cached_property
    def digest(self) -> str:
        """Of architecture and weights as opened: taken before anything is trained."""
        return fingerprint.of_parts(
            [fingerprint.of_json(dict(self.architecture)), of_tensors(dict(self.module.state_dict()))]
        )

    def tokens(self, text: str, most: int) -> list[int]:
        """Of an answer, with its end, the first `most`."""
        return [*vocabulary(self.vocabulary).ids(text), self.writing.end[0]][:most]

    def text(self, tokens: Iterable[int]) -> str:
        """Up to the end."""
        inside = takewhile(lambda one: one >= 0 and one not in self.writing.end, tokens)
        return vocabulary(self.vocabulary).text(inside)

    def fresh(self, seed: int) -> Self:
        """With new random weights; the global generators are left alone."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            network = self.rebuild()
        return replace(self, module=network.eval())

    def copy(self) -> Self:
        """An independent copy, to be trained. It keeps the digest it came from."""
        found = replace(self, module=copy.deepcopy(self.module).eval())
        found.digest = self.digest
        return found

    def writes(self, longest: int, known: Collection[int] = ()) -> Self:
        """The same network, no copy of it, with answers of at most so many tokens; `known` ones may occur."""
        never = tuple(token for token in self.writing.never if token not in known)
        found = replace(self, writing=replace(self.writing, longest=longest, never=never))
        if "digest" in self.__dict__:
            found.digest = self.digest
        return found

    def layers(self) -> Sequence[nn.Module]:
        """The layers of the decoder: of the lists inside it the first that is not empty."""
        lists = [part for part in self.decoder.modules() if isinstance(part, nn.ModuleList) and len(part)]
        return list(lists[0]) if lists else []

    def last(self) -> Sequence[nn.Module]:
        """Norms of the decoder that stand in no layer."""
        inside = {id(part) for layer in self.layers() for part in layer.modules()}
        return [
            part
            for name, part in self.decoder.named_modules()
            if "norm" in name.rpartition(".")[2].lower() or name.rpartition(".")[2] == "ln_f"
            if id(part) not in inside
        ]

    @property
    @abstractmethod
    def decoder(self) -> nn.Module:
        """The part of the network that holds its layers that write."""

    @abstractmethod
    def logits(self, states: Tensor, answers: Tensor, cut: str) -> Tensor:
        """float `[B, L, V]`, see `core.generator`."""

    @abstractmethod
    def _begun(self, states: Tensor, cut: str) -> _Begun:
        """Answers before their first token."""

    @abstractmethod
    def _lengths(self, states: Tensor, cut: str) -> Tensor:
        """int64 `[B]`: steps of each item."""

    @abstractmethod
    def _first(self, states: Tensor, length: int, cut: str) -> Tensor:
        """The first steps of all items."""

    @torch.inference_mode()
    def write(self, states: Tensor, cut: str) -> Tensor:
        """int64 `[B, longest]` on the CPU, -1 after the end."""
        lengths = self._lengths(states, cut)
        order = lengths.argsort(stable=True)
        size = TOGETHER if states.device.type == "cpu" else max(1, len(states))
        found = torch.full((len(states), self.writing.longest), -1, dtype=torch.long)
        with evaluating(self.module):
            for part in order.split(size):
                some = _trimmed(self, states[part], cut)
                found[part.cpu()] = self._written(self._begun(some, cut)).cpu()
        return found

    def _written(self, begun: _Begun) -> Tensor:
        end = torch.tensor(self.writing.end, device=begun.tokens.device)
        rows = len(begun.tokens)
        found = torch.full((rows, self.writing.longest), -1, dtype=torch.long, device=end.device)
        alive = torch.ones(rows, dtype=torch.bool, device=end.device)
        tokens, cache = begun.tokens, None
        for at in range(self.writing.longest):
            out = self.module(**begun.arguments(tokens, at), past_key_values=cache, use_cache=True)
            z, cache = out.logits[:, -1], out.past_key_values
            z[:, list(self.writing.never + (self.writing.not_first if at == 0 else ()))] = -torch.inf
            said = z.argmax(-1)
            found[alive, at] = said[alive]
            alive &= ~torch.isin(said, end)
            if not alive.any():
                break
            tokens = said[:, None]
        return found


def _trimmed(one: Written, states: Tensor, cut: str) -> Tensor:
    """Without what fills up even the longest item."""
    return one._first(states, max(1, int(one._lengths(states, cut).max())), cut)


@dataclass(frozen=True)
class _Begun:
    """Answers before their first token."""

    tokens: Tensor
    """int64 `[B, S]`: what the decoder is given first."""
    arguments: Callable[[Tensor, int], dict[str, Tensor]]
    """(tokens, how many were written before) -> the network's arguments, without its cache."""


class EncoderDecoder(Written):
    """States of an encoder in, answers out: the decoder alone runs on what is stored."""

    def arguments(self, prepared: Tensor) -> dict[str, Tensor]:
        """A prepared batch as the whole network takes it."""
        raise NotImplementedError

    @property
    def decoder(self) -> nn.Module:
        network: Any = self.module
        found: nn.Module = network.get_decoder()
        return found

    def _read(self, states: Tensor, cut: str) -> dict[str, Any]:
        if cut != self.place:
            return self.arguments(states)
        mask = (states[..., -1] > 0).long()
        mask[:, 0] = 1  # attention over nothing gives NaN
        return {"encoder_outputs": (states[..., :-1].float(),), "attention_mask": mask}

    def logits(self, states: Tensor, answers: Tensor, cut: str) -> Tensor:
        states = _trimmed(self, states, cut)
        start = answers.new_tensor(self.writing.start).expand(len(answers), -1)
        given = torch.cat([start, answers[:, :-1].clamp(min=0)], 1)  # [B, S + L - 1]
        out = self.module(**self._read(states, cut), decoder_input_ids=given, use_cache=False)
        found: Tensor = out.logits[:, start.shape[1] - 1 :]
        return found

    def _begun(self, states: Tensor, cut: str) -> _Begun:
        read = self._read(states, cut)
        if cut != self.place:  # once, not for each token
            network: Any = self.module
            mask = {"attention_mask": read["attention_mask"]} if "attention_mask" in read else {}
            read = {"encoder_outputs": (network.get_encoder()(**read)[0],), **mask}
        start = torch.tensor(self.writing.start, device=states.device).expand(len(states), -1)
        return _Begun(start, lambda tokens, _: {**read, "decoder_input_ids": tokens})

    def _lengths(self, states: Tensor, cut: str) -> Tensor:
        mask = states[..., -1] > 0 if cut == self.place else self.mask(states)
        return mask.sum(1)

    def mask(self, prepared: Tensor) -> Tensor:
        """bool `[B, T]`: the steps of a prepared batch that belong to their item."""
        raise NotImplementedError

    def _first(self, states: Tensor, length: int, cut: str) -> Tensor:
        return states[:, :length] if cut == self.place else states[..., :length]


class Causal(Written):
    """Prompts in, what follows them out. Prompts are put to the right, so that answers begin together."""

    @property
    def decoder(self) -> nn.Module:
        return self.module

    @cached_property
    def _numbered(self) -> bool:
        """Whether the network is told the places of its tokens."""
        return "position_ids" in inspect.signature(self.module.forward).parameters

    def logits(self, states: Tensor, answers: Tensor, cut: str) -> Tensor:
        prompts, mask = to_the_right(_trimmed(self, states, cut))
        ids = torch.cat([prompts, answers.clamp(min=0)], 1)
        seen = torch.cat([mask, torch.ones_like(answers)], 1)
        places = {"position_ids": _places(seen)} if self._numbered else {}
        out = self.module(input_ids=ids, attention_mask=seen, use_cache=False, **places)
        found: Tensor = out.logits[:, prompts.shape[1] - 1 : -1]
        return found

    def _begun(self, states: Tensor, cut: str) -> _Begun:
        del cut
        prompts, mask = to_the_right(states)

        def arguments(tokens: Tensor, written: int) -> dict[str, Tensor]:
            seen = torch.cat([mask, mask.new_ones(len(mask), written)], 1)
            places = {"position_ids": _places(seen)[:, -tokens.shape[1] :]} if self._numbered else {}
            return {"input_ids": tokens, "attention_mask": seen, **places}

        return _Begun(prompts, arguments)

    def _lengths(self, states: Tensor, cut: str) -> Tensor:
        del cut
        return states[:, 1].sum(1).long()

    def _first(self, states: Tensor, length: int, cut: str) -> Tensor:
        del cut
        return states[..., :length]


def _places(seen: Tensor) -> Tensor:
    return (seen.cumsum(1) - 1).clamp(min=0)


def to_the_right(prepared: Tensor) -> tuple[Tensor, Tensor]:
    """Prepared texts `[B, 3, T]` -> (tokens, mask), int64 `[B, T]`, filled up on the left. One without
    tokens has one."""
    ids, mask, _ = prepared.long().unbind(1)
    lengths = mask.sum(1).clamp(min=1)
    places = torch.arange(ids.shape[1], device=ids.device) - (ids.shape[1] - lengths)[:, None]
    return ids.gather(1, places.clamp(min=0)), (places >= 0).long()
