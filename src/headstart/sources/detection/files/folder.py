"""Folders of Hugging Face with a detector: read without loading any weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart.core import untrusted
from headstart.core.source import Source
from headstart.errors import SourceError
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.sources.files.weights import readable
from headstart.sources.text.files import folder as folders
from headstart.sources.text.files.modules import record

SETTINGS = "preprocessor_config.json"
PROCESSOR = "processor_config.json"
"""Where newer versions of `transformers` put the same, under "image_processor"."""
PROCESSORS = {
    "conditional_detr": "ConditionalDetrImageProcessor",
    "d_fine": "RTDetrImageProcessor",
    "deformable_detr": "DeformableDetrImageProcessor",
    "detr": "DetrImageProcessor",
    "rf_detr": "RfDetrImageProcessor",
    "rt_detr": "RTDetrImageProcessor",
    "rt_detr_v2": "RTDetrImageProcessor",
    "table-transformer": "DetrImageProcessor",
}
"""Model type -> the library's class that prepares its images and reads its answers."""
SIZE = (320, 320)
"""Height and width of images by which the trunk is cut; data have sizes of their own."""
OPTIONS = (
    "do_resize", "size", "resample", "do_rescale", "rescale_factor", "do_normalize", "image_mean",
    "image_std", "do_pad", "pad_size",
)  # fmt: skip
"""Of an image processor: what it does with pixels."""
LONGEST_EDGE = 1333
"""Of images that old files of DETR want by their shorter side alone."""
SEVERAL = ("deformable_detr",)
"""Model types that read three maps of a trunk of timm, and not all."""


@dataclass(frozen=True)
class Layout:
    """What a folder says; no weights yet."""

    architecture: dict[str, Any]
    contract: ImagePreprocessing
    weights: tuple[Path, ...]
    labels: tuple[str, ...]


def is_usable(root: Path) -> bool:
    """Whether it says how images are to be prepared."""
    return (root / SETTINGS).is_file() or (root / PROCESSOR).is_file()


def described(source: Source, root: Path) -> Source:
    """The record, completed with what a folder says. Raises `SourceError`."""
    layout = read(root, source.spec)
    found = folders.completed(source, root, layout)
    return replace(found, labels=layout.labels, parameters=source.parameters, note="a detector")


def read(root: Path, spec: str) -> Layout:
    """Raises `SourceError` for what is missing, damaged or not supported."""
    with readable(spec, f"the files in {root} cannot be used", "fetch it again"):  # fields of other types
        config = record(root / "config.json", spec)
        known(str(config.get("model_type")), spec)
        settings = _settings(root, spec)
        labels = _labels(config, spec)
        architecture = {**folders.architecture(config, spec), "num_classes": 0, "boxes": len(labels)}
        architecture["kwargs"]["num_labels"] = len(labels)
        _name_trunk(architecture, config, spec)
        architecture["processor"] = {name: settings[name] for name in OPTIONS if name in settings}
        if isinstance(settings.get("size"), int):
            edges = {
                "shortest_edge": settings["size"],
                "longest_edge": settings.get("max_size", LONGEST_EDGE),
            }
            architecture["processor"]["size"] = edges
        contract = contract_of(settings)
        ImagePreprocessing.audit(contract.to_json())
        return Layout(architecture, contract, _weights(root, spec), labels)


def known(arch: str, spec: str) -> None:
    """Raises `SourceError` for a model type of detectors that cannot be read."""
    if arch not in PROCESSORS:
        problem = f"detectors of type {arch!r} cannot be read"
        raise SourceError(spec, problem, f"take one of {', '.join(PROCESSORS)}")


def contract_of(settings: Mapping[str, Any]) -> ImagePreprocessing:
    """How the trunk wants images: whole ones, by the mean and deviation that the detector itself uses."""
    usual = ImagePreprocessing()
    normal = settings.get("do_normalize", True)
    mean = tuple(map(float, settings.get("image_mean") or usual.mean)) if normal else (0.0,) * 3
    sd = tuple(map(float, settings.get("image_std") or usual.std)) if normal else (1.0,) * 3
    return ImagePreprocessing(
        size=SIZE, mean=mean, std=sd, interpolation="bilinear", crop_pct=1.0, crop_mode="squash"
    )


def _settings(root: Path, spec: str) -> dict[str, Any]:
    if (root / SETTINGS).is_file():
        return record(root / SETTINGS, spec)
    if not (root / PROCESSOR).is_file():
        problem = f"there is no {SETTINGS} in {root}, which says how images are to be prepared"
        raise SourceError(spec, problem, "fetch it again")
    return untrusted.field(record(root / PROCESSOR, spec), "image_processor", dict)  # type: ignore[no-any-return]


def _labels(config: Mapping[str, Any], spec: str) -> tuple[str, ...]:
    named = config.get("id2label")
    if not isinstance(named, Mapping) or set(named) != set(map(str, range(len(named)))) or not named:
        problem = "its config.json does not name its classes from 0 on (id2label)"
        raise SourceError(spec, problem, "add the names to its config.json")
    return tuple(str(named[str(number)]) for number in range(len(named)))


def _name_trunk(architecture: dict[str, Any], config: Mapping[str, Any], spec: str) -> None:
    """A trunk of timm is named in a field of its own: elsewhere a name may be that of a repository."""
    inner = config.get("backbone_config")
    if isinstance(inner, Mapping):
        if inner.get("model_type") == "timm_backbone":
            architecture["backbone"] = str(inner.get("backbone"))
        return
    name = config.get("backbone")
    if name is None:
        return
    if not config.get("use_timm_backbone", True):
        raise SourceError(spec, f"its trunk is another model, {str(name)[:60]!r}", "take another detector")
    several = architecture["arch"] in SEVERAL and config.get("num_feature_levels", 4) > 1
    trunk = {
        "model_type": "timm_backbone",
        "features_only": True,
        "out_indices": [2, 3, 4] if several else [1, 2, 3, 4],
    }
    if config.get("dilation"):
        trunk["output_stride"] = 16
    architecture["kwargs"]["backbone_config"] = trunk
    architecture["backbone"] = str(name)


def _weights(root: Path, spec: str) -> tuple[Path, ...]:
    found = folders.weight_files(root, spec)
    pickled = [path.name for path in found if path.suffix != ".safetensors"]
    if pickled:
        problem = f"its weights are {pickled[0]}, and those of detectors are read from .safetensors alone"
        raise SourceError(spec, problem, "take a revision that has model.safetensors")
    return found
