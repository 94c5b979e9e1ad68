from __future__ import annotations

from headstart.run.closing import MOST_BUSY, Closing


def test_the_proof_takes_as_long_as_importing_and_opening_took_here() -> None:
    closing = Closing(100.0, imports=4.0, beat=lambda: 0.01)
    closing.note(6.0, 6.0, 100_000_000)
    assert closing.proof == 4.0 + 6.0 + 2.0
    assert closing.seconds() == closing.proof + 4.0
    closing.note(1.0, 1.0, 1_000)  # the second source imports nothing more
    assert closing.proof == 12.0
    small = Closing(20.0, imports=4.0, beat=lambda: 0.01)
    assert small.page < 2.0, "the page is made smaller where there is little time, the proof never"


def test_a_busy_machine_takes_longer() -> None:
    crowded = Closing(100.0, imports=4.0, beat=lambda: 0.01)
    crowded.note(12.0, 6.0, 0)
    assert crowded.proof == 2 * 4.0 + 12.0, "half of a core from the start"
    beats = iter((0.01, 0.01, 0.01, 0.02, 0.011, 0.5))
    busier = Closing(100.0, imports=4.0, beat=lambda: next(beats))
    assert busier.seconds() == 2 * (busier.proof + busier.page)
    assert busier.seconds() == busier.proof + busier.page, "a breath is no change"
    assert busier.slower() == MOST_BUSY
