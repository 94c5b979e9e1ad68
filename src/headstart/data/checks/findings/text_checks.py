"""What the doctor says of texts beyond single items, and of their length once it is known who reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.dataset import Dataset, Item
from headstart.core.source import Preprocessing
from headstart.data.checks.findings import Finding, finding, languages, leaks
from headstart.errors import ItemError
from headstart.modalities import text
from headstart.modalities.base import Counted
from headstart.modalities.text.preprocessing import word_list

COUNTED = 2_000
"""Texts that are cut into tokens to see how long they are: all, or so many from everywhere."""
MANY_CUT = 0.05
"""Share of texts longer than the source reads from which on it is a warning."""
MANY_UNKNOWN = 0.05
"""Share of words that a source does not know from which on it is told."""
_SHOWN = 8


def text_findings(dataset: Dataset) -> list[Finding]:
    """HS214 when a clear part of the texts is in another language than most; then what gives the label away,
    and what all texts share."""
    opened = (_opened(item, text) for item in dataset.items)
    texts = ["\n".join(found.parts) if found else "" for found in opened]
    mixed = languages.told(dataset, dict(enumerate(texts)))[1]
    found = [finding("HS214", dataset.origin or dataset.name, mixed)] if mixed else []
    return [*found, *leaks.findings(dataset, texts)]


def length_findings(dataset: Dataset, contract: Preprocessing, name: str = "the source") -> list[Finding]:
    """HS213 for items longer than the source of that name reads, HS215 for words that it does not know.

    Of over 2,000 items so many are looked at, from everywhere. Nothing for what is no sequence.
    """
    if contract.max_length is None:
        return []
    rows = np.unique(np.linspace(0, max(len(dataset) - 1, 0), min(COUNTED, len(dataset))).astype(np.int64))
    room = modalities.get(contract.modality)
    opened, counted = {}, {}
    for row in rows.tolist():
        found = _opened(dataset.items[row], room)
        if found is not None:
            counted[row] = room.count(found, contract)
            if room.IN_WORDS:  # others take far more memory
                opened[row] = found
    if not counted:
        return []
    return [*_cut(dataset, counted, name), *_unknown(dataset, opened, counted, contract)]


def _opened(item: Item, room: Any) -> Any:
    """None for what cannot be opened."""
    try:
        return room.open_item(item.read())
    except (OSError, ItemError):
        return None


def _cut(dataset: Dataset, counted: dict[int, Counted], name: str) -> Iterator[Finding]:
    cut = [row for row, seen in counted.items() if seen.read < seen.tokens]
    if not cut:
        return
    share = len(cut) / len(counted)
    longest = max(cut, key=lambda row: counted[row].tokens)
    of = f"{len(cut):,} of {len(counted):,} {modalities.nouns(dataset.modality)[1]}"
    of += f" looked at ({share:.1%})" if len(counted) < len(dataset) else f" ({share:.1%})"
    unit = counted[longest].unit
    most = f"the longest of them, {dataset.items[longest].id}, has {counted[longest].tokens:,} {unit}"
    of += f" are longer than the {counted[longest].read:,} {unit} that {name} reads"
    found = finding("HS213", dataset.origin or dataset.name, f"{of}; {most}")
    yield replace(found, severity="warning") if share >= MANY_CUT else found


def _unknown(
    dataset: Dataset, opened: dict[int, text.Text], counted: dict[int, Counted], contract: Any
) -> Iterator[Finding]:
    unknown = sum(seen.unknown for seen in counted.values())
    if not unknown:
        return
    own = word_list(contract)
    known = sum(seen.tokens for seen in counted.values()) - (0 if own else unknown)
    if unknown < MANY_UNKNOWN * (known + unknown):
        return
    share, noun, common = unknown / (known + unknown), "words" if own else "tokens", ""
    if own:
        parts = (part for found in opened.values() for part in found.parts)
        missing = Counter(word for part in parts for word in own.split(part) if word not in own.numbers)
        common = ", most often " + ", ".join(repr(word) for word, _ in missing.most_common(_SHOWN))
    yield finding(
        "HS215", dataset.origin or dataset.name, f"{share:.1%} of the {noun} are unknown to it{common}"
    )
