"""What a strategy gets: stored columns of one source on one data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.core.features import FeatureSpec, Rows, Tap
from headstart.errors import BadOption, UnknownName
from headstart.store.disk import keys
from headstart.store.disk.keys import Section
from headstart.store.disk.pins import Pin
from headstart.store.store import FeatureStore


class StoredFeatures:
    """A `headstart.core.features.Features` on disk. What it gives stays on disk while it lives."""

    def __init__(
        self,
        store: FeatureStore,
        digests: Sequence[str],
        spec: FeatureSpec,
        sections: Mapping[int, Section],
        *,
        inputs: tuple[Section, str] | None = None,
        pin: Pin,
        work: Mapping[str, Any],
    ) -> None:
        self.backbone_digest = sections[0].weights if sections else ""
        self.taps, self.views = spec.taps, spec.views
        self.forward_passes: float = work.get("forward_passes", 0.0)
        """Images sent through the network now, by the number of items."""
        self.seconds: float = work.get("seconds", 0.0)
        self.clipped: int = work.get("clipped", 0)
        """Values computed now that were too large for float16."""
        self._store, self._digests, self._spec = store, digests, spec
        self._sections, self._inputs, self._pin = sections, inputs, pin
        self._rows: dict[tuple[str, int], Rows] = {}

    def __repr__(self) -> str:
        return f"StoredFeatures({len(self._digests)} items, {len(self.taps)} taps, {self.views} views)"

    def tap(self, tap: Tap, view: int = 0) -> Rows:
        """float16 `[N, D]`. Raises `UnknownName` for a tap or view that was not asked for."""
        if tap not in self.taps:
            raise UnknownName("stored tap", str(tap), [str(known) for known in self.taps])
        return self._column(keys.tap_column(tap), view)

    def state(self, view: int = 0) -> Rows:
        """float16 `[N, ...]`: states at the spec's cut."""
        if self._spec.cut is None:
            raise BadOption("cut", None, "named in the FeatureSpec for states to be stored")
        return self._column(keys.state_column(self._spec.cut, self._spec.length), view)

    def inputs(self, view: int = 0) -> Rows:
        """uint8 `[N, 3, side, side]`, or int32 `[N, channels, length]` of texts. There is one view of them:
        what trains on them varies them itself."""
        if self._inputs is None:
            raise BadOption("inputs", None, "a size in the FeatureSpec for inputs to be stored")
        if view != 0:
            raise BadOption("view", view, "0: inputs are stored as they are")
        section, column = self._inputs
        return self._get(section, column, 0)

    def _column(self, column: str, view: int) -> Rows:
        if view not in self._sections:
            raise BadOption("view", view, f"from 0 to {self.views}")
        return self._get(self._sections[view], column, view)

    def _get(self, section: Section, column: str, view: int) -> Rows:
        if (column, view) not in self._rows:
            viewed = self._spec.viewed if view else None
            digests = self._digests if viewed is None else [self._digests[row] for row in viewed]
            found: Rows = self._store.rows(section, column, digests, view, self._pin)
            if viewed is not None:
                found = SomeRows(found, viewed, len(self._digests))
            self._rows[column, view] = found
        return self._rows[column, view]


class SomeRows:
    """Stored rows of some items, by their numbers in the data set. Raises `IndexError` for others."""

    def __init__(self, stored: Rows, rows: Sequence[int], count: int) -> None:
        self.shape, self.dtype, self._stored = (count, *stored.shape[1:]), stored.dtype, stored
        self._at = np.full(count, len(rows))
        self._at[list(rows)] = np.arange(len(rows))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        return self._stored[self._at[index]]
