"""What a page tells of the domain where a model will be used: an adaptation, and shifts that were noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.core import words
from headstart.core.budget import words as seconds_in_words
from headstart.report.charts import cloud
from headstart.strategies import adapt as adapters

Record = Mapping[str, Any]
RULES = {
    "a": "is there a shift?",
    "b": "does more of the source come back?",
    "c": "does every class keep its share?",
    "d": "are held-out source items still right?",
    "e": "what do labels of the target say?",
    "f": "is there something to tell apart?",
    "g": "is it known to be safe?",
}
"""By the letters that the decision gives them."""
SHOWN = 60
"""Classes that are drawn; of more, those whose frequency differs most."""


def told(record: Record, domains: Record) -> dict[str, Any] | None:
    """What the template draws of an adapted run; None for other runs."""
    found = record.get("adaptation")
    if not found:
        return None
    shown, pool = domains.get("map") or {}, {one["adapter"]: one for one in found["pool"]}
    adapted = found["decision"] == "adapted"
    return {
        **found,
        "adapted": adapted,
        "title": f"Adapted by {title(found['adapter'])}" if adapted else "Not adapted",
        "why": found["reason"].removeprefix("do not adapt: ").removeprefix(f"{title(found['adapter'])}: "),
        "a": found.get("names", ["the source", ""])[0],
        "b": found.get("names", ["", "the target"])[1],
        "numbers": list(numbers(found, pool)),
        "tried": [tried(one, found.get("checks") or {}) for one in found["pool"]],
        "rules": RULES,
        "classes": classes(record["task"]["labels"], found, pool) if pool else None,
        "map": shown,
        "before": picture(shown, "before"),
        "after": picture(shown, "after"),
    }


def title(adapter: str) -> str:
    """What an adapter is called, also one of a package that is gone."""
    known = adapter in adapters.ADAPTERS or adapter in adapters.DEEP
    return (adapters.facts(adapter).title if known else "") or adapter


def numbers(found: Record, pool: Mapping[str, Record]) -> list[dict[str, str]]:
    """What a reader in a hurry takes along."""
    items, bad = found["target"]["items"], found["target"]["unreadable"]
    left = f"{bad:,} cannot be read" if bad else ""
    last = [
        ("unlabelled items of the target", f"{items:,}", left),
        ("time until the decision", seconds_in_words(found["seconds"]), ""),
    ]
    found_out = _by_rules(found, pool) if pool else _by_labels(found)
    return [{"what": what, "value": value, "detail": detail} for what, value, detail in (*found_out, *last)]


def _by_labels(found: Record) -> list[tuple[str, str, str]]:
    """Where labels alone have decided: what shipped against the model as it was, on held-out labels."""
    labels, base = found["labels"], found["labels"]["race"][0]
    own = next((arm for arm in labels["race"] if arm["name"] == found["adapter"]), base)
    before = f"{number(base['score'], '.3g')} as it was"
    out = [(f"{labels['metric']} on {labels['items']:,} labels", number(own["score"], ".3g"), before)]
    if own["gain"] is not None:
        low, value, high = (number(own["gain"][name], "+.3g") for name in ("low", "value", "high"))
        out.append((f"gain in {labels['metric']}", value, f"[{low}, {high}]"))
    return out


def _by_rules(found: Record, pool: Mapping[str, Record]) -> list[tuple[str, str, str]]:
    shift, base, own = found["shift"], pool[adapters.NONE], pool[found["adapter"]]
    out = [
        (
            "how well the domains are told apart (AUC; 0.5 is chance)", number(shift["auc"], ".2f"),
            f"at least {number(shift['auc_low'], '.2f')}",
        ),
        (
            "of the items are of other classes (estimate)", f"{shift['variation']:.0%}",
            f"at least {shift['variation_low']:.0%}",
        ),
    ]  # fmt: skip
    gain = found["expected_gain"]
    if gain is not None:
        low, value, high = (
            number(gain[name] and 100 * gain[name], "+.1f") for name in ("low", "value", "high")
        )
        out.append(("expected gain", f"{value} points", f"[{low}, {high}]"))
        came = f"{number(base['circular'], '.0%')} without it"
        out.append(("of the source comes back (circular validation)", number(own["circular"], ".0%"), came))
    else:
        came = "there and back, without adaptation"
        out.append(("of the source comes back (circular validation)", number(base["circular"], ".0%"), came))
    return out


def tried(one: Record, checks: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table of adapters: its numbers, and each rule that it was held against."""
    own = checks.get(one["adapter"], ())
    return {
        **one,
        "back": number(one["circular"], ".3f"),
        "held_out": number(one["source"], ".3f"),
        "title": title(one["adapter"]),
        "checks": {check["rule"]: check for check in own},
        "failed": [check["text"] for check in own if not check["passed"]],
    }


