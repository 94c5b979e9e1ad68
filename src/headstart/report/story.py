"""What was tried, in order, and why: read from the events of a run, however often it was resumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headstart.core import words


def tried(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry an arm, in the order in which they came to their end: arm, why, and the trial's own fields.

    A run that was stopped or resumed tells its steps, and its finished arms, again: only the last
    real trial of an arm counts, with the reason of the step before it. A step without a trial was
    broken off and is left out, unless it never came to an end.
    """
    reasons: dict[str, str] = {}
    ended: dict[str, dict[str, Any]] = {}
    for event in events:
        arm = event.get("arm")
        if not isinstance(arm, str):
            continue
        if event.get("kind") == "step":
            reasons[arm] = str(event.get("reason") or "")
        elif event.get("kind") == "trial":
            if event.get("kept") and arm in ended:
                continue
            ended.pop(arm, None)  # the last one gives the place
            ended[arm] = {**_trial(event), "why": reasons.get(arm, "")}
    broken = [arm for arm in reasons if arm not in ended]
    return [*ended.values(), *({**_trial({"arm": arm}), "why": reasons[arm]} for arm in broken)]


def _trial(event: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a trial event that are told; an arm that never ended has none but its name."""
    names = ("score", "low", "high", "seconds")
    return {
        "arm": event["arm"],
        "status": event.get("status", "broken off"),
        "did": event.get("reason") or ("" if "status" in event else "the run was stopped while it ran"),
        **{name: event.get(name) for name in names},
    }


def decisions(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """What else was decided on the way, each once: the plan, near-duplicates, sources."""
    told = []
    for event in events:
        kind = event.get("kind")
        text = event.get("summary") if kind == "plan" else event.get("text") if kind == "note" else None
        if text and event.get("label") != "resume":
            told.append(f"The plan: {text}." if kind == "plan" else str(text))
    return list(dict.fromkeys(told))


def untried(answer: Mapping[str, Any]) -> list[dict[str, str]]:
    """Arms that were not run or came to no score, and baselines without which no claim is made."""
    found = [{"arm": str(s["arm"]), "reason": str(s["reason"])} for s in answer["skipped"]]
    known = {entry["arm"] for entry in found}
    found += [
        {"arm": row["arm"], "reason": f"{row['status']}: {row['reason']}"}
        for row in answer["rows"]
        if row["score"] is None and row["arm"] not in known
    ]
    return found


def arm_cells(row: Mapping[str, Any], metric: str) -> tuple[str, str, str]:
    """An arm's score (or why it has none), its gain and its items, as every leaderboard tells them."""
    if row["score"] is None:
        score, items = f"{row['status']}: {row['reason']}", ""
    else:
        score = words.estimate(metric, row["score"], row["low"], row["high"])
        items = f"{row['n']:,}"
    gain = row.get("gain")
    gained = "" if gain is None else words.gain_estimate(metric, gain, row["gain_low"], row["gain_high"])
    return score, gained, items + (f" ({row['covers']})" if row.get("covers") else "")


def domain_heads(arm: str) -> tuple[str, str, str, str, str, str]:
    """What stands above `domain_cells`."""
    return "domain", f"held out: {arm}", "items", "the probe: unseen", "seen", "difference"


def domain_cells(row: Mapping[str, Any], metric: str) -> tuple[str, str, str, str, str, str]:
    """A domain that was held out: its name, the score of the shipped arm, its items, and the probe's score
    with the domain not seen, with it seen, and the difference."""
    score = "not run"
    if row["score"] is not None:
        score = words.estimate(metric, row["score"], row["low"], row["high"])
    unseen, seen = (
        "" if row.get(name) is None else words.value(metric, row[name]) for name in ("unseen", "seen")
    )
    gain = "one class" if row["classes"] == 1 else ""
    if row.get("gain") is not None:
        gain = words.gain_estimate(metric, row["gain"], row["gain_low"], row["gain_high"])
    return words.cell(row["domain"]), score, f"{row['items']:,}", unseen, seen, gain
