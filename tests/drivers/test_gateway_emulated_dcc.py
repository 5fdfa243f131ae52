"""The gateway and the emulated DCC with meters behind it, over loopback sockets: what a bench does all day."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from bench.clock import VirtualClock
from bench.device import DeviceContext
from bench.duis.request_id import RequestId
from bench.duis.requests import build_request
from bench.duis.signatures import sign
from bench.errors import DeviceError, DeviceLost
from bench.eui import Eui64
from bench.events import Event, EventStream
from bench.parties import DeviceType, Dut
from bench.virtual_time import VirtualLoop
from drivers.emulated.dcc_http import DccServer, HttpFaults, Postman
from drivers.emulated.faults import Faults
from drivers.emulated.spec import EmulationSpec
from drivers.emulated.world import Wiring, World
from drivers.gateway import Gateway, GatewayConfig
from tests.drivers.dcc_fake import CHF, DCC, ED, ESME, GSME, INSTALL_CODE, IS, STRANGER, MemoryCounters

GPF = Eui64.parse("00-DB-12-34-56-78-90-A3")
MPAN = "1012345678901"
RANGE = {"start_date_time": "2026-01-01T00:00:00Z", "end_date_time": "2026-01-02T00:00:00Z"}
NOBODY = Eui64.parse("90-B3-D5-1F-30-09-00-00")
USERS = {"IS": ("IS", IS), "GS": ("GS", STRANGER), "ED": ("ED", ED), "NN": ("NN", NOBODY)}
DUTS = {
    "esme": Dut("esme", DeviceType.ESME, ESME, mpxn=MPAN, install_code=INSTALL_CODE),
    "gsme": Dut("gsme", DeviceType.GSME, GSME, mpxn="7412345604", install_code="51C8D3A76F1B2E905D3C4A7788E60F12"),
    "chf": Dut("chf", DeviceType.CHF, CHF),
    "gpf": Dut("gpf", DeviceType.GPF, GPF),
}


@dataclass
class Bench:
    world: World
    http: HttpFaults
    gateway: Gateway
    events: list[Event]

    def seen(self, kind: str) -> list[Mapping[str, Any]]:
        return [event.data for event in self.events if event.kind == f"seen.{kind}"]

    async def until(self, kind: str, when: Callable[[Mapping[str, Any]], bool], within_s: float) -> Mapping[str, Any]:
        async with asyncio.timeout(within_s):
            while True:
                for data in self.seen(kind):
                    if when(data):
                        return data
                await asyncio.sleep(0.5)

    async def ask(self, user: str, variant: str, target: Eui64, within_s: float = 120, **params: Any) -> Any:
        """Send a request, and return the device's response to it."""
        exchange = await self.gateway.request(user, variant, target, params)
        assert exchange.response_code == "I99"
        request_id = exchange.request_id
        return await self.until(
            "response", lambda data: data["request_id"] == request_id and not data["synchronous"], within_s
        )


@asynccontextmanager
async def bench(
    *faults: str,
    inventory: Mapping[str, str] = {},  # noqa: B006
    world: Mapping[str, Any] = {},  # noqa: B006
) -> AsyncIterator[Bench]:
    loop = asyncio.get_running_loop()
    clock = VirtualClock(loop)
    spec = EmulationSpec.model_validate({"inventory": dict(inventory), "world": dict(world)})
    postman: list[Postman] = []
    emulated = World(
        spec,
        1,
        Faults(faults),
        Wiring("esme", relay=False),
        USERS,
        DUTS,
        clock,
        loop,
        lambda document: postman[0].deliver(document),
    )
    http = HttpFaults()
    server = DccServer(emulated.dcc.handle, http)
    port = await server.start("127.0.0.1", 0)
    stream = EventStream(clock)
    events: list[Event] = []
    stream.subscribe(events.append)
    config = GatewayConfig.model_validate({"url": f"http://127.0.0.1:{port}", "receive_port": 0})
    gateway = Gateway(DeviceContext("dcc", stream, emulated.parties, MemoryCounters()), config)
    try:
        await gateway.connect()
        url = f"http://127.0.0.1:{gateway.receive_port}/smartdcc/duis"
        postman.append(Postman(url, emulated.schedule, http, retry_s=2.0, retry_for_s=120.0))
        await postman[0].start()
        await asyncio.sleep(300)  # the Comms Hub boots
        yield Bench(emulated, http, gateway, events)
    finally:
        for each in postman:
            await each.close()
        await gateway.close()
        await server.close()
        emulated.close()
        await asyncio.sleep(0.1)


