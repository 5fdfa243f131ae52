"""Defects and restarts of the emulated meters, and the alerts that their configuration lets through."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bench.errors import UsageError
from bench.eui import Eui64
from bench.gbcs.alerts import IntegrityIssue
from drivers.emulated.faults import Fault
from drivers.emulated.functions.event_behaviour import EventBehaviour
from tests.emulated.worlds import ESME, GSME, small_world


@pytest.mark.parametrize(
    ("fault", "user", "reason", "at_s"),
    [
        ("meter-integrity:non-volatile-memory@30s", "IS", 1, 30.0),
        ("meter-integrity:watchdog@30s", "IS", 6, 33.0),
        ("meter-integrity:5@30s", "IS", 5, 33.0),
        ("gas-meter-integrity:ram@30s", "GS", 4, 30.0),
        ("gas-meter-integrity:watchdog@30s", "GS", 6, 33.0),
    ],
)
async def test_a_defect_is_told_once_the_meter_can(fault: str, user: str, reason: int, at_s: float) -> None:
    with small_world(fault) as small:
        await asyncio.sleep(29)
        assert small.alerts() == []
        await asyncio.sleep(600)
        assert small.alerts() == [("0x81A0", user)]
        told = small.post("0x81A0")
        assert small.protection(told) == "valid"
        assert told.alert.specific == IntegrityIssue(reason)
        assert at_s <= told.at_s <= at_s + 2


@pytest.mark.parametrize(
    ("text", "argument", "delay_s"),
    [
        ("meter-integrity:RAM", "4", 60.0),
        ("gas-meter-integrity:Watchdog@5s", "6", 5.0),
        ("meter-integrity:9", "9", 60.0),
    ],
)
def test_defects_are_named_or_numbered(text: str, argument: str, delay_s: float) -> None:
    fault = Fault.parse(text)
    assert (fault.argument, fault.delay_s) == (argument, delay_s)


@pytest.mark.parametrize("text", ["meter-integrity", "meter-integrity:rust", "meter-integrity:10"])
def test_other_defects_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"needs an argument|is no defect"):
        Fault.parse(text)


async def test_a_restarting_meter_is_silent_for_a_while_and_forgets_nothing() -> None:
    with small_world("meter-reboot@30s") as small:
        assert (await small.ask("IS", "6.12", ESME, {"low_medium_power_threshold": 321})).ok
        await asyncio.sleep(30.5 - small.loop.time())
        assert not small.world.esme.powered
        await asyncio.sleep(5)
        assert small.world.esme.powered
        assert (await small.ask("IS", "6.2.5", ESME)).values["low_medium_power_threshold_w"] == 321
        assert small.alerts() == []


async def test_a_meter_without_supply_does_not_restart() -> None:
    with small_world() as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(20)
        small.world.esme.integrity(6)
        await asyncio.sleep(20)
        assert not small.world.esme.powered
        assert small.alerts() == []
        small.world.source_node.step(230.0)
        await asyncio.sleep(600)
        assert small.alerts() == [("0x81A0", "IS"), ("0x8F35", "ED")]


@pytest.mark.parametrize(
    ("user", "target", "form"),
    [("IS", ESME, "electricity_supplier_alerts"), ("GS", GSME, "gas_supplier_alerts")],
)
async def test_a_meter_keeps_to_itself_what_it_is_told_to(user: str, target: Eui64, form: str) -> None:
    # A new GSME setting needs the other form: 0x81A0 is not in the shorter list for gas.
    code = "x81a0" if target == ESME else "x8183"
    with small_world(world={"gsme_wake": "60 s"}) as small:
        meter: Any = next(each for each in small.world.devices if each.eui == target)
        assert (await small.ask(user, "6.22", target, {form: {code: "Disable"}})).ok
        meter.integrity(1) if target == ESME else meter.joined()
        await asyncio.sleep(60)
        assert small.codes() == []
        assert (await small.ask(user, "6.22", target, {form: {code: "Enable"}})).ok
        meter.integrity(1) if target == ESME else meter.joined()
        await asyncio.sleep(60)
        assert small.alerts() == [(f"0x{code[1:].upper()}", user)]


async def test_what_is_not_logged_is_still_told() -> None:
    with small_world() as small:
        settings = {"electricity_supplier_logging_settings": {"x81a0": "Disable"}}
        assert (await small.ask("IS", "6.22", ESME, settings)).ok
        small.world.esme.integrity(1)
        await asyncio.sleep(60)
        assert small.codes() == ["0x81A0"]


async def test_what_gbcs_fixes_is_told_whatever_is_configured() -> None:
    with small_world() as small:
        behaviour = small.world.esme.function(EventBehaviour)
        behaviour.switch("wan_alerts", dict.fromkeys(range(32768, 36864), False))
        assert (await small.ask("IS", "7.2", ESME)).ok
        assert (await small.ask("IS", "7.3", ESME)).ok
        await asyncio.sleep(60)
        assert small.codes() == ["0x8F32"]


@pytest.mark.parametrize(
    ("off_s", "alerts", "left_s"), [(0.5, [], 0.5), (-4.0, ["0x8145"], 0.0), (11.0, ["0x8F0C", "0x8F0C"], 11.0)]
)
async def test_a_meter_looks_at_the_hubs_clock_every_day(off_s: float, alerts: list[str], left_s: float) -> None:
    with small_world() as small:
        small.world.esme.clock.drift(off_s)
        await asyncio.sleep(86_000)
        assert small.alerts() == []
        await asyncio.sleep(87_400)
        assert small.alerts() == [(code, "IS") for code in alerts]
        off = small.world.esme.clock.utc() - small.world.mail.now
        assert off.total_seconds() == pytest.approx(left_s, abs=0.01)
        assert all(small.protection(post) == "valid" for post in small.posts)
