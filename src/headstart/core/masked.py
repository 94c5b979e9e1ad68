"""Where the steps of sequences, and the mask that tells which of them are there, lie in a batch.

Nothing here looks at the type of numbers: tokens and frames, inputs and states differ by their layout alone.
Arrays of numpy and tensors of torch are both meant, so that they are named `Any`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.core.backbone import Backbone
from headstart.core.source import Preprocessing


@dataclass(frozen=True)
class Layout:
    """How sequences lie in a batch."""

    rows: slice | None = None
    """Of prepared inputs `[B, channels, T]`: the channels that are masks. None: they are states
    `[B, ..., T, D + 1]`, whose last channel is the mask."""

    def masks(self, batch: Any) -> Any:
        """`[B, M, T]`: all masks of each item."""
        if self.rows is not None:
            return batch[:, self.rows]
        found = batch[..., -1]
        return found.reshape(len(found), -1, found.shape[-1])

    def cut(self, batch: Any, length: int) -> Any:
        """The first steps."""
        return batch[..., :length, :] if self.rows is None else batch[..., :length]


STATES = Layout()


def of_inputs(contract: Preprocessing) -> Layout:
    """How prepared batches of a contract for sequences lie."""
    return Layout(contract.MASKS)


def layout_at(backbone: Backbone, cut: str) -> Layout | None:
    """How sequences lie in what is stored at a cut; None for what is none."""
    contract = backbone.source.input
    if contract.max_length is None:
        return None
    return of_inputs(contract) if cut == backbone.cuts[0] else STATES


def split(state: Any) -> tuple[Any, Any]:
    """A state `[..., T, D + 1]` -> its values `[..., T, D]`, its mask `[..., T, 1]`."""
    return state[..., :-1], state[..., -1:]
