"""The one split that every arm of a comparison shares: stratified, grouped, seeded, repeated when small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import numpy as np

from headstart import tasks
from headstart.core.dataset import Dataset
from headstart.core.split import Fold, Split
from headstart.data.unions import Unions
from headstart.errors import BadOption, DataError

FOLDS = 5
HOLDOUT_FROM = 20_000
"""From this many development rows on there is a single hold-out of a fifth."""
REPEATS = ((300, 10), (3_000, 3), (HOLDOUT_FROM, 1))
"""Fewer development rows than the first number: that many repeats."""
MOST_DOMAINS = 20
RARE_SHARE = 0.05
"""Rare classes that hold less than this share of the rows together do not lower the number of folds."""


def make_split(
    dataset: Dataset,
    *,
    seed: int = 0,
    groups: np.ndarray | None = None,
    holdout: float | Literal["val"] | None = None,
    by_domain: bool = False,
) -> Split:
    """Divide the labelled rows of a data set.

    Rows of the given test part are `Split.test`; all other labelled rows are the development rows (a given
    val part among them). Below 300 of those: 10 repeats of 5 stratified folds; below 3,000: 3 repeats;
    below 20,000: one, as always of masks and boxes; from there on one hold-out: the given val part, or a
    fifth. No fold parts the user's groups, exact duplicates or `groups` (int `[N]`; near-duplicates, say).
    The given test part is taken as it is, even where it shares a group with the rest: the doctor tells
    (HS406, HS404, HS402). `holdout` asks for a single hold-out: "val", or a share, which is rounded to one
    of k equal parts (1/2, 1/3, 1/4, ...), or above a half to all of them but one.

    Every fold gets its share of each class to within one item where groups allow it (of each label,
    or of each fifth of the range for regression). There are fewer folds when classes have fewer
    items. Rows of a class that lives in a single group are in every training part
    (`headstart.data.checks.findings.held_out` tells). Raises `DataError` when nothing can be held out.

    With `by_domain` each fold holds out one domain, without the classes that no other domain has; rows that
    share a group with it are in no part of that fold.
    """
    labelled = dataset.labelled
    given = dataset.split if dataset.split is not None else np.full(len(dataset), "")
    development = np.flatnonzero(labelled & (given != "test"))
    test = np.flatnonzero(labelled & (given == "test"))
    united = unite(dataset, groups)
    where = dataset.origin or dataset.name
    if not len(development):
        raise DataError(
            where, "there are no labelled items outside the test part", "label some, or give no split"
        )
    if by_domain:
        folds, names = _by_domain(dataset, development, united, where)
        kind = f"{len(folds)} folds, a domain in each"
        return Split(development, test, tuple(folds), united, seed, kind, names)
    if holdout == "val" or (holdout is None and len(development) >= HOLDOUT_FROM and (given == "val").any()):
        return _given_validation(development, test, given, united, seed=seed, where=where)
    counted = strata(dataset, development)
    classes = dataset.task is not None and tasks.for_task(dataset.task).exclusive
    free = _free(counted, united[development]) if classes else np.ones(len(development), dtype=bool)
    if len(set(united[development[free]])) < 2:
        why, remedy = "every class lies in a single group", "give each class items of at least two groups"
        if len(set(united[development])) == 1:
            group = group_of(dataset, development)
            those = f"a single group ({group})" if group else "a single group of copies"
            why, remedy = f"all {len(development):,} of them lie in {those}", "add items of a second group"
            if len(development) == 1:
                why, remedy = "it is the only one with a label", "label more of them"
        raise DataError(where, f"no item can be held out: {why}", remedy)
    most = None if dataset.task is None else tasks.for_task(dataset.task).most_repeats
    folds, kind = _folds(
        development, counted, united, free, seed=seed, holdout=holdout, classes=classes, most=most
    )
    return Split(development, test, tuple(folds), united, seed, kind)


def unite(dataset: Dataset, groups: np.ndarray | None = None) -> np.ndarray:
    """int64 `[N]`: the user's groups, exact duplicates and `groups` in one; numbered by first row."""
    unions = Unions(len(dataset))
    unions.join_equal(dataset.digests())
    for column in (dataset.groups, groups):
        if column is not None:
            if len(column) != len(dataset):
                raise BadOption(
                    "groups", f"{len(column)} numbers", f"one for each of the {len(dataset)} items"
                )
            unions.join_equal(np.asarray(column).tolist())
    return unions.numbers()


