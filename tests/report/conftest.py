"""Runs as their folders tell of them, made up: every kind of task, hostile names, and everything absent."""

from __future__ import annotations

import base64
import io
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from PIL import Image

HOSTILE = (
    "<script>alert(1)</script>",
    "a \"quoted\" & 'odd' name.png",
    "n" * 200,
    "شجرة كبيرة",
    "größe-漢字-🦔",
    "</script><img src=x onerror=alert(1)>",
    "| pipe | `tick` |",
)
"""Names that users may give to labels and files."""
METRICS = {"classification": "accuracy", "multilabel": "mAP", "regression": "MAE"}


@dataclass
class Content:
    """Everything that a page is drawn from."""

    record: dict[str, Any]
    insight: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def args(self) -> tuple[Any, ...]:
        return self.record, self.insight, self.shown, self.events


def row(arm: str, score: float | None, **more: Any) -> dict[str, Any]:
    base = {
        "arm": arm, "strategy": "probe", "source": None, "status": "done" if score is not None else "cut off",
        "reason": "reads stage4/g2 + stage3/g2" if score is not None else "no time <left>", "seconds": 21.0,
        "score": score, "low": score and score - 0.1, "high": score and score + 0.05, "n": 100, "gain": None,
        "gain_low": None, "gain_high": None, "place": 1, "shipped": False,
    }  # fmt: skip
    return {**base, **more}


def comparison(against: str, value: float, p: float | None = 0.01) -> dict[str, Any]:
    gain = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 100, "method": "paired bootstrap"}
    return {"arm": "a: probe", "against": against, "gain": gain, "p_value": p, "smallest_visible": 0.05}


def record(
    kind: str = "classification", labels: tuple[str, ...] = ("ant", "<bee>"), **answer: Any
) -> dict[str, Any]:
    metric = METRICS[kind]
    sentence = f"Transfer helps: 90 % {metric} with a: probe against 70 % for scratch: +20.0 points [10, 30], n = 100."
    return {
        "version": 1,
        "name": "<b>photos</b>",
        "complete": True,
        "task": {"metric": metric, "kind": kind, "labels": list(labels), "higher_is_better": kind != "regression"},
        "split": {"kind": "10 repeats of 5 stratified folds", "fingerprint": "cd" * 32},
        "data": {"summary": "100 images in 2 classes", "findings": ["HS201 warning: <i>tiny</i>"]},
        "question": {"seed": 0, "data": "0123456789abcdef" * 4, "sources": ["a"], "weights": ["ab" * 32]},
        "command": "headstart fit 'my photos' --out runs/photos-1",
        "versions": {"python": "3.11", "headstart": "0.1.0"},
        "machine": {"system": "Linux", "cores": "2"},
        "answer": {
            "verdict": {
                "outcome": "helps", "sentence": sentence, "notes": ["A note."], "arm": "a: probe",
                "missing": ["Not compared with the same architecture, random and frozen: no time left."],
                "comparisons": [comparison("a: scratch", 0.2), comparison("pixels", -0.02, None)],
            },
            "winner": "a: probe",
            "rows": [
                row("a: probe", 0.9, shipped=True),
                row("a: scratch", 0.7, place=2, gain=-0.2, gain_low=-0.3, gain_high=-0.1),
                row("a: full", None, place=None),
            ],
            "skipped": [{"arm": "a: lora", "strategy": "lora", "reason": "no time left", "estimate": None}],
            "reference": "scratch",
            "test": {"metric": metric, "value": 0.91, "low": 0.85, "high": 0.95, "n": 150, "method": "Wilson"},
            "test_metrics": {"metrics": {metric: {"value": 0.91, "low": 0.85, "high": 0.95, "n": 150, "method": "Wilson"}}},
            "budget": 120.0, "seconds": 61.0, "pass_seconds": 2.0,
            **answer,
        },
    }  # fmt: skip


