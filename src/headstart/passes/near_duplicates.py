"""Near-duplicates: found by what texts say or by a source's features, told as findings, kept on one side."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.dataset import Dataset
from headstart.core.features import Extractor, FeatureSpec
from headstart.data.checks import doctor, duplicates, findings, text_duplicates
from headstart.data.checks.duplicates import Pair
from headstart.data.checks.findings import text_checks
from headstart.errors import SourceError, StoreError
from headstart.store.memo import Memo


def check(
    dataset: Dataset, *, source: str | None = None, progress: Callable[[int, int], None] | None = None
) -> findings.Report:
    """`doctor.check` and, where every item can be read, the near-duplicates.

    Texts need no source for that; `source` is the one that they must not be too long for, by default the
    first that is at hand. Raises `SourceError` for one that is not here, or of another modality.
    """
    room = modalities.get(dataset.modality)
    if source is not None and not room.IN_WORDS:
        raise SourceError(source, "only texts are checked for a source", "leave --source out")
    report = doctor.check(dataset, memo=Memo(), progress=progress)
    if report.errors and not room.IN_WORDS:
        return report
    among = without_source(dataset)
    if among is not None:
        report = doctor.with_near(report, dataset, among)
        return report.with_more(_too_long(dataset, source)) if room.IN_WORDS else report
    if not room.COMPARED_BY:
        return report
    dataset = dataset.with_levels(report.levels)
    from headstart import sources  # texts are checked without waiting for torch
    from headstart.passes.extractor import StoreExtractor
    from headstart.store.store import FeatureStore

    backbone = sources.load(room.COMPARED_BY)
    try:
        pairs = find(backbone, dataset, StoreExtractor(FeatureStore.default(), dataset))
    except StoreError:  # it cannot be written, or holds no more: nothing need be kept of a check
        with tempfile.TemporaryDirectory() as scratch:
            pairs = find(backbone, dataset, StoreExtractor(FeatureStore(Path(scratch)), dataset))
    return doctor.with_near(report, dataset, pairs)


def _too_long(dataset: Dataset, spec: str | None) -> list[findings.Finding]:
    from headstart import sources

    spec = spec or next((source.spec for source in sources.at_hand(dataset.modality)), None)
    if spec is None:
        return []
    source = sources.find(spec)
    if source.modality not in (dataset.modality, ""):  # of a name of the hub it is known once it is here
        problem = f"it reads {modalities.nouns(source.modality)[1]}, but the data are texts"
        raise SourceError(spec, problem, "name one of texts")
    if not source.local:
        raise SourceError(spec, "it is not on this machine", "name one that is")
    return text_checks.length_findings(dataset, source.input, source.name)


def find(backbone: Any, dataset: Dataset, extract: Extractor, *, inputs: int | None = None) -> list[Pair]:
    """Pairs of near-duplicates; the whole pass of the source is stored on the way, and so are prepared inputs
    where they are asked for (see `FeatureSpec`).

    Texts are compared by their letters, other items by the source's embedding.
    """
    features = extract(backbone, FeatureSpec(taps=backbone.taps(), inputs=inputs))
    among = without_source(dataset)
    if among is not None:
        return among
    if not duplicates.can_search(len(dataset)) or not large_enough(dataset):
        return []
    rows = features.tap(backbone.embedding)[np.arange(len(dataset))]
    return duplicates.near_duplicates(rows.astype(np.float32))


def without_source(dataset: Dataset) -> list[Pair] | None:
    """Pairs that are found without reading the items through a network, by their words or their summaries;
    None where those of a network are needed."""
    room = modalities.get(dataset.modality)
    if not room.IN_WORDS and room.COPIES_FROM is None:
        return None
    if not duplicates.can_search(len(dataset)):
        return []
    if room.COPIES_FROM is None:
        return text_duplicates.search(dataset)
    rows = [room.summary(room.open_item(item.read(), dataset.levels)) for item in dataset.items]
    return duplicates.near_duplicates(np.array(rows), threshold=room.COPIES_FROM) if rows else []


def large_enough(dataset: Dataset) -> bool:
    """Whether the items hold enough to tell a copy from a look-alike, from 32 of them."""
    some = np.linspace(0, len(dataset) - 1, min(32, len(dataset))).astype(np.int64)
    room = modalities.get(dataset.modality)
    return room.telling(room.open_item(dataset.items[row].read(), dataset.levels) for row in some)
