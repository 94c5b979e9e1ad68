"""Sources of texts whose files come with a package of somebody else."""

from __future__ import annotations

from pathlib import Path

from headstart.core.source import Source
from headstart.sources.text import opening
from headstart.sources.text.files import vectors
from headstart.sources.text.networks import bag
from headstart.sources.text.networks.backbone import TextBackbone
from headstart.sources.text.networks.bag import WordBackbone


def open_sentences(source: Source, weights: Path) -> TextBackbone:
    """A model folder of sentence-transformers. Raises `SourceError`, `MissingExtra`."""
    return opening.open_folder(source, weights.parent)


def open_vectors(source: Source, numbers: Path, words: Path) -> WordBackbone:
    """Word vectors in an array, and their words in a table. Raises `SourceError`."""
    return bag.of_table(vectors.from_arrays(numbers, words, source.spec), source)
