"""Source records in JSON: the side-car of a weight file, and the records of bundled weights.

A record is an object with these fields; all but the architecture have defaults, others are ignored.

* `library` ("timm", "torchvision", "headstart") and `arch`; `kwargs` for its constructor;
  `channel_multiplier` for narrow MobileNets; `num_classes` (found from the weights when absent;
  0 = no classifier); `boxes` of a detector of torchvision: the classes that it finds, background among them.
* `input`: side length, or [height, width]; `mean`, `std` (one number a channel), `crop_pct`,
  `interpolation`, `crop_mode`. When input, mean or std is absent the architecture's own recipe counts.
* `labels`: a list, or the name of a text file beside the record (or in a folder there), one name a line.
* `prefix`: where in the file the network lies, such as "teacher.backbone.", where it lies there twice.
* `sha256` of the weight file (a file that differs is refused), `name`, `note`, `licence`, `paper`,
  `prior` (published accuracy, 0 to 1), `parameters`, `revision`, `source_data`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.core import untrusted
from headstart.core.source import Source
from headstart.core.untrusted import limits
from headstart.errors import SourceError
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.sources.files import audit
from headstart.sources.files.weights import readable
from headstart.sources.networks import detectors, recipes

ARCHITECTURE = ("library", "arch", "kwargs", "channel_multiplier", "num_classes", "boxes")
IMAGENET = ("imagenet-1k", "imagenet", "in1k")
"""What `source_data` may say for the 1,000 classes of ILSVRC 2012, in any case."""


def read_json(path: Path, spec: str) -> dict[str, Any]:
    """A record from a file. Raises `SourceError`."""
    with readable(spec, f"its record {path.name} cannot be read"):
        return untrusted.read_object(path)


def to_source(record: Mapping[str, Any], spec: str, weights: Path) -> Source:
    """The source that a record describes; `weights` is the file it belongs to.

    Raises `SourceError` for fields that are missing or cannot be used.
    """
    architecture = _architecture(record, spec)
    with readable(spec, "a field of its record cannot be used"):
        return Source(
            spec=spec,
            name=str(record.get("name") or weights.stem),
            architecture=architecture,
            input=_contract(record, architecture, spec),
            parameters=_maybe(int, record.get("parameters")),
            labels=_labels(record.get("labels"), weights.parent, spec),
            sha256=_maybe(str, record.get("sha256")),
            revision=_maybe(str, record.get("revision")),
            licence=_maybe(str, record.get("licence", record.get("license"))),
            local=weights.is_file(),
            size_bytes=weights.stat().st_size if weights.is_file() else None,
            prior=_maybe(float, record.get("prior")),
            paper=_maybe(str, record.get("paper")),
            note=str(record.get("note") or ""),
        )


def wants_imagenet_labels(record: Mapping[str, Any], source: Source) -> bool:
    """Whether the classes are known by convention: 1,000 of ImageNet, and no list given."""
    known = str(record.get("source_data", "")).lower() in IMAGENET
    return known and source.labels is None and source.architecture.get("num_classes") == 1000


def _architecture(record: Mapping[str, Any], spec: str) -> dict[str, Any]:
    found = {key: record[key] for key in ARCHITECTURE if record.get(key) is not None}
    if "library" not in found and "/" in str(found.get("arch", "")):
        found["library"], _, found["arch"] = str(found["arch"]).partition("/")
    if "library" not in found or "arch" not in found:
        raise SourceError(
            spec,
            "its architecture is not known",
            "add it: file:PATH?arch=LIBRARY/NAME (for example arch=timm/resnet18), "
            "or a JSON file of the same name beside it with library and arch",
        )
    found.setdefault("kwargs", {})
    if found.get("boxes"):
        found["num_classes"] = 0
    audit.check(found, spec)
    return found


def _contract(record: Mapping[str, Any], architecture: Mapping[str, Any], spec: str) -> ImagePreprocessing:
    given = {
        key: _numbers(key, record[key]) for key in ("input", "mean", "std") if record.get(key) is not None
    }
    base = ImagePreprocessing() if len(given) == 3 else _own_recipe(architecture, spec)
    size = given.get("input", base.size)
    height, width = size * 2 if len(size) == 1 else size
    mean, std = given.get("mean", base.mean), given.get("std", base.std)
    contract = ImagePreprocessing(
        size=(int(height), int(width)),
        mean=mean,
        std=std,
        interpolation=str(record.get("interpolation") or base.interpolation),
        crop_pct=float(record.get("crop_pct") or base.crop_pct),
        crop_mode=str(record.get("crop_mode") or base.crop_mode),
        channels=int(record.get("channels") or len(mean)),
    )
    problem = _problem(contract)
    if problem:
        raise SourceError(spec, problem, "correct its record or its options")
    return contract


def _problem(contract: ImagePreprocessing) -> str:
    if contract.channels not in (1, 3):
        return f"images of {contract.channels} channels are not supported, only 1 and 3"
    if not len(contract.mean) == len(contract.std) == contract.channels:
        return f"mean and std have {len(contract.mean)} and {len(contract.std)} numbers for " + (
            f"{contract.channels} channel{'s' if contract.channels > 1 else ''}"
        )
    if min(contract.size) < 1 or max(contract.size) > 4096:
        return f"an input of {contract.size[0]} x {contract.size[1]} pixels cannot be used"
    if min(contract.std) <= 0 or not 0 < contract.crop_pct <= 1:
        return "std must be above 0, and crop_pct between 0 and 1"
    return ""


def _own_recipe(architecture: Mapping[str, Any], spec: str) -> ImagePreprocessing:
    """What the library says for the architecture; ImageNet's usual recipe where it says nothing."""
    library, arch = architecture["library"], str(architecture["arch"])
    if architecture.get("boxes"):
        return detectors.contract(arch)
    own = {"timm": recipes.of_timm, "torchvision": recipes.of_torchvision}.get(library)
    if own is None:
        raise SourceError(spec, "its record must say input, mean and std")
    return own(arch) or ImagePreprocessing()


def _numbers(field: str, given: Any) -> tuple[float, ...]:
    """A number, or a list of them. Raises `ValueError`: the signs of a text are no numbers."""
    found = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not all(type(one) in (int, float) and math.isfinite(one) for one in found):
        raise ValueError(f"{field} is {str(given)[:40]!r}, not a number or a list of numbers")
    return tuple(map(float, found))


def _labels(given: Any, folder: Path, spec: str) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str):
        path = Path(given.replace("\\", "/"))
        if path.is_absolute() or path.drive or ".." in path.parts:
            problem = f"its list of labels, {given[:200]!r}, lies outside the folder of its record"
            raise SourceError(spec, problem, "put the list beside the weights, or name it with ?labels=PATH")
        return names_in(folder / path, spec)
    if not isinstance(given, list | tuple) or not all(type(one) in (str, int, float) for one in given):
        raise ValueError("labels are neither a list of names nor the name of a file")
    return tuple(map(str, given))


def names_in(path: Path, spec: str) -> tuple[str, ...]:
    """The lines of a text file that are not empty: names of classes. Raises `SourceError`."""
    try:
        with path.open("rb") as file:
            content = file.read(limits.LABELS_BYTES + 1)
        if len(content) > limits.LABELS_BYTES:
            raise ValueError(f"it is larger than the {limits.LABELS_BYTES:,} bytes that are read")
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise SourceError(spec, f"its list of labels {path.name} cannot be read ({error})") from error
    return tuple(line.strip() for line in lines if line.strip())


def _maybe(kind: Any, value: Any) -> Any:
    return None if value is None else kind(value)
