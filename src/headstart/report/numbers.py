"""The few numbers at the top of a report, and its table of metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from headstart import modalities
from headstart.core import words
from headstart.core.budget import words as seconds_in_words
from headstart.core.evidence import unit_of
from headstart.core.task import Task
from headstart.evidence.selection import called


def key_numbers(record: Mapping[str, Any], insight: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """What a reader in a hurry takes along: each with a value, what it is, and how sure it is."""
    answer, metric = record["answer"], record["task"]["metric"]
    shipped = next((row for row in answer["rows"] if row["shipped"] and row["score"] is not None), None)
    if shipped:
        score = answer.get("chosen") or {**shipped, "value": shipped["score"]}
        alone, chosen = (words.value(metric, value) for value in (shipped["score"], score["value"]))
        yield _number(
            chosen,
            f"{metric}, cross-validated",
            f"{words.interval(metric, score['low'], score['high'])} with {shipped['arm']}, which ships, "
            f"on {words.count(shipped['n'], *nouns(record))}"
            + (f" ({shipped['covers']})" if shipped.get("covers") else "")
            + (f"; with the choice repeated in every fold, by itself {alone}" * (alone != chosen)),
        )
    test = answer.get("test")
    if test:
        units = ("group", "groups") if unit_of(test) == "groups" else nouns(record)
        yield _number(
            words.value(test["metric"], test["value"]),
            f"{test['metric']} on the test part",
            f"{words.interval(test['metric'], test['low'], test['high'])} "
            f"on {words.count(test['n'], *units)}, touched once",
        )
    comparisons, outcome = answer["verdict"]["comparisons"], answer["verdict"]["outcome"]
    if comparisons:  # the one on which the verdict hangs
        end = "high" if outcome == "hurts" else "low"
        hardest = min(comparisons, key=lambda c: -inf if c["gain"][end] is None else c["gain"][end])
        gain = hardest["gain"]
        yield _number(
            words.gain(metric, gain["value"]),
            f"against {called(hardest['against'].rpartition(': ')[2], Task.from_json(record['task']))}",
            f"{words.gain_interval(metric, gain['low'], gain['high'])} with {hardest['arm']}",
        )
    if outcome == "helps":
        yield from _labels_saved(insight)
    budget, seconds = answer.get("budget"), answer.get("seconds")
    spent = f"of {seconds_in_words(budget)} allowed" if budget else ""
    if budget and seconds and seconds > 1.2 * budget:
        spent = f"in several runs of the command; the last was allowed {seconds_in_words(budget)}"
    if first := record.get("first_verdict"):
        spent += f"; a first verdict after {seconds_in_words(first['seconds'])}"
    if seconds is not None:
        yield _number(seconds_in_words(seconds), "time until the answer", spent)


def _labels_saved(insight: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """How many times fewer labels transfer needs, where the interval says that it needs fewer at all."""
    curve = insight.get("learning_curve") or {}
    saved, unit = curve.get("saved"), curve.get("unit", "labels")
    if not saved or not saved.get("ratio") or not saved.get("low") or saved["low"] <= 1:
        return
    more = "at least " if saved.get("at_least") else ""
    high = f"{saved['high']:.2g}" if saved.get("high") else "∞"
    about = f"{saved['labels']:,.0f} {unit} do what {saved['their_n']:,} do"
    if f"{saved['low']:.2g}" != high:
        about = f"[{saved['low']:.2g}, {high}]: {about}"
    yield _number(f"{more}{saved['ratio']:.2g} ×", f"fewer {unit} needed", f"{about} for {saved['against']}")


def nouns(record: Mapping[str, Any]) -> tuple[str, str]:
    """What the run's items are called, one and several; runs of older versions are of images."""
    return modalities.nouns(modalities.named_in(record), pairs=bool(record.get("pairs")))


def _number(value: str, what: str, detail: str) -> dict[str, str]:
    return {"value": value, "what": what, "detail": detail}


def metric_rows(record: Mapping[str, Any], insight: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a metric: out-of-fold and on the test part, either may be None."""
    held = insight.get("metrics") or {}
    test = (record["answer"].get("test_metrics") or {}).get("metrics") or {}
    return [
        {"name": name, "held": held.get(name), "test": test.get(name)}
        for name in dict.fromkeys([*held, *test])
        if _known(held.get(name)) or _known(test.get(name))
    ]


def _known(entry: Mapping[str, Any] | None) -> bool:
    return bool(entry) and entry is not None and entry.get("value") is not None
