"""The results as a table, and its place in the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cases import CASES, OURS

PAGE = Path(__file__).parents[2] / "docs" / "speed.md"
END = "<!-- to here -->"


def seconds(found: dict[str, float]) -> str:
    """The median with its range, in a unit that suits it."""
    scale, unit = (1000, "ms") if found["median"] < 1 else (1, "s")
    median, least, most = (f"{scale * found[key]:.3g}" for key in ("median", "least", "most"))
    return f"{median} {unit}" if least == most else f"{median} [{least}, {most}] {unit}"


def drawn(cases: dict[str, dict[str, Any]]) -> str:
    """Markdown: a row for each side and part of each case, in the order of the table of cases."""
    lines = [
        "| case | side | time | of the processor | memory | accuracy | against ours |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in [name for name in CASES if name in cases]:
        case = cases[name]
        said = f"{case['title']} ({'one thread' if case['threads'] == 'one' else 'all cores'})"
        for arm, side in case["sides"].items():
            for part, row in side["parts"].items():
                lines.append(line(said, arm, part, side, row))
                said = ""
        for arm, why in case["not measured"].items():
            lines.append(f"| {said} | {arm} | not measured: {why} | | | | |")
            said = ""
    return "\n".join([*lines, *against_floors(cases)])


def against_floors(cases: dict[str, dict[str, Any]]) -> list[str]:
    """What the pass of the linear probe takes beside the bare forward and the peak, where all were measured alike."""
    if not {"floors", "probe"} <= cases.keys() or cases["floors"]["threads"] != cases["probe"]["threads"]:
        return []
    sides = {**cases["floors"]["sides"], **cases["probe"]["sides"]}
    if not {"floor", OURS} <= sides.keys():
        return []
    floor, took = sides["floor"]["parts"], sides[OURS]["pass"]["median"]
    said = [f"The pass of the linear probe with ResNet-18 took {took:.3g} s on the clock:"]
    for kind in ("float32", "bfloat16"):
        bare, product = (floor[f"{what}, {kind}"] for what in ("forward", "matrix product"))
        peak = product["value"]["median"] / product["seconds"]["median"]
        share = bare["value"]["median"] / took / peak
        said.append(
            f"{took / bare['seconds']['median']:.2f} times the bare {kind} forward, {share:.0%} of the {kind} peak;"
        )
    return ["", " ".join(said).rstrip(";") + "."]


def line(said: str, arm: str, part: str, side: dict[str, Any], row: dict[str, Any]) -> str:
    whole = side["whole"]["megabytes"]["median"]
    equal = f"{100 * side['accuracy']['median']:.1f} %" if "accuracy" in side else ""
    if "cosine" in side:
        equal = f"cosine {side['cosine']:.4f}"
    ratio = side.get("ratios", {}).get(part)
    against = "" if ratio is None else f"**{ratio['times']:.3g}**"
    if ratio is not None and ratio["unclaimed"]:
        against = f"({ratio['times']:.3g}; {ratio['unclaimed']})"
    if "value" in row and arm == "floor" and row["value"]["median"] > 1:
        against = f"{row['value']['median'] / row['seconds']['median'] / 1e9:,.0f} GFLOP/s"
    name = f"{arm}: {part}" if part else arm
    name = f"**{name}**" if arm == OURS else name
    cells = [
        said,
        name,
        seconds(row["seconds"]),
        seconds(row["processor"]),
        f"{whole:,.0f} MB",
        equal,
        against,
    ]
    return "| " + " | ".join(cells) + " |"


def into_docs(name: str, drawn: str) -> None:
    """Write a table between the two marks of the script `name` in the page."""
    begin = f"<!-- benchmarks/{name}.py writes from here -->"
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{begin}\n\n{drawn}\n\n{END}{tail}", encoding="utf-8")
