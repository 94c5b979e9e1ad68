from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import polars
import pytest
from PIL import Image
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_do_not_raise_errors_in_init_or_set_params,
    check_estimator_cloneable,
    check_estimator_repr,
    check_get_params_invariance,
    check_mixin_order,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
    check_valid_tag_types,
)

from headstart import sklearn as module
from headstart.core.features import FeatureSpec, Tap
from headstart.core.task import REGRESSION
from headstart.errors import BadOption, DataError, SourceError
from headstart.export import bundle
from headstart.export.model import load_model
from headstart.nets import assemble
from headstart.sklearn import Embedder, TransferClassifier, TransferRegressor
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, shapes
from made.models import tiny_images

ESTIMATORS = [Embedder, TransferClassifier, TransferRegressor]
BACKBONE = TinyBackbone()


@pytest.fixture(autouse=True)
def passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny backbone under any name, features in memory."""
    monkeypatch.setattr(module, "_load", lambda spec, stamp, download: BACKBONE)
    monkeypatch.setattr(module, "StoreExtractor", lambda store, dataset: MemoryExtractor(dataset))


@pytest.fixture(scope="module")
def pictures() -> tuple[list[np.ndarray], np.ndarray]:
    data = shapes(per_class=15)
    names = np.array(["disc", "square", "cross"])
    return [item.array for item in data.items], names[data.y]


@pytest.fixture(scope="module")
def files(pictures: tuple, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("p")
    paths = [folder / f"{i}.png" for i in range(len(pictures[0]))]
    for path, picture in zip(paths, pictures[0], strict=True):
        Image.fromarray(picture).save(path)
    return paths


def test_embedder_gives_the_taps_of_the_source(pictures: tuple) -> None:
    found = Embedder("tiny", taps=["last/g1", "stem/g2"]).fit_transform(pictures[0])
    extract = MemoryExtractor(shapes(per_class=15))
    features = extract(BACKBONE, FeatureSpec(taps=(Tap("last", 1), Tap("stem", 2))))
    expected = np.concatenate([features.tap(Tap("last", 1)), features.tap(Tap("stem", 2))], axis=1)
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    assert found.dtype == np.float32


def test_embedder_describes_its_features(pictures: tuple) -> None:
    embedder = Embedder("tiny", taps="all").fit()
    features = embedder.transform(pictures[0])
    names = embedder.get_feature_names_out()
    assert features.shape == (45, embedder.n_features_out_) == (45, len(names))
    assert names[0] == "stem/g1[0]"
    assert Embedder("tiny").fit().taps_ == ["pool/g1"]


@pytest.mark.parametrize("form", ["paths", "text", "object array", "column", "images", "array", "frame"])
def test_every_form_of_images_is_the_same(pictures: tuple, files: list[Path], form: str) -> None:
    arrays = pictures[0][:6]
    given = {
        "paths": files[:6],
        "text": [str(path) for path in files[:6]],
        "object array": np.array([str(path) for path in files[:6]]),
        "column": np.array([[str(path)] for path in files[:6]], dtype=object),
        "images": [Image.fromarray(array) for array in arrays],
        "array": np.stack(arrays),
        "frame": polars.Series("path", [str(path) for path in files[:6]]),
    }[form]
    np.testing.assert_allclose(Embedder("tiny").fit_transform(given), Embedder("tiny").fit_transform(arrays))


def test_inside_a_pipeline_and_cross_validation(pictures: tuple) -> None:
    X, y = pictures
    pipe = make_pipeline(Embedder("tiny", taps="all"), StandardScaler(), PCA(10), LogisticRegression())
    assert cross_val_score(pipe, X, y, cv=3).mean() > 0.5
    assert cross_val_score(TransferClassifier("tiny"), np.stack(X), y, cv=3).mean() > 0.5


def test_inside_a_search(pictures: tuple) -> None:
    X, y = pictures
    grid = {"taps": ["auto", None, ["last/g1", "middle/g1"]], "source": ["tiny", "other"]}
    search = GridSearchCV(TransferClassifier("tiny"), grid, cv=2).fit(X, y)
    assert set(search.best_params_) == {"taps", "source"}
    assert search.predict(X[:3]).shape == (3,)


def test_classifier(pictures: tuple) -> None:
    X, y = pictures
    model = TransferClassifier("tiny", taps="all").fit(X, y)
    p = model.predict_proba(X)
    assert list(model.classes_) == sorted(set(y))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    np.testing.assert_array_equal(model.decision_function(X).argmax(axis=1), p.argmax(axis=1))
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("cls", [TransferClassifier, TransferRegressor])
def test_an_item_without_weight_is_left_out(cls: type, pictures: tuple) -> None:
    X, y = pictures
    y = y if cls is TransferClassifier else np.arange(len(y), dtype=float)
    weights = np.arange(len(y)) % 3 > 0
    left = [item for item, weight in zip(X, weights, strict=True) if weight]
    weighted = cls("tiny").fit(X, y, sample_weight=weights.astype(float))
    without = cls("tiny").fit(left, y[weights])
    assert weighted.taps_ == without.taps_
    np.testing.assert_allclose(weighted.coef_, without.coef_, rtol=0.02, atol=1e-3)


def test_weights_of_classes(pictures: tuple) -> None:
    X, y = pictures
    y = np.where(np.arange(len(y)) < 4, "rare", "usual")  # nothing to learn: what is said is how common it is
    plain, balanced, heavy = (
        TransferClassifier("tiny", class_weight=weight).fit(X, y).predict_proba(X)[:, 0].mean()
        for weight in (None, "balanced", {"rare": 100.0, "usual": 1.0})
    )
    assert plain < 0.2 < balanced < heavy
    together = TransferClassifier("tiny", class_weight="balanced").fit(
        X, y, sample_weight=np.full(len(y), 2.0)
    )
    assert together.predict_proba(X)[:, 0].mean() == pytest.approx(balanced, abs=0.1)


def test_weights_in_a_pipeline_and_what_cannot_be_one(pictures: tuple) -> None:
    X, y = pictures
    pipe = make_pipeline(TransferClassifier("tiny"))
    assert pipe.fit(X, y, transferclassifier__sample_weight=np.ones(len(y))).score(X, y) > 0.5
    for weights, message in (
        (np.ones(3), r"has the shape \(3,\), but there are 45 items"),
        (-np.ones(len(y)), "negative, NaN or infinite"),
        (np.full(len(y), np.nan), "negative, NaN or infinite"),
        (np.zeros(len(y)), "is 0 for every item"),
    ):
        with pytest.raises(ValueError, match=message):
            TransferClassifier("tiny").fit(X, y, sample_weight=weights)


def test_taps_are_chosen_on_the_training_rows(pictures: tuple) -> None:
    X, y = pictures
    chosen = TransferClassifier("tiny").fit(X, y).taps_
    assert set(chosen) <= {str(tap) for tap in BACKBONE.taps()}
    by_hand = TransferClassifier("tiny", taps=chosen).fit(X, y)
    np.testing.assert_array_equal(by_hand.coef_, TransferClassifier("tiny").fit(X, y).coef_)


def test_classifier_against_scikit_learn(pictures: tuple) -> None:
    """Its penalty is one of a grid, so scikit-learn's own solution for one of that grid is the same."""
    X, y = pictures
    features = StandardScaler().fit_transform(Embedder("tiny").fit_transform(X).astype(np.float64))
    ours = TransferClassifier("tiny", taps=None).fit(X, y).predict_proba(X)
    distances = []
    for penalty in np.logspace(-3, 3, 121):
        theirs = (
            LogisticRegression(C=penalty, tol=1e-6, max_iter=2000).fit(features, y).predict_proba(features)
        )
        distances.append(np.abs(ours - theirs).max())
    assert min(distances) < 0.01


