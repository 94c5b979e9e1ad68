"""LogME against the algorithm as it was published: processor seconds on one thread, and how far they are apart.

    OMP_NUM_THREADS=1 python benchmarks/logme.py [--large]

The published one (You et al., ICML 2021; written here from the paper) iterates both precisions for every class,
with the residual of all rows in each round, and ends at a change of 1 % or after 11 rounds, with 1e-5 added to both
denominators; it takes the singular vectors of the Gram matrix. "Iterated to its end" is the same without these
guards, until nothing changes. Both get the same float64 features. In turns, best of several; `--large` is 50,000
rows of 2,048 columns and 100 classes, once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from headstart.measure.ridge import one_hot
from headstart.measure.transferability.logme import logme


def published(
    features: np.ndarray, y: np.ndarray, *, rounds: int = 11, close: float = 0.01, guard: float = 1e-5
) -> float:
    rows, columns = features.shape
    vectors, values, _ = np.linalg.svd(features.T @ features)
    found = []
    for label in range(int(y.max()) + 1):
        target = (y == label).astype(np.float64)
        seen, alpha, beta, ratio = vectors.T @ (features.T @ target), 1.0, 1.0, 1.0
        for _ in range(rounds):
            gamma = (values / (values + ratio)).sum()
            mean = vectors @ (beta * seen / (alpha + beta * values))
            alpha = gamma / (mean @ mean + guard)
            residual = ((target - features @ mean) ** 2).sum()
            beta = (rows - gamma) / (residual + guard)
            ratio, before = alpha / beta, ratio
            if abs(ratio - before) / before <= close:
                break
        logs = columns * np.log(alpha) + rows * np.log(beta) - np.log(alpha + beta * values).sum()
        found.append(0.5 * (logs - beta * residual - alpha * mean @ mean - rows * np.log(2 * np.pi)) / rows)
    return float(np.mean(found))


def data(rows: int, columns: int, classes: int, telling: float) -> tuple[np.ndarray, np.ndarray]:
    """Features in which the classes' means are `telling` standard deviations long in each column."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, rows)
    return rng.normal(size=(rows, columns)) + telling * rng.normal(size=(classes, columns))[y], y


def seconds(call: Callable[[], float]) -> tuple[float, float]:
    start = time.process_time()
    value = call()
    return time.process_time() - start, value


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true")
    large = parser.parse_args().large
    shape, times = ((50_000, 2_048, 100), 1) if large else ((5_000, 512, 100), 5)
    for telling in (0.5, 0.1, 0.02):
        features, y = data(*shape, telling)
        targets = one_hot(y, shape[2])
        theirs, ours = [], []
        for _ in range(times):
            theirs.append(seconds(lambda x=features, y=y: published(x, y)))
            ours.append(seconds(lambda x=features, t=targets: logme(x, t, centre=False)))
        (slow, one), (fast, other) = min(theirs), min(ours)
        # where the labels are nearly noise the iteration has no end
        ends = not large and telling >= 0.1
        settled = published(features, y, rounds=500, close=1e-12, guard=0.0) if ends else float("nan")
        print(
            f"{shape} means {telling}: published {slow:.3f} s, here {fast:.3f} s, {slow / fast:.1f} times; "
            f"apart {abs(one - other):.1e}, iterated to its end {abs(settled - other):.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
