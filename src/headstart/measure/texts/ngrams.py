"""BLEU and chrF of a corpus, with one reference an item, as sacreBLEU computes them by default.

BLEU: Papineni et al., ACL 2002, up to 4 words, tokens "13a", case kept, exponential smoothing. chrF2:
Popović, WMT 2015, up to 6 characters without blanks. Both are fractions here, where sacreBLEU gives percent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

WORDS, CHARACTERS = 4, 6
"""Longest n-grams."""
BETA = 2.0
"""How much more recall counts than precision in chrF."""
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_SPLITS = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


@lru_cache(100_000)
def tokens(text: str) -> tuple[str, ...]:
    """Words and signs, as mteval-v13a parts them."""
    found = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for written, sign in _ENTITIES:
        found = found.replace(written, sign)
    found = f" {found} "
    for pattern, parted in _SPLITS:
        found = pattern.sub(parted, found)
    return tuple(found.split())


def grams(signs: Sequence[str], length: int) -> Counter[Sequence[str]]:
    """How often each run of so many occurs."""
    return Counter(signs[at : at + length] for at in range(len(signs) - length + 1))


@lru_cache(100_000)
def bleu_counts(wanted: str, said: str) -> tuple[int, ...]:
    """Per order the n-grams that are right, per order all that were said; tokens said, tokens wanted."""
    one, other = tokens(wanted), tokens(said)
    right, every = [], []
    for length in range(1, WORDS + 1):
        ours = grams(other, length)
        right.append((ours & grams(one, length)).total())
        every.append(ours.total())
    return (*right, *every, len(other), len(one))


def bleu(counts: np.ndarray) -> np.ndarray:
    """float64 `[B]` from summed counts `[B, 10]`."""
    right, every, said, wanted = counts[:, :WORDS], counts[:, WORDS : 2 * WORDS], counts[:, -2], counts[:, -1]
    misses = np.cumsum((right == 0) & (every > 0), axis=1)
    smoothed = np.where(right > 0, right, 0.5**misses)
    there = (every > 0).all(axis=1) & (right > 0).any(axis=1)
    precisions = np.divide(smoothed, every, out=np.ones_like(smoothed), where=every > 0)
    brevity = np.exp(np.minimum(0.0, 1.0 - wanted / np.maximum(said, 1e-9)))
    return np.where(there, brevity * np.exp(np.log(precisions).mean(axis=1)), 0.0)


@lru_cache(100_000)
def chrf_counts(wanted: str, said: str) -> tuple[int, ...]:
    """Per order the n-grams said (0 where none was wanted), wanted, and right."""
    one, other = "".join(wanted.split()), "".join(said.split())
    found: list[int] = []
    for length in range(1, CHARACTERS + 1):
        theirs, ours = grams(one, length), grams(other, length)
        found += [ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()]
    return tuple(found)


def chrf(counts: np.ndarray) -> np.ndarray:
    """float64 `[B]` from summed counts `[B, 18]`."""
    said, wanted, right = (counts[:, part::3] for part in range(3))
    there = (said > 0) & (wanted > 0)
    orders = np.maximum(there.sum(axis=1), 1)
    precision, recall = (
        np.divide(right, part, out=np.zeros_like(right, np.float64), where=there).sum(axis=1) / orders
        for part in (said, wanted)
    )
    below = BETA**2 * precision + recall
    return np.divide((1 + BETA**2) * precision * recall, below, out=np.zeros_like(below), where=below > 0)


@lru_cache(100_000)
def repeated(said: str) -> tuple[int, int]:
    """(runs of 4 words that the text has had before, all of them)."""
    words = tuple(said.split())
    found = grams(words, 4)
    return found.total() - len(found), found.total()
