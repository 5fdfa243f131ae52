"""PPMID and HCALCS: they join, are in the inventory, take images, and are off while the premises have no supply."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.parties import DeviceType, Dut
from drivers.emulated.han_devices import HanDevice
from tests.emulated.cells import HCALCS, PPMID
from tests.emulated.firmware_worlds import VERSION, update
from tests.emulated.worlds import ALL_USERS, CHF, ESME, GPF, Small, small_world

CODE = "0123456789ABCDEF0123456789ABCDEF"
DEVICES = {
    "ppmid": Dut("ppmid", DeviceType.PPMID, PPMID, "00040001", "9ABC", install_code=CODE),
    "hcalcs": Dut("hcalcs", DeviceType.HCALCS, HCALCS, "00050001", "9ABC", install_code=CODE),
}


@contextmanager
def premises(*faults: str, **spec: Any) -> Iterator[tuple[Small, HanDevice]]:
    with small_world(*faults, users=tuple(ALL_USERS), more_duts=DEVICES, **spec) as small:
        device = small.world.han_devices[0]
        assert device.eui == PPMID
        yield small, device


def bodies(small: Small, code: str) -> list[tuple[str, Any]]:
    return [
        (post.user, post.message.body)
        for post in small.posts
        if isinstance(post.message, duis.DccAlert) and post.message.alert_code == code
    ]


@pytest.mark.parametrize("name", ["ppmid", "hcalcs"])
async def test_a_device_joins_like_a_meter(name: str) -> None:
    dut = DEVICES[name]
    with premises(inventory={name: "unknown"}) as (small, _):
        details = {"device_id": dut.eui, "device_type": dut.type.value}
        details |= {"device_manufacturer": dut.manufacturer, "device_model": dut.model}
        assert small.send("IS", "12.2", params=details).response_code == "I99"
        added = {"device_id": dut.eui, "install_code": CODE, "join_time_period": 600}
        assert (await small.ask("IS", "8.11", CHF, added)).ok
        assert small.status(dut.eui) == "Whitelisted"
        await asyncio.sleep(60)
        assert small.status(dut.eui) == "InstalledNotCommissioned"
        assert (await small.ask("IS", "11.2", dut.eui)).values["firmware_version"].hex() == "00000001"
        removed = {"device_id": dut.eui, "request_type": "Remove"}
        assert (await small.ask("IS", "8.11", CHF, removed)).ok
        assert small.status(dut.eui) == "Pending"
        assert small.send("IS", "11.2", dut.eui).response_code == "E5"


async def test_a_display_is_commissioned_by_joining_the_gas_proxy() -> None:
    with premises(inventory={"ppmid": "InstalledNotCommissioned"}) as (small, _):
        unknown = {"other_device_id": HCALCS}
        assert small.send("GS", "8.3", params={"device_id": HCALCS}).response_code == "I99"
        assert (await small.ask("GS", "8.7.2", GPF, unknown)).ok
        assert small.status(HCALCS) == "Decommissioned"
        assert (await small.ask("GS", "8.7.2", GPF, {"other_device_id": PPMID})).ok
        assert small.status(PPMID) == "Commissioned"


async def test_the_inventory_has_them() -> None:
    with premises() as (small, _):
        shown = small.send("IS", "8.2", params={"device_id": CHF})
        assert isinstance(shown, duis.InventoryResponse)
        assert {each.device_type for each in shown.devices} >= {"PPMID", "HCALCS"}
        assert small.send("IS", "8.3", params={"device_id": PPMID}).response_code == "I99"
        assert small.status(PPMID) == "Decommissioned"
        deleted = {"device_id": PPMID, "delete_device": True}
        assert small.send("IS", "8.4", params=deleted).response_code == "I99"
        assert small.status(PPMID) == "unknown"


async def test_what_is_for_meters_is_not_for_displays() -> None:
    with premises() as (small, _):
        assert small.send("IS", "7.4", PPMID).response_code == "E11"
        assert small.send("IS", "8.1.1", HCALCS, {"current_date_time": small.world.mail.now}).response_code == "E11"


async def test_without_supply_of_the_premises_a_display_is_off() -> None:
    with premises() as (small, display):
        assert display.powered
        assert (await small.ask("IS", "7.2", ESME)).ok
        assert not display.powered
        with pytest.raises(TimeoutError):
            await small.ask("IS", "11.2", PPMID)
        assert (await small.ask("IS", "7.1", ESME)).ok
        assert (await small.ask("IS", "11.2", PPMID)).ok


@pytest.mark.parametrize("user", ["IS", "GS"])
async def test_an_image_is_activated_by_the_device(user: str) -> None:
    with premises() as (small, display):
        sent = small.send(user, "11.4", params=update(PPMID))
        assert sent.response_code == "I99"
        await asyncio.sleep(300)
        ((told, transfer),) = bodies(small, "N61")
        assert told == user
        assert (transfer["comms_hub_device_id"], transfer["alert_code"]) == (CHF, b"\x8f\x8a")
        assert transfer["firmware_transfer_alert"] == {
            "update_firmware_request_id": sent.request_id,
            "other_device_id": PPMID,
            "firmware_version": VERSION,
            "transfer_response_code": "FileTransferSuccess",
        }
        activated = bodies(small, "N39")
        assert [told for told, _ in activated] == ["IS", "GS"]
        assert activated[0][1]["device_alert_code"] == b"\x8f\x8b"
        assert activated[0][1]["ppmid_firmware_upgrade_alert"] == {
            "firmware_version": VERSION,
            "activate_image_result_code": "ActivationSuccess",
        }
        assert display.firmware == VERSION
        assert (await small.ask("OU", "11.2", PPMID)).values["firmware_version"].hex() == VERSION
        assert "N52" not in small.codes()


async def test_a_bad_image_is_not_activated() -> None:
    with premises() as (small, display):
        bad = bytes.fromhex("1ef1ee0b") + bytes(200)
        assert small.send("IS", "11.4", params=update(PPMID, firmware_image=bad)).response_code == "I99"
        await asyncio.sleep(300)
        outcome = bodies(small, "N39")[0][1]["ppmid_firmware_upgrade_alert"]
        assert outcome["activate_image_result_code"] == "ActivationFailure"
        assert display.firmware == "00000001"
        assert (await small.ask("IS", "11.2", PPMID)).ok
        assert "N52" not in small.codes()


async def test_a_display_that_is_off_gets_no_image() -> None:
    with premises() as (small, _):
        assert (await small.ask("IS", "7.2", ESME)).ok
        assert small.send("IS", "11.4", params=update(PPMID)).response_code == "I99"
        await asyncio.sleep(7 * 3600)
        transfer = bodies(small, "N61")[0][1]
        assert transfer["alert_code"] == b"\x8f\x89"
        assert transfer["firmware_transfer_alert"]["transfer_response_code"] == "FileTransferFailure"
        assert "N39" not in small.codes()
