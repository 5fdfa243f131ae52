"""Images on their way to devices, what becomes of them, and versions that nobody expected."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bench.duis import responses as duis
from bench.eui import Eui64
from tests.emulated.cells import HCALCS, MORE_DUTS, PPMID
from tests.emulated.firmware_worlds import IMAGE_HASH, distribute, update
from tests.emulated.worlds import CHF, ESME, GPF, GSME, Small, small_world

UNKNOWN = Eui64.parse("00-DB-12-34-56-78-90-FF")


def ota(small: Small, user: str = "IS", inner: bytes = b"code", **changes: Any) -> bytes:
    """An OTA upgrade image with a supplier's signature."""
    key = small.world.users[user].signing.private_key
    r, s = decode_dss_signature(key.sign(inner, ec.ECDSA(hashes.SHA256())))
    signed = r.to_bytes(32) + s.to_bytes(32)
    trailer: bytes = b"\x00\x40" + changes.get("signature", signed)
    size: int = 60 + len(inner) + len(trailer) + changes.get("size_off", 0)
    header = bytes.fromhex("1ef1ee0b00013c0004003412010002000100") + bytes(34) + size.to_bytes(4, "little") + bytes(4)
    return header + inner + trailer


async def test_an_image_takes_minutes_and_its_device_says_that_it_is_right() -> None:
    with small_world() as small:
        assert small.send("IS", "11.1", params=update(ESME)).response_code == "I99"
        await asyncio.sleep(100)
        assert small.alerts() == []
        await asyncio.sleep(60)
        assert small.alerts() == [("0x8F72", "IS")]
        assert small.protection(small.post("0x8F72")) == "valid"
        gbcs = small.post("0x8F72").gbcs
        assert gbcs is not None
        assert (gbcs.message_code, IMAGE_HASH in gbcs.content) == (0x00CE, True)


async def test_a_large_image_takes_longer() -> None:
    with small_world() as small:
        image = bytes(1_000_000)
        assert small.send("GS", "11.1", params=update(GSME, firmware_image=image)).response_code == "I99"
        await asyncio.sleep(1200)
        assert small.alerts() == []
        await asyncio.sleep(120)
        assert small.alerts() == [("0x8F72", "GS")]
        gbcs = small.post("0x8F72").gbcs
        assert gbcs is not None
        assert (gbcs.message_code, hashlib.sha256(image).digest() in gbcs.content) == (0x00CF, True)


async def test_devices_that_cannot_take_it_are_named() -> None:
    with small_world(inventory={"gsme": "InstalledNotCommissioned"}) as small:
        answer = small.send("IS", "11.1", params=update(ESME, CHF, UNKNOWN))
        assert isinstance(answer, duis.DspResponse)
        assert answer.response_code == "W110101"
        assert answer.values == {"invalid_device_id_list": f"{CHF},{UNKNOWN}"}
        again = small.send("IS", "11.1", params=update(ESME))
        assert again.response_code == "E110102"
        assert small.send("GS", "11.1", params=update(GSME)).response_code == "E110102"
        assert small.send("GS", "11.1", params=update(ESME)).response_code == "E110102"
        await asyncio.sleep(300)
        assert small.send("IS", "11.1", params=update(ESME, firmware_image=b"other")).response_code == "E110103"
        assert small.send("IS", "11.1", params=update(ESME, firmware_version="9.1")).response_code == "E110103"
        assert small.send("IS", "11.1", params=update(ESME)).response_code == "I99"


async def test_a_device_without_supply_is_tried_again_and_then_given_up() -> None:
    with small_world() as small:
        small.world.source_node.step(0.0)
        sent = small.send("IS", "11.1", params=update(ESME))
        await asyncio.sleep(3600)
        small.world.source_node.step(230.0)
        await asyncio.sleep(1200)
        assert "0x8F72" in small.codes()
        small.world.source_node.step(0.0)
        sent = small.send("IS", "11.1", params=update(ESME))
        await asyncio.sleep(7 * 3600)
        lost = small.post("N19")
        assert lost.user == "IS"
        assert isinstance(lost.message, duis.DccAlert)
        assert lost.message.body == {"update_firmware_request_id": sent.request_id, "meter_ids": str(ESME)}