def test_two_classes_have_one_decision_value(pictures: tuple) -> None:
    X, y = pictures
    two = y != "cross"
    model = TransferClassifier("tiny").fit([x for x, use in zip(X, two, strict=True) if use], y[two])
    value = model.decision_function(X)
    assert value.shape == (len(X),)
    np.testing.assert_array_equal(value > 0, model.predict(X) == model.classes_[1])


def test_regressor() -> None:
    data = shapes(REGRESSION, per_class=25, classes=1)
    X = [item.array for item in data.items]
    model = TransferRegressor("tiny", taps="all").fit(X, data.y)
    assert model.predict(X).shape == data.y.shape
    assert model.score(X, data.y) > 0.5
    assert cross_val_score(make_pipeline(Embedder("tiny"), Ridge()), X, data.y, cv=3).shape == (3,)


def test_as_a_model_it_gives_the_same_answers(pictures: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = pictures
    estimator = TransferClassifier("tiny", taps=["middle/g2", "pool/g1"]).fit(X, y)
    model = estimator.to_model()
    monkeypatch.setattr("headstart.sources.from_state", lambda *_, **__: BACKBONE)
    import torch

    pixels = torch.from_numpy(np.stack(X).transpose(0, 3, 1, 2).copy())
    with torch.inference_mode():
        found = assemble(model.net, model.tensors, model.input, model.task)(pixels)
    # features are stored in half precision, the network computes in single
    np.testing.assert_allclose(found.numpy(), estimator.predict_proba(X), atol=5e-3)
    assert model.task.labels == tuple(estimator.classes_)


def test_pickled_without_the_network(pictures: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = pictures
    model = TransferClassifier("tiny").fit(X, y)
    raw = pickle.dumps(model)
    assert len(raw) < 20_000
    np.testing.assert_array_equal(pickle.loads(raw).predict_proba(X), model.predict_proba(X))
    monkeypatch.setattr(module, "_load", lambda spec, stamp, download: TinyBackbone(seed=1))
    with pytest.raises(SourceError, match="not those this estimator was fitted with"):
        pickle.loads(raw).predict(X)


def test_a_source_set_anew_is_loaded_anew(pictures: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_load", lambda spec, stamp, download: TinyBackbone(seed=len(spec)))
    embedder = Embedder("a").fit()
    first = embedder.transform(pictures[0])
    assert not np.allclose(embedder.set_params(source="bb").fit().transform(pictures[0]), first)


def test_fitting_twice_is_fitting_once(pictures: tuple) -> None:
    X, y = pictures
    model = TransferClassifier("tiny").fit(X[:30], y[:30])
    np.testing.assert_array_equal(model.fit(X, y).coef_, TransferClassifier("tiny").fit(X, y).coef_)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    "check",
    [
        check_do_not_raise_errors_in_init_or_set_params,
        check_estimator_cloneable,
        check_estimator_repr,
        check_get_params_invariance,
        check_mixin_order,
        check_no_attributes_set_in_init,
        check_parameters_default_constructible,
        check_set_params,
        check_valid_tag_types,
    ],
)
def test_estimator_checks_that_need_no_table(cls: type, check: object) -> None:
    check(cls.__name__, cls())


def test_kinds_are_recognised() -> None:
    assert is_classifier(TransferClassifier())
    assert is_regressor(TransferRegressor())
    assert clone(TransferClassifier("x", taps=["a"], views=2)).get_params()["views"] == 2


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_not_fitted(cls: type, pictures: tuple) -> None:
    with pytest.raises(NotFittedError):
        (cls().transform if cls is Embedder else cls().predict)(pictures[0])


def test_mistakes(pictures: tuple, tmp_path: Path) -> None:
    X, y = pictures
    with pytest.raises(BadOption, match="nowhere/g1"):
        Embedder("tiny", taps=["nowhere/g1"]).fit()
    with pytest.raises(BadOption, match="empty list"):
        Embedder("tiny", taps=[]).fit()
    with pytest.raises(DataError, match="holds no images"):
        Embedder("tiny").fit_transform(np.zeros((5, 4)))
    for name in "ab":
        Image.fromarray(X[0]).save(tmp_path / f"{name}.png")
    with pytest.raises(DataError, match="row 0 is 2 images"):
        Embedder("tiny").fit_transform([tmp_path])
    with pytest.raises(DataError, match="single path"):
        Embedder("tiny").fit_transform("photos")
    with pytest.raises(DataError, match="45 images and 3 labels"):
        TransferClassifier("tiny").fit(X, y[:3])
    with pytest.raises(ValueError, match="one class"):
        TransferClassifier("tiny").fit(X, ["a"] * len(X))
    with pytest.raises(ValueError, match="Unknown label type"):
        TransferClassifier("tiny").fit(X, np.linspace(0, 1, len(X)))
    with pytest.raises(ValueError, match="NaN"):
        TransferRegressor("tiny").fit(X, np.full(len(X), np.nan))


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A source in a file, and a store of its own; nothing is replaced by a fake."""
    from safetensors.torch import save_file

    from headstart import sources

    monkeypatch.undo()
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    record = {"library": "timm", "arch": "test_resnet", "num_classes": 5, "input": 32}
    (tmp_path / "net.json").write_text(json.dumps({**record, "mean": [0.5] * 3, "std": [0.25] * 3}))
    save_file(
        sources.build({**record, "kwargs": {}}, classifier=True).state_dict(), tmp_path / "net.safetensors"
    )
    module._load.cache_clear()
    return f"file:{tmp_path / 'net.safetensors'}"


@pytest.mark.slow
def test_with_a_source_from_a_file_and_the_store(
    real: str, files: list[Path], pictures: tuple, tmp_path: Path
) -> None:
    X, y = files, pictures[1]
    estimator = TransferClassifier(real).fit(X[::2], y[::2])
    found = estimator.predict_proba(X)
    path = bundle.save(estimator.to_model(), tmp_path / "model", probes=tiny_images(2))
    again = load_model(path).predict(X)
    assert not again.failed
    np.testing.assert_allclose(again.scores, found, atol=0.02)
    by_hand = make_pipeline(Embedder(real), LogisticRegression())
    features = Embedder(real).fit_transform(X)
    np.testing.assert_allclose(
        cross_val_score(by_hand, X, y, cv=3), cross_val_score(LogisticRegression(), features, y, cv=3)
    )
    assert pickle.loads(pickle.dumps(estimator)).predict(X).tolist() == estimator.predict(X).tolist()


def test_unreadable_images_are_named(real: str, files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"row 1 .*bad\.jpg"):
        Embedder(real).fit_transform([files[0], tmp_path / "bad.jpg"])
    with pytest.raises(DataError, match=r"row 0 .*gone\.jpg"):
        Embedder(real).fit_transform([tmp_path / "gone.jpg"])
