"""Generator: a network that writes texts about what an encoder reads, or that go on from a prompt.

Words. An *answer* is what is written about an item: its tokens, the last of which ends it. A *place* is the
cut at which the pass stores what the decoder reads: of an encoder-decoder the encoder's last one, so that
training and writing run no encoder; of a causal network the input itself, since its layers read the answer
as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from headstart.core.source import Source
from headstart.core.untrusted import field

LONGEST = 4_096
"""Most tokens of an answer."""


@dataclass(frozen=True)
class Writing:
    """How a network writes, as plain JSON in a bundle."""

    end: tuple[int, ...]
    """Tokens each of which ends an answer; the first is the one that is learnt."""
    start: tuple[int, ...] = ()
    """What a decoder is given before the answer: its start, and what is forced after it (a language). Of a
    causal network nothing: the prompt is its start."""
    longest: int = 128
    """Tokens after which an answer is cut off that has not ended."""
    never: tuple[int, ...] = ()
    """Tokens that are written nowhere: marks of what is no speech."""
    not_first: tuple[int, ...] = ()
    """Tokens that no answer begins with."""

    def to_json(self) -> dict[str, Any]:
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Writing:
        """Raises `ValueError`, `TypeError` or `KeyError` for what no network writes by."""
        listed = {"never": [], "not_first": [], **data}
        end, start, never, not_first = (
            tuple(int(token) for token in field(listed, name, list))
            for name in ("end", "start", "never", "not_first")
        )
        longest = field(data, "longest", int)
        if not end or min((*end, *start, *never, *not_first)) < 0 or not 1 <= longest <= LONGEST:
            raise ValueError("a way to write that no network has")
        return cls(end, start, longest, never, not_first)


class Generator(Protocol):
    """The contract; `tests/sources/text/test_generators.py` holds every family to it.

    Tensors are named `Any`, as in `core.backbone`. States are those of the backbone at `place`, `[B, T, D +
    1]` with the mask as last channel, or prepared inputs where that is its first cut. Answers are int64 `[B,
    L]`, filled up with -1 after their end.
    """

    writing: Writing
    place: str
    """A cut of the backbone: where what it reads is stored."""
    module: Any
    """The whole network, encoder and all."""
    architecture: Mapping[str, Any]
    """What rebuilds it without weights, as JSON."""
    vocabulary: str
    """The tokenizer of its answers, as JSON of the package `tokenizers`."""

    @property
    def digest(self) -> str:
        """Fingerprint of the weights as they were opened."""

    def tokens(self, text: str, most: int) -> list[int]:
        """Of an answer, with its end; the last ones are cut off where there are more than `most`, its end
        too."""

    def text(self, tokens: Iterable[int]) -> str:
        """Back from tokens, without the end and what comes after it."""

    def logits(self, states: Any, answers: Any, cut: str) -> Any:
        """float `[B, L, V]`: what is expected in place of each token of the answers, given those before it.
        The `cut` is where the states lie: `place`, or the backbone's first one to run it all. Padding does
        not change what an item gives."""

    def write(self, states: Any, cut: str) -> Any:
        """int64 `[B, longest]`: the answers, each the likeliest token by token, with a cache of keys and
        values."""

    def layers(self) -> Sequence[Any]:
        """The modules of the decoder's layers, the first one first."""

    def last(self) -> Sequence[Any]:
        """What comes behind them and is not shared with the embedding of tokens: a norm."""

    def fresh(self, seed: int) -> Generator:
        """The same architecture with new random weights."""

    def copy(self) -> Generator:
        """An independent copy, to be trained. It keeps the digest it came from."""

    def writes(self, longest: int, known: Collection[int] = ()) -> Generator:
        """The same network with answers of at most so many tokens, in which `known` tokens may occur."""


@runtime_checkable
class Writes(Protocol):
    """A backbone whose source can write: the capability that strategies ask for."""

    source: Source

    def generator(self) -> Generator:
        """The network that writes, opened. Raises `SourceError` where the source's files lack it."""

    def prompted(self, names: Sequence[str]) -> Any:
        """The backbone that reads items behind the prompt that the source's record has under one of these
        names; itself where there is none, or more than one that fits."""


@runtime_checkable
class Prompted(Writes, Protocol):
    """One whose items may have any text before them."""

    def prompts(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those that the source's record has under such names; `prompted` takes one that is alone."""

    def behind(self, prompt: str) -> Any:
        """The backbone that reads items behind this prompt; "" for none."""
