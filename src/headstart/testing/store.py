"""Conformance: what every store of features promises to those who read from it.

from headstart.testing.store import check_extractor, check_rows
check_extractor(lambda dataset: StoreExtractor(store, dataset))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.core.features import Extractor, FeatureSpec, Rows
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, shapes

TOLERANCE = 3e-3
"""Relative: two roundings to float16 of numbers computed in batches of different sizes."""


def check_rows(rows: Rows, expected: np.ndarray, *, seed: int = 0) -> None:
    """`rows` is `expected`: shape, dtype, and any gather in any order, repeated or empty."""
    rng = np.random.default_rng(seed)
    n = len(expected)
    assert len(rows) == n
    assert rows.shape == expected.shape, (rows.shape, expected.shape)
    assert rows.dtype == expected.dtype, (rows.dtype, expected.dtype)
    indices = [
        np.arange(n),
        np.arange(n)[::-1].copy(),
        rng.permutation(n),
        rng.integers(0, n, size=3 * n),
        np.array([n - 1, 0, n - 1]),
        np.array([], dtype=np.int64),
    ]
    for index in indices:
        found = rows[index]
        assert isinstance(found, np.ndarray)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected[index])


def check_extractor(make: Callable[[Any], Extractor], *, seed: int = 0) -> None:
    """An extractor computes what the network computes, once, and only what is missing.

    `make(dataset)` gives an extractor on an empty store that all data sets share.
    """
    dataset, backbone = shapes(per_class=10, seed=seed), TinyBackbone(seed)
    whole = FeatureSpec(taps=backbone.taps(), cut=backbone.cuts[2], inputs=16, views=2)
    first = dataset.subset(np.arange(0, len(dataset), 2))
    found = make(first)(backbone, FeatureSpec(taps=backbone.taps()))
    assert found.forward_passes == 1.0
    assert found.backbone_digest == backbone.digest
    _check_features(found, first, backbone, FeatureSpec(taps=backbone.taps()))
    # nothing twice: neither rows that are there nor columns
    again = make(first)(backbone, FeatureSpec(taps=backbone.taps()[:1]))
    assert again.forward_passes == 0.0
    grown = make(dataset)(backbone, FeatureSpec(taps=backbone.taps()))
    assert grown.forward_passes == 0.5
    # more columns and views
    everything = make(dataset)(backbone, whole)
    assert everything.forward_passes == 3.0
    assert make(dataset)(backbone, whole).forward_passes == 0.0
    _check_features(everything, dataset, backbone, whole)
    # another network shares no row, another order all of them
    other = TinyBackbone(seed + 1)
    assert make(dataset)(other, FeatureSpec(taps=other.taps())).forward_passes == 1.0
    turned = dataset.subset(np.arange(len(dataset))[::-1])
    back = make(turned)(backbone, whole)
    assert back.forward_passes == 0.0
    _check_features(back, turned, backbone, whole)
    # pixels need no network
    pixels = make(dataset)(None, replace(FeatureSpec(), inputs=16)).inputs()
    assert np.array_equal(pixels[np.arange(len(dataset))], everything.inputs()[np.arange(len(dataset))])


def _check_features(found: Any, dataset: Any, backbone: Any, spec: FeatureSpec) -> None:
    expected = MemoryExtractor(dataset)(backbone, spec)
    rows = np.arange(len(dataset))
    for view in range(1 + spec.views):
        pairs = [(found.tap(tap, view), expected.tap(tap, view)) for tap in spec.taps]
        if spec.cut is not None:
            pairs.append((found.state(view), expected.state(view)))
        for one, other in pairs:
            assert one.dtype == np.float16
            assert one.shape == other.shape
            near = np.allclose(
                one[rows].astype(np.float64), other.astype(np.float64), rtol=TOLERANCE, atol=1e-3
            )
            assert near, f"view {view}: stored features are not what the network computes"
            check_rows(one, one[rows])
    if spec.inputs is not None:
        assert np.array_equal(found.inputs()[rows], expected.inputs())
