"""What to label next: items of an unlabelled pool, each with the reason why it is worth a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart import modalities, tasks
from headstart.core import words
from headstart.core.cells import column
from headstart.core.dataset import Dataset, Item
from headstart.core.features import FeatureSpec
from headstart.core.metric import named
from headstart.core.task import Task
from headstart.data import splits
from headstart.data.checks import duplicates
from headstart.errors import BadOption, DataError, RunError, UnknownName
from headstart.measure import selection
from headstart.passes import near_duplicates
from headstart.passes.extractor import StoreExtractor
from headstart.predict.inputs import items_of
from headstart.predict.predictor import Predictor, stream, told_unread
from headstart.predict.tiles import Tiling
from headstart.run.state.folder import read_finished
from headstart.store.store import FeatureStore
from headstart.tasks.base import Confidence, Places
from headstart.workflows.inputs.finished import best_source, data_of

FEW_LABELS = 15
"""Up to so many labels a class typical items are worth more than doubtful ones (Hacohen et al., 2022). Of
items with places or boxes, each of which shows several classes, up to so many items."""
SHOWN = 200
"""Characters of a text that are told."""
GOOD = 0.6
"""Below this score, of metrics in percent, the model does not know yet what it does not know."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    n: int = 20
    seed: int = 0
    labelled: Any = None
    """The run's data, where it is not at the place it was read from."""
    download: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of tables: `path_column`, `text_column`, `pair_column`; those of the run's data if there."""


@dataclass(frozen=True)
class Pick:
    """An item to label."""

    rank: int
    item: str
    how: str
    """ "typical", "doubtful" or "random"."""
    why: str
    text: str = ""
    """The beginning of a text; nothing for other items."""


@dataclass(frozen=True)
class Proposal:
    """What to label next, most useful first."""

    picks: tuple[Pick, ...]
    policy: str
    """How the items were chosen, in words."""
    source: str
    """Whose features were looked at."""
    pool: int
    """Readable items there were to choose from."""
    copies: int
    """Of these, near-duplicates of labelled items or of one another, which are not proposed."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(id, reason) of items that cannot be read."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        record = asdict(self)
        return {**record, "unreadable": [{"id": i, "error": reason} for i, reason in self.unreadable]}


@dataclass(frozen=True)
class Pool:
    """The unlabelled items that can be read, and what the model says of them."""

    items: tuple[Item, ...]
    predictions: np.ndarray
    """float32 `[N, K]`; object array `[N]` of glances (`tasks.base.Places`)."""
    unreadable: tuple[tuple[str, str], ...]
    unread: str = ""
    """Which items the model saw only in part, in one sentence."""


def propose(folder: Path, predictor: Predictor, inputs: Any, wanted: Wanted) -> Proposal:
    """Choose from everything `inputs` names (see `headstart.predict.inputs.items_of`).

    `folder` is that of a finished run, `predictor` its shipped model. Features are those of the run's best
    source, through the feature store. Few labels (`FEW_LABELS` a class, or a score in percent below `GOOD`),
    and numbers to predict: typical items of groups that have no label. Else items on which the model
    hesitates. About a fifth is drawn at random. Near-duplicates of labelled items, or of one another, are
    proposed once at most.

    Raises `BadOption` for n below 1, `DataError` when nothing can be read or all are copies, `RunError` when
    the run's data is gone, `SourceError` for a source that is not what it was.
    """
    if wanted.n < 1:
        raise BadOption("n", wanted.n, "at least 1")
    record = read_finished(folder)
    pool = read_pool(predictor, pool_items(predictor, inputs, wanted, record))
    whole = data_of(folder, record, wanted.labelled)
    known = whole.subset(np.flatnonzero(whole.labelled))
    task, given = predictor.model.task, known.task
    if given is None or given.kind != task.kind or not set(given.labels) <= set(task.labels):
        raise RunError(folder, "the labelled data has other labels than the run", "give the data of this run")
    name, backbone = best_source(folder, record, known, download=wanted.download)
    levels = predictor.model.input.levels
    both = Dataset("pool", known.modality, (*known.items, *pool.items), pairs=known.pairs, levels=levels)
    extract = StoreExtractor(FeatureStore.default(), both)
    pairs = near_duplicates.find(backbone, both, extract)
    tap = backbone.embedding
    rows = extract(backbone, FeatureSpec(taps=(tap,))).tap(tap)[np.arange(len(both))]
    labelled = np.arange(len(both)) < len(known)
    groups = splits.unite(both, duplicates.duplicate_groups(both, pairs) if pairs else None)
    free = selection.one_of_each(groups, labelled)
    if not free.any():
        raise DataError(
            str(folder), f"all {len(pool.items):,} readable items are copies of labelled ones", "add others"
        )
    few, policy = choose_policy(record, known, task)
    called = modalities.nouns(known.modality, pairs=known.pairs)
    room = Room(selection.prepared(rows), labelled, free, pool.predictions, task, called)
    picks = [
        Pick(rank, both.items[row].id, how, why, beginning(both, row))
        for rank, (row, how, why) in enumerate(choose(room, wanted.n, few=few, seed=wanted.seed), start=1)
    ]
    copies = len(pool.items) - int(free.sum())
    return Proposal(
        tuple(picks),
        policy,
        name,
        len(pool.items),
        copies,
        pool.unreadable,
        (*_notes(record, known, picks, wanted), *([pool.unread] if pool.unread else [])),
    )


def beginning(dataset: Dataset, row: int) -> str:
    """The first words of an item, or of both items of a pair; nothing where it is not made of words."""
    room = modalities.get(dataset.modality)
    return room.beginning(dataset.items[row].read(), SHOWN) if room.IN_WORDS else ""


def pool_items(
    predictor: Predictor, inputs: Any, wanted: Wanted, record: Mapping[str, Any]
) -> Sequence[Item]:
    """The items, from the columns that are named or else those of the run's own data. Raises `DataError`."""
    modality, known = predictor.model.input.modality, record.get("reading") or {}
    own = {name: known[name] for name in ("path_column", "text_column", "pair_column") if known.get(name)}
    try:
        return items_of(inputs, modality, **(wanted.columns or own))
    except UnknownName:
        if wanted.columns:
            raise
        return items_of(inputs, modality)


