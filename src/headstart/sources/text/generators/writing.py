"""Text sources that write: encoder-decoders and causal networks of `transformers`, with their tokenizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from headstart.core.generator import Generator, Writing
from headstart.core.source import Source
from headstart.modalities.text.preprocessing import text_input
from headstart.sources.layers.generator import Causal, EncoderDecoder
from headstart.sources.text.networks import transformer
from headstart.sources.text.networks.backbone import TextBackbone


class TextToText(EncoderDecoder):
    """An encoder-decoder of texts."""

    def arguments(self, prepared: Tensor) -> dict[str, Tensor]:
        ids, mask, _ = prepared.long().unbind(1)
        first = torch.arange(mask.shape[1], device=mask.device) == 0
        return {"input_ids": ids, "attention_mask": mask.masked_fill(first, 1)}

    def mask(self, prepared: Tensor) -> Tensor:
        return prepared[:, 1] > 0


class WritingBackbone(TextBackbone):
    """The encoder of a source that writes, or the trunk of a causal one; what writes is opened when it is
    asked for."""

    opens: Callable[[], Generator]
    """Opens the source's files once more."""
    bare: Source
    """As it was opened: what is read before any prompt."""

    def generator(self) -> Generator:
        """Opened once, and shared by all that differ in the prompt. Raises `SourceError`."""
        return self.opens()

    def prompts(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those that its configuration has for tasks of such a name ("summarization"), each once."""
        kwargs = self.source.architecture.get("kwargs") or {}
        told = kwargs.get("task_specific_params")
        found = (
            str(own.get("prefix") or "")
            for name, own in (told.items() if isinstance(told, Mapping) else ())
            if isinstance(own, Mapping) and str(name).startswith(tuple(names) or ("?",))
        )
        return tuple(dict.fromkeys(prompt for prompt in found if prompt))

    def prompted(self, names: Sequence[str]) -> Self:
        """Behind the one prompt that its configuration has for such a task."""
        found = self.prompts(names)
        return self.behind(found[0] if len(found) == 1 else text_input(self.source).prefix)

    def behind(self, prompt: str) -> Self:
        """Causal ones leave half of their places to the answer."""
        contract = replace(text_input(self.bare), prefix=prompt)
        if not is_pair(self.source.architecture):
            contract = replace(contract, max_length=max(1, places(self._network, contract.max_length) // 2))
        if contract == self.source.input:
            return self
        source = replace(self.source, input=contract)
        found = type(self)(self._network, source, self._plan, rebuild=self._rebuild, digest=self.digest)
        return found._like(self.opens, self.bare)

    @classmethod
    def around(cls, backbone: TextBackbone, opens: Callable[[], Generator]) -> Self:
        """The same backbone, nothing is copied."""
        found = cls(backbone._network, backbone.source, backbone._plan, rebuild=backbone._rebuild)
        return found._like(opens, backbone.source)

    def copy(self) -> Self:
        return super().copy()._like(self.opens, self.bare)

    def _like(self, opens: Callable[[], Generator], bare: Source) -> Self:
        self.opens, self.bare = opens, bare
        return self


def places(network: nn.Module, most: int) -> int:
    """Tokens that a network has places for; `most` where its configuration says nothing."""
    found = getattr(network.config, "max_position_embeddings", None)
    return min(found, most) if isinstance(found, int) else most


AUTO = {True: "AutoModelForSeq2SeqLM", False: "AutoModelForCausalLM"}


def is_pair(architecture: Mapping[str, Any]) -> bool:
    """Whether a network that writes is an encoder with a decoder."""
    return bool(transformer.configuration(architecture).is_encoder_decoder)


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """The whole network with random weights, in eval mode. Raises `SourceError`, `MissingExtra`."""
    return transformer.build(architecture, AUTO[is_pair(architecture)])


def around(
    network: nn.Module, architecture: Mapping[str, Any], writing: Writing, tokenizer: str
) -> Generator:
    """A generator of texts around a whole network."""
    pair, config = is_pair(architecture), transformer.configuration(architecture)
    place = f"layer.{config.num_hidden_layers}" if pair else "input"
    kind = TextToText if pair else Causal
    return kind(network.eval(), writing, place, architecture, tokenizer, lambda: build(architecture))


def of(backbone: TextBackbone, opens: Callable[[], Generator]) -> WritingBackbone:
    """The backbone of a source that writes; nothing is copied."""
    return WritingBackbone.around(backbone, opens)
