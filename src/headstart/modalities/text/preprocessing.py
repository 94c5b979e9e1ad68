"""How a source wants its texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from headstart.core import fingerprint
from headstart.core.source import Preprocessing, Signature, Source
from headstart.core.untrusted import field as in_json
from headstart.modalities.text.encoding._encode import Encoder, Words, opened
from headstart.modalities.text.encoding.words import WordEncoder

TOKENIZER = "tokenizer.json"
LONGEST = 65_536
"""Most tokens of a text that a source may read."""
CROSS_ENCODER, BI_ENCODER = "joint", "apart"
"""Two texts as one sequence with a separator between them, or as two sequences."""
POOLINGS = ("cls", "mean", "max", "last")
"""Of the states of a text's tokens: that of the first, their mean, their maximum, that of the last."""


@dataclass(frozen=True)
class TextPreprocessing(Preprocessing):
    """How a source wants its texts: its own tokenizer, its own prefix, its own pooling, never ours.

    A text becomes `prefix + text`, is cut into tokens by the encoder, its special tokens added, and
    everything beyond `max_length` tokens (special ones counted) dropped. Of a pair that is read jointly,
    the longer text is cut first.
    """

    FILES: ClassVar[tuple[str, ...]] = (TOKENIZER,)
    MASKS: ClassVar[slice] = slice(1, None, 3)

    encoder: str = field(default="", repr=False)
    """The tokenizer in JSON: that of the package `tokenizers`, or of `modalities.text.encoding.words`; "" as
    long as it is not known."""
    max_length: int = 512
    prefix: str = ""
    pairs: str = CROSS_ENCODER
    """How two texts are read: "joint" or "apart"."""
    pooling: str = "mean"
    """The source's own: one of `POOLINGS`."""
    normalize: bool = False
    """Whether the source's own embedding is scaled to length 1."""
    pad: int = 0
    """Token number that fills up short texts; attention never sees it."""

    @property
    def modality(self) -> str:
        return "text"

    @property
    def channels(self) -> int:
        """Rows of numbers that describe a text: tokens, mask, types; twice that for two texts apart."""
        return 6 if self.apart else 3

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the encoder."""
        return fingerprint.of_bytes(self.encoder.encode())

    def to_json(self) -> dict[str, Any]:
        return {"modality": "text", **asdict(self), "encoder": self.digest}

    @property
    def apart(self) -> bool:
        return self.pairs == BI_ENCODER

    @classmethod
    def audit(cls, data: Mapping[str, Any]) -> None:
        """Raises `ValueError`, `TypeError` or `KeyError` for lengths and ways to read that no source has."""
        if not 1 <= in_json(data, "max_length", int) <= LONGEST:
            raise ValueError(f"a text of {data['max_length']} tokens")
        if not 0 <= in_json(data, "pad", int) < 2**31:
            raise ValueError(f"the token number {data['pad']}")
        in_json(data, "prefix", str)
        if data["pairs"] not in (CROSS_ENCODER, BI_ENCODER) or data["pooling"] not in POOLINGS:
            raise ValueError("a way to read texts that this version does not know")

    @classmethod
    def from_json(cls, data: Mapping[str, Any], files: Mapping[str, bytes]) -> TextPreprocessing:
        """Raises `ValueError` when the tokenizer is not the one that was meant, or none; `MissingExtra`."""
        found = cls(
            encoder=files[TOKENIZER].decode("utf-8"),
            max_length=int(data["max_length"]),
            prefix=str(data["prefix"]),
            pairs=str(data["pairs"]),
            pooling=str(data["pooling"]),
            normalize=bool(data["normalize"]),
            pad=int(data["pad"]),
        )
        if found.digest != data["encoder"]:
            raise ValueError("the tokenizer's fingerprint is not that of the model")
        encoder_of(found)
        return found

    def files(self) -> dict[str, bytes]:
        return {TOKENIZER: self.encoder.encode()}

    def alone(self) -> TextPreprocessing:
        return replace(self, encoder=encoder_of(self).alone())

    def signature(self) -> Signature:
        """int32 `[N, channels, T]`"""
        return Signature("tokens", "int32", (self.channels, "T"), self.max_length)

    def wants(self) -> str:
        return f"{self.max_length} tokens"


def encoder_of(contract: TextPreprocessing) -> Encoder:
    """The contract's encoder, opened once. Raises `Damaged` (a `ValueError`) for none, `MissingExtra`."""
    return opened(contract.encoder, contract.max_length)


def text_input(source: Source) -> TextPreprocessing:
    """How a source wants its texts. Raises `TypeError` for a source of something else."""
    if not isinstance(source.input, TextPreprocessing):
        raise TypeError(f"{source.spec} reads no texts")
    return source.input


def word_list(contract: TextPreprocessing) -> WordEncoder | None:
    """The list of words of a source that has one instead of a tokenizer."""
    encoder = encoder_of(contract)
    return encoder.words if isinstance(encoder, Words) else None
