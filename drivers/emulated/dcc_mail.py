"""What the emulated DCC sends: signed DUIS documents, as its faults allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request
from bench.duis.signatures import sign
from bench.eui import Eui64
from bench.parties import KeyPair, User
from drivers.emulated.device import Surroundings, from_utc_ns

_NEIGHBOURS = {"AD1": "N1", "N24": "N25"}
_EARLIER = timedelta(days=1)
_FIRST_VERSIONS = {"N54": (2, 0), "N55": (3, 0), "N56": (3, 0), "N57": (3, 0)}
"""The version of DUIS that an alert came with: dual band Comms Hubs and SMETS1 were added to the first ones. Which
version brought other alerts is not sourced: they are taken to be in every one."""


@dataclass(frozen=True, slots=True)
class BrokerKeys:
    """The DCC's own key pairs: of the Access Control Broker, and for its XML."""

    signing: KeyPair
    agreement: KeyPair
    xml: KeyPair


def header(request: Request, code: str, now: datetime) -> dict[str, Any]:
    """What every answer to a request has."""
    return {
        "request_id": request.request_id,
        "response_id": request.request_id.response_id(),
        "response_code": code,
        "response_date_time": now,
        "service_reference": request.service_reference,
        "service_reference_variant": request.service_reference_variant,
    }


