"""The demo's texts: messages to a parcel service, written from the small grammar in `parcels.json` and a seed.

What a customer wants is said in many words, and hardly any of them twice: that is what a network that has read a
lot helps with. How a message came in stands at its end in always the same words, which counting finds as well.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headstart.core.files import write_atomic

PER_CLASS = 12
"""Labels of each wish that the demo may learn from; the other messages are kept for the test."""
GRAMMAR = Path(__file__).with_name("parcels.json")
"""JSON: `wishes` (how each may be said, with blanks), `slots` (what fills a blank), `openings`, `endings`, and
`channels` (what a message ends with that came in this way, whatever it wants)."""


class Message(NamedTuple):
    """One message, what it wants, and how it came in."""

    text: str
    wish: str
    channel: str


def grammar() -> dict[str, Any]:
    """What `GRAMMAR` says."""
    return json.loads(GRAMMAR.read_text(encoding="utf-8"))


def messages(seed: int = 0) -> list[Message]:
    """All messages, in an order and with wording that depend on the seed; a third of each wish by each way."""
    rng = np.random.default_rng(seed)
    parts = grammar()
    found = []
    for wish, lines in parts["wishes"].items():
        channels = rng.permutation(np.arange(len(lines)) % len(parts["channels"]))
        for line, channel in zip(lines, channels, strict=True):
            name = tuple(parts["channels"])[channel]
            found.append(Message(_written(line, name, parts, rng), wish, name))
    return [found[i] for i in rng.permutation(len(found))]


def _written(line: str, channel: str, parts: dict[str, Any], rng: np.random.Generator) -> str:
    """The line with its blanks filled, between an opening and two endings."""
    for name, words in parts["slots"].items():
        line = line.replace(f"{{{name}}}", str(rng.choice(words)))
    opening, ending = str(rng.choice(parts["openings"])), str(rng.choice(parts["endings"]))
    if not opening:
        line = line[0].upper() + line[1:]
    line = line if line[-1] in "?!." else f"{line}."
    return " ".join(f"{opening}{line} {ending} {parts['channels'][channel]}".split())


def examples(target: str, *, seed: int, most: int = 6) -> list[tuple[str, str]]:
    """(text, label) of a few messages, the labels in turn."""
    found: dict[str, list[tuple[str, str]]] = {}
    for message in messages(seed):
        label = getattr(message, target)
        found.setdefault(label, []).append((message.text, label))
    each = -(-most // len(found))
    return [found[label][i] for i in range(each) for label in sorted(found)][:most]


def write(path: Path, target: str, *, seed: int) -> Path:
    """A table with the columns text, label and split, written once; returns its path.

    `target` is "wish" or "channel".
    """
    if not path.exists():
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["text", "label", "split"])
        taken: dict[str, int] = {}
        for message in messages(seed):
            taken[message.wish] = taken.get(message.wish, 0) + 1
            part = "train" if taken[message.wish] <= PER_CLASS else "test"
            writer.writerow([message.text, getattr(message, target), part])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, buffer.getvalue().encode())
    return path
