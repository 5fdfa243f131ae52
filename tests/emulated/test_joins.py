"""Joins and unjoins: critical and not, by each method, remembered, read back, and refused for a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.duis.requests import Request
from bench.errors import DeviceError
from bench.eui import Eui64
from bench.gbcs.crypto import sign_pre_command
from bench.gbcs.message import Message
from bench.gbcs.use_cases import use_case_for
from bench.parties import DeviceType
from drivers.emulated.commands import Refused
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.joins import BAD_CERTIFICATE, NO_ANSWER, Joins
from drivers.emulated.memory import dumps, loads
from drivers.pre_command import check_pre_command
from tests.emulated.cells import HCALCS, MORE_DUTS, PPMID
from tests.emulated.worlds import ALL_USERS, CHF, ESME, GPF, GSME, Small, small_world

STRANGER = Eui64.parse("00-DB-12-34-56-78-90-FF")


@contextmanager
def premises(**spec: Any) -> Iterator[Small]:
    world = {"gsme_wake": "60 s"}
    with small_world(users=tuple(ALL_USERS), more_duts=MORE_DUTS, world=world, **spec) as small:
        yield small


def device(small: Small, eui: Eui64) -> EmulatedDevice:
    return next(each for each in small.world.devices if each.eui == eui)


def partners(small: Small, eui: Eui64) -> set[Eui64]:
    return set(device(small, eui).function(Joins).partners)


async def joined(small: Small, user: str, eui: Eui64) -> set[Eui64]:
    """Whom a device says that it is joined to (8.9)."""
    response = await small.ask(user, "8.9", eui)
    assert response.ok
    return {each for each, _ in response.values["joined_devices"]}


async def test_a_commissioned_house_is_joined() -> None:
    with premises() as small:
        assert await joined(small, "IS", ESME) == {PPMID, HCALCS}
        assert await joined(small, "GS", GSME) == {GPF}
        assert await joined(small, "GS", GPF) == {GSME, PPMID}
        assert await joined(small, "OU", PPMID) == {ESME, GPF}
    with premises(inventory={"gsme": "InstalledNotCommissioned"}) as small:
        assert partners(small, GPF) == {PPMID}


@pytest.mark.parametrize(
    ("user", "variants", "target", "other", "use_cases"),
    [
        ("IS", ("8.7.1", "8.8.1"), ESME, HCALCS, ("CS03A1", "CS04ACCritical")),
        ("IS", ("8.7.1", "8.8.1"), HCALCS, ESME, ("CS03A2", "CS04ACCritical")),
        ("GS", ("8.7.1", "8.8.1"), GSME, GPF, ("CS03A1", "CS04ACCritical")),
        ("IS", ("8.7.2", "8.8.2"), ESME, PPMID, ("CS03C", "CS04ACCritical")),
        ("OU", ("8.7.2", "8.8.2"), PPMID, ESME, ("CS03C", "CS04ACCritical")),
        ("GS", ("8.7.2", "8.8.2"), GSME, GPF, ("CS03B", "CS04B")),
        ("GS", ("8.7.2", "8.8.2"), GPF, PPMID, ("CS03B", "CS04B")),
    ],
)
async def test_a_device_leaves_another_and_joins_it_again(
    user: str, variants: tuple[str, str], target: Eui64, other: Eui64, use_cases: tuple[str, str]
) -> None:
    join, unjoin = variants
    with premises() as small:
        assert other in partners(small, target)
        about = {"other_device_id": other}
        assert (await small.ask(user, unjoin, target, about)).ok
        assert other not in partners(small, target)
        again = await small.ask(user, unjoin, target, about)
        assert (again.ok, again.values) == (False, {"unjoin_result": 1})
        assert (await small.ask(user, join, target, about)).ok
        assert other in partners(small, target)
        # CS04AC is one use case, whoever sends it: a message code cannot tell.
        codes = [post.gbcs.message_code for post in small.posts if post.gbcs is not None]
        names = [found.name for found in map(use_case_for, codes) if found is not None]
        assert names == [use_cases[1], use_cases[1], use_cases[0]]


async def test_a_critical_join_is_what_was_asked_for() -> None:
    with premises() as small:
        answer = small.send("IS", "8.7.1", ESME, {"other_device_id": HCALCS})
        assert isinstance(answer, duis.PreCommand)
        command = Message.parse(answer.payload)
        found = use_case_for(command.message_code)
        assert found is not None
        assert found.decode_command(command.content) == {"other_device": HCALCS, "other_device_type": "HCALCS"}
        assert answer.request_id is not None
        for other in (HCALCS, PPMID):
            params = {"other_device_id": other}
            request = Request(answer.request_id, 4, "8.7", "8.7.1", "JoinServiceCritical", params)
            if other == HCALCS:
                check_pre_command(answer.payload, request, DeviceType.ESME)
            else:
                with pytest.raises(DeviceError, match="its other_device is"):
                    check_pre_command(answer.payload, request, DeviceType.ESME)
        # Without a signature the meter does nothing.
        assert small.send("IS", "8.8.1", ESME, {"other_device_id": HCALCS}).response_code == "I0"
        await asyncio.sleep(60)
        assert HCALCS in partners(small, ESME)


async def test_an_unjoin_that_somebody_else_has_signed_is_refused() -> None:
    with premises() as small:
        answer = small.send("IS", "8.8.1", ESME, {"other_device_id": PPMID})
        assert isinstance(answer, duis.PreCommand)
        assert answer.request_id is not None
        forged = {"gbcs_payload": sign_pre_command(answer.payload, small.world.users["GS"].signing.private_key)}
        counter = answer.request_id.counter
        sent = small.send("IS", "8.8.1", ESME, forged, command_variant=5, counter=counter)
        assert sent.response_code == "E100"
        assert PPMID in partners(small, ESME)


async def test_who_cannot_be_joined() -> None:
    with premises(inventory={"ppmid": "unknown"}) as small:
        assert small.send("IS", "8.7.1", ESME, {"other_device_id": STRANGER}).response_code == "E19"
        assert small.send("IS", "8.7.2", ESME, {"other_device_id": PPMID}).response_code == "E19"
        assert small.send("GS", "8.7.2", CHF, {"other_device_id": ESME}).response_code == "E11"
        assert small.send("GS", "8.8.2", CHF, {"other_device_id": ESME}).response_code == "E11"
        # What has left the inventory can still be left.
        assert small.send("IS", "8.8.2", ESME, {"other_device_id": STRANGER}).response_code == "I99"
        meter = device(small, ESME).function(Joins)
        for name, params, result in (
            ("CS03A1", {"other_device": STRANGER, "other_device_type": "PPMID"}, NO_ANSWER),
            ("CS03A1", {"other_device": HCALCS, "other_device_type": "PPMID"}, NO_ANSWER),
            ("CS03C", {"other_device": HCALCS, "other_device_type": "HCALCS"}, BAD_CERTIFICATE),
            (
                "CS03C",
                {"other_device": HCALCS, "other_device_type": "HCALCS", "certificate": b"0\x00"},
                BAD_CERTIFICATE,
            ),
        ):
            with pytest.raises(Refused) as refused:
                meter.actions[name](params)
            assert refused.value.values == {"join_result": result}


async def test_joins_are_remembered() -> None:
    with premises() as small:
        assert (await small.ask("IS", "8.8.1", ESME, {"other_device_id": PPMID})).ok
        saved = loads(dumps(small.world.save()))
        assert set(saved["functions"]["esme"]["Joins"]["partners"]) == {HCALCS}