def number(value: float | None, form: str) -> str:
    """A number, or a dash for one that is not known: JSON has null for what is not finite."""
    return "-" if value is None else format(value, form)


def classes(labels: list[str], found: Record, pool: Mapping[str, Record]) -> dict[str, Any]:
    """Shares of every class: in the source, as answered for the target before and after, and as estimated
    with an interval."""
    base, own, shift = pool[adapters.NONE], pool[found["adapter"]], found["shift"]
    after = own["said"] if found["decision"] == "adapted" else []
    after = after or [None] * len(labels)  # also of one that no time was left to assess
    names = ("label", "source", "before", "after", "estimate", "low", "high")
    columns = (labels, shift["source"], base["said"], after, shift["shares"], base["low"], base["high"])
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    kept = sorted(rows, key=lambda row: -abs(row["estimate"] - row["source"]))[:SHOWN]
    ends = ("source", "before", "after", "high")
    most = max((row[name] or 0.0 for row in rows for name in ends), default=0.0)
    return {
        "rows": sorted(kept, key=rows.index),
        "of": len(rows),
        "most": most or 1.0,
        "after": None not in after,
    }


def picture(shown: Record, which: str) -> dict[str, Any] | None:
    """The geometry of a map; None where there is none."""
    points = shown.get(which)
    if not points:
        return None
    drawn = cloud.cloud({"points": points, "labels": shown["labels"]})
    marks = [
        {**mark, "id": point["id"], "label": words.label(point["label"])}
        for mark, point in zip(drawn["marks"], points, strict=True)
    ]
    return {**drawn, "marks": marks}


def lines(record: Record) -> list[str]:
    """The adaptation as sentences, for the terminal and for Markdown; none for other runs."""
    found = record.get("adaptation")
    if not found:
        return []
    shown = told(record, {})
    assert shown is not None
    return [
        f"{shown['title']}: {shown['why']}.",
        f"Kind of transfer: {found['kind_of_transfer']}.",
        *[
            f"{one['title']}: {one['refused'] or '; '.join(one['failed']) or 'passes every rule'}."
            for one in shown["tried"][1:]
        ],
    ]


KINDS = {
    "none": "no shift", "covariate": "covariate shift", "label": "label shift",
    "both": "covariate and label shift", "concept": "concept shift",
}  # fmt: skip
"""What a kind of shift is called."""


def shift_told(found: Record) -> dict[str, Any]:
    """What the template draws of a shift that was noted in a run's folder."""
    auc, moved, bound = found["auc"], found["label_shift"], found["accuracy_bound"]
    rows = [
        (
            "told apart (AUC)",
            f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]; 0.5 is chance",
        ),
    ]  # fmt: skip
    if moved is not None:
        low, high = moved["tv_low"], moved["tv_high"]
        text = f"{moved['total_variation']:.0%} [{low:.0%}, {high:.0%}] ({moved['method']})"
        rows.append(("items of other classes", text))
    if bound is not None:
        limit = "withheld" if bound["value"] is None else f"at most {bound['value']:.1%}"
        rows.append(("accuracy there", f"{limit}; held out here: {bound['source']:.1%}"))
    rows.append(("items", f"{found['a']['items']:,} here, {found['b']['items']:,} there"))
    rows.append(
        ("seen by", f"{found['source']}, answered by {found['model']}" if found["model"] else found["source"])
    )
    return {**found, "title": KINDS.get(found["kind"], found["kind"]), "numbers": rows}
