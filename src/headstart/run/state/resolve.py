"""What a run is to work on: data read and checked, sources found, the question that makes it this run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from headstart import data, modalities, sources, strategies, tasks
from headstart.core import fingerprint, metric, words
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener
from headstart.core.source import Source
from headstart.core.task import Task
from headstart.data import splits
from headstart.data.checks import doctor, domains, findings
from headstart.errors import BadOption, DataError, HeadstartError, SourceError
from headstart.passes.engines import AUTO
from headstart.predict.evaluate import align
from headstart.predict.retained import BOUND, LEAST
from headstart.run.state.config import RunConfig
from headstart.sources import patterns
from headstart.sources.files import fetching
from headstart.sources.files.weights import sha256_of
from headstart.store.memo import Memo

NOT_HERE = "its weights are not on this machine; --download allows fetching them"


def read(
    config: RunConfig,
    memo: Memo,
    listen: Listener,
    ahead: Callable[[Iterable[str]], None] = lambda _: None,
) -> tuple[Dataset, Task, findings.Report]:
    """Read and check the data. Raises `DataError` with every error at once, unless they may go.

    Before that, raises what `named` does: who is asked whether weights may be fetched need not wait twice.
    `ahead` is told the modules that will be needed, as soon as it is known what the data are.
    """
    dataset, task, report, _ = _read(config, memo, listen, ahead)
    return dataset, task, report


def with_target(
    config: RunConfig, memo: Memo, listen: Listener, ahead: Callable[[Iterable[str]], None]
) -> tuple[Dataset, Task, findings.Report, Dataset | None]:
    """The same with the target domain of the run, if it has one: its items, without labels."""
    dataset, task, report, own = _read(config, memo, listen, ahead)

    def tell(done: int, total: int) -> None:
        listen(Event("progress", {"arm": "check", "what": "the target", "done": done, "total": total}))

    return dataset, task, report, domains.target_of(config.target, config.reading, dataset, own, memo, tell)


def _read(
    config: RunConfig, memo: Memo, listen: Listener, ahead: Callable[[Iterable[str]], None]
) -> tuple[Dataset, Task, findings.Report, Dataset | None]:
    """What `read` returns, and the unlabelled domains of the data."""
    asked = named(config)
    dataset, own = domains.parted(data.load(config.data, **config.reading))
    if dataset.task is None:
        raise DataError(
            dataset.origin or dataset.name,
            next(
                (note.message for note in dataset.notes if note.code == "HS301"), "there are no labels here"
            ),
            "make one folder for each class, or name a table's label column with --label-column",
        )

    def tell(done: int, total: int) -> None:
        listen(Event("progress", {"arm": "check", "what": "reading", "done": done, "total": total}))

    ahead(sources.libraries(asked or sources.at_hand(dataset.modality)))
    report = doctor.check(dataset, memo=memo, progress=tell)
    dropped: list[str] = []
    while config.drop_bad and report.bad_rows:  # what goes may leave a class with too few items
        dataset, ids = doctor.drop_bad(dataset, report)
        dropped += ids
        report = doctor.check(dataset, memo=memo)
    report = report.with_dropped(dropped)
    if report.errors:
        remedy = "fix them"
        if report.bad_rows:
            remedy += ", or pass --drop-bad to go on without these items"
        count = words.count(len(report.errors), "error")
        raise DataError(dataset.origin or dataset.name, f"{count} in the data", remedy, report.lines("error"))
    if config.split:
        splits.make_split(dataset, seed=config.seed, by_domain=True)
    return dataset.with_levels(report.levels), judged_task(config, dataset), report, own


def retained(config: RunConfig, dataset: Dataset, task: Task) -> Dataset | None:
    """What a model that ships may not have forgotten (`predict.retained`); None where nothing is asked for.

    Raises `DataError` for items that say nothing of that, and `BadOption` for a metric of which nobody can
    say what is much.
    """
    if config.retain is None:
        return None
    if not metric.named(task.metric).percent:
        problem = f"left out: {task.metric} is no share, of which {100 * BOUND:g} points may be lost"
        raise BadOption("--retain", config.retain, problem)
    of_both = {name: said for name, said in config.reading.items() if name not in ("labels", "unlabelled")}
    other = data.load(config.retain, **of_both)
    own, name = dataset.origin or dataset.name, domains.name_of(config.retain, other)
    other = replace(other, origin=name)
    domains.same_kind((own, name), dataset, other)
    align(other, task)
    if both := set(other.digests()) & set(dataset.digests()):
        problem = f"{words.count(len(both), 'item')} of it are in {own}, too"
        raise DataError(name, problem, "give items that nothing is learnt from")
    if (known := int(other.labelled.sum())) < LEAST:
        raise DataError(name, f"{words.count(known, 'labelled item')} tell nothing", f"give {LEAST} or more")
    return other


def judged_task(config: RunConfig, dataset: Dataset) -> Task:
    """The data's task, judged by the metric asked for. Raises `BadOption` for one it does not have, and for a
    goal that it cannot reach."""
    assert dataset.task is not None
    task = dataset.task if config.metric is None else tasks.judged_by(dataset.task, config.metric)
    low, high = metric.named(task.metric).range
    if config.until is not None and not low <= config.until <= high:
        raise BadOption("--until", config.until, f"a value that {task.metric} can have: {low:g} to {high:g}")
    return task


def named(config: RunConfig) -> list[Source]:
    """The sources that are named, without what patterns stand for. Nothing is loaded.

    Raises `SourceError` for one that does not exist, and `WeightsMissing` for one that is not on this machine
    and may not be fetched.
    """
    found = [sources.find(spec) for spec in config.sources if not patterns.is_pattern(spec)]
    for source in found:
        if not source.local and not fetching.allowed(config.download):
            raise fetching.missing(source)
    return found


def expanded(config: RunConfig, modality: str) -> tuple[RunConfig, list[tuple[str, str]]]:
    """What was asked for with the sources that match in place of patterns, and (spec, reason) of those that
    match and cannot be used: they are not here, or broken.

    Raises `SourceError` for a pattern that nothing matches, and where nothing that matches can be used.
    """
    specs: list[str] = []
    left_out: list[tuple[str, str]] = []
    for spec in config.sources:
        if not patterns.is_pattern(spec):
            specs.append(spec)
            continue
        for source in patterns.matching(spec, modality, left_out):
            if source.local or fetching.allowed(config.download):
                specs.append(source.spec)
            else:
                left_out.append((source.spec, NOT_HERE))
    if config.sources and not specs:
        here = any(reason != NOT_HERE for _, reason in left_out)
        raise SourceError(
            ", ".join(config.sources),
            f"none of the {len(left_out)} sources that match can be used: {left_out[0][1]}" if here
            else f"none of the {len(left_out)} sources that match is on this machine",
            "name another" if here else "allow fetching them with --download",
        )  # fmt: skip
    return replace(config, sources=tuple(dict.fromkeys(specs))), left_out


def find_sources(config: RunConfig, dataset: Dataset, *, needed: bool = True) -> dict[str, Source]:
    """The sources of this run by the name its arms carry. Nothing is loaded.

    Pairs of texts are read by each source in two ways, jointly and apart: two sources for everything that
    follows. None where none is `needed`: arms were named that need none, or nothing is known that reads such
    items. Raises what `named` does, and `SourceError` for one that reads other data.
    """
    modality = dataset.modality
    several = modalities.nouns(modality)[1]
    found = named(config) or sources.at_hand(modality)
    wanted = config.strategies and any(strategies.facts(name).needs_source for name in config.allowed() or ())
    exist = modalities.get(modality).PRETRAINED
    if not found and not needed and not (wanted if config.strategies else exist):
        return {}
    if not found and not exist:
        raise HeadstartError(
            f"this needs a source, and none reads {several}: `headstart fit` compares what needs none"
        )
    if not found:
        raise HeadstartError(
            f"no source of {several} is on this machine: name one with --source"
            + (f", or {command}" if (command := sources.stronger(modality)) else "")
            + f"; `headstart sources --modality {modality}` lists them"
        )
    for source in found:
        if source.modality not in ("", modality):
            problem = f"it reads {modalities.nouns(source.modality)[1]}, but the data are {several}"
            raise SourceError(source.spec, problem, f"see `headstart sources --modality {modality}`")
        if source.input.apart and not dataset.pairs:
            problem = "it compares the two texts of a pair, but the data are single texts"
            raise SourceError(source.spec, problem, f"name {sources.joint(source).spec!r}")
    if dataset.pairs and not any(source.input.apart for source in found):
        found = [variant for source in found for variant in (source, sources.apart(source))]
    by_name: dict[str, Source] = {}
    for source in found:
        name = source.name if source.name not in by_name else source.spec
        by_name.setdefault(name, source)  # the same source named twice is one
    return by_name


def question(config: RunConfig, dataset: Dataset, named: Mapping[str, Source]) -> dict[str, Any]:
    """What makes two runs the same run: data, sources, seed, settings and metric. The budget does not."""
    judged = judged_task(config, dataset)
    return {
        **({} if judged == dataset.task else {"metric": judged.metric}),
        **({} if config.engine == AUTO else {"engine": config.engine}),
        **({"split": config.split, "domains": _domains(dataset)} if config.split else {}),
        **({"retain": domains.name_of(config.retain, dataset)} if config.retain is not None else {}),
        "data": dataset.fingerprint,
        "sources": [source.spec for source in named.values()],
        "weights": [weights(source) for source in named.values()],
        "seed": config.seed,
        "settings": {k: v for k, v in asdict(config.settings).items() if v is not None},
        "strategies": sorted(config.allowed() or strategies.STRATEGIES),
    }


def _domains(dataset: Dataset) -> str:
    assert dataset.domains is not None
    return fingerprint.of_parts([fingerprint.of_array(dataset.domains), *dataset.domain_names])


def weights(source: Source) -> str:
    """What tells the weights of a source from others under the same name; empty where nothing is known."""
    made_of = sources.files(source.spec)
    if not made_of:
        return source.sha256 or source.revision or ""
    return fingerprint.of_parts([sha256_of(one) for one in made_of])


def summary(dataset: Dataset, task: Task, tests: int) -> str:
    """244 images in 2 classes (121 to 123 each), 153 more kept for the test."""
    labelled = int(dataset.labelled.sum()) - tests
    noun, several = modalities.nouns(dataset.modality, pairs=dataset.pairs)
    text = f"{words.count(labelled, noun, several)} {tasks.for_task(task).about(task)}"
    text += _class_sizes(dataset, task)
    if dataset.groups is not None:
        text += f", in {words.count(len(set(dataset.groups.tolist())), 'group')} that no fold parts"
    if dataset.domains is not None:
        several = words.few(
            [repr(name) for n, name in enumerate(dataset.domain_names) if (dataset.domains == n).any()]
        )
        text += f", of the domains {several}"
    if tests:
        text += f", {tests:,} more kept for the test"
    without = len(dataset) - int(dataset.labelled.sum())
    return text + (f", {without:,} without a label" if without else "")


def _class_sizes(dataset: Dataset, task: Task) -> str:
    import numpy as np

    if not tasks.for_task(task).exclusive:
        return ""
    use = dataset.labelled
    if dataset.split is not None:
        use = use & (dataset.split != "test")
    counts = np.bincount(dataset.targets[use], minlength=task.outputs)
    low, high = int(counts.min()), int(counts.max())
    return f" ({low} each)" if low == high else f" ({low} to {high} each)"
