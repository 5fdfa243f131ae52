"""The emulated bench as the controller uses it: over its wires, with the drivers of real devices."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bench.capabilities import AcSource, CommsHub, Console, DccGateway, HanSniffer, Measures, Switch
from bench.clock import RealClock, VirtualClock
from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import build_request
from bench.duis.signatures import sign, verify
from bench.errors import BenchError, DeviceLost, UsageError
from bench.events import Event
from bench.parties import KeyUse
from bench.rig import RigSession, build_drivers, open_rig
from bench.rig_file import Rig, load_rig
from bench.virtual_time import VirtualLoop
from drivers.emulated.bench import EmulatedBench
from drivers.emulated.spec import EmulationSpec
from tests.emulated.worlds import CHF, CODES, DCC, DUTS, ESME, USERS

RIG = Path(__file__).parents[2] / "rigs" / "emulated.yaml"
SUPPLY = {"source": "source", "relay": "relay", "meter": "meter", "feeds": "esme"}
DEVICES: dict[str, dict[str, Any]] = {
    name: {} for name in ("source", "relay", "meter", "hub", "console", "sniffer", "dcc")
}
WIRES = {
    "source": {"kind": "scpi-tcp"},
    "relay": {"kind": "modbus-tcp"},
    "meter": {"kind": "modbus-tcp"},
    "hub": {"kind": "mqtt"},
    "console": {"kind": "console"},
    "sniffer": {"kind": "nrf-sniffer"},
    "dcc": {"kind": "duis-http"},
}


def make(
    *faults: str,
    wires: Mapping[str, Any] = WIRES,
    devices: Mapping[str, Any] = DEVICES,
    supply: Mapping[str, Any] = SUPPLY,
    seed: int | None = None,
    **spec: Any,
) -> EmulatedBench:
    loop = asyncio.get_running_loop()
    return EmulatedBench(
        EmulationSpec.model_validate({"wires": wires, **spec}),
        rig_devices=devices,
        supply=supply,
        users={name: {"role": role, "id": str(eui)} for name, (role, eui) in USERS.items()},
        duts=DUTS,
        clock=VirtualClock(loop),
        seed=seed,
        faults=faults,
    )


@asynccontextmanager
async def running(*faults: str, **more: Any) -> AsyncIterator[EmulatedBench]:
    bench = make(*faults, **more)
    await bench.start()
    try:
        yield bench
    finally:
        await bench.close()


@asynccontextmanager
async def rig(*faults: str, seed: int | None = None) -> AsyncIterator[tuple[RigSession, list[Event]]]:
    """The rig that ships, with its drivers connected, and everything that happens on it."""
    clock = VirtualClock(asyncio.get_running_loop())
    async with open_rig(load_rig(RIG), clock, faults=faults, seed=seed) as session:
        events: list[Event] = []
        session.stream.subscribe(events.append)
        yield session, events


def seen(events: list[Event], kind: str) -> list[Mapping[str, Any]]:
    return [event.data for event in events if event.kind == kind]


async def test_it_starts_and_closes_and_may_be_closed_twice() -> None:
    bench = make()
    await bench.start()
    assert list(bench.settings) == list(WIRES)
    folder = Path(bench.settings["console"]["resource"]).parent
    assert folder.is_dir()
    await bench.close()
    await bench.close()
    assert not folder.exists()


async def test_it_closes_without_having_started() -> None:
    bench = make()
    await bench.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"wires": {"source": {"kind": "carrier-pigeon"}}}, "there is no wire 'carrier-pigeon'"),
        ({"wires": {"lamp": {"kind": "mqtt"}}}, "the rig has no device 'lamp'"),
        ({"wires": {"hub": {"kind": "mqtt", "options": {"colour": "red"}}}}, "has no option 'colour'"),
        ({"wires": {"sniffer": {"kind": "nrf-sniffer", "options": {"dialect": "latin"}}}}, "dialect is 'latin'"),
        ({"wires": {"console": {"kind": "scpi-tcp"}}}, "supply.source"),
        ({"wires": {"console": {"kind": "modbus-tcp"}}}, "neither relay nor meter"),
        ({"devices": DEVICES | {"source": {"profile": "brand-x"}}}, "'brand-x' is not emulated"),
        ({"inventory": {"lamp": "Commissioned"}}, "no device under test 'lamp'"),
        ({"registered": {"esme": {"supplier": "XX"}}}, "there is no User 'XX'"),
        ({"supply": SUPPLY | {"feeds": "gsme"}}, "one ESME"),
    ],
)
async def test_what_does_not_fit_the_rig_is_refused_and_leaves_nothing(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        await make(**change).start()


@pytest.mark.parametrize(
    "spec",
    [
        {"world": {"outage_event": "3 min"}},
        {"world": {"voltage": {"period": "0.5 s"}}},
        {"world": {"voltage": {"over": "200 V", "under": "207 V"}}},
        {"wires": {"dcc": {"kind": "duis-http", "listen": "8080"}}},
        {"faults": ["alert-newer"]},
        {"inventory": {"esme": "Sold"}},
        {"colour": "red"},
    ],
)
def test_a_section_that_makes_no_sense_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        EmulationSpec.model_validate(spec)


async def test_a_fault_needs_its_wire() -> None:
    with pytest.raises(UsageError, match="no wire of this rig can have the fault console-unplugged"):
        await make("console-unplugged", wires={"dcc": WIRES["dcc"]}).start()


async def test_settings_are_what_the_drivers_take() -> None:
    loaded: Rig = load_rig(RIG)
    async with running(wires=(loaded.file.emulation or {})["wires"], devices=loaded.file.devices) as bench:
        from bench.counters import FileCounters
        from bench.events import EventStream

        stream = EventStream(VirtualClock(asyncio.get_running_loop()))
        counters = FileCounters.__new__(FileCounters)
        drivers = build_drivers(loaded, bench.settings, stream, bench.parties, counters)
        assert list(drivers) == list(loaded.file.devices)


async def test_keys_and_certificates_for_another_process() -> None:
    async with running() as bench:
        files = bench.private_material()
        parties = bench.parties
        for name, user in parties.users.items():
            for use in KeyUse:
                key = load_pem_private_key(files[f"keys/{name}/{use}.key"], None)
                certificate = x509.load_pem_x509_certificate(files[f"keys/{name}/{use}.pem"])
                assert key.public_key() == certificate.public_key()
                assert parties.certificates.find(user.eui, use) == certificate
        names = {path for path in files if path.startswith("certificates/")}
        assert f"certificates/{DCC.hex}-xml.pem" in names
        assert len(names) == 3 + 2 * len(DUTS)


def test_every_fault_is_described() -> None:
    known = EmulatedBench.faults_known()
    assert all(len(description) > 20 for description in known.values())
    assert {"alert-replay", "n24-wrong-request", "dcc-silent", "source-vanishes", "voltage-blip"} < set(known)


async def test_every_device_of_the_rig_answers_over_its_wire() -> None:
    async with rig() as (session, events):
        source, relay = session.capability(AcSource), session.capability(Switch)  # type: ignore[type-abstract]
        meter = session.capability(Measures, "meter")  # type: ignore[type-abstract]
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
        hub = session.capability(CommsHub).hub_state()  # type: ignore[type-abstract]
        assert (hub.power, hub.wan, hub.han) == ("on", "up", "up")
        console = session.capability(Console)  # type: ignore[type-abstract]
        assert (await console.ask("status", {}))["supply"] == "enabled"
        assert session.capability(HanSniffer).can_see()  # type: ignore[type-abstract]
        assert seen(events, "seen.refused") == []


async def test_an_outage_and_a_join_as_the_bench_sees_them() -> None:
    async with rig() as (session, events):
        source = session.capability(AcSource)  # type: ignore[type-abstract]
        dcc = session.capability(DccGateway)  # type: ignore[type-abstract]
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
        assert [data["code"] for data in seen(events, "seen.dcc_alert")] == ["N24", "N24", "AD1"]
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
            "source": lambda: session.capability(AcSource).set_voltage(235.0),  # type: ignore[type-abstract]
            "meter": lambda: session.capability(Measures, "meter").measure("voltage"),  # type: ignore[type-abstract]
            "console": lambda: session.capability(Console).ask("status", {}),  # type: ignore[type-abstract]
            "dcc": lambda: session.capability(DccGateway).request("IS", "7.4", ESME, {}),  # type: ignore[type-abstract]
            # The last, because it takes the supply away.
            "relay": lambda: session.capability(Switch).switch(False),  # type: ignore[type-abstract]
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
        assert not session.capability(HanSniffer).can_see()  # type: ignore[type-abstract]
        states = [(event.source, event.data["state"]) for event in events if event.kind == "device"]
        assert ("hub", "lost") in states
        assert ("hub", "reconnected") in states
        assert ("sniffer", "lost") in states


async def test_garbage_from_the_sniffer_is_no_join() -> None:
    async with rig("sniffer-garbled@1s") as (session, events):
        dcc = session.capability(DccGateway)  # type: ignore[type-abstract]
        await dcc.request("IS", "8.3", DCC, {"device_id": ESME})
        await dcc.request("IS", "8.11", CHF, {"device_id": ESME, "request_type": "Remove"})
        await dcc.request("IS", "8.4", DCC, {"device_id": ESME, "update_device_status_except_ch": "Pending"})
        await dcc.request("IS", "8.11", CHF, {"device_id": ESME, "install_code": CODES["esme"]})
        await asyncio.sleep(60)
        assert seen(events, "seen.han") == []


def request_document(bench: EmulatedBench, counter: int) -> bytes:
    user = bench.parties.users["IS"]
    unsigned = build_request("7.4", request_id=RequestId(user.eui, ESME, counter), command_variant=1)
    return sign(unsigned, user.xml.private_key, user.xml.certificate)


@asynccontextmanager
async def receiver(port: int, taken: list[bytes], status: int = 204) -> AsyncIterator[None]:
    async def take(request: web.Request) -> web.Response:
        assert request.headers["Content-Type"] == "application/xml"
        taken.append(await request.read())
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/smartdcc/duis", take)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    try:
        yield
    finally:
        await runner.cleanup()


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


def record(seed: int) -> list[tuple[int, str, str, str]]:
    """The whole event stream of a run over all wires, but for what may differ."""

    async def body() -> list[tuple[int, str, str, str]]:
        async with rig(seed=seed) as (session, events):
            dcc = session.capability(DccGateway)  # type: ignore[type-abstract]
            await dcc.request("IS", "7.2", ESME, {})
            await asyncio.sleep(10)
            await dcc.request("IS", "7.3", ESME, {})
            await session.capability(AcSource).interrupt(30)  # type: ignore[type-abstract]
            await asyncio.sleep(120)
            return [
                (event.at.mono_ns, event.source, event.kind, repr(event.data))
                for event in events
                if "hilbench-wires" not in repr(event.data)
            ]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(body())


def test_one_seed_gives_one_event_stream() -> None:
    first = record(3)
    assert len(first) > 60
    assert record(3) == first
    assert record(4) != first


async def test_two_benches_live_in_one_loop_and_do_not_meet() -> None:
    async with running(seed=1) as one, running(seed=2) as two:
        assert one.settings["dcc"]["url"] != two.settings["dcc"]["url"]
        one.world.source_node.step(0.0)
        await asyncio.sleep(10)
        assert not one.world.hub.on
        assert two.world.hub.on
        first, second = (bench.parties.users["IS"].xml.certificate for bench in (one, two))
        assert first.public_key() != second.public_key()


async def test_a_hundred_benches_fit_in_one_process() -> None:
    wires = {"dcc": WIRES["dcc"]}
    benches = [make(seed=number, wires=wires) for number in range(100)]
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        for bench in benches:
            await bench.start()
        for bench in benches:
            bench.world.source_node.step(0.0)
        await asyncio.sleep(30)
        for bench in benches:
            bench.world.source_node.step(230.0)
        await asyncio.sleep(3600)
        assert all(bench.world.hub.on for bench in benches)
    finally:
        for bench in reversed(benches):
            await bench.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 100 * 1024


async def test_eight_idle_hours_cost_next_to_nothing() -> None:
    async with running(wires={"dcc": WIRES["dcc"], "source": WIRES["source"]}) as bench:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        jumps = loop.jumps
        await asyncio.sleep(8 * 3600)
        assert loop.jumps - jumps < 100
        assert len(bench.world.esme.average.means) == 15


@pytest.mark.realtime
async def test_it_lives_in_real_time_too() -> None:
    world = {
        "han_latency": "10 ms",
        "wan_latency": "10 ms",
        "hub_boot": "200 ms",
        "esme_boot": "50 ms",
        "hold_up": "50 ms",
    }
    bench = EmulatedBench(
        EmulationSpec.model_validate({"wires": {"dcc": WIRES["dcc"]}, "world": world}),
        rig_devices=DEVICES,
        supply=SUPPLY,
        users={name: {"role": role, "id": str(eui)} for name, (role, eui) in USERS.items()},
        duts=DUTS,
        clock=RealClock(),
    )
    await bench.start()
    taken: list[bytes] = []
    try:
        async with receiver(bench.settings["dcc"]["receive_port"], taken):
            bench.world.source_node.step(0.0)
            await asyncio.sleep(0.3)
            bench.world.source_node.step(230.0)
            async with asyncio.timeout(5):
                while not taken:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
    finally:
        await bench.close()
    signed = verify(taken[0], bench.parties.certificates.all(KeyUse.XML_SIGN))
    alert = duis.parse_response(signed.root)
    assert isinstance(alert, duis.DeviceAlert)
    assert alert.alert_code == 0x8F35
