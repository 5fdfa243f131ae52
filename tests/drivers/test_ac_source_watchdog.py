"""The AC source's own watchdog: armed, fed no more than needed, and recognised once it has acted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from bench.capabilities import ActsAlone, EdgeKind
from bench.errors import DeviceError
from drivers.ac_source import AcSourceConfig, ScpiAcSource
from drivers.emulated.ac_source import AcSourceModel
from tests.drivers.ac_bench import AcBench, ac_bench
from tests.drivers.surroundings import Surroundings

PROFILE = "keysight-ac6800"
LOOK = "OUTP:PROT:WDOG?;:OUTP:PROT:WDOG:DEL?;:STAT:QUES:COND?"
TRIPPED = "its own watchdog has switched its output off: it had heard nothing for 10.0 s"

AGAIN = "its watchdog was not armed any more, as after a restart, and is again"


def watched(*, on: bool = True, connect: bool = True, **config: Any) -> Any:
    return ac_bench(PROFILE, on=on, connect=connect, **({"watchdog": {"time": "10 s"}} | config))


def details(bench: AcBench, state: str) -> list[str]:
    return [str(e.data["detail"]) for e in bench.events if e.kind == "device" and e.data["state"] == state]


async def dies(bench: AcBench) -> None:
    """The bench is dead: nothing of it says a word any more, and nobody takes leave."""
    await bench.source.stop_background()
    bench.server.drop()


async def test_it_is_armed_with_its_time_and_fed_only_when_nothing_else_is_said() -> None:
    async with watched() as bench:
        assert (bench.model.watchdog_on, bench.model.watchdog_s) == (True, 10)
        assert isinstance(bench.source, ActsAlone) and bench.source.acts_alone_after_s == 10
        before = len(bench.sent())
        await asyncio.sleep(3600)
        said = bench.sent()[before:]
        assert set(said) == {LOOK} and 719 <= len(said) <= 721, "one look for each half of its time"
        before = len(bench.sent())
        for _ in range(300):
            await bench.source.measure("voltage")
            await asyncio.sleep(1)
        assert LOOK not in bench.sent()[before:]
        assert (bench.node.volts, bench.model.tripped, details(bench, "tripped")) == (230, False, [])


async def test_it_takes_the_output_away_when_the_bench_is_dead_and_keeps_it_so() -> None:
    async with watched() as bench:
        await asyncio.sleep(7)
        await dies(bench)
        await asyncio.sleep(4)
        assert bench.node.volts == 230
        await asyncio.sleep(6.1)
        assert (bench.node.volts, bench.model.tripped, bench.model.on) == (0, True, True)
        # The next engine finds it: the terminals stay dead until somebody switches on.
        again = ScpiAcSource(Surroundings().context("source"), bench.source.config)
        await again.connect()
        state = await again.read_state()
        assert (state.output_on, state.measured_volts) == (False, 0)
        assert (await again.set_voltage(231)).volts == 0
        assert (bench.node.volts, bench.model.on, bench.model.tripped) == (0, False, True)
        edge = await again.output(True)
        assert (edge.kind, edge.volts, bench.node.volts, bench.model.tripped) == (EdgeKind.RESTORE, 231, 231, False)
        await again.close()


async def test_a_trip_during_the_connection_is_said_once_and_no_shape_begins() -> None:
    async with watched() as bench:
        bench.faults.stuck = True
        await asyncio.sleep(11)
        assert bench.node.volts == 0
        bench.faults.stuck = False
        await asyncio.sleep(11)
        assert details(bench, "tripped") == [TRIPPED]
        with pytest.raises(DeviceError, match="its output is off"):
            await bench.source.excursion(207, 0.5)
        assert bench.node.volts == 0
        await bench.source.output(True)
        assert bench.node.volts == 230 and details(bench, "reconnected")[-1] == "its watchdog had acted, and is cleared"


async def test_clearing_never_gives_the_supply_back_by_itself() -> None:
    async with watched() as bench:
        await dies(bench)
        await asyncio.sleep(11)
        assert bench.node.volts == 0
        history = len(bench.history)
        await bench.source.output(True)
        off, clear, on = (bench.sent().index(f"{word};:SYST:ERR?") for word in ("OUTP OFF", "OUTP:PROT:CLE", "OUTP ON"))
        assert off < clear < on
        assert [volts for _, volts in bench.history[history:] if volts] == [230]


async def test_made_safe_it_is_off_by_its_switch_too() -> None:
    async with watched() as bench:
        await dies(bench)
        await asyncio.sleep(11)
        await bench.source.make_safe()
        assert (bench.model.on, bench.node.volts) == (False, 0)


async def test_left_in_order_it_is_off_and_the_supply_stays() -> None:
    async with watched() as bench:
        await bench.source.close()
        assert not bench.model.watchdog_on
        await asyncio.sleep(60)
        assert bench.node.volts == 230


async def test_left_without_being_safe_it_stays_armed() -> None:
    async with watched() as bench:
        bench.model.disobedience.ignores = True
        with pytest.raises(DeviceError, match="still on after OUTP OFF"):
            await bench.source.make_safe()
        await bench.source.close()
        assert bench.model.watchdog_on
        await asyncio.sleep(11)
        assert bench.node.volts == 0, "the last that could still do it"


async def test_another_hand_such_as_the_guard_leaves_it_alone() -> None:
    async with watched() as bench:
        guard = ScpiAcSource(Surroundings().context("source"), bench.source.config)
        guard.arms = False
        await dies(bench)
        await guard.connect()
        await guard.close()
        assert bench.model.watchdog_on
        await asyncio.sleep(11)
        assert bench.node.volts == 0


async def test_armed_again_after_a_restart_and_after_another_rig_has_left() -> None:
    async with watched() as bench:
        await bench.server.vanish()
        bench.model.reset()
        await bench.server.resume()
        await asyncio.sleep(12)
        assert bench.model.watchdog_on
        for change in (lambda: bench.model.set_watchdog(False), lambda: bench.model.set_watchdog_time(600)):
            change()
            await asyncio.sleep(11)
            assert (bench.model.watchdog_on, bench.model.watchdog_s) == (True, 10)
        news = details(bench, "reconnected")
        assert [new for new in news if new] == [
            "its watchdog was not armed any more, as after a restart, and is again"
        ] * 3


async def test_one_that_does_not_take_its_time_is_refused_at_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(connect=False) as bench:
        monkeypatch.setattr(bench.model, "set_watchdog_time", lambda seconds: None)
        with pytest.raises(DeviceError, match=r"it accepted OUTP:PROT:WDOG:DEL 10 and did not follow it"):
            await bench.source.connect()
        assert bench.node.volts == 230


async def test_a_program_that_runs_ends_with_it() -> None:
    async with ac_bench("chroma-61500") as bench:
        await bench.source.set_voltage(230)
        model: AcSourceModel = bench.model
        model.watchdog_s, model.watchdog_on = 2.0, True
        for command in ("OUTP:MODE PULSE", "TRIG ON"):
            await bench.source._line.command(command)
        model.heard()
        await asyncio.sleep(2.5)
        assert (bench.node.volts, model.running) == (0, False)


@pytest.mark.parametrize(
    ("profile", "config", "complaint"),
    [
        (PROFILE, {"time": "10500 ms"}, "whole seconds, 1 to 3600 of them, not for 10.5"),
        (PROFILE, {"time": "2 h"}, "whole seconds, 1 to 3600"),
        (PROFILE, {"time": "4 s"}, "acts when one answer is lost"),
        (PROFILE, "yes", "no"),
        ("chroma-61500", {"time": "10 s"}, "no watchdog is known of the profile chroma-61500: leave watchdog out"),
    ],
)
def test_a_watchdog_that_cannot_be_is_refused(profile: str, config: Any, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        AcSourceConfig.model_validate({"resource": "GPIB0::7::INSTR", "profile": profile, "watchdog": config})


def test_armed_where_it_has_one_if_nothing_is_said() -> None:
    section = {"resource": "GPIB0::7::INSTR", "profile": PROFILE}
    assert AcSourceConfig.model_validate(section).watchdog_s == 30
    assert AcSourceConfig.model_validate(section | {"watchdog": "no"}).watchdog_s is None
    assert AcSourceConfig.model_validate({"resource": "GPIB0::7::INSTR"}).watchdog_s is None
