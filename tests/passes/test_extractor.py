"""The one pass: right, once, shared between processes, and whole again after being killed."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.dataset import ArrayItem, Dataset, FileItem
from headstart.core.features import Extractor, Features, FeatureSpec, Tap
from headstart.errors import BadOption, DataError, SourceError, StoreError, UnknownName
from headstart.passes.extractor import StoreExtractor, _Plan, measure_pass
from headstart.passes.steps import writer
from headstart.store import upkeep
from headstart.store.disk import keys, shard
from headstart.store.store import FeatureStore
from headstart.testing.fakes import TinyBackbone, shapes
from headstart.testing.store import check_extractor


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "cache", cap_bytes=10**9)


def everything(features: Any, spec: FeatureSpec) -> dict[str, np.ndarray]:
    found = {f"{tap}@{v}": features.tap(tap, v)[:] for tap in spec.taps for v in range(1 + spec.views)}
    if spec.cut:
        found |= {f"state@{v}": features.state(v)[:] for v in range(1 + spec.views)}
    return found


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("workers", [1, 3])
def test_conformance(store: FeatureStore, workers: int) -> None:
    check_extractor(lambda dataset: StoreExtractor(store, dataset, workers=workers, batch_size=4))


def test_the_contracts(store: FeatureStore) -> None:
    extract = StoreExtractor(store, shapes(per_class=2))
    assert callable(extract)
    features = extract(TinyBackbone(), FeatureSpec())
    for name in (*Features.__annotations__, "tap", "state", "inputs"):
        assert hasattr(features, name), name
    assert features.taps == TinyBackbone().taps()
    assert Extractor is not None


def test_rows_do_not_depend_on_batches_or_threads(tmp_path: Path) -> None:
    dataset, backbone = shapes(per_class=20), TinyBackbone()
    spec = FeatureSpec(taps=backbone.taps(), views=1)
    found = []
    for number, (batch, workers) in enumerate([(1, 1), (4, 3), (16, 2), (64, 1)]):
        extract = StoreExtractor(
            FeatureStore(tmp_path / str(number)), dataset, batch_size=batch, workers=workers
        )
        found.append(everything(extract(backbone, spec), spec))
    for other in found[1:]:
        for key, rows in other.items():
            np.testing.assert_allclose(rows.astype(float), found[0][key].astype(float), rtol=3e-3, atol=1e-3)


def test_the_same_pass_twice_gives_the_same_bits(tmp_path: Path) -> None:
    dataset, backbone = shapes(per_class=50), TinyBackbone()
    spec = FeatureSpec(taps=backbone.taps(), cut="stem", views=2)
    one, two = (
        everything(StoreExtractor(FeatureStore(tmp_path / name), dataset, workers=n)(backbone, spec), spec)
        for name, n in (("a", 1), ("b", 3))
    )
    assert same(one, two)


def test_progress_counts_what_is_computed(store: FeatureStore) -> None:
    dataset, backbone, seen = shapes(per_class=10), TinyBackbone(), []
    StoreExtractor(store, dataset.subset(range(10)))(backbone, FeatureSpec())
    extract = StoreExtractor(
        store, dataset, batch_size=8, progress=lambda what, done, total: seen.append((what, done, total))
    )
    extract(backbone, FeatureSpec())
    # positions 16 to 23 and 24 to 29 are whole blocks; 10 to 15 are what is left over
    assert seen == [("tiny", 0, 20), ("tiny", 8, 20), ("tiny", 14, 20), ("tiny", 20, 20)]
    seen.clear()
    assert extract(backbone, FeatureSpec()).seconds == 0
    assert seen == []


def test_items_with_the_same_content_are_computed_once(store: FeatureStore) -> None:
    one = shapes(per_class=4)
    twice = Dataset("twice", "image", tuple(ArrayItem(f"{k}", one.items[k % 12].array) for k in range(24)))  # type: ignore[attr-defined]
    features = StoreExtractor(store, twice)(TinyBackbone(), FeatureSpec())
    assert sum(table.rows for table in upkeep.tables(store.path)) == 12
    rows = features.tap(Tap("pool", 1))
    assert rows.shape == (24, 24)
    assert np.array_equal(rows[:12], rows[12:])


def test_views_are_of_their_recipe_and_share_the_item_as_it_is(store: FeatureStore) -> None:
    dataset, backbone = shapes(per_class=4), TinyBackbone()
    extract = StoreExtractor(store, dataset)
    tap = Tap("middle", 2)
    crops = extract(backbone, FeatureSpec(taps=(tap,), views=2, view_kind="crop-flip"))
    glyphs = extract(backbone, FeatureSpec(taps=(tap,), views=2, view_kind="glyph"))
    assert (crops.forward_passes, glyphs.forward_passes) == (3.0, 2.0)
    more = extract(backbone, FeatureSpec(taps=(tap,), views=5, view_kind="glyph"))
    assert more.forward_passes == 3.0
    assert np.array_equal(crops.tap(tap)[:], glyphs.tap(tap)[:])
    assert not np.array_equal(crops.tap(tap, 1)[:], glyphs.tap(tap, 1)[:])
    assert np.array_equal(more.tap(tap, 1)[:], glyphs.tap(tap, 1)[:])
    assert not np.array_equal(more.tap(tap, 1)[:], more.tap(tap, 2)[:])


def test_views_are_made_of_the_rows_that_are_asked_for(store: FeatureStore) -> None:
    dataset, backbone = shapes(per_class=3), TinyBackbone()
    spec = FeatureSpec(taps=backbone.taps(), views=2, viewed=(1, 4, 7))
    some = StoreExtractor(store, dataset)(backbone, spec)
    assert some.forward_passes == pytest.approx(1 + 2 * 3 / len(dataset))
    for number in (2, 1):  # what was left out is made later
        rows = tuple(range(number, len(dataset)))
        more = StoreExtractor(store, dataset)(backbone, replace(spec, viewed=rows))
        whole = more if number == 2 else StoreExtractor(store, dataset)(backbone, replace(spec, viewed=None))
        for tap in spec.taps:
            np.testing.assert_array_equal(some.tap(tap)[:], whole.tap(tap)[:])
            for view in (1, 2):
                at = np.array([7, 4])
                np.testing.assert_array_equal(some.tap(tap, view)[at], whole.tap(tap, view)[at])
                assert some.tap(tap, view).shape == whole.tap(tap, view).shape
                with pytest.raises(IndexError):
                    some.tap(tap, view)[np.array([1, 2])]
    alike = dataset.subset(np.array([0, 1, 0]))
    twice = StoreExtractor(store, alike)(backbone, replace(spec, views=3, viewed=(2,)))
    assert twice.forward_passes == 0.5, "the same content as the first row, which has no view by itself"
    tap = spec.taps[0]
    assert twice.tap(tap, 3)[np.array([2])].shape[0] == 1


def test_a_file_is_opened_once_for_all_views(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from headstart.modalities import image

    opened = []
    real = image.held
    monkeypatch.setattr(image, "held", lambda *given: opened.append(1) or real(*given))
    dataset = shapes(per_class=4)
    StoreExtractor(store, dataset)(TinyBackbone(), FeatureSpec(taps=(Tap("pool"),), inputs=8, views=3))
    assert len(opened) == 12


def test_the_backbone_is_left_as_it_was(store: FeatureStore) -> None:
    backbone = TinyBackbone()
    backbone.module.train()
    backbone.module.stem.eval()
    before, threads = backbone.digest, torch.get_num_threads()
    states = {name: part.training for name, part in backbone.module.named_modules()}
    StoreExtractor(store, shapes(per_class=3))(backbone, FeatureSpec())
    assert backbone.digest == before
    assert {name: part.training for name, part in backbone.module.named_modules()} == states
    assert torch.get_num_threads() == threads


def test_what_cannot_be_asked(store: FeatureStore) -> None:
    extract, backbone = StoreExtractor(store, shapes(per_class=2)), TinyBackbone()
    with pytest.raises(UnknownName, match="stage"):
        extract(backbone, FeatureSpec(taps=(Tap("midle"),)))
    with pytest.raises(UnknownName, match="did you mean 'middle'"):
        extract(backbone, FeatureSpec(cut="midle"))
    with pytest.raises(UnknownName, match="view recipe"):
        extract(backbone, FeatureSpec(views=1, view_kind="crop-flop"))
    with pytest.raises(BadOption, match="views"):
        extract(backbone, FeatureSpec(views=-1))
    with pytest.raises(BadOption, match="inputs"):
        extract(None, FeatureSpec(inputs=0))
    with pytest.raises(BadOption, match="backbone"):
        extract(None, FeatureSpec(taps=(Tap("stem"),)))
    features = extract(backbone, FeatureSpec(taps=(Tap("stem"),), inputs=8))
    with pytest.raises(UnknownName, match="stored tap"):
        features.tap(Tap("stem", 2))
    with pytest.raises(BadOption, match="cut"):
        features.state()
    with pytest.raises(BadOption, match="view"):
        features.tap(Tap("stem"), 1)
    with pytest.raises(BadOption, match="view"):
        features.inputs(1)
    with pytest.raises(DataError, match="holds text"):
        StoreExtractor(store, Dataset("words", "text", ()))(backbone, FeatureSpec())


def test_items_that_cannot_be_used_are_named(store: FeatureStore, tmp_path: Path) -> None:
    good = shapes(per_class=4)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff and then nothing")
    bad = FileItem("ants/bad.jpg", tmp_path / "bad.jpg")
    dataset = Dataset("some", "image", (*good.items, bad))
    with pytest.raises(DataError, match=r"ants/bad.jpg: cannot be used: .*headstart check"):
        StoreExtractor(store, dataset)(TinyBackbone(), FeatureSpec())
    assert not list(store.path.glob("*/.tmp-*"))
    assert list((store.path / "locks").iterdir()) == []
    gone = Dataset("some", "image", (FileItem("x.jpg", tmp_path / "x.jpg"),))
    with pytest.raises(DataError, match=r"x.jpg: cannot be read \(No such file"):
        StoreExtractor(store, gone)(TinyBackbone(), FeatureSpec())


def test_values_too_large_for_float16_are_clipped_and_counted(store: FeatureStore) -> None:
    backbone = TinyBackbone()
    with torch.no_grad():
        backbone.module.last[1].weight.mul_(1e6)
    features = StoreExtractor(store, shapes(per_class=3))(backbone, FeatureSpec(taps=(Tap("pool"),)))
    rows = features.tap(Tap("pool"))[:]
    assert np.isfinite(rows).all()
    assert features.clipped == int((rows == np.float16(65504)).sum()) > 0


def test_a_network_that_gives_no_numbers_is_refused(store: FeatureStore) -> None:
    backbone = TinyBackbone()
    with torch.no_grad():
        backbone.module.last[0].weight.fill_(float("nan"))
    with pytest.raises(SourceError, match="NaN"):
        StoreExtractor(store, shapes(per_class=3))(backbone, FeatureSpec())
    assert upkeep.tables(store.path) == []


def test_a_store_that_is_too_small_says_so(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, cap_bytes=1000)
    with pytest.raises(StoreError, match="allow more with HEADSTART_CACHE_CAP"):
        StoreExtractor(store, shapes(per_class=20))(TinyBackbone(), FeatureSpec())
    assert upkeep.tables(store.path) == []


def test_a_full_disk_in_the_middle(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, backbone = shapes(per_class=60), TinyBackbone()
    real, written = shard._Writing.append, []
    first_chunk = 16 * len(backbone.taps()) + 1  # 128 items in blocks of 8, and the index

    def full(self: shard._Writing, rows: np.ndarray) -> None:
        written.append(rows)
        if len(written) > first_chunk + 5:
            raise OSError(28, "No space left on device")
        real(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(shard._Writing, "append", full)
        with pytest.raises(StoreError, match="disk is full"):
            StoreExtractor(store, dataset, batch_size=8)(backbone, FeatureSpec())
    assert not list(store.path.glob("*/.tmp-*"))
    features = StoreExtractor(store, dataset, batch_size=8)(backbone, FeatureSpec())
    assert features.forward_passes == pytest.approx(52 / 180)  # the first chunk of 128 was whole


def test_features_in_use_survive_a_clearing(store: FeatureStore) -> None:
    features = StoreExtractor(store, shapes(per_class=3))(TinyBackbone(), FeatureSpec())
    upkeep.clear(store.path)
    assert features.tap(Tap("pool"))[:].shape == (9, 24)
    del features
    upkeep.clear(store.path)
    assert upkeep.tables(store.path) == []


def test_measuring_keeps_what_it_computed(store: FeatureStore) -> None:
    dataset, backbone = shapes(per_class=50), TinyBackbone()
    seconds = measure_pass(backbone, dataset, store=store, workers=1)
    assert 0 < seconds < 60
    (table,) = upkeep.tables(store.path)
    assert table.rows >= 32
    assert measure_pass(backbone, dataset, store=store, workers=1) > 0  # and it can be asked again
    rest = StoreExtractor(store, dataset, workers=1)(backbone, FeatureSpec())
    assert rest.forward_passes == pytest.approx(1 - table.rows / 150)


@dataclass(frozen=True)
class Drawn:
    """An image that exists only while it is read."""

    id: str
    number: int

    def read(self) -> bytes:
        pixels = np.random.default_rng(self.number).integers(0, 256, (48, 48, 3), dtype=np.uint8)
        return ArrayItem(self.id, pixels).read()


def test_memory_does_not_grow_with_the_items(tmp_path: Path) -> None:
    backbone = TinyBackbone()
    spec = FeatureSpec(taps=backbone.taps(), cut="stem")

    def peak(n: int) -> int:
        dataset = Dataset("drawn", "image", tuple(Drawn(f"{k}", k) for k in range(n)))
        dataset.digests()
        extract = StoreExtractor(FeatureStore(tmp_path / f"{n}"), dataset, workers=2)
        tracemalloc.start()
        try:
            extract(backbone, spec)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(64)
    few, many = peak(200), peak(1600)
    # keys and places of the rows (about 340 bytes); what is stored of an item is ten times that, its image more
    assert many - few < 700 * 1400, (few, many)


WORK = """
import os, signal, sys, time
from pathlib import Path
from headstart.core.features import FeatureSpec
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.testing.fakes import TinyBackbone, shapes