async def test_an_image_for_a_display() -> None:
    """11.4 is for PPMIDs; one that is on no HAN never gets it."""
    with small_world(more_duts=MORE_DUTS, inventory={"hcalcs": "Pending"}) as small:
        assert small.send("IS", "11.1", params=update(PPMID)).response_code == "E110102"
        answer = small.send("IS", "11.4", params=update(PPMID, HCALCS))
        assert isinstance(answer, duis.DspResponse)
        assert (answer.response_code, answer.name) == ("W110401", "DSPUpdatePPMIDFirmwareWarning")
        assert answer.values == {"not_commissioned_device_id_list": str(HCALCS)}


@pytest.mark.parametrize("wrong", [{}, {"size_off": 1}, {"signature": bytes(64)}])
async def test_an_ota_image_is_checked(wrong: dict[str, Any]) -> None:
    with small_world() as small:
        await distribute(small, "IS", ESME, firmware_image=ota(small, **wrong))
        assert small.codes() == ["0x8F1C" if wrong else "0x8F72"]
        activated = await small.ask("IS", "11.3", ESME, {"firmware_hash": hashlib.sha256(b"code").digest()})
        assert activated.ok is not bool(wrong)


@pytest.mark.parametrize("user", ["IS", "ED"])
async def test_a_version_that_the_inventory_does_not_have(user: str) -> None:
    with small_world() as small:
        details = {"device_id": ESME, "firmware_version": "00000009"}
        assert small.send("IS", "8.4", params=details).response_code == "I99"
        assert (await small.ask(user, "11.2", ESME)).ok
        post = small.post("N49")
        assert post.user == "IS"
        assert isinstance(post.message, duis.DccAlert)
        assert post.message.body == {
            "device_id": ESME,
            "device_type": "ESME",
            "firmware_version_smi": "00000009",
            "firmware_version_device": "00000001",
        }
        assert (await small.ask(user, "11.2", ESME)).ok
        assert [code for code in small.codes() if code == "N49"] == ["N49"]


@pytest.mark.parametrize(
    ("user", "target", "kind", "code", "told"),
    [
        ("IS", CHF, "CHF", "N51", ["IS"]),
        ("GS", GPF, "GPF", "N51", ["GS"]),
        ("IS", PPMID, "PPMID", "N52", ["IS"]),
        ("GS", HCALCS, "HCALCS", "N52", ["IS"]),
    ],
)
async def test_another_version_of_a_hub_or_of_a_device_at_home(
    user: str, target: Eui64, kind: str, code: str, told: list[str]
) -> None:
    """The inventory was corrected to something that is not true, and 11.2 shows it."""
    with small_world(more_duts=MORE_DUTS) as small:
        details = {"device_id": target, "firmware_version": "00000009"}
        assert small.send(user, "8.4", params=details).response_code == "I99"
        assert (await small.ask(user, "11.2", target)).ok
        mismatches = [post for post in small.posts if isinstance(post.message, duis.DccAlert)]
        assert [(post.code, post.user) for post in mismatches] == [(code, each) for each in told]
        message = mismatches[0].message
        assert isinstance(message, duis.DccAlert)
        assert message.body == {
            "device_id": target,
            "device_type": kind,
            "firmware_version_smi": "00000009",
            "firmware_version_device": "00000001",
        }


async def test_an_activation_that_brings_another_version() -> None:
    """The meter reports what it runs; somebody at the meter has changed the image's version."""
    with small_world() as small:
        await distribute(small, "IS", ESME)
        firmware = next(each for each in small.world.esme.functions if type(each).__name__ == "Firmware")
        vars(firmware)["image_version"] = "00010003"
        assert (await small.ask("IS", "11.3", ESME, {"firmware_hash": IMAGE_HASH})).ok
        message = small.post("N50").message
        assert isinstance(message, duis.DccAlert)
        assert message.body["firmware_version_device"] == "00010003"
        shown = small.send("IS", "8.2", params={"device_id": ESME})
        assert isinstance(shown, duis.InventoryResponse)
        assert shown.devices[0].more["device_firmware_version"] == "00010003"
