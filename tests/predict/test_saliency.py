"""Words that mattered, against a linear model of words whose contributions are known exactly."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.dataset import Dataset, TextItem
from headstart.core.model import Model
from headstart.core.task import Task
from headstart.modalities import text
from headstart.modalities.image import PLAIN
from headstart.modalities.text.encoding.words import WordEncoder
from headstart.modalities.text.preprocessing import BI_ENCODER, TextPreprocessing
from headstart.predict import saliency

WORDS = ("refund", "money", "back", "parcel", "late", "thanks", "please", "the")
TASK = Task("classification", ("refund", "delay", "thanks"), "accuracy")


class Linear:
    """A bag of words: each word adds its row of weights to the logits. Counts what it is asked."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.weights = np.vstack([np.zeros(model.task.outputs), model.tensors["weights"]])
        self.batches: list[int] = []

    def logits(self, prepared: np.ndarray) -> np.ndarray:
        pairs = prepared.reshape(len(prepared), -1, 3, prepared.shape[-1])
        return (self.weights[pairs[:, :, 0]] * pairs[:, :, 1, :, None]).sum(axis=(1, 2))

    def scores(self, prepared: np.ndarray) -> np.ndarray:
        self.batches.append(len(prepared))
        raw = self.logits(prepared)
        if self.model.task.kind == "regression":
            return raw.astype(np.float32)
        if self.model.task.kind == "multilabel":
            return (1 / (1 + np.exp(-raw))).astype(np.float32)
        odds = np.exp(raw - raw.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def model(task: Task = TASK, *, words: tuple[str, ...] = WORDS, most: int = 64, **contract: Any) -> Model:
    weights = np.random.default_rng(0).normal(size=(len(words), task.outputs))
    reads = TextPreprocessing(WordEncoder(words).to_json(), max_length=most, **contract)
    return Model(task, reads, {"kind": "linear"}, {"weights": weights})


def measured(made: Model, whole: text.Text, question: saliency.Question) -> tuple[list[str], np.ndarray]:
    found = saliency.effects(Linear(made), whole, question)
    assert found is not None
    pieces, effect, _ = found
    return [whole.parts[p.part][p.start : p.stop] for p in pieces], effect


@pytest.mark.parametrize("kind", ["multilabel", "regression", "classification"])
def test_effects_are_the_weights_of_a_linear_model(kind: str) -> None:
    labels = ("x",) if kind == "regression" else ("x", "y")
    made = model(Task(kind, labels, "accuracy"))
    weights = made.tensors["weights"]
    words, effect = measured(
        made, text.Text("Thanks! The parcel, the parcel... unheard-of"), saliency.Question(0, "x", 1, kind)
    )
    assert words == ["Thanks!", "The", "parcel,", "the", "parcel..."]  # what is unknown is not read
    numbers = [WORDS.index(word.strip("!,.").lower()) for word in words]
    own = weights[:, 0] - weights[:, 1] if kind == "classification" else weights[:, 0]  # log-odds are linear
    np.testing.assert_allclose(effect, own[numbers], atol=1e-5)


def test_of_many_classes_it_is_the_log_odds_of_the_one_that_was_said() -> None:
    made = model()
    whole = text.Text("refund please, money back")
    words, effect = measured(made, whole, saliency.Question(0, "refund"))
    weights = made.tensors["weights"][[WORDS.index(w.strip(",")) for w in words]]

    def odds(logits: np.ndarray) -> float:
        return float(logits[0] - np.log(np.exp(logits[1:]).sum()))

    expected = [odds(weights.sum(axis=0)) - odds(weights.sum(axis=0) - row) for row in weights]
    np.testing.assert_allclose(effect, expected, atol=1e-5)


def test_a_label_that_was_denied_is_asked_the_other_way_round() -> None:
    made = model(Task("multilabel", ("x", "y"), "mAP"))
    whole = text.Text("refund late")
    _, yes = measured(made, whole, saliency.Question(1, "y", 1, "multilabel"))
    _, no = measured(made, whole, saliency.Question(1, "not y", -1, "multilabel"))
    np.testing.assert_allclose(yes, -no)


def test_both_texts_of_a_pair_apart_are_searched() -> None:
    made = model(Task("regression", ("x",), "MAE"), pairs=BI_ENCODER)
    words, effect = measured(
        made, text.Text("refund money", "late parcel"), saliency.Question(0, "x", kind="regression")
    )
    assert words == ["refund", "money", "late", "parcel"]
    np.testing.assert_allclose(effect, made.tensors["weights"][[0, 1, 4, 3], 0], atol=1e-6)


def test_a_long_text_is_taken_in_groups() -> None:
    made, rng = model(Task("regression", ("x",), "MAE"), most=1000), np.random.default_rng(0)
    chosen = rng.choice(WORDS, 300)
    whole = text.Text(" ".join(chosen))
    predictor = Linear(made)
    found = saliency.effects(predictor, whole, saliency.Question(0, "x", kind="regression"))
    assert found is not None
    pieces, effect, _ = found
    assert len(pieces) <= saliency.VARIANTS
    assert sum(predictor.batches) == len(pieces) + 1
    assert max(predictor.batches) <= saliency.BATCH
    groups = [whole.first[p.start : p.stop].split() for p in pieces]
    assert [word for group in groups for word in group] == list(chosen)
    own = [sum(made.tensors["weights"][WORDS.index(w), 0] for w in group) for group in groups]
    np.testing.assert_allclose(effect, own, atol=1e-4)


def test_what_the_model_does_not_read_is_left_alone() -> None:
    made = model(Task("regression", ("x",), "MAE"), most=4)
    whole = text.Text("refund money back parcel late late thanks")
    words, effect = measured(made, whole, saliency.Question(0, "x", kind="regression"))
    assert words == ["refund", "money", "back", "parcel"]
    np.testing.assert_allclose(effect, made.tensors["weights"][:4, 0], atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200), st.one_of(st.none(), st.text(max_size=60)))
