from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from headstart import nets, strategies
from headstart.core.dataset import TextItem
from headstart.core.model import Model
from headstart.core.strategy import Request
from headstart.modalities import text
from headstart.modalities.text import Text
from headstart.strategies.linear._sparse import fit_sparse
from headstart.strategies.linear._words import Words
from headstart.strategies.tfidf import read
from headstart.testing.fakes import MemoryExtractor, folds
from headstart.testing.strategy import check_strategy
from headstart.testing.texts import sentences

KINDS = ["classification", "multilabel", "regression"]


def request(kind: str = "classification", *, pairs: bool = False, per_class: int = 12) -> Request:
    dataset = sentences(kind, per_class=per_class, pairs=pairs, telling=3)
    assert dataset.task is not None
    split = folds(dataset, parts=3, test=0.2)
    return Request(dataset, dataset.task, split, MemoryExtractor(dataset))


def run(model: Model, asked: Request) -> np.ndarray:
    prepared = text.collate([text.prepare(item.read(), model.input) for item in asked.dataset.items])
    net = nets.assemble(model.net, model.tensors, model.input, model.task)
    return net(torch.from_numpy(prepared)).numpy()


def test_the_numbers_are_those_of_scikit_learn() -> None:
    texts = ["Rain and rain, and SNOW.", "a b bread; bread bread oven", "", "snow on the bread"]
    new = ["rain rain rain snow", "nothing known", "bread oven bread oven"]
    theirs = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    expected = theirs.fit_transform(texts).toarray()
    words = Words.of([Text(t) for t in texts], pairs=False)
    assert list(words.encoder.words) == list(theirs.get_feature_names_out())
    assert np.abs(words.matrix([Text(t) for t in texts]).toarray() - expected).max() < 1e-12
    found = words.matrix([Text(t) for t in new]).toarray()
    assert np.abs(found - theirs.transform(new).toarray()).max() < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_contract(kind: str, tmp_path: Path) -> None:
    check_strategy(strategies.get("tfidf"), request(kind), workdir=tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_computes_the_linear_model(kind: str) -> None:
    asked = request(kind)
    strategy = strategies.get("tfidf")
    model = strategy.refit(asked, strategy.fit(asked))
    assert model.net["kind"] == "words"
    texts = [item.text for item in asked.dataset.items if isinstance(item, TextItem)]
    rows = asked.split.development
    theirs = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit([texts[row] for row in rows])
    logits = theirs.transform(texts) @ model.tensors["head.weight"].T + model.tensors["head.bias"]
    from headstart import tasks

    assert np.abs(run(model, asked) - tasks.get(kind).activate(logits)).max() < 1e-5 * max(
        1, np.abs(logits).max()
    )


def test_the_classifier_is_that_of_scikit_learn() -> None:
    asked = request()
    words = Words.of(read(asked), pairs=False)
    x, y = words.matrix(read(asked)), np.asarray(asked.dataset.y)
    linear = fit_sparse(asked.task, x, y)
    theirs = LogisticRegression(C=linear.penalty, max_iter=1000).fit(x, y)
    ours = linear.logits(x.toarray())
    expected = theirs.decision_function(x)
    assert (
        np.abs(ours - ours.mean(1, keepdims=True) - expected + expected.mean(1, keepdims=True)).max() < 1e-6
    )


def test_of_pairs_it_sees_the_overlap() -> None:
    asked = request(pairs=True)
    words = Words.of([Text("rain today", "rain there")], pairs=True)
    found = words.matrix([Text("rain today", "rain there"), Text("rain", "today")]).toarray()
    one, two = {"rain", "today", "rain today"}, {"rain", "there", "rain there"}
    common = len(one & two)
    assert np.allclose(found[0, -3:], [common / len(one | two), common / 3, common / 3])
    assert np.allclose(found[1, -3:], 0)
    assert found.shape[1] == words.width == 2 * len(words.idf) + 3
    strategy = strategies.get("tfidf")
    model = strategy.refit(asked, strategy.fit(asked))
    texts = read(asked)
    rows = [texts[row] for row in asked.split.development]
    again = Words.of(rows, pairs=True)
    logits = again.matrix(texts) @ model.tensors["head.weight"].T + model.tensors["head.bias"]
    exp = np.exp(logits - logits.max(1, keepdims=True))
    assert np.abs(run(model, asked) - exp / exp.sum(1, keepdims=True)).max() < 1e-5


def test_texts_without_words_and_classes_without_rows() -> None:
    asked = request()
    silent = tuple(TextItem(item.id, "? !") for item in asked.dataset.items)
    empty = replace(asked, dataset=replace(asked.dataset, items=silent))
    trial = strategies.get("tfidf").fit(empty)
    assert trial.status == "done"
    y = np.array(asked.dataset.y)
    y[y == 2] = 0
    fewer = replace(asked, dataset=replace(asked.dataset, targets=y))
    trial = strategies.get("tfidf").fit(fewer)
    assert np.nanmax(trial.predictions.array[:, :, 2]) < 0.05


def test_the_network_becomes_onnx(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    for pairs in (False, True):
        asked = request(pairs=pairs)
        strategy = strategies.get("tfidf")
        model = strategy.refit(asked, strategy.fit(asked))
        net = nets.assemble(model.net, model.tensors, model.input, model.task)
        dims = ({0: torch.export.Dim("N", min=1, max=99), 2: torch.export.Dim("T", min=1, max=999)},)
        example = torch.ones((2, 3, 5), dtype=torch.int32)
        with torch.no_grad():
            program = torch.onnx.export(
                net, (example,), opset_version=18, dynamo=True, dynamic_shapes=dims, verbose=False
            )
        assert program is not None
        program.save(str(tmp_path / "words.onnx"))
        session = ort.InferenceSession(str(tmp_path / "words.onnx"), providers=["CPUExecutionProvider"])
        prepared = text.collate([text.prepare(item.read(), model.input) for item in asked.dataset.items])
        found = session.run(None, {session.get_inputs()[0].name: prepared})[0]
        assert np.abs(found - run(model, asked)).max() < 1e-5


@pytest.mark.parametrize("pairs", [False, True])
def test_very_long_texts_are_cut_as_the_network_has_them_cut(
    pairs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.strategies.linear._words.MOST_TOKENS", 4)
    texts = [
        Text("rain snow rain hail", "bread rain" if pairs else None),
        Text("rain snow rain hail bread", "hail" if pairs else None),
        Text("snow", "hail" if pairs else None),
    ]
    words = Words.of(texts, pairs=pairs)
    prepared = text.collate([text.prepare(one, words.contract) for one in texts])
    for row, block in zip(words.matrix(texts).toarray(), prepared, strict=True):
        first = len(words.idf)
        for side, part in enumerate((row[:first], row[first : 2 * first])[: 1 + pairs]):
            ids = block[0][(block[1] > 0) & (block[2] == side)]
            assert set(np.flatnonzero(part) + 1) == set(ids.tolist())