def classes(labels: tuple[str, ...], rng: np.random.Generator, *, table: bool) -> dict[str, Any]:
    found = rng.integers(0, 4, (len(labels), len(labels))) + 20 * np.eye(len(labels), dtype=int)
    rows = [
        {"label": label, "n": 20, "predicted": 21, "precision": 0.8, "recall": 0.05 * (i % 20) or None,
         "recall_low": 0.3, "recall_high": 0.9, "f1": 0.75}
        for i, label in enumerate(labels)
    ]  # fmt: skip
    return {
        "labels": list(labels),
        "table": found.tolist() if table and len(labels) <= 30 else None,
        "per_class": rows,
        "pairs": [{"is": labels[0], "said": labels[-1], "count": 4}],
    }


def curve(metric: str) -> dict[str, Any]:
    sizes = [10, 20, 40, 80]
    points = [
        {"n": n, "value": 1 - 0.9 / math.sqrt(n), "low": 0.95 - 0.9 / math.sqrt(n), "high": 1 - 0.7 / math.sqrt(n), "repeats": 5}
        for n in sizes
    ]  # fmt: skip
    band = [{k: v for k, v in p.items() if k != "repeats"} for p in points]
    twice = {"n": 160, "value": 0.93, "low": 0.9, "high": 0.96, "gain": 0.03}
    saved = {"against": "a: scratch", "their_n": 80, "their_value": 0.8, "labels": 21.0, "ratio": 3.8, "low": 2.1,
             "high": 5.5, "at_least": False}  # fmt: skip
    return {
        "source": "a", "arm": "a: probe, ridge on its chosen taps", "metric": metric, "points": points,
        "band": [*band, {k: twice[k] for k in ("n", "value", "low", "high")}], "twice": twice, "twice_why": "",
        "saved": saved, "sentences": ["Twice the labels would give about 93 %."],
    }  # fmt: skip


def depth(metric: str) -> dict[str, Any]:
    rows = [
        {"tap": f"stage{s}/g{g}", "stage": f"stage{s}", "grid": g, "value": 0.3 + 0.1 * s + 0.02 * g,
         "low": 0.2 + 0.1 * s, "high": 0.45 + 0.1 * s, "chosen": s == 4 and g == 2}
        for s in range(1, 6) for g in (1, 2, 4)
    ]  # fmt: skip
    return {
        "source": "a",
        "metric": metric,
        "chance": 0.1,
        "rows": rows,
        "sentence": "The last stage reads best.",
    }


def depths(metric: str) -> dict[str, Any]:
    stages = [f"stage{s}" for s in range(1, 6)]
    points = [
        {"n": n, "best": best, "rows": [
            {"stage": s, "tap": f"{s}/g2", "value": 0.5 + 0.05 * (s == best), "low": 0.4, "high": 0.633,
             "tied": s >= "stage3"} for s in stages
        ]}
        for n, best in ((20, "stage3"), (40, "stage4"), (160, "stage5"))
    ]  # fmt: skip
    return {
        "source": "a", "metric": metric, "chance": 0.1, "stages": stages, "points": points,
        "sentence": "With 20 labels stage3 does best, with 160 labels stage5: the more data, the deeper.",
    }  # fmt: skip


def reliability() -> dict[str, Any]:
    bins = [{"confidence": 0.05 + 0.1 * i, "accuracy": 0.1 * i or None, "low": max(0, 0.1 * i - 0.1), "high": 0.1 * i + 0.1,
             "count": 3 * i} for i in range(10)]  # fmt: skip
    return {"bins": bins, "ece": 0.03, "ece_before": 0.1, "log_loss": 0.4, "log_loss_before": 0.5, "temperature": 1.3,
            "sentence": "Its confidence can be taken at its word."}  # fmt: skip


