"""Which words mattered in confident mistakes: leave each out and look at what the shipped model then says.

Occlusion as in Zeiler and Fergus (ECCV 2014); of words as in Li, Monroe and Jurafsky (2016). It asks the
shipped model, which has learnt from these items too: the mistakes are those of models that had not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart import modalities, tasks
from headstart.core.dataset import Dataset
from headstart.core.model import Model
from headstart.core.task import Task
from headstart.core.words import shortened
from headstart.errors import HeadstartError
from headstart.modalities import text
from headstart.predict.predictor import Answering, Predictor
from headstart.predict.question import Question
from headstart.tasks.base import Confidence, Labels

ITEMS = 8
"""Mistakes that are looked into."""
VARIANTS = 64
"""Most variants of a text; in a longer one several words are left out together."""
BATCH = 32
LONG = 20
"""Characters that hardly any token has."""
SECONDS = 3.0
"""Time for all of them: the run's budget is a promise."""
TOLD = 5
"""Words that the sentence names."""
MARKS = " .,;:!?\"'()[]"
WORD = re.compile(r"[\u0e00-\u0eff\u2e80-\u9fff\uf900-\ufaff]|[^\s\u0e00-\u0eff\u2e80-\u9fff\uf900-\ufaff]+")
"""What is left out: what stands between blanks; in scripts without blanks a character."""


@dataclass(frozen=True)
class Piece:
    """Words of a text that are left out together: its characters from `start` to `stop`."""

    part: int
    """0: the text, or the first of a pair; 1: the second."""
    start: int
    stop: int


def occlusion(
    dataset: Dataset,
    model: Model,
    mistakes: Sequence[Mapping[str, Any]],
    predictions: Mapping[int, np.ndarray],
    *,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any] | None:
    """What insight.json keeps: a text each of the first mistakes, in pieces with the effect of each.

    `predictions` are the held-out predictions `[K]` by row. None where nothing is to be told: no texts, no
    mistakes, or a model that reads no texts.
    """
    readable = dataset.modality == model.input.modality and modalities.get(model.input.modality).IN_WORDS
    if not mistakes or not readable:
        return None
    end = clock() + seconds
    predictor = Predictor(model)
    found = []
    for mistake in mistakes[:ITEMS]:
        row = int(mistake["row"])
        try:
            whole = text.open_item(dataset.items[row].read())
        except (OSError, HeadstartError):
            continue
        question = asked(model.task, dataset, row, predictions[row])
        measured = effects(predictor, whole, question, end=end, clock=clock)
        if measured is None:
            break
        found.append({"row": row, "id": mistake["id"], **told(question, whole, *measured)})
    if not found:
        return None
    return {
        "arm": model.evidence.get("arm"),
        "unit": "log-odds" if isinstance(tasks.for_task(model.task), Confidence) else "value",
        "items": found,
        "sentence": "Every word was left out in turn. Marked is what the shipped model then says less (or "
        "more) surely. That model has learnt from these very items too, so it may be right on them by now; "
        "the mistakes are those of models that had not seen them.",
    }


def asked(task: Task, dataset: Dataset, row: int, prediction: np.ndarray) -> Question:
    """What was said of an item: the class; of several labels the one that is the farthest off."""
    methods = tasks.for_task(task)
    if not isinstance(methods, Labels):
        return Question(0, task.labels[0], kind=task.kind)
    column, yes = methods.asked(dataset.targets[row], prediction)
    label = task.labels[column]
    return Question(column, label if yes else f"not {label}", 1 if yes else -1, task.kind)


def effects(
    predictor: Answering,
    whole: text.Text,
    question: Question,
    *,
    end: float = float("inf"),
    clock: Callable[[], float] = time.monotonic,
) -> tuple[list[Piece], np.ndarray, np.ndarray] | None:
    """(pieces, their effects float64 `[P]`, scores of the whole text `[K]`); None when time runs out.

    The effect of a piece is how much `question` falls when it is left out: what the piece adds to what was
    said. Only the part of the text that the model reads is varied, so that no later words move in.
    """
    contract: Any = predictor.model.input
    seen = as_read(whole, contract)
    found = pieces(seen)
    prepared = [text.prepare(variant, contract) for variant in (seen, *(without(seen, p) for p in found))]
    scores = []
    for start in range(0, len(prepared), BATCH):
        if clock() > end:
            return None
        scores.append(predictor.scores(text.collate(prepared[start : start + BATCH])))
    table = np.concatenate(scores)
    values = question.of(table)
    return found, values[0] - values[1:], table[0]


