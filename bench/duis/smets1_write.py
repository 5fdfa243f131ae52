"""Writing what a SMETS1 Service Provider says, for an emulated one; `bench.duis.smets1` reads it.

The provider's document declares all of its namespaces at its root, and so does the DCC's message around it: that is
the one arrangement in which both signatures are good whoever writes the message again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lxml import etree

from bench.duis import values as v
from bench.duis.names import RA, SCHEMA_VERSION, SR, add, document, sr
from bench.duis.safe_xml import parse
from bench.duis.smets1 import S1spAlert, Smets1Alert, Smets1Header

Content = Mapping[str, Any]
"""Elements of the Message Mapping Catalogue by name: text, a `Content` of their own, or a list for several of a name.
A name with an @ before it is an attribute, and "" the text of an element that has attributes. None is left out."""

_NAMESPACES = {"sr": SR, "ra": RA}


def build_alert(alert: Smets1Alert) -> bytes:
    """Write the provider's document of a device's alert, without its signature."""
    root, body = _response(alert.header)
    content: dict[str, Any] = {
        "GBCSHexAlertCode": None if alert.code is None else f"{alert.code:04X}",
        "AlertDescription": alert.description,
        "Timestamp": _time(alert.timestamp),
    }
    _fill(add(body, "DeviceAlertMessage"), {"DeviceAlertContent": content})
    return document(root)


def build_result(header: Smets1Header, name: str, *, success: bool, content: Content, error: str = "") -> bytes:
    """Write the provider's document of a device's answer, without its signature.

    Args:
        header: the header.
        name: the element that answers the request: "ReadSupplyStatusRsp".
        success: whether it was carried out.
        content: what was read.
        error: what went wrong, at most 250 characters; empty for nothing.
    """
    root, body = _response(header)
    answer: dict[str, Any] = {"SMETSData": {name: {"@MessageSuccess": v.BOOLEAN.write(success), **content}}}
    if error:
        status = {"@ResponseCode": "1", "@Position": "1", "Error": error[:250]}
        answer["DebugInfo"] = {"SMETS1Debug": {"SMETS1Response": status}}
    _fill(add(body, "ResponseMessage"), answer)
    return document(root)


def build_s1sp_alert(alert: S1spAlert) -> bytes:
    """Write the provider's document of an alert of its own, without its signature."""
    root = etree.Element(sr("S1SPAlert"), nsmap=_NAMESPACES, attrib={"schemaVersion": SCHEMA_VERSION})
    for name, text in (
        ("RequestID", alert.request_id),
        ("DeviceID", alert.device_id),
        ("S1SPAlertCode", alert.code),
        ("AdditionalInformation", alert.additional_information),
        ("UTRN", alert.utrn),
        ("DateTime", _time(alert.date_time)),
    ):
        if text is not None:
            add(root, name, str(text))
    return document(root)


def response_message(
    signed: bytes,
    *,
    variant: str | None = None,
    schedule_id: int | None = None,
    throttled: tuple[int, int] | None = None,
) -> bytes:
    """Put a provider's signed document into a SMETS1ResponseMessage, as `messages.Smets1Response.raw` holds it.

    Args:
        signed: the provider's document.
        variant: the Service Reference Variant that it answers; None for an alert.
        schedule_id: the DSP Schedule that it comes from, or None.
        throttled: sequence and number of the alerts that it stands for, or None.
    """
    root = etree.Element(sr("SMETS1ResponseMessage"), nsmap=_NAMESPACES)
    if variant is not None:
        add(root, "ServiceReference", ".".join(variant.split(".")[:2]))
        add(root, "ServiceReferenceVariant", variant)
    if schedule_id is not None:
        add(root, "DSPScheduleID", str(schedule_id))
    if throttled is not None:
        add(root, "ThrottledAlertSequenceId", str(throttled[0]))
        add(root, "ThrottledAlertCount", str(throttled[1]))
    root.append(parse(signed))
    return etree.tostring(root)


def s1sp_alert_body(signed: bytes) -> bytes:
    """Put a provider's signed alert into the body of N55 or N56, as `messages.DccAlert.raw_body` holds it."""
    root = etree.Element(sr("S1SPAlertDSP"), nsmap=_NAMESPACES)
    root.append(parse(signed))
    return etree.tostring(root)


def _response(header: Smets1Header) -> tuple[etree._Element, etree._Element]:
    root = etree.Element(sr("SMETS1SignedResponse"), nsmap=_NAMESPACES, attrib={"schemaVersion": SCHEMA_VERSION})
    response = add(root, "SMETS1Response")
    moment = None
    if header.timestamp is not None:
        moment = {
            "@isFromGSME": None if header.is_from_gsme is None else v.BOOLEAN.write(header.is_from_gsme),
            "@ClockStatus": header.clock_status,
            "": _time(header.timestamp),
        }
    _fill(
        add(response, "Header"),
        {
            "BusinessOriginatorID": str(header.originator),
            "BusinessTargetID": str(header.target),
            "OriginatorCounter": str(header.originator_counter),
            "SupplementaryRemotePartyID": _text(header.supplementary_remote_party),
            "SupplementaryRemotePartyCounter": _text(header.supplementary_remote_party_counter),
            "SupplementaryOriginatorCounter": _text(header.supplementary_originator_counter),
            "GBCSHexadecimalMessageCode": None if header.message_code is None else f"{header.message_code:04X}",
            "ServiceReference": header.service_reference,
            "ServiceReferenceVariant": header.service_reference_variant,
            "Timestamp": moment,
        },
    )
    return root, add(response, "Body")


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _time(moment: datetime) -> str:
    return v.DATE_TIME.write(v.DATE_TIME.accept(moment))


def _fill(parent: etree._Element, content: Content) -> None:
    for name, value in content.items():
        if value is None:
            continue
        if name.startswith("@"):
            parent.set(name[1:], value)
        elif not name:
            parent.text = value
        else:
            for each in value if isinstance(value, Sequence) and not isinstance(value, str) else (value,):
                element = etree.SubElement(parent, f"{{{RA}}}{name}")
                if isinstance(each, str):
                    element.text = each
                else:
                    _fill(element, each)
