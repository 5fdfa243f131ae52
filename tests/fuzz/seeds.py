"""What is damaged: messages of every use case and notation built here, and reference messages where there are any."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench.duis import responses as duis
from bench.duis.smets1 import S1spAlert, Smets1Alert, Smets1Header
from bench.duis.smets1_write import build_alert, build_result, build_s1sp_alert, response_message, s1sp_alert_body
from bench.eui import Eui64
from bench.gbcs.message import Cra, Framing, Message
from bench.gbcs.use_cases import use_case_for
from tests.gbcs.samples import CREDIT_ALERT, OUTAGE_ALERT, PRE_COMMAND
from tests.gbcs.test_use_cases import COMMANDS, RESPONSES, use_case

_OTHERS = (
    # an access response with a log in a compact array, and one that is encrypted
    (Cra.RESPONSE, 0x0049, "DA 20000001 00 00 01 13 02 03 06 12 09 0F 1C35F900 8F01 00 1C3602FD 8145 02 009B 01 0100"),
    (Cra.RESPONSE, 0x0027, "DA 20000001 00 00 01 02 02 01 01 09 14 3100000000 616263 000102030405060708090A0B 01 0300"),
    # arrays in arrays, a bit string, numbers of every size
    (Cra.RESPONSE, 0x7777, "DA 20000001 00 00 01 01 02 01 01 01 01 02 03 04 0A FFC0 14 0001020304050607 16 02 01 0100"),
    # ZigBee: encrypted, from a date, attributes, default response
    (Cra.RESPONSE, 0x0074, "0109 01 03 0702 001D 0000 18 00 01 0016 3100000000 6162636465 000102030405060708090A0B"),
    (Cra.COMMAND, 0x00C5, "0109 02 10 0705 000C 1C0E6C00 01 00 08 FEFFFFFF 05 01 0702 0007 00 01 00 0502 1400"),
    (Cra.RESPONSE, 0x00FB, "0109 01 01 0000 0011 08 00 01 0500 00 42 04 41424344 0400 86 0000 00 20 03"),
    (Cra.RESPONSE, 0x0014, "0109 01 01 0709 0005 08 00 0B 00 8B"),
    # ASN.1: nested, with an object identifier, times and long lengths
    (
        Cra.COMMAND,
        0x0126,
        "30820022 300C 020103 A207 020102 8302 03E8 0606 2A8648CE3D03 180F 32303236303130313030303030305A",
    ),
    (Cra.COMMAND, 0x0013, "0500"),
)


def messages(rtds: Path | None = None) -> list[bytes]:
    """Return whole messages; the first is MACed."""
    found = [CREDIT_ALERT, OUTAGE_ALERT + b"\x40" + bytes(64), PRE_COMMAND, PRE_COMMAND + b"\x00"]
    contents = [(cra, code, bytes.fromhex(text)) for cra, code, text in _OTHERS]
    contents += [(Cra.COMMAND, use_case(name).message_code, bytes.fromhex(text)) for name, _, text in COMMANDS]
    contents += [(Cra.RESPONSE, use_case(name).message_code, bytes.fromhex(text)) for name, _, text in RESPONSES]
    for cra, code, content in contents:
        known = use_case_for(code)
        signed = cra is Cra.RESPONSE and known is not None and known.response_signed
        framed = replace(Message.parse(CREDIT_ALERT), cra=cra, message_code=code, content=content)
        if signed:
            framed = replace(framed, framing=Framing.SIGNED, signature=bytes(64), mac=None)
        found.append(framed.encode())
    if rtds is not None:
        found += [bytes.fromhex("".join(p.read_text().split())) for p in sorted((rtds / "gbcs").rglob("*.HEX"))]
    return found


def contents(whole: list[bytes]) -> list[tuple[Cra, int, bytes]]:
    """Return kind, message code and content of each message."""
    parsed = (Message.parse(each) for each in whole)
    return [(message.cra, message.message_code, message.content) for message in parsed]


def documents(whole: list[bytes]) -> list[bytes]:
    """Return DUIS documents: a request with a secret, alerts and responses that carry messages, and SMETS1 ones."""
    head = '<sr:{0} xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway" schemaVersion="5.4"><sr:Header>'
    identity = "90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A2:1003"
    request = (
        f"{head.format('Request')}<sr:RequestID>{identity}</sr:RequestID><sr:CommandVariant>1</sr:CommandVariant>"
        "<sr:ServiceReference>8.11</sr:ServiceReference><sr:ServiceReferenceVariant>8.11</sr:ServiceReferenceVariant>"
        "</sr:Header><sr:Body><sr:UpdateHANDeviceLog><sr:InstallCode>C0DEC0DEC0DE</sr:InstallCode>"
        "</sr:UpdateHANDeviceLog></sr:Body></sr:Request>"
    )
    found = [request]
    for message in whole[:8]:
        found.append(
            f"{head.format('Response')}<sr:RequestID>{identity}</sr:RequestID><sr:ResponseCode>I0</sr:ResponseCode>"
            "<sr:ResponseDateTime>2026-01-01T00:00:00.00Z</sr:ResponseDateTime></sr:Header><sr:Body>"
            "<sr:DeviceAlertMessage><sr:AlertCode>8F36</sr:AlertCode>"
            f"<sr:GBCSPayload>{b64encode(message).decode()}</sr:GBCSPayload></sr:DeviceAlertMessage></sr:Body></sr:Response>"
        )
    return [*(document.encode() for document in found), *_smets1()]


def _smets1() -> list[bytes]:
    """What a SMETS1 Service Provider says, and what the DCC makes of it."""
    user, device = Eui64.parse("90-B3-D5-1F-30-01-00-00"), Eui64.parse("00-0A-BC-12-34-56-78-A0")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    header = Smets1Header(originator=device, target=user, originator_counter=1, timestamp=now, message_code=0x44)
    alert = build_alert(Smets1Alert(header=header, code=0x8F40, description="over voltage", timestamp=now))
    answer = build_result(header, "ReadSupplyStatusRsp", success=True, content={"SupplyState": "Enabled"})
    told = S1spAlert(
        request_id=None, device_id=device, code="x", additional_information="y", utrn="1" * 20, date_time=now
    )
    own = build_s1sp_alert(told)
    outer = duis.DccAlert(
        response_date_time=now, alert_code="N56", body_name="S1SPAlertDSP", raw_body=s1sp_alert_body(own)
    )
    delivered = [duis.Smets1Response(response_date_time=now, raw=response_message(each)) for each in (alert, answer)]
    return [alert, answer, own, *(duis.build_response(each) for each in (*delivered, outer))]
