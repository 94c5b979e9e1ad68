"""The memo outlives processes, is shared by them, and never stands in the way."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headstart.store.memo import Memo


def test_a_mapping_that_lasts(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "memo.sqlite"
    memo = Memo(path)
    assert len(memo) == 0
    assert "a" not in memo
    assert list(memo) == []
    assert not path.parent.exists(), "reading creates nothing"
    memo["a"] = {"size": [3, 4], "name": "Grüße"}
    memo["b"] = {}
    memo.close()
    again = Memo(path)
    assert dict(again) == {"a": {"size": [3, 4], "name": "Grüße"}, "b": {}}
    again["a"] = {"size": 1}
    del again["b"]
    assert dict(Memo(path)) == {"a": {"size": 1}}
    with pytest.raises(KeyError):
        del again["b"]
    with pytest.raises(KeyError):
        again["b"]
    again.clear()
    assert not Memo(path)


FILL = """
import sys
from pathlib import Path
from headstart.store.memo import Memo
memo = Memo(Path(sys.argv[1]))
for number in range(100):
    memo[f"{sys.argv[2]}{number}"] = {"n": number}
"""


def test_two_processes_and_threads(tmp_path: Path) -> None:
    path = tmp_path / "memo.sqlite"
    workers = [subprocess.Popen([sys.executable, "-c", FILL, str(path), name]) for name in "xy"]
    memo = Memo(path)
    threads = [threading.Thread(target=lambda k=k: memo.update({f"t{k}": {"k": k}})) for k in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [worker.wait() for worker in workers] == [0, 0]
    assert len(memo) == 220
    assert memo["x99"] == memo["y99"] == {"n": 99}


def test_a_damaged_file_is_started_anew(tmp_path: Path) -> None:
    path = tmp_path / "memo.sqlite"
    path.write_bytes(b"no database at all" * 1000)
    memo = Memo(path)
    assert memo.get("a") is None
    memo["a"] = {"n": 1}
    assert Memo(path)["a"] == {"n": 1}


def test_where_nothing_can_be_written_it_lasts_as_long_as_the_process(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    memo = Memo(blocked / "memo.sqlite")
    memo["a"] = {"n": 1}
    assert memo["a"] == {"n": 1}
    assert blocked.read_text() == ""


def test_the_default_lies_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "here"))
    Memo()["a"] = {}
    assert (tmp_path / "here" / "memo.sqlite").is_file()
