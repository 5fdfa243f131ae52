"""What GBCS messages say, as JSON values for events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time
from enum import Enum
from typing import Any

from bench.duis.request_id import RequestId
from bench.eui import Eui64
from bench.gbcs import alerts, catalogue, dlms
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Message
from bench.gbcs.use_cases import use_case_for
from bench.parties import Parties
from drivers.gbcs_protection import VALID, in_the_clear
from drivers.redaction import HIDDEN


def to_json(value: Any) -> Any:
    """A decoded value as JSON: times in ISO 8601 with a Z, bytes in hexadecimal, identifiers as they are printed."""
    if value is None or isinstance(value, bool | int | float | str) and not isinstance(value, Enum):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.name.lower()
    if is_dataclass(value) and not isinstance(value, type | Eui64 | RequestId):
        # What a class does not print of itself is a secret.
        return {each.name: to_json(getattr(value, each.name)) if each.repr else HIDDEN for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(each) for each in value]
    return str(value)


def alert_values(alert: alerts.Alert) -> dict[str, Any]:
    """What a Type 2 alert adds to its code and time."""
    specific = alert.specific
    if isinstance(specific, alerts.SupplyOutage):
        return {"interruption": to_json(specific.interrupted), "restoration": to_json(specific.restored)}
    if isinstance(specific, alerts.FutureDatedAction):
        return {
            "message_code": f"0x{specific.message_code:04X}",
            "originator_counter": specific.originator_counter,
            "target": str(specific.target),
        }
    if isinstance(specific, alerts.IntegrityIssue):
        return {"reason": specific.reason, "meaning": specific.meaning}
    raw = specific.content if isinstance(specific, alerts.Asn1Specific) else specific
    return {"raw": raw.hex()} if raw else {}


def decode_response(message: Message, parties: Parties) -> tuple[dict[str, Any], str]:
    """Read a device's response, with the keys of its User where a part of it is encrypted.

    Returns:
        `use_case`, `ok`, `values` and `detail`, and "valid" or why the content cannot be read. Of a use case that the
        bench does not decode, `ok` says whether every DLMS access succeeded, and is absent in other notations.
    """
    name = catalogue.use_case_name(message.message_code)
    use_case = use_case_for(message.message_code)
    if use_case is None:
        return {"use_case": name, **_result_codes(message.content), "values": {}}, VALID
    try:
        if use_case.protected:
            message = in_the_clear(message, parties)
        response = use_case.decode_response(message.content)
    except GbcsError as error:
        return {"use_case": use_case.name, "ok": False, "values": {}}, f"its content cannot be read: {error}"
    values = to_json(response.values)
    return {"use_case": use_case.name, "ok": response.ok, "values": values, "detail": response.detail}, VALID


def _result_codes(content: bytes) -> dict[str, Any]:
    try:
        _, results = dlms.decode_response(content)
    except GbcsError:
        return {}
    codes = [result.code for result in results]
    return {"ok": not any(codes), "detail": f"DLMS result codes {', '.join(map(str, codes))}"}
