"""A DCC for the gateway's tests: a loopback socket that answers what a test tells it to, and posts what it likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.clock import VirtualClock
from bench.device import DeviceContext
from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request, parse_request
from bench.duis.signatures import sign, verify
from bench.eui import Eui64
from bench.events import Event, EventStream
from bench.gbcs import crypto
from bench.gbcs.alerts import Alert, build_alert
from bench.gbcs.message import Message
from bench.gbcs.use_cases import use_cases_for_service
from bench.parties import Certificates, DeviceType, Dut, KeyUse, Parties, User
from drivers.emulated.identities import Identities, RemotePartyRole
from drivers.gateway import Gateway, GatewayConfig

DCC = Eui64.parse("90-B3-D5-1F-30-00-00-02")
IS = Eui64.parse("90-B3-D5-1F-30-01-00-00")
ED = Eui64.parse("90-B3-D5-1F-30-02-00-00")
STRANGER = Eui64.parse("90-B3-D5-1F-30-03-00-00")
ESME = Eui64.parse("00-DB-12-34-56-78-90-A0")
GSME = Eui64.parse("00-DB-12-34-56-78-90-A1")
CHF = Eui64.parse("00-DB-12-34-56-78-90-A2")
INSTALL_CODE = "0102030405060708090A0B0C0D0E0F10"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

IDENTITIES = Identities(1)
_ROLES = {IS: RemotePartyRole.SUPPLIER, ED: RemotePartyRole.NETWORK_OPERATOR, STRANGER: RemotePartyRole.SUPPLIER}


def _user(name: str, eui: Eui64) -> User:
    keys = [
        IDENTITIES.organisation(eui, use, RemotePartyRole.XML_SIGN if use is KeyUse.XML_SIGN else _ROLES[eui])
        for use in KeyUse
    ]
    return User(name, name, eui, *keys)


def make_parties() -> Parties:
    users = {"IS": _user("IS", IS), "ED": _user("ED", ED)}
    dcc_xml = IDENTITIES.organisation(DCC, KeyUse.XML_SIGN, RemotePartyRole.DCC_XML_SIGN)
    entries = [(DCC, KeyUse.XML_SIGN, dcc_xml.certificate)]
    entries += [(user.eui, KeyUse.XML_SIGN, user.xml.certificate) for user in users.values()]
    for device in (ESME, GSME, CHF):
        for use in (KeyUse.DIGITAL_SIGNATURE, KeyUse.KEY_AGREEMENT):
            entries.append((device, use, IDENTITIES.device(device, use).certificate))
    duts = {
        "esme": Dut("esme", DeviceType.ESME, ESME, install_code=INSTALL_CODE),
        "gsme": Dut("gsme", DeviceType.GSME, GSME),
        "chf": Dut("chf", DeviceType.CHF, CHF),
    }
    return Parties(users, duts, DCC, Certificates(entries))


class MemoryCounters:
    def __init__(self) -> None:
        self.values: dict[str, int] = {}

    def next(self, name: str, *, at_least: int = 1) -> int:
        self.values[name] = max(self.values.get(name, 0) + 1, at_least)
        return self.values[name]


def signed(message: duis.Response, signer: Eui64 = DCC) -> bytes:
    role = RemotePartyRole.XML_SIGN if signer in _ROLES else RemotePartyRole.DCC_XML_SIGN
    keys = IDENTITIES.organisation(signer, KeyUse.XML_SIGN, role)
    return sign(duis.build_response(message), keys.private_key, keys.certificate)


def answer_fields(request: Request, code: str = "I0") -> dict[str, Any]:
    return {
        "request_id": request.request_id,
        "response_id": request.request_id.response_id(),
        "response_code": code,
        "response_date_time": NOW,
        "service_reference": request.service_reference,
        "service_reference_variant": request.service_reference_variant,
    }


def acknowledge(request: Request, code: str = "I99") -> duis.Response:
    kind = duis.Acknowledgement if code.startswith("I") else duis.ErrorResponse
    return kind(**answer_fields(request, code))


def pre_command_for(request: Request, params: Mapping[str, Any] = {}, **changes: Any) -> duis.Response:  # noqa: B006
    use_case = use_cases_for_service(request.service_reference_variant, "ESME")[0]
    message = use_case.build_command(
        params,
        originator=request.request_id.originator,
        recipient=request.request_id.target,
        originator_counter=request.request_id.counter,
    )
    payload = replace(message, **changes).encode() + b"\x00"
    return duis.PreCommand(**answer_fields(request), gbcs_version="4.3", payload=payload)


def usual_answer(service: str, request: Request) -> duis.Response:
    return pre_command_for(request) if service == "serviceT" else acknowledge(request)


def protect(message: Message, *, user: Eui64 | None = None) -> bytes:
    """Sign or seal a message as its originator, a device, would."""
    if message.framing.value == "signed":
        return crypto.sign(
            message, IDENTITIES.device(message.originator, KeyUse.DIGITAL_SIGNATURE).private_key
        ).encode()
    peer = user or message.recipient
    ka = IDENTITIES.device(message.originator, KeyUse.KEY_AGREEMENT).private_key
    role = _ROLES.get(peer, RemotePartyRole.ACCESS_CONTROL_BROKER)
    public = IDENTITIES.organisation(peer, KeyUse.KEY_AGREEMENT, role).private_key.public_key()
    return crypto.seal(message, crypto.message_key(message, ka, public)).encode()


def device_alert(alert: Alert, *, recipient: Eui64 = ED, device: Eui64 = ESME, counter: int = 2000) -> Message:
    return build_alert(alert, originator=device, recipient=recipient, originator_counter=counter)


def delivered_alert(code: int, payload: bytes, *, user: Eui64 = ED, device: Eui64 = ESME) -> duis.Response:
    return duis.DeviceAlert(
        response_id=RequestId(device, user, 2000), response_date_time=NOW, alert_code=code, payload=payload
    )


def http(body: bytes, status: str = "200 OK", content_type: str = "application/xml", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


Raw = Callable[[bytes, asyncio.StreamWriter], Any]


@dataclass
class FakeDcc:
    """Answers with `answer`, or, if `raw` is set, leaves the connection to it."""

    answer: Callable[[str, Request], duis.Response] = usual_answer
    raw: Raw | None = None
    signer: Eui64 = DCC
    requests: list[tuple[str, Request, bytes]] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    serving: list[asyncio.Task[Any]] = field(default_factory=list)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.append(asyncio.current_task())  # type: ignore[arg-type]
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.connections += 1
            lines = head.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(headers["content-length"]))
            if self.raw is not None:
                await self.raw(body, writer)
                return
            assert headers["content-type"] == "application/xml"
            assert not set(headers) - {"content-type", "content-length", "host", "connection"}
            path = lines[0].split()[1]
            assert path.startswith("/api/v1/service")
            service = path.rpartition("/")[2]
            request = parse_request(verify(body, [user.xml.certificate for user in make_parties().users.values()]).root)
            self.requests.append((service, request, body))
            more = "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
            writer.write(http(signed(self.answer(service, request), self.signer), more=more))
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


@dataclass
class Rig:
    """A connected gateway, its DCC and its events."""

    dcc: FakeDcc
    gateway: Gateway
    events: list[Event]

    def seen(self, kind: str) -> list[Mapping[str, Any]]:
        return [event.data for event in self.events if event.kind == f"seen.{kind}"]

    def wires(self, direction: str, channel: str) -> list[Mapping[str, Any]]:
        wires = [event.data for event in self.events if event.kind == "wire"]
        return [data for data in wires if (data["direction"], data["channel"]) == (direction, channel)]

    async def deliver(self, document: bytes | duis.Response, signer: Eui64 = DCC) -> tuple[int, str]:
        """Post to the receive service as the DCC does; returns status and reason."""
        body = document if isinstance(document, bytes) else signed(document, signer)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.receive_port)
        head = (
            f"POST /smartdcc/duis HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}"
        )
        writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        head_bytes, _, reason = answer.partition(b"\r\n\r\n")
        return int(head_bytes.split()[1]), reason.decode()


@asynccontextmanager
async def running(dcc: FakeDcc | None = None, parties: Parties | None = None, **config: Any) -> AsyncIterator[Rig]:
    dcc = dcc or FakeDcc()
    server = await asyncio.start_server(dcc._serve, "127.0.0.1", 0)
    dcc.port = server.sockets[0].getsockname()[1]
    stream = EventStream(VirtualClock(asyncio.get_running_loop()))
    events: list[Event] = []
    stream.subscribe(events.append)
    context = DeviceContext("gateway", stream, parties or make_parties(), MemoryCounters())
    settings = {"url": f"http://127.0.0.1:{dcc.port}", "receive_port": 0} | config
    gateway = Gateway(context, GatewayConfig.model_validate(settings))
    try:
        await gateway.connect()
        yield Rig(dcc, gateway, events)
    finally:
        await gateway.close()
        await gateway.close()
        server.close()
        for task in dcc.serving:
            task.cancel()
        await asyncio.gather(*dcc.serving, return_exceptions=True)
        await server.wait_closed()


JANUARY_2026_MS = 1_767_225_600_000
CLOCK = {"current_date_time": NOW, "tolerance_period": 10}


def validity(seconds_before: int, seconds_after: int) -> dict[str, Any]:
    return {
        "validity_interval_start": NOW - timedelta(seconds=seconds_before),
        "validity_interval_end": NOW + timedelta(seconds=seconds_after),
    }


async def silent(_: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(100)


async def closing(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()
