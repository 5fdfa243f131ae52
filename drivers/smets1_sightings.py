"""What SMETS1 Service Providers say, as `seen.*` events have it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.duis import responses as duis
from bench.duis import smets1
from bench.duis.errors import DuisError
from bench.duis.names import canonical, sr
from bench.duis.safe_xml import parse
from bench.eui import Eui64
from drivers.gbcs_protection import VALID
from drivers.gbcs_values import to_json
from drivers.redaction import HIDDEN

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def provider_alert(
    alert: duis.DccAlert, said: smets1.Smets1Content | None, signature: str
) -> tuple[Eui64 | None, dict[str, Any]]:
    """Whom an alert of the provider itself (N55, N56) is for, and what the event of it says.

    Args:
        alert: as the DCC sent it.
        said: what the provider says in it, or None if that is not believed.
        signature: "valid", or why it is not believed.
    """
    content = said if isinstance(said, smets1.S1spAlert) else None
    recipient = alert.response_id.target if alert.response_id else None
    data: dict[str, Any] = {
        "code": alert.alert_code,
        "for_request": _text(content.request_id) if content else None,
        "device": _text(content.device_id) if content else None,
        "values": {},
        "signature": signature,
        "digest": _digest_of(alert.raw_body or b"", "S1SPAlert"),
    }
    if content is not None:
        told = {"s1sp_alert_code": content.code, "additional_information": content.additional_information}
        data["values"] = told | {"utrn": None if content.utrn is None else HIDDEN}
        if recipient is None and content.request_id is not None:
            recipient = content.request_id.originator
    return recipient, data


def smets1_message(
    outer: duis.Smets1Response, said: smets1.Smets1Content | None, signature: str
) -> tuple[str, Eui64 | None, dict[str, Any]]:
    """The kind of event that a SMETS1 message is, whom it is for, and what the event says.

    An answer is given in the form of a GBCS one: `gbcs` has the name of the answer, and its values both as they are
    nested and, where a name occurs once, by that alone.

    Args:
        outer: as the DCC sent it.
        said: what the provider says in it, or None if that is not believed.
        signature: "valid", or why it is not believed.
    """
    result = said if isinstance(said, smets1.Smets1Result) else None
    alert = said if isinstance(said, smets1.Smets1Alert) else None
    header = alert.header if alert else result.header if result else None
    request, own = outer.request_id, outer.response_id
    device = request.target if request else own.originator if own else None
    recipient = request.originator if request else own.target if own else None
    if header is not None and outer.schedule_id is None:
        signature = next((fault for fault in (signature, *_disagreements(outer, header)) if fault != VALID), VALID)
    if header is not None:
        device = header.originator
    data: dict[str, Any] = {
        "device": _text(device),
        "signature": signature,
        "digest": _digest_of(outer.raw, "SMETS1SignedResponse"),
    }
    if outer.device_alert_code is not None or alert is not None:
        code = alert.code if alert else outer.device_alert_code
        data |= {
            "code": None if code is None else f"0x{code:04X}",
            "counter": alert.header.originator_counter if alert else None,
            "device_time_utc_ns": _utc_ns(alert.timestamp) if alert else None,
            "values": {"description": alert.description, **to_json(alert.payload)} if alert else {},
        }
        return "seen.device_alert", recipient, data
    data |= {
        "request_id": _text(request),
        "service_request": outer.service_reference_variant,
        "response_code": outer.response_code,
        "synchronous": False,
        "gbcs": None if result is None else _answer(result),
    }
    if outer.schedule_id is not None:
        data["schedule"] = outer.schedule_id
    return "seen.response", recipient, data


def _disagreements(outer: duis.Smets1Response, header: smets1.Smets1Header) -> list[str]:
    """What the provider's header and the DCC's have in common and say differently."""
    faults = []
    request, own = outer.request_id, outer.response_id
    device = request.target if request else own.originator if own else header.originator
    target = header.supplementary_remote_party or header.target
    user = request.originator if request else own.target if own else target
    if device != header.originator:
        faults.append(f"the DCC says that it is from {device}, the provider that it is from {header.originator}")
    if user != target:
        faults.append(f"the DCC says that it is for {user}, the provider that it is for {target}")
    if request is not None and header.request_id != request:
        faults.append(f"the provider answers {header.request_id}, not {request}")
    return faults


def _answer(result: smets1.Smets1Result) -> dict[str, Any]:
    ok = result.success is not False
    said = _leaves(result.debug).get("error")
    return {
        "use_case": result.name,
        "ok": ok,
        "values": {**_leaves(result.values), **to_json(result.values)},
        "detail": "success" if ok else said or "the device has refused",
    }


def _leaves(values: Mapping[str, Any]) -> dict[str, str]:
    """Every text in nested values by its own name, where no other has the name."""
    found: dict[str, list[str]] = {}

    def collect(each: Mapping[str, Any]) -> None:
        for name, value in each.items():
            if isinstance(value, Mapping):
                collect(value)
            elif isinstance(value, str):
                found.setdefault(name, []).append(value)

    collect(values)
    return {name: texts[0] for name, texts in found.items() if len(texts) == 1}


def _digest_of(raw: bytes, name: str) -> str:
    """SHA-256 of a provider's document in canonical XML: the same message once more has the same."""
    try:
        found = parse(raw).find(sr(name))
        text = raw if found is None else canonical(found, exclusive=True)
    except DuisError:
        text = raw
    return hashlib.sha256(text).hexdigest()


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _utc_ns(moment: datetime) -> int:
    return (moment - _UNIX_EPOCH) // timedelta(microseconds=1) * 1000
