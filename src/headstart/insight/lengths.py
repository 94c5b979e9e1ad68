"""How long the texts of a run are for its source: tokens by its own tokenizer, and what is cut off."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from headstart import modalities, tasks
from headstart.core import words
from headstart.core.experiment import Experiment
from headstart.core.source import Preprocessing
from headstart.errors import HeadstartError
from headstart.measure.partition import drawn
from headstart.modalities import nouns

MOST = 2_000
"""Most texts that are counted: the shape of a histogram needs no more."""
SECONDS = 2.0
"""Time for counting."""
BINS = 24
SKEWED = 6.0
"""Where the longest text is this many times the median, the bins grow with the length."""
CLASSES = 12
"""Up to this many classes are told one by one."""


def lengths(
    experiment: Experiment,
    name: str,
    contract: Preprocessing,
    rows: np.ndarray,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any] | None:
    """Tokens per text of the rows (int64) for the source called `name`, which reads what `contract` says.

    None for what is no sequence. Special tokens are counted, and of pairs read jointly both texts. A text is
    cut when it has more tokens than the source's limit.
    """
    if contract.max_length is None:
        return None
    shown = rows[drawn(len(rows), MOST, seed=experiment.seed)]
    counted, tokens, read, unknown = counts(experiment, contract, shown, clock)
    if not len(tokens):
        return None
    cut = tokens > read
    found = {
        "source": name,
        "limit": contract.max_length,
        "n": len(tokens),
        "of": len(rows),
        "median": float(np.median(tokens)),
        "p95": float(np.percentile(tokens, 95)),
        "longest": int(tokens.max()),
        "cut": int(cut.sum()),
        "unknown": float(unknown.sum() / max(1, tokens.sum() + unknown.sum())),
        "bins": bins(tokens),
        "by_class": by_class(experiment, counted, tokens, cut),
    }
    called = nouns(experiment.dataset.modality, pairs=experiment.dataset.pairs)
    together = experiment.dataset.pairs and not contract.apart
    return {**found, "sentence": _sentence(found, called, together)}


def counts(
    experiment: Experiment, contract: Preprocessing, rows: np.ndarray, clock: Callable[[], float]
) -> tuple[np.ndarray, ...]:
    """int64 `[n]` each: rows that could be read in time, their tokens, how many are read, unknown words."""
    count = modalities.get(contract.modality).count
    end, found = clock() + SECONDS, []
    for row in np.random.default_rng(experiment.seed).permutation(rows).tolist():
        if clock() > end:
            break
        try:
            one = count(experiment.dataset.items[row].read(), contract)
        except (OSError, HeadstartError):
            continue
        found.append((row, one.tokens, one.read, one.unknown))
    return tuple(np.array(sorted(found), np.int64).reshape(-1, 4).T)


def bins(tokens: np.ndarray) -> list[dict[str, int]]:
    """Whole numbers of tokens from `low` to `high` (both within), and how many texts have them."""
    low, high = int(tokens.min()), int(tokens.max())
    if high > SKEWED * np.median(tokens):
        edges = np.geomspace(max(1, low), high + 1, BINS + 1)
        edges[0] = low  # a text without a word that a list of vectors knows has no tokens
    else:
        edges = np.linspace(low, high + 1, min(BINS, high + 1 - low) + 1)
    edges = np.unique(np.round(edges).astype(np.int64))
    number, _ = np.histogram(tokens, edges)
    return [
        {"low": int(a), "high": int(b) - 1, "count": int(n)}
        for a, b, n in zip(edges[:-1], edges[1:], number, strict=True)
    ]


def by_class(
    experiment: Experiment, rows: np.ndarray, tokens: np.ndarray, cut: np.ndarray
) -> list[dict[str, Any]]:
    """Median length and how many are cut, class by class; nothing where there are many, or none."""
    task = experiment.task
    if not tasks.for_task(task).exclusive or task.outputs > CLASSES:
        return []
    found, y = [], experiment.targets[rows]
    for number, label in enumerate(task.labels):
        own = y == number
        if own.any():
            median = float(np.median(tokens[own]))
            found.append({"label": label, "n": int(own.sum()), "median": median, "cut": int(cut[own].sum())})
    return found


def _sentence(found: dict[str, Any], called: tuple[str, str], together: bool) -> str:
    """What the lengths mean for this source."""
    one, many = called
    both = " (both texts together)" if together else ""
    of = f" (of {found['n']:,} of {found['of']:,} counted)" if found["n"] < found["of"] else ""
    text = (
        f"Half of the {many} have at most {found['median']:,.0f} tokens of {found['source']}{both}, 95 % at "
        f"most {found['p95']:,.0f}; it reads up to {found['limit']:,}."
    )
    if not found["cut"]:
        return f"{text} No {one} is cut off{of}."
    share = 100 * found["cut"] / found["n"]
    cut = words.count(found["cut"], one, many)
    longer = "is longer" if found["cut"] == 1 else "are longer"
    return f"{text} {cut} ({share:.1f} %) {longer}{of}: what comes after is not seen."
