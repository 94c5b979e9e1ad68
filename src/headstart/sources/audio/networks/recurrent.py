"""A stack of recurrent layers, as a list of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from torch import nn

from headstart.errors import SourceError

LIBRARY, ARCH = "headstart", "recurrent"


class Stack(nn.Module):
    """LSTMs one after the other, and a linear layer: `[B, T, channels]` -> `[B, T, width]`.

    It is run layer by layer, see `headstart.sources.audio.networks.families.Recurrent`.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(channels=channels)
        ins = (channels, *widths)
        self.layers = nn.ModuleList(
            nn.LSTM(ins[number], wide, batch_first=True) for number, wide in enumerate(widths)
        )
        self.linear = nn.Linear(ins[-1], width)


def build(architecture: Mapping[str, Any]) -> Stack:
    """With random weights, in eval mode. Draws from torch's global generator. Raises `SourceError`."""
    said = architecture.get("kwargs") or {}
    try:
        channels, width = int(said["channels"]), int(said["width"])
        widths = tuple(int(wide) for wide in said["widths"])
        if not widths or min(channels, width, *widths) < 1:
            raise ValueError("widths from 1")
    except (KeyError, TypeError, ValueError) as error:
        problem = f"its channels, widths and width cannot be used ({error})"
        raise SourceError(f"{LIBRARY}/{ARCH}", problem) from error
    return Stack(channels, widths, width).eval()
