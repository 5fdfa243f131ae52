"""Device logs of the hub: read (8.9), backed up at the DCC, and restored (8.12)."""

from __future__ import annotations

import asyncio
from typing import Any

from bench.duis import responses as duis
from bench.gbcs.hub_use_cases import AUTHORISED, REPORTING, SWAPPED_OUT, Backup, HashedKey, LoggedDevice
from bench.gbcs.message import Message
from bench.gbcs.use_cases import use_case_for
from bench.zigbee.security import aes_mmo, link_key_from_install_code
from drivers.emulated.functions.joins import Joins
from drivers.emulated.memory import dumps, loads
from tests.emulated.cells import MORE_DUTS, PPMID
from tests.emulated.worlds import CHF, CODES, ESME, GPF, GSME, Small, small_world

SOON: dict[str, Any] = {"world": {"gsme_wake": "60 s", "device_timeout": "200 s"}}


async def log_of(small: Small) -> dict[Any, LoggedDevice]:
    response = await small.ask("IS", "8.9", CHF)
    assert response.ok
    return {each.device: each for each in response.values["device_log"]}


async def test_the_log_tells_who_is_on_the_han_and_was_heard() -> None:
    with small_world(inventory={"gsme": "Pending"}, **SOON) as small:
        assert (await small.ask("IS", "7.4", ESME)).ok
        await small.install("GS", "gsme")
        log = await log_of(small)
        assert set(log) == {ESME, GSME}
        assert log[ESME].status & (AUTHORISED | REPORTING) == AUTHORISED | REPORTING
        assert log[ESME].successes >= 2
        heard = log[ESME].last_heard
        assert heard is not None
        assert (await small.ask("IS", "7.4", ESME)).ok
        later = (await log_of(small))[ESME]
        assert later.last_heard is not None
        assert later.last_heard > heard
        assert later.successes > log[ESME].successes
        assert later.rssi_dbm == log[ESME].rssi_dbm


async def test_security_details_are_hashes_of_link_keys_before_and_after_a_change() -> None:
    with small_world(**SOON) as small:
        removed = {"device_id": GSME, "request_type": "Remove"}
        assert (await small.ask("IS", "8.11", CHF, removed)).ok
        response = await small.ask("IS", "8.9", CHF, {"read_security_details": True})
        now, before = response.values["device_log"], response.values["previous_device_log"]
        keys = {eui: aes_mmo(link_key_from_install_code(CODES[name])) for eui, name in ((ESME, "esme"), (GSME, "gsme"))}
        assert {each.device: each.key for each in now.keys} == {ESME: keys[ESME]}
        assert {each.device: each.key for each in before.keys} == keys
        assert before.made < now.made


async def test_a_hub_that_lost_its_log_gets_it_back() -> None:
    with small_world("hub-log-lost@60s", **SOON) as small:
        await asyncio.sleep(70)
        assert await log_of(small) == {}
        assert small.send("IS", "7.4", ESME).response_code == "I99"
        await asyncio.sleep(250)
        (lost,) = [post for post in small.posts if isinstance(post.message, duis.ErrorResponse)]
        assert lost.message.response_code == "E21"
        assert (await small.ask("GS", "8.12.1", CHF, {"old_chf_id": CHF})).ok
        log = await log_of(small)
        assert {eui: bool(each.status & SWAPPED_OUT) for eui, each in log.items()} == {ESME: True, GSME: True}
        assert (await small.ask("IS", "7.4", ESME)).ok
        assert (await small.ask("GS", "7.4", GSME)).ok
        # The keys are hashed now, and so are they if the log is restored once more.
        small.world.hub.han.forget()
        assert (await small.ask("IS", "8.12.1", CHF, {"old_chf_id": CHF})).ok
        assert (await small.ask("IS", "7.4", ESME)).ok


async def test_a_device_that_came_back_and_is_removed_joins_anew_with_its_install_code() -> None:
    with small_world(**SOON) as small:
        assert (await small.ask("GS", "8.12.1", CHF, {"old_chf_id": CHF})).ok
        assert (await small.ask("IS", "8.11", CHF, {"device_id": ESME, "request_type": "Remove"})).ok
        assert small.send("IS", "8.3", params={"device_id": ESME}).response_code == "I99"
        pending = {"device_id": ESME, "update_device_status_except_ch": "Pending"}
        assert small.send("IS", "8.4", params=pending).response_code == "I99"
        await small.install("IS", "esme")
        assert (await small.ask("IS", "7.4", ESME)).ok


async def test_a_device_with_another_key_does_not_come_back() -> None:
    with small_world(**SOON) as small:
        han = small.world.hub.han
        keys = tuple(HashedKey(ESME, bytes(16)) if each.device == ESME else each for each in han.hashed_keys)
        han.restore(bytes(8), keys)
        assert (han.is_member(ESME), han.is_member(GSME)) == (False, True)
        assert han.extended_pan_id == bytes(8)


async def test_what_there_is_to_restore() -> None:
    with small_world(inventory={"esme": "unknown", "gsme": "unknown"}) as small:
        assert small.send("IS", "8.12.1", CHF, {"old_chf_id": ESME}).response_code == "E19"
        assert small.send("IS", "8.12.1", CHF, {"old_chf_id": CHF}).response_code == "E081202"
        assert small.send("GS", "8.12.2", GPF, {"old_gpf_id": CHF}).response_code == "E081221"
        assert small.send("GS", "8.12.2", CHF, {"old_gpf_id": GPF}).response_code == "E11"


async def test_a_local_restore_is_a_command_like_any_other() -> None:
    with small_world("hub-log-lost@10s", **SOON) as small:
        await asyncio.sleep(20)
        local = small.send("IS", "8.12.1", CHF, {"old_chf_id": CHF}, command_variant=2)
        assert isinstance(local, duis.LocalCommand)
        command = Message.parse(local.payload)
        found = use_case_for(command.message_code)
        assert found is not None
        backup = found.decode_command(command.content)["device_log_to_restore"]
        assert isinstance(backup, Backup)
        assert {each.device for each in backup.keys} == {ESME, GSME}
        assert small.world.deliver_locally(local.payload) is not None
        assert (await small.ask("IS", "7.4", ESME)).ok


async def test_a_gpf_is_joined_again_to_whom_it_had_joined() -> None:
    with small_world(more_duts=MORE_DUTS, **SOON) as small:
        gpf = small.world.hub.gpf
        assert gpf is not None
        joins = gpf.function(Joins)
        assert (await small.ask("GS", "8.8.2", GPF, {"other_device_id": PPMID})).ok
        joins.partners.clear()  # another GPF, in another hub
        restored = await small.ask("GS", "8.12.2", GPF, {"old_gpf_id": GPF})
        assert restored.values["results"] == ((GSME, "GSME", 0),)
        assert set(joins.partners) == {GSME}
        assert (await small.ask("GS", "8.7.2", GPF, {"other_device_id": PPMID})).ok
        restored = await small.ask("GS", "8.12.2", GPF, {"old_gpf_id": GPF})
        assert {eui for eui, _, _ in restored.values["results"]} == {GSME, PPMID}


async def test_logs_are_remembered() -> None:
    with small_world(**SOON) as small:
        assert (await small.ask("IS", "8.11", CHF, {"device_id": GSME, "request_type": "Remove"})).ok
        saved = loads(dumps(small.world.save()))
        assert {each.device for each in saved["dcc"]["parts"]["DeviceLogs"]["logs"][CHF].keys} == {ESME}
        assert len(saved["functions"]["chf"]["DeviceLog"]["before"].keys) == 2
