"""What the emulated DCC takes, what it refuses, and what it lets devices do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import build_request
from bench.duis.service_requests import WebService
from bench.duis.signatures import sign
from bench.eui import Eui64
from bench.gbcs import crypto
from bench.gbcs.message import Message
from bench.gbcs.use_cases import use_case_for
from bench.parties import KeyUse
from bench.virtual_time import VirtualLoop
from drivers.emulated.dcc import BAD_SIGNED_PRE_COMMAND, Rejected
from drivers.emulated.identities import Identities, RemotePartyRole
from tests.emulated.worlds import CHF, CODES, DCC, DETAILS, DUTS, ESME, GPF, GSME, USERS, small_world

UNKNOWN = Eui64.parse("00-DB-12-34-56-78-90-FF")
VOLTAGE: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("user", "variant", "target", "params", "more", "code"),
    [
        ("IS", "8.2", DCC, {"device_id": ESME}, {"service": WebService.TRANSFORM}, "E13"),
        ("IS", "8.2", DCC, {"device_id": ESME}, {"command_variant": 4}, "E13"),
        ("IS", "7.4", ESME, {}, {"service": WebService.DCC_ONLY}, "E13"),
        ("IS", "7.4", ESME, {}, {"command_variant": 4}, "E12"),
        ("IS", "7.2", ESME, {}, {"command_variant": 1}, "E12"),
        ("IS", "7.4", UNKNOWN, {}, {}, "E19"),
        ("IS", "8.2", DCC, {"device_id": UNKNOWN}, {}, "E19"),
        ("IS", "8.2", ESME, {"device_id": ESME}, {}, "E19"),
        ("IS", "8.11", CHF, {"device_id": UNKNOWN, "install_code": "00" * 16}, {}, "E19"),
        ("ED", "6.5", GSME, VOLTAGE, {}, "E11"),
        ("IS", "7.1", GSME, {}, {}, "E11"),
        ("IS", "8.11", ESME, {"device_id": GSME, "install_code": "00" * 16}, {}, "E11"),
        ("ED", "7.2", ESME, {}, {}, "E2"),
        ("IS", "6.5", ESME, VOLTAGE, {}, "E2"),
        ("GS", "7.2", ESME, {}, {}, "E4"),
        ("IS", "8.1.1", GSME, {"current_date_time": "2026-01-01T00:00:00Z"}, {}, "E4"),
        ("IS", "8.1.1", ESME, {"current_date_time": "2026-01-01T00:00:00Z"}, {}, "E5"),
        ("IS", "8.11", CHF, {"device_id": ESME, "install_code": "00" * 16}, {}, "E5"),
        ("IS", "8.11", CHF, {"device_id": ESME, "install_code": "00" * 8}, {}, "E5"),
        ("IS", "12.2", DCC, {"device_id": ESME, "device_type": "ESME", **DETAILS}, {}, "E120201"),
        ("IS", "8.4", DCC, {"device_id": ESME, "update_device_status_except_ch": "Pending"}, {}, "E080401"),
        ("IS", "8.4", DCC, {"device_id": CHF, "update_device_status_except_ch": "Pending"}, {}, "E080401"),
        ("IS", "6.20.1", ESME, {"import_mpan": "12345678901AB"}, {}, "E12"),
        ("IS", "6.20.1", ESME, {"import_mprn": "1234567890"}, {}, "E11"),
    ],
)
async def test_refusals(
    user: str, variant: str, target: Eui64, params: dict[str, Any], more: dict[str, Any], code: str
) -> None:
    with small_world() as small:
        answer = small.send(user, variant, target, params, **more)
        assert isinstance(answer, duis.ErrorResponse)
        assert answer.response_code == code
        await asyncio.sleep(60)
        assert small.posts == []


@pytest.mark.parametrize("status", ["Pending", "Whitelisted", "Decommissioned"])
async def test_a_device_that_is_not_installed_gets_no_commands(status: str) -> None:
    with small_world(inventory={"esme": status}) as small:
        assert small.send("IS", "7.4", ESME).response_code == "E5"


async def test_an_unknown_meter_measures_and_nobody_hears_of_it() -> None:
    voltage = {"period": "60 s", "over": "253 V", "under": "207 V"}
    for status in ("unknown", "Pending", "InstalledNotCommissioned", "Decommissioned"):
        with small_world(inventory={"esme": status}, world={"voltage": voltage}) as small:
            small.world.source_node.step(260.0)
            await asyncio.sleep(200)
            small.world.source_node.step(0.0)
            await asyncio.sleep(20)
            small.world.source_node.step(230.0)
            await asyncio.sleep(200)
            assert small.world.esme.average.over_count == 1
            assert small.alerts() == []


async def test_a_request_must_be_signed_by_a_known_user_and_be_his() -> None:
    with small_world() as small:
        user, other = small.world.users["IS"], small.world.users["GS"]
        mine = RequestId(user.eui, ESME, 1)
        unsigned = build_request("7.4", request_id=mine, command_variant=1)
        stranger = Identities(99).organisation(user.eui, KeyUse.XML_SIGN, RemotePartyRole.XML_SIGN)
        good = sign(unsigned, user.xml.private_key, user.xml.certificate)
        for document in (
            unsigned,
            sign(unsigned, stranger.private_key, stranger.certificate),
            good.replace(b"7.4", b"7.2"),
            good[:-20],
            b"",
            b"<a/>",
        ):
            with pytest.raises(Rejected):
                small.world.dcc.handle(WebService.SEND_COMMAND, document)
        reply = small.world.dcc.handle(
            WebService.SEND_COMMAND, sign(unsigned, other.xml.private_key, other.xml.certificate)
        )
        assert b">E1<" in reply


async def test_a_critical_command_is_signed_by_its_user_and_unchanged() -> None:
    with small_world() as small:
        answer = small.send("IS", "7.2", ESME)
        assert isinstance(answer, duis.PreCommand)
        assert answer.request_id is not None
        counter, keys = answer.request_id.counter, small.world.users
        pre_command = Message.parse(answer.payload)
        other_use_case = use_case_for(0x004F)
        assert other_use_case is not None
        enable = other_use_case.build_command(
            {}, originator=pre_command.originator, recipient=ESME, originator_counter=counter
        )
        bad = [
            crypto.sign_pre_command(answer.payload, keys["GS"].signing.private_key),
            crypto.sign(enable, keys["IS"].signing.private_key).encode(),
            answer.payload,
            crypto.sign(replace(pre_command, originator_counter=counter + 1), keys["IS"].signing.private_key).encode(),
            b"\xdf\x09",
        ]
        for payload in bad:
            refused = small.send("IS", "7.2", ESME, {"gbcs_payload": payload}, command_variant=5, counter=counter)
            assert refused.response_code == BAD_SIGNED_PRE_COMMAND
        good = crypto.sign_pre_command(answer.payload, keys["IS"].signing.private_key)
        for code in ("I99", BAD_SIGNED_PRE_COMMAND):
            taken = small.send("IS", "7.2", ESME, {"gbcs_payload": good}, command_variant=5, counter=counter)
            assert taken.response_code == code
        await asyncio.sleep(10)
        assert [post.code for post in small.posts] == ["7.2"]
        assert small.world.esme.load.volts == 0.0


async def test_a_signed_pre_command_that_nobody_asked_for_is_refused() -> None:
    with small_world() as small:
        use_case = use_case_for(0x0050)
        assert use_case is not None
        user = small.world.users["IS"]
        command = use_case.build_command({}, originator=user.eui, recipient=ESME, originator_counter=7)
        payload = crypto.sign(command, user.signing.private_key).encode()
        answer = small.send("IS", "7.2", ESME, {"gbcs_payload": payload}, command_variant=5, counter=7)
        assert answer.response_code == BAD_SIGNED_PRE_COMMAND
        await asyncio.sleep(10)
        assert small.world.esme.load.volts == 230.0


async def test_a_device_believes_only_its_own_people() -> None:
    """A command that the DCC could have made but did not: wrong tag, stranger, replay, somebody else's."""
    with small_world() as small:
        world = small.world
        use_case = use_case_for(0x0050)
        assert use_case is not None
        broker = world.surroundings.identities.organisation(
            DCC, KeyUse.KEY_AGREEMENT, RemotePartyRole.ACCESS_CONTROL_BROKER
        )
        stranger = Identities(5)
        strange_key = stranger.organisation(USERS["IS"][1], KeyUse.DIGITAL_SIGNATURE, RemotePartyRole.SUPPLIER)
        device_key = world.esme.agreement.private_key.public_key()

        def command(originator: Eui64, signer: Any, counter: int, recipient: Eui64 = ESME) -> Message:
            made = use_case.build_command({}, originator=originator, recipient=recipient, originator_counter=counter)
            signed = crypto.sign(made, signer)
            return crypto.seal(signed, crypto.message_key(signed, broker.private_key, device_key))

        supplier = world.users["IS"]
        good = command(supplier.eui, supplier.signing.private_key, 10)
        assert good.mac is not None
        for bad in (
            command(supplier.eui, strange_key.private_key, 11),
            command(UNKNOWN, supplier.signing.private_key, 12),
            command(supplier.eui, supplier.signing.private_key, 13, GSME),
            replace(good, mac=bytes(12)),
        ):
            assert world.esme.receive(bad.encode()) is None
        assert world.esme.receive(b"nonsense") is None
        assert world.esme.load.volts == 230.0
        assert world.esme.receive(good.encode()) is not None
        assert world.esme.load.volts == 0.0
        assert world.esme.receive(good.encode()) is None