class Slow(TinyBackbone):
    def states(self, x, cuts):
        time.sleep(0.004)
        return super().states(x, cuts)

def work(root, told):
    dataset, backbone = shapes(per_class=150), Slow()
    extract = StoreExtractor(FeatureStore(Path(root)), dataset, workers=2, batch_size=8)
    print("ready", file=told, flush=True)
    features = extract(backbone, FeatureSpec(taps=backbone.taps(), cut="stem", views=1))
    print(features.forward_passes, file=told, flush=True)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in iter(sys.stdin.readline, ""):  # a process for each, which has imported already
    child = os.fork()
    if not child:
        root, told = line.split()
        work(root, open(told, "w"))
        os._exit(0)
    print(child, flush=True)
"""


@pytest.fixture(scope="module")
def workers() -> Iterator[subprocess.Popen[str]]:
    """Starts processes that fill a store."""
    with subprocess.Popen(
        [sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def start(workers: subprocess.Popen[str], root: Path, told: Path) -> int:
    """A process at work there, which writes what it says to `told`."""
    assert workers.stdin is not None
    assert workers.stdout is not None
    print(root, told, file=workers.stdin, flush=True)
    return int(workers.stdout.readline())


def said(told: Path, count: int) -> list[str]:
    """The lines, once there are so many."""
    end = time.monotonic() + 120
    while not told.exists() or told.read_text().count("\n") < count:
        assert time.monotonic() < end, "it says nothing"
        time.sleep(0.01)
    return told.read_text().split()


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What an undisturbed pass stores."""
    store, backbone = FeatureStore(tmp_path_factory.mktemp("clean")), TinyBackbone()
    spec = FeatureSpec(taps=backbone.taps(), cut="stem", views=1)
    extract = StoreExtractor(store, shapes(per_class=150), workers=1, batch_size=8)
    return everything(extract(backbone, spec), spec)


