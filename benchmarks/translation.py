"""Translation: does a parent of one pair of languages help a child of another, with 1,000 pairs?

    python benchmarks/translation.py --shared FOLDER --parents FOLDER --packs FOLDER [--child en-fr] [--parent captions]
                                     [--arm full] [--rows 1000] [--table]

Parents are folders in `--parents`: `captions`, taught on 15,000 English captions and their German ones, and `shuffled`,
taught on the same captions with those of others. `--packs` holds the wheels of the language packs of JupyterLab
(`pip download --no-deps jupyterlab-language-pack-fr-FR jupyterlab-language-pack-nl-NL`).

Children: en-fr and en-nl are strings of an interface, of en-nl all that there are (about 300); de-en are captions that no parent has seen,
the other way round. A child is fitted by the arms of `headstart fit` on one fold: the pairs to learn from, and those held
out. Each arm has the steps and rates that it has by itself, unless `--lr` or `--epochs` are given, and no limit of time; the
seconds are those of the processor. Then the verdict by BLEU, as `fit` gives it, and the gains with 95 % intervals.

What an arm said is kept in `PARENTS/answers`, so that a run that was stopped goes on; an arm from scratch, which owes a
parent nothing but its tokenizer, is run once for both. Cells in the results are not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import sources, strategies, tasks
from headstart.core import environment
from headstart.core.dataset import Dataset, TextItem
from headstart.core.evidence import Cost
from headstart.core.experiment import Experiment
from headstart.core.split import Fold, Split
from headstart.core.strategy import Request, Settings, Trial
from headstart.core.texts import Texts
from headstart.data.texts.targets import Sentences
from headstart.evidence.leaderboard import gain, score
from headstart.evidence.verdict import verdict_of
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore

RESULTS = Path(__file__).parent / "results" / "translation.json"
CHILDREN = ("en-fr", "en-nl", "de-en")
PARENTS = ("captions", "shuffled")
LEARNT = ("untouched", "full", "scratch")
CHEAP = ("majority", "copy", "tfidf")
PACKS = {"en-fr": "fr_FR", "en-nl": "nl_NL"}
MOST_TEST, LEAST_TEST = 500, 100
WORDS = 40
METRIC = tasks.get("translate").scores["BLEU"].metric
TASK = replace(
    tasks.get("translate").make_task(["target"]),
    metric=METRIC.name,
    higher_is_better=METRIC.higher_is_better,
)


def strings(packs: Path, language: str) -> list[tuple[str, str]]:
    """(English, translation) of all that are translated, each text once: of at most `WORDS` words, fewer than half
    of which stand in the English text as well (names of settings, and what was left as it is)."""
    found: dict[str, str] = {}
    (wheel,) = packs.glob(f"*{language.lower()}*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(one for one in archive.namelist() if one.endswith(".json")):
            for key, value in json.loads(archive.read(name)).items():
                said = value[0] if isinstance(value, list) and value else ""
                english, other = (" ".join(str(one).split()) for one in (key.rpartition("\x04")[2], said))
                known, told = english.lower().split(), other.lower().split()
                if told and len(known) <= WORDS and 2 * sum(word in known for word in told) < len(told):
                    found.setdefault(english, other)
    return sorted({other: (english, other) for english, other in found.items()}.values())


def captions(shared: Path) -> list[tuple[str, str]]:
    """(German, English): 1,014 to learn from, then those of the test part."""
    found = []
    for part in ("val", "test"):
        with (shared / "data" / "mt_multi30k_en_de" / f"{part}.jsonl").open(encoding="utf-8") as file:
            found += [(row["de"], row["en"]) for row in map(json.loads, file)]
    return found


def experiment_of(child: str, options: argparse.Namespace) -> Experiment:
    """The pairs to learn from, then those held out."""
    if child in PACKS:
        pairs = strings(options.packs, PACKS[child])
        order = np.random.default_rng(options.seed).permutation(len(pairs)).tolist()
        test = max(LEAST_TEST, min(MOST_TEST, len(pairs) - options.rows))
        held, learnt = order[:test], order[test:][: options.rows]
    else:
        pairs = captions(options.shared)
        learnt = list(range(min(options.rows, 1000)))
        held = list(range(len(pairs) - 1000, len(pairs) - 1000 + MOST_TEST))
    chosen = [pairs[at] for at in (*learnt, *held)]
    items = tuple(TextItem(f"row {number}", source) for number, (source, _) in enumerate(chosen))
    data = Dataset(child, "text", items, TASK, Sentences([target for _, target in chosen]))
    rows = np.arange(len(items))
    fold = Fold(0, rows[: len(learnt)], rows[len(learnt) :])
    split = Split(rows, rows[:0], (fold,), rows, options.seed, "one part that is held out")
    return Experiment(data, TASK, split, options.seed)


def trial_of(name: str, parent: str, experiment: Experiment, options: argparse.Namespace) -> Trial:
    """An arm, or what is kept of it."""
    whose = "any" if strategies.facts(name).role == "scratch" else parent
    child, rows = experiment.dataset.name, len(experiment.split.folds[0].train)
    settings = Settings(lr=options.lr, epochs=options.epochs)
    hand = "".join(f"-{key}{value:g}" for key, value in vars(settings).items() if value is not None)
    place = options.parents / "answers" / f"{child}-{whose}-{name}-{rows}-{options.seed}{hand}.json"
    held = experiment.split.folds[0].test
    if place.exists():
        kept = json.loads(place.read_text(encoding="utf-8"))
    else:
        needs = strategies.facts(name).needs_source
        backbone = sources.load(f"hf:{options.parents / parent}") if needs else None
        features = StoreExtractor(FeatureStore(options.parents / "store"), experiment.dataset)
        asked = Request(
            experiment.dataset,
            TASK,
            experiment.split,
            features,
            backbone,
            seed=options.seed,
            settings=settings,
        )
        start = time.process_time()
        trial = strategies.get(name, TASK).fit(asked)
        kept = {
            "said": [str(text) for text in trial.predictions.take(0, held)],
            "seconds": time.process_time() - start,
            "reason": trial.reason,
            "choices": dict(trial.choices),
        }
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")
    cells = Texts(
        (1, len(experiment.dataset)),
        {(0, row): text for row, text in zip(held.tolist(), kept["said"], strict=True)},
    )
    source = parent if strategies.facts(name).needs_source else None
    return Trial(
        name,
        name,
        source,
        cells,
        Cost(seconds=kept["seconds"]),
        reason=kept["reason"],
        choices=kept["choices"],
    )


def cell(child: str, parent: str, options: argparse.Namespace) -> dict[str, Any]:
    """BLEU of every arm on what was held out, gains of the full training, and the verdict."""
    experiment = experiment_of(child, options)
    arms = dict.fromkeys((*CHEAP, *LEARNT, *(options.arm or ())))
    trials = {name: trial_of(name, parent, experiment, options) for name in arms}
    ours = trials["full"]
    verdict = verdict_of(trials, experiment)
    return {
        "learnt": len(experiment.split.folds[0].train),
        "held": len(experiment.split.folds[0].test),
        "BLEU": {name: score(trial, experiment) for name, trial in trials.items()},
        "seconds": {name: trial.cost.seconds for name, trial in trials.items()},
        "said": {name: trial.reason for name, trial in trials.items()},
        "gains": {
            name: {
                key: value for key, value in asdict(found).items() if key in ("gain", "low", "high", "items")
            }
            for name, trial in trials.items()
            if name != "full" and (found := gain(ours, trial, experiment)) is not None
        },
        "outcome": verdict.outcome,
        "verdict": verdict.sentence,
    }


def table(cells: dict[str, dict[str, Any]]) -> str:
    """As Markdown, BLEU in points."""
    lines = [
        "| child | pairs | parent | copy | tfidf | untouched | scratch | full | gain over scratch | processor | verdict |",
        "|" + "---|" * 11,
    ]
    for key, one in cells.items():
        child, parent = key.split("|")
        bleu, over = one["BLEU"], one["gains"]["scratch"]
        told = " | ".join(
            f"{100 * bleu[name]:.1f}" for name in ("copy", "tfidf", "untouched", "scratch", "full")
        )
        apart = f"{100 * over['gain']:+.1f} [{100 * over['low']:.1f}, {100 * over['high']:.1f}]"
        minutes = sum(one["seconds"].values()) / 60
        lines.append(
            f"| {child} | {one['learnt']} | {parent} | {told} | {apart} | {minutes:.1f} min | {one['outcome']} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("shared", "parents", "packs"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--child", choices=CHILDREN, action="append")
    parser.add_argument("--parent", choices=PARENTS, action="append")
    parser.add_argument("--arm", action="append", help="one more, such as lora or finetune")
    parser.add_argument("--rows", type=int, default=1000, help="pairs to learn from, at most")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args()
    os.environ.setdefault("HEADSTART_CACHE", str(options.parents / "store"))
    found = json.loads(options.results.read_text()) if options.results.exists() else {}
    cells = found.get("cells", {})
    for parent in options.parent or PARENTS:
        recipe = options.parents / parent / "recipe.json"
        for child in () if options.table or not recipe.exists() else options.child or CHILDREN:
            if (key := f"{child}|{parent}") not in cells:
                cells[key] = cell(child, parent, options)
                told = json.loads(recipe.read_text(encoding="utf-8"))
                parents = {**found.get("parents", {}), parent: {k: told[k] for k in told if k != "examples"}}
                found = {"machine": environment.machine(), "parents": parents, "cells": cells}
                options.results.write_text(
                    json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
                )
                print(key, json.dumps(cells[key], ensure_ascii=False), flush=True)
    print(table(cells))


if __name__ == "__main__":
    main()
