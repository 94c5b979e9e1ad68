"""Text sources that write character by character."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from headstart.core.generator import Generator, Writing
from headstart.modalities.text.encoding.vocabulary import vocabulary
from headstart.sources.layers.generator import Causal
from headstart.sources.text.networks import characters

BLANK = " "


class Recurrent(Causal):
    """A recurrent network of characters. Between prompt and answer it reads and writes a blank, which tables
    do not hold."""

    def tokens(self, text: str, most: int) -> list[int]:
        blank = vocabulary(self.vocabulary).ids(BLANK)
        return [*(one for one in blank if one), *super().tokens(text, most)][:most]

    def last(self) -> Sequence[nn.Module]:
        """What weighs the states of a window, and what makes characters of them."""
        network: Any = self.module
        return [network.attention, network.output]


def around(
    network: nn.Module, architecture: Mapping[str, Any], writing: Writing, tokenizer: str
) -> Generator:
    """A generator of texts around a whole network."""
    return Recurrent(
        network.eval(),
        writing,
        "input",
        architecture,
        tokenizer,
        lambda: characters.build(architecture),
    )
