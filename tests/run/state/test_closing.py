from __future__ import annotations

from headstart.run.state.closing import BEAT, MOST_BUSY, MOST_UNUSUAL, WARM, Closing


def test_the_proof_takes_as_long_as_importing_and_opening_took_here() -> None:
    closing = Closing(100.0, imports=4.0, beat=lambda: 0.01)
    closing.note(6.0, 6.0, 100_000_000)
    assert closing.proof == 4.0 + 6.0 + WARM + 2.0
    assert closing.seconds() == closing.proof + 4.0
    closing.note(1.0, 1.0, 1_000)  # the second source imports nothing more
    assert closing.proof == 12.0 + WARM
    small = Closing(20.0, imports=4.0, beat=lambda: 0.01)
    assert small.page < 2.0, "the page is made smaller where there is little time, the proof never"


def test_a_busy_machine_takes_longer() -> None:
    crowded = Closing(100.0, imports=4.0, beat=lambda: 0.01)
    crowded.note(12.0, 6.0, 0)
    assert crowded.proof == 2 * (4.0 + WARM) + 12.0, "half of a core from the start"
    fetched = Closing(100.0, imports=4.0, beat=lambda: 0.01)
    fetched.note(600.0, 4.0, 0)
    assert fetched.proof == MOST_BUSY * (4.0 + WARM + 4.0), "the fresh process waits for no download"
    beats = iter((0.01, 0.01, 0.01, 0.02, 0.011, 0.5))
    busier = Closing(100.0, imports=4.0, beat=lambda: next(beats))
    assert busier.seconds() == 2 * (busier.proof + busier.page)
    assert busier.seconds() == busier.proof + busier.page, "a breath is no change"
    assert busier.slower() == MOST_BUSY


def test_what_the_fresh_process_has_imported_by_then_is_not_waited_for() -> None:
    class Fresh:
        ready, starts = False, 0

        def start(self) -> None:
            self.starts += 1

    now, fresh = [0.0], Fresh()
    closing = Closing(600.0, imports=4.0, beat=lambda: 0.01, standby=fresh, clock=lambda: now[0])
    closing.note(6.0, 6.0, 0)
    closing.warm(500.0)
    assert fresh.starts == 0, "it takes memory"
    closing.warm(100.0)
    closing.warm(90.0)
    assert fresh.starts == 1
    assert closing.proof == 10 + WARM
    now[0] += 7
    assert closing.proof == 3 + WARM
    now[0] += 70
    assert closing.proof == WARM
    now[0], fresh.ready = 1.0, True
    assert closing.proof == WARM


def test_what_is_not_measured_is_counted_at_the_speed_of_this_core() -> None:
    assert Closing(60.0, beat=lambda: BEAT).usual == 1.0
    assert Closing(60.0, beat=lambda: 2 * BEAT).usual == 2.0
    assert Closing(60.0, beat=lambda: 99.0).usual == MOST_UNUSUAL