def as_read(whole: text.Text, contract: Any) -> text.Text:
    """The text without the words at its end that the model does not get to see."""
    most = 1_000 + LONG * contract.max_length
    shorter = text.Text(*(part[:most] for part in whole.parts))
    reference = text.prepare(whole, contract)
    if shorter != whole and np.array_equal(text.prepare(shorter, contract), reference):
        whole = shorter  # of a book only the first pages are searched for the last word that is read

    def kept(part: str, build: Callable[[str], text.Text]) -> str:
        ends = [match.end() for match in WORD.finditer(part)]
        low, high = 1, len(ends)
        while low < high:  # the fewest words that make the same tokens
            middle = (low + high) // 2
            if np.array_equal(text.prepare(build(part[: ends[middle - 1]]), contract), reference):
                high = middle
            else:
                low = middle + 1
        return part[: ends[low - 1]] if ends and low < len(ends) else part

    second = whole.second
    first = kept(whole.first, lambda part: text.Text(part, second))
    return text.Text(first, None if second is None else kept(second, lambda part: text.Text(first, part)))


def pieces(whole: text.Text) -> list[Piece]:
    """The words of a text, in order; at most `VARIANTS` pieces, of as many words each as that takes."""
    spans = [(part, m.start(), m.end()) for part, one in enumerate(whole.parts) for m in WORD.finditer(one)]
    size = max(1, -(-len(spans) // VARIANTS))
    while True:
        found = []
        for part in range(len(whole.parts)):
            own = [span for span in spans if span[0] == part]
            for start in range(0, len(own), size):
                group = own[start : start + size]
                found.append(Piece(part, group[0][1], group[-1][2]))
        if len(found) <= VARIANTS:
            return found
        size += 1


def without(whole: text.Text, piece: Piece) -> text.Text:
    """The text with one piece left out."""
    parts = list(whole.parts)
    parts[piece.part] = parts[piece.part][: piece.start] + parts[piece.part][piece.stop :]
    return text.Text(*parts)


def told(
    question: Question, whole: text.Text, found: Sequence[Piece], effect: np.ndarray, scores: np.ndarray
) -> dict[str, Any]:
    """One item of the answer: what was said, the texts in pieces with their effects, and a sentence."""
    parts: list[list[dict[str, Any]]] = []
    for number, part in enumerate(whole.parts):
        cells, at = [], 0
        for piece, value in zip(found, effect.tolist(), strict=True):
            if piece.part == number:
                cells.append({"before": part[at : piece.start], "text": part[piece.start : piece.stop],
                              "effect": round(value, 4)})  # fmt: skip
                at = piece.stop
        parts.append(cells)
    now = float(scores[question.column])
    return {
        "said": question.said,
        "now": 1 - now if question.sign < 0 else now,
        "parts": parts,
        "still": question.still(scores),
        "largest": max(float(np.abs(effect).max(initial=0.0)), question.little(now)),
        "unread": [len(part[max((p.stop for p in found if p.part == n), default=0) :].split())
                   for n, part in enumerate(whole.parts)],
        "sentence": sentence(question, whole, found, effect, scores),
    }  # fmt: skip


def sentence(
    question: Question, whole: text.Text, found: Sequence[Piece], effect: np.ndarray, scores: np.ndarray
) -> str:
    """said refund mostly because of: "money back", "return"; against it: "thanks".

    Where the model says something else by now, only that these words speak for it.
    """

    def named(sign: int) -> str:
        strength = sign * effect
        little = question.little(float(scores[question.column]))
        least = max(little, 0.25 * float(np.abs(effect).max(initial=0.0)))
        order = [i for i in np.argsort(-strength, kind="stable")[:TOLD] if strength[i] >= least]
        words = [whole.parts[found[i].part][found[i].start : found[i].stop] for i in order]
        kept = dict.fromkeys(shortened(word.strip(MARKS) or word, 60) for word in words)
        return ", ".join(f"“{word}”" for word in kept)

    up, down = named(1), named(-1)
    if not isinstance(tasks.get(question.kind), Confidence):
        told = [f"{how}: {words}" for how, words in (("raised by", up), ("lowered by", down)) if words]
        return "; ".join(told) or "no single word moves the number"
    still = question.still(scores)
    start = f"said {question.said} mostly because of: " if still else f"for {question.said} speaks: "
    text_ = start + up if up else f"no single word speaks for {question.said}"
    return text_ + (f"; against it: {down}" if down else "")
