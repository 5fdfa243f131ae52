"""Sightings: messages that came, judged one by one against what a step says of them.

Judging is pure: a sighting, a `Match`, the moment from which it counts, and nothing else. The reasons for a "no"
are kept, since "0x8F35 came, but to IS" is what somebody needs to read at three in the morning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.duis.service_requests import Target, all_service_requests
from bench.events import Event
from bench.ledger import Ledger
from bench.parties import Parties
from bench.steps import Match

_CODED = {"seen.response": "response", "seen.device_alert": "device_alert", "seen.dcc_alert": "dcc_alert"}
_WITNESSED = {"seen.han": "han", "seen.hub": "hub"}
KINDS = {**_CODED, **_WITNESSED}
CARRIED_BY_DCC = frozenset(_CODED.values())
POWER_OUTAGE = "AD1"
"""The DCC Alert that states when the supply of a Comms Hub fell."""
SEEN_BY_WITNESS = frozenset(_WITNESSED.values())


@dataclass(frozen=True, slots=True)
class Sighting:
    """One message or observation.

    Attributes:
        event: as it was seen.
        times_before: how often the very same message had been seen before.
        counter_before: the highest originator counter of its device before it came.
    """

    event: Event
    times_before: int
    counter_before: int

    @property
    def kind(self) -> str:
        """Which key of a `Match` it answers to."""
        return KINDS[self.event.kind]

    @property
    def data(self) -> Mapping[str, Any]:
        """The event's data."""
        return self.event.data

    @property
    def at_ns(self) -> int:
        """When it arrived, monotonic."""
        return self.event.at.mono_ns

    @property
    def is_alert(self) -> bool:
        """Whether it is an alert, which nobody asked for."""
        return self.kind in ("device_alert", "dcc_alert")

    @property
    def said(self) -> tuple[Any, ...]:
        """What an alert says, of what, to whom: another one of these says it again.

        One DCC alert code stands for many alerts of a Comms Hub or a PPMID, and then the device's own code counts.
        """
        values = self.data.get("values") or {}
        own = values.get("device_alert_code") or values.get("alert_code")
        return (*(self.data.get(key) for key in ("code", "device", "user")), own)

    @property
    def is_acknowledgement(self) -> bool:
        """Whether it only says that the DCC has taken a request, whose answer will follow."""
        return self.kind == "response" and bool(self.data.get("synchronous")) and self.data["response_code"] == "I99"

    @property
    def is_refusal(self) -> bool:
        """Whether it is a response that says no, after which nothing more comes."""
        if self.kind != "response":
            return False
        content = self.data.get("gbcs") or {}
        return str(self.data["response_code"]).startswith("E") or not content.get("ok", True)

    @property
    def is_replay(self) -> bool:
        """Whether it is an old message again."""
        return self.times_before > 0 or self.counter_is_old

    @property
    def counter_is_old(self) -> bool:
        """Whether its originator counter is not above all that came from this device before."""
        counter = self.data.get("counter")
        return counter is not None and counter <= self.counter_before

    def label(self, parties: Parties) -> str:
        """How people name it: "0x8F35 from esme to ED"."""
        data = self.data
        if self.kind == "response":
            return f"response {data['service_request']} {data['response_code']} to {data['user']}"
        if self.kind == "han":
            return f"{data['stage']} of {device_name(parties, data.get('device'))} on the air"
        if self.kind == "hub":
            return "hub " + ", ".join(f"{key} {value}" for key, value in data.items() if value)
        origin = f" from {device_name(parties, data.get('device'))}" if data.get("device") else ""
        return f"{data['code']}{origin} to {data['user']}"


def device_name(parties: Parties, eui: str | None) -> str:
    """The name of a device under test by its EUI-64 text, or the text."""
    return next((dut.name for dut in parties.duts.values() if str(dut.eui) == eui), eui or "unknown")


def sight(event: Event, ledger: Ledger) -> Sighting | None:
    """Turn a `seen.*` event into a sighting, and note it in the ledger; None for other events."""
    if event.kind not in KINDS:
        return None
    digest, device = event.data.get("digest"), event.data.get("device")
    counter = event.data.get("counter")
    counter_before = ledger.highest_counter(device) if device else 0
    # A badly signed message proves nothing about its sender: it must not raise the counter, or use up the digest.
    genuine = digest is not None and event.data.get("signature") == "valid"
    times_before = ledger.record(digest, device, counter) if genuine and digest else 0
    return Sighting(event, times_before, counter_before)