async def test_a_supply_is_disabled_and_armed_and_says_so():
    async with bench() as rig:
        assert (await rig.ask("IS", "7.4", ESME))["gbcs"]["values"] == {"supply_state": "enabled"}
        disabled = await rig.ask("IS", "7.2", ESME)
        assert (disabled["response_code"], disabled["signature"], disabled["gbcs"]["ok"]) == ("I0", "valid", True)
        assert (await rig.ask("IS", "7.3", ESME))["gbcs"]["use_case"] == "ECS44"
        alert = await rig.until("device_alert", lambda data: data["code"] == "0x8F32", 60)
        assert (alert["user"], alert["device"], alert["signature"]) == ("IS", str(ESME), "valid")
        assert (await rig.ask("IS", "7.4", ESME))["gbcs"]["values"] == {"supply_state": "armed"}
        assert rig.seen("refused") == []


async def test_an_outage_is_told_to_the_network_operator_with_both_its_times():
    async with bench() as rig:
        rig.world.source_node.step(0.0)
        await asyncio.sleep(30)
        rig.world.source_node.step(230.0)
        alert = await rig.until("device_alert", lambda data: data["code"] == "0x8F35", 600)
        assert (alert["user"], alert["signature"]) == ("ED", "valid")
        assert set(alert["values"]) == {"interruption", "restoration"}
        assert alert["values"]["interruption"] < alert["values"]["restoration"]


async def test_a_long_outage_is_told_by_the_dcc_too():
    async with bench() as rig:
        rig.world.source_node.step(0.0)
        alert = await rig.until("dcc_alert", lambda data: data["code"] == "AD1", 1200)
        assert (alert["user"], alert["device"], alert["values"]["mpxn"]) == ("ED", str(CHF), MPAN)
        rig.world.source_node.step(230.0)
        await rig.until("device_alert", lambda data: data["code"] == "0x8F36", 600)
        assert not [data for data in rig.seen("device_alert") if data["code"] == "0x8F35"]


async def test_what_a_schedule_reads_is_told_with_its_number():
    async with bench() as rig:
        tomorrow = (rig.world.mail.now + timedelta(days=1)).date()
        wanted = {
            "schedule_start_date": tomorrow,
            "device_id": ESME,
            "dsp_scheduled_service_reference": "4.10",
            "dsp_scheduled_service_reference_variant": "4.10",
            "dsp_read_network_data": {},
        }
        made = await rig.gateway.request("IS", "5.1", rig.world.spec.dcc, wanted)
        assert made.response_code == "I0"
        (answer,) = rig.seen("response")
        number = answer["values"]["dsp_schedule_id"]
        told = await rig.until("response", lambda data: data.get("schedule") == number, 100_000)
        assert (told["signature"], told["request_id"]) == ("valid", made.request_id)
        assert told["gbcs"]["ok"]
        assert rig.seen("refused") == []


async def test_a_firmware_image_is_large():
    async with bench() as rig:
        params = {"firmware_image": bytes(2 << 20), "firmware_version": "00010002", "device_id_list": [ESME]}
        assert (await rig.gateway.request("IS", "11.1", rig.world.spec.dcc, params)).response_code == "I99"
        alert = await rig.until("device_alert", lambda data: data["code"] == "0x8F72", 10_000)
        assert (alert["user"], alert["signature"]) == ("IS", "valid")


