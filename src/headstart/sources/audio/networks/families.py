"""What differs between families of encoders: what stands before their layers, and what those are given.

A network's own layers are run as they are, one after the other; what stands before them is written out here,
because it is there that a recording's end must not be seen: convolutions read zeros behind it, as they do
where a recording is alone, and attention does not see what fills up a batch.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.modalities.audio.preprocessing import AST as AST_RECIPE
from headstart.modalities.audio.preprocessing import MEL, WAVES, WHISPER, AudioPreprocessing

HIDDEN = -1e4
"""Added to what attention compares where nothing is to be seen; half precision still holds it."""
Masked = tuple[Tensor, Tensor]
"""States `[B, T, D]`, and their mask `[B, T]`."""


class Family(ABC):
    """The contract: a window of recordings -> the states before the first layer, and what layers need."""

    LAYERS = "layers"
    """Path of the list of layers."""
    CLOSING: tuple[str, ...] = ()
    """Paths of the modules after the last layer, where all such networks have the same."""
    SPECIAL = 0
    """States before those of the frames, such as class tokens."""
    KWARGS: Mapping[str, Any] = {}
    """Arguments of a configuration that do without what only other uses of the network need."""
    UNUSED = re.compile(r"(?!)")
    """Tensors of a file that an encoder has no use for."""

    def least(self, network: Any) -> int:
        """Frames of which one state can be made."""
        del network
        return 1

    def fill(self, contract: AudioPreprocessing) -> float:
        """What values are where a recording has ended."""
        del contract
        return 0.0

    @abstractmethod
    def misfit(self, config: Any, contract: AudioPreprocessing) -> str:
        """What a network cannot read of recordings as they are prepared, in words; "" where it fits."""

    def closing(self, network: Any) -> tuple[str, ...]:
        """Paths of the modules after the last layer."""
        del network
        return self.CLOSING

    @abstractmethod
    def steps(self, network: Any, frames: int) -> int:
        """States of a window of so many frames."""

    @abstractmethod
    def stem(self, network: Any, values: Tensor, mask: Tensor) -> Masked:
        """Frames `[B, C, T]`, their mask `[B, T]` -> states before the first layer.

        What the mask hides is `fill` in `values`; there are at least `least` frames.
        """

    def given(self, network: Any, hidden: Tensor, mask: Tensor) -> dict[str, Any]:
        """What every layer is given besides its states."""
        del network
        return {"attention_mask": attention(mask, hidden.dtype)}

    def close(self, network: Any, hidden: Tensor) -> Tensor:
        """What comes after the last layer."""
        for path in self.closing(network):
            hidden = network.get_submodule(path)(hidden)
        return hidden

    def width(self, network: Any, piece: int) -> int:
        """Width of the states behind a piece; 0 is what comes before the first layer."""
        del piece
        return int(network.config.hidden_size)


def partly(mask: Tensor) -> Tensor | None:
    """The mask; None where everything is seen."""
    return None if not torch.compiler.is_compiling() and bool((mask > 0).all()) else mask


def attention(mask: Tensor, dtype: torch.dtype) -> Tensor | None:
    """`[B, T]` -> `[B, 1, 1, T]`, added to what attention compares; None where everything is seen."""
    if partly(mask) is None:
        return None
    hidden = torch.zeros_like(mask, dtype=dtype).masked_fill(mask == 0, torch.finfo(dtype).min)
    return hidden[:, None, None]


def seen_by(mask: Tensor, size: int, step: int) -> Tensor:
    """The mask of windows of `size` that begin every `step`, none of them padded: those wholly inside count.

    `[B, T]` -> `[B, 1 + (T - size) // step]`. Where a recording is shorter than one the first counts.
    """
    found = mask[:, size - 1 :: step]
    return torch.cat([torch.maximum(found[:, :1], mask[:, :1]), found[:, 1:]], 1)


class Whisper(Family):
    """Radford et al., ICML 2023: two convolutions, the second with stride 2, and a table of positions.

    Its table is as long as 30 seconds; a shorter recording takes the first of them, so that what would fill
    it up is not computed.
    """

    KWARGS: Mapping[str, Any] = {
        "decoder_layers": 0, "vocab_size": 1, "max_target_positions": 1, "pad_token_id": 0, "bos_token_id": 0,
        "eos_token_id": 0, "decoder_start_token_id": 0, "suppress_tokens": None,
        "begin_suppress_tokens": None, "forced_decoder_ids": None, "apply_spec_augment": False,
    }  # fmt: skip
    UNUSED = re.compile(r"(^|\.)(decoder|proj_out)\.")
    CLOSING = ("layer_norm",)

    def misfit(self, config: Any, contract: AudioPreprocessing) -> str:
        return _compared(
            contract, recipe=(WHISPER,), mels=config.num_mel_bins, window=2 * config.max_source_positions
        )

    def steps(self, network: Any, frames: int) -> int:  # noqa: ARG002
        return (frames + 1) // 2

    def stem(self, network: Any, values: Tensor, mask: Tensor) -> Masked:
        hidden = functional.gelu(network.conv1(values)) * mask[:, None]
        hidden = functional.gelu(network.conv2(hidden)).transpose(1, 2)
        return hidden + network.embed_positions.weight[: hidden.shape[1]], mask[:, ::2]


class Wav2Vec2(Family):
    """Baevski et al., NeurIPS 2020, and with it HuBERT: convolutions on samples, one on their states as
    positions."""

    LAYERS = "encoder.layers"
    KWARGS: Mapping[str, Any] = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "add_adapter": False}

    def misfit(self, config: Any, contract: AudioPreprocessing) -> str:  # noqa: ARG002
        return _compared(contract, recipe=WAVES)

    def least(self, network: Any) -> int:
        config, found = network.config, 1
        for kernel, stride in zip(config.conv_kernel[::-1], config.conv_stride[::-1], strict=True):
            found = (found - 1) * stride + kernel
        return int(found)

    def closing(self, network: Any) -> tuple[str, ...]:
        return ("encoder.layer_norm",) if network.config.do_stable_layer_norm else ()

    def steps(self, network: Any, frames: int) -> int:
        for kernel, stride in zip(network.config.conv_kernel, network.config.conv_stride, strict=True):
            frames = max(1, (frames - kernel) // stride + 1)
        return frames

    def stem(self, network: Any, values: Tensor, mask: Tensor) -> Masked:
        hidden = values
        for conv in network.feature_extractor.conv_layers:
            mask = seen_by(mask, conv.conv.kernel_size[0], conv.conv.stride[0])
            norm = getattr(conv, "layer_norm", None)
            if isinstance(norm, nn.GroupNorm):
                hidden = conv.activation(_group_norm(norm, conv.conv(hidden), mask))
            else:
                hidden = conv(hidden)
        hidden = first_of(network.feature_projection(hidden.transpose(1, 2))) * mask[..., None]
        encoder = network.encoder
        hidden = hidden + encoder.pos_conv_embed(hidden)
        if not network.config.do_stable_layer_norm:
            hidden = encoder.layer_norm(hidden)
        return encoder.dropout(hidden), mask


class WavLM(Wav2Vec2):
    """Chen et al., IEEE J-STSP 2022: besides, all layers add the first one's bias of relative positions."""

    def given(self, network: Any, hidden: Tensor, mask: Tensor) -> dict[str, Any]:
        own = network.encoder.layers[0].attention
        count, length = hidden.shape[:2]
        bias = own.compute_bias(length, length).repeat(count, 1, 1)  # [B * heads, T, T]
        if attention(mask, bias.dtype) is not None:
            # its layers mix a mask of truth values with a bias of floats, which torch is to refuse; what
            # they multiply the bias with lies above 0
            bias = bias + torch.where(mask > 0, 0.0, HIDDEN).repeat_interleave(own.num_heads, 0)[:, None]
        return {"attention_mask": None, "position_bias": bias}