def is_about(sighting: Sighting, match: Match, request_ids: Mapping[str, str]) -> bool:
    """Whether a sighting is of the kind and code that is meant, whoever sent it to whomever."""
    kind = match.kind
    if sighting.kind != kind:
        return False
    data = sighting.data
    if kind == "response":
        return bool(data["service_request"] == match.response)
    if kind == "device_alert":
        return bool(data["code"] == match.device_alert)
    if kind == "dcc_alert":
        return bool(data["code"] == match.dcc_alert)
    if kind == "han":
        return bool(data["stage"] == match.han)
    # Each event carries the hub's whole state; it is news only of what changed, and old news if it was retained.
    return data.get("changed") in (match.hub or {}) and not data.get("retained")


def objections(
    sighting: Sighting,
    match: Match,
    *,
    user: str | None,
    parties: Parties,
    request_ids: Mapping[str, str],
    request: str | None = None,
) -> list[str]:
    """Why a sighting of the right kind and code is still not what is meant; empty if it is.

    Args:
        sighting: what came.
        match: what is meant.
        user: the User that must get it if the match names none.
        parties: who is who on the rig.
        request_ids: RequestIDs of this step by Service Request variant.
        request: the variant that a DCC Alert must answer, if any.
    """
    data, reasons = sighting.data, list[str]()
    wanted_user = match.user or user
    if sighting.kind in ("response", "device_alert", "dcc_alert"):
        if data.get("signature") != "valid":
            reasons.append(f"its signature is not valid: {data.get('signature')}")
        if wanted_user is not None and data.get("user") != wanted_user:
            reasons.append(f"it came to {data.get('user')}, not to {wanted_user}")
        if sighting.times_before:
            reasons.append("it is an old message delivered again")
        elif sighting.counter_is_old:
            reasons.append(
                f"its originator counter {data['counter']} is not above {sighting.counter_before}, seen before"
            )
    expected_source = match.source or match.device
    if expected_source is not None and sighting.kind != "response":
        seen = device_name(parties, data.get("device"))
        if seen != expected_source:
            reasons.append(f"it is from {seen}, not from {expected_source}")
    if sighting.kind == "response":
        wanted = request_ids.get(match.response or "")
        if wanted is None or data.get("request_id") != wanted:
            reasons.append(f"it answers request {data.get('request_id')}, not {wanted}")
        if match.code is not None and data.get("response_code") != match.code:
            reasons.append(f"its response code is {data.get('response_code')}, not {match.code}")
        content = data.get("gbcs")
        if content is None and _speaks_for_device(data, match):
            reasons.append(f"the DCC says {data.get('response_code')}, and no answer of the device is with it")
        if content is not None and not content.get("ok", True) and match.code in (None, "I0"):
            reasons.append(f"the device answered with an error: {content.get('detail') or content.get('values')}")
    if request is not None and data.get("for_request") != request_ids.get(request):
        reasons.append(f"it is for request {data.get('for_request')}, not for {request_ids.get(request)}")
    reasons.extend(value_objections(sighting, match))
    return reasons


def _speaks_for_device(data: Mapping[str, Any], match: Match) -> bool:
    """Whether a response without a message of the device says yes to what only the device can have done."""
    variant, code = all_service_requests().get(match.response or ""), str(data.get("response_code"))
    if variant is None or variant.target is Target.DCC or data.get("local_command"):
        return False
    return code == "I0" or (match.code is None and code.startswith("I"))


def value_objections(sighting: Sighting, match: Match) -> list[str]:
    """What of its contents is not as a match says; empty if all is."""
    if match.kind == "hub":
        wanted, have = dict(match.hub or {}), sighting.data
    else:
        content = sighting.data.get("gbcs") or {}
        wanted, have = dict(match.values), sighting.data.get("values") or content.get("values") or {}
    return [
        f"its {key} is {_text(have.get(key))}, not {_text(value)}"
        for key, value in wanted.items()
        if not _same(have.get(key), value)
    ]


def _same(have: Any, wanted: Any) -> bool:
    """Whether a value is what a runbook writes, "true" and "True" alike."""
    return _text(have) == (str(wanted).lower() if isinstance(have, bool) else str(wanted))


def _text(value: Any) -> str:
    """A value as a runbook writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
