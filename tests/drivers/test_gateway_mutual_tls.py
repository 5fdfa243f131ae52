"""The gateway and the emulated DCC over HTTPS with certificates on both sides, and what each refuses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.device import DeviceContext
from bench.errors import DeviceError, UsageError
from bench.events import Event, EventStream
from bench.rig.load import load_rig
from drivers.emulated.bench import EmulatedBench
from drivers.emulated.tls_material import make_material
from drivers.gateway import Gateway, GatewayConfig
from tests.drivers.dcc_fake import MemoryCounters
from tests.emulated.benches import RIG, make
from tests.emulated.worlds import ESME
from tests.test_emulate_state import asked, emulating

TOKEN = "Zk3-qT7_vW9xYb1cD4eF6g"
MADE = {"tls": "made"}


@asynccontextmanager
async def bench(options: Mapping[str, Any], listen: str = "127.0.0.1:0") -> AsyncIterator[EmulatedBench]:
    wires = {"dcc": {"kind": "duis-http", "listen": listen, "options": dict(options)}}
    emulated = make(wires=wires, devices={"dcc": {}})
    try:
        await emulated.start()
        yield emulated
    finally:
        await emulated.close()


@asynccontextmanager
async def gateway(emulated: EmulatedBench, **changed: Any) -> AsyncIterator[tuple[Gateway, list[Event]]]:
    settings = {**emulated.settings["dcc"], **changed}
    stream = EventStream(emulated.world.clock)
    events: list[Event] = []
    stream.subscribe(events.append)
    context = DeviceContext("dcc", stream, emulated.parties, MemoryCounters())
    driver = Gateway(context, GatewayConfig.model_validate(settings))
    try:
        await driver.connect()
        yield driver, events
    finally:
        await driver.close()
        await asyncio.sleep(0.1)


def files(folder: Path) -> dict[str, Path]:
    """Another authority's certificates, with its names for the same hosts."""
    folder.mkdir(exist_ok=True)
    for name, content in make_material(datetime(2026, 1, 1, tzinfo=UTC), ["127.0.0.1"], ["127.0.0.1"]).items():
        (folder / name).write_bytes(content)
    return {"ca": folder / "ca.pem", "certificate": folder / "bench.pem", "key": folder / "bench.key"}


async def ask(driver: Gateway, events: list[Event]) -> Mapping[str, Any]:
    exchange = await driver.request("IS", "7.4", ESME, {})
    assert exchange.response_code == "I99"
    async with asyncio.timeout(60):
        while True:
            for data in [event.data for event in events if event.kind == "seen.response"]:
                if data["request_id"] == exchange.request_id and not data["synchronous"]:
                    return data
            await asyncio.sleep(0.5)


@pytest.mark.parametrize("options", [MADE, {**MADE, "token": TOKEN}, {"token": TOKEN}])
async def test_a_request_and_its_response_cross_both_ways(options: Mapping[str, Any]) -> None:
    async with bench(options) as emulated, gateway(emulated) as (driver, events):
        assert str(emulated.settings["dcc"]["url"]).startswith("https:" if "tls" in options else "http:")
        assert (await ask(driver, events))["gbcs"]["values"] == {"supply_state": "enabled"}


async def test_a_dcc_with_files_of_its_own(tmp_path: Path) -> None:
    ours = files(tmp_path)
    dcc = {"certificate": str(tmp_path / "dcc.pem"), "key": str(tmp_path / "dcc.key")}
    options = {
        "tls": {**dcc, "client_ca": str(ours["ca"])},
        "receive_tls": {**dcc, "ca": str(ours["ca"])},
    }
    async with bench(options) as emulated, gateway(emulated, tls=ours, receive_tls=ours) as (driver, events):
        assert (await ask(driver, events))["signature"] == "valid"


async def test_a_client_with_a_foreign_certificate_or_none_is_told_so_when_it_connects(tmp_path: Path) -> None:
    foreign = files(tmp_path)
    async with bench(MADE) as emulated:
        own = emulated.settings["dcc"]["tls"]
        for tls in (
            {"ca": own["ca"], "certificate": foreign["certificate"], "key": foreign["key"]},
            {"ca": own["ca"]},
        ):
            with pytest.raises(DeviceError, match="the port of the DCC refuses the bench's certificate") as caught:
                async with gateway(emulated, tls=tls):
                    pass
            assert "`certificate` and `key` of `tls`" in caught.value.next_step


