"""The sub-GHz radio of a dual band Comms Hub: what is set and read, and what its physics let Users hear as N54."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.duis.default_params import default_params
from bench.errors import UsageError
from bench.gbcs.hub_use_cases import read_channel_entry
from bench.gbcs.sub_ghz import ALL_CHANNELS, Channel, Configuration
from bench.parties import DeviceType, Dut
from drivers.emulated.duty_cycle import DutyCycle
from drivers.emulated.functions.air_time import CRITICAL, LIMITED, NORMAL, REGULATED
from drivers.emulated.functions.sub_ghz import DEAF_DBM, SubGhz
from drivers.emulated.transforms.hub import configuration_of, params_of
from tests.emulated.cells import PPMID
from tests.emulated.firmware_worlds import update
from tests.emulated.test_memory import again
from tests.emulated.worlds import CHF, ESME, GSME, Small, small_world

CODE = "0123456789ABCDEF0123456789ABCDEF"
DISPLAY = {"ppmid": Dut("ppmid", DeviceType.PPMID, PPMID, "00040001", "9ABC", install_code=CODE)}
EVER = {"start_date_time": "2026-01-01T00:00:00Z", "end_date_time": "2027-01-01T00:00:00Z"}


@contextmanager
def dual_band(*faults: str, world: dict[str, Any] | None = None, **spec: Any) -> Iterator[tuple[Small, SubGhz]]:
    """A world whose gas meter is reached at 868 MHz."""
    settings = {"gsme_wake": "600 s", "dual_band": {"devices": ["gsme"]}} | (world or {})
    with small_world(*faults, world=settings, **spec) as small:
        yield small, small.world.hub.chf.function(SubGhz)


def told(small: Small, user: str = "GS") -> list[tuple[int, dict[str, Any]]]:
    """What a User has heard by N54: alert codes, and what they say."""
    return [
        (int.from_bytes(post.message.body["device_alert_code"], "big"), dict(post.message.body))
        for post in small.posts
        if isinstance(post.message, duis.DccAlert) and post.code == "N54" and post.user == user
    ]


def codes(small: Small, user: str = "GS") -> list[int]:
    return [code for code, _ in told(small, user)]


def settings(**changes: Any) -> dict[str, Any]:
    return default_params("6.28", 1) | changes


def only(*numbers: int) -> dict[str, Any]:
    """Channels of the lowest page, and no others."""
    groups = dict.fromkeys((key for key in default_params("6.28", 1) if "channels" in key), dict[str, bool]())
    return groups | {"lower_band_sub_ghz_channels0_to26": {f"channel{number}": True for number in numbers}}


# What is set and read


@pytest.mark.parametrize("variant", ["6.28", "6.29", "6.30", "6.31", "6.32"])
async def test_a_single_band_hub_knows_nothing_of_it(variant: str) -> None:
    with small_world() as small:
        params = settings() if variant == "6.28" else EVER if variant == "6.32" else {}
        assert small.send("IS", variant, CHF, params).response_code == "E11"
        await asyncio.sleep(60)
        assert small.posts == []


async def test_what_is_set_is_read_and_told() -> None:
    with dual_band() as (small, radio):
        params = settings(gsme_curfew=7, normal_limited_duty_cycle_threshold="0.5") | only(3, 4, 5)
        assert (await small.ask("GS", "6.28", CHF, params)).ok
        await asyncio.sleep(100)
        read = (await small.ask("IS", "6.30", CHF)).values["sub_ghz_configuration"]
        assert read.channels == (Channel(28, 3), Channel(28, 4), Channel(28, 5))
        assert (read.gsme_curfew_min, read.normal_limited_threshold) == (7, 50)
        changed = [body["sub_ghz_configuration_changed"] for code, body in told(small) if code == 0x8F2A]
        assert [configuration_of(each) for each in changed] == [read]
        assert codes(small) == codes(small, "IS")
        # What was in use is forbidden now: the hub goes to another channel.
        assert radio.channel in read.channels


async def test_settings_that_make_no_sense() -> None:
    with dual_band() as (small, radio):
        before = radio.configuration
        assert small.send("GS", "6.28", CHF, settings() | only()).response_code == "E062801"
        crossed = settings(normal_limited_duty_cycle_threshold="2.0", limited_critical_duty_cycle_threshold="1.6")
        assert small.send("GS", "6.28", CHF, crossed).response_code == "E062802"
        assert radio.configuration == before


def test_a_configuration_is_the_same_in_duis() -> None:
    configuration = Configuration(ALL_CHANNELS[::3], 130, 220, 5, 7, 7, 12, 6000, 130, 100, 4000, 3000)
    params = params_of(configuration)
    assert params["local_ch_failure_percentage"] == "40.00"
    assert params["normal_limited_duty_cycle_threshold"] == "1.3"


async def test_the_channel_and_its_log() -> None:
    with dual_band() as (small, radio):
        assert (await small.ask("IS", "6.31", CHF)).values == {"sub_ghz_channel": radio.channel}
        ((time, code, entry),) = (await small.ask("IS", "6.32", CHF, EVER)).values["sub_ghz_channel_log"]
        assert code == 0x8F26
        assert read_channel_entry(entry) == (radio.channel, "SMHAN formation")
        later = {"start_date_time": time + timedelta(hours=1), "end_date_time": time + timedelta(hours=2)}
        assert (await small.ask("IS", "6.32", CHF, later)).values["sub_ghz_channel_log"] == ()


async def test_the_quietest_channel_is_chosen_again_only_if_that_is_worth_it() -> None:
    with dual_band() as (small, radio):
        at_first = radio.channel
        assert (await small.ask("GS", "6.29", CHF)).ok
        await asyncio.sleep(100)
        assert codes(small) == [0x8F28, 0x8F27, 0x8F2B]
        assert told(small)[0][1]["sub_ghz_channel_scan_request_assessment_outcome"] == {
            "status_code": "ScanRequestAccepted",
            "scan_trigger": "RemotePartyCommand",
        }
        # A second command on one day is refused, a day later it is not, and then there is a reason to change.
        assert (await small.ask("IS", "6.29", CHF)).ok
        await asyncio.sleep(100)
        outcome = told(small)[-1][1]["sub_ghz_channel_scan_request_assessment_outcome"]
        assert outcome["status_code"] == "TooManyCommandsToday"
        radio.noise[at_first] = DEAF_DBM - 5  # a neighbour's alarm system
        await asyncio.sleep(24 * 3600)
        assert (await small.ask("IS", "6.29", CHF)).ok
        await asyncio.sleep(100)
        assert radio.channel != at_first
        code, body = told(small)[-1]
        assert code == 0x8F26
        band = radio.channel.band
        assert body["sub_ghz_channel_changed"] == {
            f"operating_{band}_band_sub_ghz_channel": {f"channel{radio.channel.number}": True},
            "scan_trigger": "RemotePartyCommand",
        }
        log = (await small.ask("GS", "6.32", CHF, EVER)).values["sub_ghz_channel_log"]
        assert [read_channel_entry(entry) for _, _, entry in log] == [
            (at_first, "SMHAN formation"),
            (radio.channel, "remote party command"),
        ]


async def test_a_hub_that_lets_devices_join_does_not_scan() -> None:
    with dual_band(inventory={"gsme": "Pending"}) as (small, _):
        joining = {"device_id": GSME, "install_code": "00" * 16, "join_time_period": 3600}
        assert (await small.ask("GS", "8.11", CHF, joining)).ok
        assert (await small.ask("IS", "6.29", CHF)).ok
        await asyncio.sleep(100)
        outcome = told(small, "IS")[-1][1]["sub_ghz_channel_scan_request_assessment_outcome"]
        assert outcome["status_code"] == "JoiningIsCurrentlyPermitted"


# Noise and range


async def test_interference_makes_the_hub_move_and_the_meter_come_back() -> None:
    with dual_band("sub-ghz-interference@10min") as (small, radio):
        jammed = radio.channel
        await asyncio.sleep(700)
        assert small.world.gsme is not None
        small.world.gsme.integrity(0)  # it has something to say, and nobody hears it
        await asyncio.sleep(1.9 * 3600)
        assert small.alerts() == []
        await asyncio.sleep(3600)
        assert radio.channel != jammed
        changed = [body["sub_ghz_channel_changed"] for code, body in told(small) if code == 0x8F26]
        assert [each["scan_trigger"] for each in changed] == ["GSMEMissedItsCurfew"]
        assert small.codes().count("0x81A0") == 1
        assert (await small.ask("GS", "7.4", GSME, within_s=700)).ok


async def test_failures_make_the_hub_look_before_the_curfew_is_over() -> None:
    with dual_band("sub-ghz-interference@1min") as (small, radio):
        jammed = radio.channel
        await asyncio.sleep(100)
        for _ in range(3):
            assert small.send("GS", "7.4", GSME).response_code == "I99"
        await asyncio.sleep(3000)
        failed = [each.message.response_code for each in small.posts if isinstance(each.message, duis.ErrorResponse)]
        assert failed == ["E21"] * 3
        changed = [body["sub_ghz_channel_changed"] for code, body in told(small) if code == 0x8F26]
        assert [each["scan_trigger"] for each in changed] == ["CHDetectedMessageFailureProblems"]
        assert radio.channel != jammed


async def test_a_gas_meter_out_of_range_is_searched_three_times() -> None:
    with dual_band("sub-ghz-unreachable@10min") as (small, radio):
        await asyncio.sleep(7 * 3600)
        assert codes(small) == [0x8F28, 0x8F27, 0x8F2B, 0x8F29]
        assert (await small.ask("IS", "7.4", ESME)).ok
        await asyncio.sleep(20 * 3600)
        outcome = told(small)[4][1]["sub_ghz_channel_scan_request_assessment_outcome"]
        assert outcome["scan_trigger"] == "GSMEMissingForTheLastDay"
        radio.bring_back()
        assert (await small.ask("GS", "7.4", GSME, within_s=700)).ok


async def test_a_sub_ghz_join_is_not_on_the_air_of_the_other_band() -> None:
    with dual_band(inventory={"gsme": "unknown"}) as (small, _):
        await small.install("GS", "gsme")
        assert small.air == []


async def test_there_is_room_for_so_many_devices() -> None:
    world = {"dual_band": {"devices": ["gsme", "ppmid"], "capacity": 1}}
    with dual_band(world=world, more_duts=DISPLAY, inventory={"ppmid": "Pending"}) as (small, _):
        joining = {"device_id": PPMID, "install_code": CODE, "join_time_period": 600}
        assert (await small.ask("IS", "8.11", CHF, joining)).ok
        await asyncio.sleep(300)
        assert [body["no_more_sub_ghz_device_capacity"] for _, body in told(small)] == [
            {"device_id": PPMID, "device_type": "PPMID"}
        ]
        assert small.status(PPMID) == "Whitelisted"
    world["dual_band"]["capacity"] = 2
    with dual_band(world=world, more_duts=DISPLAY, inventory={"ppmid": "Pending"}) as (small, _):
        assert (await small.ask("IS", "8.11", CHF, joining)).ok
        await asyncio.sleep(300)
        assert small.status(PPMID) == "InstalledNotCommissioned"


# Duty cycle


async def test_an_image_limits_the_duty_cycle_is_suspended_and_arrives_all_the_same() -> None:
    image = bytes(range(256)) * 2200  # 563 kB take more of an hour than the hub may send
    with dual_band() as (small, radio):
        assert small.send("GS", "11.1", params=update(GSME, firmware_image=image)).response_code == "I99"
        await asyncio.sleep(1800)
        assert radio.air.state == LIMITED
        code, body = told(small)[0]
        assert (code, body["limited_duty_cycle_action_taken"]) == (0x8F20, {"device_id_to_suspend": GSME})
        assert body["gbcs_hexadecimal_message_code"] == b"\x01\x10"
        assert radio.air.transfers[GSME].suspended
        assert (await small.ask("IS", "6.29", CHF)).ok
        await asyncio.sleep(100)
        outcome = told(small)[-1][1]["sub_ghz_channel_scan_request_assessment_outcome"]
        assert outcome["status_code"] == "DutyCycleUsageIsTooHigh"
        assert "0x8F72" not in small.codes()
        await asyncio.sleep(2 * 3600)
        assert "0x8F72" in small.codes()
        assert codes(small) == [0x8F20, 0x8F28, 0x8F21]
        assert radio.air.state == NORMAL


async def test_beyond_critical_messages_are_discarded_and_beyond_regulated_all_of_them() -> None:
    slow = {"dual_band": {"devices": ["gsme"], "bit_rate": 500}, "gsme_wake": "10 s", "device_timeout": "1200 s"}
    with dual_band(world=slow) as (small, radio):

        async def is_discarded() -> None:
            """A command that nobody has signed does not go out, and its User learns which one that was."""
            last = small.send("GS", "7.4", GSME)
            await asyncio.sleep(30)
            code, body = told(small)[-1]
            discarded = body["message_discarded_due_to_duty_cycle_management"]
            assert (code, discarded) == (0x8F2C, {"request_id": last.request_id, "cra_flag": "Command"})

        while radio.air.state < CRITICAL:
            assert (await small.ask("GS", "7.4", GSME)).ok
        await is_discarded()
        while radio.air.state < REGULATED:
            assert (await small.ask("GS", "7.2", GSME)).ok
        await is_discarded()
        await asyncio.sleep(20)
        assert [each for each in codes(small) if each != 0x8F2C] == [0x8F20, 0x8F22, 0x8F24]
        assert (await small.ask("IS", "7.4", ESME)).ok
        await asyncio.sleep(2 * 3600)
        assert [each for each in codes(small) if each != 0x8F2C] == [0x8F20, 0x8F22, 0x8F24, 0x8F25, 0x8F23, 0x8F21]
        assert (await small.ask("GS", "7.4", GSME)).ok


async def test_a_user_with_an_old_duis_is_told_that_there_is_something() -> None:
    with dual_band(duis_versions={"GS": "1.1"}) as (small, _):
        assert small.send("IS", "6.29", CHF).response_code == "I99"
        await asyncio.sleep(100)
        assert ("N999", "GS") in small.alerts()
        assert ("N54", "IS") in small.alerts()
        assert ("N54", "GS") not in small.alerts()


def test_the_air_time_of_the_last_hour() -> None:
    began = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
    duty = DutyCycle()
    assert (duty.percent(began), duty.busiest()) == (0.0, None)
    duty.add(began, GSME, 20.0)
    duty.add(began, GSME, 16.0)
    duty.add(began + timedelta(minutes=5), PPMID, 35.0)
    assert duty.percent(began + timedelta(minutes=6)) == pytest.approx(100 * 71 / 3600)
    assert duty.busiest() == GSME
    assert duty.percent(began + timedelta(minutes=60)) == pytest.approx(100 * 35 / 3600)
    assert duty.busiest() == PPMID


# Memory, and mistakes


async def test_the_radio_is_remembered() -> None:
    world = {"gsme_wake": "600 s", "dual_band": {"devices": ["gsme"]}}
    image = bytes(300_000)
    with dual_band() as (small, radio):
        assert (await small.ask("GS", "6.28", CHF, settings(gsme_curfew=99))).ok
        assert small.send("GS", "11.1", params=update(GSME, firmware_image=image)).response_code == "I99"
        await asyncio.sleep(500)
        assert 0 < radio.air.transfers[GSME].sent < len(image)
        jammed = radio.channel
        radio.interfere()
        assert small.world.gsme is not None
        small.world.gsme.integrity(0)
        other = again(small, world=world)
        later = other.world.hub.chf.function(SubGhz)
        assert later.configuration.gsme_curfew_min == 99
        assert (later.channel, later.log, later.lost) == (jammed, radio.log, radio.lost)
        assert later.air.duty_cycle == radio.air.duty_cycle > 0
        assert later.air.transfers[GSME].sent == radio.air.transfers[GSME].sent
        await asyncio.sleep(4 * 3600)
        # It was missed, searched on another channel, and has got its image; and what it had to say has come.
        assert later.channel != jammed
        assert [code for code in codes(other) if code != 0x8F28] == [0x8F27, 0x8F26]
        assert {"0x81A0", "0x8F72"} <= set(other.codes())
        assert (await other.ask("GS", "7.4", GSME, within_s=700)).ok
        other.world.close()


def test_a_rig_names_devices_that_are_there() -> None:
    async def begin() -> None:
        with dual_band(world={"dual_band": {"devices": ["gasmeter"]}}):
            pass

    with pytest.raises(UsageError, match="there is no device under test 'gasmeter'") as wrong:
        asyncio.run(begin())
    assert "world.dual_band.devices" in str(wrong.value)


def test_a_single_band_hub_has_no_faults_of_that_radio() -> None:
    async def begin() -> None:
        with small_world("sub-ghz-interference"):
            pass

    with pytest.raises(UsageError, match="cannot have the fault sub-ghz-interference"):
        asyncio.run(begin())