async def test_a_meter_is_installed_and_commissioned():
    async with bench(inventory={"esme": "Pending"}) as rig:
        params = {"device_id": ESME, "request_type": "Add", "install_code": INSTALL_CODE, "join_time_period": 3600}
        logged = await rig.ask("IS", "8.11", CHF, **params)
        assert (logged["signature"], logged["gbcs"]["ok"], logged["user"]) == ("valid", True, "IS")
        n24 = await rig.until("dcc_alert", lambda data: data["code"] == "N24", 60)
        assert (n24["for_request"], n24["user"], n24["signature"]) == (logged["request_id"], "IS", "valid")
        joined = await rig.until("device_alert", lambda data: data["code"] == "0x8183", 4000)
        assert (joined["device"], joined["signature"]) == (str(ESME), "valid")
        now = rig.gateway.context.clock.now().utc
        clock = await rig.ask("IS", "8.1.1", ESME, current_date_time=now.isoformat(), tolerance_period=30)
        assert (clock["signature"], clock["gbcs"]["values"]["clock_status"]) == ("valid", 0)
        assert (await rig.ask("IS", "6.20.1", ESME, import_mpan=MPAN))["gbcs"]["ok"]
        await rig.gateway.request("IS", "8.2", DCC, {"device_id": ESME})
        devices = {each["device_id"]: each for each in rig.seen("response")[-1]["values"]["devices"]}
        assert (devices[str(ESME)]["status"], devices[str(ESME)]["import_mpxn"]) == ("Commissioned", MPAN)
        everything = json.dumps([[event.data, event.volatile] for event in rig.events], default=str).upper()
        assert INSTALL_CODE not in everything
        assert rig.seen("refused") == []


@pytest.mark.parametrize(
    ("user", "variant", "target", "params", "command_variant", "code"),
    [
        ("NN", "7.4", ESME, {}, None, "E1"),  # no role of DUIS
        ("ED", "7.2", ESME, {}, None, "E2"),  # a network operator disables nobody
        ("GS", "7.2", ESME, {}, None, "E4"),  # another supplier's meter
        ("IS", "8.1.1", ESME, {"current_date_time": "2026-01-01T00:00:00Z"}, None, "E5"),  # it is commissioned already
        ("IS", "6.20.1", GPF, {"import_mpan": MPAN}, None, "E11"),  # an electricity request at a gas device
        ("IS", "7.4", ESME, {}, 4, "E12"),  # nothing to transform
        ("IS", "8.2", DCC, {"device_id": ESME}, 4, "E13"),  # no request for that service
        ("ED", "4.10", ESME, RANGE, 2, "E17"),  # no local command for a meter that is not commissioned
        ("IS", "7.4", Eui64(bytes(8)), {}, None, "E19"),  # nobody knows it
    ],
)
async def test_what_the_dcc_refuses_comes_back_as_its_code(
    user: str, variant: str, target: Eui64, params: Any, command_variant: int | None, code: str
):
    async with bench(inventory={"esme": "InstalledNotCommissioned"} if code == "E17" else {}) as rig:
        exchange = await rig.gateway.request(user, variant, target, params, command_variant)
        assert exchange.response_code == code
        assert rig.seen("response")[-1]["response_code"] == code
        await asyncio.sleep(60)
        assert rig.seen("device_alert") == []


async def test_what_one_user_has_signed_is_not_taken_from_another():
    async with bench() as rig:
        users = rig.world.users
        about = RequestId(users["IS"].eui, ESME, 1)
        forged = sign(
            build_request("7.4", request_id=about, command_variant=1),
            users["GS"].xml.private_key,
            users["GS"].xml.certificate,
        )
        client = rig.gateway._client
        assert client is not None
        reply = await client.post("serviceS", forged)
        assert b"ResponseCode>E1<" in reply.body