def _by_domain(
    dataset: Dataset, development: np.ndarray, united: np.ndarray, where: str
) -> tuple[list[Fold], tuple[str, ...]]:
    """The folds, and the domain that each holds out. Raises `DataError` for domains that cannot be."""
    of_row = np.full(len(development), -1) if dataset.domains is None else dataset.domains[development]
    numbers = np.unique(of_row[of_row >= 0]).tolist()
    names = tuple(dataset.domain_names[number] for number in numbers)
    remedy = "name a column of two or more with domain (--domain), or leave split out"
    if len(names) < 2:
        found = f"all labelled items are of the domain {names[0]!r}" if names else "no domains are known"
        raise DataError(where, f"no domain can be held out: {found}", remedy)
    if len(names) > MOST_DOMAINS:
        problem = f"{len(names):,} domains are too many to hold each out (at most {MOST_DOMAINS})"
        raise DataError(where, problem, "name their column with group_column (--group-column) instead")
    assert dataset.task is not None
    classes = tasks.for_task(dataset.task).exclusive
    label = np.array([labels[0] for labels in strata(dataset, development)]) if classes else of_row * 0
    folds = []
    for number, name in zip(numbers, names, strict=True):
        inside = of_row == number
        train = ~inside & ~np.isin(united[development], united[development[inside]])
        held = inside & np.isin(label, label[train])
        if not held.any() or len(np.unique(label[train])) < (2 if classes else 1):
            left = "no item" if not train.any() else "no class of its own" if not held.any() else "one class"
            problem = f"holding out the domain {name!r} leaves {left} to learn from in the others"
            raise DataError(where, problem, "give each domain items of two classes, or leave split out")
        folds.append(Fold(0, development[train], development[held]))
    return folds, names


def _given_validation(
    development: np.ndarray, test: np.ndarray, given: np.ndarray, united: np.ndarray, *, seed: int, where: str
) -> Split:
    """One fold whose test part is the given val part. Training rows that share its groups are left out."""
    held = development[given[development] == "val"]
    train = development[(given[development] != "val") & ~np.isin(united[development], united[held])]
    if not len(held) or not len(train):
        raise DataError(where, "there is no labelled val part beside the training part", "leave holdout out")
    kind = "the given validation part"
    return Split(development, test, (Fold(0, train, held),), united, seed, kind)


def _folds(
    development: np.ndarray,
    strata: list[list[int]],
    united: np.ndarray,
    free: np.ndarray,
    *,
    seed: int,
    holdout: float | str | None,
    classes: bool,
    most: int | None,
) -> tuple[list[Fold], str]:
    groups = united[development]
    share = holdout if isinstance(holdout, float) else None
    if holdout is not None and (share is None or not 0 < share < 1):
        raise BadOption("holdout", holdout, 'a share between 0 and 1, or "val"')
    if share is None and len(development) >= HOLDOUT_FROM:
        share = 1 / FOLDS
    count = max(2, round(1 / min(share, 1 - share))) if share is not None else FOLDS
    if share is None and classes:
        count = min(count, _fewest(strata, groups, free))
    count = min(count, len(set(groups[free])))
    repeats = 1 if share is not None else next(r for limit, r in REPEATS if len(development) < limit)
    repeats = repeats if most is None else min(repeats, most)
    folds = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        place = _deal(strata, groups, free, count, rng, classes=classes)
        if share is not None and share > 0.5:  # hold out all parts but one
            place = np.where(place >= 0, (place > 0).astype(np.int64) ^ 1, -1)
        for fold in range(1 if share is not None else count):
            held = place == fold
            folds.append(Fold(repeat, development[~held], development[held]))
    if share is not None:
        return folds, f"one hold-out of {len(folds[0].test):,} of {len(development):,} items"
    times = f"{repeats} repeats of {count}" if repeats > 1 else f"{count}"
    return folds, f"{times} stratified folds"


def group_of(dataset: Dataset, rows: np.ndarray) -> str:
    """The group in which all of some rows are, as it was written, or as its number; empty where there is
    none."""
    if dataset.groups is None or len(numbers := np.unique(dataset.groups[rows])) != 1:
        return ""
    number = int(numbers[0])
    return repr(dataset.group_names[number] if number < len(dataset.group_names) else number)