async def test_the_inventory() -> None:
    with small_world(inventory={"gsme": "unknown"}) as small:
        answer = small.send("ED", "8.2", params={"device_id": CHF})
        assert isinstance(answer, duis.InventoryResponse)
        assert [each.device_id for each in answer.devices] == [ESME, CHF, GPF]
        one = small.send("ED", "8.2", params={"device_id": ESME})
        assert isinstance(one, duis.InventoryResponse)
        assert one.devices[0].more["import_mpxn"] == DUTS["esme"].mpxn
        by_mpan = small.send("ED", "8.2", params={"mpxn": DUTS["esme"].mpxn})
        assert isinstance(by_mpan, duis.InventoryResponse)
        assert [each.device_id for each in by_mpan.devices] == [ESME]


async def test_a_device_that_is_deleted_is_unknown() -> None:
    with small_world() as small:
        assert small.send("IS", "8.3", params={"device_id": ESME}).response_code == "I99"
        assert small.send("IS", "8.4", params={"device_id": ESME, "delete_device": True}).response_code == "I99"
        assert small.send("IS", "8.2", params={"device_id": ESME}).response_code == "E19"
        assert small.send("IS", "12.2", params={"device_id": ESME, "device_type": "ESME", **DETAILS}).response_code == (
            "I99"
        )
        assert small.status(ESME) == "Pending"


