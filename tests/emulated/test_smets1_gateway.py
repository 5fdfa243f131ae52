"""SMETS1 messages through the gateway driver and its wires: what a runbook has to go by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.capabilities import DccGateway
from bench.clock import VirtualClock
from bench.device import DeviceContext
from bench.duis import responses as duis
from bench.duis.safe_xml import parse
from bench.duis.smets1 import Smets1Header, parse_content
from bench.duis.smets1_write import build_result
from bench.events import Event, EventStream
from bench.parties import KeyUse, Parties
from bench.rig.load import load_rig
from bench.rig.session import RigSession, open_rig
from drivers.duis_sightings import Sightings
from drivers.emulated.dcc_parts.smets1 import Smets1
from drivers.emulated.memory import dumps, loads
from drivers.emulated.s1sp import S1sp
from drivers.emulated.spec import EmulationSpec
from drivers.emulated.world import Wiring, World
from drivers.redaction import Redactor
from drivers.smets1_sightings import smets1_message
from tests.drivers.dcc_fake import MemoryCounters
from tests.emulated.smets1_worlds import S1_CHF, S1_DUTS, S1_ESME, ask, smets1_world
from tests.emulated.worlds import ALL_USERS, DUTS, Small

RIG = Path(__file__).parents[2] / "rigs" / "emulated-smets1.yaml"
UTRN = "10050012345678901234"


@asynccontextmanager
async def rig(*faults: str) -> AsyncIterator[tuple[RigSession, list[Event]]]:
    async with open_rig(load_rig(RIG), VirtualClock(asyncio.get_running_loop()), faults=faults) as session:
        events: list[Event] = []
        session.stream.subscribe(events.append)
        yield session, events


def seen(events: Sequence[Event], kind: str) -> list[Mapping[str, Any]]:
    return [event.data for event in events if event.kind == kind]


async def test_answers_and_alerts_are_seen_with_their_verdict_and_a_utrn_is_seen_by_nobody() -> None:
    async with rig() as (session, events):
        gateway = session.capability(DccGateway)
        refused = await gateway.request("IS", "3.5", S1_ESME, {})
        assert refused.response_code == "E60"
        for variant in ("7.2", "7.3"):
            assert (await gateway.request("IS", variant, S1_ESME, {})).response_code == "I99"
            await asyncio.sleep(5)
        await gateway.request("IS", "2.2", S1_ESME, {"utrn": UTRN}, command_variant=3)
        await asyncio.sleep(5)
        answers = [each for each in seen(events, "seen.response") if not each["synchronous"]]
        assert [each["service_request"] for each in answers] == ["7.2", "7.3", "2.2"]
        assert {(each["user"], each["device"], each["signature"]) for each in answers} == {
            ("IS", str(S1_ESME), "valid")
        }
        assert [each["gbcs"]["ok"] for each in answers] == [True, True, True]
        assert not any(each.get("strange") for each in answers)
        (alert,) = seen(events, "seen.device_alert")
        assert (alert["code"], alert["user"], alert["device"], alert["signature"]) == (
            "0x8F32", "IS", str(S1_ESME), "valid"
        )  # fmt: skip
        assert alert["counter"] and alert["device_time_utc_ns"] and alert["values"] == {"description": "Supply armed"}
        (n56,) = seen(events, "seen.dcc_alert")
        assert (n56["code"], n56["user"], n56["device"], n56["signature"]) == ("N56", "IS", str(S1_ESME), "valid")
        assert n56["values"]["utrn"] == "(secret)" and n56["for_request"] == answers[2]["request_id"]
        assert not seen(events, "seen.refused")
        everything = " ".join(str(event.data) for event in events)
        assert UTRN not in everything and "TopUpDevice" in everything
        made = [
            part
            for part in everything.replace("<", " ").replace(">", " ").split()
            if part.isdigit() and len(part) == 20
        ]
        assert made == []


async def test_a_provider_is_believed_for_itself_only() -> None:
    """The DCC's own key, a User's and a stranger's make no provider."""
    with smets1_world() as small:
        provider = small.world.parties.certificates.find(small.world.spec.s1sp, KeyUse.XML_SIGN)
        assert provider is not None
        for keys in (small.world.dcc.keys.xml, small.world.users["ED"].xml):
            installation = small.world.smets1
            assert installation is not None
            small.world.dcc.part(Smets1).attach(installation, S1sp(keys))
            small.posts.clear()
            assert small.send("ED", "7.4", S1_ESME).response_code == "I99"
            await asyncio.sleep(10)
            message = small.posts[0].message
            assert isinstance(message, duis.Smets1Response)
            verdict = _verdict(small.world.parties, small, small.posts[0].raw)
            assert "the signature of the SMETS1 Service Provider: " in verdict and "not trusted" in verdict


