"""The pass over texts: batches of like length give what each text gives by itself, at every tap and state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.dataset import Dataset, TextItem
from headstart.core.features import FeatureSpec
from headstart.errors import BadOption, DataError
from headstart.modalities import text
from headstart.modalities.text.preprocessing import APART
from headstart.passes.extractor import StoreExtractor
from headstart.passes.steps.writer import by_weight
from headstart.store.store import FeatureStore
from headstart.testing.fakes import MemoryExtractor, TinyBackbone
from headstart.testing.texts import TinyTextBackbone, sentences

FLOAT16 = 2e-3
"""Absolute difference allowed beside a thousandth: what float16 rounds, and some."""


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "cache")


@pytest.mark.parametrize("pairs", [False, True])
def test_every_text_alone_gives_the_same(store: FeatureStore, pairs: bool) -> None:
    dataset = sentences(per_class=70, pairs=pairs)
    backbone = TinyTextBackbone(pairs=APART if pairs else "joint")
    spec = FeatureSpec(taps=backbone.taps(), cut="layer.1", length=24, inputs=16)
    features = StoreExtractor(store, dataset)(backbone, spec)
    assert features.forward_passes == 1.0
    for row in (0, 17, 209):
        prepared = text.collate([text.prepare(dataset.items[row].read(), backbone.source.input)])
        x = backbone.normalise(torch.from_numpy(prepared))
        with torch.inference_mode():
            states = backbone.states(x, tuple(stage.cut for stage in backbone.stages))
        for tap in backbone.taps():
            alone = backbone.pool(states[tap.stage], tap)[0].numpy()
            assert np.allclose(features.tap(tap)[np.array([row])][0], alone, atol=FLOAT16, rtol=1e-3), str(
                tap
            )
        stored = features.state()[np.array([row])][0]
        length = prepared.shape[-1]
        state = states["layer.1"][0]
        alone_state = (state * state[..., -1:]).numpy()
        assert stored.shape[-2:] == (24, backbone.WIDTH + 1)
        assert np.allclose(stored[..., :length, :], alone_state, atol=FLOAT16, rtol=1e-3)
        assert not stored[..., length:, :].any()
        tokens = features.inputs()[np.array([row])][0]
        assert tokens.dtype == np.int32
        assert np.array_equal(tokens[:, : min(16, length)], prepared[0][:, :16])


def test_what_is_stored_is_not_computed_again_and_a_longer_length_is(store: FeatureStore) -> None:
    dataset, backbone = sentences(), TinyTextBackbone()
    extract = StoreExtractor(store, dataset)
    assert extract(backbone, FeatureSpec(cut="layer.1", length=16)).forward_passes == 1
    assert extract(backbone, FeatureSpec(cut="layer.1", length=16)).forward_passes == 0
    assert extract(backbone, FeatureSpec(cut="layer.1", length=32)).forward_passes == 1
    assert extract(TinyTextBackbone(pooling="max"), FeatureSpec(cut="layer.1", length=16)).forward_passes == 1


def test_the_store_gives_what_memory_gives(store: FeatureStore) -> None:
    dataset, backbone = sentences(per_class=20), TinyTextBackbone()
    spec = FeatureSpec(taps=backbone.taps(), views=2)
    one, two = StoreExtractor(store, dataset)(backbone, spec), MemoryExtractor(dataset)(backbone, spec)
    rows = np.arange(len(dataset))
    for view in (0, 1, 2):
        for tap in backbone.taps():
            assert np.allclose(one.tap(tap, view)[rows], two.tap(tap, view)[rows], atol=FLOAT16, rtol=1e-3)
    assert not np.allclose(
        one.tap(backbone.embedding, 0)[rows], one.tap(backbone.embedding, 1)[rows], atol=1e-2
    )


def test_sources_and_data_of_different_kinds(store: FeatureStore) -> None:
    with pytest.raises(DataError, match="holds texts, but tiny reads images"):
        StoreExtractor(store, sentences())(TinyBackbone(), FeatureSpec())
    with pytest.raises(BadOption, match="backbone"):
        StoreExtractor(store, sentences())(None, FeatureSpec(inputs=8))


def test_a_text_that_cannot_be_read_is_named(store: FeatureStore) -> None:
    dataset = Dataset("t", "text", (TextItem("row 1", "fine"), TextItem("row 2", "  ")))
    with pytest.raises(DataError, match=r"row 2: cannot be used: is empty .whitespace only."):
        StoreExtractor(store, dataset)(TinyTextBackbone(), FeatureSpec())


@settings(max_examples=50)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=60), st.integers(1, 9), st.integers(1, 4000))
def test_batches_hold_every_text_once_and_no_more_than_they_may(
    weights: list[int], number: int, most: int
) -> None:
    blocks = by_weight(weights.__getitem__, most, number)(np.arange(len(weights)))
    assert sorted(np.concatenate(blocks).tolist()) == list(range(len(weights)))
    for block in blocks:
        assert len(block) <= number
        assert len(block) == 1 or max(weights[i] for i in block) * len(block) <= most


def test_to_ask_what_is_missing_measures_no_text(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract, backbone = StoreExtractor(store, sentences(), engine="eager"), TinyTextBackbone()

    def refuse(*_: object) -> int:
        raise AssertionError("a text was measured")

    monkeypatch.setattr(text, "weight", refuse)
    assert extract.missing(backbone, FeatureSpec()) == 1.0


def test_a_text_weighs_its_tokens(store: FeatureStore) -> None:
    contract = TinyTextBackbone().source.input
    for item in sentences(per_class=3).items:
        assert text.weight(item.read(), contract) == text.prepare(item.read(), contract).shape[-1]
    assert text.weight(b"  ", contract) == 1
