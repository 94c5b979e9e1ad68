"""From a source and its tensors to a Backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from headstart.core.source import Source
from headstart.errors import NetError, SourceError, UnknownName
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.sources.cuts.traced import Plan, TracedBackbone, digest_of, make_plan
from headstart.sources.files import audit, efficientnet, trunk, weights
from headstart.sources.layers import filling
from headstart.sources.networks import architectures, detectors, recipes, record


def build_quietly(architecture: Mapping[str, Any]) -> nn.Module:
    """A network with random weights that leaves the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        return architectures.build(architecture)


def open_backbone(source: Source, tensors: Mapping[str, Tensor], prefix: str | None = None) -> TracedBackbone:
    """The source's network with these weights; the note of its record says what was left out of them.

    The number of classes is that of the file (0 without a classifier, or where the record says 0). See
    `trunk.find` for what may stand before names and beside the network. Raises `SourceError` when tensors
    and architecture do not fit together.
    """
    _fits_in(source.architecture, tensors, source.spec)
    network, plan = _planned(source)
    parts = _parts(network, plan)
    found = trunk.find(parts, tensors, source.spec, prefix)
    said = source.architecture.get("num_classes")
    classes = 0 if said == 0 else found.classes
    notes = list(found.notes)
    if said and classes != said:
        file = f"has {classes:,}" if classes else "holds no classifier that fits"
        notes.append(f"its record says {said:,} classes, and its file {file}: the file counts")
    if classes != (said or 0) or said is None:
        source = replace(source, architecture={**source.architecture, "num_classes": classes})
        if classes > 1:
            network, plan = _planned(source)
    note = "; ".join([*([source.note] if source.note else []), *notes])
    source = replace(source, note=note, labels=source.labels if classes else None)
    _check_labels(source)
    backbone = TracedBackbone(network, source, plan, classifier=classes > 0, rebuild=_rebuilder(source))
    unused = () if classes else parts.head
    network.load_state_dict({n: t for n, t in found.tensors.items() if n not in unused}, strict=False)
    return backbone


def _parts(network: nn.Module, plan: Plan) -> trunk.Parts:
    backbone = TracedBackbone(network, Source("", "", input=ImagePreprocessing()), plan)
    head = list(backbone.classifier.state_dict()) if backbone.classifier is not None else []
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    return trunk.Parts(list(backbone.module.state_dict()), head, shapes)


MORE = 4
"""So many times as many numbers as its file may an architecture have, before it is built."""


class _Unfilled(TorchFunctionMode):
    """Weights that take no memory are not drawn: the first `normal_` of one imports PyTorch's compiler, which
    takes seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func is Tensor.normal_ else func(*args, **(kwargs or {}))


def _fits_in(architecture: Mapping[str, Any], tensors: Mapping[str, Any], spec: str) -> None:
    """Raises `SourceError` for an architecture far too large for its file, before memory is taken for it."""
    try:
        with torch.device("meta"), _Unfilled():
            network = build_quietly(architecture)
    except (SourceError, UnknownName):  # some constructors compute with their weights; it is told later
        return
    wanted = sum(value.numel() for value in network.state_dict().values())
    given = sum(int(np.prod(value.shape, dtype=np.float64)) for value in tensors.values())
    if wanted > MORE * given + SMALL:
        problem = f"its architecture has {wanted:,} numbers, and its file {given:,}"
        raise SourceError(spec, problem, trunk.REMEDY)


SMALL = 10_000_000
"""Numbers that are built without asking."""


def open_file(source: Source, path: Path, fields: Mapping[str, Any]) -> TracedBackbone:
    """The network of a weight file, checked and read; `fields`: those of its record. Raises `SourceError`."""
    with weights.unchanged(path, source.spec):
        if source.sha256 is not None:
            weights.check_sha256(path, source.sha256, source.spec)
        if source.form:
            return open_detector(source, weights.read_all(path, source.spec))
        prefix = fields.get("prefix")
        tensors = weights.read_all(path, source.spec)
        backbone = open_backbone(source, tensors, None if prefix is None else str(prefix))
    if record.wants_imagenet_labels(fields, backbone.source):
        backbone.source = replace(
            backbone.source, labels=recipes.imagenet_labels(backbone.source.architecture["library"])
        )
    return backbone


def open_lite(source: Source, path: Path) -> TracedBackbone:
    """EfficientNet-Lite from a file of EfficientNet-PyTorch, with the names of ImageNet's classes."""
    named = replace(source, labels=recipes.imagenet_labels("timm"))
    return open_backbone(named, efficientnet.renamed(weights.read(path, source.spec)), prefix="")


