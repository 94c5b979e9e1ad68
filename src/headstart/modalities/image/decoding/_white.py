"""What is white in the pictures of a whole data set, where they have more than 8 bits a channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from headstart.core import words
from headstart.core.source import Levels
from headstart.modalities.base import Examination, Settled
from headstart.modalities.image.decoding import _deep

BITS = (8, 10, 12, 14)
"""Bits a channel that cameras and scanners write into 16. Of pictures that reach beyond them, white is
65,535."""
FULL = (0.0, 65535.0)


def settle(levels: Levels | None, looked: Sequence[Examination], *, find: bool = True) -> Settled:
    """The levels of a data set: those that are given, or found from the range of all its pictures.

    Found are those of whole numbers: the next of 8, 10, 12, 14 or 16 bits that holds the highest value, and
    only where their type does not say the same. Of floats in [0, 1] white is 1; others have none that could
    be found (HS107).
    """
    deep = [seen for seen in looked if seen.values and not seen.problem]
    given = levels is not None
    if levels is None and find:
        levels = _found(deep)
    judged = _with_range([_judged(seen, levels) for seen in looked])
    good = [seen for seen in judged if seen.values and not seen.problem]
    said: list[tuple[str, str]] = []
    if find:
        said += _told(good, levels) if given and levels is not None else _guessed(good, levels)
    if given and find and not deep and any(not seen.problem for seen in looked):
        text = "no picture has more than 8 bits a channel: the white point that was given changes nothing"
        said = [("HS211", text)]
    return Settled(levels, tuple(judged), tuple(said))


def _found(deep: Sequence[Examination]) -> Levels | None:
    """Levels that the type of the pictures does not tell; None where it does, or where none can be found."""
    if not deep or any(seen.values.startswith("float") for seen in deep):
        return None
    low, high = min(seen.low for seen in deep), max(seen.high for seen in deep)
    if low < 0 or high > FULL[1]:
        return None
    white = next((2.0**bits - 1 for bits in BITS if high < 2**bits), FULL[1])
    told = {_deep.effective(seen.values, None) for seen in deep}
    return None if told == {(0.0, white)} or high == 0 else (0.0, white)


def _judged(seen: Examination, levels: Levels | None) -> Examination:
    """With the problem that its values have under these levels."""
    if not seen.values or seen.problem:
        return seen
    problem = _deep.problem_of(seen.values, seen.low, seen.high, levels)
    return seen if problem is None else replace(seen, problem=problem.code, detail=problem.problem)


def _with_range(judged: list[Examination]) -> list[Examination]:
    """Those whose white is not known told together: the range of one says nothing about white, that of all
    may."""
    some = [seen for seen in judged if seen.problem == "HS107"]
    if len(some) < 2:
        return judged
    found = []
    for kind in sorted({seen.values for seen in some}):
        low = min(seen.low for seen in some if seen.values == kind)
        high = max(seen.high for seen in some if seen.values == kind)
        found.append(f"{kind} in [{low:,g}, {high:,g}]")
    allowed = "known are floats in [0, 1] and whole numbers in [0, 255]"
    text = (
        f"all such pictures together have {' and '.join(found)}, and what is white is not known ({allowed})"
    )
    return [replace(seen, detail=text) if seen.problem == "HS107" else seen for seen in judged]


def _guessed(good: Sequence[Examination], levels: Levels | None) -> Iterator[tuple[str, str]]:
    """How white was found, or that the pictures are dark although their type tells what is white."""
    if levels is None:
        of_type = [seen for seen in good if seen.values == _deep.WORDS]
        yield from _dark(of_type, FULL)
        return
    high, white = max(seen.high for seen in good), levels[1]
    kinds = sorted({seen.values for seen in good})
    text = f"the highest value of all {words.count(len(good), 'picture')}"
    if kinds == [_deep.WORDS]:
        text += f" of 16 bits is {high:,g} of 65,535 ({_left(good, FULL)} by that)"
    else:
        text += f" of whole numbers ({', '.join(kinds)}) is {high:,g}"
    yield "HS210", f"{text}: white is taken to be {white:,g}"


def _told(good: Sequence[Examination], levels: Levels) -> Iterator[tuple[str, str]]:
    """What lies beyond the levels that were given, or that hardly anything comes near white."""
    black, white = levels
    beyond = [seen for seen in good if seen.high > white or seen.low < black]
    if beyond:
        low, high = min(seen.low for seen in beyond), max(seen.high for seen in beyond)
        some = f"{len(beyond):,} of {words.count(len(good), 'picture')} have values beyond black and white"
        yield "HS211", f"{some} ({black:,g} and {white:,g}), in [{low:,g}, {high:,g}]: they are cut off"
    yield from _dark(good, levels)


def _dark(good: Sequence[Examination], levels: Levels) -> Iterator[tuple[str, str]]:
    """That most pictures are nearly black."""
    if not good:
        return
    black, white = levels
    half = median(seen.high for seen in good)
    if black < half < black + _deep.DARK * (white - black):
        high = max(seen.high for seen in good)
        if high < black + _deep.DARK * (white - black):
            found = f"the highest value of all {words.count(len(good), 'picture')} is {high:,g}"
        else:
            found = f"half of the {words.count(len(good), 'picture')} have no value over {half:,g}"
        dark = [seen for seen in good if seen.high <= half]
        yield "HS211", f"{found}, and white is at {white:,g}: {_left(dark, levels)}"


def _left(good: Sequence[Examination], levels: Levels) -> str:
    """How many grey levels of 256 they use, in words."""
    black, white = levels
    low, high = (
        round(255 * min(max((value - black) / (white - black), 0.0), 1.0))
        for value in (min(seen.low for seen in good), max(seen.high for seen in good))
    )
    return f"{words.count(high - low + 1, 'grey level')} of 256 {'is' if high == low else 'are'} left"