def _verdict(parties: Parties, small: Small, document: bytes) -> str:
    stream = EventStream(small.world.clock)
    events: list[Event] = []
    stream.subscribe(events.append)
    context = DeviceContext("dcc", stream, parties, MemoryCounters())
    sightings = Sightings(context, Redactor(parties))
    sightings.report(sightings.read(document))
    return str(events[-1].data["signature"])


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"originator": "s1-gsme"}, "the DCC says that it is from"),
        ({"target": "GS"}, "the DCC says that it is for"),
        ({"originator_counter": 7}, "the provider answers"),
    ],
)
async def test_what_provider_and_dcc_say_must_agree(header: dict[str, Any], words: str) -> None:
    with smets1_world() as small:
        await ask(small, "ED", "7.4", S1_ESME)
        message = small.posts[0].message
        assert isinstance(message, duis.Smets1Response) and message.request_id is not None
        given: dict[str, Any] = {
            "originator": message.request_id.target,
            "target": message.request_id.originator,
            "originator_counter": message.request_id.counter,
        }
        for name, value in header.items():
            given[name] = {"s1-gsme": S1_DUTS["s1-gsme"].eui, "GS": ALL_USERS["GS"][1]}.get(value, value)
        unsigned = build_result(Smets1Header(**given), "ReadSupplyStatusRsp", success=True, content={})
        said = parse_content(parse(unsigned))
        _, _, data = smets1_message(message, said, "valid")
        assert data["signature"].startswith(words)


async def test_a_world_remembers_its_smets1_installation() -> None:
    with smets1_world(world={"hub_boot": "10 min"}) as small:
        await ask(small, "IS", "7.2", S1_ESME)
        await ask(small, "IS", "2.2", S1_ESME, {"utrn": UTRN})
        log = (await ask(small, "IS", "8.9", S1_CHF)).values
        small.world.source_node.step(0.0)
        await asyncio.sleep(10)
        sent = small.send("IS", "7.3", S1_ESME, command_variant=4)
        small.world.source_node.step(230.0)
        await asyncio.sleep(30)
        saved = loads(dumps(small.world.save()))
        world = small.world
        again = World(
            EmulationSpec.model_validate({"world": {"hub_boot": "10 min"}}),
            1,
            world.faults,
            Wiring("esme", True),
            ALL_USERS,
            DUTS | S1_DUTS,
            world.clock,
            small.loop,
            saved=saved,
        )
        world.close()
        later = Small(again, small.loop, counter=small.counter)
        again.outbox = later.receive
        try:
            await asyncio.sleep(120)
            assert [post.code for post in later.posts if post.code != "0x8F35"] == ["7.3", "0x8F32"]
            assert later.post("7.3").message.request_id == sent.request_id
            assert (await ask(later, "IS", "7.4", S1_ESME)).values["supply_state"] == "Armed"
            assert (await ask(later, "IS", "4.18", S1_ESME)).values["meter_balance"] == "500000"
            again_log = (await ask(later, "IS", "8.9", S1_CHF)).values["chf_device_log"]["chf_device_log_entry"]
            members = log["chf_device_log"]["chf_device_log_entry"]
            assert [each["device_id"] for each in again_log] == [each["device_id"] for each in members]
        finally:
            again.close()