def wrap(network: nn.Module, source: Source) -> TracedBackbone:
    """A network that already has its weights, built from the source's architecture."""
    classifier = bool(source.architecture.get("num_classes"))
    plan, rebuild = make_plan(network, source), _rebuilder(source)
    return TracedBackbone(network, source, plan, classifier=classifier, rebuild=rebuild)


def open_detector(source: Source, tensors: Mapping[str, Any]) -> TracedBackbone:
    """A detector with these weights, as the backbone that its trunk is. Raises `SourceError`."""
    detector = detector_of(source.architecture, tensors, source.spec)
    boxes = source.architecture["boxes"]
    if len(source.labels or ()) != boxes:
        problem = f"{len(source.labels or ())} label names are given, but its detector has {boxes} classes"
        raise SourceError(source.spec, problem, "list them in its record, background first")
    network = detectors.trunk(detector)
    digest = digest_of(source, dict(detector.state_dict()))
    plan = make_plan(network, source, head=False)
    found = TracedBackbone(network, source, plan, classifier=False, rebuild=_rebuilder(source), digest=digest)
    found.detector = detector
    return found


def detector_of(architecture: Mapping[str, Any], tensors: Mapping[str, Any], spec: str) -> nn.Module:
    """A whole detector with these weights. Raises `SourceError`."""
    audit.check(architecture, spec)
    with torch.random.fork_rng(devices=[]):
        detector = detectors.whole(architecture)
    given = {name: value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
             for name, value in tensors.items()}  # fmt: skip
    own = detector.state_dict()
    # norm layers that the library freezes count no batches
    given |= {name: own[name] for name in own.keys() - given.keys() if name.endswith("num_batches_tracked")}
    try:
        detector.load_state_dict(given)
    except RuntimeError as error:
        lines = " ".join(line.strip() for line in str(error).splitlines()[1:])
        raise SourceError(spec, f"does not fit its weights ({lines[:200]})", trunk.REMEDY) from error
    return detector.eval()


def restore(source: Source, tensors: Mapping[str, Any], classifier: Mapping[str, Any]) -> TracedBackbone:
    """A network from the states of `Backbone.module` and `Backbone.classifier`. Raises `NetError`."""
    arch = str(source.architecture.get("arch", "?"))
    try:
        _fits_in(
            source.architecture, {**tensors, **{f"head.{k}": v for k, v in classifier.items()}}, source.spec
        )
    except SourceError as error:
        raise NetError(arch, str(error)) from error
    network, plan = _planned(source)
    backbone = TracedBackbone(network, source, plan, classifier=bool(classifier), rebuild=_rebuilder(source))
    filling.put(backbone.module, tensors, arch)
    if backbone.classifier is not None:
        filling.put(backbone.classifier, classifier, arch)
    return backbone


def _planned(source: Source) -> tuple[nn.Module, Plan]:
    network = build_quietly(source.architecture)
    return network, make_plan(network, source, head=not source.form)


def _rebuilder(source: Source) -> Any:
    return lambda: architectures.build(source.architecture)


def _check_labels(source: Source) -> None:
    classes = int(source.architecture.get("num_classes") or 0)
    if source.labels is not None and classes and len(source.labels) != classes:
        problem = f"{len(source.labels)} label names are given, but its classifier has {classes} classes"
        raise SourceError(source.spec, problem, "correct the list of labels, or leave it out")