async def test_a_dcc_with_a_foreign_certificate_is_not_believed(tmp_path: Path) -> None:
    foreign = files(tmp_path)
    async with bench(MADE) as emulated:
        own = emulated.settings["dcc"]["tls"]
        with pytest.raises(DeviceError, match="does not speak TLS that the bench trusts: CERTIFICATE_VERIFY_FAILED"):
            async with gateway(emulated, tls={**own, "ca": foreign["ca"]}):
                pass


async def test_deliveries_need_the_dccs_certificate(tmp_path: Path) -> None:
    foreign = files(tmp_path)
    async with bench(MADE) as emulated, gateway(emulated) as (driver, events):
        context = ssl.create_default_context(cafile=emulated.settings["dcc"]["tls"]["ca"])
        context.load_cert_chain(foreign["certificate"], foreign["key"])
        reader, writer = await asyncio.open_connection("127.0.0.1", driver.receive_port, ssl=context)
        assert await reader.read(1) == b""
        writer.transport.abort()
        assert (await ask(driver, events))["signature"] == "valid"


@pytest.mark.parametrize("token", [None, "another-token-of-22-chars"])
async def test_a_wrong_token_is_named(token: str | None) -> None:
    async with bench({"token": TOKEN}) as emulated, gateway(emulated, token=token) as (driver, _):
        with pytest.raises(DeviceError, match="asks for another token") as caught:
            await driver.request("IS", "7.4", ESME, {})
        assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("listen", "options", "words"),
    [
        ("0.0.0.0:0", {}, "can be reached from the network, and anybody could use the DCC"),
        ("0.0.0.0:0", {"tls": {"certificate": "a.pem", "key": "a.key"}}, "can be reached from the network"),
        ("[::]:0", {}, "can be reached from the network"),
        ("127.0.0.1:0", {"token": "weak"}, "its token is too weak"),
        ("127.0.0.1:0", {"tls": "yes"}, "tls is 'yes'"),
        ("127.0.0.1:0", {"tls": {"ca": "a.pem"}}, "tls has other keys"),
        ("127.0.0.1:0", {"tls": {"client_ca": "a.pem"}}, "tls has no certificate"),
        ("127.0.0.1:0", {"receive_tls": {"client_ca": "a.pem"}}, "receive_tls has other keys"),
        ("127.0.0.1:0", {"tls": {"certificate": "nowhere.pem", "key": "nowhere.key"}}, "TLS files cannot be used"),
    ],
)
async def test_what_a_wire_does_not_take(listen: str, options: Mapping[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        async with bench(options, listen):
            pass


async def test_a_listener_on_the_network_with_authentication_is_fine() -> None:
    async with bench({**MADE, "name": "localhost"}, "0.0.0.0:0") as emulated:
        assert str(emulated.settings["dcc"]["url"]).startswith("https://localhost:")
        async with gateway(emulated) as (driver, events):
            assert (await ask(driver, events))["signature"] == "valid"


@pytest.mark.realtime
async def test_an_emulator_in_another_process_writes_a_rig_that_speaks_tls_to_it(tmp_path: Path) -> None:
    text = RIG.read_text().replace("dcc: {kind: duis-http}", "dcc: {kind: duis-http, options: {tls: made}}")
    rig = tmp_path / "emulated.yaml"
    rig.write_text(text.replace("duts: duts/", f"duts: {RIG.parent}/duts/"))
    urls = []
    for _ in range(2):
        with emulating(tmp_path, rig=rig) as process:
            codes, _ = await asked(tmp_path, ("8.2", {"device_id": str(ESME)}))
            assert codes == ["I0"]
            section = load_rig(tmp_path / "rig" / "rig.yaml").file.devices["dcc"]
            urls.append(section["url"])
            assert Path(section["tls"]["key"]).parent == (tmp_path / "rig" / "dcc-tls").resolve()
            assert Path(section["tls"]["key"]).stat().st_mode & 0o077 == 0
            process.kill()
            process.wait()
    assert urls[0].startswith("https:")
    assert urls[0] == urls[1]