def test_pieces_are_whatever_is_no_blank(first: str, second: str | None) -> None:
    whole = text.Text(first, second)
    found = saliency.pieces(whole)
    assert len(found) <= saliency.VARIANTS
    for number, part in enumerate(whole.parts):
        rest = part
        for piece in reversed([p for p in found if p.part == number]):
            assert part[piece.start : piece.stop].strip()
            rest = rest[: piece.start] + rest[piece.stop :]
        assert not rest.strip()


def data(texts: list[str], y: list[int]) -> Dataset:
    items = tuple(TextItem(f"row {i + 1}", one) for i, one in enumerate(texts))
    return Dataset("d", "text", items, TASK, np.array(y))


@pytest.fixture
def linear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saliency, "Predictor", Linear)


def test_the_answer_says_why(linear: None) -> None:
    made = model()
    made.tensors["weights"][:] = 0
    made.tensors["weights"][0] = (3, -3, 0)  # refund
    made.tensors["weights"][5] = (-1, 0, 1)  # thanks
    dataset = data(["Refund!  The parcel, thanks.", "   ", "the"], [2, 0, 0])
    wrong = [{"row": row, "id": f"row {row + 1}"} for row in (0, 1, 2)]
    held = {row: np.array([0.8, 0.1, 0.1]) for row in range(3)}
    found = saliency.occlusion(dataset, made, wrong, held)
    assert found is not None
    first, last = found["items"]  # the blank one cannot be opened
    assert first["said"] == "refund"
    assert first["sentence"] == "said refund mostly because of: “Refund”; against it: “thanks”"
    assert "".join(p["before"] + p["text"] for p in first["parts"][0]) == "Refund!  The parcel, thanks."
    assert last["sentence"] == "no single word speaks for refund"
    assert found == saliency.occlusion(dataset, made, wrong, held)
    held[0] = np.array([0.1, 0.1, 0.8])  # what had been said, and what the shipped model does not say
    other = saliency.occlusion(dataset, made, wrong[:1], held)
    assert other is not None
    assert other["items"][0]["sentence"] == "for thanks speaks: “thanks”; against it: “Refund”"
    assert not other["items"][0]["still"]
    assert "may be right on them by now" in found["sentence"]


def test_it_stops_in_time_and_says_nothing_where_there_is_nothing_to_say(linear: None) -> None:
    dataset = data(["refund late"] * 12, [1] * 12)
    wrong = [{"row": row, "id": str(row)} for row in range(12)]
    held = {row: np.array([0.8, 0.1, 0.1]) for row in range(12)}
    now = iter(np.arange(0, 100, 0.5))
    found = saliency.occlusion(dataset, model(), wrong, held, clock=lambda: float(next(now)))
    assert found is not None
    assert len(found["items"]) == 6
    whole = saliency.occlusion(dataset, model(), wrong, held)
    assert whole is not None
    assert len(whole["items"]) == saliency.ITEMS
    assert saliency.occlusion(dataset, model(), [], held) is None
    assert saliency.occlusion(dataset, SimpleNamespace(input=PLAIN), wrong, held) is None  # type: ignore[arg-type]


def test_probabilities_of_one_keep_their_digits() -> None:
    scores = np.array([[1.0, 1e-20, 1e-30], [1.0, 1e-10, 0.0]], np.float32)
    np.testing.assert_allclose(saliency.Question(0, "a").of(scores)[1], np.log(1e10), rtol=1e-5)