class AST(Family):
    """Gong et al., Interspeech 2021: patches of a spectrogram of 1,024 frames, each with a position.

    The patches of a moment stand side by side, moment after moment, so that the end of a recording is the end
    of its states; a shorter one takes the positions of its own patches.
    """

    SPECIAL = 2
    CLOSING = ("layernorm",)

    def least(self, network: Any) -> int:
        return int(network.config.patch_size)

    def fill(self, contract: AudioPreprocessing) -> float:
        return -contract.mean / (2 * contract.std)

    def misfit(self, config: Any, contract: AudioPreprocessing) -> str:
        return _compared(contract, recipe=(AST_RECIPE,), mels=config.num_mel_bins, window=config.max_length)

    def steps(self, network: Any, frames: int) -> int:
        bands, moments = self._grid(network.config, frames)
        return self.SPECIAL + bands * moments

    def stem(self, network: Any, values: Tensor, mask: Tensor) -> Masked:
        config, own = network.config, network.embeddings
        patches = own.patch_embeddings.projection(values[:, None])  # [B, D, bands, moments]
        bands, moments = patches.shape[2:]
        table = own.position_embeddings[0, self.SPECIAL :].reshape(bands, -1, patches.shape[1])
        patches = patches.permute(0, 3, 2, 1) + table[:, :moments].transpose(0, 1)  # [B, moments, bands, D]
        special = torch.cat([own.cls_token, own.distillation_token], 1)  # [1, 2, D]
        special = special + own.position_embeddings[:, : self.SPECIAL]
        hidden = torch.cat([special.expand(values.shape[0], -1, -1), patches.flatten(1, 2)], 1)
        inside = seen_by(mask, config.patch_size, config.time_stride).repeat_interleave(bands, 1)
        return own.dropout(hidden), torch.cat([mask[:, :1].expand(-1, self.SPECIAL), inside], 1)

    @staticmethod
    def _grid(config: Any, frames: int) -> tuple[int, int]:
        bands = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
        return bands, max(1, (frames - config.patch_size) // config.time_stride + 1)


class Recurrent(Family):
    """A stack of LSTMs and a linear layer: what Resemblyzer's voices are told apart by.

    Every frame has a state, which knows those before it alone.
    """

    CLOSING = ("linear",)

    def misfit(self, config: Any, contract: AudioPreprocessing) -> str:
        return _compared(contract, recipe=(MEL,), mels=config.channels)

    def steps(self, network: Any, frames: int) -> int:  # noqa: ARG002
        return frames

    def stem(self, network: Any, values: Tensor, mask: Tensor) -> Masked:  # noqa: ARG002
        return values.transpose(1, 2), mask

    def given(self, network: Any, hidden: Tensor, mask: Tensor) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def close(self, network: Any, hidden: Tensor) -> Tensor:
        found: Tensor = network.linear(hidden).relu()
        return found

    def width(self, network: Any, piece: int) -> int:
        if piece == len(network.layers):
            return int(network.linear.out_features)
        return int(network.layers[piece].input_size)


class Convolutional(Family):
    """A small residual network that has learnt from sounds made by formulas."""

    def misfit(self, config: Any, contract: AudioPreprocessing) -> str:
        return _compared(contract, recipe=(WHISPER,), mels=config.bands)

    def steps(self, network: Any, frames: int) -> int:  # noqa: ARG002
        return (frames + 3) // 4

    def stem(self, network: Any, values: Tensor, mask: Tensor) -> Masked:
        return network.stem(values, partly(mask)), mask[:, ::4]

    def given(self, network: Any, hidden: Tensor, mask: Tensor) -> dict[str, Any]:  # noqa: ARG002
        return {"mask": partly(mask)}

    def width(self, network: Any, piece: int) -> int:
        return int(network.width(piece))


def _group_norm(norm: nn.GroupNorm, hidden: Tensor, mask: Tensor) -> Tensor:
    """Every channel of `[B, D, T]` by itself, over the frames that the mask `[B, T]` shows."""
    seen = mask[:, None]
    count = seen.sum(-1, keepdim=True).clamp(min=1)
    mean = (hidden * seen).sum(-1, keepdim=True) / count
    varied = (((hidden - mean) ** 2) * seen).sum(-1, keepdim=True) / count
    return (hidden - mean) * torch.rsqrt(varied + norm.eps) * norm.weight[:, None] + norm.bias[:, None]


def _compared(
    contract: AudioPreprocessing,
    *,
    recipe: tuple[str, ...],
    mels: int | None = None,
    window: int | None = None,
) -> str:
    if contract.recipe not in recipe:
        return (
            f"recordings are prepared as {contract.recipe!r}, and it reads {' or '.join(map(repr, recipe))}"
        )
    if mels is not None and contract.mels != mels:
        return f"recordings are prepared with {contract.mels:,} bands, and it reads {mels:,}"
    if window is not None and contract.window != window:
        return f"recordings are prepared in windows of {contract.window:,} frames, and it reads {window:,}"
    return ""


def first_of(found: Any) -> Tensor:
    """What a layer gives, where it gives more than its states."""
    first: Tensor = found[0] if isinstance(found, tuple) else found
    return first


FAMILIES: Mapping[str, Family] = {
    "whisper": Whisper(),
    "wav2vec2": Wav2Vec2(),
    "hubert": Wav2Vec2(),
    "wavlm": WavLM(),
    "audio-spectrogram-transformer": AST(),
    "recurrent": Recurrent(),
    "sound-resnet": Convolutional(),
}
"""The name of an architecture -> its family."""
