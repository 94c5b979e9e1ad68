"""The store stays under its cap, gives up what nobody uses, and knows what is damaged."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from headstart.errors import BadOption, StoreError
from headstart.store import upkeep
from headstart.store.disk import keys, pins, sizes
from headstart.store.disk.keys import Section
from headstart.store.store import FeatureStore

from .disk.test_shard import digests, row_keys

WIDTH = 1000
ROWS = 10


def section(name: str) -> Section:
    return Section(name, "recipe", about={"source": name})


def fill(
    store: FeatureStore, name: str, column: str = "tap:a/g1", *, start: int = 0, used: float = 0
) -> None:
    """A table of 20 kB, last used so many seconds ago."""
    store.prepare(section(name))
    with store.writer(section(name), [column], ROWS, data="some") as writer:
        rows = np.arange(ROWS * WIDTH, dtype=np.float16).reshape(ROWS, WIDTH)
        writer.append(row_keys(list(range(start, start + ROWS))), {column: rows})
        writer.publish()
    folder = store.path / section(name).id
    pins.touch(folder, keys.family(column))
    moment = time.time() - used
    os.utime(pins.mark_of(folder, keys.family(column)), (moment, moment))


def names(store: FeatureStore) -> list[str]:
    return [f"{table.source} {table.family}" for table in upkeep.tables(store.path)]


def test_nothing_is_created_by_looking(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    assert upkeep.tables(store.path) == []
    assert store.held() == 0
    assert upkeep.verify(store.path) == (0, [])
    assert upkeep.sweep(store.path) == 0
    assert upkeep.clear(store.path) == (0, [])
    assert not store.root.exists()


def test_rows_come_back(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, "one")
    fill(store, "one", start=ROWS)
    wanted = digests([15, 0, 0, 7])
    rows = FeatureStore(tmp_path).rows(section("one"), "tap:a/g1", wanted)
    assert np.array_equal(rows[np.arange(4)][:, 0], np.float16([5000, 0, 0, 7000]))
    with pytest.raises(StoreError, match="1 of 2 rows of tap:a/g1"):
        store.rows(section("one"), "tap:a/g1", digests([0, 99]))
    assert (tmp_path / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, cap_bytes=80_000)
    for name, used in (("old", 300), ("new", 100), ("oldest", 500)):
        fill(store, name, used=used)
    assert names(store) == ["new taps", "old taps", "oldest taps"]
    assert store.make_room(10_000) == 0
    assert store.make_room(20_000) > 0
    assert names(store) == ["new taps", "old taps"]
    store.make_room(55_000)
    assert names(store) == ["new taps"]
    assert len(list((tmp_path / "features").glob("*/section.json"))) == 1


def test_one_table_of_a_shard_goes_alone(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, cap_bytes=10**9)
    store.prepare(section("both"))
    columns = ["tap:a/g1", "state:cut"]
    with store.writer(section("both"), columns, ROWS) as writer:
        rows = {"tap:a/g1": np.zeros((ROWS, 2), np.float16), "state:cut": np.zeros((ROWS, 9), np.float16)}
        writer.append(row_keys(list(range(ROWS))), rows)
        writer.publish()
    freed, kept = upkeep.clear(store.path, lambda table: table.family == "state:cut")
    assert freed > 0
    assert kept == []
    assert names(store) == ["both taps"]
    assert upkeep.verify(store.path) == (1, [])
    assert len(store.rows(section("both"), "tap:a/g1", digests([3]))) == 1
    upkeep.clear(store.path)
    assert names(store) == []
    assert not (store.path / section("both").id).exists()


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, cap_bytes=70_000)
    fill(store, "used", used=900)
    fill(store, "idle", used=100)
    pin = store.pin(section("used"), ["tap:a/g1"])
    os.utime(pins.mark_of(store.path / section("used").id, "taps"), (1, 1))
    other = FeatureStore(tmp_path, cap_bytes=70_000)
    assert other.make_room(40_000) > 0
    assert names(store) == ["used taps"]
    with pytest.raises(StoreError, match=r"may hold 70.0 kB, and the rest is in use; allow more with .*=\d+"):
        other.make_room(60_000)
    _, kept = upkeep.clear(other.path)
    assert [table.source for table in kept] == ["used"]
    del pin
    upkeep.clear(other.path)
    assert names(store) == []


def test_rows_keep_their_table(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, "one")
    rows = store.rows(section("one"), "tap:a/g1", digests([1]), pin=store.pin(section("one"), ["tap:a/g1"]))
    upkeep.clear(store.path)
    assert rows[np.array([0])][0, 0] == 1000
    del rows
    upkeep.clear(store.path)
    assert names(store) == []


def taken(mark: Path) -> bool:
    """Whether somebody holds a lock on the file that is there now."""
    with mark.open("rb") as handle:
        try:
            pins.fcntl.flock(handle, pins.fcntl.LOCK_EX | pins.fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.skipif(pins.fcntl is None, reason="there are no such locks")
def test_a_pin_holds_though_the_mark_vanished_while_it_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FeatureStore(tmp_path)
    fill(store, "one")
    mark = pins.mark_of(store.path / section("one").id, "taps")
    wait, vanished = pins._patiently, []

    def give_up_meanwhile(handle: IO[bytes]) -> None:
        if not vanished:
            mark.unlink()
            vanished.append(mark)
        wait(handle)

    monkeypatch.setattr(pins, "_patiently", give_up_meanwhile)
    pin = store.pin(section("one"), ["tap:a/g1"])
    assert vanished
    assert taken(mark)
    pin.close()
    assert not taken(mark)


def test_a_mark_is_never_put_in_the_place_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pins.touch(tmp_path, "taps")
    mark = pins.mark_of(tmp_path, "taps")
    before = mark.stat().st_ino
    os.utime(mark, (1, 1))
    monkeypatch.setattr(Path, "exists", lambda self: False)  # another process made it since one looked
    pins.touch(tmp_path, "taps")
    assert mark.stat().st_ino == before
    assert pins.last_used(tmp_path, "taps") > 1


@pytest.mark.skipif(pins.fcntl is None, reason="there are no such locks")
def test_a_mark_made_anew_while_one_looks_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FeatureStore(tmp_path)
    fill(store, "one")
    folder = store.path / section("one").id
    mark, lock, pin = pins.mark_of(folder, "taps"), pins._alone, pins.Pin()

    def pin_meanwhile(handle: IO[bytes]) -> None:
        if not taken(mark):
            mark.unlink()
            pin.add(folder, "taps")
        lock(handle)

    monkeypatch.setattr(pins, "_alone", pin_meanwhile)
    with pins.unpinned(folder, "taps") as free:
        assert not free
    pin.close()


@pytest.mark.skipif(pins.fcntl is None, reason="there are no such locks")
def test_a_table_that_nobody_marked_cannot_be_pinned_while_it_is_given_up(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, "one")
    folder = store.path / section("one").id
    pins.mark_of(folder, "taps").unlink()
    with pins.unpinned(folder, "taps") as free:
        assert free
        assert taken(pins.mark_of(folder, "taps"))
        assert pins.last_used(folder, "taps") == 0
    with pins.unpinned(tmp_path / "nowhere", "taps") as free:
        assert free


HOLD = """
import sys
from pathlib import Path
from headstart.store.disk.keys import Section
from headstart.store.store import FeatureStore
store = FeatureStore(Path(sys.argv[1]))
pin = store.pin(Section("one", "recipe"), ["tap:a/g1"])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(pins.fcntl is None, reason="pins of other processes need POSIX locks")
def test_another_process_keeps_its_tables_until_it_dies(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, "one")
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert [table.source for table in upkeep.clear(store.path)[1]] == ["one"]
        other.kill()
        other.wait()
    assert upkeep.clear(store.path)[1] == []
    assert names(store) == []


