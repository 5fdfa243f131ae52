"""What the emulated DCC sends: signed DUIS documents, as its faults allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request
from bench.duis.signatures import sign
from bench.parties import KeyPair, User
from drivers.emulated.device import Surroundings, from_utc_ns

_NEIGHBOURS = {"AD1": "N1", "N24": "N25"}


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
        bad_signatures: what is signed does not verify.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        keys: BrokerKeys,
        others: tuple[User, ...],
        deliver: Callable[[bytes], None],
    ) -> None:
        self._world, self._keys, self._others, self._deliver = surroundings, keys, others, deliver
        self._counter = surroundings.clock.now().utc_ns // 1_000_000
        self.bad_signatures = False

    @property
    def now(self) -> datetime:
        """UTC."""
        return from_utc_ns(self._world.clock.now().utc_ns)

    def next_counter(self) -> int:
        """A new originator counter of the DCC."""
        self._counter += 1
        return self._counter

    def sign(self, response: duis.Response) -> bytes:
        """A document with the DCC's signature."""
        document = sign(duis.build_response(response), self._keys.xml.private_key, self._keys.xml.certificate)
        if self.bad_signatures:
            # A blank more is still the same time for a reader, and another digest.
            return document.replace(b"ResponseDateTime>2", b"ResponseDateTime> 2", 1)
        return document

    def respond(self, variant: str, response: duis.ServiceResponse) -> None:
        """Send a device's response to a request of a variant, or what takes its place."""
        find = self._world.faults.find
        if not find("response-never", variant):
            late = find("response-late", variant)
            self.post(response, late.delay_s if late else 0.0)

    def dcc_alert(self, code: str, body_name: str, body: Mapping[str, Any], user: User) -> None:
        """Send a DCC alert to a User."""
        find = self._world.faults.find
        if find("alert-never", code):
            return
        if find("alert-wrong-user", code):
            user = next((each for each in self._others if each.eui != user.eui), user)
        alert = duis.DccAlert(
            response_id=RequestId(self._world.dcc, user.eui, self.next_counter()),
            response_date_time=self.now,
            alert_code=_NEIGHBOURS.get(code, "N24") if find("alert-wrong-code", code) else code,
            body_name=body_name,
            body=body,
        )
        late, twice = find("alert-late", code), find("alert-twice", code)
        delay_s = late.delay_s if late else 0.0
        self.post(alert, delay_s)
        if twice:
            self.post(alert, delay_s + twice.delay_s)

    def post(self, response: duis.Response, delay_s: float = 0.0) -> None:
        """Send a document, now or later."""
        document = self.sign(response)
        if delay_s:
            self._world.schedule.after(delay_s, lambda: self._deliver(document))
        else:
            self._deliver(document)
