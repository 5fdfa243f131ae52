"""Alerts of the emulated meter: which, when, to whom, and whether they can be believed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bench.gbcs.alerts import Alert, SupplyOutage
from bench.gbcs.catalogue import Encoding
from bench.gbcs.message import Framing
from bench.parties import KeyUse
from drivers.emulated.identities import RemotePartyRole
from tests.emulated.worlds import DUTS, ESME, small_world
from tests.gbcs.samples import OUTAGE_ALERT

START = datetime(2026, 1, 1, tzinfo=UTC)
BOOTED_S = 45.0 + 0.4 + 0.6


def seconds(moment: datetime) -> float:
    return (moment - START) / timedelta(seconds=1)


@pytest.mark.parametrize(
    ("length_s", "code", "ad1"),
    [
        (30, "0x8F35", False),
        (179, "0x8F35", False),
        (179.99, "0x8F35", False),
        (180, "0x8F36", False),
        (181, "0x8F36", True),
        (600, "0x8F36", True),
    ],
)
async def test_an_outage_is_told_once_the_hub_has_booted(length_s: float, code: str, ad1: bool) -> None:
    with small_world() as small:
        await asyncio.sleep(10)
        small.world.source_node.step(0.0)
        await asyncio.sleep(length_s)
        small.world.source_node.step(230.0)
        await asyncio.sleep(600)
        expected = [("AD1", "ED"), ("AD1", "GT")] if ad1 else []
        assert small.alerts() == [*expected, (code, "ED")]
        told = small.post(code)
        assert told.at_s == pytest.approx(10 + length_s + BOOTED_S)
        assert small.protection(told) == "valid"
        assert told.gbcs is not None
        assert told.gbcs.framing is Framing.SIGNED
        assert told.gbcs.message_code == 0x0067
        outage = told.alert.specific
        assert isinstance(outage, SupplyOutage)
        assert seconds(outage.interrupted) == 10
        assert seconds(outage.restored) == pytest.approx(10 + length_s)


async def test_ad1_comes_while_the_supply_is_gone_and_says_since_when() -> None:
    with small_world() as small:
        await asyncio.sleep(5)
        small.world.source_node.step(0.0)
        await asyncio.sleep(400)
        to_ed, to_gt = small.posts
        assert to_ed.at_s == to_gt.at_s == pytest.approx(5 + 180.5)
        body = to_ed.message.body  # type: ignore[attr-defined]
        assert body["comms_hub_device_id"] == DUTS["chf"].eui
        assert (seconds(body["start_date_time"]), body["mpxn"]) == (5, DUTS["esme"].mpxn)
        assert to_gt.message.body["mpxn"] == DUTS["gsme"].mpxn  # type: ignore[attr-defined]


async def test_the_relay_makes_an_outage_too() -> None:
    with small_world() as small:
        assert small.world.relay is not None
        small.world.relay.set(False)
        await asyncio.sleep(20)
        small.world.relay.set(True)
        await asyncio.sleep(100)
        assert small.alerts() == [("0x8F35", "ED")]


async def test_an_outage_within_a_boot_is_kept_and_both_are_told() -> None:
    with small_world() as small:
        for _ in range(2):
            small.world.source_node.step(0.0)
            await asyncio.sleep(10)
            small.world.source_node.step(230.0)
            await asyncio.sleep(1)
        await asyncio.sleep(100)
        assert small.codes() == ["0x8F35", "0x8F35"]
        counters = [post.gbcs.originator_counter for post in small.posts if post.gbcs]
        assert counters == sorted(set(counters))


async def test_a_dip_is_no_outage() -> None:
    with small_world() as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(0.4)
        small.world.source_node.step(230.0)
        await asyncio.sleep(300)
        assert small.alerts() == []


async def test_a_world_that_starts_dead_has_had_no_outage() -> None:
    with small_world(world={"energised": False}) as small:
        await asyncio.sleep(300)
        small.world.source_node.step(230.0)
        assert small.world.relay is not None
        small.world.relay.set(True)
        await asyncio.sleep(300)
        assert small.alerts() == []
        assert small.world.hub.on


async def test_the_average_voltage_goes_to_the_network_operator_with_a_mac() -> None:
    with small_world(world={"voltage": {"period": "60 s", "over": "253 V", "under": "207 V"}}) as small:
        await asyncio.sleep(120)
        small.world.source_node.step(260.0)
        await asyncio.sleep(140)
        small.world.source_node.step(230.0)
        await asyncio.sleep(140)
        assert small.alerts() == [("0x8002", "ED"), ("0x8085", "ED")]
        over = small.post("0x8002")
        assert over.gbcs is not None
        assert (over.gbcs.framing, over.gbcs.message_code) == (Framing.MACED, 0x1001)
        assert small.protection(over) == "valid"


async def test_an_excursion_shorter_than_a_period_raises_nothing() -> None:
    with small_world(world={"voltage": {"period": "60 s", "over": "253 V", "under": "207 V"}}) as small:
        for _ in range(5):
            await asyncio.sleep(60)
            small.world.source_node.step(265.0)
            await asyncio.sleep(25)
            small.world.source_node.step(230.0)
        await asyncio.sleep(120)
        assert small.alerts() == []


async def test_two_seeds_have_two_phases() -> None:
    ends = []
    for seed in (1, 2):
        with small_world(seed=seed) as small:
            ends.append(small.world.esme.average.period_end_s)
    assert ends[0] != ends[1]


async def test_device_clocks_may_be_off() -> None:
    with small_world("device-clock-off:-75") as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(200)
        small.world.source_node.step(230.0)
        await asyncio.sleep(100)
        outage = small.post("0x8F36").alert.specific
        assert isinstance(outage, SupplyOutage)
        assert seconds(outage.interrupted) == -75
        answer = await small.ask("IS", "7.4", ESME)
        assert answer.values == {"supply_state": "enabled"}


async def test_supply_states_move_the_load_and_not_the_hub() -> None:
    with small_world() as small:
        esme = small.world.esme
        assert (await small.ask("IS", "7.2", ESME)).ok
        assert (esme.load.volts, esme.node.volts, small.world.hub.on) == (0.0, 230.0, True)
        assert (await small.ask("IS", "7.4", ESME)).values == {"supply_state": "disabled"}
        assert (await small.ask("IS", "7.3", ESME)).ok
        assert esme.load.volts == 0.0
        assert (await small.ask("IS", "7.4", ESME)).values == {"supply_state": "armed"}
        assert (await small.ask("IS", "7.1", ESME)).ok
        assert esme.load.volts == 230.0
        assert small.alerts() == [("0x8F32", "IS")]
        armed = small.post("0x8F32")
        assert small.protection(armed) == "valid"
        assert armed.gbcs is not None
        assert armed.gbcs.message_code == 0x1000


async def test_only_a_disabled_supply_can_be_armed() -> None:
    with small_world() as small:
        assert not (await small.ask("IS", "7.3", ESME)).ok
        await small.ask("IS", "7.2", ESME)
        assert (await small.ask("IS", "7.3", ESME)).ok
        assert not (await small.ask("IS", "7.3", ESME)).ok
        await asyncio.sleep(10)
        assert small.codes() == ["0x8F32"]


async def test_nothing_is_lost_without_power() -> None:
    with small_world() as small:
        await small.ask("IS", "7.2", ESME)
        small.world.source_node.step(0.0)
        await asyncio.sleep(30)
        small.world.source_node.step(230.0)
        await asyncio.sleep(100)
        assert (await small.ask("IS", "7.4", ESME)).values == {"supply_state": "disabled"}
        assert small.world.esme.load.volts == 0.0


async def test_voltage_settings_are_written_and_read() -> None:
    with small_world() as small:
        before = (await small.ask("ED", "6.2.1", ESME)).values
        assert before["average_rms_over_voltage_threshold_v"] == 264
        wanted = {
            "average_rms_over_voltage_threshold": 253,
            "average_rms_under_voltage_threshold": 207,
            "average_rms_voltage_measurement_period": 60,
            "rms_voltage_sag_threshold": 201,
        }
        for more in ({}, {"rms_voltage_counters_not_reset": True}):
            assert (await small.ask("ED", "6.5", ESME, wanted | more)).ok
        after = (await small.ask("ED", "6.2.1", ESME)).values
        assert after["average_rms_over_voltage_threshold_v"] == 253
        assert after["rms_voltage_sag_threshold_v"] == 201
        small.world.source_node.step(260.0)
        await asyncio.sleep(130)
        assert small.codes() == ["0x8002"]
        span = {"start_date_time": "2026-01-01T00:00:00Z", "end_date_time": "2026-01-02T00:00:00Z"}
        recorded = (await small.ask("ED", "4.10", ESME, span)).values
        assert recorded["average_rms_voltage_measurement_period_s"] == 60
        assert recorded["average_rms_over_voltage_counter"] == 1
        assert [volts for _, volts in recorded["average_rms_voltage_log"]][-1] == 260


async def test_an_alert_of_the_reference_kind_has_the_reference_bytes() -> None:
    """ECS80 with the fields of the published message: every byte up to the signature."""
    with small_world() as small:
        operator = small.world.esme.anchors[RemotePartyRole.NETWORK_OPERATOR]
        restored = datetime(2014, 12, 31, 23, 59, tzinfo=UTC)
        outage = SupplyOutage(restored - timedelta(minutes=9), restored)
        alert = Alert(0x8F36, datetime(2015, 1, 1, tzinfo=UTC), Encoding.DLMS, outage)
        made = small.world.esme.protect_alert(alert, operator, 2003).encode()
        assert made[:-65] == OUTAGE_ALERT
        assert made[-65] == 0x40


async def test_devices_and_users_have_certificates_of_their_own() -> None:
    with small_world() as small:
        certificates = small.world.parties.certificates
        serials = {each.serial_number for use in KeyUse for each in certificates.all(use)}
        assert len(serials) == sum(len(certificates.all(use)) for use in KeyUse) == 4 * 3 + 3 + 4 * 2
