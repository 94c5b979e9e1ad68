"""A recurrent network of characters, as textgenrnn has it (Woolf, 2017): LSTMs, one above the other, over the
last characters of a text, a weighted mean of their states, and a softmax over the characters.

Each character is guessed from a window of so many before it, filled up with 0 at the left, from a state of
zero. The state is not carried on from one window to the next: such networks have learnt from
windows alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from headstart.core.features import Tap
from headstart.core.generator import Generator
from headstart.errors import NetError
from headstart.modalities.text.preprocessing import LONGEST, text_input
from headstart.sources.layers.generator import to_the_right
from headstart.sources.text.networks.bag import WordBackbone


class Reader(nn.Module):
    """Prepared texts `[B, 3, T]` (`[B, 6, T]`) -> state `[B, T, D + 1]` (`[B, 2, T, D + 1]`): of each
    character its embedding and what every LSTM makes of it. Texts have at most `window`
    characters."""

    def __init__(self, vocabulary: int, width: int, hidden: int, layers: int, window: int) -> None:
        super().__init__()
        self.window, self.sizes = window, [hidden] * layers
        self.embedding = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(
            nn.LSTM(hidden if number else width, hidden, batch_first=True) for number in range(layers)
        )

    @property
    def width(self) -> int:
        """Numbers of a character."""
        return self.embedding.embedding_dim + sum(self.sizes)

    def read(self, tokens: Tensor) -> Tensor:
        """int64 `[N, T]` -> `[N, T, D]`"""
        found = [self.embedding(tokens)]
        for layer in self.layers:
            found.append(layer(found[-1])[0])
        return torch.cat(found, -1)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] == 6:
            return self(x.reshape(-1, 3, x.shape[-1])).unflatten(0, (len(x), 2))
        tokens, mask = to_the_right(x)
        states = self.read(pad(tokens * mask, (self.window, 0))[:, -self.window :])
        first = self.window - mask.sum(1, keepdim=True)
        places = (first + torch.arange(x.shape[-1], device=x.device)).clamp(0, self.window - 1)
        states = states.gather(1, places.unsqueeze(-1).expand(-1, -1, states.shape[-1]))
        return torch.cat([states, x[:, 1].unsqueeze(-1).to(states.dtype)], -1)


class Writer(nn.Module):
    """What a character network of `transformers` would take and give; its cache are the last characters."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader
        self.attention = nn.Linear(reader.width, 1, bias=False)
        self.output = nn.Linear(reader.width, reader.embedding.num_embeddings)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        past_key_values: Tensor | None = None,
        use_cache: bool = False,
    ) -> Any:
        """int64 `[B, T]` -> `logits` `[B, T, V]` of what follows each of them."""
        window, length = self.reader.window, input_ids.shape[1]
        before = input_ids.new_zeros(len(input_ids), window) if past_key_values is None else past_key_values
        line = torch.cat([before, input_ids * attention_mask[:, -length:]], 1)
        windows = line.unfold(1, window, 1)[:, 1:]  # [B, T, window]
        states = self.reader.read(windows.reshape(-1, window))
        weights = self.attention(states).softmax(1)
        logits = self.output((states * weights).sum(1)).unflatten(0, input_ids.shape)
        return SimpleNamespace(logits=logits, past_key_values=line[:, -window:] if use_cache else None)


def build(architecture: Mapping[str, Any]) -> Writer:
    """With random weights, in eval mode. Raises `NetError` for sizes that are none."""
    kwargs = architecture.get("kwargs") or {}
    sizes = {name: kwargs.get(name) for name in ("vocabulary", "width", "hidden", "layers", "window")}
    wrong = next((name for name, size in sizes.items() if type(size) is not int or size < 1), None)
    if wrong is not None:
        raise NetError(str(architecture["arch"]), f"has no usable size {wrong!r}")
    return Writer(Reader(*(int(size or 0) for size in sizes.values()))).eval()


class CharacterBackbone(WordBackbone):
    """A `headstart.core.backbone.Backbone` of one piece, and a source that writes: it reads the first
    characters of a text, as many as a window has."""

    STAGE = "characters"
    opened: Generator | None = None

    def taps(self) -> tuple[Tap, ...]:
        """The last character's state, the mean, and the maximum."""
        return Tap(self.STAGE, "last"), *super().taps()

    def generator(self) -> Generator:
        """Opened with the backbone; it goes on from the last characters of a prompt."""
        assert self.opened is not None, "only what was opened from files writes"
        return self.opened

    def prompted(self, names: Any) -> Self:  # noqa: ARG002 - such a network has no prompts
        """For prompts of any length."""
        source = replace(self.source, input=replace(text_input(self.source), max_length=LONGEST))
        return self._like(type(self)(self.module, source, digest=self.digest))

    def fresh(self, seed: int) -> Self:
        """The same architecture with new random weights; the global generators are left alone."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            reader = build(self.source.architecture).reader
        return type(self)(reader, replace(self.source, sha256=None))

    def copy(self) -> Self:
        return self._like(super().copy())

    def _like(self, other: Self) -> Self:
        other.opened = self.opened
        return other
