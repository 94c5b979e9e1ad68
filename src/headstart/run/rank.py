"""Rank: every source through one pass over the labelled items, and their order. Nothing is trained."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart import sources
from headstart.core import environment
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener, ignore
from headstart.core.features import Extractor, Features, FeatureSpec
from headstart.core.source import Source
from headstart.core.split import Split
from headstart.core.strategy import Request
from headstart.core.task import Task
from headstart.data import splits
from headstart.data.checks import duplicates
from headstart.errors import BadOption, DataError, SourceError, StoreError
from headstart.measure.partition import blind_sample
from headstart.passes import near_duplicates
from headstart.passes.extractor import StoreExtractor
from headstart.ranking import scoring
from headstart.ranking.standing import Standing, standing
from headstart.run.state import resolve
from headstart.run.state.config import RunConfig
from headstart.run.state.context import why
from headstart.sources import patterns
from headstart.sources.files import fetching
from headstart.store.memo import Memo
from headstart.store.store import FeatureStore

MOST = 5_000
"""Labelled items that are looked at; an accuracy over so many is known to half a point."""
UNLIKELY = 1_000_003
"""Added to the seed by which they are drawn."""


@dataclass(frozen=True)
class Ranking:
    """Sources that were measured on the same items, best first."""

    rows: tuple[Standing, ...]
    left_out: tuple[tuple[str, str], ...]
    """(spec, reason) of sources that could not be measured."""
    task: Task
    data: str
    """What was read, in words."""
    n: int
    """Labelled items that were looked at."""
    groups: int
    """Independent ones among them: near-duplicates, and rows of one group, count once."""
    seed: int
    fingerprint: str = field(repr=False)
    """Of items, labels, groups, metric and seed: rows of rankings with the same one may be compared."""

    @property
    def best(self) -> str:
        """The spec of the first."""
        return self.rows[0].source

    def __iter__(self) -> Iterator[Standing]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_json(self) -> dict[str, Any]:
        return {
            "ranking": [row.to_json() for row in self.rows],
            "left_out": [{"source": spec, "reason": reason} for spec, reason in self.left_out],
            "metric": self.task.metric,
            "task": self.task.to_json(),
            "data": self.data,
            "n": self.n,
            "groups": self.groups,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
        }


def rank(config: RunConfig, also: Sequence[str] = (), listen: Listener = ignore) -> Ranking:
    """Measure every source of `config` on its data; `also` are further scores (`scoring.FURTHER`).

    Without sources those on this machine are taken. A source that breaks is left out with its reason, and so
    are those that a pattern finds and that are not here. Of many items `MOST` are looked at, drawn without a
    look at their labels; those of the test part never. Only features are written, to the store.

    Raises `HeadstartError` for mistakes in data, sources or options before anything is computed, and for what
    is the fault of no source.
    """
    environment.check_alone("rank")
    also = scoring.wanted(also)
    plain = tuple(spec for spec in config.sources if not patterns.is_pattern(spec))
    dataset, task, _ = resolve.read(replace(config, sources=plain), Memo(), listen)
    found, left_out = candidates(config, dataset)
    own, split = looked_at(dataset, config.seed)
    listen(Event("data", {"summary": resolve.summary(dataset, task, len(split.test))}))
    shown = f"{len(found)} to rank on {len(own):,} labelled items"
    listen(Event("sources", {"summary": shown}))

    def tell(what: str, done: int, total: int) -> None:
        listen(Event("progress", {"arm": what, "what": f"pass {what}", "done": done, "total": total}))

    extract = _Counted(StoreExtractor(FeatureStore.default(), own, progress=tell))
    pairs, folds = near_duplicates.without_source(own), None
    scored: list[scoring.Scored] = []
    for source in found:
        start, before = time.perf_counter(), extract.passes
        try:
            backbone = sources.load(source, download=config.download)
            if pairs is None:  # by the embedding of the first source that works, as in a fit
                pairs = near_duplicates.find(backbone, own, extract)
            folds = folds or _split(own, config.seed, pairs)
            request = Request(own, task, folds, extract, backbone, seed=config.seed)
            one = scoring.score(request, also)
        except (DataError, StoreError):  # no fault of the source
            raise
        except BaseException as error:
            left_out.append((source.spec, why(error)))
            listen(Event("note", {"label": "left out", "text": f"{source.spec}: {left_out[-1][1]}"}))
            continue
        weights = sum(p.numel() for p in backbone.module.parameters())
        known = replace(
            backbone.source, spec=source.spec, parameters=backbone.source.parameters or weights,
            size_bytes=backbone.source.size_bytes or 4 * weights,
        )  # fmt: skip
        spent = time.perf_counter() - start
        scored.append(replace(one, source=known, seconds=spent, passes=extract.passes - before))
    if not scored:
        raise SourceError(*left_out[0], "no source of this ranking could be used")
    assert folds is not None
    held = folds.development[scoring.held_out(folds)]
    rows = standing(task, own.targets[held], scored, groups=folds.groups[held], seed=config.seed)
    units = len(np.unique(folds.groups[held]))
    return Ranking(
        tuple(rows), tuple(left_out), task, resolve.summary(dataset, task, len(split.test)), len(held), units,
        config.seed, scored[0].items,
    )  # fmt: skip


class _Counted:
    """An extractor that adds up its passes."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor, self.passes = extractor, 0.0

    def __call__(self, backbone: Any, spec: FeatureSpec) -> Features:
        found = self._extractor(backbone, spec)
        self.passes += found.forward_passes
        return found


def candidates(config: RunConfig, dataset: Dataset) -> tuple[list[Source], list[tuple[str, str]]]:
    """(sources to measure, (spec, reason) of those that a pattern found and that are not here).

    Raises what `resolve.find_sources` does, `SourceError` for a pattern that nothing matches, and `BadOption`
    where there is nothing to rank.
    """
    specs: list[str] = []
    away: list[tuple[str, str]] = []
    for spec in config.sources:
        if not patterns.is_pattern(spec):
            specs.append(spec)
            continue
        for source in patterns.matching(spec, dataset.modality):
            if source.local or fetching.allowed(config.download):
                specs.append(source.spec)
            else:
                away.append(
                    (source.spec, "its weights are not on this machine; --download allows fetching them")
                )
    if config.sources and not specs:
        shown = ", ".join(config.sources)
        raise SourceError(
            shown,
            f"none of the {len(away)} sources that match is on this machine",
            "allow fetching them with --download",
        )
    named = resolve.find_sources(replace(config, sources=tuple(dict.fromkeys(specs))), dataset)
    if len(named) < 2:
        only = next(iter(named.values())).spec
        raise BadOption(
            "--source", only, "two sources or more, or a pattern such as timm/mobilenet*, to be ranked"
        )
    return list(named.values()), away


def looked_at(dataset: Dataset, seed: int) -> tuple[Dataset, Split]:
    """(the labelled items outside of the test part, or some of them; the split of the whole)."""
    split = splits.make_split(dataset, seed=seed)
    # who shuffled the data with this very seed would otherwise get the first classes alone
    rows = blind_sample(split, MOST, seed=seed + UNLIKELY)
    return replace(dataset.subset(rows), split=None, groups=split.groups[rows], group_names=()), split


def _split(own: Dataset, seed: int, pairs: Sequence[duplicates.Pair]) -> Split:
    """The folds that a fit on these items has: near-duplicates on one side."""
    groups = duplicates.duplicate_groups(own, list(pairs)) if pairs else None
    return splits.make_split(own, seed=seed, groups=groups)