def read_pool(predictor: Predictor, items: Sequence[Item]) -> Pool:
    """Every item predicted once, without what cannot be read. Raises `DataError` when nothing is left."""
    good, said, bad, cut = [], [], [], []
    methods, tiling = tasks.for_task(predictor.model.task), Tiling.of(predictor.model, None)
    for item, found in zip(items, stream(predictor, items, tiling=tiling), strict=True):
        if found.unread:
            cut.append(found)
        if found.scores is None:
            bad.append((found.id, found.error))
        else:
            good.append(item)
            if isinstance(methods, Places):
                said.append(methods.glance(found.answer, found.scores))
            else:
                said.append(found.scores)
    if not good:
        first = f"; the first: {bad[0][0]}: {bad[0][1]}" if bad else ""
        raise DataError("the unlabelled items", f"none of {len(bad):,} can be read{first}")
    predictions = column(said) if isinstance(methods, Places) else np.stack(said)
    return Pool(tuple(good), predictions, tuple(bad), told_unread(cut, len(items)))


def choose_policy(record: Mapping[str, Any], known: Dataset, task: Task) -> tuple[bool, str]:
    """(whether labels are few, how items are chosen in words)."""
    typical = "typical items of groups without labels"
    learnt = len(known) if known.split is None else int((known.split != "test").sum())
    if isinstance(tasks.for_task(task), Places):
        few, several = learnt <= FEW_LABELS, words.count(learnt, *modalities.nouns(known.modality))
        doubted = f"enough labels to doubt ({several}): items on which the model hesitates"
        return few, f"few labels ({several}): {typical}" if few else doubted
    if not isinstance(tasks.for_task(task), Confidence):
        return True, f"numbers to predict: {typical}"
    score = next((row["score"] for row in record["answer"]["rows"] if row["shipped"]), None)
    if learnt <= FEW_LABELS * task.outputs:
        return True, f"few labels ({learnt:,} for {words.count(task.outputs, 'class', 'classes')}): {typical}"
    shown = f"{words.value(task.metric, score)} {task.metric}"
    if score is not None and named(task.metric).percent and score < GOOD:
        return True, f"a model that is often wrong ({shown}): {typical}"
    return False, f"enough labels to doubt ({learnt:,}, {shown}): items on which the model hesitates"


