from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from headstart.core.texts import Texts, sentences
from headstart.core.untrusted import Damaged


def test_predictions_come_back_as_they_were_saved(tmp_path: Path) -> None:
    made = Texts((2, 3), {(0, 1): "Straße\n", (1, 0): "", (1, 2): "日本語"})
    with (tmp_path / "a.npz").open("wb") as file:
        made.save(file)
    again = Texts.load(tmp_path / "a.npz")
    assert dict(again.cells) == dict(made.cells)
    assert again.digest() == made.digest()
    assert again.averaged().tolist() == ["", "Straße\n", "日本語"]


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, shape=[1, 1], cells=[[0, 0, 5]], texts=np.frombuffer(b"abc", np.uint8))
    (tmp_path / "a.npz").write_bytes(buffer.getvalue())
    with pytest.raises(Damaged, match="texts that are none"):
        Texts.load(tmp_path / "a.npz")


def test_sentences() -> None:
    text = 'He said "Go." Then he left!\nA new line\n  今日は。明日は。'
    assert sentences(text) == ['He said "Go.', "Then he left!", "A new line", "今日は。", "明日は。"]
    assert sentences("") == [""]
