"""Supply and voltage: what a meter makes of exact trajectories."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.virtual_time import VirtualLoop
from drivers.emulated.power import AverageVoltage, PowerSense, VoltageSettings
from drivers.emulated.schedule import Schedule
from drivers.emulated.supply import SupplyNode


class Terminals:
    """A node with a PowerSense on it, and what that said."""

    def __init__(self, volts: float = 230.0) -> None:
        self.loop = asyncio.get_running_loop()
        self.schedule = Schedule(self.loop, 1)
        self.node = SupplyNode(self.loop.time)
        self.node.step(volts)
        self.said: list[tuple[str, float]] = []
        self.sense = PowerSense(
            self.schedule,
            self.node,
            80.0,
            0.5,
            on_fall=lambda: self.said.append(("fall", self.loop.time())),
            on_lost=lambda: self.said.append(("lost", self.loop.time())),
            on_back=lambda: self.said.append(("back", self.loop.time())),
        )


async def test_a_dip_shorter_than_the_hold_up_is_not_noticed() -> None:
    here = Terminals()
    here.node.step(0.0)
    await asyncio.sleep(0.49)
    here.node.step(230.0)
    await asyncio.sleep(10)
    assert here.said == [("fall", 0.0)]
    assert here.sense.powered


async def test_a_longer_one_is_an_outage_from_its_fall_to_its_end() -> None:
    here = Terminals()
    await asyncio.sleep(1)
    here.node.step(0.0)
    await asyncio.sleep(0.51)
    here.node.step(230.0)
    assert here.said == [("fall", 1.0), ("lost", 1.5), ("back", pytest.approx(1.51))]


async def test_a_sag_above_the_brown_out_level_is_none() -> None:
    here = Terminals()
    here.node.step(80.0)
    await asyncio.sleep(100)
    assert here.said == []


async def test_a_ramp_counts_from_where_it_crosses_the_level() -> None:
    here = Terminals()
    here.node.ramp(0.0, 10.0)
    await asyncio.sleep(100)
    here.node.ramp(230.0, 10.0)
    await asyncio.sleep(100)
    assert here.said == [("fall", 15.0), ("lost", 15.5), ("back", 108.0)]


async def test_a_ramp_that_turns_back_before_the_level_does_not_count() -> None:
    here = Terminals()
    here.node.ramp(0.0, 10.0)
    await asyncio.sleep(14)
    here.node.ramp(230.0, 10.0)
    await asyncio.sleep(100)
    assert here.said == []


async def test_a_step_and_a_program_segment_of_no_slope_are_the_same() -> None:
    here = Terminals(0.0)
    assert not here.sense.powered
    here.node.ramp(230.0, float("inf"))
    assert here.said == [("back", 0.0)]


class Mean:
    """A node with averages, and the codes that they raised. The first period begins unpowered: it has no mean."""

    def __init__(self, phase: float = 0.0, period_s: int = 60, over_v: float = 253.0, under_v: float = 207.0) -> None:
        self.loop = asyncio.get_running_loop()
        self.schedule = Schedule(self.loop, 1)
        self.node = SupplyNode(self.loop.time)
        self.codes: list[tuple[float, str]] = []
        self.average = AverageVoltage(
            self.schedule,
            phase,
            VoltageSettings(period_s, over_v, under_v),
            lambda code: self.codes.append((self.loop.time(), f"{code:04X}")),
        )
        self.node.subscribe(lambda node: self.average.follow(node.trajectory))
        self.node.step(230.0)

    def means(self) -> list[float]:
        return [mean for _, mean in self.average.means]


async def test_a_whole_period_above_raises_8002_as_it_ends_and_8085_after_the_one_below() -> None:
    here = Mean()
    await asyncio.sleep(90)
    here.node.step(260.0)
    await asyncio.sleep(120)
    here.node.step(230.0)
    await asyncio.sleep(200)
    # 60-120 s is half and half: 245 V; 180-240 s likewise.
    assert here.codes == [(180.0, "8002"), (240.0, "8085")]
    assert here.means()[:4] == [245.0, 260.0, 245.0, 230.0]


@pytest.mark.parametrize(("volts", "raised"), [(253.0, False), (253.001, True), (252.999, False)])
async def test_a_mean_at_the_threshold_is_not_above_it(volts: float, raised: bool) -> None:
    here = Mean()
    await asyncio.sleep(60)
    here.node.step(volts)
    # Cutting the period in odd pieces must not add up to anything else.
    for _ in range(7):
        await asyncio.sleep(7.7)
        here.node.step(volts)
    await asyncio.sleep(10)
    assert bool(here.codes) is raised


async def test_the_voltage_was_high_and_no_mean_was() -> None:
    here = Mean()
    await asyncio.sleep(60)
    for _ in range(10):
        here.node.step(265.0)
        await asyncio.sleep(30)
        here.node.step(230.0)
        await asyncio.sleep(30)
    assert here.codes == []


async def test_under_voltage_has_codes_of_its_own() -> None:
    here = Mean()
    here.node.step(200.0)
    await asyncio.sleep(185)
    here.node.step(230.0)
    await asyncio.sleep(200)
    assert [code for _, code in here.codes] == ["8006", "8089"]
    assert (here.average.over_count, here.average.under_count) == (0, 1)


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.999])
async def test_the_phase_decides_when_periods_end(phase: float) -> None:
    here = Mean(phase)
    await asyncio.sleep(1000)
    first, second = (end for end, _ in list(here.average.means)[:2])
    assert second - first == pytest.approx(60)
    assert (first / 60 + phase) % 1 == pytest.approx(0, abs=1e-9) or (first / 60 + phase) % 1 == pytest.approx(1)


async def test_a_period_without_power_has_no_mean() -> None:
    here = Mean()
    await asyncio.sleep(90)
    here.average.follow(None)
    await asyncio.sleep(10)
    here.average.follow(here.node.trajectory)
    await asyncio.sleep(200)
    assert [end for end, _ in here.average.means] == [180.0, 240.0, 300.0]
    assert here.codes == []


async def test_a_new_length_begins_with_its_next_whole_period() -> None:
    here = Mean(period_s=1800)
    await asyncio.sleep(100)
    here.node.step(260.0)
    here.average.configure(VoltageSettings(60, 253.0, 207.0))
    await asyncio.sleep(100)
    assert here.codes == [(180.0, "8002")]


async def test_new_thresholds_leave_the_periods_alone() -> None:
    here = Mean(over_v=300.0)
    here.node.step(260.0)
    await asyncio.sleep(90)
    here.average.configure(VoltageSettings(60, 253.0, 207.0))
    await asyncio.sleep(60)
    assert here.codes == [(120.0, "8002")]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.1, 50), st.floats(80, 300), st.sampled_from([0.5, 5.0, 100.0, float("inf")])),
        min_size=1,
        max_size=20,
    )
)
def test_the_mean_is_the_integral(pieces: list[tuple[float, float, float]]) -> None:
    """Whatever the voltage does, the mean is that of fine samples of it."""

    async def body() -> None:
        here = Mean()
        samples: list[float] = []

        def sample() -> None:
            samples.append(here.node.volts)
            if here.loop.time() < 119.9:
                here.schedule.after(0.01, sample)

        await asyncio.sleep(60)
        here.schedule.after(0.005, sample)
        for wait_s, volts, slope in pieces:
            here.node.ramp(volts, slope)
            await asyncio.sleep(wait_s)
        await asyncio.sleep(max(0.0, 120.5 - here.loop.time()))
        expected = sum(samples[:6000]) / len(samples[:6000])
        assert here.means()[0] == pytest.approx(expected, abs=0.6)
        here.schedule.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(body())
