"""Texts as weighted words: the vocabulary, its weights, and rows of numbers for a linear model.

TF-IDF as scikit-learn's `TfidfVectorizer` has it with words and pairs of words, sublinear counts, smooth
inverse document frequencies and rows of length 1. The network of kind "words" computes the same numbers from
prepared texts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from headstart.modalities.text import Text
from headstart.modalities.text.encoding.words import WordEncoder, longest_first
from headstart.modalities.text.preprocessing import TextPreprocessing

NGRAMS = 2
MOST_ENTRIES = 50_000
"""Entries of the vocabulary: those in most texts, of equals the first in the alphabet."""
MOST_TOKENS = 20_000
"""Entries of a text (or pair) that are read."""
NOTHING = " "
"""The one entry where no text holds a word: it never occurs."""
OVERLAP = 3
"""Features of a pair besides its words, see `overlap`."""


@dataclass(frozen=True)
class Words:
    """A vocabulary with its weights, from the texts of some rows."""

    encoder: WordEncoder
    idf: np.ndarray = field(repr=False)
    """float64 `[V]`: ln((1 + n) / (1 + texts with the entry)) + 1."""
    pairs: bool = False

    @classmethod
    def of(cls, texts: Sequence[Text], *, pairs: bool) -> Words:
        """The entries of all texts; of a pair each text counts as one."""
        splitter = WordEncoder((), ngrams=NGRAMS)
        found: Counter[str] = Counter()
        count = 0
        for text in texts:
            for part in text.parts:
                found.update(set(splitter.entries(part)))
                count += 1
        kept = sorted(found, key=lambda entry: (-found[entry], entry))[:MOST_ENTRIES]
        words = tuple(sorted(kept)) or (NOTHING,)
        idf = np.array([math.log((1 + count) / (1 + found[word])) + 1 for word in words])
        return cls(WordEncoder(words, ngrams=NGRAMS), idf, pairs)

    @property
    def width(self) -> int:
        """Numbers that describe a row: the entries; of pairs twice that, and the overlap."""
        return 2 * len(self.idf) + OVERLAP if self.pairs else len(self.idf)

    @property
    def contract(self) -> TextPreprocessing:
        """How a text is prepared for the network of kind "words"."""
        return TextPreprocessing(self.encoder.to_json(), max_length=MOST_TOKENS)

    def matrix(self, texts: Sequence[Text]) -> sparse.csr_matrix:
        """float64 `[len(texts), width]`."""
        read = [self._numbers(text) for text in texts]
        counts = [self._counts(one for one, _ in read)]
        if self.pairs:
            counts.append(self._counts(two for _, two in read))
        blocks: list[sparse.csr_matrix | np.ndarray] = [self._weighted(block) for block in counts]
        if self.pairs:
            blocks.append(sparse.csr_matrix(overlap(*counts)))
        return sparse.hstack(blocks, format="csr") if len(blocks) > 1 else blocks[0]

    def _numbers(self, text: Text) -> tuple[list[int], list[int]]:
        """The entries of both texts, cut as the shipped network has them cut."""
        one = self.encoder.encode(text.first)[0]
        two = self.encoder.encode(text.second or "")[0] if self.pairs else []
        kept = longest_first(len(one), len(two), MOST_TOKENS)
        return one[: kept[0]], two[: kept[1]]

    def _counts(self, texts: Iterable[Sequence[int]]) -> sparse.csr_matrix:
        """How often each entry occurs in each text."""
        starts, columns, values = [0], [], []
        for numbers in texts:
            counted = sorted(Counter(numbers).items())
            columns += [number - 1 for number, _ in counted]
            values += [float(times) for _, times in counted]
            starts.append(len(columns))
        shape = (len(starts) - 1, len(self.idf))
        return sparse.csr_matrix(
            (np.array(values), np.array(columns, np.int64), np.array(starts, np.int64)), shape=shape
        )

    def _weighted(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Sublinear counts times idf, each row of length 1 (rows without entries stay zero)."""
        weighted = counts.copy()
        weighted.data = (1.0 + np.log(counts.data)) * self.idf[counts.indices]
        length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        return sparse.csr_matrix(sparse.diags(1.0 / np.where(length > 0, length, 1.0)) @ weighted)


def overlap(first: sparse.csr_matrix, second: sparse.csr_matrix) -> np.ndarray:
    """float64 `[N, 3]`: entries in common, as a share of those of either text, of the first, of the second.

    A linear model of words by themselves cannot see whether two texts agree.
    """
    one, two = (block.astype(bool).astype(np.float64) for block in (first, second))
    common, a, b = (np.asarray(block.sum(axis=1)).ravel() for block in (one.multiply(two), one, two))
    either = a + b - common
    return np.stack([common / np.maximum(part, 1.0) for part in (either, a, b)], axis=1)
