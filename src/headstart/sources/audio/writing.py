"""Sources of sounds that write what is said: Whisper, whose decoder reads whole windows alone.

Without the silence that fills up a window Whisper's decoder does not end: of 50 strings of spoken digits, of
about 3 seconds, tiny.en gets 23 % of the words wrong behind whole windows, and writes several times as many
as were said behind the recording's own frames. With 5 seconds of silence it still gets 68 % wrong, and where
states of whole windows are cut 4 seconds behind the recording's end 40 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from torch import Tensor, nn

from headstart.core.generator import Generator, Writing
from headstart.modalities.audio.preprocessing import audio_input
from headstart.sources.audio.networks.backbone import AudioBackbone
from headstart.sources.layers import filling
from headstart.sources.layers.generator import EncoderDecoder
from headstart.sources.text.networks import transformer

AUTO = "AutoModelForSpeechSeq2Seq"


class SoundToText(EncoderDecoder):
    """An encoder-decoder of sounds."""

    def arguments(self, prepared: Tensor) -> dict[str, Tensor]:
        return {"input_features": prepared[:, :-1].float()}

    def mask(self, prepared: Tensor) -> Tensor:
        return prepared[:, -1] > 0

    def tokens(self, text: str, most: int) -> list[int]:
        """Behind a blank, as all that Whisper has learnt from begins."""
        return super().tokens(f" {text}", most)


class WritingSounds(AudioBackbone):
    """The encoder of a source that writes; what writes is opened when it is asked for."""

    opens: Callable[[], Generator]

    def generator(self) -> Generator:
        """Opened once. Raises `SourceError`."""
        return self.opens()

    def prompted(self, names: Sequence[str]) -> Self:  # noqa: ARG002 - it is told by tokens what to do
        """Reads one whole window of each recording."""
        contract = audio_input(self.source)
        source = replace(self.source, input=replace(contract, whole=True, longest=contract.seconds))
        return self._with(source)

    @classmethod
    def around(cls, backbone: AudioBackbone, opens: Callable[[], Generator]) -> Self:
        """The same backbone, nothing is copied."""
        found = cls(backbone._network, backbone.source, backbone._plan, rebuild=backbone._rebuild)
        found.opens = opens
        return found

    def copy(self) -> Self:
        found = super().copy()
        found.opens = self.opens
        return found

    def _with(self, source: Any) -> Self:
        found = type(self)(self._network, source, self._plan, rebuild=self._rebuild, digest=self.digest)
        found.opens = self.opens
        return found


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """The whole network with random weights, in eval mode. Raises `SourceError`, `MissingExtra`."""
    return transformer.build(architecture, AUTO)


def around(network: nn.Module, architecture: Mapping[str, Any], how: Writing, tokenizer: str) -> Generator:
    """A generator of texts around a whole network."""
    place = f"layer.{transformer.configuration(architecture).encoder_layers}"
    return SoundToText(network.eval(), how, place, architecture, tokenizer, lambda: build(architecture))


def restore(
    architecture: Mapping[str, Any], tensors: Mapping[str, Any], how: Writing, tokenizer: str
) -> Generator:
    """A generator from the state of its network, tensors that are shared under one of their names. Raises
    `NetError` when they do not fit."""
    network = filling.filled_shared(lambda: build(architecture), tensors, str(architecture["arch"]))
    return around(network, architecture, how, tokenizer)
