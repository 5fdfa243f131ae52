"""Nights with faults: every verdict is what the schedule of the faults implies, and nothing grows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.verdict import Verdict
from drivers.emulated.faults import Fault
from tests.soak.implied import implied
from tests.soak.nights import SLOT_S, moments, night, night_windows, prepared, schedule

NIGHTS = int(os.environ.get("HILBENCH_SOAK_NIGHTS", "8"))
"""How many nights `make soak` has: as many as fit into its time; 30 for a release."""
MOST_GROWTH_BYTES = 4_000_000
SETTLED, MIDDLE = 6, 20
"""Runs after which a night's memory has settled, and that are its first or last part."""


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(NIGHTS))
async def test_a_night_of_faults(tmp_path: Path, seed: int) -> None:
    slots = await night(seed, tmp_path)
    assert len(slots) == len(moments())
    wrong = [slot for slot in slots if slot.found is not slot.wanted]
    assert not wrong, "\n".join(
        f"{each.runbook} at {each.began_s:g} s is {each.found}, not {each.wanted}: {each.reason}; {each.faults}"
        for each in wrong
    )
    # At some moments a fault lasts, and something is disconnected, or being connected again: at most it is not.
    early, late = ([slot.footprint for slot in part] for part in (slots[SETTLED:MIDDLE], slots[-MIDDLE:]))
    for held in ("files", "tasks"):
        assert _median([getattr(each, held) for each in late]) <= _median([getattr(each, held) for each in early])
    grown = _median([each.resident_bytes for each in late]) - _median([each.resident_bytes for each in early])
    assert grown < MOST_GROWTH_BYTES
    for runbook in {slot.runbook for slot in slots}:
        sizes = [slot.journal_bytes for slot in slots if slot.runbook == runbook and slot.found is Verdict.PASSED]
        half = len(sizes) // 2
        assert _median(sizes[half:]) < 1.1 * _median(sizes[:half])


def _median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("source-silent from 185 s for 20 s", Verdict.UNDECIDED),  # the supply is to be switched off at 190 s
        ("source-silent from 195 s for 20 s", Verdict.PASSED),  # nobody asks it meanwhile
        ("source-silent from 189 s for 20 s", None),
        ("meter-silent from 260 s for 20 s", Verdict.UNDECIDED),
        ("meter-silent from 280 s for 500 ms", Verdict.PASSED),
        ("dcc-silent from 260 s for 20 s", Verdict.FAILED),  # the alert is lost
        ("dcc-away from 260 s for 20 s", Verdict.PASSED),  # the alert comes later
        ("relay-reboots from 200 s", Verdict.FAILED),  # the supply does not come back
        ("relay-reboots from 300 s", Verdict.UNDECIDED),  # the supply does not stay
        ("mains-brown-out from 300 s for 20 s", Verdict.UNDECIDED),
        ("alert-never from 215 s for 20 s", Verdict.FAILED),
        ("relay-ignores from 185 s for 90 s", Verdict.PASSED),
    ],
)
def test_what_is_implied(text: str, wanted: Verdict | None) -> None:
    rig, planned = prepared()
    outage = night_windows(rig, planned)[0]
    assert implied(Fault.parse(text), moments()[0], outage) is wanted


def test_nights_are_of_all_sorts_and_their_own() -> None:
    """A schedule that implies nothing but passes would prove nothing."""
    rig, planned = prepared()
    windows = night_windows(rig, planned)
    assert schedule(1, windows) == schedule(1, windows) != schedule(2, windows)
    found = {
        implied(fault, began_s, each)
        for fault in schedule(1, windows)
        for began_s, each in zip(moments(), windows, strict=True)
    }
    assert found == {Verdict.PASSED, Verdict.FAILED, Verdict.UNDECIDED}
    assert SLOT_S * len(moments()) == 8 * 3600
