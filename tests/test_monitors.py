"""A supply that does not stay as a step set it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.verdict import Verdict
from tests.fakes import RIG, make_bench

RAISE = "steps: [{supply: {set: 250 V}, forbid: [{hub: {power: 'off'}, for: 60 s}]}]\n"
UNSTEADY = "the supply did not stay at 250 V as it was set: the reference meter reads 230.0 V"


async def test_a_voltage_that_does_not_stay_leaves_the_run_undecided(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(10, setattr, bench.meter, "reads", 230.0)
    result = await bench.run(RAISE)
    assert (result.verdict, result.reason) == (Verdict.UNDECIDED, UNSTEADY)
    assert result.parked


@pytest.mark.parametrize(
    ("readings", "verdict"),
    [
        ([(10.5, 230.0), (12.6, None)], "passed"),
        ([(10.5, 230.0), (13.6, None)], "undecided"),
        ([(10.5, 230.0), (12.6, None), (13.6, 230.0), (15.6, None)], "passed"),
        ([(10.5, 238.0)], "passed"),
        ([(10.5, 237.0)], "undecided"),
        ([(10.5, 263.0)], "undecided"),
    ],
)
async def test_three_readings_in_a_row_that_are_off_by_more_than_five_percent(
    tmp_path: Path, readings: list[tuple[float, float | None]], verdict: str
) -> None:
    bench = make_bench(tmp_path)
    for when_s, volts in readings:
        bench.at(when_s, setattr, bench.meter, "reads", volts)
    assert (await bench.run(RAISE)).verdict == verdict


async def test_a_voltage_that_the_meter_never_saw_is_not_judged(tmp_path: Path) -> None:
    """The relay may be open, or the meter elsewhere."""
    bench = make_bench(tmp_path)
    bench.meter.reads = 0.0
    assert (await bench.run(RAISE)).verdict is Verdict.PASSED
    relay_open = "steps: [{relay: {closed: no}}, {supply: {set: 250 V}}, {wait: 30 s}, {relay: {closed: yes}}]\n"
    bench.meter.reads = None
    assert (await bench.run(relay_open)).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    "steps",
    [
        "{supply: {set: 250 V}}, {supply: {set: 230 V}}, {wait: 30 s}",
        "{supply: {output: off}}, {wait: 30 s}, {supply: {output: on}}, {wait: 30 s}",
        "{supply: {interrupt: {for: 30 s}}, forbid: [{hub: {power: 'off'}, for: 30 s, after: restore}]}",
        "{supply: {sag: {to: 200 V, for: 20 s}}, forbid: [{hub: {power: 'off'}, for: 30 s, after: end}]}",
        "{supply: {ramp: {to: 250 V, slope: 1 V/s}}, forbid: [{hub: {power: 'off'}, for: 30 s, after: end}]}",
        "{relay: {closed: no}}, {wait: 30 s}, {relay: {closed: yes}}, {wait: 30 s}",
    ],
)
async def test_what_the_bench_itself_does_to_the_supply_is_steady(tmp_path: Path, steps: str) -> None:
    bench = make_bench(tmp_path)
    result = await bench.run(f"steps: [{steps}]\n")
    assert (result.verdict, result.reason) == (Verdict.PASSED, "")


async def test_a_brown_out_while_a_voltage_is_set_leads_to_the_safe_state(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(10.5, setattr, bench.meter, "reads", 60.0)
    result = await bench.run(RAISE)
    assert result.verdict is Verdict.UNDECIDED
    assert "aborted: the reference meter read 60 V, below the rig's limit of 180 V, 2 times in a row" in result.reason
    assert bench.is_safe and not result.parked
    assert bench.told("run", state="abort")[0].data["reason"].startswith("the reference meter read 60 V")


async def test_a_rig_without_a_reference_meter_is_watched_by_its_source(tmp_path: Path) -> None:
    rig = RIG.replace(", meter: meter", "").replace("{device: meter, quantity", "{device: source, quantity")
    bench = make_bench(tmp_path, rig_text=rig)
    bench.at(10.5, setattr, bench.source, "volts", 290.0)
    result = await bench.run("steps: [{wait: 60 s}]\n")
    assert "aborted: the source's own meter read 290 V, above the rig's limit of 270 V" in result.reason
    assert bench.is_safe
    bench = make_bench(tmp_path, rig_text=rig)
    bench.at(10.5, bench.source.lose, "read_state")
    result = await bench.run("steps: [{wait: 60 s}]\n")
    assert "aborted: the source's own meter is lost" in result.reason
