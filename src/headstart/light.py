"""A model that answers at once: the ONNX file of `headstart export`, run without torch.

    from headstart import light
    model = light.load("runs/photos-1/model-onnx")
    model.predict(["new.jpg"])

It needs numpy, onnxruntime and what opens the items (Pillow for pictures, tokenizers for most texts).
Items are found, opened, prepared and decoded by the same code as for the bundle, and answers are the same
within the bound that the export has proved.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart._lazy import optional
from headstart.core.untrusted import Damaged, parsing
from headstart.errors import BundleError, HeadstartError
from headstart.export.files import graph
from headstart.predict.predictor import Opened

MOST = 256
"""Items that it answers in place of a bundle where there is a GPU: for more of them a start of some seconds
does not count. Without one it is the faster of the two for any number."""


class LightModel(Opened):
    """An exported model: its `scores` are those of `headstart.predict.predictor.Predictor`."""

    def __init__(self, content: graph.Exported, *, stands_in: bool = False) -> None:
        """`stands_in`: it answers in place of a bundle. Raises `BundleError` for a graph that cannot be run,
        `MissingExtra`."""
        super().__init__(content.model, content.graph)
        self.stands_in, self._answer = stands_in, content.answer
        runtime = optional("onnxruntime", extra="export", needed_for="running an exported model")
        runtime.disable_telemetry_events()
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = _threads()
        # what waits does not take the cores from the threads that open the next items
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False
        with _sound(self.path):
            self._session = runtime.InferenceSession(
                str(self.path), options, providers=["CPUExecutionProvider"]
            )

    @property
    def predictor(self) -> LightModel:
        """What answers: itself."""
        return self

    def suits(self, items: int, adapt: str | None = None) -> bool:
        """Whether it is the right one for so many items: it stands by itself, or the bundle is no faster and
        need not be adapted."""
        fast = items <= MOST or shutil.which("nvidia-smi") is None
        return not self.stands_in or (fast and adapt is None)

    def scores(self, prepared: np.ndarray) -> np.ndarray:
        """A prepared batch -> float32 `[B, K]`: probabilities, or values; as `Predictor.scores` gives them.
        Raises `BundleError`."""
        with _sound(self.path):
            entry = self._session.get_inputs()[0].name
            found: np.ndarray = self._session.run([graph.OUTPUT], {entry: np.ascontiguousarray(prepared)})[0]
        if found.shape != (len(prepared), *self._answer):
            raise BundleError(self.path, f"it gives {list(found.shape)}, not what its description says")
        return found


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Whatever onnxruntime raises is a `BundleError`."""
    try:
        with parsing():
            yield
    except Damaged as error:
        raise BundleError(path, f"onnxruntime cannot run it ({error})", "export it again") from error


def _threads() -> int:
    """For one operation: what OMP_NUM_THREADS says, else the cores that this process may use."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said):
        return int(said)
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def load(path: Path | str) -> LightModel:
    """An exported model by its folder or its graph. Raises `PathError`, `BundleError`, `MissingExtra`."""
    place = Path(path).expanduser()
    return LightModel(graph.read(place if place.suffix.lower() == ".onnx" else place / graph.GRAPH))


def of_bundle(path: Path) -> LightModel | None:
    """The exported model that may answer in place of a bundle: it stands where `headstart export` puts it,
    and is of the same fingerprint. None where there is none, or anything is amiss: then the bundle answers.

    An exported model's own folder, or its graph, stands for itself; what is wrong with it is raised as by
    `load`.
    """
    from headstart.export.files import archive

    place = Path(path).expanduser()
    trained = any((place / name).is_file() for name in ("run.json", archive.MANIFEST))
    if place.suffix.lower() == ".onnx" or ((place / graph.GRAPH).is_file() and not trained):
        return load(place)
    try:
        bundle = archive.resolve(place)
        exported = graph.beside(bundle)
        if not exported.is_file():
            return None
        manifest, content = archive.described(bundle), graph.read(exported)
        if content.fingerprint != manifest.fingerprint:
            return None
        model = replace(content.model, evidence=manifest.evidence)
        return LightModel(replace(content, model=model), stands_in=True)
    except (HeadstartError, OSError):
        return None
