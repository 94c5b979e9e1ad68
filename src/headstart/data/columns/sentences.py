"""Tables whose targets are texts, by the usual names of their columns."""

from __future__ import annotations

from dataclasses import replace

from headstart import tasks
from headstart.core.dataset import Note
from headstart.data.columns import LABELS, Cells, are_files
from headstart.data.reading import Reading, bare
from headstart.tasks import TASKS


def recognised(cells: Cells, reading: Reading, where: str) -> tuple[Reading, tuple[Note, ...]]:
    """The reading with the columns of a task whose answers are texts, by their usual names, and what is to be
    told of it; as it is where columns were named, where there is a label beside them, or such texts recur so
    often that they are classes."""
    named_by_hand = (reading.path_column, reading.text_column, reading.pair_column, reading.label_column)
    if any(named_by_hand) or reading.labels is not None:
        return reading, ()
    there = {bare(name): name for name, values in cells.texts.items() if values}
    for kind in TASKS:
        for usual in tasks.get(kind).columns if reading.task in (None, kind) else ():
            if not all(name in there for name in usual):
                continue
            *items, target = (there[name] for name in usual)
            held = cells.texts[target]
            if reading.task is None and len(set(held)) <= len(held) / 2:
                continue
            text = f"from {' and '.join(map(repr, items))} to {target!r}"
            labels = (name for name in cells.names if bare(name) in LABELS and bare(name) not in usual)
            label = None if reading.task else next(labels, None)
            if label is not None:
                told = f"{text}: not read as {kind}, for there is {label!r}; otherwise say task {kind!r}"
                return reading, (Note("HS310", where, told),)
            first, second = items[0], items[1] if len(items) > 1 else None
            if first in cells.pictures or are_files(cells.texts[first]):
                found = replace(reading, path_column=first)
            else:
                found = replace(reading, text_column=first, pair_column=second)
            if reading.items_only:
                return found, ()
            text += f": read as {kind}"
            text += "" if reading.task else "; for classes name the column (--label-column)"
            return replace(found, label_column=target, task=kind), (Note("HS310", where, text),)
    return reading, ()
