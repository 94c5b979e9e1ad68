"""A seeded mutator of bytes, and the rule that every reader keeps."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import HeadstartError

SLOW = 10.0
"""Seconds for one input, on a machine that is busy."""
ODD = (b"\0", b"\xff", b'"', b"'", b",", b";", b"\t", b"\r", b"\n", b"\r\n", b"[", b"{", b"]", b"}", b"\\", b"#", b"=",
       b"\xef\xbb\xbf", b"\xff\xfe", b"\\ud83d", b"\xed\xa0\xbd", b"\xe2\x80\x8b", b"NaN", b"-1", b"1e999", b"null",
       b"../", b"/", b"%s", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff" * 8, b"9" * 5000)  # fmt: skip
"""What is put in: marks of formats, limits of numbers, names that lead elsewhere."""


def mutate(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one to four changes: bits, bytes, runs; parts cut, doubled, moved; odd things put in."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randint(0, len(out)), min(1 + int(rng.expovariate(0.2)), 64)
        kind = rng.randrange(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at : at + size] = rng.randbytes(min(size, len(out) - at))
        elif kind == 2:
            del out[at : at + size]
        elif kind == 3:
            out[at:at] = out[at : at + size] * rng.choice((1, 2, 40))
        elif kind == 4:
            out[at : at + rng.choice((0, 1))] = rng.choice(ODD)
        elif kind == 5 and rng.random() < 0.5:
            del out[at:]
        else:
            other = rng.randint(0, len(out))
            out[at : at + size] = out[other : other + size]
    return bytes(out)


@dataclass(frozen=True)
class Family:
    """One reader: `seed(folder)` gives the bytes of a good input, `read(path)` reads what was made of them."""

    name: str
    """Of the file that is written, with its ending; also the name of the family."""
    seed: Callable[[Path], bytes]
    read: Callable[[Path], object]
    good: Callable[[object], bool] = lambda found: found is not None
    """Whether what came back is a valid result."""

    def __str__(self) -> str:
        return self.name


def check(family: Family, folder: Path, numbers: Sequence[int], seed: int = 0) -> None:
    """Each of the numbered inputs is read well or refused with a `HeadstartError`, within `SLOW` seconds.

    Input 0 is the seed as it is, and must be read. All that goes wrong is told at once.
    """
    original, wrong = family.seed(folder), []
    place = folder / "inputs"
    place.mkdir(exist_ok=True)
    for number in numbers:
        rng = random.Random(f"{family.name} {number} {seed}")
        path = place / f"{number}-{family.name}"
        path.write_bytes(mutate(original, rng) if number else original)
        begun = time.perf_counter()
        try:
            found = family.read(path)
            told = "" if family.good(found) else f"gave {found!r}"
        except HeadstartError as error:
            told = f"the seed itself is refused: {error}" if not number else ""
            told = told or ("" if str(error).strip() else "an error without a text")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            told = f"{type(error).__name__}: {str(error)[:200]} {_place(error)}"
        seconds = time.perf_counter() - begun
        if seconds > SLOW:
            told += f" took {seconds:.1f} s"
        if told:
            wrong.append(f"{family.name}:{number} {told}")
        elif len(numbers) > 1:
            path.unlink()
    assert not wrong, "\n".join([f"{len(wrong)} of {len(numbers)} inputs (kept in {place})", *wrong[:20]])


def _place(error: BaseException) -> str:
    """The last line of ours that the error came through."""
    found, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/headstart/" in code.co_filename.replace("\\", "/"):
            found = f"at {Path(code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