def finished(root: Path) -> dict[str, np.ndarray]:
    backbone = TinyBackbone()
    spec = FeatureSpec(taps=backbone.taps(), cut="stem", views=1)
    store = FeatureStore(root)
    found = everything(StoreExtractor(store, shapes(per_class=150), batch_size=8)(backbone, spec), spec)
    assert upkeep.verify(store.path)[1] == []
    assert not list(root.rglob(".tmp-*"))
    return found


@pytest.mark.slow
def test_killed_at_any_moment_the_rest_is_done_and_the_bits_are_the_same(
    tmp_path: Path, clean: dict[str, np.ndarray], workers: subprocess.Popen[str]
) -> None:
    rng = random.Random(0)
    kept = []
    for number in range(3):
        process = start(workers, tmp_path / "store", tmp_path / f"told-{number}")
        said(tmp_path / f"told-{number}", 1)
        time.sleep(rng.uniform(0.1, 0.8))
        with suppress(ProcessLookupError):  # it may have done all
            while True:
                os.kill(process, signal.SIGKILL)
                time.sleep(0.01)
        kept.append(len(list(tmp_path.rglob("shard.json"))))
    assert kept == sorted(kept)
    assert same(finished(tmp_path / "store"), clean)


@pytest.mark.slow
def test_two_processes_share_the_work(
    tmp_path: Path, clean: dict[str, np.ndarray], workers: subprocess.Popen[str]
) -> None:
    told = [tmp_path / "told-0", tmp_path / "told-1"]
    for path in told:
        start(workers, tmp_path / "store", path)
    passes = [float(said(path, 2)[1]) for path in told]
    assert sum(passes) == pytest.approx(2.0), passes  # one view and the item as it is, once
    assert same(finished(tmp_path / "store"), clean)


