"""A model opened from disk: what a user holds after a run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart import data as reading
from headstart.core.dataset import Dataset
from headstart.data.reading import EVERY
from headstart.errors import BundleError, NetError
from headstart.export import bundle
from headstart.export.files import graph
from headstart.predict.evaluate import Evaluation, evaluate
from headstart.predict.predictor import Opened, Predictor


class LoadedModel(Opened):
    """A bundle, audited when opened; its network is built at the first prediction."""

    def __init__(self, content: bundle.Bundle) -> None:
        super().__init__(content.model, content.path)
        self._probes = content.inputs

    @cached_property
    def predictor(self) -> Predictor:
        """Its network, on the GPU if there is one."""
        return Predictor(self.model, name=str(self.path))

    def evaluate(self, data: Any, *, seed: int = 0, **options: Any) -> Evaluation:
        """Metrics with intervals on labelled data: a `Dataset`, or anything `headstart.load` reads.

        `options` are those of `headstart.load`. Raises `DataError` for labels the model does not know.
        """
        if not isinstance(data, Dataset):
            data = reading.load(data, **self.reading(options))
        return evaluate(self.predictor, data, seed=seed)

    def reading(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options of `headstart.load` for data to evaluate on: its labels are read as this model's are."""
        columns = self.model.input.columns_read
        rows = {} if columns is None else {"feature_column": columns or EVERY}
        return {"task": self.task.kind, "known": self.task.labels, **rows, **options}

    def save(self, path: Path | str) -> Path:
        """Write it to a folder or .zip; see `headstart.export.bundle.save`."""
        return bundle.save(self.model, path, probes=self._probes)

    def export(self, path: Path | str | None = None) -> Path:
        """Write it as ONNX, by default in a folder beside the bundle, where `headstart predict` finds it.

        Gives the path of the graph. A path without an ending is a folder. See
        `headstart.export.onnx.export_onnx`.
        """
        from headstart.export.onnx import export_onnx

        target = graph.beside(self.path) if path is None else Path(path)
        target = target if target.suffix else target / graph.GRAPH
        try:
            return export_onnx(self.model, target, probes=self._probes)
        except NetError as error:
            raise BundleError(self.path, str(error)) from error


def load_model(path: Path | str) -> LoadedModel:
    """Open a bundle folder, a .zip or a run folder. Raises `BundleError`, `PathError`, `RunError`."""
    return LoadedModel(bundle.read(path))
