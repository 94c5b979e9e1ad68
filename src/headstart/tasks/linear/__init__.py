"""The logistic probe: penalty by cross-validation inside the training rows, then one exact fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.errors import DataError
from headstart.tasks.base.fits import Linear
from headstart.tasks.linear import _kernel
from headstart.tasks.linear._kernel import Kernel
from headstart.tasks.linear._logistic import (
    HEAVY,
    LARGE,
    Design,
    Digits,
    Link,
    Parts,
    design,
    loss_cells,
    predict,
    solve,
)
from headstart.tasks.linear._many import Targets, fit_many

STEPS = tuple(exponent / 2 for exponent in range(-4, 8))
"""C may be 10**step / (columns * rows a group): the size of a standardised row is its width. The middle one
is tried first, and taken when there is nothing to choose by."""
CLEAR = 0.5
"""Another penalty is taken when the held-out loss falls by more than so many of its standard errors."""
FOLDS, SEEN = 5, 1_500
"""Parts of the rows, and about how many rows are learnt from for those that are held out in turn: with many
rows two of them say enough."""
MANY = 3e9
"""Rows x columns x outputs from which logistic regression takes minutes, and ridge takes its place: on CLINC
with 50 labels a class (7,500 x 768 x 150) 0.963 in 9 s of a core, and ridge 0.926 in 1 s."""
MOST = 2_000
"""Rows, no more of them than columns, up to which `_kernel` is quicker than what `design` makes."""
LIGHT = 1e5
"""Rows x columns up to which single precision saves nothing. Above, penalties are chosen in it: the same ones
(in 275 random problems), and the exact fit that follows gives the same probabilities to 1e-5."""


def check(features: np.ndarray, y: np.ndarray) -> None:
    """Raises `DataError` for no rows, or features that are not finite numbers."""
    if features.ndim != 2 or len(features) != len(y):
        raise ValueError(f"features {features.shape} and targets {np.shape(y)} do not belong together")
    if not len(y):
        raise DataError("linear probe", "there is no labelled row to learn from", "label some items")
    bad = int((~np.isfinite(features).all(axis=1)).sum())
    if bad:
        raise DataError(
            "linear probe",
            f"the features of {bad} of {len(y)} rows are NaN or infinite",
            "check those items with `headstart check`, or try another source",
        )


def inner_folds(strata: np.ndarray, groups: np.ndarray | None, *, folds: int, seed: int) -> np.ndarray:
    """bool `[F, N]`: training rows of each of F stratified folds that keep groups together.

    Groups are dealt out one by one, class by class; a group belongs to the class of its first row.
    Fewer folds when there are fewer groups; with a single group, none.
    """
    _, first, unit = np.unique(
        np.arange(len(strata)) if groups is None else groups, return_index=True, return_inverse=True
    )
    folds = min(folds, len(first))
    if folds < 2:
        return np.zeros((0, len(strata)), bool)
    shuffled = np.random.default_rng(seed).permutation(len(first))
    dealt = shuffled[np.argsort(strata[first][shuffled], kind="stable")]
    place = np.empty(len(first), np.int64)
    place[dealt] = np.arange(len(first)) % folds
    return np.arange(folds)[:, None] != place[unit]


def fit_logistic(
    features: np.ndarray,
    targets: Targets,
    *,
    link: Link,
    groups: np.ndarray | None = None,
    penalties: Sequence[float] | None = None,
    seed: int = 0,
    weights: np.ndarray | None = None,
    rough: bool = False,
) -> Linear:
    """The model of `K` outputs on raw features, from targets float64 `[N, K]` of 0/1, dense or sparse.

    For softmax every output must occur. `penalties` are values of C as scikit-learn defines it
    (inverse strength against the sum of losses); a single one is taken as it is. Problems beyond `MANY` are
    solved by `_many.fit_many` instead, unless rows have `weights`. `rough` as in `tasks.base.Fit`.
    """
    if penalties is None and weights is None and features.size * targets.shape[1] > MANY:
        return fit_many(np.asarray(features, np.float64), targets, groups=groups, seed=seed)
    targets = targets if isinstance(targets, np.ndarray) else targets.toarray()
    features = np.asarray(features, np.float64)
    rows, width = features.shape
    work = rows * width * targets.shape[1]
    large, heavy = work > LARGE, work > HEAVY  # one held-out part must do; heavy: every other penalty, too
    rough, light = rough or large, rows * width <= LIGHT and not large
    known = penalties is not None and len(penalties) == 1
    wide = not light and rows <= min(MOST, width) and (rough or not known)
    quick: Design | Kernel = Kernel.of(features, weights) if wide else design(features, weights)
    made = design(features, weights) if wide and not rough else quick
    if isinstance(quick, Design) and not light:
        quick = quick.single()
    everything = Parts(targets, np.ones((1, rows), bool) if weights is None else weights[None], link)
    heft = 1.0 if weights is None else float(weights.mean())
    grid = sorted(penalties) if penalties is not None else _grid(made, groups, heft)[:: 2 if heavy else 1]
    chosen, start = grid[0], everything.start(made.matrix.shape[1])
    if len(grid) > 1:
        strata = targets.argmax(axis=1) if link == "softmax" else targets[:, 0]
        folds = inner_folds(strata, groups, folds=FOLDS, seed=seed)
        folds = folds[: 1 if large else max(2, round(SEEN / rows))]
        parts = Parts(targets, folds if weights is None else folds * weights, link)
        chosen, warm = _walk(quick, parts, grid, weights)
        if warm is not None:
            start = _turned(made, warm) if wide and isinstance(made, Design) else warm
    final = solved(
        quick if rough else made, everything, chosen, start=start, to="rough" if rough else "exact"
    )
    weight, bias = made.unfold(final[:-1, 0].T, final[-1, 0])  # of [k + 1, 1, K]
    return Linear(weight, bias, float(chosen))


def solved(
    made: Design | Kernel, parts: Parts, C: float, *, start: np.ndarray, to: Digits = "loss", steps: int = 400
) -> np.ndarray:
    """A solution as `_logistic.solve` gives it, or `_kernel.solve`."""
    if isinstance(made, Kernel):
        return _kernel.solve(made, parts, C, start=start, to=to, steps=steps)
    return solve(made, parts, C, start=start, to=to, steps=steps)


def _turned(made: Design, combination: np.ndarray) -> np.ndarray:
    """A combination of rows `[n + 1, 1, K]` as coefficients `[k + 1, 1, K]`."""
    return np.concatenate([np.tensordot(made.matrix[:, :-1], combination[:-1], (0, 0)), combination[-1:]])


def _grid(made: Design | Kernel, groups: np.ndarray | None, heft: float = 1.0) -> list[float]:
    """Values of C, weak ones last, for rows that count `heft` times on average."""
    width = max(1, int((made.scaling.factor > 0).sum()))
    copies = heft * (1.0 if groups is None else len(groups) / len(np.unique(groups)))
    return [10.0**step / (width * copies) for step in STEPS]


def _walk(
    made: Design | Kernel, parts: Parts, grid: Sequence[float], weights: np.ndarray | None = None
) -> tuple[float, np.ndarray | None]:
    """(C with the least held-out log-loss, mean solution there `[k + 1, 1, K]`): from the middle of the grid
    to weaker penalties as long as the loss clearly falls, or else to stronger ones."""
    cells, best = _scored(parts), len(grid) // 2
    if not cells.any():
        return grid[best], None
    heft = np.ones(len(cells)) if weights is None else weights
    heft = np.broadcast_to(heft.reshape(-1, *[1] * (cells.ndim - 1)), cells.shape)[cells]
    kept: dict[int, np.ndarray] = {}
    losses: dict[int, np.ndarray] = {}

    def falls(old: int, new: int) -> bool:
        for index in (old, new):
            if index not in kept:
                start = kept.get(old, parts.start(made.matrix.shape[1]))
                kept[index] = solved(made, parts, grid[index], start=start, steps=100)
                found = loss_cells(predict(made, kept[index]), parts.targets, parts.link)
                losses[index] = found[cells].astype(np.float64)
        fall = losses[old] - losses[new]
        mean = float(np.average(fall, weights=heft))
        return mean > CLEAR * float(fall.std()) / np.sqrt(len(fall)) and mean > 0

    for step in (1, -1):
        before = best
        while 0 <= best + step < len(grid) and falls(best, best + step):
            best += step
        if best != before:
            break
    active = parts.active[None]  # [1, F, K]
    learned = np.where(active, kept[best], 0.0).sum(axis=1) / np.maximum(active.sum(axis=1), 1)
    return grid[best], learned[:, None, :]


def _scored(parts: Parts) -> np.ndarray:
    """bool, in the shape of `loss_cells`: held out, and learnable from that training part."""
    held = parts.train.T == 0  # [N, F]
    if parts.link == "sigmoid":
        return held[:, :, None] & parts.active[None]
    seen = parts.targets @ parts.active.T > 0  # [N, F]: the row's class occurs in the training part
    return held & seen & (parts.active.sum(axis=1) > 1)
