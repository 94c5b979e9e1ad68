from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart import sources
from headstart.core.dataset import Dataset, FileItem, TextItem
from headstart.errors import BadOption, DataError, PathError, SourceError
from headstart.sources.text import saving
from headstart.testing.texts import WORDS, TinyTextBackbone, sentences
from headstart.train.masked import Guesser, Vocabulary, held_out_loss, hide
from headstart.workflows import pretrain as pretraining
from headstart.workflows.pretrain import pretrain, settled
from made import pretrained


def test_tokens_are_hidden_as_in_bert() -> None:
    vocabulary = Vocabulary(1000, 999, frozenset({1, 2}))
    tokens = np.zeros((400, 3, 50), np.int32)
    tokens[:, 0] = np.random.default_rng(0).integers(3, 900, (400, 50))
    tokens[:, 0, 0], tokens[:, 0, 39] = 1, 2
    tokens[:, 1, :40] = 1
    found = hide(tokens, vocabulary, np.random.default_rng(1))
    asked = found[:, 3] > 0
    assert not asked[:, [0, 39]].any()
    assert not asked[:, 40:].any()
    assert np.array_equal(found[:, 3][asked] - 1, tokens[:, 0][asked])
    assert np.array_equal(found[:, 0][~asked], tokens[:, 0][~asked])
    assert asked[:, 1:39].mean() == pytest.approx(0.15, abs=0.01)
    now, before = found[:, 0][asked], tokens[:, 0][asked]
    assert (now == 999).mean() == pytest.approx(0.8, abs=0.03)
    assert (now == before).mean() == pytest.approx(0.1, abs=0.03)


def test_the_loss_is_cross_entropy_over_the_tokens_asked_for() -> None:
    net = Guesser(TinyTextBackbone(), 0).eval()
    tokens = np.ones((3, 3, 6), np.int32)
    tokens[:, 0] = np.arange(18).reshape(3, 6) + 3
    tokens[:, 2] = 0
    made = np.concatenate([tokens, np.zeros((3, 1, 6), np.int32)], axis=1)
    made[0, 3, 1], made[0, 3, 4], made[2, 3, 0] = 8, 5, 12
    batch = torch.from_numpy(made)
    with torch.inference_mode():
        states = net.body(batch[:, :3].long())[..., :-1]
        hidden = net.norm(torch.nn.functional.gelu(net.dense(states)))
        shares = (hidden @ net.words.weight.T + net.bias).softmax(-1)
        expected = -np.mean([math.log(shares[i, t, c]) for i, t, c in ((0, 1, 7), (0, 4, 4), (2, 0, 11))])
        assert float(net(batch).mean()) == pytest.approx(expected, rel=1e-5)
    assert held_out_loss(net, [batch]) == pytest.approx(expected, rel=1e-5)


transformers = pytest.importorskip("transformers")


def corpus(count: int = 60) -> Dataset:
    """Sentences of the words that the tiny models know, without labels."""
    rng = np.random.default_rng(0)
    items = tuple(
        TextItem(f"row {i}", " ".join(str(WORDS[k]) for k in sorted(rng.integers(len(WORDS), size=9))))
        for i in range(count)
    )
    return Dataset("corpus", "text", items, origin="corpus")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining.Job, "affordable", lambda *_: 24)


@pytest.mark.usefixtures("quick")
def test_a_trained_folder_opens_with_its_pooling(tmp_path: Path) -> None:
    folder = pretrained.write_sentence_model(tmp_path / "model", pooling="max")
    out = tmp_path / "out"
    told: list[str] = []
    found = pretrain(f"file:{folder}", corpus(), out, seconds=600, tell=lambda what, *_: told.append(what))
    assert found.steps == 24
    assert found.held_out == 6
    assert ("better:" in found.sentence()) == (found.after < found.before)
    before, after = (sources.load(sources.find(f"file:{place}")) for place in (folder, out))
    assert after.source.input.to_json() == before.source.input.to_json()
    assert after.embedding == before.embedding
    assert after.digest != before.digest
    assert not (out / pretraining.WORK).exists()
    again = pretrain(f"file:{folder}", corpus(), tmp_path / "twin", seconds=600)
    assert (again.before, again.after) == (found.before, found.after)


@pytest.mark.usefixtures("quick")
def test_short_texts_are_measured_too(tmp_path: Path) -> None:
    """Of two words none is asked for by chance in most texts: at least one of each that is kept out is."""
    folder = pretrained.write_sentence_model(tmp_path / "model")
    items = [TextItem(f"row {i}", f"{WORDS[i]} {WORDS[i + 12]}") for i in range(25)]
    for seed in range(4):
        out = tmp_path / str(seed)
        found = pretrain(f"file:{folder}", Dataset("c", "text", tuple(items)), out, seconds=600, seed=seed)
        assert found.asked >= found.held_out == 2
        assert min(found.before, found.after) > 0
    unknown = [TextItem(f"row {i}", "§" * (i + 1)) for i in range(25)]
    found = pretrain(f"file:{folder}", Dataset("c", "text", tuple(unknown)), tmp_path / "u", seconds=600)
    assert found.asked == 0
    assert not found.helped
    assert "could not be measured: of 2 texts kept out none has a word" in found.sentence()


