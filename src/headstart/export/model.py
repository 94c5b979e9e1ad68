"""A model opened from disk: what a user holds after a run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart import data as reading
from headstart.core.dataset import Dataset
from headstart.core.source import Preprocessing
from headstart.core.strategy import Progress
from headstart.core.task import Task
from headstart.errors import BundleError, NetError
from headstart.export import bundle
from headstart.export.files import graph
from headstart.predict.evaluate import Evaluation, evaluate
from headstart.predict.predictor import Predictions, Predictor, predict


class LoadedModel:
    """A bundle, audited when opened; its network is built at the first prediction."""

    def __init__(self, content: bundle.Bundle) -> None:
        self._content = content

    def __repr__(self) -> str:
        return f"LoadedModel({str(self.path)!r}: {self.task.kind}, {len(self.labels)} outputs)"

    @property
    def path(self) -> Path:
        """The folder or archive it was opened from."""
        return self._content.path

    @property
    def task(self) -> Task:
        return self._content.model.task

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the outputs, in their order."""
        return self.task.labels

    @property
    def input(self) -> Preprocessing:
        """How items are prepared."""
        return self._content.model.input

    @property
    def source(self) -> Mapping[str, Any]:
        """Spec, revision, digest and licence of the source it comes from."""
        return self._content.model.source

    @property
    def evidence(self) -> Mapping[str, Any]:
        """How good it is and how that is known."""
        return self._content.model.evidence

    @cached_property
    def predictor(self) -> Predictor:
        """Its network, on the GPU if there is one."""
        return Predictor(self._content.model, name=str(self.path))

    def predict(
        self, inputs: Any, *, batch_size: int | None = None, progress: Progress | None = None
    ) -> Predictions:
        """Answers, in order, for whatever `headstart.load` takes, labelled or not, or for one item of it.

        Unreadable items get a row that says why; see `headstart.predict.predictor.predict`.
        """
        return predict(self.predictor, inputs, batch_size=batch_size, progress=progress)

    def evaluate(self, data: Any, *, seed: int = 0, **options: Any) -> Evaluation:
        """Metrics with intervals on labelled data: a `Dataset`, or anything `headstart.load` reads.

        `options` are those of `headstart.load`. Raises `DataError` for labels the model does not know.
        """
        if not isinstance(data, Dataset):
            data = reading.load(data, **self.reading(options))
        return evaluate(self.predictor, data, seed=seed)

    def reading(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options of `headstart.load` for data to evaluate on: its labels are read as this model's are."""
        return {"task": self.task.kind, "known": self.task.labels, **options}

    def save(self, path: Path | str) -> Path:
        """Write it to a folder or .zip; see `headstart.export.bundle.save`."""
        return bundle.save(self._content.model, path, probes=self._content.inputs)

    def export(self, path: Path | str | None = None) -> Path:
        """Write it as ONNX, by default in a folder beside the bundle, where `headstart predict` finds it.

        Gives the path of the graph. A path without an ending is a folder. See
        `headstart.export.onnx.export_onnx`.
        """
        from headstart.export.onnx import export_onnx

        target = graph.beside(self.path) if path is None else Path(path)
        target = target if target.suffix else target / graph.GRAPH
        try:
            return export_onnx(self._content.model, target, probes=self._content.inputs)
        except NetError as error:
            raise BundleError(self.path, str(error)) from error


def load_model(path: Path | str) -> LoadedModel:
    """Open a bundle folder, a .zip or a run folder. Raises `BundleError`, `PathError`, `RunError`."""
    return LoadedModel(bundle.read(path))
