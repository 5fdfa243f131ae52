"""Logs of gas meters and their proxies: cleared, sampled and read (3.3, 4.4, 4.6, 4.10, 4.17, 14.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bench.gbcs import gbz, use_case
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_commands import moment_from, moment_to, uint_from, uint_to
from bench.gbcs.gbz_snapshots import (
    END_OF_BILLING_PERIOD,
    GENERAL,
    MODE_OR_TARIFF_CHANGED,
    NOT_FOUND,
    ReadSnapshots,
    Snapshots,
)
from bench.gbcs.gbz_use_cases import GbzUseCase
from bench.gbcs.reader import Reader
from bench.gbcs.times import ZIGBEE_EPOCH
from bench.gbcs.use_case import Response, UseCase, Values

NETWORK_INTERVAL_S, NETWORK_SAMPLES = 360, 41
"""The network data log: what is consumed in six minutes, for four hours (GCS18, GCS31)."""
DAYS, DAY_S = 731, 86_400
"""The daily consumption log: how many days it holds at most, and what a day is."""

_METERING, _EVENTS = 0x0702, 0x0709
_TO_SERVER, _FROM_SERVER, _PUBLISHED = 0x01, 0x09, 0x19
_EVENT_LOG, _CLEARED = 0x03, 0x08
_DAILY, _NETWORK, _NO_SAMPLES = 0x0001, 0x0002, 0xFFFF
_DELIVERED = 0
_A_DAY = 0xFFFF  # as an interval: a day has more seconds than fit
_EARLIEST = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearEventLog(GbzUseCase):
    """Clear the event log (CS11); a meter that does not says so in the response, not with a ZCL status."""

    cluster: int = _EVENTS
    frame_control: int = _TO_SERVER
    command: int = 0x01
    names: tuple[str, ...] = ()

    def _write(self, params: Values) -> bytes:
        return bytes([_EVENT_LOG])

    def _read(self, reader: Reader) -> dict[str, Any]:
        reader.literal(bytes([_EVENT_LOG]), "log id")
        return {}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write which logs were cleared; a refusal with a `status` is a default response."""
        if "status" in values:
            return super(ClearEventLog, self).encode_response(values, originator_counter=originator_counter, ok=ok)
        use_case.check_names(values, (), f"{self.name} response")
        cleared = bytes([_CLEARED if ok else 0])
        return gbz.encode_components(Component(self.cluster, _FROM_SERVER, 0x02, cleared))

    def _read_good(self, component: Component) -> Response:
        if (component.frame_control, component.command) != (_FROM_SERVER, 0x02) or len(component.payload) != 1:
            raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
        ok = component.payload[0] == _CLEARED
        return Response(ok, {}, "success" if ok else "the event log was not cleared")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSampling(GbzUseCase):
    """Start the network data log (GCS31): now, every six minutes for four hours."""

    cluster: int = _METERING
    frame_control: int = _TO_SERVER
    command: int = 0x07
    names: tuple[str, ...] = ("issued_at",)

    def _write(self, params: Values) -> bytes:
        return moment_to(params, "issued_at") + self._plan()

    def _read(self, reader: Reader) -> dict[str, Any]:
        issued = moment_from(reader, "issuer event id")
        reader.literal(self._plan(), "start, sample type, interval and number of samples")
        return {"issued_at": issued}

    @staticmethod
    def _plan() -> bytes:
        numbers = NETWORK_INTERVAL_S.to_bytes(2, "little") + NETWORK_SAMPLES.to_bytes(2, "little")
        return bytes(4) + bytes([_DELIVERED]) + numbers

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the number of the sampling session, FFFF where none was started."""
        use_case.check_names(values, (), f"{self.name} response")
        session = (_NETWORK if ok else _NO_SAMPLES).to_bytes(2, "little")
        return gbz.encode_components(Component(self.cluster, _FROM_SERVER, 0x0D, session))

    def _read_good(self, component: Component) -> Response:
        if (component.frame_control, component.command) != (_FROM_SERVER, 0x0D):
            raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
        reader = Reader(component.payload)
        session = uint_from(reader, 2, "sample id")
        reader.finish("the response")
        if session == _NETWORK:
            return Response(True, {}, "success")
        if session == _NO_SAMPLES:
            return Response(False, {}, "the sampling could not be started")
        raise GbcsError(f"the sample id is {session:04X}", expected="0002 or FFFF")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSamples(GbzUseCase):
    """Read samples of consumption (GCS18, GCS61).

    The response has `first_sample`, the time of the first one, `interval_s`, and `samples`, numbers of 24 bits. An
    empty log is no error: the first sample is None then.

    Attributes:
        sample_id: which samples.
        chosen: the command says from when on (`log_from`) and how many (`number_of_samples`).
        answers: ZCL frame control of the response.
    """

    sample_id: int
    chosen: bool
    answers: int
    cluster: int = _METERING
    frame_control: int = _TO_SERVER
    command: int = 0x08
    returned: tuple[str, ...] = ("first_sample", "interval_s", "samples")

    def _write(self, params: Values) -> bytes:
        if not self.chosen:
            earliest, count = _EARLIEST.to_bytes(4, "little"), NETWORK_SAMPLES.to_bytes(2, "little")
        else:
            earliest, count = moment_to(params, "log_from"), uint_to(params, "number_of_samples", 2)
        return self.sample_id.to_bytes(2, "little") + earliest + bytes([_DELIVERED]) + count

    def _read(self, reader: Reader) -> dict[str, Any]:
        reader.literal(self.sample_id.to_bytes(2, "little"), "sample id")
        if not self.chosen:
            reader.literal(self._write({})[2:], "earliest sample, type and number of samples")
            return {}
        earliest = moment_from(reader, "log_from")
        reader.literal(bytes([_DELIVERED]), "sample type")
        return {"log_from": earliest, "number_of_samples": uint_from(reader, 2, "number of samples")}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the samples; none are a default response that says so."""
        if ok and not values.get("samples"):
            use_case.check_names(values, self.returned, f"{self.name} response")
            return gbz.encode_components(self._default(NOT_FOUND))
        return super(ReadSamples, self).encode_response(values, originator_counter=originator_counter, ok=ok)

    def decode_response(self, content: bytes) -> Response:
        """Read the samples."""
        response = super(ReadSamples, self).decode_response(content)
        if response.ok or response.values.get("status") != NOT_FOUND:
            return response
        return Response(True, {"first_sample": None, "interval_s": 0, "samples": ()}, "success; there are no samples")

    def _good(self, values: Values) -> Component:
        samples = values["samples"]
        interval = {**values, "interval_s": _A_DAY if values.get("interval_s") == DAY_S else values.get("interval_s")}
        head = moment_to(values, "first_sample") + bytes([_DELIVERED]) + uint_to(interval, "interval_s", 2)
        written = b"".join(uint_to({"sample": each}, "sample", 3) for each in samples)
        payload = self.sample_id.to_bytes(2, "little") + head + len(samples).to_bytes(2, "little") + written
        return Component(self.cluster, self.answers, 0x07, payload)

    def _read_good(self, component: Component) -> Response:
        if (component.frame_control, component.command) != (self.answers, 0x07):
            raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
        reader = Reader(component.payload)
        reader.literal(self.sample_id.to_bytes(2, "little"), "sample id")
        first = moment_from(reader, "first sample")
        reader.literal(bytes([_DELIVERED]), "sample type")
        interval = uint_from(reader, 2, "interval")
        count = uint_from(reader, 2, "number of samples")
        samples = tuple(uint_from(reader, 3, "sample") for _ in range(count))
        reader.finish("the samples")
        interval_s = DAY_S if interval == _A_DAY else interval
        return Response(True, {"first_sample": first, "interval_s": interval_s, "samples": samples}, "success")


