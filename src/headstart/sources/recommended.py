"""Sources worth trying first: small, strong, with a licence that permits use.

Their records are written down here, so that listing and finding them loads no library; a test holds
them against the libraries. Published accuracies are top-1 on ImageNet-1k: timm's results table
(results-imagenet.csv), and torchvision's `weights.meta`. To add one: a line in `TABLE`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from headstart.core.source import InputContract, Source
from headstart.sources.fetching import hub_file, torch_hub_file

HALF = (0.5, 0.5, 0.5)
APACHE = "apache-2.0"
TORCHVISION = InputContract(interpolation="bilinear", crop_pct=224 / 232)


@dataclass(frozen=True)
class Entry:
    """A line of the table; the weight file is that of its hub repository, or `file` in
    torch's hub folder."""

    spec: str
    parameters: int
    prior: float | None
    input: InputContract
    note: str
    licence: str | None = APACHE
    file: str = ""


TABLE = (
    Entry(
        "timm/mobilenetv3_small_100.lamb_in1k", 2542856, 0.67656, InputContract(),
        "the fastest that is still good on photos",
    ),
    Entry(
        "timm/mobilenetv3_large_100.ra_in1k", 5483032, 0.75766, InputContract(),
        "fast and good on photos",
    ),
    Entry(
        "timm/convnext_atto.d2_in1k", 3695520, 0.77008, InputContract(),
        "small and strong on photos; accuracy published at 288 px",
    ),
    Entry(
        "timm/resnet18.a1_in1k", 11689512, 0.73158, InputContract(crop_pct=0.95),
        "plain and robust, good to fine-tune; accuracy published at 288 px",
    ),
    Entry(
        "timm/efficientnet_b0.ra_in1k", 5288548, 0.77694, InputContract(),
        "strong for its size on photos, slower to train",
    ),
    Entry(
        "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", 5717416, 0.75454,
        InputContract(mean=HALF, std=HALF, crop_pct=0.9),
        "a small transformer that has seen 21,000 classes",
    ),
    Entry(
        "timm/vit_small_patch16_224.augreg_in21k_ft_in1k", 22050664, None,
        InputContract(mean=HALF, std=HALF, crop_pct=0.9),
        "a transformer that has seen 21,000 classes; slow without a GPU",
    ),
    Entry(
        "torchvision/regnet_y_400mf", 4344144, 0.75804, TORCHVISION,
        "small and quick on photos", None, "regnet_y_400mf-e6988f5f.pth",
    ),
    Entry(
        "torchvision/resnet50", 25557032, 0.80858, TORCHVISION,
        "strong on photos; slow without a GPU", None, "resnet50-11ad3fa6.pth",
    ),
)  # fmt: skip


def find(spec: str) -> Source | None:
    """The record of a recommended source, or None."""
    entry = next((entry for entry in TABLE if entry.spec == spec), None)
    return None if entry is None else _source(entry)


def every(modality: str = "image") -> list[Source]:
    """All of them, smallest first."""
    if modality != "image":
        return []
    return [_source(entry) for entry in sorted(TABLE, key=lambda e: e.parameters)]


def _source(entry: Entry) -> Source:
    library, _, name = entry.spec.partition("/")
    path = torch_hub_file(entry.file) if entry.file else hub_file(f"timm/{name}", "model.safetensors")
    return replace(
        Source(
            spec=entry.spec,
            name=name,
            architecture={"library": library, "arch": name, "kwargs": {}, "num_classes": 1000},
            input=entry.input,
            parameters=entry.parameters,
            licence=entry.licence,
            size_bytes=4 * entry.parameters,  # float32
            prior=entry.prior,
            note=entry.note,
        ),
        local=path is not None,
        revision=path.parent.name if path is not None and not entry.file else None,
    )