class Mail:
    """Signs what the DCC says, and sends what nobody waits for.

    Args:
        surroundings: the world.
        keys: the DCC's key pairs.
        others: everybody who could get an alert by mistake.
        deliver: takes a document for the Users' receive service.

    Attributes:
        counter: the last originator counter of the DCC.
        bad_signatures: what is signed does not verify.
        versions: by User ID, the version of DUIS that a User is registered with, where that is known.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        keys: BrokerKeys,
        others: tuple[User, ...],
        deliver: Callable[[bytes], None],
    ) -> None:
        self._world, self._keys, self._others, self._deliver = surroundings, keys, others, deliver
        self.counter = surroundings.clock.now().utc_ns // 1_000_000
        self._disorder = surroundings.schedule.random("order of deliveries")
        self._earlier: dict[tuple[str, Eui64, str], bytes] = {}
        self.bad_signatures = False
        self.versions: Mapping[Eui64, str] = {}

    @property
    def now(self) -> datetime:
        """UTC."""
        return from_utc_ns(self._world.clock.now().utc_ns)

    def next_counter(self) -> int:
        """A new originator counter of the DCC."""
        self.counter += 1
        return self.counter

    def sign(self, response: duis.Response) -> bytes:
        """A document with the DCC's signature."""
        document = sign(duis.build_response(response), self._keys.xml.private_key, self._keys.xml.certificate)
        return _spoilt(document) if self.bad_signatures else document

    def respond(self, variant: str, response: duis.Response) -> None:
        """Send a device's response to a request of a variant, or what takes its place."""
        find = self._world.faults.find
        if not find("response-never", variant):
            late = find("response-late", variant)
            self.post(response, late.delay_s if late else 0.0)

    def respond_to(self, request: Request, response: duis.Response) -> None:
        """Send a device's response to a request, which is written in the version of DUIS that the request has.

        A User that is registered with another version by now cannot read that: it gets N999 in its place.
        """
        version = self.versions.get(request.request_id.originator, request.schema_version)
        if version == request.schema_version:
            self.respond(request.service_reference_variant, response)
            return
        unread = {
            "request_id": request.request_id,
            "service_reference": request.service_reference,
            "service_reference_variant": request.service_reference_variant,
            "service_request_duis_version": request.schema_version,
        }
        self._tell_mismatch({"service_response_version_mismatch": unread}, request.request_id.originator, version)

    def _tell_mismatch(self, what: Mapping[str, Any], eui: Eui64, version: str) -> None:
        user = next(each for each in self._others if each.eui == eui)
        body = {**what, "service_user_duis_version": version}
        self.dcc_alert("N999", "DUISVersionMismatch", body, user)

    def dcc_alert(
        self, code: str, body_name: str, body: Mapping[str, Any], user: User, *, raw_body: bytes | None = None
    ) -> None:
        """Send a DCC alert to a User; N999 in its place, if the User's version of DUIS has no such alert.

        Args:
            code: "N24".
            body_name: the element in its body.
            body: what it says; nothing where `raw_body` says it.
            user: whom it is for.
            raw_body: the body's element in XML, where somebody else has written it.
        """
        version = self.versions.get(user.eui)
        if version is not None and _number(version) < _FIRST_VERSIONS.get(code, (0, 0)):
            unread = {"dcc_alert_code": code} | {name: body[name] for name in ("device_id",) if name in body}
            self._tell_mismatch({"dcc_alert_version_mismatch": unread}, user.eui, version)
            return
        find = self._world.faults.find
        if find("alert-never", code):
            return
        if find("alert-wrong-user", code):
            user = next((each for each in self._others if each.eui != user.eui), user)
        if find("alert-wrong-device", code) and "comms_hub_device_id" in body:
            hub: Eui64 = body["comms_hub_device_id"]
            body = {**body, "comms_hub_device_id": Eui64(hub.raw[:-1] + bytes([hub.raw[-1] ^ 0xFF]))}
        alert = duis.DccAlert(
            response_id=RequestId(self._world.dcc, user.eui, self.next_counter()),
            response_date_time=self.now,
            alert_code=_NEIGHBOURS.get(code, "N24") if find("alert-wrong-code", code) else code,
            body_name=body_name,
            body=body,
            raw_body=raw_body,
        )
        known, fault = (code, user.eui, str(body.get("mpxn"))), find("alert-replay", code)
        if fault and self._world.schedule.age_s >= fault.delay_s:
            document = self._earlier.get(known) or self.sign(_of_yesterday(alert))
        else:
            document = self._earlier[known] = self.sign(alert)
        if find("alert-bad-signature", code):
            document = _spoilt(document)
        late, twice = find("alert-late", code), find("alert-twice", code)
        delay_s = late.delay_s if late else 0.0
        self._send(document, delay_s)
        if twice:
            self._send(document, delay_s + twice.delay_s)

    def post(self, response: duis.Response, delay_s: float = 0.0) -> None:
        """Send a document, now or later."""
        self._send(self.sign(response), delay_s)

    def _send(self, document: bytes, delay_s: float) -> None:
        find = self._world.faults.find
        late, disordered, twice = find("dcc-late"), find("dcc-out-of-order"), find("dcc-duplicate")
        delay_s += late.delay_s if late else 0.0
        delay_s += self._disorder.uniform(0.0, disordered.delay_s) if disordered else 0.0
        self._send_after(document, delay_s)
        if twice:
            self._send_after(document, delay_s + twice.delay_s)

    def _send_after(self, document: bytes, delay_s: float) -> None:
        if delay_s:
            self._world.schedule.after(delay_s, lambda: self._deliver(document))
        else:
            self._deliver(document)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _spoilt(document: bytes) -> bytes:
    """The same document with a signature that does not verify: a blank more is the same time, and another digest."""
    return document.replace(b"ResponseDateTime>2", b"ResponseDateTime> 2", 1)


def _of_yesterday(alert: duis.DccAlert) -> duis.DccAlert:
    return replace(
        alert,
        response_id=_earlier(alert.response_id),
        response_date_time=_earlier(alert.response_date_time),
        body={key: _earlier(value) for key, value in alert.body.items()},
    )


def _earlier(value: Any) -> Any:
    """A moment, or the RequestID of a request, of the day before; anything else as it is."""
    if isinstance(value, RequestId):
        return replace(value, counter=value.counter - _EARLIER // timedelta(milliseconds=1))
    return value - _EARLIER if isinstance(value, datetime) else value
