"""The contract of a kind of task: everything that differs between classification, regression, ...

A network's head gives `z` `[B, K]`. `logits = z * scale + offset` (a standardised regression target
is undone there; for the other kinds scale is 1 and offset 0) and `predictions = activate(logits)`:
probabilities, or the value itself.

Throughout: N rows, K outputs of the task; `y` is what `Dataset.targets` gives of rows that have a label
(int64 `[N]`, float32 `[N, K]` of 0/1, float64 `[N]`); `predictions` are float `[N, K]`.
A method with a body does what most kinds do.

`TaskMethods` is what every kind has. What only some have is a capability, asked for by `isinstance`:
`Labels` (answers from a list of names), `Confidence` (predictions are probabilities), `Places` (answers that
say where on an item), `Says` (answers are texts), `Doubts` (labels may be told to look wrong).
"""

# ruff: noqa: ARG002  (the contract fixes the parameters; not every kind needs all of them)
from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from headstart.core.predictions import Dense, Predictions
from headstart.core.task import Cell, Task
from headstart.measure.metrics import known_mean
from headstart.tasks.base.fits import LinearFit
from headstart.tasks.base.scores import OverLabels, Score

FIFTHS = 5
"""Parts of their range in which numbers are drawn evenly."""


Doubt = tuple[int, dict[str, Any]]
"""(row, what is told of its label): see `Labels.doubts`."""


