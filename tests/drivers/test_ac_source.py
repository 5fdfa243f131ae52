"""What an AC source does to the supply, by each profile, and how its settings are found out that it ignores."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from pydantic import ValidationError

from bench.capabilities import AcSource, EdgeKind, Measures, TimedBy
from bench.errors import DeviceError, DeviceLost, UsageError
from drivers.ac_source import AcSourceConfig, ScpiAcSource
from drivers.ac_source_profile import differs, profiles
from drivers.emulated.ac_source import AcSourceModel
from drivers.emulated.ac_source_commands import plain_interpreter
from drivers.emulated.scpi_wire import SerialWire, WireFaults
from drivers.emulated.supply import SupplyNode
from tests.drivers.ac_bench import PROFILES, ac_bench, both
from tests.drivers.surroundings import Surroundings

LATENCY_NS = 20_000_000


def now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


@both
async def test_switches_the_output_and_says_what_that_did(profile: str) -> None:
    async with ac_bench(profile, on=False) as bench:
        assert isinstance(bench.source, AcSource) and isinstance(bench.source, Measures)
        on = await bench.source.output(True)
        assert (on.kind, on.volts, on.timed_by, on.uncertainty_ns) == (
            EdgeKind.RESTORE,
            230.0,
            TimedBy.BENCH,
            LATENCY_NS,
        )
        assert bench.node.volts == 230.0
        again = await bench.source.output(True)
        assert again.kind is EdgeKind.SET
        off = await bench.source.output(False)
        assert (off.kind, off.volts) == (EdgeKind.FALL, 0.0)
        assert bench.node.volts == 0.0


@both
async def test_sets_voltage_and_frequency_and_reads_them_back(profile: str) -> None:
    async with ac_bench(profile) as bench:
        edge = await bench.source.set_voltage(253.1)
        assert (edge.kind, edge.volts, edge.timed_by) == (EdgeKind.SET, 253.1, TimedBy.BENCH)
        assert edge.at.mono_ns == now_ns()
        assert bench.node.volts == 253.1
        await bench.source.set_frequency(49.5)
        state = await bench.source.read_state()
        assert (state.output_on, state.set_volts, state.set_hertz, state.measured_volts) == (True, 253.1, 49.5, 253.1)


@both
async def test_zero_volts_is_a_fall_and_its_end_a_restore(profile: str) -> None:
    async with ac_bench(profile) as bench:
        assert (await bench.source.set_voltage(0.0)).kind is EdgeKind.FALL
        assert (await bench.source.set_voltage(230.0)).kind is EdgeKind.RESTORE


@both
async def test_a_voltage_set_while_off_reaches_nobody(profile: str) -> None:
    async with ac_bench(profile, on=False) as bench:
        edge = await bench.source.set_voltage(240.0)
        assert (edge.kind, edge.volts) == (EdgeKind.SET, 0.0)
        assert bench.history == [(0.0, 0.0)]


@both
@pytest.mark.parametrize("duration_s", [0.1, 0.5, 1.0])
async def test_short_sag(profile: str, duration_s: float) -> None:
    async with ac_bench(profile) as bench:
        fall, back = await bench.source.excursion(161.0, duration_s)
        timed_by = TimedBy.INSTRUMENT if profile == "chroma-61500" else TimedBy.BENCH
        assert (fall.timed_by, back.timed_by) == (timed_by, timed_by)
        assert (fall.volts, back.volts) == (161.0, 230.0)
        assert back.at.mono_ns - fall.at.mono_ns == round(duration_s * 1e9)
        assert (0.0, 161.0) in bench.history and (duration_s, 230.0) in bench.history
        assert {volts for _, volts in bench.history} == {161.0, 230.0}
        assert not bench.model.running
        assert (await bench.source.read_state()).measured_volts == 230.0


@both
async def test_long_swell_is_timed_by_the_bench(profile: str) -> None:
    async with ac_bench(profile) as bench:
        up, back = await bench.source.excursion(257.0, 1800.0)
        assert (up.timed_by, back.timed_by) == (TimedBy.BENCH, TimedBy.BENCH)
        assert bench.history == [(0.0, 257.0), (1800.0, 230.0)]
        assert up.uncertainty_ns == LATENCY_NS


@both
@pytest.mark.parametrize("duration_s", [0.4, 180.0])
async def test_interruption(profile: str, duration_s: float) -> None:
    async with ac_bench(profile) as bench:
        fall, restore = await bench.source.interrupt(duration_s)
        assert (fall.kind, fall.volts) == (EdgeKind.FALL, 0.0)
        assert (restore.kind, restore.volts) == (EdgeKind.RESTORE, 230.0)
        assert restore.at.mono_ns - fall.at.mono_ns == round(duration_s * 1e9)
        assert (0.0, 0.0) in bench.history and (duration_s, 230.0) in bench.history
        by_instrument = profile == "chroma-61500" and duration_s < 1
        assert fall.timed_by is (TimedBy.INSTRUMENT if by_instrument else TimedBy.BENCH)
        assert (await bench.source.read_state()).output_on


@both
async def test_a_ramp_never_leaves_its_slope(profile: str) -> None:
    async with ac_bench(profile) as bench:
        seen: list[tuple[float, float]] = []
        loop = asyncio.get_running_loop()
        began_s = loop.time()

        async def watch() -> None:
            for _ in range(26):
                seen.append((loop.time() - began_s, bench.node.volts))
                await asyncio.sleep(0.1)

        watching = asyncio.create_task(watch())
        (edge,) = await bench.source.ramp(207.0, 10.0)
        assert edge.at.mono_ns == round((began_s + 2.3) * 1e9)
        await watching
        for at_s, volts in seen:
            assert volts == pytest.approx(max(230.0 - 10.0 * at_s, 207.0), abs=0.51)
        assert edge.volts == bench.node.volts == bench.model.volts == 207.0
        assert edge.timed_by is (TimedBy.INSTRUMENT if profile == "chroma-61500" else TimedBy.BENCH)
        assert not bench.model.running


async def test_a_stepped_ramp_on_a_slow_instrument_is_coarser_and_not_steeper() -> None:
    async with ac_bench() as bench:
        bench.faults.delay_s = 0.3
        await bench.source.ramp(210.0, 10.0)
        for (one_s, one_v), (next_s, next_v) in zip(bench.history, bench.history[1:], strict=False):
            assert abs(next_v - one_v) <= 10.0 * (next_s - one_s) + 0.02
        assert bench.node.volts == 210.0


@both
async def test_measures(profile: str) -> None:
    async with ac_bench(profile, model_options={"noise": random.Random(7)}) as bench:
        volts = await bench.source.measure("voltage")
        assert volts.unit == "V" and volts.value == pytest.approx(230.0, abs=0.2) and volts.value != 230.0
        assert (await bench.source.measure("current")).value == pytest.approx(0.435, abs=0.01)
        assert (await bench.source.measure("frequency")).value == pytest.approx(50.0, abs=0.01)
        assert (await bench.source.measure("power")).unit == "W"
        with pytest.raises(UsageError, match="voltage, current, frequency, power"):
            await bench.source.measure("phase")


@both
@pytest.mark.parametrize("stage", ["ramp", "excursion", "interrupt"])
async def test_nothing_can_change_an_output_that_is_off(profile: str, stage: str) -> None:
    async with ac_bench(profile, on=False) as bench:
        verbs = {
            "ramp": lambda: bench.source.ramp(200.0, 10.0),
            "excursion": lambda: bench.source.excursion(200.0, 1.0),
            "interrupt": lambda: bench.source.interrupt(1.0),
        }
        with pytest.raises(DeviceError, match="output is off"):
            await verbs[stage]()


async def test_durations_and_slopes_must_lead_somewhere() -> None:
    async with ac_bench() as bench:
        for verb in (bench.source.ramp(200.0, 0.0), bench.source.excursion(200.0, 0.0), bench.source.interrupt(-1.0)):
            with pytest.raises(UsageError):
                await verb
        assert bench.history == []


@both
async def test_a_source_that_ignores_a_setting_is_found_out(profile: str) -> None:
    async with ac_bench(profile) as bench:
        bench.model.disobedience.ignores = True
        with pytest.raises(DeviceError, match=r"accepted .*VOLT.* 250\.\d+ and did not follow it: .*VOLT.*\? says 230"):
            await bench.source.set_voltage(250.0)
        with pytest.raises(DeviceError, match=r"FREQ 51\.00 and did not follow it: .*says 50\.00"):
            await bench.source.set_frequency(51.0)
        with pytest.raises(DeviceError, match="OUTP OFF and did not follow it"):
            await bench.source.output(False)
        with pytest.raises(DeviceError, match="still on after OUTP OFF"):
            await bench.source.make_safe()


@both
async def test_an_output_that_does_not_follow_its_setting_is_found_out(profile: str) -> None:
    async with ac_bench(profile) as bench:
        bench.model.disobedience.stuck = True
        with pytest.raises(DeviceError, match=r"did not follow: 250 V was set, MEAS:VOLT.* says 230 V"):
            await bench.source.set_voltage(250.0)


async def test_a_slow_output_is_waited_for() -> None:
    async with ac_bench() as bench:
        bench.model.slew_v_per_s = 40.0
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        edge = await bench.source.set_voltage(250.0)
        assert loop.time() - began_s == pytest.approx(0.5)
        assert edge.at.mono_ns == round(began_s * 1e9)


@both
async def test_the_instruments_refusal_is_named_and_its_queue_emptied(profile: str) -> None:
    async with ac_bench(profile) as bench:
        with pytest.raises(
            DeviceError, match=r"source \(TCPIP.*\): it reports -222 Data out of range after .*VOLT.* 400"
        ):
            await bench.source.set_voltage(400.0)
        assert not bench.interpreter.errors
        await bench.source.set_voltage(240.0)


async def test_errors_that_others_left_behind_are_not_blamed_on_the_bench() -> None:
    async with ac_bench(connect=False) as bench:
        for _ in range(40):
            bench.interpreter.put_error(-113)
        await bench.source.connect()
        await bench.source.set_voltage(240.0)


async def test_a_connection_that_fails_halfway_leaves_nothing_open() -> None:
    async with ac_bench(connect=False) as bench:
        bench.interpreter._next_error = lambda: "no"  # type: ignore[method-assign]
        with pytest.raises(DeviceError, match="no error and no"):
            await bench.source.connect()
        await asyncio.sleep(0.01)
        assert not bench.server._connections


async def test_a_queue_that_never_empties_is_an_error() -> None:
    async with ac_bench() as bench:
        # One more for each that is read.
        bench.interpreter._next_error = lambda: '-113,"Undefined header"'  # type: ignore[method-assign]
        with pytest.raises(DeviceError, match="does not empty"):
            await bench.source.set_voltage(240.0)


async def test_another_clients_setting_reaches_the_supply_and_the_bench_sees_it() -> None:
    async with ac_bench() as bench:
        reader, writer = await bench.client()
        writer.write(b"SOURce:VOLTage:LEVel:IMMediate:AMPLitude 0.207 kV\n")
        writer.write(b"volt?\n")
        assert await reader.readline() == b"207.00\n"
        assert bench.node.volts == 207.0
        state = await bench.source.read_state()
        assert (state.set_volts, state.measured_volts) == (207.0, 207.0)
        writer.close()
        await writer.wait_closed()


async def test_another_instrument_at_the_address_is_refused() -> None:
    async with ac_bench("scpi-99", connect=False) as bench:
        config = AcSourceConfig.model_validate({"resource": bench.resource, "profile": "chroma-61500"})
        source = ScpiAcSource(Surroundings().context("source"), config)
        with pytest.raises(DeviceError, match="does not fit"):
            await source.connect()


async def test_the_same_over_a_serial_line(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    node, faults = SupplyNode(loop.time), WireFaults()
    model = AcSourceModel(loop, node, volts=230.0, on=True)
    wire = SerialWire(plain_interpreter(model), faults, tmp_path / "source", random.Random(1))
    around = Surroundings()
    config = AcSourceConfig.model_validate({"resource": f"ASRL{tmp_path}/source::INSTR"})
    source = ScpiAcSource(around.context("source"), config)
    assert source.resources() == [f"{tmp_path}/source"]
    try:
        await source.connect()
        fall, restore = await source.interrupt(30.0)
        assert restore.at.mono_ns - fall.at.mono_ns == 30_000_000_000
        # A late reply stays in the line here: no new connection takes it away.
        faults.delay_s = 3.0
        with pytest.raises(DeviceLost):
            await source.measure("voltage")
        faults.delay_s = 0.5
        assert (await source.measure("frequency")).value == 50.0
        blocked = asyncio.create_task(source.set_voltage(240.0))
        faults.delay_s = 1.0
        await asyncio.sleep(0.6)
        safe = asyncio.create_task(source.make_safe())
        await asyncio.sleep(0.02)
        assert node.volts == 0.0
        await safe
        with pytest.raises(DeviceError):
            await blocked
        wire.line.unplug()
        with pytest.raises(DeviceLost, match="source"):
            await source.measure("voltage")
        wire.line.plug()
        faults.delay_s = 0.0
        assert (await source.measure("voltage")).value == 0.0
        assert around.states()[-1] == "reconnected"
    finally:
        await source.close()
        wire.close()
        model.close()


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"resource": "192.0.2.7"}, "no instrument address"),
        ({"resource": "TCPIP::192.0.2.7::99999::SOCKET"}, "between 1 and 65535"),
        ({"resource": "GPIB0::7::INSTR", "profile": "chroma"}, "there is no profile 'chroma'; there are scpi-99"),
        ({"resource": "GPIB0::7::INSTR", "timeout": "0 s"}, "greater than 0"),
        ({"resource": "GPIB0::7::INSTR", "volts": "230 V"}, "Extra inputs"),
    ],
)
def test_a_bad_section_of_the_rig_file_is_refused(config: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        AcSourceConfig.model_validate(config)


def test_every_profile_says_what_it_follows_and_what_is_not_verified() -> None:
    assert set(PROFILES) == set(profiles())
    for profile in profiles().values():
        assert profile.follows and profile.unverified


@pytest.mark.parametrize(
    ("command", "reply", "different"),
    [
        ("VOLT 230.0", "230", False),
        ("VOLT 230.0", "+2.3000E+02", False),
        ("VOLT 230.0", "230.04", False),
        ("VOLT 230.0", "230.1", True),
        ("OUTP ON", "1", False),
        ("OUTP OFF", "OFF", False),
        ("OUTP OFF", "1", True),
        ("OUTP:MODE PULSE", "PULS", False),
        ("OUTP:MODE FIXED", "LIST", True),
        ("OUTP:MODE FIXED", "", True),
        ("LIST:DWEL 10.0,20.0", "10.0, 20.0", False),
        ("LIST:DWEL 10.0,20.0", "10.0", True),
        ("VOLT 230.0", "nonsense", True),
    ],
)
def test_a_reply_is_compared_as_a_value(command: str, reply: str, different: bool) -> None:
    assert differs(command, reply) is different
