"""The emulated bench over its wires, with the drivers of real devices and with plain HTTP."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import aiohttp
import pytest

from bench.capabilities import AcSource, CommsHub, Console, DccGateway, HanSniffer, Measures, Switch
from bench.clock import VirtualClock
from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import build_request
from bench.duis.signatures import sign, verify
from bench.errors import BenchError, DeviceError, DeviceLost
from bench.parties import KeyUse
from drivers.emulated.bench import EmulatedBench
from tests.emulated.benches import receiver, rig, running, seen
from tests.emulated.worlds import CHF, CODES, DCC, ESME


def request_document(bench: EmulatedBench, counter: int) -> bytes:
    user = bench.parties.users["IS"]
    unsigned = build_request("7.4", request_id=RequestId(user.eui, ESME, counter), command_variant=1)
    return sign(unsigned, user.xml.private_key, user.xml.certificate)


async def test_every_device_of_the_rig_answers_over_its_wire() -> None:
    async with rig() as (session, events):
        source, relay = session.capability(AcSource), session.capability(Switch)
        meter = session.capability(Measures, "meter")
        assert abs((await source.read_state()).measured_volts - 230) < 0.2
        assert await relay.is_closed()
        assert abs((await meter.measure("voltage")).value - 230) < 0.5
        await source.set_voltage(240.0)
        assert abs((await meter.measure("voltage")).value - 240) < 0.5
        assert abs((await meter.measure("frequency")).value - 50) < 0.1
        await relay.switch(False)
        assert (await meter.measure("voltage")).value == 0
        await relay.switch(True)
        await asyncio.sleep(60)
        hub = session.capability(CommsHub).hub_state()
        assert (hub.power, hub.wan, hub.han) == ("on", "up", "up")
        console = session.capability(Console)
        assert (await console.ask("status", {}))["supply"] == "enabled"
        assert session.capability(HanSniffer).can_see()
        assert seen(events, "seen.refused") == []


async def test_the_console_restarts_the_meter() -> None:
    async with rig() as (session, _):
        console = session.capability(Console)
        await console.ask("reboot", {})
        with pytest.raises(DeviceError, match="no supply"):
            await console.ask("status", {})
        await asyncio.sleep(5)
        assert (await console.ask("status", {}))["supply"] == "enabled"


async def test_an_outage_and_a_join_as_the_bench_sees_them() -> None:
    async with rig() as (session, events):
        source = session.capability(AcSource)
        dcc = session.capability(DccGateway)
        for variant, target, params in (
            ("8.3", DCC, {"device_id": ESME}),
            ("8.11", CHF, {"device_id": ESME, "request_type": "Remove"}),
            ("8.4", DCC, {"device_id": ESME, "update_device_status_except_ch": "Pending"}),
            ("8.11", CHF, {"device_id": ESME, "install_code": CODES["esme"]}),
        ):
            assert (await dcc.request("IS", variant, target, params)).response_code == "I99"
            await asyncio.sleep(5)
        await asyncio.sleep(60)
        stages = [data["stage"] for data in seen(events, "seen.han")]
        assert stages == ["association", "transport_key", "device_announce", "cbke", "join"]
        now = VirtualClock(asyncio.get_running_loop()).now().utc
        assert (
            await dcc.request("IS", "8.1.1", ESME, {"current_date_time": f"{now:%Y-%m-%dT%H:%M:%SZ}"})
        ).response_code
        await asyncio.sleep(5)
        await source.interrupt(200)
        await asyncio.sleep(120)
        alerts = [(data["code"], data["user"], data["signature"]) for data in seen(events, "seen.device_alert")]
        assert alerts == [("0x8183", "IS", "valid"), ("0x8F36", "ED", "valid")]
        assert [data["code"] for data in seen(events, "seen.dcc_alert")] == ["N1", "N24", "N24", "N16", "AD1"]
        powers = list(dict.fromkeys(data["power"] for data in seen(events, "seen.hub")))
        assert powers == ["on", "off", "booting"] or powers == ["off", "booting", "on"]


@pytest.mark.parametrize(
    ("fault", "act"),
    [
        ("source-silent@1s", "source"),
        ("source-ignores@1s", "source"),
        ("source-slow@1s", "source"),
        ("source-garbled@1s", "source"),
        ("source-vanishes@1s", "source"),
        ("relay-silent@1s", "relay"),
        ("relay-ignores@1s", "relay"),
        ("meter-silent@1s", "meter"),
        ("console-unplugged@1s", "console"),
        ("dcc-silent@1s", "dcc"),
        ("dcc-garbled@1s", "dcc"),
        ("dcc-bad-xml-signature@1s", "dcc"),
    ],
)
async def test_wires_go_wrong_where_they_are_told_to(fault: str, act: str) -> None:
    async with rig(fault) as (session, _):
        acts = {
            "source": lambda: session.capability(AcSource).set_voltage(235.0),
            "meter": lambda: session.capability(Measures, "meter").measure("voltage"),
            "console": lambda: session.capability(Console).ask("status", {}),
            "dcc": lambda: session.capability(DccGateway).request("IS", "7.4", ESME, {}),
            # The last, because it takes the supply away.
            "relay": lambda: session.capability(Switch).switch(False),
        }
        await asyncio.sleep(2)
        for name, do in acts.items():
            if name == act:
                with pytest.raises(BenchError):
                    await do()
            else:
                await do()


async def test_a_fault_without_delay_is_there_from_the_start() -> None:
    with pytest.raises(DeviceLost, match="source"):
        async with rig("source-vanishes"):
            pass


async def test_a_broker_that_restarts_and_a_sniffer_that_goes() -> None:
    async with rig("broker-restart@10s", "sniffer-unplugged@10s") as (session, events):
        await asyncio.sleep(60)
        assert not session.capability(HanSniffer).can_see()
        states = [(event.source, event.data["state"]) for event in events if event.kind == "device"]
        assert ("hub", "lost") in states
        assert ("hub", "reconnected") in states
        assert ("sniffer", "lost") in states


async def test_garbage_from_the_sniffer_is_no_join() -> None:
    async with rig("sniffer-garbled@1s") as (session, events):
        dcc = session.capability(DccGateway)
        await dcc.request("IS", "8.3", DCC, {"device_id": ESME})
        await dcc.request("IS", "8.11", CHF, {"device_id": ESME, "request_type": "Remove"})
        await dcc.request("IS", "8.4", DCC, {"device_id": ESME, "update_device_status_except_ch": "Pending"})
        await dcc.request("IS", "8.11", CHF, {"device_id": ESME, "install_code": CODES["esme"]})
        await asyncio.sleep(60)
        assert seen(events, "seen.han") == []


async def test_http_as_dcc_boxed_speaks_it() -> None:
    async with running() as bench, aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        settings = bench.settings["dcc"]
        url = settings["url"]
        taken: list[bytes] = []
        headers = {"Content-Type": "application/xml"}
        async with receiver(settings["receive_port"], taken):
            async with session.post(
                f"{url}/api/v1/serviceS", data=request_document(bench, 1), headers=headers
            ) as reply:
                assert (reply.status, reply.content_type) == (200, "application/xml")
                signed = verify(await reply.read(), bench.parties.certificates.all(KeyUse.XML_SIGN))
                answer = duis.parse_response(signed.root)
            assert isinstance(answer, duis.Acknowledgement)
            assert answer.response_code == "I99"
            async with session.post(f"{url}/api/v1/serviceS", data=b"<a/>", headers=headers) as reply:
                assert reply.status == 400
            async with session.post(f"{url}/api/v1/serviceX", data=b"<a/>", headers=headers) as reply:
                assert reply.status == 404
            async with session.get(f"{url}/api/v1/serviceS") as reply:
                assert reply.status == 405
            await asyncio.sleep(10)
        assert len(taken) == 1


async def test_who_goes_away_in_the_middle_of_a_question_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as bench:
        url = urlsplit(bench.settings["dcc"]["url"])
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(b"POST /api/v1/serviceD HTTP/1.1\r\nHost: dcc\r\nContent-Length: 100\r\n\r\n<a>")
        await asyncio.sleep(1)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(1)
    assert caplog.records == []


async def test_a_receive_service_that_is_late_gets_all_and_one_that_never_comes_nothing() -> None:
    async with running() as bench:
        taken: list[bytes] = []
        bench.world.source_node.step(0.0)
        await asyncio.sleep(200)
        async with receiver(bench.settings["dcc"]["receive_port"], taken):
            await asyncio.sleep(5)
        assert len(taken) == 2
        bench.world.source_node.step(230.0)
        await asyncio.sleep(1000)
        async with receiver(bench.settings["dcc"]["receive_port"], taken):
            await asyncio.sleep(100)
        assert len(taken) == 2


@pytest.mark.parametrize(("status", "times"), [(400, 1), (503, 61)])
async def test_what_is_refused_is_not_sent_again_and_what_fails_is(status: int, times: int) -> None:
    async with running() as bench:
        taken: list[bytes] = []
        async with receiver(bench.settings["dcc"]["receive_port"], taken, status):
            bench.world.source_node.step(0.0)
            await asyncio.sleep(20)
            bench.world.source_node.step(230.0)
            await asyncio.sleep(300)
        assert len(taken) == times


async def test_the_port_of_the_receive_service_is_kept_free() -> None:
    async with running() as bench:
        port = bench.settings["dcc"]["receive_port"]
        with socket.socket() as probe, pytest.raises(OSError, match="in use"):
            probe.bind(("127.0.0.1", port))
