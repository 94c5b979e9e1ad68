"""Rank: every source through one pass over the labelled items, and their order. Nothing is trained."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headstart import sources, tasks
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
from headstart.passes.suited import suited
from headstart.planning import seen, shortlist
from headstart.planning.shortlist import Ranked
from headstart.ranking import scoring
from headstart.ranking.evaluation import Counted, Evaluation, looked_at
from headstart.ranking.standing import Standing
from headstart.run.search import ranked
from headstart.run.set_up import check_memory
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

    Without sources those on this machine are taken. A source that breaks, or for whose weights there is no
    memory, is left out with its reason, and so are those that a pattern finds and that are not here. Of many
    items `evaluation.MOST` are looked at, drawn without a look at their labels; those of the test part never.
    With the quality "fast" more than `shortlist.KEPT` sources are first halved on fewer items, as in a fit.
    Only features are written, to the store.

    Raises `HeadstartError` for mistakes in data, sources or options before anything is computed, and for what
    is the fault of no source.
    """
    environment.check_alone("rank")
    also = scoring.wanted(also)
    dataset, task, _ = resolve.read(config, Memo(), listen)
    tasks.measurable(task, dataset.origin or dataset.name, "rank")
    found, left_out = candidates(config, dataset)
    split = splits.make_split(dataset, seed=config.seed)
    items = len(looked_at(dataset, split, config.seed))
    told = resolve.summary(dataset, task, len(split.test))
    listen(Event("data", {"summary": told}))
    listen(Event("sources", {"summary": f"{len(found)} to rank on {items:,} labelled items"}))
    reading = _Reading(config, dataset, task, split, left_out, listen)
    if config.quality == seen.FAST and len(found) > shortlist.KEPT:
        found = reading.searched(found, items)
    evaluation, scored = reading.measured(found, items, also)
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


@dataclass(frozen=True)
class _Reading:
    """Sources, read on some of the items."""

    config: RunConfig
    dataset: Dataset
    task: Task
    split: Split
    left_out: list[tuple[str, str]]
    """Grows by those that break and those that fall behind."""
    listen: Listener

    def leave_out(self, spec: str, reason: str) -> None:
        self.left_out.append((spec, reason))
        self.listen(Event("note", {"label": "left out", "text": f"{spec}: {reason}"}))

    def measured(
        self, found: Sequence[Source], items: int, also: Sequence[str] = (), *, few: bool = False
    ) -> tuple[Evaluation | None, list[scoring.Scored]]:
        """On what the sources were measured, and those that did not break."""

        def tell(what: str, done: int, total: int) -> None:
            progress = {"arm": what, "what": f"pass {what}", "done": done, "total": total}
            self.listen(Event("progress", progress))

        own, seed = looked_at(self.dataset, self.split, self.config.seed, items), self.config.seed
        store = StoreExtractor(FeatureStore.default(), own, progress=tell, engine=self.config.engine)
        extract, scored = Counted(store), []
        pairs, evaluation = near_duplicates.without_source(own), None
        for source in found:
            start, before = time.perf_counter(), extract.passes
            try:
                check_memory(source)
                backbone = suited(sources.load(source, download=self.config.download), self.dataset)
                if pairs is None:  # by the embedding of the first source that works, as in a fit
                    pairs = near_duplicates.find(backbone, own, extract)
                evaluation = evaluation or Evaluation(own, self.task, _split(own, seed, pairs), extract, seed)
                one = evaluation.measure(source, backbone, also, few=few)
            except (DataError, StoreError):  # no fault of the source
                raise
            except BaseException as error:
                self.leave_out(source.spec, why(error))
                continue
            scored.append(replace(one, seconds=time.perf_counter() - start, passes=extract.passes - before))
        return evaluation, scored

    def searched(self, found: Sequence[Source], items: int) -> list[Source]:
        """Those of the sources that are worth a pass over all items, by rounds on fewer."""
        by_spec = {source.spec: source for source in found}
        behind: dict[str, str] = {}

        def measure(specs: Sequence[str], count: int, few: bool) -> list[Ranked]:
            evaluation, scored = self.measured([by_spec[spec] for spec in specs], count, few=few)
            if evaluation is None:
                return []
            rows = evaluation.standing(scored)
            behind.update((row.source, f"on {count:,} of the items: {row.reason}") for row in rows[1:])
            return ranked(rows, scored, dict.fromkeys(by_spec, 1.0))

        costs, outputs = dict.fromkeys(by_spec, 1.0), self.task.outputs
        kept = shortlist.search(costs, items, lambda: float("inf"), measure, classes=outputs).kept
        broken = {spec for spec, _ in self.left_out}
        for spec in by_spec:
            if spec not in kept and spec not in broken:
                self.leave_out(spec, behind[spec])
        return [by_spec[spec] for spec in kept]


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