@pytest.mark.usefixtures("quick")
def test_more_places_than_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are guessed by their own table, even where that of positions is larger."""
    kind, fields = pretrained.FAMILIES["bert"]
    families = {**pretrained.FAMILIES, "bert": (kind, {**fields, "max_position_embeddings": 256})}
    monkeypatch.setattr(pretrained, "FAMILIES", families)
    folder = pretrained.write_sentence_model(tmp_path / "model")
    assert pretrain(f"file:{folder}", corpus(), tmp_path / "out", seconds=600).before > 0


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("damage", ["lost", "others"])
def test_what_cannot_be_opened_again_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    folder, out = pretrained.write_sentence_model(tmp_path / "model"), tmp_path / "out"
    save = saving.save

    def damaged(architecture: Any, tensors: Any, backbone: Any, place: Path) -> None:
        changed = {name: value + 1 for name, value in tensors.items()} if damage == "others" else tensors
        save(architecture, changed, backbone, place)
        if damage == "lost":
            (place / "tokenizer.json").unlink()

    monkeypatch.setattr(saving, "save", damaged)
    with pytest.raises(SourceError, match=r"cannot be opened again .* the same command writes it again"):
        pretrain(f"file:{folder}", corpus(), out, seconds=600)
    monkeypatch.setattr(saving, "save", save)
    steps: list[str] = []
    found = pretrain(f"file:{folder}", corpus(), out, seconds=600, tell=lambda what, *_: steps.append(what))
    assert not steps  # nothing is learnt twice
    whole = pretrain(f"file:{folder}", corpus(), tmp_path / "whole", seconds=600)
    assert (found.before, found.after) == (whole.before, whole.after)
    assert not (out / pretraining.WORK).exists()
    sources.load(f"file:{out}")


@pytest.mark.usefixtures("quick")
def test_stopped_and_continued_it_ends_the_same(tmp_path: Path) -> None:
    folder = pretrained.write_sentence_model(tmp_path / "model")
    whole = pretrain(f"file:{folder}", corpus(), tmp_path / "whole", seconds=600)

    class Stopped(BaseException):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if what == "all layers" and done == 5:
            raise Stopped

    with pytest.raises(Stopped):
        pretrain(f"file:{folder}", corpus(), tmp_path / "parts", seconds=600, tell=stop)
    found = pretrain(f"file:{folder}", corpus(), tmp_path / "parts", seconds=600)
    assert (found.before, found.after) == (whole.before, whole.after)


@pytest.mark.usefixtures("quick")
def test_what_cannot_be_used_is_left_out_and_told(tmp_path: Path) -> None:
    folder = pretrained.write_sentence_model(tmp_path / "model")
    gone = FileItem("gone.txt", tmp_path / "gone.txt")
    whole = corpus()
    items = (*whole.items[:7], TextItem("row 8", " \n"), *whole.items[7:], gone)
    found = pretrain(f"file:{folder}", replace(whole, items=items), tmp_path / "out", seconds=600)
    first = "row 8: is empty (whitespace only) (HS102)"
    assert (found.texts, found.held_out) == (54, 6)
    assert (found.left_out, found.first_left_out) == (2, first)
    assert found.sentence().endswith(f" Left out because they cannot be used: 2, the first {first}.")
    plain = pretrain(f"file:{folder}", whole, tmp_path / "plain", seconds=600)
    assert (plain.before, plain.after) == (found.before, found.after)
    assert "Left out" not in plain.sentence()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([""] * 20, r"but 0 are here; give more\n  Left out .*: 20, the first row 1: is empty"),
        (["one"] * 20, "at least 10 different texts are needed, but 1 are here; give more$"),
        ([*"abcdefghi", " "], r"but 9 are here; give more\n  Left out .*: 1, the first row 10: "),
    ],
)
def test_too_few_texts_that_can_be_used(tmp_path: Path, texts: list[str], message: str) -> None:
    folder = pretrained.write_sentence_model(tmp_path / "model")
    items = tuple(TextItem(f"row {row}", text) for row, text in enumerate(texts, start=1))
    with pytest.raises(DataError, match=message):
        pretrain(f"file:{folder}", Dataset("few", "text", items), tmp_path / "out", seconds=60)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"about": "it"}', '{"about": "it", "steps": null}'])
def test_a_damaged_plan_is_made_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    assert settled(tmp_path, "it", lambda: 7) == 7
    assert settled(tmp_path, "it", lambda: 8) == 7


def test_what_cannot_be_pretrained(tmp_path: Path) -> None:
    causal = pretrained.write_model(tmp_path / "causal", "gpt2")
    with pytest.raises(SourceError, match="only those before them"):
        pretrain(f"file:{causal}", corpus(), tmp_path / "out", seconds=60)
    both = pretrained.write_model(tmp_path / "both", "bart")
    with pytest.raises(SourceError, match="belongs to a decoder"):
        pretrain(f"file:{both}", corpus(), tmp_path / "out", seconds=60)
    assert not (tmp_path / "out").exists()
    folder = pretrained.write_sentence_model(tmp_path / "model")
    with pytest.raises(DataError, match="at least 10 different texts"):
        pretrain(f"file:{folder}", sentences(per_class=1), tmp_path / "out", seconds=60)
    with pytest.raises(BadOption, match="more than"):
        pretrain(f"file:{folder}", corpus(), tmp_path / "short", seconds=1e-3)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(PathError, match="something else"):
        pretrain(f"file:{folder}", corpus(), tmp_path / "full", seconds=60)
