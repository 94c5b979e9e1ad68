"""ROUGE, and the exact match and F1 of answers to questions: one number for each pair of texts.

ROUGE (Lin, 2004) as F1 without stemming: equal to the package rouge-score on ASCII; letters of other scripts,
which that one drops, are kept. Answers are compared as SQuAD does (Rajpurkar et al., EMNLP 2016).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from functools import lru_cache

from headstart.measure.texts.ngrams import grams

_SIGNS = re.compile(r"[\W_]+")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@lru_cache(100_000)
def plain(text: str) -> tuple[str, ...]:
    """Words in lower case, without other signs."""
    return tuple(_SIGNS.sub(" ", text.lower()).split())


def f1(right: int, said: int, wanted: int) -> float:
    """The harmonic mean of precision and recall; 0 where nothing is right."""
    return 2 * right / (said + wanted) if right else 0.0


@lru_cache(100_000)
def rouge(wanted: str, said: str, length: int) -> float:
    """ROUGE-`length`: the n-grams that both have."""
    one, other = grams(plain(wanted), length), grams(plain(said), length)
    return f1((one & other).total(), other.total(), one.total())


@lru_cache(100_000)
def rouge_l(wanted: str, said: str) -> float:
    """ROUGE-L: the longest sequence of words that both have in this order, over the whole text."""
    one, other = plain(wanted), plain(said)
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(one)) - 1
    row = full  # a zero for each word of the sequence (Hyyrö, 2004)
    for word in other:
        match = row & places.get(word, 0)
        row = ((row + match) | (row - match)) & full
    return f1(len(one) - row.bit_count(), len(other), len(one))


@lru_cache(100_000)
def squad(text: str) -> str:
    """An answer in lower case, without punctuation and articles."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact(wanted: str, said: str) -> float:
    """1 where two answers are the same, else 0."""
    return float(squad(wanted) == squad(said))


@lru_cache(100_000)
def token_f1(wanted: str, said: str) -> float:
    """The words that two answers share; of two empty ones 1."""
    one, other = squad(wanted).split(), squad(said).split()
    if not one or not other:
        return float(one == other)
    return f1((Counter(one) & Counter(other)).total(), len(other), len(one))
