"""The gateway's section in the rig file, TLS at both ends, and what stays secret."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from bench.clock import VirtualClock
from bench.device import DeviceContext
from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request, build_request, parse_request
from bench.duis.safe_xml import parse
from bench.errors import DeviceError, UsageError
from bench.events import EventStream
from bench.gbcs.message import Framing, Message
from drivers.gateway import Gateway, GatewayConfig
from drivers.pre_command import check_pre_command
from drivers.redaction import Redactor
from drivers.tls import TlsFiles
from tests.drivers.dcc_fake import ESME, INSTALL_CODE, NOW, FakeDcc, MemoryCounters, make_parties, running, signed
from tests.pki import make_pki

BASE = {"url": "http://192.0.2.10:8079", "receive_port": "8090"}
TOKEN = "Zk3-qT7_vW9xYb1cD4eF6g"


def test_a_section_of_text_becomes_typed():
    config = GatewayConfig.model_validate(BASE | {"timeout": "3 s", "schema_version": "5.3"})
    assert (config.url, config.receive_port, config.timeout) == ("http://192.0.2.10:8079/api/v1", 8090, 3.0)
    assert GatewayConfig.model_validate(BASE | {"url": "https://dcc.example/boxed/"}).url == "https://dcc.example/boxed"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"url": "dcc:8079"}, "http://HOST:8079"),
        ({"url": "ftp://dcc"}, "http://HOST:8079"),
        ({"url": "http://dcc:99999"}, "http://HOST:8079"),
        ({"url": "http://user:password@dcc:8079"}, "http://HOST:8079"),
        ({"url": "http://dcc:8079/?a=b"}, "http://HOST:8079"),
        ({"timeout": "3"}, "is not a duration"),
        ({"timeout": "0 s"}, "greater than 0"),
        ({"receive_port": "70000"}, "less than or equal to 65535"),
        ({"receive_host": "bench.example"}, "IP address"),
        ({"receive_host": "0.0.0.0"}, "receive_token is required"),
        ({"receive_host": "::"}, "receive_token is required"),
        ({"receive_path": "smartdcc"}, "write a path"),
        ({"receive_path": "/smartdcc/"}, "write a path"),
        ({"receive_token": "short"}, "22 to 128"),
        ({"receive_token": "has a blank in the middle"}, "22 to 128"),
        ({"schema_version": "five"}, "pattern"),
        ({"receive_tls": {}}, "receive_tls needs a certificate"),
        ({"proxy": "http://p"}, "Extra inputs"),
    ],
)
def test_a_mistake_is_told(change: dict[str, object], why: str):
    with pytest.raises(ValidationError, match=why):
        GatewayConfig.model_validate(BASE | change)


def test_the_token_is_never_printed():
    config = GatewayConfig.model_validate(BASE | {"receive_host": "192.0.2.1", "receive_token": TOKEN})
    assert TOKEN not in repr(config) + str(config) + config.model_dump_json()
    with pytest.raises(ValidationError) as caught:
        GatewayConfig.model_validate(BASE | {"receive_token": TOKEN, "timeout": "never"})
    assert TOKEN not in str(caught.value)


async def test_the_token_is_the_last_part_of_the_path_and_in_no_event():
    alert = signed(duis.DeviceAlert(response_date_time=NOW, alert_code=0x8F35, payload=b"x"))
    async with running(receive_token=TOKEN) as rig:
        assert (await rig.deliver(alert))[0] == 404
        for path, status in ((f"/smartdcc/duis/{TOKEN}", "204"), (f"/smartdcc/duis/{TOKEN[:-1]}h", "404")):
            reader, writer = await asyncio.open_connection("127.0.0.1", rig.gateway.receive_port)
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nConnection: close\r\n"
            writer.write(f"{head}Content-Length: {len(alert)}\r\n\r\n".encode() + alert)
            assert (await reader.read()).decode().split()[1] == status
            writer.close()
        assert TOKEN not in str([(event.data, event.volatile) for event in rig.events])


def test_resources_name_the_address_that_is_held():
    context = DeviceContext("gateway", None, make_parties(), MemoryCounters())  # type: ignore[arg-type]
    assert Gateway(context, GatewayConfig.model_validate(BASE)).resources() == ["tcp:127.0.0.1:8090"]
    assert Gateway(context, GatewayConfig.model_validate(BASE | {"receive_port": 0})).resources() == []


def test_the_driver_is_loaded_without_an_http_library():
    code = "import sys, drivers.gateway; print([m for m in ('aiohttp', 'signxml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    return make_pki(tmp_path)


def _files(pki: Path, name: str, ca: str = "ca") -> dict[str, str]:
    return {"ca": str(pki / f"{ca}.pem"), "certificate": str(pki / f"{name}.pem"), "key": str(pki / f"{name}.key")}


async def _tls_rig(pki: Path, trusted: str, shown: str) -> str:
    """Serve the fake DCC over TLS, asking for a client certificate; return the response code to a request."""
    dcc = FakeDcc()
    server_tls = TlsFiles.model_validate(_files(pki, "dcc")).context(server=True)
    server = await asyncio.start_server(dcc._serve, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    stream = EventStream(VirtualClock(asyncio.get_running_loop()))
    settings = {"url": f"https://127.0.0.1:{port}", "receive_port": 0, "tls": _files(pki, shown, trusted)}
    context = DeviceContext("gateway", stream, make_parties(), MemoryCounters())
    gateway = Gateway(context, GatewayConfig.model_validate(settings))
    try:
        await gateway.connect()
        return (await gateway.request("IS", "7.4", ESME, {})).response_code
    finally:
        await gateway.close()
        server.close()
        await asyncio.sleep(0.1)
        await server.wait_closed()


async def test_tls_with_certificates_at_both_ends(pki: Path):
    assert await _tls_rig(pki, "ca", "bench") == "I99"


async def test_a_dcc_with_a_certificate_that_is_not_trusted(pki: Path):
    with pytest.raises(DeviceError, match="does not speak TLS that the bench trusts: CERTIFICATE_VERIFY_FAILED"):
        await _tls_rig(pki, "other", "bench")


async def test_a_dcc_that_does_not_speak_tls(pki: Path):
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(DeviceError, match="does not speak TLS|cannot be reached"):
            async with running(url=f"https://127.0.0.1:{port}"):
                pass
    finally:
        server.close()
        await server.wait_closed()


async def test_the_receive_service_over_tls_asks_for_the_dccs_certificate(pki: Path):
    alert = signed(duis.DeviceAlert(response_date_time=NOW, alert_code=0x8F35, payload=b"x"))
    head = "POST /smartdcc/duis HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    async with running(receive_tls=_files(pki, "bench")) as rig:

        async def post(shown: str) -> bytes:
            tls = TlsFiles.model_validate(_files(pki, shown)).context(server=False)
            reader, writer = await asyncio.open_connection("127.0.0.1", rig.gateway.receive_port, ssl=tls)
            try:
                writer.write(f"{head}Content-Length: {len(alert)}\r\n\r\n".encode() + alert)
                return await reader.read()
            finally:
                writer.transport.abort()

        assert (await post("dcc")).split()[1] == b"204"
        try:
            answer = await post("other")
        except OSError:
            answer = b""
        assert answer == b""
        assert len(rig.seen("refused")) == 1  # the alert without a GBCS message that the good one carried
        await asyncio.sleep(0.1)


def test_tls_files_that_cannot_be_used(pki: Path):
    for files in (
        _files(pki, "missing"),
        _files(pki, "bench") | {"key": str(pki / "dcc.key")},
        {"ca": str(pki / "dcc.key")},
    ):
        with pytest.raises(UsageError, match="the TLS files cannot be used") as caught:
            TlsFiles.model_validate(files).context(server=False)
        assert str(pki) in caught.value.where


def test_a_document_without_secrets_is_shown_as_it_came():
    redactor = Redactor(make_parties())
    for document in (
        b"<a>\r\n<!-- x --><b/></a>",
        b"not xml \xff",
        signed(duis.DeviceAlert(response_date_time=NOW, alert_code=1, payload=b"")),
    ):
        assert redactor.document(document) == document.decode(errors="backslashreplace")


def test_secrets_are_hidden_in_every_spelling():
    redactor = Redactor(make_parties())
    sent = "A1B2C3D4E5F60718293A4B5C6D7E8F90"
    namespace = 'xmlns:sr="urn:x"'
    for document in (
        f"<sr:a {namespace}><sr:InstallCode>{sent}</sr:InstallCode>tail</sr:a>",
        f"<a><InstallCode><![CDATA[{sent}]]></InstallCode>tail</a>",
        f"<a><InstallCode><b>{sent[:16]}</b><b>{sent[16:]}</b></InstallCode>tail</a>",
        f"<a><InstallCode>{sent}",
        f"<a>{sent}</a>tail",
        f"{sent.lower()}",
        f"{INSTALL_CODE[:2]}:{INSTALL_CODE[2:]}",
    ):
        shown = redactor.document(document.encode())
        assert "(secret)" in shown
        assert not {sent, sent.lower(), sent[:16], INSTALL_CODE[2:]} & set(shown.replace("<", ">").split(">"))
    assert redactor.text(f"hex {sent.lower()} here") == "hex (secret) here"


def _request(variant: str, message: Message) -> Request:
    body = b'<x xmlns="http://www.dccinterface.co.uk/ServiceUserGateway"/>'
    request_id = RequestId(message.originator, message.recipient, message.originator_counter)
    built = build_request(variant, request_id=request_id, command_variant=4, raw_body=body)
    return parse_request(parse(built))


def test_published_pre_commands_pass_for_their_request_and_for_no_other(rtds: Path):
    checked = 0
    for path in sorted(rtds.glob("gbcs/messages/*_PRECOMMAND_GBCS.HEX")):
        payload = bytes.fromhex(path.read_text())
        message = Message.parse(payload)
        variant = path.name.split("_")[1]
        if message.framing is not Framing.PRE_COMMAND or variant == "NA" or "CS02b" in path.name:
            continue
        check_pre_command(payload, _request(variant, message), None)
        with pytest.raises(DeviceError, match="does not serve"):
            check_pre_command(payload, _request("6.24.2", message), None)
        checked += 1
    assert checked > 20
