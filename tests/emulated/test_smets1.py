"""An emulated SMETS1 installation: what is set is measured, told and read."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bench.duis import responses as duis
from bench.duis.default_params import default_params
from bench.duis.smets1 import S1spAlert, Smets1Result
from drivers.emulated.commands import Refused
from drivers.emulated.functions.smets1_credit import Smets1Credit
from tests.emulated.smets1_worlds import (
    S1_CHF,
    S1_DUTS,
    S1_ESME,
    S1_GPF,
    S1_GSME,
    S1_PPMID,
    alert_of,
    ask,
    content_of,
    provider_alert,
    smets1_world,
)
from tests.emulated.worlds import CHF, DCC, ESME, Small

TOP_UP = {"utrn": "10050012345678901234"}
"""Five pounds."""


PREPAYMENT = {"suspend_debt_disabled": False, "suspend_debt_emergency": False, "disablement_threshold": 0}


async def balance(small: Small) -> int:
    return int((await ask(small, "IS", "4.18", S1_ESME)).values["meter_balance"])


def credit(small: Small) -> Smets1Credit:
    installation = small.world.smets1
    assert installation is not None and installation.esme is not None
    return installation.esme.function(Smets1Credit)


async def test_over_and_under_voltage_come_from_the_mean_of_the_supply_that_all_meters_share() -> None:
    with smets1_world() as small:
        small.world.source_node.step(260.0)
        await asyncio.sleep(20)
        small.world.source_node.step(230.0)
        await asyncio.sleep(180)
        assert small.alerts() == [], "20 s of 60 above the threshold do not bring the mean above it"
        for volts, code, other in ((260.0, "0x8F40", "0x8002"), (200.0, "0x8F41", "0x8006")):
            small.posts.clear()
            began = small.world.mail.now
            small.world.source_node.step(volts)
            await asyncio.sleep(125)
            came = [each for each in small.codes() if each not in ("0x8085", "0x8089")]
            assert sorted(came) == sorted([code, other]), "each installation in its own words, and once"
            alert = alert_of(small, code)
            assert small.post(code).user == "ED"
            assert (alert.header.originator, alert.code) == (S1_ESME, int(code, 16))
            assert began < alert.timestamp <= small.world.mail.now


async def test_what_6_5_sets_6_2_1_and_4_10_read_and_the_meter_goes_by() -> None:
    with smets1_world() as small:
        settings = default_params("6.5", 1, now=small.world.mail.now) | {
            "average_rms_over_voltage_threshold": 240,
            "average_rms_voltage_measurement_period": 30,
        }
        assert (await ask(small, "ED", "6.5", S1_ESME, settings)).success
        read = await ask(small, "ED", "6.2.1", S1_ESME)
        assert read.values["single_phase_voltage_settings"]["average_rms_over_voltage_threshold"] == "240"
        small.world.source_node.step(245.0)
        await asyncio.sleep(70)
        assert "0x8F40" in small.codes()
        assert "0x8002" not in small.codes(), "the other meter has thresholds of its own"
        day = timedelta(days=1)
        now = small.world.mail.now
        recorded = await ask(small, "ED", "4.10", S1_ESME, {"start_date_time": now - day, "end_date_time": now + day})
        single = recorded.values["electricity"]["single_phase_esme"]
        assert single["avg_rms_over_voltage_counter"]["value"] == "1"
        assert single["avg_rms_voltage_profile_data_log"]["measurement_period"] == "30"


async def test_a_supply_is_disabled_armed_and_enabled_by_critical_requests_that_nobody_transforms() -> None:
    with smets1_world() as small:
        refused = await ask(small, "IS", "7.3", S1_ESME)
        assert refused.success is False and refused.debug
        for variant, state in (("7.2", "Disabled"), ("7.3", "Armed"), ("7.1", "Enabled")):
            assert (await ask(small, "IS", variant, S1_ESME)).success
            assert (await ask(small, "ED", "7.4", S1_ESME)).values["supply_state"] == state
        assert small.alerts() == [("0x8F32", "IS")], "only arming is told"
        assert alert_of(small, "0x8F32").header.originator == S1_ESME
        assert (await ask(small, "GS", "7.2", S1_GSME)).success
        assert (await ask(small, "GS", "7.3", S1_GSME)).success
        await asyncio.sleep(5)
        assert small.alerts() == [("0x8F32", "IS"), ("0x8F32", "GS")]
        gas = await ask(small, "GT", "7.4", S1_GSME)
        assert (gas.values["supply_state"], gas.header.originator) == ("Armed", S1_GSME)
        assert (await small.ask("IS", "7.4", ESME)).values["supply_state"] == "enabled", "the other meter is another"


async def test_a_clock_is_put_right_and_readings_go_on() -> None:
    with smets1_world() as small:
        installation = small.world.smets1
        assert installation is not None and installation.esme is not None
        installation.esme.clock.drift(3600)
        wrong = await ask(small, "IS", "4.16", S1_ESME)
        assert wrong.header.timestamp is not None
        assert wrong.header.timestamp - small.world.mail.now > timedelta(minutes=55)
        params = {"current_date_time": small.world.mail.now}
        right = await ask(small, "IS", "6.11", S1_ESME, params)
        assert right.success and right.values["electricity"]["elec_clock_time_status"]["time_status"] == "reliable"
        assert abs(installation.esme.clock.utc() - small.world.mail.now) < timedelta(seconds=5)
        readings = []
        for _ in range(2):
            read = await ask(small, "IS", "4.1.1", S1_ESME)
            readings.append(int(read.values["electricity"]["active_import_register"]["value"]))
            await asyncio.sleep(3600)
        assert readings[1] - readings[0] == pytest.approx(250, abs=2), "a base load of 250 W"
        gas = await ask(small, "GS", "4.1.1", S1_GSME)
        assert float(gas.values["gas"]["consumption_register"]["value"]) > 0


async def test_a_top_up_over_the_wan_is_on_the_balance_and_tells_nobody_a_utrn() -> None:
    with smets1_world() as small:
        assert (await ask(small, "IS", "1.6", S1_ESME, PREPAYMENT)).success
        assert (await ask(small, "IS", "6.2.9", S1_ESME)).values["payment_mode"] == "Prepayment"
        assert (await ask(small, "ED", "7.4", S1_ESME)).values["supply_state"] == "Disabled", "there is no credit"
        assert (await ask(small, "IS", "2.2", S1_ESME, TOP_UP)).success
        assert await balance(small) == 500_000
        await asyncio.sleep(1)
        assert small.alerts() == [("0x8F32", "IS")], "the consumer may close the switch again"
        change = {"prepayment_mode": {"adjust_meter_balance": -1000}}
        assert (await ask(small, "IS", "1.5", S1_ESME, change)).success
        registers = (await ask(small, "IS", "4.3", S1_ESME)).values
        assert (registers["meter_balance"], registers["emergency_credit_balance"]) == ("499000", "0")
        log = (await ask(small, "IS", "4.4.5", S1_ESME)).values["prepayment_credits"]["log_entry"]
        assert log["amount"] == "500000"


async def test_n56_brings_the_utrn_that_the_consumer_enters_once() -> None:
    with smets1_world() as small:
        assert small.send("IS", "2.2", S1_ESME, TOP_UP, command_variant=2).response_code == "I99"
        await asyncio.sleep(10)
        alert = provider_alert(small, "N56")
        assert (small.post("N56").user, alert.device_id, len(alert.utrn or "")) == ("IS", S1_ESME, 20)
        assert alert.utrn != TOP_UP["utrn"]
        before = await balance(small)
        meter = credit(small)
        meter.enter(alert.utrn or "")
        assert await balance(small) - before == pytest.approx(500_000, abs=200), "but for what was consumed meanwhile"
        with pytest.raises(Refused, match="used already"):
            meter.enter(alert.utrn or "")
        for wrong in (TOP_UP["utrn"], "1", "x" * 20):
            with pytest.raises(Refused):
                meter.enter(wrong)


async def test_n56_comes_beside_the_top_up_with_command_variant_3_and_cannot_be_used_twice() -> None:
    with smets1_world() as small:
        assert (await ask(small, "GS", "2.2", S1_GSME, TOP_UP, command_variant=3)).success
        alert = provider_alert(small, "N56")
        assert small.world.smets1 is not None and small.world.smets1.gsme is not None
        with pytest.raises(Refused, match="used already"):
            small.world.smets1.gsme.function(Smets1Credit).enter(alert.utrn or "")
        again = await ask(small, "GS", "2.2", S1_GSME, TOP_UP)
        assert again.success, "the provider makes another UTRN for each top-up"


async def test_n55_tells_whoever_asks_that_the_installation_cannot_be_reached() -> None:
    with smets1_world(world={"device_timeout": "300 s"}) as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(10)
        sent = {}
        for user in ("IS", "ES", "ED", "RSA", "OU"):
            answer = small.send(user, {"OU": "11.2"}.get(user, "6.2.4"), S1_ESME)
            assert answer.response_code == "I99"
            sent[user] = answer.request_id
        await asyncio.sleep(250)
        assert "N55" not in small.codes(), "the provider goes on trying"
        await asyncio.sleep(100)
        told = {}
        for post in small.posts:
            if post.code == "N55":
                alert = content_of(small, post)
                assert isinstance(alert, S1spAlert) and alert.device_id == S1_ESME
                told[post.user] = alert.request_id
        assert told == sent
        errors = [each.message for each in small.posts if isinstance(each.message, duis.ErrorResponse)]
        assert {each.response_code for each in errors} == {"E20"}
        assert [each.request_id for each in errors] == list(sent.values())


async def test_a_request_to_an_installation_that_comes_back_is_carried_out() -> None:
    with smets1_world() as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(10)
        asyncio.get_running_loop().call_later(60, small.world.source_node.step, 230.0)
        assert (await ask(small, "IS", "7.2", S1_ESME, within_s=300)).success
        assert "N55" not in small.codes()


async def test_an_alert_waits_for_the_comms_hub_to_boot() -> None:
    with smets1_world(world={"voltage": {"period": "10 s", "over": "253 V", "under": "207 V"}}) as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(60)
        small.world.source_node.step(260.0)
        await asyncio.sleep(40)
        assert "0x8F40" not in small.codes(), "the hub boots for 45 s"
        await asyncio.sleep(20)
        alert = alert_of(small, "0x8F40")
        assert small.world.mail.now - alert.timestamp > timedelta(seconds=20)


async def test_n57_tells_the_gas_supplier_of_new_firmware_for_the_comms_hub() -> None:
    with smets1_world() as small:
        params = {"firmware_image": b"image", "firmware_version": "01020305", "device_id_list": [S1_CHF]}
        assert small.send("IS", "11.1", DCC, params).response_code == "I99"
        assert small.alerts() == [("N57", "GS")]
        await asyncio.sleep(600)
        told = [each for each in small.posts if each.code == "N57"]
        assert [each.user for each in told] == ["GS", "GS"]
        bodies = [each.message.body for each in told if isinstance(each.message, duis.DccAlert)]
        assert [body["firmware_version_update_status"] for body in bodies] == [
            "UpdateRequested",
            "ActivationSuccessful",
        ]
        assert {(body["device_id"], body["firmware_version"]) for body in bodies} == {(S1_CHF, "01020305")}
        assert (await ask(small, "IS", "11.2", S1_CHF)).values["firmware_version"] == "01020305"
        assert small.send("IS", "11.1", DCC, params | {"device_id_list": [CHF]}).response_code == "E110102"


async def test_a_meter_takes_an_image_and_activates_it_by_its_hash() -> None:
    with smets1_world() as small:
        params = {"firmware_image": b"image", "firmware_version": "01020305", "device_id_list": [S1_ESME]}
        assert small.send("IS", "11.1", DCC, params).response_code == "I99"
        await asyncio.sleep(600)
        assert small.alerts() == [], "no 0x8F72 and no N57 of a meter"
        wrong = await ask(small, "IS", "11.3", S1_ESME, {"firmware_hash": bytes(32)})
        assert wrong.success is False
        done = await ask(small, "IS", "11.3", S1_ESME, {"firmware_hash": hashlib.sha256(b"image").digest()})
        assert done.success and done.values["firmware_version"] == "01020305"
        assert (await ask(small, "GS", "11.2", S1_GSME)).values["firmware_version"] == "01020304"


async def test_dates_are_kept_by_the_provider_and_schedules_run() -> None:
    with smets1_world() as small:
        now = small.world.mail.now
        later = {"execution_date_time": now + timedelta(hours=1)}
        assert small.send("IS", "4.15", S1_ESME, later).response_code == "I99"
        await asyncio.sleep(3500)
        assert small.posts == []
        await asyncio.sleep(200)
        assert isinstance(content_of(small, small.post("4.15")), Smets1Result)
        details = default_params("5.1", 8, now=now) | {"device_id": S1_ESME}
        made = small.send("IS", "5.1", DCC, details)
        assert isinstance(made, duis.DspResponse)
        small.posts.clear()
        await asyncio.sleep(2 * 86400)
        scheduled = [each.message for each in small.posts if isinstance(each.message, duis.Smets1Response)]
        assert scheduled and {each.request_id for each in scheduled} == {made.request_id}
        assert {each.schedule_id for each in scheduled} == {made.values["dsp_schedule_id"]}
        content = content_of(small, small.posts[0])
        assert isinstance(content, Smets1Result) and content.success


async def test_the_inventory_says_that_a_device_is_smets1() -> None:
    with smets1_world() as small:
        answer = small.send("IS", "8.2", DCC, {"device_id": S1_CHF})
        assert isinstance(answer, duis.InventoryResponse)
        assert [each.device_id for each in answer.devices] == [S1_ESME, S1_GSME, S1_CHF, S1_GPF, S1_PPMID]
        assert {each.more["csp_region"] for each in answer.devices} == {"SMETS1"}
        other = small.send("IS", "8.2", DCC, {"device_id": CHF})
        assert isinstance(other, duis.InventoryResponse)
        assert not {each.device_id for each in other.devices} & {each.eui for each in S1_DUTS.values()}


def _certificate(small: Small, user: str, use: str) -> bytes:
    der: bytes = getattr(small.world.users[user], use).certificate.public_bytes(Encoding.DER)
    return der


async def test_a_supplier_who_takes_the_meter_over_is_the_one_who_may_ask() -> None:
    with smets1_world(registered={"s1-esme": {"supplier": "IS"}}) as small:
        assert small.send("IS2", "7.2", S1_ESME, command_variant=4).response_code == "E4"
        own = _certificate(small, "IS2", "signing")
        change: Mapping[str, Any] = {
            "supplier_floor_seq_number": 0,
            "digital_signing_certificate": own,
            "key_agreement_certificate": _certificate(small, "IS2", "agreement"),
            "certificate": [own],
            "import_mpxn": "1200000000001",
        }
        assert (await ask(small, "IS2", "6.23", S1_ESME, change)).success
        assert small.codes() == ["N27"]
        assert small.send("IS", "7.2", S1_ESME, command_variant=4).response_code == "E4"
        assert (await ask(small, "IS2", "7.2", S1_ESME)).success
