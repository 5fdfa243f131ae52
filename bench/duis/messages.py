"""What the DCC sends: responses, device alerts and DCC alerts, as typed messages.

`responses.parse_response` reads any of them, `responses.build_response` writes them for an emulated DCC.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench.duis.names import SCHEMA_VERSION
from bench.duis.request_id import RequestId
from bench.eui import Eui64


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What every message from the DCC has.

    Attributes:
        request_id: the request that it answers; None for what nobody asked for.
        response_id: the message's own ID, of the device (or the DCC) and its counter; None in some acknowledgements.
        response_code: "I0", "I99", "E13" ...
        response_date_time: when the DCC sent it, aware, UTC.
        schema_version: the version of DUIS that the document states.
    """

    request_id: RequestId | None = None
    response_id: RequestId | None = None
    response_code: str = "I0"
    response_date_time: datetime
    schema_version: str = SCHEMA_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceResponse(Response):
    """An answer to a Service Request.

    Attributes:
        service_reference: that of the request.
        service_reference_variant: that of the request.
    """

    service_reference: str
    service_reference_variant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement(ServiceResponse):
    """No content and an I code: accepted for the device, or (I99 too) done, where there is nothing to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResponse(ServiceResponse):
    """No content and an E or W code: the DCC refused the request, or could not carry it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreCommand(ServiceResponse):
    """The GBCS Command that a critical request was transformed into, for the User to check and sign.

    Attributes:
        gbcs_version: the version of GBCS it was made for.
        payload: the unsigned message.
    """

    gbcs_version: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GbcsResponse(ServiceResponse):
    """The device's own answer.

    Attributes:
        payload: the GBCS message.
        schedule_id: the DSP Schedule that it comes from, or None.
        customer_identification_number: what 9.1 shows at the device, or None.
    """

    payload: bytes
    schedule_id: int | None = None
    customer_identification_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCommand(ServiceResponse):
    """A Command for the User to deliver over the HAN (Command Variants 2, 3, 6 and 7).

    Attributes:
        payload: the GBCS message.
    """

    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FutureDatedDeviceAlert(ServiceResponse):
    """The device's alert that one instruction of a future-dated command took effect (8F66) or failed (8F67).

    The command is complete when every instruction from 1 to `total_instructions` was reported.

    Attributes:
        alert_code: 0x8F66 or 0x8F67.
        payload: the GBCS alert.
        instruction_number: which instruction, from 1.
        total_instructions: how many the command has.
    """

    alert_code: int
    payload: bytes
    instruction_number: int
    total_instructions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryDevice:
    """One device of the Smart Metering Inventory.

    Attributes:
        device_id: its EUI-64.
        device_type: "ESME", "GSME", "CHF", "GPF" ...
        device_status: its SMI status, "Commissioned" ...; None for devices that have none, such as a CAD.
        more: the other entries by the snake_case of their element names: `import_mpxn`, `device_firmware_version` ...
    """

    device_id: Eui64
    device_type: str
    device_status: str | None
    device_manufacturer: str
    device_model: str
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryResponse(ServiceResponse):
    """The answer to 8.2 Read Inventory.

    Attributes:
        devices: 1 to 17 of them, those around one Comms Hub.
    """

    devices: tuple[InventoryDevice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DspResponse(ServiceResponse):
    """What the DCC itself knows: schedules (5.1, 5.2), opt-in (8.6), firmware warnings (11.1, 11.4), coverage (12.1).

    Attributes:
        name: the element in the message: "DSPScheduleID", "DSPSchedulesRead" ...
        values: what it holds, by the snake_case of element names, as `dsp_contents` has its shape.
    """

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherServiceResponse(ServiceResponse):
    """An answer with content that the bench does not know.

    Attributes:
        name: the element that holds it.
        raw: that element in exclusive canonical XML.
    """

    name: str
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAlert(Response):
    """An alert of a device, passed on by the DCC.

    Attributes:
        alert_code: the GBCS alert code, 0x8F36.
        payload: the GBCS alert.
        throttled_sequence_id: which storm of alerts it belongs to; None: it was not throttled.
        throttled_count: how many were held back; None: it was not throttled.
    """

    alert_code: int
    payload: bytes
    throttled_sequence_id: int | None = None
    throttled_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DccAlert(Response):
    """An alert of the DCC itself.

    Attributes:
        alert_code: "AD1", "N24" ...
        body_name: the element in its body: "PowerOutageEvent", "UpdateHANDeviceLogResult" ...
        body: what it says, by the snake_case of element names; empty if the body is raw. AD1 has `comms_hub_device_id`,
            `start_date_time` and `mpxn`; N24 and N25 have `update_han_device_log_service_request_id`.
        raw_body: the body's element in exclusive canonical XML, if the bench has no shape for it; else None.
        throttled_sequence_id: which storm of alerts it belongs to; None: it was not throttled.
        throttled_count: how many were held back; None: it was not throttled.
    """

    alert_code: str
    body_name: str
    body: Mapping[str, Any] = field(default_factory=dict)
    raw_body: bytes | None = None
    throttled_sequence_id: int | None = None
    throttled_count: int | None = None

    @property
    def device_id(self) -> Eui64 | None:
        """The device that it is about, or None where it names none."""
        keys = ("device_id", "comms_hub_device_id", "ppmid_device_id", "chf_device_id")
        found = (self.body.get(key) for key in keys)
        return next((value for value in found if isinstance(value, Eui64)), None)

    @property
    def about_request(self) -> RequestId | None:
        """The earlier request that it is about (that of the 8.11 for N24 and N25), or None."""
        groups = (each.values() for each in self.body.values() if isinstance(each, Mapping))
        values = itertools.chain(self.body.values(), *groups)
        return next((value for value in values if isinstance(value, RequestId)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smets1Response(Response):
    """A response or alert of a SMETS1 Service Provider, with that one's own signature inside.

    `smets1.read_content` says what it holds. Its fields but `raw` are read from `raw`, and written with it.

    Attributes:
        raw: the SMETS1ResponseMessage in inclusive canonical XML.
        device_alert_code: the GBCS alert code that a SMETS1 alert is like (0x8F40), or None.
        service_reference: that of the request, or None.
        service_reference_variant: that of the request, or None.
        schedule_id: the DSP Schedule that it comes from, or None.
        throttled_sequence_id: which storm of alerts it belongs to; None: it was not throttled.
        throttled_count: how many were held back; None: it was not throttled.
    """

    raw: bytes
    device_alert_code: int | None = None
    service_reference: str | None = None
    service_reference_variant: str | None = None
    schedule_id: int | None = None
    throttled_sequence_id: int | None = None
    throttled_count: int | None = None
