"""The numbers above the page: one for one arm, or both explained."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from headstart.report.numbers import key_numbers


def test_a_score_with_the_choice_repeated_is_told_beside_that_of_the_leaderboard(make: Any) -> None:
    record = deepcopy(dict(make().record))
    (shipped,) = [row for row in record["answer"]["rows"] if row["shipped"]]
    record["answer"]["chosen"] = {key: shipped[key] for key in ("low", "high")} | {"value": shipped["score"]}
    assert not any("by itself" in number["detail"] for number in key_numbers(record, {}))
    record["answer"]["chosen"]["value"] = shipped["score"] - 0.02
    (told,) = [number for number in key_numbers(record, {}) if "by itself" in number["detail"]]
    assert told["detail"].endswith(
        f"; with the choice repeated in every fold, by itself {shipped['score']:.1%}".replace("%", " %")
    )
