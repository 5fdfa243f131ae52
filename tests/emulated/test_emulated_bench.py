"""The emulated bench as the controller uses it: what it refuses, what it gives, and how it lasts."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bench.capabilities import AcSource, DccGateway
from bench.clock import RealClock, VirtualClock
from bench.counters import FileCounters
from bench.duis import responses as duis
from bench.duis.signatures import verify
from bench.errors import UsageError
from bench.events import EventStream
from bench.parties import KeyUse
from bench.rig.drivers import build_drivers
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.virtual_time import VirtualLoop
from drivers.emulated.bench import EmulatedBench
from drivers.emulated.spec import EmulationSpec
from tests.emulated.benches import DEVICES, RIG, SUPPLY, WIRES, make, receiver, rig, running
from tests.emulated.worlds import DCC, DUTS, ESME, USERS


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


def record(seed: int) -> list[tuple[int, str, str, str]]:
    """The whole event stream of a run over all wires, but for what may differ."""

    async def body() -> list[tuple[int, str, str, str]]:
        async with rig(seed=seed) as (session, events):
            dcc = session.capability(DccGateway)
            await dcc.request("IS", "7.2", ESME, {})
            await asyncio.sleep(10)
            await dcc.request("IS", "7.3", ESME, {})
            await session.capability(AcSource).interrupt(30)
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


@pytest.mark.soak
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
