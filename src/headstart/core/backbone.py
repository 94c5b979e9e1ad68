"""Backbone: a source model with its cuts found.

Tensors are named `Any` here because this room knows no torch; they are `torch.Tensor` and
`torch.nn.Module` in every implementation so far.

Words. A *cut* is a place in the network through which all later data flows. The *state* at a cut
is the one tensor that crosses it. A *stage* is a cut worth reading features at or freezing up to;
a network has 20 to 70 cuts and 4 to 8 stages. The last stage is the *embedding*: what the source's
own classifier reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from headstart.core.features import StoredFeatures, Tap
from headstart.core.source import Source


@dataclass(frozen=True)
class Stage:
    """A cut that users see.

    `channels` is the width of the state; `side` its spatial side length at the source's own input
    size (1 for a vector). For token sequences `side` is the side of the patch grid.
    """

    name: str
    cut: str
    channels: int
    side: int


@dataclass(frozen=True)
class Dense:
    """What a network says of every place of its items: cells of a map, or steps of a sequence."""

    values: Any
    """`[B, *places, D]`: `[B, H, W, D]` of images, `[B, T, D]` of texts and recordings, `[B, 2, T, D]` of two
    texts apart."""
    mask: Any
    """bool `[B, *places]`: whether the place belongs to the item; no pooling reads what it hides."""


@runtime_checkable
class Backbone(Protocol):
    """The contract; `headstart.testing.backbone` holds its conformance suite.

    * `tail(cut)(trunk(cut)(x))` equals `full(x)` to float tolerance at every cut;
    * `trunk` and `tail` share the parameters of `module`, they are not copies;
    * a batch is prepared as `headstart.modalities` does it for `source.input`: images are uint8
      `[B, 3, H, W]`, texts int32 `[B, channels, T]` (tokens, mask, types), recordings float32 `[B, channels,
      T]` (bands or samples, mask); `normalise` turns it into the input `x`: float32 `[B, channels, H, W]`, or
      the same numbers as int64 or float32;
    * the state of texts and recordings is `[B, T, D + 1]` (`[B, 2, T, D + 1]` for two texts apart): hidden
      states, and the mask as last channel; of recordings it may have fewer steps than the input;
    * a state is read in two ways: `pool` gives one vector of an item, `dense` one of each of its places;
    * `full(x)` is the embedding state; `pool(full(x), embedding)` is `[B, width(embedding)]`;
    * `classifier`, when there is one, maps the embedding state to the source's own logits.
    """

    source: Source
    module: Any
    """The whole network up to the embedding (no classifier)."""
    classifier: Any | None
    cuts: tuple[str, ...]
    """All cuts in order of the data flow; the first is "input", the last is the embedding."""
    stages: tuple[Stage, ...]
    """In order; the last is the embedding."""

    @property
    def embedding(self) -> Tap:
        """How the source itself makes one vector of an item; a tap of the last stage."""

    @property
    def digest(self) -> str:
        """Fingerprint of the weights (embedding network and classifier)."""

    def full(self, x: Any) -> Any:
        """The embedding state of a normalised batch."""

    def trunk(self, cut: str) -> Any:
        """Module: normalised batch -> state at `cut`. Raises `UnknownName`."""

    def tail(self, cut: str) -> Any:
        """Module: state at `cut` -> embedding state. Raises `UnknownName`."""

    def states(self, x: Any, cuts: tuple[str, ...]) -> dict[str, Any]:
        """The states at several cuts from one forward pass."""

    def pool(self, state: Any, tap: Tap) -> Any:
        """State -> float tensor `[B, width(tap)]`."""

    def dense(self, state: Any, stage: str) -> Dense:
        """State at a stage -> its places. Raises `UnknownName`.

        Tokens that stand for the whole item (a class token) are no places of an image or a recording.
        """

    def width(self, tap: Tap) -> int:
        """Numbers that a tap gives of an item."""

    def taps(self) -> tuple[Tap, ...]:
        """The taps worth storing: for images grids 1, 2, 4 of each stage where the map is large enough."""

    def normalise(self, prepared: Any) -> Any:
        """A prepared batch -> the network's input."""

    def example(self, batch: int) -> Any:
        """A prepared batch without content (numpy): to build graphs and to measure time."""

    def fresh(self, seed: int) -> Backbone:
        """The same architecture with new random weights (for scratch and random-frozen)."""

    def copy(self) -> Backbone:
        """An independent copy of weights and all, to be trained."""


@runtime_checkable
class Graphed(Protocol):
    """A backbone whose network is one graph of operations, which engines may rewrite."""

    def graph(self, cuts: tuple[str, ...]) -> Any:
        """A `torch.fx.GraphModule`: normalised batch -> the states at these cuts, a tensor where there is one
        and a tuple where there are several. Its layers are those of the network."""

    def copy(self) -> Any: ...


@runtime_checkable
class Mapped(Protocol):
    """A backbone that reads whole images as maps: its `taps` are some of them, and the embedding."""

    def map_shape(self, tap: Tap) -> tuple[int, int, int]:
        """Channels, height and width of a tap that is a map."""

    def between(self, cut: str, cuts: Sequence[str]) -> Any:
        """Module: state at `cut` -> the states at later `cuts`, a tensor where there is one and a tuple where
        there are several. It shares its layers with `module`."""


class Networks(Protocol):
    """Sources by the name used in arms, and their stored features."""

    @property
    def extractor(self) -> StoredFeatures: ...

    def backbone(self, name: str) -> Backbone:
        """The network of a source."""