_OPEN: dict[str, Any] = {"device_type": "GSME", "critical": False, "response_signed": False}
_PRIVATE = {**_OPEN, "protected": True}


def _snapshots(message_code: int, name: str, reference: str, *series: Snapshots) -> ReadSnapshots:
    return ReadSnapshots(
        message_code=message_code, name=name, service_references=(reference,), series=series, **_PRIVATE
    )


def _billing(cause: int) -> tuple[Snapshots, Snapshots]:
    return Snapshots("billing_log", False, 12, cause), Snapshots("billing_prepayment_log", True, 12, cause)


_OF_METERS: tuple[UseCase, ...] = (
    ClearEventLog(message_code=0x0015, name="CS11", service_references=("3.3",), **_OPEN),
    _snapshots(0x00C3, "GCS15b", "4.4.2", *_billing(MODE_OR_TARIFF_CHANGED)[::-1]),
    _snapshots(0x0076, "GCS15c", "4.4.3", *_billing(END_OF_BILLING_PERIOD)),
    _snapshots(0x0077, "GCS16a", "4.6.1", Snapshots("daily_read_log", False, 31, GENERAL)),
    ReadSamples(
        message_code=0x0079,
        name="GCS18",
        service_references=("4.10",),
        names=(),
        sample_id=_NETWORK,
        chosen=False,
        answers=_FROM_SERVER,
        **_PRIVATE,
    ),
    ReadSamples(
        message_code=0x00A0,
        name="GCS61",
        service_references=("4.17",),
        names=("log_from", "number_of_samples"),
        sample_id=_DAILY,
        chosen=True,
        answers=_PUBLISHED,
        **_PRIVATE,
    ),
)

USE_CASES: tuple[UseCase, ...] = (
    *_OF_METERS,
    *(replace(each, device_type="GPF") for each in _OF_METERS),
    StartSampling(message_code=0x0080, name="GCS31", service_references=("14.1",), **_OPEN),
)
"""For the GSME, and the same for the GPF. GCS61 is published for the GPF only; a GSME that is asked answers it too."""


def days_between(start: datetime, end: datetime) -> int:
    """How many samples of a day a range of GCS61 asks for: at least one, at most all."""
    return max(1, min(DAYS, (end - max(start, ZIGBEE_EPOCH)).days))
