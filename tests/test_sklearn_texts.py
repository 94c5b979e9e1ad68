"""Texts and pairs of texts through the estimators, on a tiny encoder."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from headstart import sklearn as module
from headstart import sources
from headstart.core.dataset import TextItem
from headstart.core.features import FeatureSpec, Tap
from headstart.errors import DataError, SourceError
from headstart.modalities import text
from headstart.modalities.text.preprocessing import BI_ENCODER
from headstart.predict import rows
from headstart.sklearn import Embedder, TransferClassifier, TransferRegressor
from headstart.testing.fakes import MemoryExtractor
from headstart.testing.texts import TinyTextBackbone, sentences

DATA = sentences(per_class=20, telling=3)
TEXTS = [item.text for item in DATA.items if isinstance(item, TextItem)]
NAMES = np.array(["weather", "food", "travel"])[DATA.y]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny encoder under any name ("apart": two texts apart), features in memory."""
    known = {False: TinyTextBackbone(), True: TinyTextBackbone(pairs=BI_ENCODER)}
    monkeypatch.setattr(module, "_load", lambda spec, stamp, download: known["apart" in spec])
    monkeypatch.setattr(module, "StoreExtractor", lambda store, dataset: MemoryExtractor(dataset))


def test_embedder_gives_what_the_pass_gives() -> None:
    found = Embedder("tiny", taps=["layer.1/max", "layer.2/mean"]).fit_transform(TEXTS)
    features = MemoryExtractor(DATA)(
        TinyTextBackbone(), FeatureSpec(taps=(Tap("layer.1", "max"), Tap("layer.2", "mean")))
    )
    expected = [features.tap(Tap("layer.1", "max")), features.tap(Tap("layer.2", "mean"))]
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=2e-3)
    embedder = Embedder("tiny").fit(TEXTS)
    assert embedder.taps_ == ["layer.2/mean"]
    assert embedder.n_features_out_ == len(embedder.get_feature_names_out()) == 16


@pytest.mark.parametrize("form", ["array", "objects", "column", "series", "frame"])
def test_every_form_of_texts_is_the_same(form: str) -> None:
    some = TEXTS[:5]
    given: Any = {
        "array": np.array(some),
        "objects": np.array(some, dtype=object),
        "column": np.array([[one] for one in some], dtype=object),
        "series": polars.Series("text", some),
        "frame": polars.DataFrame({"text": some}),
    }[form]
    np.testing.assert_array_equal(Embedder("tiny").fit_transform(given), Embedder("tiny").fit_transform(some))


def test_a_source_that_compares_two_texts_wants_two() -> None:
    with pytest.raises(DataError, match="compares the two of a pair"):
        Embedder("tiny apart").fit_transform(TEXTS[:4])


@pytest.mark.parametrize("source", ["tiny", "tiny apart"])
def test_pairs_are_a_list_of_pairs_or_two_columns(source: str) -> None:
    pairs = list(zip(TEXTS[:6], TEXTS[6:12], strict=True))
    found = Embedder(source).fit_transform(pairs)
    assert found.shape == (6, 48 if "apart" in source else 16)
    first, second = zip(*pairs, strict=True)
    for same in (np.array(pairs), polars.DataFrame({"a": first, "b": second}), [list(p) for p in pairs]):
        np.testing.assert_array_equal(Embedder(source).fit_transform(same), found)


def test_classifier_in_a_pipeline_and_alone() -> None:
    pipe = make_pipeline(Embedder("tiny"), LogisticRegression(max_iter=2000))
    assert cross_val_score(pipe, TEXTS, NAMES, cv=3).mean() > 0.45
    classifier = TransferClassifier("tiny").fit(TEXTS, NAMES)
    probabilities = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert classifier.score(TEXTS, NAMES) > 0.7
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict(TEXTS[:5]), classifier.predict(TEXTS[:5]))
    assert clone(classifier).get_params() == classifier.get_params()
    assert classifier.to_model().input == TinyTextBackbone().source.input


def test_regressor() -> None:
    lengths = [float(len(one.split())) for one in TEXTS]
    found = TransferRegressor("tiny").fit(TEXTS, lengths).predict(TEXTS)
    assert np.corrcoef(found, lengths)[0, 1] > 0.5