def test_two_extractors_in_turn_share_chunks(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """One finds every chunk claimed until the other, which it waits for, has done it."""
    monkeypatch.setattr(writer, "SMALL", 16)
    dataset, backbone = shapes(per_class=20), TinyBackbone()
    other = FeatureStore(store.root)
    rows = keys.item_keys(dataset.digests())
    assert len(rows) == 60
    waited = []

    def meanwhile(seconds: float) -> None:
        waited.append(seconds)
        for claim in claims:
            claim.__exit__(None, None, None)
        claims.clear()
        StoreExtractor(other, dataset)(backbone, FeatureSpec())

    extract = StoreExtractor(store, dataset)
    plan = _Plan(extract, backbone, FeatureSpec())
    chunks = plan.chunks(other)
    claims = [other.claim(chunks._name(number)) for number in range(4)]
    assert all(claim.__enter__() for claim in claims)
    monkeypatch.setattr("headstart.passes.steps.loader.time.sleep", meanwhile)
    features = extract(backbone, FeatureSpec())
    assert waited
    assert features.forward_passes == 0
    assert hashlib.sha256(features.tap(Tap("pool"))[:].tobytes()).hexdigest()


def test_features_of_pictures_with_another_white_are_other_features(store: FeatureStore) -> None:
    block = np.random.default_rng(0).integers(0, 4096, (4, 16, 16)).astype(np.uint16)
    items = tuple(ArrayItem(f"{row}", picture) for row, picture in enumerate(block))
    dataset, spec = Dataset("x", "image", items), FeatureSpec(taps=(Tap("pool"),))
    found = [
        StoreExtractor(store, dataset.with_levels(levels))(TinyBackbone(), spec)
        for levels in (None, (0.0, 4095.0), (0.0, 4095.0))
    ]
    rows = [features.tap(Tap("pool"))[np.arange(4)] for features in found]
    assert not np.allclose(rows[0], rows[1])
    assert np.array_equal(rows[1], rows[2])
    assert [features.forward_passes for features in found] == [1, 1, 0]
