"""Recommenders that read nothing but who chose what, on MovieLens 100K; and their memory on a million events.

    OMP_NUM_THREADS=1 python benchmarks/recommend.py FOLDER [--seeds 3] [--events 1000000]

`FOLDER` holds `u.data` and `u.item` (columns split by `|`, with a header). Random 80/20 of the events, every one
relevant whatever its rating, the whole catalogue ranked, items of the training part left out. Intervals: bootstrap
over users. The made-up events show that the peak of memory does not follow users x items; 0 leaves them out.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from headstart.measure.intervals import bootstrap_mean
from headstart.measure.recommending.collaborative import (
    ease,
    item_knn,
    popularity,
    popularity_by_category,
)
from headstart.measure.recommending.lists import coverage, ndcg, novelty, recall, reciprocal_rank, top_lists

PENALTY = 300.0
GENRES = "unknown"
"""The first of the columns of `u.item` that are categories."""
MADE_ITEMS = 2_000
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
    parser.add_argument("--events", type=int, default=1_000_000)
    chosen = parser.parse_args()
    for seed in range(chosen.seeds):
        measure(chosen.folder, seed)
    for users in (25_000, 100_000) if chosen.events else ():
        memory(chosen.events, users)


if __name__ == "__main__":
    main()
