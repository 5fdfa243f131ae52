from __future__ import annotations

import pytest

from bench import clock as clock_module
from bench.clock import ClockKind, RealClock, Synchronisation, read_synchronisation
from bench.errors import ClockError


def test_the_operating_system_says_whether_it_is_synchronised() -> None:
    state = read_synchronisation()
    assert state.synchronised or str(state) == "unsynchronised"


@pytest.mark.parametrize(
    ("result", "status", "expected"),
    [
        (0, 0, Synchronisation(True, 1_500_000)),
        (0, 0x0040, Synchronisation(False, 0)),
        (5, 0, Synchronisation(False, 0)),
        (-1, 0, Synchronisation(False, 0)),
    ],
)
def test_each_answer_of_the_kernel_is_understood(
    monkeypatch: pytest.MonkeyPatch, result: int, status: int, expected: Synchronisation
) -> None:
    class Kernel:
        @staticmethod
        def ntp_adjtime(pointer: object) -> int:
            state = pointer._obj  # type: ignore[attr-defined]
            assert state.modes == 0, "the bench must never change the clock"
            state.status, state.maxerror = status, 1500
            return result

    monkeypatch.setattr(clock_module, "_libc", Kernel)
    assert read_synchronisation() == expected


def test_an_unsynchronised_clock_does_not_pretend_to_an_uncertainty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "read_synchronisation", lambda: Synchronisation(False, 0))
    assert RealClock().now().uncertainty_ns is None
    monkeypatch.setattr(clock_module, "read_synchronisation", lambda: Synchronisation(True, 2_000_000))
    now = RealClock().now()
    assert (now.kind, now.uncertainty_ns) == (ClockKind.REAL, 2_000_000)


def test_a_stepped_clock_is_found_and_a_slewed_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = RealClock()
    clock.check()
    true_time_ns = clock_module.time.time_ns
    monkeypatch.setattr(clock_module.time, "time_ns", lambda: true_time_ns() + 100_000_000)
    clock.check()
    monkeypatch.setattr(clock_module.time, "time_ns", lambda: true_time_ns() + 3_600_000_000_000)
    with pytest.raises(ClockError, match=r"stepped by \+3600"):
        clock.check()


def test_both_time_scales_only_go_forward() -> None:
    clock = RealClock()
    readings = [clock.now() for _ in range(1000)]
    assert all(a.mono_ns <= b.mono_ns for a, b in zip(readings, readings[1:], strict=False))
