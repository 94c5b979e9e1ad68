"""Rank: every source through one pass over the labelled items, and their order. Nothing is trained."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headstart import sources
from headstart.core import environment
from headstart.core.broken import why
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener, ignore
from headstart.core.source import Source
from headstart.core.split import Split
from headstart.core.task import Task
from headstart.data import splits
from headstart.data.checks import duplicates
from headstart.errors import BadOption, DataError, SourceError, StoreError
from headstart.passes import near_duplicates
from headstart.passes.extractor import StoreExtractor
from headstart.ranking import scoring
from headstart.ranking.evaluation import Counted, Evaluation, looked_at
from headstart.ranking.standing import Standing
from headstart.run.state import resolve
from headstart.run.state.config import RunConfig
from headstart.store.memo import Memo
from headstart.store.store import FeatureStore


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
    are those that a pattern finds and that are not here. Of many items `evaluation.MOST` are looked at, drawn
    without a look at their labels; those of the test part never. Only features are written, to the store.

    Raises `HeadstartError` for mistakes in data, sources or options before anything is computed, and for what
    is the fault of no source.
    """
    environment.check_alone("rank")
    also = scoring.wanted(also)
    dataset, task, _ = resolve.read(config, Memo(), listen)
    found, left_out = candidates(config, dataset)
    split = splits.make_split(dataset, seed=config.seed)
    own = looked_at(dataset, split, config.seed)
    told = resolve.summary(dataset, task, len(split.test))
    listen(Event("data", {"summary": told}))
    shown = f"{len(found)} to rank on {len(own):,} labelled items"
    listen(Event("sources", {"summary": shown}))

    def tell(what: str, done: int, total: int) -> None:
        listen(Event("progress", {"arm": what, "what": f"pass {what}", "done": done, "total": total}))

    extract = Counted(StoreExtractor(FeatureStore.default(), own, progress=tell, engine=config.engine))
    pairs, evaluation = near_duplicates.without_source(own), None
    scored: list[scoring.Scored] = []
    for source in found:
        start, before = time.perf_counter(), extract.passes
        try:
            backbone = sources.load(source, download=config.download)
            if pairs is None:  # by the embedding of the first source that works, as in a fit
                pairs = near_duplicates.find(backbone, own, extract)
            evaluation = evaluation or Evaluation(
                own, task, _split(own, config.seed, pairs), extract, config.seed
            )
            one = evaluation.measure(source, backbone, also)
        except (DataError, StoreError):  # no fault of the source
            raise
        except BaseException as error:
            left_out.append((source.spec, why(error)))
            listen(Event("note", {"label": "left out", "text": f"{source.spec}: {left_out[-1][1]}"}))
            continue
        scored.append(replace(one, seconds=time.perf_counter() - start, passes=extract.passes - before))
    if not scored:
        raise SourceError(*left_out[0], "no source of this ranking could be used")
    assert evaluation is not None
    return Ranking(
        tuple(evaluation.standing(scored)),
        tuple(left_out),
        task,
        told,
        len(evaluation.held),
        evaluation.units,
        config.seed,
        scored[0].items,
    )


def candidates(config: RunConfig, dataset: Dataset) -> tuple[list[Source], list[tuple[str, str]]]:
    """(sources to measure, (spec, reason) of those that a pattern found and that cannot be used).

    Raises what `resolve.expanded` and `resolve.find_sources` do, and `BadOption` where there is nothing to
    rank.
    """
    config, left_out = resolve.expanded(config, dataset.modality)
    named = resolve.find_sources(config, dataset)
    if len(named) < 2:
        only = next(iter(named.values())).spec
        raise BadOption(
            "--source", only, "two sources or more, or a pattern such as timm/mobilenet*, to be ranked"
        )
    return list(named.values()), left_out


def _split(own: Dataset, seed: int, pairs: Sequence[duplicates.Pair]) -> Split:
    """The folds that a fit on these items has: near-duplicates on one side."""
    groups = duplicates.duplicate_groups(own, list(pairs)) if pairs else None
    return splits.make_split(own, seed=seed, groups=groups)
