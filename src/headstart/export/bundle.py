"""Model <-> bundle: a folder or a .zip that holds everything, and proves that it does.

Saving writes beside the target, opens the copy in a fresh process, lets it answer the probes, and
only then moves it into place. Loading checks digests and description before it builds anything.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from headstart import modalities
from headstart.core import environment, fingerprint
from headstart.core.model import Model
from headstart.core.untrusted import Damaged, parsing
from headstart.errors import BundleError, ExportMismatch, HeadstartError, NetError
from headstart.export.files import archive, schema
from headstart.export.files.schema import MANIFEST, PROBES, TENSORS, difference, tolerance
from headstart.export.files.staging import staged
from headstart.export.fresh import Standby
from headstart.predict.predictor import Predictor

MOST_PROBES = 256


@dataclass(frozen=True, eq=False)
class Bundle:
    """What a bundle holds, audited; nothing is built yet."""

    path: Path
    model: Model
    inputs: np.ndarray
    """A prepared batch: the probes."""
    outputs: np.ndarray
    """float32 `[P, K]`: what they must give."""
    allowed: float
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Verification:
    """What the probes of a bundle said on this machine."""

    path: str
    probes: int
    worst: float
    """Largest difference from a stored answer."""
    allowed: float
    fingerprint: str
    task: str
    source: str
    versions: Mapping[str, str]
    """With which the bundle was written."""

    @property
    def passed(self) -> bool:
        return self.worst <= self.allowed  # NaN is no pass

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "versions": dict(self.versions), "passed": self.passed}


class Answered(Protocol):
    """Items and what is known of their answers, which a saved copy must give, too."""

    @property
    def inputs(self) -> np.ndarray:
        """A prepared batch."""

    @property
    def outputs(self) -> np.ndarray:
        """float32 `[m, K]`"""

    @property
    def allowed(self) -> float:
        """How far the copy's answers may be from these."""


def save(
    model: Model,
    path: Path | str,
    *,
    probes: np.ndarray,
    fresh: Standby | None = None,
    again: Answered | None = None,
) -> Path:
    """Write `model` to a folder, or to an archive when `path` ends in .zip; returns the path.

    `probes` is a prepared batch of a few items (1 to 256) whose answers are stored and checked in a
    fresh process, `fresh` where one was started before, until then nothing is put in place. The same
    model and probes give the same bytes. An older bundle at `path` is replaced, anything else there
    is left alone. The fresh process is also asked `again` for answers that are known; of these items
    nothing is in the bundle.

    Raises `ExportMismatch` when the copy answers differently, `PathError` when the place cannot be
    written; in both cases what was at `path` is as it was.
    """
    target = Path(path).expanduser()
    if not model.input.signature().fits(probes) or len(probes) > MOST_PROBES:
        raise ValueError(f"probes must be 1 to {MOST_PROBES} items prepared as the model's input")
    files = _files(model, np.ascontiguousarray(probes))
    archive.check_target(target)
    with staged(target) as room:
        archive.write(room / target.name, files)
        job: dict[str, Any] = {"verify": str(room / target.name)}
        if again is not None:
            file = room / "again.safetensors"
            file.write_bytes(_serialised(again.inputs, again.outputs))
            job |= {"again": str(file), "allowed": again.allowed}
        report = fresh.answer(job) if fresh is not None else None
        if report is None:
            _reopen(job, target)
        else:
            _judge(report, target)
    return target


def _serialised(inputs: np.ndarray, outputs: np.ndarray) -> bytes:
    from safetensors.numpy import save as serialise

    return serialise({"inputs": np.ascontiguousarray(inputs), "outputs": np.ascontiguousarray(outputs)})


def _files(model: Model, probes: np.ndarray) -> dict[str, bytes]:
    from safetensors.numpy import save as serialise

    outputs = Predictor(model, device="cpu").scores(probes)
    if not np.isfinite(outputs).all():
        raise NetError(str(model.net.get("kind")), "answers NaN or infinity for its probes")
    files = {
        TENSORS: serialise(
            {name: np.asarray(model.tensors[name], order="C") for name in sorted(model.tensors)}
        ),
        PROBES: _serialised(probes, outputs),
    }
    files |= model.input.files()
    digests = {name: {"sha256": fingerprint.of_bytes(raw), "bytes": len(raw)} for name, raw in files.items()}
    allowed = tolerance(model.task, outputs)
    manifest = schema.dump(model, count=len(probes), allowed=allowed, files=digests)
    schema.parse(Path(MANIFEST), manifest)
    return {MANIFEST: manifest, **files}