def test_damage_is_found_and_removed(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, "good")
    fill(store, "bad")
    fill(store, "cut")
    for name in ("bad", "cut"):
        file = next((store.path / section(name).id).glob("*/tap-*.npy"))
        content = bytearray(file.read_bytes())
        content[-100] ^= 1
        file.write_bytes(content if name == "bad" else content[:-1])
    looked, damaged = upkeep.verify(store.path)
    assert looked == 3
    assert sorted(d.problem.split(" ", 1)[1] for d in damaged) == [
        "is not what was written",
        "was cut off, or has grown",
    ]
    seen: list[tuple[int, int]] = []
    upkeep.verify(store.path, repair=True, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert upkeep.verify(store.path) == (1, [])
    assert names(store) == ["good taps"]


def test_a_damaged_record_is_damage(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, "one")
    next(store.path.glob("*/*/shard.json")).write_text("[]")
    assert [d.problem.split(" (")[0] for d in upkeep.verify(store.path)[1]] == ["shard.json is damaged"]
    assert names(store) == []


def test_only_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, "one")
    folder = store.path / section("one").id
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    from headstart.store.disk.shard import host

    left = {
        "dead": folder / f".tmp-{host()}-{dead.pid}-aa",
        "mine": folder / f".tmp-{host()}-{os.getpid()}-bb",
        "elsewhere": folder / f".tmp-00000000-{dead.pid}-cc",
        "long ago": folder / f".tmp-00000000-{dead.pid}-dd",
    }
    for path in left.values():
        path.mkdir()
    os.utime(left["long ago"], (1, 1))
    assert upkeep.sweep(store.path) == 2
    assert left["mine"].exists()
    assert left["elsewhere"].exists()
    assert names(store) == ["one taps"]


def test_a_chunk_is_claimed_once(tmp_path: Path) -> None:
    one, two = FeatureStore(tmp_path), FeatureStore(tmp_path)
    with one.claim("a") as first, two.claim("a") as second, two.claim("b") as third:
        assert (first, second, third) == (True, False, True)
    with two.claim("a") as later:
        assert later
    assert list((tmp_path / "features" / "locks").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20GB", 20 * 10**9),
        ("1.5 TB", 15 * 10**11),
        ("500 mb", 5 * 10**8),
        ("4096", 4096),
        ("3GiB", 3 * 10**9),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert sizes.parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "much", "-1GB", "20 parsecs", "1e9"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(BadOption, match="HEADSTART_CACHE_CAP"):
        sizes.parse_bytes(text)


def test_the_cap_comes_from_the_environment_or_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "deep" / "cache"))
    monkeypatch.setenv("HEADSTART_CACHE_CAP", "1MB")
    store = FeatureStore.default()
    assert store.root == tmp_path / "deep" / "cache"
    assert store.cap() == 10**6
    monkeypatch.delenv("HEADSTART_CACHE_CAP")
    monkeypatch.setattr(sizes, "free_bytes", lambda root: 10**9)
    assert store.cap() == 2 * 10**8
    monkeypatch.setattr(sizes, "free_bytes", lambda root: 10**15)
    assert store.cap() == 20 * 10**9


def test_a_disk_with_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FeatureStore(tmp_path, cap_bytes=10**9)
    monkeypatch.setattr(sizes, "free_bytes", lambda root: 5_000)
    with pytest.raises(StoreError, match=r"only 5.0 kB of disk are free"):
        store.make_room(10_000)
    assert upkeep.held(tmp_path) == 0
