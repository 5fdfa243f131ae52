"""Responses and alerts of the DCC: read for the bench, written for an emulated DCC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lxml import etree

from bench.duis import shape_xml
from bench.duis import values as v
from bench.duis.alert_bodies import ALERT_BODIES, INVENTORY_DEVICE
from bench.duis.dsp_contents import CONTENTS
from bench.duis.errors import DuisError
from bench.duis.messages import (
    Acknowledgement,
    DccAlert,
    DeviceAlert,
    DspResponse,
    ErrorResponse,
    FutureDatedDeviceAlert,
    GbcsResponse,
    InventoryDevice,
    InventoryResponse,
    LocalCommand,
    OtherServiceResponse,
    PreCommand,
    Response,
    ServiceResponse,
    Smets1Response,
)
from bench.duis.names import (
    RA,
    SR,
    add,
    canonical,
    child,
    document,
    ds,
    line_of,
    local,
    only_child,
    optional,
    sr,
    text_of,
)
from bench.duis.safe_xml import parse
from bench.duis.shapes import complete

__all__ = [
    "Acknowledgement",
    "DccAlert",
    "DeviceAlert",
    "DspResponse",
    "ErrorResponse",
    "FutureDatedDeviceAlert",
    "GbcsResponse",
    "InventoryDevice",
    "InventoryResponse",
    "LocalCommand",
    "OtherServiceResponse",
    "PreCommand",
    "Response",
    "ServiceResponse",
    "Smets1Response",
    "build_response",
    "parse_response",
]

_CODE = v.text(2, 8, "[EIW][0-9]+", "a response code such as I0, I99 or E13")
_DCC_ALERT_CODE = v.text(2, 4, "(AD|N)[0-9]+", "a DCC Alert Code such as AD1 or N24")
_REFERENCE = v.text(1, 10)
_COUNT = v.UNSIGNED_SHORT
_ANY_TEXT = v.text(0, 1000)
_INVENTORY_BASE = ("device_id", "device_type", "device_status", "device_manufacturer", "device_model")


def parse_response(root: etree._Element) -> Response:
    """Read any message from the DCC, signed or not: the signature is `signatures.verify`'s affair.

    Content that the bench does not take apart is kept as raw XML in an `OtherServiceResponse` or a `DccAlert`; what a
    SMETS1 Service Provider says is for `smets1.read_content`, which checks its signature first.

    Raises:
        DuisError: it is not a DUIS Response, or breaks the schema in what the bench reads of it.
    """
    if root.tag != sr("Response"):
        raise DuisError(f"the document is {root.tag}", line=line_of(root), expected=sr("Response"))
    parts = [local(each) for each in root if each.tag != ds("Signature")]
    if parts != ["Header", "Body"]:
        raise DuisError(f"Response holds {', '.join(parts) or 'nothing'}", line=line_of(root), expected="Header, Body")
    header = child(root, "Header")
    common = {
        "request_id": _optional_value(header, "RequestID", v.REQUEST_ID),
        "response_id": _optional_value(header, "ResponseID", v.REQUEST_ID),
        "response_code": _value(header, "ResponseCode", _CODE),
        "response_date_time": _value(header, "ResponseDateTime", v.DATE_TIME),
        "schema_version": str(root.get("schemaVersion", "")),
    }
    message = only_child(child(root, "Body"), "one message")
    reader = _MESSAGES.get(local(message))
    if reader is None:
        raise DuisError(f"Body holds {local(message)}", line=line_of(message), expected=" or ".join(_MESSAGES))
    return reader(message, common)


def _value(parent: etree._Element, name: str, kind: v.Kind) -> Any:
    element = child(parent, name)
    if len(element):
        raise DuisError(f"{name} holds elements", line=line_of(element), expected=kind.expected)
    try:
        return kind.accept(element.text or "")
    except ValueError:
        raise DuisError(
            f"{name} is {(element.text or '')[:60]!r}", line=line_of(element), expected=kind.expected
        ) from None


def _optional_value(parent: etree._Element, name: str, kind: v.Kind) -> Any:
    return None if optional(parent, name) is None else _value(parent, name, kind)


def _alert_code(parent: etree._Element, name: str) -> int:
    return int.from_bytes(_value(parent, name, v.ALERT_CODE))


def _throttled(message: etree._Element) -> dict[str, Any]:
    return {
        "throttled_sequence_id": _optional_value(message, "ThrottledAlertSequenceId", v.UNSIGNED_INT),
        "throttled_count": _optional_value(message, "ThrottledAlertCount", v.UNSIGNED_INT),
    }


def _read_service_response(message: etree._Element, common: dict[str, Any]) -> Response:
    common = common | {
        "service_reference": text_of(child(message, "ServiceReference")),
        "service_reference_variant": text_of(child(message, "ServiceReferenceVariant")),
    }
    content = [each for each in message if each.tag not in (sr("ServiceReference"), sr("ServiceReferenceVariant"))]
    if not content:
        kind = Acknowledgement if common["response_code"].startswith("I") else ErrorResponse
        return kind(**common)
    if len(content) > 1:
        raise DuisError("ResponseMessage has two contents", line=line_of(content[1]), expected="at most one")
    element = content[0]
    name = local(element)
    if name == "GBCSPayload":
        return GbcsResponse(**common, payload=_value(message, name, v.BASE64))
    if name == "PreCommand":
        version = _value(element, "GBCSVersion", _ANY_TEXT)
        return PreCommand(**common, gbcs_version=version, payload=_payload(element))
    if name == "LocalCommand":
        return LocalCommand(**common, payload=_payload(element))
    if name == "DSPScheduledMessage":
        schedule = _value(element, "DSPScheduleID", v.whole(0, 10**12))
        return GbcsResponse(**common, payload=_payload(element), schedule_id=schedule)
    if name == "CINMessage":
        number = _value(element, "CustomerIdentificationNumber", v.text(4, 4, "[0-9]*"))
        return GbcsResponse(**common, payload=_payload(element), customer_identification_number=number)
    if name == "FutureDatedDeviceAlertMessage":
        return FutureDatedDeviceAlert(
            **common,
            alert_code=_alert_code(element, "FutureDatedAlertCode"),
            payload=_payload(element),
            instruction_number=_value(element, "InstructionNumber", _COUNT),
            total_instructions=_value(element, "TotalCommandInstructions", _COUNT),
        )
    if name == "DSPInventory":
        return InventoryResponse(**common, devices=tuple(_read_device(each) for each in element))
    if name in CONTENTS:
        return DspResponse(**common, name=name, values=shape_xml.read(CONTENTS[name], element))
    return OtherServiceResponse(**common, name=name, raw=canonical(element, exclusive=True))


def _payload(element: etree._Element) -> bytes:
    payload = _value(element, "GBCSPayload", v.BASE64)
    assert isinstance(payload, bytes)
    return payload


def _read_device(element: etree._Element) -> InventoryDevice:
    if element.tag != sr("Device"):
        raise DuisError(f"DSPInventory holds {local(element)}", line=line_of(element), expected="Device")
    entries = shape_xml.read(INVENTORY_DEVICE, element)
    base = {name: entries.pop(name, None) for name in _INVENTORY_BASE}
    return InventoryDevice(**base, more=entries)


def _read_device_alert(message: etree._Element, common: dict[str, Any]) -> Response:
    return DeviceAlert(
        **common,
        alert_code=_alert_code(message, "AlertCode"),
        payload=_payload(message),
        **_throttled(message),
    )


def _read_dcc_alert(message: etree._Element, common: dict[str, Any]) -> Response:
    element = only_child(child(message, "DCCAlert"), "one alert")
    # What a SMETS1 Service Provider signed has to keep its namespaces.
    exclusive = local(element) != "S1SPAlertDSP"
    shape = ALERT_BODIES.get(local(element))
    return DccAlert(
        **common,
        alert_code=_value(message, "DCCAlertCode", _DCC_ALERT_CODE),
        body_name=local(element),
        body={} if shape is None else shape_xml.read(shape, element),
        raw_body=canonical(element, exclusive=exclusive) if shape is None else None,
        **_throttled(message),
    )


def _read_smets1(message: etree._Element, common: dict[str, Any]) -> Response:
    number = None
    for code in message.iter(f"{{{RA}}}GBCSHexAlertCode"):
        try:
            number = int.from_bytes(v.ALERT_CODE.accept(code.text or ""))
        except ValueError:
            what = f"GBCSHexAlertCode is {(code.text or '')[:20]!r}"
            raise DuisError(what, line=line_of(code), expected=v.ALERT_CODE.expected) from None
    return Smets1Response(
        **common,
        **_throttled(message),
        service_reference=_optional_value(message, "ServiceReference", _REFERENCE),
        service_reference_variant=_optional_value(message, "ServiceReferenceVariant", _REFERENCE),
        schedule_id=_optional_value(message, "DSPScheduleID", v.whole(0, 10**12)),
        raw=canonical(message, exclusive=False),
        device_alert_code=number,
    )


_MESSAGES: dict[str, Callable[[etree._Element, dict[str, Any]], Response]] = {
    "ResponseMessage": _read_service_response,
    "DeviceAlertMessage": _read_device_alert,
    "DCCAlertMessage": _read_dcc_alert,
    "SMETS1ResponseMessage": _read_smets1,
}


def build_response(response: Response) -> bytes:
    """Write an unsigned message of the DCC; `parse_response` reads the same message back.

    Raises:
        UsageError: a DCC Alert's or an inventory entry's parameter is unknown, missing or wrong; it is named.
        DuisError: a raw part is not acceptable XML.
        TypeError: the message is of the base class only.
    """
    root = etree.Element(sr("Response"), nsmap={"sr": SR}, attrib={"schemaVersion": response.schema_version})
    header = add(root, "Header")
    if response.request_id is not None:
        add(header, "RequestID", str(response.request_id))
    if response.response_id is not None:
        add(header, "ResponseID", str(response.response_id))
    add(header, "ResponseCode", response.response_code)
    add(header, "ResponseDateTime", v.DATE_TIME.write(v.DATE_TIME.accept(response.response_date_time)))
    body = add(root, "Body")
    if isinstance(response, ServiceResponse):
        message = add(body, "ResponseMessage")
        add(message, "ServiceReference", response.service_reference)
        add(message, "ServiceReferenceVariant", response.service_reference_variant)
        _write_content(response, message)
    elif isinstance(response, DeviceAlert):
        message = add(body, "DeviceAlertMessage")
        add(message, "AlertCode", f"{response.alert_code:04X}")
        _write_throttled(response, message)
        _write_payload(message, response.payload)
    elif isinstance(response, DccAlert):
        _write_dcc_alert(response, add(body, "DCCAlertMessage"))
    elif isinstance(response, Smets1Response):
        body.append(parse(response.raw))
    else:
        raise TypeError(f"{type(response).__name__} has no content to write")
    return document(root)


def _write_payload(parent: etree._Element, payload: bytes) -> None:
    add(parent, "GBCSPayload", v.BASE64.write(payload))


def _write_content(response: ServiceResponse, message: etree._Element) -> None:
    if isinstance(response, PreCommand):
        pre_command = add(message, "PreCommand")
        add(pre_command, "GBCSVersion", response.gbcs_version)
        _write_payload(pre_command, response.payload)
    elif isinstance(response, GbcsResponse):
        _write_gbcs(response, message)
    elif isinstance(response, LocalCommand):
        _write_payload(add(message, "LocalCommand"), response.payload)
    elif isinstance(response, FutureDatedDeviceAlert):
        alert = add(message, "FutureDatedDeviceAlertMessage")
        add(alert, "FutureDatedAlertCode", f"{response.alert_code:04X}")
        _write_payload(alert, response.payload)
        add(alert, "InstructionNumber", str(response.instruction_number))
        add(alert, "TotalCommandInstructions", str(response.total_instructions))
    elif isinstance(response, InventoryResponse):
        inventory = add(message, "DSPInventory")
        for device in response.devices:
            given = {name: getattr(device, name) for name in _INVENTORY_BASE} | dict(device.more)
            given = {name: value for name, value in given.items() if value is not None}
            entries = complete(INVENTORY_DEVICE, given, f"inventory entry {device.device_id}")
            shape_xml.write(INVENTORY_DEVICE, entries, add(inventory, "Device"))
    elif isinstance(response, DspResponse):
        shape = CONTENTS[response.name]
        content = complete(shape, response.values, f"{response.service_reference_variant} {response.name}")
        shape_xml.write(shape, content, add(message, response.name))
    elif isinstance(response, OtherServiceResponse):
        message.append(parse(response.raw))


def _write_gbcs(response: GbcsResponse, message: etree._Element) -> None:
    if response.schedule_id is not None:
        scheduled = add(message, "DSPScheduledMessage")
        _write_payload(scheduled, response.payload)
        add(scheduled, "DSPScheduleID", str(response.schedule_id))
    elif response.customer_identification_number is not None:
        cin = add(message, "CINMessage")
        _write_payload(cin, response.payload)
        add(cin, "CustomerIdentificationNumber", response.customer_identification_number)
    else:
        _write_payload(message, response.payload)


def _write_throttled(alert: DeviceAlert | DccAlert, message: etree._Element) -> None:
    if alert.throttled_sequence_id is not None:
        add(message, "ThrottledAlertSequenceId", str(alert.throttled_sequence_id))
    if alert.throttled_count is not None:
        add(message, "ThrottledAlertCount", str(alert.throttled_count))


def _write_dcc_alert(alert: DccAlert, message: etree._Element) -> None:
    add(message, "DCCAlertCode", alert.alert_code)
    _write_throttled(alert, message)
    holder = add(message, "DCCAlert")
    shape = ALERT_BODIES.get(alert.body_name)
    if alert.raw_body is not None:
        holder.append(parse(alert.raw_body))
    elif shape is None:
        raise DuisError(f"the bench has no shape for {alert.body_name}", next_step="Give its raw_body")
    else:
        values = complete(shape, alert.body, f"{alert.alert_code} {alert.body_name}")
        shape_xml.write(shape, values, add(holder, alert.body_name))