def cloud(labels: tuple[str, ...], rng: np.random.Generator, count: int = 240) -> dict[str, Any]:
    points = []
    for i in range(count):
        label = i % len(labels)
        x, y = np.clip(rng.normal((0.5 + 0.35 * math.cos(label), 0.5 + 0.35 * math.sin(label)), 0.06), 0, 1)
        points.append(
            {"row": i, "id": HOSTILE[i % len(HOSTILE)] if i < 14 else f"photos/{i}.png", "x": float(x), "y": float(y),
             "label": labels[label], "said": labels[(label + (i % 9 == 0)) % len(labels)], "right": i % 9 != 0,
             "part": "test" if i % 5 == 0 else "development"}
        )  # fmt: skip
    return {"source": "a", "tap": "stage4/g1", "method": "t-SNE of 64 principal components", "n": count, "of": 1000,
            "points": points, "labels": list(labels), "sentence": "Neighbours share a label."}  # fmt: skip


def jpeg(width: int, height: int, rng: np.random.Generator) -> str:
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)).save(buffer, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


EVENTS = [
    {"kind": "plan", "summary": "about 33 s of the 55 s: 8 arms"},
    {"kind": "step", "arm": "a: probe", "seconds": 9.0, "reason": "one pass pays for it"},
    {"kind": "trial", "kept": False, **row("a: probe", 0.9)},
    {"kind": "step", "arm": "a: scratch", "seconds": 9.0, "reason": "the same architecture without the source"},
    {"kind": "note", "label": "resume", "text": "been here before"},
    {"kind": "trial", "kept": True, **row("a: probe", 0.9)},
    {"kind": "step", "arm": "a: scratch", "seconds": 9.0, "reason": "the same architecture without the source"},
    {"kind": "trial", "kept": False, **row("a: scratch", 0.7)},
]  # fmt: skip


def build(kind: str = "classification", count: int | None = None) -> Content:
    """A run with everything that a report may show. `count`: classes; None: the hostile names."""
    rng = np.random.default_rng(0)
    labels = HOSTILE if count is None else tuple(f"class {i}" for i in range(count))
    labels = ("weight <kg>",) if kind == "regression" else labels
    one = kind == "classification"
    metric = METRICS[kind]
    values: list[Any] = [*labels] if one else [list(labels[:2]), []] if kind == "multilabel" else [1.5, 2.25]
    measured = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 100, "method": "Wilson"}
    wrong = [
        {"row": i, "id": HOSTILE[i % len(HOSTILE)], "said": values[i % len(values)], "is": values[-1],
         "confidence": 0.9 if one else None}
        for i in range(16)
    ]  # fmt: skip
    suspect = [
        {"row": i, "id": f"{i}.png", "given": values[0], "suggested": values[-1], "p_given": 0.01, "p_suggested": 0.97}
        for i in range(4)
    ]  # fmt: skip
    points = [{"row": i, "true": float(i), "predicted": float(i + rng.normal())} for i in range(40)]
    insight = {
        "arm": "a: probe",
        "metrics": {metric: measured, "log loss": {**measured, "low": None, "high": None}},
        "confusion": None if kind == "regression" else classes(labels, rng, table=one),
        "scatter": {"points": points, "low": -2.0, "high": 42.0} if kind == "regression" else None,
        "reliability": reliability() if one else None,
        "depth": depth("accuracy" if one else "skill"),
        "depth_curve": depths("accuracy" if one else "skill"),
        "learning_curve": curve(metric),
        "label_errors": [] if kind == "regression" else suspect,
        "mistakes": wrong,
        "map": cloud(labels if kind != "regression" else ("low", "high"), rng),
    }
    if kind == "regression":
        for p in insight["map"]["points"]:
            p |= {"label": 100 * p["x"], "said": 100 * p["x"] + 3, "right": None}
    items = {
        str(i): {
            "source": jpeg(96, 72, rng),
            "id": HOSTILE[i % len(HOSTILE)],
            "label": labels[i % len(labels)],
        }
        for i in range(15)
    }
    sheet = {"source": jpeg(40 * 25, 40 * 4, rng), "tile": 40, "columns": 25, "rows": list(range(100))}
    shown = {"version": 1, "items": items, "examples": [0, 1, 2], "sheet": sheet}
    return Content(record(kind, labels), insight, shown, [dict(event) for event in EVENTS])


def nothing() -> Content:
    """A run whose insight holds every key and no content."""
    content = build()
    insight: dict[str, Any] = dict.fromkeys([*content.insight, "occlusion", "lengths"])
    return Content(record(), {**insight, "label_errors": [], "mistakes": []})


