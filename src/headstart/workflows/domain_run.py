"""The run that an adaptation leaves: its model, what the run it began from had found, and both domains in
one map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.dataset import Dataset
from headstart.core.files import write_atomic, write_json
from headstart.core.model import Model
from headstart.core.strategy import Adapted, Request
from headstart.evidence.leaderboard import Row
from headstart.export import bundle
from headstart.measure import projection
from headstart.run.conclude import probes
from headstart.run.state import items
from headstart.run.state.folder import DOMAINS, RunFolder, slug
from headstart.strategies.adapt.assess import stored

POINTS = 400
"""Most items of each domain on a map."""
KEPT = ("insight.json", "pictures.json", "events.jsonl", items.NAME)
"""What is still true of the untouched model."""


def named(inputs: Any) -> str:
    """What the target is called: as it was written, or how many there are."""
    if isinstance(inputs, Dataset):
        return inputs.origin or inputs.name
    several = inputs if isinstance(inputs, list | tuple) else [inputs]
    paths = [str(one) for one in several if isinstance(one, str | Path)]
    if not paths:
        return "the target"
    return paths[0] if len(several) == 1 else f"{paths[0]} and {len(several) - 1:,} more"


def drawn(request: Request, base: Adapted, found: Adapted | None) -> dict[str, Any]:
    """{"source", "before", "after"}: the labelled items and those of the target as points of a plane.

    A point has `id`, `x`, `y` within 0 to 1, `part` ("test" of the target) and `label`: that of a labelled
    item, and what a target's item is taken for before and after. `after` is None where nothing was adapted.
    Where an adapter brings the domains together, `after` shows where; else its items stay in place and only
    the answers change.
    """
    rng = np.random.default_rng(request.seed)
    assert request.target is not None
    parts = (np.flatnonzero(request.dataset.targets.known), request.target)
    source, target = (np.sort(rng.permutation(rows)[:POINTS]) for rows in parts)
    xs, xt = stored(request, source), stored(request, target)
    labels = request.task.labels
    given = [labels[number] for number in request.dataset.targets[source]]

    def points(places: np.ndarray, by: Adapted) -> list[dict[str, Any]]:
        said = [labels[number] for number in by.predict(target).argmax(axis=1)]
        of_target = [False] * len(source) + [True] * len(target)
        rows = zip((*source, *target), places.tolist(), [*given, *said], of_target, strict=True)
        return [
            {
                "id": request.dataset.items[row].id, "x": round(x, 4), "y": round(y, 4), "label": label,
                "part": "test" if unlabelled else "development",
            }
            for row, (x, y), label, unlabelled in rows
        ]  # fmt: skip

    places, method = projection.plane(np.concatenate([xs, xt]), seed=request.seed)
    brought = getattr(found, "brought", None)
    moved = places
    if brought is not None:
        together = np.concatenate([brought.source(xs), brought.target(xt)])
        moved, _ = projection.plane(together, seed=request.seed)
    return {
        "source": request.network.source.name,
        "method": method,
        "labels": list(labels),
        "moved": brought is not None,
        "before": points(places, base),
        "after": None if found is None else points(moved, found),
    }


def write(
    place: RunFolder,
    before: Path,
    record: Mapping[str, Any],
    model: Model,
    answer: dict[str, Any],
    request: Request,
    shown: Mapping[str, Any],
) -> None:
    """The run: its model, and beside the question what the run it began from, in the folder `before`, had
    found. Of the untouched model all of that holds, and is taken over; of an adapted one its held-out items
    are those of the adapter's own trial."""
    proof = probes(model, pairs=request.dataset.pairs)
    with place.writing():
        bundle.save(model, place.path / "model", probes=proof)
        write_json(place.path / DOMAINS, shown)
    left = ("question", "complete", "version", "command", "adaptation", "shifts")
    taken = {name: value for name, value in record.items() if name not in left}
    arms = [dict(row) for row in record["answer"]["rows"]]
    told = dict(record["answer"])
    if answer["decision"] == "adapted":
        arm = request.arm(answer["adapter"])
        row = Row(
            arm, answer["adapter"], request.network.source.name, "done", answer["reason"],
            answer["seconds"], shipped=True,
        )  # fmt: skip
        arms = [row.to_json(), *({**one, "shipped": False} for one in arms)]
        told["winner"] = arm
        # what was measured was another model
        told |= {"test": None, "test_metrics": {}, "chosen": None}
        with place.writing():
            items.write(place.path, request.dataset, request.split)
    else:
        _take_over(place, before, told["winner"])
    told["rows"] = arms
    made = {"command": answer["command"]} if answer["command"] else {}
    place.write({**place.read(), **taken, **made, "answer": told, "adaptation": answer, "complete": True})


def _take_over(place: RunFolder, before: Path, winner: str) -> None:
    trial = Path("trials", slug(winner))
    for name in (*map(Path, KEPT), trial / "trial.json", trial / "predictions.npz"):
        if (before / name).is_file():
            with place.writing():
                (place.path / name).parent.mkdir(parents=True, exist_ok=True)
                write_atomic(place.path / name, (before / name).read_bytes())
