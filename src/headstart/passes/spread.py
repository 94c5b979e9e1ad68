"""Passes of a run that other workers share: each takes the next portion that nobody works at.

A portion's rows are the same whoever computes them, so a run has the same numbers with workers as without.
The run itself takes part, and would come to its end if all of them died.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart import cluster, data, sources
from headstart.cluster import Job, Workers
from headstart.core import fingerprint
from headstart.core.backbone import Backbone
from headstart.core.dataset import Dataset
from headstart.core.features import FeatureSpec, Tap
from headstart.core.files import write_json
from headstart.core.untrusted import read_object
from headstart.data.checks import domains
from headstart.errors import DataError, SourceError
from headstart.passes.suited import suited
from headstart.sources.files.paths import with_path
from headstart.store.store import FeatureStore

if TYPE_CHECKING:  # data are read while torch is imported
    from headstart.passes.extractor import StoreExtractor

FOLDER = "jobs"
"""In the root of a store: which items a pass is about."""
LOOKED_AT = 32
"""Items whose content a worker compares before it takes part."""


@dataclass(frozen=True)
class Spread:
    """Brings workers to the passes of one run: a `Beside` of `run.state.context`."""

    workers: Workers
    data: str
    reading: Mapping[str, Any] = field(repr=False)
    seed: int

    @contextmanager
    def __call__(
        self, extractor: StoreExtractor, backbone: Backbone | None, spec: FeatureSpec
    ) -> Iterator[None]:
        """While the block makes a pass the workers, which have processors alone, share it; nothing where
        everything is stored, or a GPU makes it."""
        if backbone is None or extractor.device.type != "cpu" or not extractor.missing(backbone, spec):
            yield
            return
        dataset, root = extractor.dataset, extractor.store.root.resolve()
        about = {"ids": [item.id for item in dataset.items], "digests": list(dataset.digests())}
        items = root / FOLDER / f"{fingerprint.of_json(about)[:24]}.json"
        items.parent.mkdir(parents=True, exist_ok=True)
        write_json(items, about)
        given = {
            "data": self.data,
            "reading": dict(self.reading),
            "items": str(items),
            "levels": dataset.levels,
            "source": with_path(backbone.source.spec, lambda path: str(Path(path).expanduser().resolve())),
            "network": backbone.digest,
            "seed": self.seed,
            "spec": {**asdict(spec), "taps": [str(tap) for tap in spec.taps]},
            "choice": extractor.choice(backbone).to_json(),
            "store": str(root),
        }
        try:
            with self.workers.beside(Job(f"{__name__}:share_a_pass", given)):
                yield
        finally:
            items.unlink(missing_ok=True)


@contextmanager
def workers(on: str, data: str, reading: Mapping[str, Any], seed: int) -> Iterator[Spread]:
    """Those of that name (`headstart.cluster.ON`), until the block ends; `data` is a path that they see."""
    with cluster.opened(on) as found:
        yield Spread(found, data, reading, seed)


def share_a_pass(given: Mapping[str, Any]) -> float:
    """Make what of a pass nobody else makes; the share of the items that was made here."""
    from headstart.passes.extractor import StoreExtractor
    from headstart.passes.steps.choice import Choice

    dataset = _dataset(given)
    backbone = _network(given, dataset)
    extractor = StoreExtractor(FeatureStore(Path(given["store"])), dataset, workers=1)
    choice = Choice.of(given["choice"])
    if choice is not None:
        extractor.choices[backbone.digest] = choice
    taps = tuple(map(Tap.parse, given["spec"]["taps"]))
    viewed = given["spec"]["viewed"]
    spec = FeatureSpec(**{**given["spec"], "taps": taps, "viewed": None if viewed is None else tuple(viewed)})
    return float(extractor(backbone, spec).forward_passes)


_READ: dict[str, Dataset] = {}
"""The data set that was opened last, by what was said of it: a run makes several passes over one."""


def _dataset(given: Mapping[str, Any]) -> Dataset:
    """The items that the run has, read here. Raises `DataError` where they are others."""
    key = fingerprint.of_json([given[name] for name in ("data", "reading", "items", "levels")])
    if key not in _READ:
        about = read_object(Path(given["items"]))
        found, _ = domains.parted(data.load(given["data"], **given["reading"]))
        places = {item.id: row for row, item in enumerate(found.items)}
        missing = next((name for name in about["ids"] if name not in places), None)
        if missing is not None or len(places) < len(found):
            raise DataError(given["data"], f"is not the same there: {missing or 'two items have one name'}")
        found = found.subset([places[name] for name in about["ids"]])
        for row in np.unique(np.linspace(0, len(found) - 1, LOOKED_AT).astype(np.int64)):
            if fingerprint.of_bytes(found.items[row].read()) != about["digests"][row]:
                raise DataError(
                    given["data"], f"is not the same there: {found.items[row].id} has other content"
                )
        found.remember(tuple(about["digests"]))
        _READ.clear()
        levels = given["levels"]
        _READ[key] = found.with_levels(None if levels is None else tuple(levels))
    return _READ[key]


def _network(given: Mapping[str, Any], dataset: Dataset) -> Backbone:
    """The network of the pass: a source's, or the same with random weights."""
    found = suited(sources.load(given["source"]), dataset)
    if found.digest != given["network"]:
        found = found.fresh(given["seed"])
    if found.digest != given["network"]:
        raise SourceError(given["source"], "its weights are others there")
    return found