def build_texts(kind: str = "classification", *, pairs: bool = False) -> Content:
    """A run of hostile, long and foreign texts, or pairs of them, with words that mattered and lengths."""
    content = build(kind)
    rng = np.random.default_rng(1)
    words = [
        *HOSTILE,
        "the parcel",
        "arrived <b>late</b>",
        "line\nbreak",
        "漢字のテキスト",
        "مرحبا بالعالم",
        "x" * 90,
    ]

    def text() -> list[str]:
        long = [1, 4, 60][int(rng.integers(3))]
        return [" ".join(rng.choice(words, long)) for _ in range(2 if pairs else 1)]

    items = {
        str(i): {"texts": text(), "id": f"row {i + 1}", "label": HOSTILE[i % len(HOSTILE)]} for i in range(15)
    }
    content.shown = {
        "version": 1, "modality": "text", "items": items, "examples": [0, 1, 2],
        "map": {str(row): text() for row in range(200)},
    }  # fmt: skip
    content.insight["occlusion"] = {
        "arm": "a: probe", "unit": "value" if kind == "regression" else "log-odds", "sentence": "Each word was left out.",
        "items": [occluded(row, items[str(row)]["texts"], rng) for row in range(8)],
    }  # fmt: skip
    content.insight["lengths"] = lengths(rng)
    taps = [
        (stage, pool) for stage in ("embeddings", "layer.1", "layer.2") for pool in ("cls", "mean", "max")
    ]
    content.insight["depth"]["rows"] = [
        {"tap": f"{stage}/{pool}", "stage": stage, "grid": pool, "value": 0.4, "low": 0.3, "high": 0.5,
         "chosen": pool == "mean"}
        for stage, pool in taps
    ]  # fmt: skip
    content.record |= {"modality": "text", "pairs": pairs}
    return content


def occluded(row: int, texts: list[str], rng: np.random.Generator) -> dict[str, Any]:
    parts = [
        [{"before": " " if i else "", "text": word, "effect": float(rng.normal())} for i, word in enumerate(text.split())]
        for text in texts
    ]  # fmt: skip
    return {
        "row": row, "id": f"row {row + 1}", "said": HOSTILE[0], "now": 0.25, "parts": parts, "largest": 2.5,
        "unread": [0 if row else 7 for _ in parts],
        "sentence": f"said {HOSTILE[0]} mostly because of: “{HOSTILE[5]}”; against it: “late”",
    }  # fmt: skip


def lengths(rng: np.random.Generator) -> dict[str, Any]:
    edges = [3, 5, 8, 12, 20, 33, 54, 90, 148, 245, 403, 665]
    bins = [
        {"low": a, "high": b - 1, "count": int(rng.integers(0, 90))} for a, b in itertools.pairwise(edges)
    ]
    rows = [{"label": label, "n": 20, "median": 30.0, "cut": 1} for label in HOSTILE]
    return {
        "source": "a <b>", "limit": 256, "n": 400, "of": 500, "median": 30.0, "p95": 260.0, "longest": 664, "cut": 21,
        "unknown": 0.02, "bins": bins, "by_class": rows, "sentence": "Half of the texts have at most 30 tokens.",
    }  # fmt: skip


CASES: dict[str, Callable[[], Content]] = {
    "classification": build,
    "150 classes": lambda: build(count=150),
    "multilabel": lambda: build("multilabel"),
    "regression": lambda: build("regression"),
    "all null": nothing,
    "an older run": lambda: Content(record()),
    "texts": build_texts,
    "pairs of texts": lambda: build_texts(pairs=True),
    "texts with numbers": lambda: build_texts("regression"),
}


@pytest.fixture(params=CASES)
def content(request: pytest.FixtureRequest) -> Content:
    return CASES[request.param]()


@pytest.fixture
def make_texts() -> Callable[..., Content]:
    return build_texts


@pytest.fixture
def make() -> Callable[..., Content]:
    return build
