"""Joining the emulated HAN: who gets in, when, and what the air says of it."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bench.zigbee.frame import decode, learn
from bench.zigbee.join import JoinTracker
from bench.zigbee.security import Keys, link_key_from_install_code
from tests.emulated.worlds import CHF, CODES, ESME, GPF, GSME, Small, small_world

ABSENT = {"esme": "Pending", "gsme": "Pending"}
ADD_ESME = {"device_id": ESME, "install_code": CODES["esme"], "join_time_period": 600}
ADD_GSME = {"device_id": GSME, "install_code": CODES["gsme"], "join_time_period": 600}
WHOLE = ["association", "transport_key", "device_announce", "cbke", "join"]


def stages(small: Small) -> list[tuple[float, str]]:
    """What an independent listener makes of the air, with the keys on the labels."""
    keys, tracker = Keys(link=tuple(link_key_from_install_code(code) for code in CODES.values())), JoinTracker()
    heard = []
    for at_s, psdu in small.air:
        frame = decode(psdu, keys)
        keys = learn(keys, frame)
        heard += [(at_s, str(stage.stage)) for stage in tracker.feed(round(at_s * 1e9), frame)]
    return heard


def names(small: Small) -> list[str]:
    return [name for _, name in stages(small)]


async def test_a_join_takes_its_steps_and_its_time_on_the_air() -> None:
    with small_world(inventory=ABSENT) as small:
        assert (await small.ask("IS", "8.11", CHF, ADD_ESME)).ok
        begun_s = small.loop.time()
        await asyncio.sleep(60)
        heard = stages(small)
        assert [name for _, name in heard] == WHOLE
        times = [at_s for at_s, _ in heard]
        assert times == sorted(times)
        assert times[0] - begun_s < 11
        assert 5 < times[-1] - times[0] < 15
        assert small.world.hub.han.is_member(ESME)


async def test_what_follows_a_join() -> None:
    with small_world(inventory=ABSENT) as small:
        answer = small.send("IS", "8.11", CHF, ADD_ESME)
        assert small.status(ESME) == "Pending"
        await asyncio.sleep(3)
        assert small.status(ESME) == "Whitelisted"
        await asyncio.sleep(60)
        assert small.status(ESME) == "InstalledNotCommissioned"
        assert small.alerts() == [("N24", "IS"), ("0x8183", "IS")]
        body = small.post("N24").message.body  # type: ignore[attr-defined]
        assert body["update_han_device_log_service_request_id"] == answer.request_id
        joined = small.post("0x8183")
        assert small.protection(joined) == "valid"
        assert joined.gbcs is not None
        assert joined.gbcs.originator == ESME


@pytest.mark.parametrize(
    ("change", "heard"),
    [
        ({"install_code": "00" * 16}, ["association"]),
        ({"join_time_period": 1}, []),
    ],
)
async def test_a_wrong_label_or_a_closed_window_lets_nobody_in(change: dict[str, object], heard: list[str]) -> None:
    with small_world(inventory=ABSENT) as small:
        assert (await small.ask("IS", "8.11", CHF, ADD_ESME | change)).ok
        await asyncio.sleep(900)
        assert sorted(set(names(small)) - {"transport_key"}) == heard
        assert not small.world.hub.han.is_member(ESME)
        assert small.codes() == ["N24"]


async def test_the_right_label_after_the_wrong_one() -> None:
    with small_world(inventory=ABSENT) as small:
        await small.ask("IS", "8.11", CHF, ADD_ESME | {"install_code": "00" * 16})
        await asyncio.sleep(100)
        await small.ask("IS", "8.11", CHF, ADD_ESME)
        await asyncio.sleep(60)
        assert small.world.hub.han.is_member(ESME)


async def test_a_device_without_supply_joins_when_it_has_some() -> None:
    with small_world(inventory=ABSENT) as small:
        await small.ask("IS", "8.11", CHF, ADD_ESME)
        small.world.source_node.step(0.0)
        await asyncio.sleep(120)
        assert names(small) == []
        small.world.source_node.step(230.0)
        await asyncio.sleep(120)
        assert names(small) == WHOLE


async def test_losing_power_half_way_ends_the_join() -> None:
    with small_world(inventory=ABSENT) as small:
        announced = asyncio.Event()
        small.world.overhear(lambda _psdu: announced.set() if "device_announce" in names(small) else None)
        await small.ask("IS", "8.11", CHF, ADD_ESME)
        async with asyncio.timeout(60):
            await announced.wait()
        small.world.source_node.step(0.0)
        await asyncio.sleep(30)
        assert "join" not in names(small)
        assert not small.world.hub.han.is_member(ESME)
        small.world.source_node.step(230.0)
        await asyncio.sleep(120)
        assert names(small)[-5:] == WHOLE


async def test_a_gas_meter_joins_by_itself_and_answers_late() -> None:
    with small_world(inventory=ABSENT, world={"gsme_install": "10 min"}) as small:
        await small.ask("GS", "8.11", CHF, ADD_GSME)
        await asyncio.sleep(60)
        assert names(small) == WHOLE
        assert small.alerts() == [("N24", "GS"), ("0x8183", "GS")]
        assert small.protection(small.post("0x8183")) == "valid"
        at_once = small.loop.time()
        assert (await small.ask("GS", "8.1.1", GSME, {"current_date_time": small.world.mail.now})).ok
        assert small.loop.time() - at_once < 15
        await asyncio.sleep(700)
        asked = small.loop.time()
        assert (await small.ask("GS", "7.4", GSME, within_s=2400)).values["supply_state"] == "enabled"
        assert 0 < small.loop.time() - asked < 1810


async def test_removing_a_device_takes_it_off_the_han() -> None:
    with small_world() as small:
        assert (await small.ask("IS", "8.11", CHF, {"device_id": ESME, "request_type": "Remove"})).ok
        assert not small.world.hub.han.is_member(ESME)
        small.world.source_node.step(0.0)
        await asyncio.sleep(10)
        small.world.source_node.step(230.0)
        await asyncio.sleep(200)
        assert small.codes() == ["N24"]
        again = await small.ask("IS", "8.11", CHF, {"device_id": ESME, "request_type": "Remove"})
        assert not again.ok
        await asyncio.sleep(1)
        assert small.codes() == ["N24", "N25"]


async def test_a_whole_installation_twice_over() -> None:
    """IC01 and IC02 on one bench, in turn, with what puts it back."""
    with small_world() as small:
        for _ in range(2):
            for user, name, eui in (("IS", "esme", ESME), ("GS", "gsme", GSME)):
                assert small.send(user, "8.3", params={"device_id": eui}).response_code == "I99"
                remove = {"device_id": eui, "request_type": "Remove"}
                assert (await small.ask(user, "8.11", CHF, remove)).ok
                pending = {"device_id": eui, "update_device_status_except_ch": "Pending"}
                assert small.send(user, "8.4", params=pending).response_code == "I99"
                await small.install(user, name)
            certificate = small.world.users["GS"].signing.certificate
            der = certificate.public_bytes(Encoding.DER)
            agreement = small.world.users["GS"].agreement.certificate.public_bytes(Encoding.DER)
            handover = {
                "digital_signing_certificate": der,
                "key_agreement_certificate": agreement,
                "certificate": [der],
            }
            assert (await small.ask("GS", "6.21", GPF, handover)).ok
            assert (await small.ask("GS", "8.7.2", GSME, {"other_device_id": GPF}, within_s=60)).ok
            assert (await small.ask("GS", "6.20.1", GSME, {"import_mprn": "7412345604"}, within_s=60)).ok
            assert (await small.ask("IS", "6.20.1", ESME, {"import_mpan": "1012345678901"})).ok


async def test_the_sniffer_may_miss_it_or_nobody_may_join() -> None:
    with small_world("join-not-on-air", inventory=ABSENT) as small:
        await small.ask("IS", "8.11", CHF, ADD_ESME)
        await asyncio.sleep(60)
        assert small.air == []
        assert "0x8183" in small.codes()
    with small_world("join-never", inventory=ABSENT) as small:
        await small.ask("IS", "8.11", CHF, ADD_ESME)
        await asyncio.sleep(700)
        assert small.air == []
        assert small.codes() == ["N24"]
