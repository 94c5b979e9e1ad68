"""Ranking sources from data to answer: one pass each, kept for a fit; what breaks ends itself alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart as hs
from headstart import sources
from headstart.core.features import FeatureSpec
from headstart.errors import BadOption, DataError, SourceError, UnknownName, WeightsMissing
from headstart.passes.extractor import StoreExtractor
from headstart.ranking import evaluation
from headstart.sources import patterns
from headstart.store.store import FeatureStore
from headstart.testing.fakes import shapes
from headstart.testing.texts import WORDS, sentences

BUNDLED = ["bundled/strokes", "bundled/textures"]


@pytest.fixture(autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One for all tests here: the same pictures are read once."""
    where = tmp_path_factory.getbasetemp() / "store-of-rank"
    monkeypatch.setenv("HEADSTART_CACHE", str(where))
    return where


@pytest.fixture(scope="module")
def pictures() -> Any:
    return shapes(per_class=16, noise=0.15)


def steady(ranking: Any) -> list[Any]:
    """What does not tell how long it took."""
    return [replace(row, seconds=0.0, passes=0.0) for row in ranking]


def test_one_pass_each_which_a_fit_finds(
    pictures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    found = hs.rank(pictures, sources=BUNDLED)
    assert [row.passes for row in found] == [1.0, 1.0]
    assert sorted(row.source for row in found) == BUNDLED
    assert found.best == found.rows[0].source
    for spec in BUNDLED:
        backbone = sources.load(spec)
        extract = StoreExtractor(FeatureStore.default(), pictures)
        assert extract.missing(backbone, FeatureSpec(taps=backbone.taps())) == 0
    again = hs.rank(pictures, sources=["bundled/*"])
    assert [row.passes for row in again] == [0.0, 0.0]
    assert steady(again) == steady(found)
    assert again.fingerprint == found.fingerprint
    content = found.to_json()
    assert content["ranking"][0].keys() >= {
        "source",
        "expected",
        "score",
        "tied",
        "seconds",
        "licence",
        "reason",
    }
    assert content["ranking"][0]["expected"].keys() >= {"value", "low", "high"}
    assert (content["n"], content["metric"]) == (48, "accuracy")
    for row in found:
        assert row.expected.low <= row.expected.value <= row.expected.high
        assert row.parameters
        assert row.size_bytes


def test_one_broken_source_is_left_out(
    pictures: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load = sources.load

    def breaks(source: Any, **how: Any) -> Any:
        if source.name == "strokes":
            raise RuntimeError("its file is damaged\nand more")
        return load(source, **how)

    told: list[Any] = []
    monkeypatch.setattr(sources, "load", breaks)
    found = hs.rank(pictures, sources=BUNDLED, listen=told.append)
    assert [row.source for row in found] == ["bundled/textures"]
    assert found.left_out == (("bundled/strokes", "RuntimeError: its file is damaged"),)
    assert found.rows[0].reason == "the only one"
    assert any("its file is damaged" in event.data.get("text", "") for event in told)
    monkeypatch.setattr(sources, "load", lambda source, **how: 1 / 0)
    with pytest.raises(SourceError, match="ZeroDivisionError: division by zero; no source of this ranking"):
        hs.rank(pictures, sources=BUNDLED)


def test_test_items_are_not_looked_at(pictures: Any) -> None:
    split = np.where(np.arange(48) % 4 == 0, "test", "train")
    part = replace(pictures, split=split)
    found = hs.rank(part, sources=BUNDLED)
    assert found.n == 36
    other = np.asarray(pictures.y).copy()
    other[::4] = 0  # other labels of test items change nothing
    assert [row.scores for row in hs.rank(replace(part, targets=other), sources=BUNDLED)] == [
        row.scores for row in found
    ]


def test_some_of_many_items(pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST", 30)
    found = hs.rank(pictures, sources=BUNDLED)
    assert found.n == 30  # a draw by the seed that has shuffled the pictures would have one of a class
    assert steady(found) == steady(hs.rank(pictures, sources=BUNDLED))
    assert hs.rank(pictures, sources=BUNDLED, seed=1).fingerprint != found.fingerprint


@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_other_kinds_of_tasks(kind: str) -> None:
    found = hs.rank(shapes(kind, per_class=8), sources=BUNDLED, also=["all"])
    assert {row.source for row in found} == set(BUNDLED)
    assert all("classes" in reason for row in found for reason in row.left_out.values())


def test_texts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, width in (("narrow", 2), ("wide", 24)):
        lines = [f"{word} {' '.join(f'{v:.3f}' for v in rng.normal(size=width))}" for word in WORDS]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")
    found = hs.rank(sentences(per_class=15), sources=[f"vectors:{tmp_path}/*.txt"])
    assert [Path(row.source).stem for row in found] == ["wide", "narrow"]
    with pytest.raises(SourceError, match="no source of texts matches it"):
        hs.rank(sentences(), sources=[f"vectors:{tmp_path}/*.bin"])


def test_sounds(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    import torch

    import sounds
    from headstart.core.source import Source
    from headstart.modalities.audio.preprocessing import AudioPreprocessing
    from headstart.run.state import resolve
    from strategies.test_sounds import ARCHITECTURE, tiny

    contract = AudioPreprocessing("whisper", mels=16, seconds=0.4, longest=0.6)
    named = {name: Source(f"hf/{name}", name, "audio", ARCHITECTURE, input=contract) for name in ("a", "b")}
    monkeypatch.setattr(resolve, "named", lambda config: list(named.values()))

    def load(source: Any, **how: Any) -> Any:
        backbone = tiny()
        with torch.no_grad():
            for parameter in backbone.module.parameters():
                parameter.mul_(1.0 if source.name == "a" else 0.5)
        backbone.source = source
        return backbone

    monkeypatch.setattr(sources, "load", load)
    found = hs.rank(sounds.labelled(per_class=8), sources=["hf/a", "hf/b"])
    assert sorted(row.source for row in found) == ["hf/a", "hf/b"]


def test_mistakes(pictures: Any) -> None:
    with pytest.raises(BadOption, match=r"'bundled/strokes', but it must be two sources or more"):
        hs.rank(pictures, sources=["bundled/strokes", "bundled/strokes"])
    with pytest.raises(SourceError, match=r"no source of images matches it; did you mean 'bundled/textures'"):
        hs.rank(pictures, sources=["bundled/textur*es-"])
    with pytest.raises(SourceError, match=r"none of the \d+ sources that match is on this machine"):
        hs.rank(pictures, sources=["timm/resnet18.a*"])
    with pytest.raises(WeightsMissing):
        hs.rank(pictures, sources=["bundled/strokes", "timm/resnet18.a1_in1k"])
    with pytest.raises(UnknownName, match="did you mean 'strokes'"):
        hs.rank(pictures, sources=["bundled/stroke", "bundled/textures"])
    with pytest.raises(DataError, match="no labels"):
        hs.rank(replace(pictures, task=None, targets=None), sources=BUNDLED)
    with pytest.raises(UnknownName, match="further score"):
        hs.rank(pictures, sources=BUNDLED, also=["hsocre"])


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [source.spec for source in patterns.matching("Bundled/*", "image", [])] == BUNDLED
    assert patterns.is_pattern("timm/mobilenet*")
    assert not patterns.is_pattern("bundled/strokes")
    assert patterns.is_pattern(f"file:{tmp_path}/*.safetensors?arch=timm/resnet18")
    assert not patterns.is_pattern(f"file:{tmp_path}/one.safetensors?arch=timm/resnet18&num_classes=10")
    (tmp_path / "photos[1].safetensors").touch()
    assert not patterns.is_pattern(f"file:{tmp_path}/photos[1].safetensors")
    found = hs.rank(shapes(per_class=6), sources=["bundled/*", "timm/mobilenetv3_small_100*"])
    assert {row.source for row in found} == set(BUNDLED)
    assert found.left_out
    assert all("not on this machine" in reason for _, reason in found.left_out)


def test_many_are_halved_on_fewer_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headstart.planning import shortlist

    monkeypatch.setattr(shortlist, "LEAST", 20)
    rng = np.random.default_rng(0)
    for width in (2, 3, 4, 5, 6, 24, 32, 40):
        lines = [f"{word} {' '.join(f'{v:.3f}' for v in rng.normal(size=width))}" for word in WORDS]
        (tmp_path / f"w{width:02}.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "worse.txt").write_text("no vectors at all\n")
    asked = {"sources": [f"vectors:{tmp_path}/w*.txt"]}
    found = hs.rank(sentences(per_class=20), quality="fast", **asked)
    assert 1 <= len(found) <= shortlist.KEPT
    assert Path(found.best).stem in ("w24", "w32", "w40")
    reasons = {Path(spec).stem: reason for spec, reason in found.left_out}
    assert len(reasons) == 9 - len(found)
    assert reasons["w02"].startswith("on 20 of the items: ")
    assert "worse" in reasons
    assert found.n == 60
    whole = hs.rank(sentences(per_class=20), **asked)
    assert len(whole) == 8
    assert whole.best == found.best


def test_what_is_too_large_for_the_memory(pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from headstart.core import environment

    monkeypatch.setattr(environment, "free_memory", lambda: 3 * 2_450_000)
    found = hs.rank(pictures, sources=BUNDLED)
    assert len(found) + len(found.left_out) == 2
    for _, reason in found.left_out:
        assert "of memory" in reason
    assert found.left_out