def strata(dataset: Dataset, rows: np.ndarray) -> list[list[int]]:
    """For each row the strata it counts in: its class, its labels (and -1, as every row), or its fifth of the
    range."""
    assert dataset.task is not None
    parts = max(1, min(FOLDS, len(rows) // FOLDS))
    return tasks.for_task(dataset.task).strata(dataset.targets[rows], parts)


def _free(strata: list[list[int]], groups: np.ndarray) -> np.ndarray:
    """bool: rows that may be held out; not those of a class with one group, nor who share its group."""
    of_class: dict[int, set[int]] = {}
    for labels, group in zip(strata, groups.tolist(), strict=True):
        of_class.setdefault(labels[0], set()).add(group)
    pinned = {group for held in of_class.values() if len(held) == 1 for group in held}
    return np.array([group not in pinned for group in groups.tolist()], dtype=bool)


def _fewest(strata: list[list[int]], groups: np.ndarray, free: np.ndarray) -> int:
    """Groups of the smallest class that counts: the rarest few, if they are few rows, do not."""
    rows = np.flatnonzero(free).tolist()
    sizes = Counter(strata[i][0] for i in rows)
    of_class: dict[int, set[int]] = {}
    for i in rows:
        of_class.setdefault(strata[i][0], set()).add(int(groups[i]))
    passed = 0
    for label in sorted(of_class, key=lambda c: len(of_class[c])):
        passed += sizes[label]
        if passed > RARE_SHARE * len(rows):
            return max(2, len(of_class[label]))
    return FOLDS


def _deal(
    strata: list[list[int]],
    groups: np.ndarray,
    free: np.ndarray,
    count: int,
    rng: np.random.Generator,
    *,
    classes: bool,
) -> np.ndarray:
    """int64: the fold of each row, -1 for pinned ones.

    Groups are dealt one after the other, large ones first, each to the fold that is furthest behind
    in the group's own strata, then in size. Single rows of one stratum thus differ by at most one
    between folds. The last group of a class does not join all the others of it in one fold, whose model
    would never see that class; where no fold is left for it, it is pinned.
    """
    members: dict[int, list[int]] = {}
    for row in np.flatnonzero(free).tolist():
        members.setdefault(int(groups[row]), []).append(row)
    totals = Counter(label for rows in members.values() for row in rows for label in strata[row])
    content = {g: Counter(label for row in rows for label in strata[row]) for g, rows in members.items()}
    turn = {label: i for i, label in enumerate(rng.permutation(sorted(totals)).tolist())}
    order = rng.permutation(sorted(members)).tolist()
    rarest = {g: min(content[g], key=lambda label: (totals[label], turn[label])) for g in order}
    order.sort(key=lambda g: (-len(members[g]), totals[rarest[g]], turn[rarest[g]]))
    filled = {label: np.zeros(count) for label in totals}
    sizes = np.zeros(count)
    luck = rng.permutation(count)
    place = np.full(len(groups), -1, dtype=np.int64)
    lone = _Lone(content, {strata[row][0] for row in np.flatnonzero(~free).tolist()}) if classes else None
    for group in order:
        barred = lone.barred(group) if lone is not None else set()
        if len(barred) == count:
            continue
        cost = np.zeros(count)
        for label, number in content[group].items():
            # growth of the squared distance from an even share, rare strata weighing more
            behind = filled[label] - totals[label] / count
            cost += number * (2 * behind + number) / totals[label]
        cost[list(barred)] = np.inf
        fold = int(np.lexsort((luck, sizes, np.round(cost, 9)))[0])
        if lone is not None:
            lone.put(group, fold)
        for label, number in content[group].items():
            filled[label][fold] += number
        sizes[fold] += len(members[group])
        place[members[group]] = fold
    return place


class _Lone:
    """Keeps the groups of a class from ending up in one fold."""

    def __init__(self, content: Mapping[int, Mapping[int, int]], always_seen: set[int]) -> None:
        self._content = {group: set(labels) - always_seen for group, labels in content.items()}
        self._left = Counter(label for labels in self._content.values() for label in labels)
        self._folds: dict[int, set[int]] = {}

    def barred(self, group: int) -> set[int]:
        """Folds in which the group would complete a class that no other fold has."""
        last = [label for label in self._content[group] if self._left[label] == 1]
        return {next(iter(folds)) for label in last if len(folds := self._folds.get(label, set())) == 1}

    def put(self, group: int, fold: int) -> None:
        for label in self._content[group]:
            self._left[label] -= 1
            self._folds.setdefault(label, set()).add(fold)
