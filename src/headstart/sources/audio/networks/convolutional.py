"""A small residual network on spectrograms, as a list of layers that keep every moment."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

from headstart.errors import SourceError

LIBRARY, ARCH = "headstart", "sound-resnet"


class Layer(nn.Module):
    """Two convolutions beside a shorter way; the first halves the bands."""

    def __init__(self, ins: int, outs: int, bands: int) -> None:
        super().__init__()
        self.ins, self.bands = ins, bands
        self.conv1 = nn.Conv2d(ins, outs, 3, (2, 1), 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outs)
        self.conv2 = nn.Conv2d(outs, outs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outs)
        self.side = nn.Conv2d(ins, outs, 1, bias=False)
        self.pool = nn.AvgPool2d((2, 1))
        self.norm3 = nn.BatchNorm2d(outs)

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """`[B, T, ins * bands]`, mask `[B, T]` of what is heard (None: all) -> `[B, T, outs * bands / 2]`"""
        batch, time, _ = hidden.shape
        x = hidden.reshape(batch, time, self.ins, self.bands).permute(0, 2, 3, 1)  # [B, C, F, T]
        x = heard(x, mask)
        y = heard(self.norm1(self.conv1(x)).relu(), mask)
        y = (self.norm2(self.conv2(y)) + self.norm3(self.side(self.pool(x)))).relu()
        return y.permute(0, 3, 1, 2).flatten(2)


def heard(x: Tensor, mask: Tensor | None) -> Tensor:
    """`[B, C, F, T]`, 0 where nothing is heard."""
    return x if mask is None else x * mask[:, None, None].to(x.dtype)


class SoundResNet(nn.Module):
    """`bands` mels, a quarter of the frames and half of the bands behind the stem.

    It is run layer by layer, see `headstart.sources.audio.networks.families.Convolutional`.
    """

    def __init__(self, bands: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.config = SimpleNamespace(bands=bands, widths=widths)
        first = widths[0]
        self.stem1 = nn.Conv2d(1, first, 3, 2, 1, bias=False)
        self.stemnorm1 = nn.BatchNorm2d(first)
        self.stem2 = nn.Conv2d(first, first, 3, (1, 2), 1, bias=False)
        self.stemnorm2 = nn.BatchNorm2d(first)
        self.layers = nn.ModuleList(
            Layer(widths[number], widths[number + 1], bands // 2 ** (number + 1))
            for number in range(len(widths) - 1)
        )

    def stem(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Frames `[B, bands, T]`, 0 where nothing is heard, their mask `[B, T]` (None: all is) -> states
        `[B, T / 4, D]`."""
        x = self.stemnorm1(self.stem1(values[:, None])).relu()
        x = heard(x, None if mask is None else mask[:, ::2])
        x = self.stemnorm2(self.stem2(x)).relu()
        return x.permute(0, 3, 1, 2).flatten(2)

    def width(self, piece: int) -> int:
        """Numbers of a state behind a piece; 0 is the stem."""
        return int(self.config.widths[piece] * (self.config.bands // 2 ** (piece + 1)))


def build(architecture: Mapping[str, Any]) -> SoundResNet:
    """With random weights, in eval mode. Draws from torch's global generator. Raises `SourceError`."""
    said = architecture.get("kwargs") or {}
    try:
        bands, widths = int(said["channels"]), tuple(int(wide) for wide in said["widths"])
        if len(widths) < 2 or min(widths) < 1 or bands < 1 or bands % 2 ** len(widths):
            raise ValueError(f"two widths or more, from 1, and bands that can be halved {len(widths)} times")
    except (KeyError, TypeError, ValueError) as error:
        problem = f"its channels and widths cannot be used ({error})"
        raise SourceError(f"{LIBRARY}/{ARCH}", problem) from error
    return SoundResNet(bands, widths).eval()
