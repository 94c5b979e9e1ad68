"""What is written in `bundle.json`, and the audit every bundle passes before anything is built.

Format 1, one JSON object:

    format         "headstart-bundle"
    version        1; readers refuse higher numbers
    modality       "image" or "text": a name in `headstart.modalities`
    task           kind, labels in the order of the outputs, headline metric and its direction
    preprocessing  how an item becomes the network's input (`headstart.core.source.Preprocessing`)
    net            the recipe of the network (`headstart.nets`)
    source         spec, revision, digest and licence of the source; empty when there is none
    evidence       arm, cross-validated and test results, verdict, data fingerprint
    fingerprint    of task, preprocessing, net and tensors together (`Model.fingerprint`)
    probes         count, and the largest difference their answers may show
    files          name -> sha256 and bytes of the other files
    versions       of the libraries that wrote it

`model.safetensors` holds the tensors of the network. `probes.safetensors` holds `inputs` (a prepared batch:
images uint8 `[P, 3, H, W]`, texts int32 `[P, channels, T]`) and `outputs` (float32 `[P, K]`, what they must
give). A model of texts has `tokenizer.json` as well: the files of its preprocessing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart import modalities, nets, tasks
from headstart.core import environment
from headstart.core.files import plain
from headstart.core.model import Model
from headstart.core.task import Task
from headstart.core.untrusted import Damaged, field, parsing, read_object
from headstart.errors import BundleError, HeadstartError
from headstart.sources.files.audit import check as check_architecture
from headstart.sources.files.paths import with_path
from headstart.tasks.base import Confidence

FORMAT = "headstart-bundle"
VERSION = 1
MANIFEST, TENSORS, PROBES = "bundle.json", "model.safetensors", "probes.safetensors"
FILES = (MANIFEST, TENSORS, PROBES)
"""What every bundle has, besides the files of its preprocessing."""
LARGEST_SIDE = 4096


@dataclass(frozen=True)
class Manifest:
    """`bundle.json`, checked."""

    task: Task
    preprocessing: Mapping[str, Any]
    """Read together with the files that it names."""
    net: Mapping[str, Any]
    source: Mapping[str, Any]
    evidence: Mapping[str, Any]
    fingerprint: str
    allowed: float
    """Largest difference between a probe's answer and the stored one."""
    files: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str]


def dump(model: Model, *, count: int, allowed: float, files: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The content of `bundle.json`; the same model gives the same bytes."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "modality": model.input.modality,
        "task": model.task.to_json(),
        "preprocessing": model.input.to_json(),
        "net": dict(model.net),
        "source": shareable(model.source),
        "evidence": dict(model.evidence),
        "fingerprint": model.fingerprint(),
        "probes": {"count": count, "allowed": allowed},
        "files": {name: dict(files[name]) for name in sorted(files)},
        "versions": environment.versions(),
    }
    text = json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def shareable(source: Mapping[str, Any]) -> dict[str, Any]:
    """The source without the folders of this machine: "file:/home/me/net.pth" -> "file:net.pth"."""

    def name(path: str) -> str:
        return path.replace("\\", "/").rstrip("/").rpartition("/")[2]

    return {**source, **({"spec": with_path(str(source["spec"]), name)} if "spec" in source else {})}


def parse(path: Path, raw: bytes) -> Manifest:
    """Check `bundle.json` without building anything. Raises `BundleError`."""
    try:
        with parsing():
            content = read_object(raw)
            if content.get("format") != FORMAT:
                raise BundleError(path, f"{MANIFEST} is not the description of a Headstart model")
            version = content.get("version")
            if not isinstance(version, int) or version < 1:
                raise BundleError(path, f"its format version is {version!r}")
            if version > VERSION:
                problem = f"it has format version {version}, and this Headstart reads up to {VERSION}"
                raise BundleError(path, problem, "upgrade Headstart")
            manifest = _fields(content)
            audit(manifest)
    except Damaged as error:
        raise BundleError(path, f"{MANIFEST} is damaged ({error})", "fetch or save it again") from error
    except BundleError:
        raise
    except HeadstartError as error:
        raise BundleError(path, str(error)) from error
    return manifest


def _fields(content: Mapping[str, Any]) -> Manifest:
    for name in ("task", "preprocessing", "net", "source", "evidence", "probes", "files", "versions"):
        field(content, name, dict)
    for name in ("task.kind", "task.metric", "fingerprint"):
        field(content, name, str)
    field(content, "task.labels", list)
    modality = content.get("modality")
    if modality not in modalities.MODALITIES or modalities.named_in(content["preprocessing"]) != modality:
        raise ValueError(f"the modality {modality!r}, which this version does not know")
    return Manifest(
        task=Task.from_json(content["task"]),
        preprocessing=content["preprocessing"],
        net=content["net"],
        source=content["source"],
        evidence=content["evidence"],
        fingerprint=str(content["fingerprint"]),
        allowed=field(content, "probes.allowed", float),
        files={
            name: content["files"][name] for name in files_of(content["preprocessing"]) if name != MANIFEST
        },
        versions=content["versions"],
    )


def audit(manifest: Manifest) -> None:
    """Raises `HeadstartError` or `ValueError` for what must not be built, or cannot."""
    tasks.get(manifest.task.kind)
    labels = manifest.task.labels
    if not labels or len(set(labels)) != len(labels):
        raise ValueError("labels that are empty or not unique")
    if any("\ud800" <= sign <= "\udfff" for sign in "".join(labels)):
        raise ValueError("a label that is no text: half a character")
    modalities.preprocessing_of(manifest.preprocessing).audit(manifest.preprocessing)
    if not 0 < manifest.allowed < float("inf"):
        raise ValueError("no usable tolerance for its probes")
    nets.kind_of(manifest.net)
    for net in _members(manifest.net):
        if "architecture" in net:
            check_architecture(net["architecture"])
        for size in net.get("sizes") or ():
            if size is not None and not all(1 <= side <= LARGEST_SIDE for side in size):
                raise ValueError(f"a member that reads {size[0]} x {size[1]} pixels")


def files_of(preprocessing: Mapping[str, Any]) -> tuple[str, ...]:
    """The files of a bundle with that preprocessing."""
    return (*FILES, *modalities.preprocessing_of(preprocessing).FILES)


def _members(net: Any) -> list[Mapping[str, Any]]:
    if not isinstance(net, Mapping):
        raise ValueError("a member of its network that is no recipe")
    inner = [leaf for member in net.get("members", ()) for leaf in _members(member)]
    return [net, *inner]


TOLERANCE = 1e-4
"""Largest difference in probabilities; for regression ten times as much of the largest answer."""


def tolerance(task: Task, outputs: np.ndarray) -> float:
    """How far a copy may be off: 1e-4 in probability, 1e-3 of the largest value for regression."""
    if isinstance(tasks.for_task(task), Confidence):
        return TOLERANCE
    return max(10 * TOLERANCE * float(np.abs(outputs).max()), 1e-12)


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference; NaN anywhere, or another shape, is infinitely far."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found.astype(np.float64) - expected).max())
