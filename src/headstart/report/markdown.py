"""A run as Markdown that reads well in a pull request, and as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headstart import modalities
from headstart.core import words
from headstart.core.budget import words as seconds_in_words
from headstart.report import adaptation, story

TEXT = 120
"""Characters of a text that are told."""
MOST = 10
"""Suspicious labels that are listed; all of them are on the page."""


def render(
    record: Mapping[str, Any],
    insight: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    shown: Mapping[str, Any] | None = None,
) -> str:
    """The whole report. Arguments as for the page; all but the first may be empty."""
    answer, metric = record["answer"], record["task"]["metric"]
    verdict = answer["verdict"]
    start, _, rest = verdict["sentence"].partition(": ")
    adapted = adaptation.lines(record)
    parts = [f"## {safe(adapted[0])}", _list(adapted[1:]), "### The run it began from"] if adapted else []
    parts += [f"## {safe(start)}", safe(rest), *map(safe, verdict["notes"])]
    parts += [
        "### Leaderboard",
        f"{safe(record['split']['kind'])}; intervals are 95 % unless said otherwise."
        + safe(" " + (record["split"].get("never_held_out") or {}).get("sentence", "")),
        _board(answer, metric),
    ]
    if held := answer.get("domains"):
        head = [*story.domain_heads(safe(held["arm"]))]
        cells = [[safe(cell) for cell in story.domain_cells(row, metric)] for row in held["rows"]]
        parts += ["### Domains, each held out", table(head, cells, right=(2,))]
    if verdict["comparisons"]:
        parts += ["### What transfer was compared with", _comparisons(verdict, metric)]
        methods = dict.fromkeys(c["gain"]["method"] for c in verdict["comparisons"])
        parts += [safe(f"Intervals of gains: {'; '.join(methods)}.")]
    parts += [safe(text) for text in verdict["missing"]]
    curve = insight.get("learning_curve") or {}
    if curve.get("sentences"):
        parts += ["### Labels", *map(safe, curve["sentences"])]
    if insight.get("label_errors"):
        parts += ["### Probable label errors", _suspects(insight["label_errors"], shown or {})]
    parts += _tried(answer, events, metric)
    if record["data"].get("findings"):
        parts += ["### Findings in the data", _list(record["data"]["findings"])]
    parts += ["### How to make this again", _again(record)]
    return "\n\n".join(part for part in parts if part) + "\n"


def safe(value: Any) -> str:
    """Text in which nothing is taken for Markdown or HTML, on one line."""
    text = re.sub(r"\s+", " ", str(value)).strip()
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|~#])", r"\\\1", text).replace("](", "]\\(")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """A pipe table; the columns in `right` are aligned to the right. Cells must be safe already."""
    ends = set(right)
    rule = ["---:" if i in ends else "---" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows])


def _board(answer: Mapping[str, Any], metric: str) -> str:
    rows = []
    for row in answer["rows"]:
        name = f"**{safe(row['arm'])}** (shipped)" if row["shipped"] else safe(row["arm"])
        score, gained, items = story.arm_cells(row, metric)
        cost = seconds_in_words(row["seconds"])
        rows.append([str(row["place"] or ""), name, safe(score), safe(gained), items, cost])
    against = f"against {safe(answer['reference'] or '-')}"
    return table(["", "arm", safe(metric), against, "items", "cost"], rows, right=(0, 4, 5))


def _comparisons(verdict: Mapping[str, Any], metric: str) -> str:
    rows = [
        [
            safe(c["against"]),
            safe(words.gain_estimate(metric, *(c["gain"][key] for key in ("value", "low", "high")))),
            f"{c['gain']['n']:,}",
            "-" if c["p_value"] is None else f"{c['p_value']:.2g}",
            "-" if c["smallest_visible"] is None else safe(words.gain(metric, c["smallest_visible"])),
        ]
        for c in verdict["comparisons"]
    ]
    head = [
        f"{safe(verdict['arm'])} against",
        "gain",
        "items",
        "McNemar mid-p (Holm)",
        "smallest gain visible",
    ]
    return table(head, rows, right=(2, 3, 4))


def _suspects(found: Sequence[Mapping[str, Any]], shown: Mapping[str, Any]) -> str:
    """A row each; of texts with their beginning."""
    kept = shown.get("items") or {} if modalities.get(modalities.named_in(shown)).IN_LINES else {}
    rows = []
    for e in found[:MOST]:
        row = [safe(e["id"]), safe(words.label(e["given"])), safe(words.label(e["suggested"]))]
        if kept:
            texts = kept.get(str(e["row"]), {}).get("texts", ())
            row.append(safe(" / ".join(words.shortened(text, TEXT) for text in texts)))
        rows.append(row)
    more = f"\n\nand {len(found) - MOST} more on the page" if len(found) > MOST else ""
    return table(["item", "given", "suggested", *(["text"] if kept else [])], rows) + more


def _tried(answer: Mapping[str, Any], events: Sequence[Mapping[str, Any]], metric: str) -> list[str]:
    """What was tried in order, what was done against harm, and what was left out."""
    parts = []
    steps = [
        f"{number}. **{safe(step['arm'])}**: {safe(step['why'] or step['did'])}"
        + (f" → {safe(words.value(metric, step['score']))}" if step["score"] is not None else "")
        for number, step in enumerate(story.tried(events), start=1)
    ]
    if steps:
        parts += ["### What was tried, and why", "\n".join(steps)]
    if answer.get("response"):
        told = [f"{step['step']}: {step['text']}" for step in answer["response"]]
        parts += ["### What was done against harm", _list(told)]
    left_out = [f"{entry['arm']}: {entry['reason']}" for entry in story.untried(answer)]
    return parts + (["### What was not tried, and why", _list(left_out)] if left_out else [])


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {safe(line)}" for line in lines)


def _again(record: Mapping[str, Any]) -> str:
    command = str(record.get("command", ""))
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", command)), 3)
    block = f"{fence}sh\n{command}\n{fence}\n\n" if command else ""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    question = record["question"]
    return f"{block}seed {question['seed']} · data {safe(question['data'])[:12]} · {safe(versions)}"