@dataclass(frozen=True)
class Room:
    """What is chosen from: the labelled rows first, then the pool."""

    features: np.ndarray
    """float32 `[L + N, D]`, prepared."""
    labelled: np.ndarray
    free: np.ndarray
    """bool `[L + N]`: rows that may be proposed."""
    predictions: np.ndarray
    """float32 `[N, K]`, or object array `[N]` of glances, of the pool."""
    task: Task
    nouns: tuple[str, str] = ("item", "items")
    """What one of them is called, and several."""


def choose(room: Room, n: int, *, few: bool, seed: int = 0) -> list[tuple[int, str, str]]:
    """(row, "typical", "doubtful" or "random", why) of n free rows, most useful first."""
    count = min(n, int(room.free.sum()))
    places = selection.random_places(count)
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(np.flatnonzero(room.free))[: len(places)]
    free = room.free.copy()
    free[drawn] = False
    how = "typical" if few else "doubtful"
    why: dict[int, str] = {}
    if few:
        for pick in selection.typical(room.features, room.labelled, free, count - len(places), seed=seed):
            why[pick.row] = stands_for(pick, room.nouns)
    else:
        first = len(room.labelled) - len(room.predictions)
        sure, reasons = zip(*hesitation(room.task, room.predictions), strict=True)
        margin = np.append(np.ones(first), sure)
        for row in selection.hesitant(room.features, margin, free, count - len(places), seed=seed):
            why[row] = reasons[row - first]
    ranked = selection.interleaved(list(why), [int(row) for row in drawn], places)
    check = "drawn at random: an unbiased check"
    return [(row, "random", check) if chance else (row, how, why[row]) for row, chance in ranked]


def stands_for(pick: selection.Typical, nouns: tuple[str, str]) -> str:
    """typical of a group of 41 images with no label near"""
    near_it = f"{pick.labelled:,} labelled or picked in it" if pick.labelled else "no label near"
    if pick.size == 1:
        return "unlike the others, no label near"
    return f"typical of a group of {words.count(pick.size, *nouns)} with {near_it}"


def hesitation(task: Task, predictions: np.ndarray) -> list[tuple[float, str]]:
    """(how sure the model is, why it is not) of each item of a pool."""
    methods = tasks.for_task(task)
    if isinstance(methods, Places):
        return methods.unsure(task, list(predictions))
    margin = selection.margins(predictions, exclusive=methods.exclusive)
    return [(sure, doubt(task, one)) for sure, one in zip(margin.tolist(), predictions, strict=True)]


def doubt(task: Task, probabilities: np.ndarray) -> str:
    """between cat and dog (0.48 / 0.45)"""
    if tasks.for_task(task).exclusive and len(probabilities) > 1:
        one, two = np.argsort(-probabilities, kind="stable")[:2]
        return (
            f"between {task.labels[one]} and {task.labels[two]} "
            f"({probabilities[one]:.2f} / {probabilities[two]:.2f})"
        )
    least = int(np.abs(probabilities - 0.5).argmin())
    return f"unsure about {task.labels[least]} ({probabilities[least]:.2f})"


def _notes(record: Mapping[str, Any], known: Dataset, picks: list[Pick], wanted: Wanted) -> tuple[str, ...]:
    out = []
    if len(picks) < wanted.n:
        out.append(f"only {len(picks):,} of the {wanted.n:,} items asked for are there to propose")
    before = record["split"]["development"] + record["split"]["test"]
    if len(known) != before:
        out.append(
            f"the labelled data has changed since the run ({len(known):,} labelled items instead of "
            f"{before:,}): the model has not learnt from the new ones"
        )
    return tuple(out)
