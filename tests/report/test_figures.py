from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from headstart.report.charts import cloud, curves, forest, marks


def inside(figure: dict[str, Any], marks: list[dict[str, Any]]) -> bool:
    return all(
        figure["left"] <= mark["x"] <= figure["right"] and figure["top"] <= mark["y"] <= figure["bottom"]
        for mark in marks
    )


def test_intervals_share_a_scale_on_which_zero_is_marked() -> None:
    rows = [{"value": 0.2, "low": 0.1, "high": 0.3}, {"value": -0.1, "low": -0.2, "high": 0.0}]
    bars = forest.Bars(rows, "", zero=True)
    first, second = (bars.of(**row) for row in rows)
    assert second["low"] < second["at"] < second["high"] == first["zero"] < first["low"] < first["high"]
    assert forest.Bars([{"value": None, "low": None, "high": None}], "accuracy").scale is None


def test_the_learning_curve(make: Callable[..., Any]) -> None:
    curve = make().insight["learning_curve"]
    figure = curves.learning(curve)
    marks = [*figure["points"], figure["twice"]]
    assert inside(figure, marks)
    assert [m["x"] for m in marks] == sorted(m["x"] for m in marks)
    gaps = {round(b["x"] - a["x"], 1) for a, b in pairwise(marks)}
    assert max(gaps) - min(gaps) <= 0.11  # every doubling takes the same room
    assert all(m["high"] < m["y"] < m["low"] for m in marks)  # downwards on paper
    assert figure["points"][1]["x"] < figure["saved"]["x"] < figure["points"][2]["x"]
    assert figure["band"].endswith("Z")
    assert figure["points"][0]["title"] == "10 labels: 71.5 % [66.5, 77.9]"


def test_a_learning_curve_of_one_point_with_nothing_foreseen(make: Callable[..., Any]) -> None:
    curve = make().insight["learning_curve"]
    bare = {**curve, "points": curve["points"][:1], "band": None, "twice": None, "saved": None}
    figure = curves.learning(bare)
    assert figure["band"] == figure["line"] == ""
    assert inside(figure, figure["points"])


def test_the_diagonal_of_the_reliability_figure_is_where_both_agree(make: Callable[..., Any]) -> None:
    figure = curves.reliability(make().insight["reliability"])
    assert inside(figure, figure["marks"])
    assert (
        figure["diagonal"]
        == f"M{figure['left']:g} {figure['bottom']:g}L{figure['right']:g} {figure['top']:g}"
    )
    assert len(figure["marks"]) == 9  # an empty bin is not drawn
    assert max(m["size"] for m in figure["marks"]) == 34


def test_true_against_predicted(make: Callable[..., Any]) -> None:
    figure = curves.scatter(make("regression").insight["scatter"], "kg")
    assert inside(figure, figure["marks"])
    assert figure["x_title"] == "true kg"
    assert figure["right"] - figure["left"] == pytest.approx(figure["bottom"] - figure["top"], abs=10)


def test_the_depth_profile_keeps_the_networks_order(make: Callable[..., Any]) -> None:
    depth = make().insight["depth"]
    figure = forest.depth(depth)
    assert [n["text"] for n in figure["names"]] == [f"stage{i}" for i in range(1, 6)]
    assert inside(figure, figure["marks"])
    assert [g["text"] for g in figure["grids"]] == ["whole picture", "2 x 2 grid", "4 x 4 grid"]
    assert sum(m["chosen"] for m in figure["marks"]) == 1
    ys = [m["y"] for m in figure["marks"]]
    assert len(set(ys)) == len(ys) == 15
    assert figure["chance"] < min(m["x"] for m in figure["marks"])
    without = {
        **depth,
        "metric": "skill",
        "chance": None,
        "rows": [{**r, "low": None, "high": None} for r in depth["rows"]],
    }
    assert forest.depth(without)["chance"] is None


def test_the_best_depth_moves_with_the_labels(make: Callable[..., Any]) -> None:
    found = make().insight["depth_curve"]
    figure = forest.depths(found)
    assert inside(figure, figure["marks"])
    best = [m for m in figure["marks"] if m["kind"] == "best"]
    assert len(figure["marks"]) == 15
    assert [m["kind"] for m in figure["marks"]].count("behind") == 6
    assert [m["x"] for m in best] == sorted(m["x"] for m in best) == [t["at"] for t in figure["x_ticks"]]
    assert [m["y"] for m in best] == sorted(m["y"] for m in best)  # first layers on top
    assert figure["line"] == "M" + "L".join(f"{m['x']:g} {m['y']:g}" for m in best)
    assert best[0]["title"].endswith("stage3/g2: 55.0 % [40.0, 63.3], the best")


def test_the_map_tells_labels_apart_without_colour(make: Callable[..., Any]) -> None:
    figure = cloud.cloud(make().insight["map"])
    assert all(0 <= m["x"] <= cloud.SIDE and 0 <= m["y"] <= cloud.SIDE for m in figure["marks"])
    looks = [cloud.look(i) for i in range(42)]
    assert len({(look["colour"], look["shape"]) for look in looks}) == 42
    for one, two in pairwise(looks):
        assert one["colour"] != two["colour"]
        assert one["shape"] != two["shape"]
    assert sum(g["count"] for g in figure["groups"]) == len(figure["marks"])


def test_many_labels_share_a_mark(make: Callable[..., Any]) -> None:
    figure = cloud.cloud(make(count=150).insight["map"])
    assert len(figure["groups"]) == cloud.NAMED + 1
    assert figure["groups"][-1]["text"] == "136 other labels"
    assert figure["groups"][-1]["shape"] == "dot"
    assert sum(g["count"] for g in figure["groups"]) == 240


def test_numbers_on_the_map_are_sizes(make: Callable[..., Any]) -> None:
    found = make("regression").insight["map"]
    figure = cloud.cloud(found)
    pairs = sorted((p["label"], m["shape"]) for p, m in zip(found["points"], figure["marks"], strict=True))
    assert [shape for _, shape in pairs] == sorted(shape for _, shape in pairs)
    assert len(figure["groups"]) == cloud.STEPS
    assert sum(g["count"] for g in figure["groups"]) == 240
    same = cloud.cloud({**found, "points": [{**p, "label": 3.0} for p in found["points"]]})
    assert [g["count"] for g in same["groups"]] == [240]


def test_shades_are_shares_of_a_row() -> None:
    table = np.array([[8, 2], [0, 0]])
    assert cloud.shades(table.tolist()) == [[80, 20], [0, 0]]


def test_where_two_texts_differ() -> None:
    assert marks.apart("a red dog runs", "a blue dog") == [
        (False, "a"),
        (True, "red"),
        (False, "dog"),
        (True, "runs"),
    ]
    assert marks.apart("", "a") == []
    assert marks.apart("a  b\n", "a b") == [(False, "a b")]
    long = " ".join(map(str, range(2 * marks.COMPARED)))
    assert [differs for differs, _ in marks.apart(long, "x")] == [True, False]