async def test_link_keys_are_in_no_event():
    async with bench("hub-log-lost@400s") as rig:
        keys = {each.key for each in rig.world.hub.han.hashed_keys}
        read = await rig.ask("IS", "8.9", CHF, read_security_details=True)
        log = read["gbcs"]["values"]["device_log"]
        assert [each["device"] for each in log["keys"]] == [str(ESME), str(GSME)]
        assert {each["key"] for each in log["keys"]} == {"(secret)"}
        await asyncio.sleep(200)
        assert (await rig.gateway.request("IS", "8.12.1", CHF, {"old_chf_id": CHF}, 3)).response_code == "I0"
        await asyncio.sleep(60)
        assert rig.seen("response")[-1]["gbcs"]["ok"]
        assert rig.world.hub.han.is_member(ESME)
        everything = json.dumps([[event.data, event.volatile] for event in rig.events], default=str)
        assert "(secret)" in everything
        for key in keys:
            assert key.hex() not in everything.lower()
            assert base64.b64encode(key).decode().rstrip("=")[2:-2] not in everything


async def test_a_dual_band_hub_is_heard_through_the_gateway():
    async with bench(world={"dual_band": {"devices": ["gsme"]}}) as rig:
        assert (await rig.ask("IS", "6.29", CHF))["gbcs"]["ok"]
        await rig.until("dcc_alert", lambda data: data["values"].get("device_alert_code") == "8f2b", 120)
        alerts = rig.seen("dcc_alert")
        assert {(data["code"], data["user"], data["signature"]) for data in alerts} == {
            ("N54", "IS", "valid"),
            ("N54", "GS", "valid"),
        }
        assert alerts[0]["device"] == str(CHF)
        assert alerts[0]["values"]["sub_ghz_channel_scan_request_assessment_outcome"] == {
            "status_code": "ScanRequestAccepted",
            "scan_trigger": "RemotePartyCommand",
        }
        read = await rig.ask("IS", "6.30", CHF)
        assert read["gbcs"]["values"]["sub_ghz_configuration"]["gsme_curfew_min"] == 120


async def test_a_dcc_that_falls_silent_garbles_or_signs_badly():
    async with bench() as rig:
        rig.http.garbled = True
        with pytest.raises(DeviceError, match="cannot be believed"):
            await rig.gateway.request("IS", "7.4", ESME, {})
        rig.http.garbled = False
        rig.world.mail.bad_signatures = True
        with pytest.raises(DeviceError, match="does not verify"):
            await rig.gateway.request("IS", "7.4", ESME, {})
        await asyncio.sleep(120)
        assert [data["what"] for data in rig.seen("refused")].count("a message at the receive service") >= 1
        assert [data for data in rig.seen("response") if not data["synchronous"]] == []
        rig.world.mail.bad_signatures = False
        rig.http.silent = True
        tasks = len(asyncio.all_tasks())
        for _ in range(3):
            with pytest.raises(DeviceLost, match="does not answer within 3 s"):
                await rig.gateway.request("IS", "7.4", ESME, {})
        # It keeps nobody for ever who has given up.
        await asyncio.sleep(30)
        assert len(asyncio.all_tasks()) <= tasks


def test_the_same_world_gives_the_same_events():
    async def run() -> str:
        async with bench() as rig:
            await rig.ask("IS", "7.2", ESME)
            rig.world.source_node.step(0.0)
            await asyncio.sleep(30)
            rig.world.source_node.step(230.0)
            await rig.until("device_alert", lambda data: data["code"] == "0x8F35", 600)
            return json.dumps([(event.kind, event.at.utc_ns, event.data) for event in rig.events])

    streams = []
    for _ in range(2):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            streams.append(runner.run(run()))
    assert streams[0] == streams[1]
    assert "0x8F35" in streams[0]