def test_a_string_is_a_text_even_where_a_file_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rain").write_text("cheese")
    literal, file = rows.texts(["rain", Path("rain")])
    assert text.open_item(literal.read()).first == "rain"
    assert text.open_item(file.read()).first == "cheese"


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (["what a day"], "text"),
        ([("a", "b")], "text"),
        (["a.png"], "image"),
        (["it stops.and.starts"], "text"),
        (["x" * 5000], "text"),
        ([Path("a")], "image"),
        ([np.zeros((4, 4))], "image"),
        (np.zeros((2, 4, 4)), "image"),
        ([], "image"),
        (polars.DataFrame({"a": ["x"], "b": ["y"]}), "text"),
    ],
)
def test_what_rows_are_is_seen_from_the_first(X: Any, expected: str) -> None:
    assert rows.modality_of(X) == expected


def test_texts_and_pairs_are_not_taken_for_each_other() -> None:
    pairs = [(one, "rain") for one in TEXTS]
    with pytest.raises(DataError, match="holds pairs of texts, and this was fitted on texts"):
        TransferClassifier("tiny").fit(TEXTS, NAMES).predict(pairs)
    apart = TransferClassifier("tiny").fit(pairs, NAMES)
    with pytest.raises(DataError, match="holds texts, and this was fitted on pairs of texts"):
        apart.predict(TEXTS)
    assert apart.to_model().evidence == {"data": {"pairs": True}}


def test_holes_are_named() -> None:
    assert rows.modality_of([None, float("nan"), "so good"]) == "text"
    with pytest.raises(DataError, match="row 0: is nothing, and the source reads texts"):
        Embedder("tiny").fit().transform([None, "so good"])
    with pytest.raises(DataError, match="row 0: a part of it is nothing"):
        Embedder("tiny").fit().transform([("so good", None)])
    with pytest.raises(ValueError, match="no items to learn from"):
        TransferClassifier("tiny").fit([], [])


def test_a_folder_that_changed_is_loaded_anew(tmp_path: Path) -> None:
    (tmp_path / "words.vec").write_text("2 2\nrain 1 0\nsoup 0 1\n")
    spec = f"vectors:{tmp_path / 'words.vec'}"
    first = module._stamp(spec)
    (tmp_path / "words.vec").write_text("3 2\nrain 1 0\nsoup 0 1\nsnow 1 1\n")
    assert module._stamp(spec) != first
    assert module._stamp("tiny") == ()


def test_without_a_source_one_for_texts_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    record = TinyTextBackbone().source
    monkeypatch.setattr(sources, "at_hand", lambda modality: [record] if modality == "text" else [])
    assert TransferClassifier().fit(TEXTS, NAMES).source_ == record.spec
    (tmp_path / "x.png").touch()
    with pytest.raises(SourceError, match="no source of images"):
        Embedder().fit([str(tmp_path / "x.png")])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("one text", "single path or text"),
        ([np.zeros((4, 4))], "row 0: is ndarray, and the source reads texts"),
        (["a", ("b", "c")], "single texts and pairs"),
        ([("a", "b", "c")], "row 0"),
    ],
)
def test_what_is_no_text_is_named(X: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Embedder("tiny").fit().transform(X)
    with pytest.raises(DataError, match="there are 2 texts and 3 labels"):
        TransferClassifier("tiny").fit(["a", "b"], ["x", "y", "x"])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([[0, 1]] * 4), "y has 2 columns"),
        ([["a"], ["a", "b"], ["b"], []], "y holds several a row"),
        ([["a", "b"]] * 4, "y has 2 columns"),
        (polars.DataFrame({"p": [0, 1, 0, 1], "q": [1, 0, 1, 0]}), "y has 2 columns"),
        (np.zeros((4, 1, 2)), r"y has the shape \(4, 1, 2\)"),
        (None, "requires y to be passed"),
    ],
)
def test_a_target_that_is_not_one_value_a_row_is_named(y: Any, message: str) -> None:
    for estimator, learnt in (
        (TransferClassifier("tiny"), "one label"),
        (TransferRegressor("tiny"), "one number"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            estimator.fit(TEXTS[:4], y)
        assert learnt in str(caught.value)


def test_a_target_of_one_column_is_learnt_with_the_usual_warning() -> None:
    with pytest.warns(DataConversionWarning):
        found = TransferClassifier("tiny").fit(TEXTS[:4], np.array([[0], [1], [0], [1]]))
    assert found.classes_.tolist() == [0, 1]


def test_several_labels_are_learnt_one_by_one() -> None:
    y = np.array([[0, 1], [1, 1], [0, 0], [1, 0]])
    found = OneVsRestClassifier(TransferClassifier("tiny")).fit(TEXTS[:4], y)
    assert found.predict(TEXTS[:4]).shape == (4, 2)
