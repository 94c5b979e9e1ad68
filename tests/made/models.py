"""Small models of every kind, made from a seed: for tests of whatever reads, ships or serves models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from headstart import sources
from headstart.core.model import Model
from headstart.core.source import Source
from headstart.core.task import CLASSIFICATION, MULTILABEL, REGRESSION, Task
from headstart.modalities.image.preprocessing import ImagePreprocessing

ARCHITECTURE: Mapping[str, Any] = {"library": "timm", "arch": "test_resnet", "kwargs": {}, "num_classes": 7}
"""A residual network of timm made for tests: 0.5 million parameters, any input size."""
INPUT = ImagePreprocessing(size=(32, 32), interpolation="bilinear", crop_pct=1.0)
METRICS = {CLASSIFICATION: ("accuracy", True), MULTILABEL: ("mAP", True), REGRESSION: ("MAE", False)}


def tiny_task(kind: str = CLASSIFICATION, labels: Sequence[str] | None = None) -> Task:
    """A task with three labels (one target for regression), or with the labels given."""
    metric, higher = METRICS[kind]
    default = ("weight",) if kind == REGRESSION else ("ant", "bee", "wasp")
    return Task(kind, tuple(labels or default), metric, higher)


def tiny_images(count: int, *, side: int = 32, seed: int = 0) -> np.ndarray:
    """uint8 `[count, 3, side, side]`: smooth random colours, as prepared images are."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 3, 4, 4)).astype(np.float64)
    fine = coarse.repeat(-(-side // 4), axis=2).repeat(-(-side // 4), axis=3)[:, :, :side, :side]
    return np.clip(fine + rng.normal(0, 8, fine.shape), 0, 255).astype(np.uint8)


def tiny_model(
    kind: str = "pixels",
    task: Task | None = None,
    *,
    seed: int = 0,
    temperature: float | None = None,
    architecture: Mapping[str, Any] = ARCHITECTURE,
    input: ImagePreprocessing = INPUT,
) -> Model:
    """A model of the kind of network named, with random numbers in it."""
    task = task or tiny_task()
    rng = np.random.default_rng(seed)
    net, tensors = _MAKERS[kind](task, rng, architecture, input)
    if temperature is not None:
        tensors["temperature"] = np.array([temperature], np.float32)
    source = {"spec": "test/tiny", "licence": "Apache-2.0"} if "architecture" in net else {}
    evidence = {"arm": kind, "metric": task.metric, "seed": seed}
    return Model(task, input, net, tensors, source=source, evidence=evidence)


def _head(rng: np.random.Generator, width: int, outputs: int) -> dict[str, np.ndarray]:
    weight = rng.normal(0, 2 / np.sqrt(width), (outputs, width)).astype(np.float32)
    return {"head.weight": weight, "head.bias": rng.normal(size=outputs).astype(np.float32)}


def _constant(task: Task, rng: np.random.Generator, *_: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    return {"kind": "constant"}, {"head.bias": rng.normal(size=task.outputs).astype(np.float32)}


def _pixels(
    task: Task, rng: np.random.Generator, *_: Any, rbf: bool = False
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    width = 3 * 8 * 8
    tensors = {
        "pixels.mean": rng.uniform(0.4, 0.6, width).astype(np.float32),
        "pixels.sd": rng.uniform(0.2, 0.3, width).astype(np.float32),
    }
    if not rbf:
        return {"kind": "pixels", "side": 8, "map": "linear"}, {**tensors, **_head(rng, width, task.outputs)}
    tensors["landmarks"] = rng.normal(size=(20, width)).astype(np.float32)
    net = {"kind": "pixels", "side": 8, "map": "rbf", "gamma": 0.5 / width}
    return net, {**tensors, **_head(rng, 20, task.outputs)}


def _rbf(task: Task, rng: np.random.Generator, *_: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    return _pixels(task, rng, rbf=True)


def random_backbone(architecture: Mapping[str, Any], input: ImagePreprocessing, *, seed: int = 0) -> Any:
    """A backbone with random weights and BatchNorm statistics that are not the neutral ones."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = sources.build(architecture, classifier=True)
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    source = Source("test/random", "random", architecture=architecture, input=input)
    return sources.backbone_from_module(network, source)


def _state(prefix: str, module: Any) -> dict[str, np.ndarray]:
    return {f"{prefix}.{name}": tensor.numpy(force=True) for name, tensor in module.state_dict().items()}


def _taps(
    task: Task, rng: np.random.Generator, architecture: Mapping[str, Any], input: ImagePreprocessing
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    backbone = random_backbone(architecture, input)
    taps = [backbone.taps()[0], backbone.taps()[-1]]
    channels = {stage.name: stage.channels for stage in backbone.stages}
    width = sum(channels[tap.stage] * max(1, int(tap.grid)) ** 2 for tap in taps)
    net = {"kind": "taps", "architecture": dict(architecture), "taps": [str(tap) for tap in taps]}
    return net, {**_state("trunk", backbone.module), **_head(rng, width, task.outputs)}


def _classifier(
    task: Task, rng: np.random.Generator, architecture: Mapping[str, Any], input: ImagePreprocessing
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    backbone = random_backbone(architecture, input)
    shuffled = [int(i) for i in rng.permutation(int(architecture["num_classes"]))]
    columns = [shuffled[i :: task.outputs] for i in range(task.outputs)]
    net = {"kind": "classifier", "architecture": dict(architecture), "columns": columns}
    return net, {**_state("trunk", backbone.module), **_state("classifier", backbone.classifier)}


def _average(
    task: Task, rng: np.random.Generator, *others: Any
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    del others
    parts = [_pixels(task, rng), _rbf(task, rng), _constant(task, rng)]
    tensors = {f"{i}.{name}": array for i, (_, inner) in enumerate(parts) for name, array in inner.items()}
    return {"kind": "average", "members": [net for net, _ in parts], "weights": [0.5, 0.3, 0.2]}, tensors


_MAKERS: dict[str, Callable[..., tuple[dict[str, Any], dict[str, np.ndarray]]]] = {
    "constant": _constant,
    "pixels": _pixels,
    "rbf": _rbf,
    "taps": _taps,
    "classifier": _classifier,
    "average": _average,
}

KINDS = tuple(_MAKERS)
