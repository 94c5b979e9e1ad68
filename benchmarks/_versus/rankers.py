"""TransformerRanker (Garbas, Ploner and Akbik, 2024) on labelled texts: a score for each folder of a network.

    rankers.py TEXTS.jsonl ESTIMATOR AGGREGATOR FOLDER...

TEXTS has `text` and `label` a line. The last line that is printed has the scores by folder, in their order.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from say import say, timed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path)
    parser.add_argument("estimator", choices=("hscore", "logme", "knn"))
    parser.add_argument("aggregator", choices=("layermean", "lastlayer", "bestlayer"))
    parser.add_argument("folders", nargs="+")
    asked = parser.parse_args()
    from datasets import Dataset
    from transformer_ranker import TransformerRanker

    rows = [json.loads(line) for line in asked.texts.read_text(encoding="utf-8").splitlines()]
    data = {"text": [row["text"] for row in rows], "label": [row["label"] for row in rows]}
    ranker = TransformerRanker(Dataset.from_dict(data), text_column="text", label_column="label")
    found, took = timed(
        lambda: ranker.run(
            asked.folders, estimator=asked.estimator, layer_aggregator=asked.aggregator, device="cpu"
        )
    )
    say(scores=[float(found.scores[folder]) for folder in asked.folders], **took)


if __name__ == "__main__":
    main()