def _reopen(job: Mapping[str, Any], target: Path) -> None:
    """Have a process of its own do the job. Raises `ExportMismatch`, or `BundleError` when it fails."""
    with closing(Standby()) as fresh:
        fresh.begin()
        report = fresh.answer(job)
    if report is None:
        raise BundleError(target, "a fresh process could not open the saved copy, so it was not kept")
    _judge(report, target)


def _judge(report: Mapping[str, Any], target: Path) -> None:
    """Raises `BundleError` or `ExportMismatch` where a fresh process says no good of the copy."""
    if "error" in report:
        raise BundleError(target, f"the saved copy does not open ({report['error']}), so it was not kept")
    for worst, allowed in report["proved"]:
        if not worst <= allowed:  # NaN is no pass
            raise ExportMismatch(target, worst, allowed)


def reported(job: Mapping[str, Any]) -> dict[str, Any]:
    """What a fresh process finds of the copy at job["verify"]: "proved", how far it is from the answers of
    its probes, then from those in the file job["again"], each with what is allowed; or "error"."""
    from safetensors.numpy import load as deserialise

    try:
        bundle = read(job["verify"])
        predictor = Predictor(bundle.model, device="cpu", name=str(bundle.path))
        asked = [(bundle.inputs, bundle.outputs, bundle.allowed)]
        if "again" in job:
            known = deserialise(Path(job["again"]).read_bytes())
            asked.append((known["inputs"], known["outputs"], job["allowed"]))
        proved = [(difference(predictor.scores(given), told), most) for given, told, most in asked]
    except HeadstartError as error:
        return {"error": str(error)}
    return {"proved": proved}


def stand_by() -> None:
    """What a fresh process does that was started early (`headstart.export.fresh`): import what it is told to,
    then verify one copy."""
    for line in sys.stdin:
        job = json.loads(line)
        if "verify" in job:
            sys.stdout.write("\n" + json.dumps(reported(job)) + "\n")
            return
        with environment.importing():
            for name in job["import"]:
                with suppress(Exception):  # what is really needed is imported again, and then it counts
                    importlib.import_module(name)
        sys.stdout.write('\n{"ready": true}\n')
        sys.stdout.flush()


def read(path: Path | str) -> Bundle:
    """Everything in a bundle, after the audit. Raises `BundleError`, `PathError` or `RunError`."""
    from safetensors.numpy import load as deserialise

    place = archive.resolve(path)
    manifest, files = archive.read_all(place)
    with _sound(place, "its tensors"):
        tensors = deserialise(files[TENSORS])
        probes = deserialise(files[PROBES])
        inputs, outputs = probes["inputs"], probes["outputs"]
    kind = modalities.preprocessing_of(manifest.preprocessing)
    own = " and ".join(f"its {Path(name).stem}" for name in kind.FILES)
    with _sound(place, own or "how it prepares items"):
        preprocessing = kind.from_json(manifest.preprocessing, files)
    model = Model(manifest.task, preprocessing, manifest.net, tensors, manifest.source, manifest.evidence)
    if model.fingerprint() != manifest.fingerprint:
        raise BundleError(
            place, f"{MANIFEST} was changed after the model was saved", "fetch or save it again"
        )
    if not preprocessing.signature().fits(inputs):
        raise BundleError(place, "its probes do not fit its preprocessing")
    return Bundle(place, model, inputs, outputs, manifest.allowed, manifest.versions)


@contextmanager
def _sound(place: Path, what: str) -> Iterator[None]:
    """Whatever a part of a bundle raises where it is read is a `BundleError` that names it."""
    try:
        with parsing():
            yield
    except Damaged as error:
        raise BundleError(place, f"{what} cannot be read ({error})", "fetch or save it again") from error


def load(path: Path | str) -> Model:
    """The model in a bundle, audited and not yet built. Raises as `read` does."""
    return read(path).model


def verify(path: Path | str) -> Verification:
    """Let the bundle answer its probes, here and now. Raises as `read` does."""
    bundle = read(path)
    found = Predictor(bundle.model, device="cpu", name=str(bundle.path)).scores(bundle.inputs)
    return Verification(
        path=str(bundle.path),
        probes=len(bundle.inputs),
        worst=difference(found, bundle.outputs),
        allowed=bundle.allowed,
        fingerprint=bundle.model.fingerprint(),
        task=bundle.model.task.kind,
        source=str(bundle.model.source.get("spec", "")),
        versions=bundle.versions,
    )