class Truth(Protocol):
    """What is to be predicted, row by row."""

    def sound(self, y: np.ndarray, outputs: int) -> bool:
        """Whether these can be targets of a task of so many outputs."""
        return y.ndim == 1

    def same(self, y: np.ndarray, others: np.ndarray) -> np.ndarray:
        """bool `[N]`: which targets are the same; `others` may be a single one."""
        return np.asarray(y == others)

    def differ(self, y: np.ndarray) -> bool:
        """Whether targets are not all the same: else a constant answer is as good as any."""
        return not self.same(y, y[:1]).all()

    def occurring(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """bool `[K]`: which classes or labels occur; of numbers their one output does."""
        return np.ones(outputs, bool)

    def strata(self, y: np.ndarray, parts: int = FIFTHS) -> list[list[int]]:
        """For each row the strata in which it counts where rows are shared out: its class; its labels and -1
        (as every row); or one of so many `parts` of the range."""

    def stratum(self, task: Task, number: int, y: np.ndarray) -> str:
        """What a stratum is called, in which these targets are."""

    def renumbered(self, y: np.ndarray, places: Mapping[int, Sequence[int]], outputs: int) -> np.ndarray:
        """Targets of this kind in which label i is each of `places[i]` (of one label an item the first).
        Where an item may have several, targets with one are taken, too."""

    def constant(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """float64 `[K]`: logits of the best constant prediction (class priors; median)."""


class Answers(Protocol):
    """How targets and predictions are told to people and programs."""

    def about(self, task: Task) -> str:
        """What is predicted, after the number of items: "in 2 classes", "with a number (size)"."""

    def value(self, task: Task, target: Any) -> Any:
        """One target in the form of `decode`."""

    def decode(self, task: Task, predictions: np.ndarray) -> list[Any]:
        """Predictions -> a label, a list of labels, or a number (float) for each row."""

    def head(self, top: int | None) -> tuple[str, str]:
        """What stands above the two cells of `line`."""

    def line(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> tuple[str, str]:
        """An answer for the screen: `answer` as decoded, `scores` float32 `[K]`, or the `top` best labels."""

    def cells(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Cell]:
        """An answer (None: it is held back, "" for its label) by the columns of a table, which are the same
        for all and hold one type each: with all scores, or with the `top` best labels."""

    def to_json(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Any]:
        """An answer as plain JSON."""


class Judge(Protocol):
    """How wrong an answer is."""

    def off(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """float64 `[N]`: how far off each prediction is: confidence in the wrong, or distance."""
        return np.asarray(np.abs(y.reshape(predictions.shape) - predictions).mean(axis=1))

    def wrong(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """bool `[N]`: which answers are not the truth; of several labels or numbers: not exactly."""
        return self.off(y, predictions) > 0

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> int:
        """How many single errors that is: items, labels of items; of numbers every one counts."""

    scores: Mapping[str, Score]
    """How each metric by which a task may be judged is computed, by name; the first is the default."""

    def metrics(
        self, task: Task, y: np.ndarray, predictions: np.ndarray, each: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, float]:
        """All metrics a user of this kind of task expects that are defined, by name. `each` stands in for
        `over_labels`."""
        each = self.over_labels(y, predictions) if each is None else each
        found = {
            name: known_mean(each[name]) if name in each else score.value(y, predictions)
            for name, score in self.scores.items()
        }
        found |= self.further(task, y, predictions)
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def further(self, task: Task, y: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
        """What is told beside the scores, and nothing is judged by."""
        return {}

    def over_labels(
        self, y: np.ndarray, predictions: np.ndarray, but: Collection[str] = ()
    ) -> dict[str, np.ndarray]:
        """By metric that is a mean over labels: float64 `[K]`, what each label has (`[1]` where it is of one
        alone), NaN for a label that does not count. Without those named in `but`."""
        found = ((name, score) for name, score in self.scores.items() if isinstance(score, OverLabels))
        return {name: score.each(y, predictions) for name, score in found if name not in but}

    def over_labels_resampled(
        self, y: np.ndarray, predictions: np.ndarray, weights: np.ndarray
    ) -> dict[str, np.ndarray]:
        """`over_labels` under each row of whole item weights `[B, N]`, float64 `[B, K]`: of those metrics
        alone for which that is quicker than to ask again for each row."""
        named = ((name, score) for name, score in self.scores.items() if isinstance(score, OverLabels))
        found = {name: score.fast(y, predictions, weights) for name, score in named if score.fast is not None}
        return {name: values for name, values in found.items() if values.ndim == 2}

    def mean_loss(self, y: np.ndarray, predictions: np.ndarray) -> float:
        """Mean log-loss, or squared error: by what averages are weighted."""


class Head(Protocol):
    """What is trained by gradients, and what follows a network's last layer."""

    def scaling(self, y: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """(offset `[K]`, scale `[K]`), float64, from training targets; 0 and 1 where `z` are the logits."""
        return np.zeros(outputs), np.ones(outputs)

    def targets(self, y: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Dataset targets -> what `loss` takes (int64 classes, float32 `[N, K]`)."""

    def loss(self, z: Any, targets: Any, *, smoothing: float = 0.0) -> Any:
        """Tensor `[B]`: loss of each item, from `z` and `targets`."""

    def activate(self, logits: np.ndarray) -> np.ndarray:
        """Logits -> probabilities or values, same shape and dtype."""
        return logits

    def activate_tensor(self, logits: Any) -> Any:
        """Float tensor `[B, K]`: what `activate` gives (it becomes part of the exported graph)."""
        return logits

    def logits_tensor(self, predictions: Any) -> Any:
        """Float tensor `[B, K]`: logits whose activation these predictions are."""
        return predictions

    def temperature(self, y: np.ndarray, predictions: np.ndarray) -> float:
        """The temperature at which held-out predictions have the least log-loss; 1 for values."""
        return 1.0

    def softened(self, predictions: np.ndarray, temperature: float) -> np.ndarray:
        """float64 `[N, K]`: probabilities at a temperature; values as they are."""
        return predictions


class TaskMethods(Truth, Answers, Judge, Head, LinearFit, Protocol):
    """One kind of task. Stateless; one file in this room each."""

    kind: str
    read_as: str
    """The kind among those built in whose labels are written in the same way (`headstart.data.labels`)."""
    form: str = ""
    """What its answers are where they are no numbers, "places", "boxes" or "texts": by that
    `core.facts.Facts.forms` names the strategies for them."""
    predictions: type[Predictions] = Dense
    """What holds the predictions of an arm."""
    columns: tuple[tuple[str, ...], ...] = ()
    """Names of columns by which a table of this kind is recognised, the last that of the targets."""
    exclusive: bool = False
    """Whether each item has exactly one of the labels."""
    constant_name: str = "the majority class"
    """What the best constant prediction is called."""
    most_repeats: int | None = None
    """Repeats of the folds at most; None: as many as there are for so many items."""
    unit: str = "labels"
    """What is given by hand, one an item, and may be saved."""

    def make_task(self, labels: Sequence[str]) -> Task:
        """A `Task` of this kind with its default metric."""
        metric = next(iter(self.scores.values())).metric
        return Task(self.kind, tuple(labels), metric.name, metric.higher_is_better)


@runtime_checkable
class Confidence(Protocol):
    """Kinds whose predictions are probabilities."""

    def confidence(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """float64 `[N]`: probability of what was said; of several labels how far off the worst of them is."""

    def log_odds(self, predictions: np.ndarray, column: int) -> np.ndarray:
        """float64 `[N]`: of one output, from float64 predictions."""


@runtime_checkable
class Doubts(Protocol):
    """Kinds of which labels that look wrong can be told."""

    def doubts(self, labels: Sequence[str], y: Any, predictions: np.ndarray) -> list[Doubt]:
        """Labels that look wrong by held-out predictions, the most suspicious first, one an item: its row;
        what is "given" and "suggested", in words; and the probabilities "p_given" and "p_suggested"."""


@runtime_checkable
class Labels(Doubts, Protocol):
    """Kinds whose answers are labels: one of them for each item, or any number."""

    def membership(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """bool `[N, K]`: which labels each row has."""

    def decided(self, predictions: np.ndarray) -> np.ndarray:
        """bool `[N, K]`: which labels each answer has."""

    def asked(self, target: Any, prediction: np.ndarray) -> tuple[int, bool]:
        """(output, whether its label was said): what of an answer `[K]` is worth a question. Its class, or
        the label that is the farthest off."""


@runtime_checkable
class Says(Protocol):
    """Kinds whose answers are texts."""

    part: str
    """Where an answer is a part of its item's text, which: "sentences" or a "span"; "" where it is none."""
    differs: bool
    """Whether an answer is in another language than its item."""
    spelt: bool
    """Whether answers are written character by character, so that each has to be learnt."""
    longest: float
    """How many times as long as its item a text may be without a word; 0: any length is usual."""
    heard: bool
    """Whether an answer follows its item in time, sign by sign."""
    prompts: tuple[str, ...]
    """What sources call such a task, or how that begins, where they name a prompt for it."""

    def said(self, task: Task, net: Mapping[str, Any], scores: np.ndarray, texts: Sequence[str]) -> str:
        """The answer of a model with that recipe, from what its network gives of an item with these texts
        (none of a recording): scores float32 `[K]`."""


@runtime_checkable
class Places(Protocol):
    """Kinds whose answers say where on an item: the class of every place, or boxes."""

    called: str
    """What answers and targets are: "masks", "boxes"; also the option that draws them."""
    drawing: str
    """What the file is called that shows an answer."""
    reading: Mapping[str, Any]
    """How a program reads what an exported network gives, as plain JSON."""

    counted: bool
    """Whether `amounts` are numbers of objects, not shares."""

    def placed(self, scores: np.ndarray, size: tuple[int, int]) -> Any:
        """The answer for an item of that height and width, from what a network gives of it: scores float32
        `[K, h, w]`, or `[K]` for all places; of boxes `[M, 6]`."""

    def joined(
        self, parts: Iterable[tuple[tuple[int, int], np.ndarray]], units: tuple[int, int]
    ) -> np.ndarray:
        """What a network gives of an item that was cut into tiles, as of one: `units` is how many the item is
        high and wide, and a tile is 4 x 4 of them; each part is where its tile begins (down, across) and the
        scores of it."""

    def aligned(self, found: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What two copies of a network give of one batch, in an order in which numbers may be compared."""

    def usual(self, y: Any) -> tuple[int, int]:
        """Height and width of most items, by their targets."""

    def kept(self, answer: Any) -> Any:
        """An answer as predictions hold it."""

    def over(self, pixels: np.ndarray, answer: Any, classes: int) -> np.ndarray:
        """uint8 `[H, W, 3]`: a picture of the item with an answer or a target drawn on it."""

    def drawn(self, answer: Any, pixels: Callable[[], np.ndarray], classes: int) -> Any:
        """An answer as a Pillow image; `pixels` gives the item's uint8 `[H, W, 3]`."""

    def per_class(self, task: Task, y: Any, predictions: np.ndarray) -> list[dict[str, Any]]:
        """For each class how well it is found: label, n, predicted, precision, recall, f1, and more."""

    def told(self, task: Task, answer: Any) -> dict[str, Any]:
        """An answer as plain JSON."""

    def amounts(self, task: Task, answer: Any) -> np.ndarray:
        """float64 `[K]`: how much of each class there is in an answer (also as predictions hold it) or a
        target: boxes that are said, or the share of places."""

    def glance(self, answer: Any, scores: np.ndarray) -> np.ndarray:
        """What `unsure` needs of an answer and its scores: a few kilobytes."""

    def unsure(self, task: Task, glances: Sequence[np.ndarray]) -> list[tuple[float, str]]:
        """Of each of a pool's answers: how sure the model is, in numbers that only compare within the pool,
        and of what it is not, in words."""
