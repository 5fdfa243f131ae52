"""The GSME use cases that the bench needs (GBCS section 19: GBZ message templates, ZigBee SEP 1.2 clusters)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.gbcs import gbz, times, use_case
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Response, UseCase, Values

SUPPLY_STATES = {0: "disabled", 1: "armed", 2: "enabled"}
"""Supply status of the GSME's valve (metering cluster)."""

HARDWARE_FAILURE = 0xC0
"""ZCL status that reference messages of refused commands carry; the default of `encode_response`."""

_METERING, _DEVICE_MANAGEMENT = 0x0702, 0x0708
_TO_SERVER, _FROM_SERVER = 0x01, 0x09
_CHANGE_SUPPLY, _SUPPLY_STATUS_RESPONSE, _UPDATE_SITE_ID = 0x0B, 0x0C, 0x03
_ACKNOWLEDGE = 0x01
_NOW = bytes(4)
_NO_PROVIDER = bytes(4)


def _little_endian(moment: datetime) -> bytes:
    return times.encode_zigbee(moment)[::-1]


def _moment(raw: bytes) -> datetime | None:
    return times.decode_zigbee(raw[::-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class GbzUseCase(UseCase):
    """A use case that is one ZigBee command, refused by a ZCL default response.

    The values of a refusal are `status`: the ZCL status.

    Attributes:
        cluster: cluster of the command.
        frame_control: ZCL frame control of the command.
        command: command id of the command.
        names: names of the command's parameters.
        returned: names of the values of a good response.
    """

    cluster: int
    frame_control: int
    command: int
    names: tuple[str, ...]
    returned: tuple[str, ...] = ()

    @abstractmethod
    def _write(self, params: Values) -> bytes:
        """Write the payload of the command."""

    @abstractmethod
    def _read(self, reader: Reader) -> dict[str, Any]:
        """Read the payload of the command."""

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the ZigBee command; the counter is not part of it."""
        use_case.check_names(params, self.names, f"{self.name} command")
        return gbz.encode_components(Component(self.cluster, self.frame_control, self.command, self._write(params)))

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the ZigBee command."""
        component = gbz.decode_one(content, self.cluster)
        if (component.frame_control, component.command) != (self.frame_control, self.command):
            raise GbcsError(
                f"command {component.command:02x} is not that of {self.name}", expected=f"{self.command:02x}"
            )
        reader = Reader(component.payload)
        params = self._read(reader)
        reader.finish("the command's payload")
        return params

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the response, or the default response that refuses."""
        use_case.check_names(values, self.returned if ok else (*self.returned, "status"), f"{self.name} response")
        if ok:
            return gbz.encode_components(self._good(values))
        return gbz.encode_components(self._default(self.status_of(values)))

    def decode_response(self, content: bytes) -> Response:
        """Read the response, or the default response."""
        component = gbz.decode_one(content, self.cluster)
        if component.command != gbz.DEFAULT_RESPONSE or component.frame_control & 0x03:
            return self._read_good(component)
        reader = Reader(component.payload)
        reader.literal(bytes([self.command]), "command that is answered")
        status = reader.uint(1, "status")
        reader.finish("the default response")
        if status == 0:
            return Response(True, {}, "success")
        return Response(False, {"status": status}, f"ZCL status {status:02X}")

    def _good(self, values: Values) -> Component:
        """Return the response that says that all went well."""
        return self._default(0)

    def _read_good(self, component: Component) -> Response:
        raise GbcsError(f"command {component.command:02x} is no response of {self.name}")

    def _default(self, status: int) -> Component:
        """Return a default response: it goes the other way than the command."""
        frame_control = (self.frame_control & 0x08) ^ 0x08
        return Component(self.cluster, frame_control, gbz.DEFAULT_RESPONSE, bytes([self.command, status]))

    @staticmethod
    def status_of(values: Values) -> int:
        """Return the ZCL status of a refusal."""
        return use_case.integer({"status": HARDWARE_FAILURE, **values}, "status", 0xFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSupply(GbzUseCase):
    """Close the valve (GCS32) or arm it (GCS39).

    GCS39 is published as a refusal only; its success is laid out as that of GCS32 with the state "armed".

    Attributes:
        state: supply status that is asked for.
    """

    state: int
    cluster: int = _METERING
    frame_control: int = _TO_SERVER
    command: int = _CHANGE_SUPPLY
    names: tuple[str, ...] = ("issued_at",)
    returned: tuple[str, ...] = ("issued_at", "supply_state")

    def _write(self, params: Values) -> bytes:
        issued = _little_endian(use_case.moment(params, "issued_at"))
        return _NO_PROVIDER + issued + _NOW + _NOW + bytes([self.state, _ACKNOWLEDGE])

    def _read(self, reader: Reader) -> dict[str, Any]:
        reader.take(4, "provider id")
        issued = _moment(reader.take(4, "issuer event id"))
        reader.take(8, "request and implementation time")
        reader.literal(bytes([self.state, _ACKNOWLEDGE]), "proposed supply status and control bits")
        return {"issued_at": issued}

    def _good(self, values: Values) -> Component:
        state = use_case.choice({"supply_state": SUPPLY_STATES[self.state], **values}, "supply_state", SUPPLY_STATES)
        payload = _NO_PROVIDER + _little_endian(use_case.moment(values, "issued_at")) + _NOW + bytes([state])
        return Component(self.cluster, _FROM_SERVER, _SUPPLY_STATUS_RESPONSE, payload)

    def _read_good(self, component: Component) -> Response:
        if (component.frame_control, component.command) != (_FROM_SERVER, _SUPPLY_STATUS_RESPONSE):
            raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
        reader = Reader(component.payload)
        reader.take(4, "provider id")
        issued = _moment(reader.take(4, "issuer event id"))
        reader.take(4, "implementation time")
        state = use_case.word(reader.uint(1, "supply status"), SUPPLY_STATES, "supply_state")
        reader.finish("the supply status response")
        ok = state == SUPPLY_STATES[self.state]
        return Response(ok, {"issued_at": issued, "supply_state": state}, "success" if ok else f"the supply is {state}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMprn(GbzUseCase):
    """Set the MPRN (GCS41). Published as a refusal only; success is the default response with status 0."""

    cluster: int = _DEVICE_MANAGEMENT
    frame_control: int = _FROM_SERVER
    command: int = _UPDATE_SITE_ID
    names: tuple[str, ...] = ("import_mprn", "issued_at")

    def _write(self, params: Values) -> bytes:
        mprn = use_case.digits(params, "import_mprn", 10)
        issued = _little_endian(use_case.moment(params, "issued_at"))
        return issued + _NOW + _NO_PROVIDER + bytes([len(mprn)]) + mprn

    def _read(self, reader: Reader) -> dict[str, Any]:
        issued = _moment(reader.take(4, "issuer event id"))
        reader.take(8, "site id time and provider id")
        mprn = reader.take(reader.uint(1, "MPRN length"), "MPRN")
        if not mprn.isdigit():
            raise GbcsError(f"the MPRN is {mprn!r}", expected="digits")
        return {"import_mprn": mprn.decode("ascii"), "issued_at": issued}


USE_CASES: tuple[GbzUseCase, ...] = (
    ChangeSupply(
        message_code=0x0081,
        name="GCS32",
        service_references=("7.2",),
        device_type="GSME",
        critical=True,
        response_signed=True,
        state=0,
    ),
    ChangeSupply(
        message_code=0x0085,
        name="GCS39",
        service_references=("7.3",),
        device_type="GSME",
        critical=True,
        response_signed=True,
        state=1,
    ),
    SetMprn(
        message_code=0x0087,
        name="GCS41",
        service_references=("6.20.1",),
        device_type="GSME",
        critical=False,
        response_signed=False,
    ),
)
