"""Which unlabelled items to label next: pure functions of stored features and calibrated probabilities.

With few labels, typical items of clusters that have no label yet (TypiClust: Hacohen, Dekel and Weinshall,
ICML 2022). With many, items on which the model hesitates, from different corners of the feature space.
Some are drawn at random whatever the budget: only they measure the next model without bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_CLUSTERS = 500
SMALL_CLUSTER = 5
"""Clusters of fewer items are passed over while there are larger ones: they hold what is odd, not typical."""
NEIGHBOURS = 20
WIDER = 10
"""The items of least margin that are clustered, in multiples of how many are wanted."""
RANDOM_SHARE = 0.2


@dataclass(frozen=True)
class Typical:
    """An item that stands for others."""

    row: int
    size: int
    """Items of its cluster, labelled ones among them."""
    labelled: int
    """How many of those have a label (or were picked before it)."""


def random_places(n: int) -> list[int]:
    """Places among n picks, from 0, that are drawn at random: every fifth, so each beginning has some."""
    every = round(1 / RANDOM_SHARE)
    return list(range(every // 2, n, every))


def typical(
    features: np.ndarray, labelled: np.ndarray, free: np.ndarray, n: int, *, seed: int = 0
) -> list[Typical]:
    """TypiClust: n items, each the most typical of a cluster with the fewest labels, large clusters first.

    `features` float `[N, D]` of rows of about one length; `labelled` and `free` bool `[N]`: what has a
    label, and what may be picked. There are as many clusters as labels and picks together (at most
    `MOST_CLUSTERS`). Typical is what has near neighbours: the least mean distance to the 20 nearest
    items of its cluster. Fewer than n when fewer are free.
    """
    n = min(n, int(free.sum()))
    if n < 1:
        return []
    cluster = clusters(features, min(int(labelled.sum()) + n, MOST_CLUSTERS), seed=seed)
    size = np.bincount(cluster)
    covered = np.bincount(cluster[labelled], minlength=len(size))
    left = np.bincount(cluster[free], minlength=len(size))
    order = {int(c): iter(_by_typicality(features, cluster == c, free)) for c in np.flatnonzero(left)}
    picked: list[Typical] = []
    for _ in range(n):
        open_ = np.flatnonzero(left)
        small = size[open_] < SMALL_CLUSTER
        # fewest labels, then not tiny, then large
        best = int(open_[np.lexsort((-size[open_], covered[open_], small))[0]])
        picked.append(Typical(next(order[best]), int(size[best]), int(covered[best])))
        covered[best] += 1
        left[best] -= 1
    return picked


def clusters(features: np.ndarray, k: int, *, seed: int = 0) -> np.ndarray:
    """int64 `[N]`: the k-means cluster of each row, numbered from 0; at most `k`, fewer for equal rows."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    k = max(1, min(k, len(np.unique(features, axis=0))))
    few = len(features) * k <= 500_000
    kind = KMeans if few else MiniBatchKMeans
    fitted = kind(n_clusters=k, n_init=3 if few else 1, random_state=seed).fit(features.astype(np.float32))
    return np.unique(fitted.labels_, return_inverse=True)[1].astype(np.int64)


def _by_typicality(features: np.ndarray, inside: np.ndarray, free: np.ndarray) -> list[int]:
    """The free rows of a cluster, most typical first. Memory is `[1024, rows]` distances at a time."""
    rows = np.flatnonzero(inside)
    x = features[rows].astype(np.float32)
    k = min(NEIGHBOURS, len(rows) - 1)
    if k < 1:
        return [int(row) for row in rows if free[row]]
    square = (x**2).sum(axis=1)
    far = np.empty(len(rows))
    for start in range(0, len(rows), 1024):
        block = slice(start, start + 1024)
        distance = np.sqrt(np.maximum(square[block, None] + square[None] - 2 * x[block] @ x.T, 0.0))
        # the nearest of all is the item itself
        far[block] = np.partition(distance, k, axis=1)[:, : k + 1].sum(axis=1) / k
    order = rows[np.argsort(far, kind="stable")]
    return [int(row) for row in order if free[row]]


def margins(probabilities: np.ndarray, *, exclusive: bool = True) -> np.ndarray:
    """float64 `[N]` in 0 to 1, small where the model hesitates, from probabilities `[N, K]`.

    `exclusive`: between the two most probable classes. Otherwise (several labels an item) of the label that
    is closest to one half, from which its margin is twice the distance.
    """
    p = np.asarray(probabilities, np.float64)
    if not exclusive:
        nearest: np.ndarray = 2 * np.abs(p - 0.5).min(axis=1)
        return nearest
    if p.shape[1] < 2:
        return np.ones(len(p))
    top = np.sort(p, axis=1)[:, -2:]
    gap: np.ndarray = top[:, 1] - top[:, 0]
    return gap


def hesitant(
    features: np.ndarray, margin: np.ndarray, free: np.ndarray, n: int, *, seed: int = 0
) -> list[int]:
    """n free rows of small margin that differ from one another, smallest margin first.

    The 10 n free rows of least margin are put into n clusters by k-means; the least margin of each is
    taken. Fewer than n when fewer are free.
    """
    candidates = np.flatnonzero(free)
    n = min(n, len(candidates))
    if n < 1:
        return []
    candidates = candidates[np.argsort(margin[candidates], kind="stable")][: WIDER * n]
    cluster = clusters(features[candidates], n, seed=seed)
    turn = np.zeros(len(candidates), np.int64)
    for c in np.unique(cluster):  # candidates are in order of their margin already
        mine = np.flatnonzero(cluster == c)
        turn[mine] = np.arange(len(mine))
    chosen = candidates[np.sort(np.lexsort((np.arange(len(candidates)), turn))[:n])]
    return [int(row) for row in chosen]


def prepared(features: np.ndarray, most: int = 128) -> np.ndarray:
    """float32 `[N, K]`, K at most 128: centred, on the leading principal directions, rows of length 1."""
    x = np.nan_to_num(np.asarray(features, np.float32))
    x = x - x.mean(axis=0)
    if min(x.shape) > most:
        spread = (x.T @ x) if x.shape[1] <= len(x) else (x @ x.T)
        values, vectors = np.linalg.eigh(spread.astype(np.float64))
        lead = vectors[:, ::-1][:, :most]
        x = (
            x @ lead.astype(np.float32)
            if x.shape[1] <= len(x)
            else (lead * np.sqrt(np.maximum(values[::-1][:most], 0.0))).astype(np.float32)
        )
    length = np.linalg.norm(x, axis=1, keepdims=True)
    unit: np.ndarray = x / np.maximum(length, 1e-6 * max(float(length.max(initial=0.0)), 1e-12))
    return unit


def one_of_each(groups: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """bool `[N]`: the first row of every group (int `[N]`) that holds no labelled row."""
    taken = set(groups[labelled].tolist())
    free = np.zeros(len(groups), bool)
    _, first = np.unique(groups, return_index=True)
    free[[row for row in first if int(groups[row]) not in taken]] = True
    return free


def interleaved(
    informative: Sequence[int], drawn: Sequence[int], places: Sequence[int]
) -> list[tuple[int, bool]]:
    """(row, whether drawn at random) in order of rank: the random ones at their places."""
    rest, chance, at = list(informative), list(drawn), set(places)
    out: list[tuple[int, bool]] = []
    while rest or chance:
        lucky = bool(chance) and (len(out) in at or not rest)
        out.append((chance.pop(0), True) if lucky else (rest.pop(0), False))
    return out
