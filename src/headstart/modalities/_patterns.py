"""Regular expressions that a tokenizer.json brings: only those that cannot run for ever are used.

An expression of which a part that repeats is itself repeated, as in `(a+)+`, takes a time that doubles with
every sign of the text. Those by which the tokenizers of GPT-2, Llama, Qwen, CLIP, DeepSeek and all others that
we know split texts repeat single signs and classes of signs only. So that is what is allowed: what is repeated
without end, or more than once where it repeats something itself, is one sign, one class or a row of them.
What is left takes at most a power of the text's length, and the library gives a single place up after ten
million steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headstart.core.untrusted import Damaged

LONGEST = 4_000
"""Signs of an expression."""
MOST = 64
"""Expressions of one tokenizer."""
IN_A_ROW = 4
"""Parts of one alternative that repeat without end: the time grows with this power of a text's length."""
PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_QUANTIFIER = re.compile(r"[*+?]|\{(\d*)(,?)(\d*)\}")
_GROUP = re.compile(r"\?(?:[imsx-]*[:)]|>|=|!|<=|<!)")
"""How a group may begin: no back reference, condition, call or absence."""
_ESCAPE = re.compile(r"\\(?:[pP]\{\^?\w+\}|x\{[0-9a-fA-F]+\}|x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{4}|[1-9kgKX]|.)", re.S)
_REFUSED = re.compile(r"\\[1-9kgKXR]")


def check(content: Any) -> None:
    """Raises `Damaged` for a tokenizer with an expression that is not as said above."""
    if not isinstance(content, Mapping):
        raise Damaged("a tokenizer that is no record {...}")
    found = [pattern for part in PARTS for pattern in _expressions(content.get(part))]
    if len(found) > MOST:
        raise Damaged(f"a tokenizer with {len(found)} regular expressions; {MOST} are read")
    for pattern in found:
        problem = _problem(pattern)
        if problem:
            shown = pattern if len(pattern) <= 60 else f"{pattern[:57]}..."
            raise Damaged(f"a tokenizer whose regular expression {shown!r} {problem}")


def _expressions(part: Any) -> Iterator[str]:
    inner = part.values() if isinstance(part, Mapping) else part if isinstance(part, list) else ()
    if isinstance(part, Mapping) and isinstance(part.get("Regex"), str):
        yield part["Regex"]
    for one in inner:
        yield from _expressions(one)


@dataclass
class _Level:
    """What is known of the group that is being read."""

    repeats: bool = False
    """Whether anything in it is repeated."""
    choices: bool = False
    endless: int = 0
    """Parts of this alternative that repeat without end."""
    worst: int = 0
    """Of the worst alternative before."""

    def take(self, part: _Level) -> None:
        """Count what is known of a part of it."""
        self.repeats |= part.repeats
        self.choices |= part.choices
        self.endless += part.endless


def _problem(pattern: str) -> str:
    """Why an expression is not used; "" for one that is."""
    if len(pattern) > LONGEST:
        return f"is longer than {LONGEST:,} signs"
    stack, place = [_Level()], 0
    atom: _Level | None = None  # what a quantifier would repeat
    while place < len(pattern) and stack[-1].endless <= IN_A_ROW:
        sign = pattern[place]
        quantifier = _QUANTIFIER.match(pattern, place)
        if quantifier and atom is not None and quantifier[0] not in ("{}", "{,}"):
            place = _after(pattern, quantifier.end())
            most = _most(quantifier)
            if most > 1 and (atom.repeats or atom.choices):
                return "repeats what repeats itself, or a choice"
            exact = quantifier[0][0] == "{" and not quantifier[2] and pattern[place - 1] == "}"
            atom = _Level(not exact or atom.repeats, atom.choices, atom.endless + (most == float("inf")))
            stack[-1].take(atom)
            atom = None
            continue
        if atom is not None:
            stack[-1].take(atom)
        atom = _Level()
        if sign == "(":
            begin = _GROUP.match(pattern, place + 1)
            if pattern[place + 1 : place + 2] == "?" and begin is None:
                return "has a group of a kind that is not used for splitting texts"
            place = begin.end() if begin else place + 1
            if pattern[place - 1] == ")":  # (?i) holds for what follows
                atom = None
            else:
                stack.append(_Level())
                atom = None
        elif sign == ")":
            if len(stack) == 1:
                return "closes a group that is not open"
            done = stack.pop()
            done.endless = max(done.worst, done.endless)
            atom, place = done, place + 1
        elif sign == "|":
            level = stack[-1]
            level.worst, level.endless, level.choices = max(level.worst, level.endless), 0, True
            atom, place = None, place + 1
        else:
            end = _sign(pattern, place)
            if end == 0:
                return "refers back to itself, or has a class of signs that does not end"
            place = end
    if stack[-1].endless + (atom.endless if atom is not None else 0) > IN_A_ROW:
        return f"repeats more than {IN_A_ROW} things in a row without end"
    return "has a group that does not end" if len(stack) > 1 else ""


def _most(quantifier: re.Match[str]) -> float:
    if quantifier[0] in "*+?":
        return 1 if quantifier[0] == "?" else float("inf")
    low, comma, high = quantifier.groups()
    if comma:
        return int(high[:6]) if high else float("inf")
    return int(low[:6])


def _after(pattern: str, place: int) -> int:
    """Behind the mark that makes a quantifier lazy or possessive."""
    return place + 1 if pattern[place : place + 1] in ("?", "+") else place


def _sign(pattern: str, place: int) -> int:
    """The place behind one sign or class; 0 where there is none, or one that is refused."""
    if pattern[place] == "[":
        return _class(pattern, place)
    if pattern[place] != "\\":
        return place + 1
    found = _ESCAPE.match(pattern, place)
    return 0 if found is None or _REFUSED.match(found[0]) else found.end()


def _class(pattern: str, place: int) -> int:
    """Behind a class of signs, which may hold classes itself; 0 for one that does not end."""
    depth = 0
    while place < len(pattern):
        if pattern[place] == "\\":
            place += 1
        elif pattern[place] == "[":
            depth += 1
            place += pattern[place + 1 : place + 2] == "^"
            place += pattern[place + 1 : place + 2] == "]"  # a first one is a sign
        elif pattern[place] == "]":
            depth -= 1
            if not depth:
                return place + 1
        place += 1
    return 0
