"""What a run folder holds for its report beside run.json. Runs of older versions lack some of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headstart.run.folder import read_object


def insight(folder: Path) -> dict[str, Any]:
    """The content of insight.json; empty where there is none. Raises `RunError` when it is damaged."""
    return read_object(folder / "insight.json")


def pictures(folder: Path) -> dict[str, Any]:
    """The content of pictures.json as `samples.gather` made it; empty where there is none. Raises `RunError`
    when it is damaged."""
    return read_object(folder / "pictures.json")


def events(folder: Path) -> list[dict[str, Any]]:
    """The lines of events.jsonl; a line that a crash cut short is left out."""
    try:
        lines = (folder / "events.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            found.append(event)
    return found