async def test_who_installs_a_meter_is_its_supplier() -> None:
    """Alerts of a supplier's go to the User that pre-notified and commissioned the device."""
    with small_world(inventory={"esme": "unknown"}) as small:
        details = {"device_id": ESME, "device_type": "ESME", **DETAILS}
        assert small.send("GS", "12.2", params=details).response_code == "I99"
        added = {"device_id": ESME, "install_code": CODES["esme"]}
        assert (await small.ask("GS", "8.11", CHF, added)).ok
        await asyncio.sleep(60)
        assert ("0x8183", "GS") in small.alerts()
        assert small.send("IS", "7.4", ESME).response_code == "E4"
        assert (await small.ask("GS", "7.4", ESME)).ok


async def test_registration_says_who_serves_a_meter() -> None:
    registered = {"esme": {"supplier": "GS", "network_operator": "GT"}}
    with small_world(registered=registered) as small:
        assert (await small.ask("GS", "7.2", ESME)).ok
        assert (await small.ask("GS", "7.3", ESME)).ok
        small.world.source_node.step(0.0)
        await asyncio.sleep(20)
        small.world.source_node.step(230.0)
        await asyncio.sleep(100)
        assert small.alerts() == [("0x8F32", "GS"), ("0x8F35", "GT")]


async def test_a_gas_supply_is_disabled_and_armed() -> None:
    world = {"gsme_wake": "60 s"}
    with small_world(world=world) as small:
        assert not (await small.ask("GS", "7.3", GSME)).ok
        assert (await small.ask("GS", "7.2", GSME)).values["supply_state"] == "disabled"
        assert (await small.ask("GS", "7.3", GSME)).values["supply_state"] == "armed"
        assert (await small.ask("GS", "7.4", GSME)).values["supply_state"] == "armed"
        assert small.alerts() == [("0x8F32", "GS")]
        assert small.protection(small.post("0x8F32")) == "valid"


async def test_a_user_that_the_rig_lacks_gets_nothing() -> None:
    with small_world(users=("IS",)) as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(300)
        small.world.source_node.step(230.0)
        await asyncio.sleep(300)
        assert small.alerts() == []


def life(seed: int) -> list[tuple[float, bytes]]:
    """An installation and an outage; every message and frame with its moment."""

    async def body() -> list[tuple[float, bytes]]:
        with small_world(seed=seed, inventory={"esme": "Pending"}) as small:
            await small.install("IS", "esme")
            small.world.source_node.step(0.0)
            await asyncio.sleep(200)
            small.world.source_node.step(230.0)
            await asyncio.sleep(200)
            return [(post.at_s, post.raw) for post in small.posts] + small.air

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(body())


def test_one_seed_gives_one_world() -> None:
    """The same seed: the same bytes of every message and frame, at the same moments. Another seed: others."""
    first = life(7)
    assert len(first) > 25
    assert life(7) == first
    assert life(8) != first
