"""What was found of two domains, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.cli._screen import aligned
from headstart.core import words
from headstart.core.words import cell

if TYPE_CHECKING:
    from headstart.workflows.shift import Shift

MOST = 8
"""Lines of a kind on the screen."""


def text(found: Shift, page: Path | None = None) -> Iterator[str]:
    """What comes first, the kind with its reason, the numbers, and what differs most."""
    if found.warning:
        yield f"\nfiles     {cell(found.warning)}\n"
    yield f"\nshift     {found.kind}: {cell(found.reason)}\n"
    yield f"advice    {cell(found.advice)}\n"
    if found.next:
        yield f"next      {found.next}\n"
    for sign, name, size in zip("AB", found.names, found.sizes, strict=True):
        yield f"{sign}         {cell(name)}: {words.count(size, *found.nouns)}\n"
    yield f"seen by   {cell(found.source)}{f', answered by {found.model}' if found.model else ''}\n\n"
    yield from aligned(list(_numbers(found)))
    if found.classes:
        yield "\n"
        each = {"objects": "objects an item", "shares": "share of an item"}.get(found.amounts, "class")
        head = (each, "in A", "said of B", "estimated in B", "95 %")
        shown = sorted(found.classes, key=lambda one: -abs(one.estimate - one.source))[:MOST]
        rows = [_class(one, objects=found.amounts == "objects") for one in shown]
        yield from aligned([head, *rows], right=(1, 2, 3))
    if found.artefacts:
        yield "\n"
        rows = [
            (one.name, cell(one.source), cell(one.target), f"{one.auc:.2f}") for one in found.artefacts[:MOST]
        ]
        yield from aligned([("files", "A", "B", "AUC alone"), *rows], right=(3,))
    yield from _features(found)
    yield "\nmost different\n"
    for one in [*found.items[:4], *[item for item in found.items if item.domain == "a"][:4]]:
        yield f"  {one.domain.upper()}  {one.score:.2f}  {cell(one.item)}{f'  {cell(one.text[:80])}' if one.text else ''}\n"
    for note in found.notes:
        yield f"note      {cell(note)}\n"
    if page is not None:
        yield f"page      {page}\n"


def _numbers(found: Shift) -> Iterator[tuple[str, str]]:
    auc = found.auc
    yield (
        "told apart",
        f"AUC {auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}], {auc.band}; proxy A-distance {auc.distance:.2f}",
    )
    yield "MMD", f"p = {found.mmd.p_value:.2g}"
    if found.bbsd is not None:
        yield "answers (BBSD)", f"p = {found.bbsd.p_value:.2g}"
    if found.label_shift is not None:
        one = found.label_shift
        yield (
            "classes",
            f"{one.total_variation:.0%} [{one.tv_low:.0%}, {one.tv_high:.0%}] of the items are of other classes ({one.method})",
        )
    if found.accuracy_bound is not None:
        one_ = found.accuracy_bound
        told = f"at most {one_.value:.1%}" if one_.value is not None else f"withheld: {one_.reason}"
        yield "accuracy on B", f"{told} (on A, held out: {one_.source:.1%})"


def _class(one: Any, *, objects: bool) -> tuple[str, ...]:
    numbers = (one.source, one.predicted, one.estimate, one.low, one.high)
    *means, low, high = (f"{value:.2f}" if objects else f"{value:.1%}" for value in numbers)
    return (cell(one.label), *means, f"[{low}, {high}]")


def _features(found: Shift) -> Iterator[str]:
    said = [one for one in found.features if one["kind"] == "word"][:MOST]
    looks = [one for one in found.features if one["kind"] == "look"][:MOST]
    if said:
        yield "\n"
        rows = [
            (cell(one["name"]), f"{one['a']:.1%}", f"{one['b']:.1%}", f"{one['ratio']:.2g}") for one in said
        ]
        yield from aligned([("word", "in A", "in B", "B / A"), *rows], right=(1, 2, 3))
    if looks:
        yield "\n"
        rows = [(one["name"], one["a"], one["b"], f"{one['auc']:.2f}") for one in looks]
        yield from aligned([("looks", "A", "B", "AUC alone"), *rows], right=(3,))
