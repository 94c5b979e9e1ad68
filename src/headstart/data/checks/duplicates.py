"""Near-duplicates: items whose stored features point the same way, found without reading them again.

For texts `headstart.data.checks.text_duplicates` finds the pairs; what is made of them is here.

Plain cosine calls everything similar: features of a network are positive and few directions hold
most of their variance. So features are centred, projected on their leading principal directions
and (softly) whitened first. Measured with a MobileNet v1 of width 0.25 on three sets of photos, at
the threshold of 0.75: re-encoded, rescaled, brightened and mirrored copies, and cuts of 95 % of the
side, are found in 90 to 100 % of cases (cuts of 90 %: four in five; of 80 %, or made grey: rarely).
None of 397 and 700 different photos were confused; of 33 pairs among 7,000 photos of 32 x 32 about
5 were not copies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from headstart import modalities
from headstart.core.dataset import Dataset
from headstart.data.checks.findings import Finding, finding
from headstart.data.checks.findings.judge import label_text
from headstart.data.unions import Unions
from headstart.measure import threads

THRESHOLD = 0.75
"""Cosine, after centring and whitening, from which on two items are near-duplicates."""
SURE = 0.9
"""From here on (of the same cosine) they are copies: kept together however many they are."""
MOST_ITEMS = 60_000
"""Above this the search, whose time grows with the square, would take longer than the rest of a small run."""
_CELLS = 2**26
_DIRECTIONS = 128
_RIDGE = 0.1
_NEAREST = 3
_CHANCE = 0.01

Pair = tuple[int, int, float]


def can_search(items: int) -> bool:
    """Whether so many items can be searched in bearable time: `MOST_ITEMS` at most."""
    return items <= MOST_ITEMS


def near_duplicates(
    features: np.ndarray, *, threshold: float = THRESHOLD, block: int | None = None
) -> list[Pair]:
    """Pairs of rows (i < j) with their cosine, most similar first.

    `features` is float `[N, D]`: one embedding an item. A pair counts when its cosine after
    centring and whitening reaches `threshold` (more in small sets, where chance alone comes close:
    fewer than 0.01 pairs are expected of unrelated items), and one of the two is among the three
    nearest of the other. Time grows with the square of N: 10 s for 50,000 items, so ask `can_search`
    first. Memory is one `[block, N]` array of float32, by default 256 MB at most.
    """
    with threads.suited_to(len(features)):
        space = whitened(features)
    n, width = space.shape
    block = block or max(16, min(1024, _CELLS // max(n, 1)))
    if n < 2 or width < 2:
        return []
    least = max(threshold, chance_level(n, width))
    if least >= 1:
        return []
    found: dict[tuple[int, int], float] = {}
    for start in range(0, n, block):
        cosine = space[start : start + block] @ space.T  # [block, N]
        cosine[np.arange(len(cosine)), np.arange(start, start + len(cosine))] = -1.0
        for row in np.flatnonzero(cosine.max(axis=1) >= least).tolist():
            near = np.argsort(-cosine[row], kind="stable")[:_NEAREST]
            for other in near[cosine[row, near] >= least].tolist():
                pair = (min(start + row, other), max(start + row, other))
                found.setdefault(pair, float(cosine[row, other]))
    return sorted(((i, j, c) for (i, j), c in found.items()), key=lambda p: (-p[2], p[0], p[1]))


def whitened(features: np.ndarray) -> np.ndarray:
    """float32 `[N, K]` rows of length 1: centred, leading directions only, softly whitened.

    K is at most 128 and a quarter of N. Features that do not vary give K = 0.
    """
    given = np.asarray(features)
    n, width = given.shape
    mean = np.zeros(width)
    for rows in _rows(given):
        mean += rows.sum(axis=0) / n
    small = width <= n
    if small:
        spread = np.zeros((width, width))
        for rows in _rows(given, mean):
            spread += rows.T @ rows / n
    else:
        x = next(_rows(given, mean, step=max(n, 1)), np.zeros((0, width)))
        spread = x @ x.T / max(n, 1)
    values, vectors = np.linalg.eigh(spread)
    values, vectors = values[::-1], vectors[:, ::-1]
    real = int((values > 1e-6 * max(values[0], 1e-30)).sum()) if len(values) and values[0] > 0 else 0
    k = min(_DIRECTIONS, n // 4, real)
    if k == 0:
        return np.zeros((n, 0), dtype=np.float32)
    if small:
        scores = np.concatenate([rows @ vectors[:, :k] for rows in _rows(given, mean)])
    else:
        scores = vectors[:, :k] * np.sqrt(values[:k] * n)
    scores /= np.sqrt(values[:k] + _RIDGE * values[:k].mean())
    scores /= np.maximum(np.linalg.norm(scores, axis=1, keepdims=True), 1e-12)
    return scores.astype(np.float32)


def _rows(features: np.ndarray, mean: np.ndarray | None = None, *, step: int = 4096) -> Iterator[np.ndarray]:
    """The features less their mean, a few rows at a time in float64; what is not finite counts as 0."""
    for start in range(0, len(features), step):
        rows = features[start : start + step].astype(np.float64)
        rows[~np.isfinite(rows)] = 0.0
        yield rows if mean is None else rows - mean


def chance_level(n: int, width: int) -> float:
    """The cosine that the closest of all pairs of `n` unrelated items stays below.

    From P(cosine > t) <= (1 - t^2)^((d - 1) / 2) in d dimensions; half of `width` counts, because
    features of real items fill their space unevenly.
    """
    dimensions = max(2.0, width / 2)
    pairs = n * (n - 1) / 2
    return math.sqrt(-math.expm1(-2 * math.log(max(pairs / _CHANCE, 1.0)) / (dimensions - 1)))


def duplicate_groups(dataset: Dataset, pairs: Sequence[Pair], *, most: int | None = None) -> np.ndarray:
    """int64 `[N]`: equal for items that near-duplicate pairs connect, the surest pairs first.

    Pairs from `SURE` on always stay together. The others let a group grow to at most `most` items
    (10, or a fiftieth of the data): in dense data chains of look-alikes would otherwise swallow whole
    classes, which could then never be held out. `parted_pairs` counts what was not joined.
    """
    limit = most if most is not None else max(10, len(dataset) // 50)
    unions, sizes = Unions(len(dataset)), [1] * len(dataset)
    for i, j, cosine in sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1])):
        one, other = unions.find(i), unions.find(j)
        if one != other and (cosine >= SURE or sizes[one] + sizes[other] <= limit):
            unions.join(one, other)
            sizes[min(one, other)] = sizes[one] + sizes[other]
    return unions.numbers()


def parted_pairs(pairs: Sequence[Pair], groups: np.ndarray) -> int:
    """How many of the pairs a fold may part: those in different groups, int `[N]` (`Split.groups`, say)."""
    return sum(bool(groups[i] != groups[j]) for i, j, _ in pairs)


def near_findings(dataset: Dataset, pairs: Sequence[Pair]) -> list[Finding]:
    """HS402 for pairs that reach from the training into the test part, HS405 for the others.

    HS403 besides for texts that are the same but for case, marks or blanks, and labelled differently.
    """
    digests = dataset.known_digests()
    out = []
    for i, j, cosine in pairs:
        if digests is not None and digests[i] == digests[j]:
            continue  # an exact duplicate: told already
        parts = (
            {dataset.split[i] == "test", dataset.split[j] == "test"} if dataset.split is not None else {False}
        )
        one, other = dataset.items[i].id, dataset.items[j].id
        text = f"looks like {one} (similarity {cosine:.2f})"
        if modalities.get(dataset.modality).IN_WORDS and cosine >= 1:
            text = f"the same as {one} but for case, marks or blanks"
            labels = {label_text(dataset, i), label_text(dataset, j)} - {None}
            if len(labels) > 1:
                said = " and ".join(sorted(map(str, labels)))
                out.append(finding("HS403", other, f"{text}, labelled {said}", j))
        out.append(finding("HS402" if len(parts) > 1 else "HS405", other, text, j))
    return out
