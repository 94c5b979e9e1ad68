"""Peers that read texts: sentence-transformers and SetFit, with their defaults."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from say import say, timed


def embed(asked: argparse.Namespace, texts: list[str]) -> dict[str, Any]:
    """`SentenceTransformer.encode`; opening the model is not counted, nor the first three texts."""
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(asked.encoder)
    encoder.encode(texts[:3])
    found, took = timed(lambda: encoder.encode(texts))
    np.save(asked.room / "features.npy", found)
    return took


def setfit(asked: argparse.Namespace, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """SetFit's defaults for everything."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    names = sorted({row["label"] for row in rows})
    train, test = ([row for row in rows if row["split"] == part] for part in ("train", "test"))
    model = SetFitModel.from_pretrained(asked.encoder)
    given = TrainingArguments(
        output_dir=str(asked.room), save_strategy="no", report_to="none", show_progress_bar=False
    )
    data = {"text": [r["text"] for r in train], "label": [names.index(r["label"]) for r in train]}
    Trainer(model=model, args=given, train_dataset=Dataset.from_dict(data)).train()
    said = np.asarray(model.predict([row["text"] for row in test]))
    return {"accuracy": float(np.mean(said == [names.index(row["label"]) for row in test]))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=("embed", "setfit"))
    parser.add_argument("data", type=Path, help="a table of texts, .jsonl")
    parser.add_argument("encoder", help="folder of the sentence encoder")
    parser.add_argument("--room", type=Path, required=True)
    asked = parser.parse_args()
    rows = [json.loads(line) for line in asked.data.read_text(encoding="utf-8").splitlines()]
    say(**(embed(asked, [row["text"] for row in rows]) if asked.peer == "embed" else setfit(asked, rows)))


if __name__ == "__main__":
    main()
