"""How much a document of the DCC concerns a rig, before anything of it is believed: so it finds its rig."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.safe_xml import parse
from bench.errors import CodecError
from bench.eui import Eui64


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a document names.

    Attributes:
        requests: the requests that it may answer.
        parties: every EUI-64 in it: devices, Users, the DCC.
    """

    requests: tuple[RequestId, ...]
    parties: frozenset[Eui64]


def mentions(document: bytes) -> Mentions | None:
    """What a document names; None if it cannot be read."""
    try:
        message = duis.parse_response(parse(document))
    except CodecError:
        return None
    about = message.about_request if isinstance(message, duis.DccAlert) else None
    answers = message.response_id.response_id() if message.response_id else None
    ids = tuple(each for each in (message.request_id, answers, about) if each is not None)
    parties = {eui for each in ids for eui in (each.originator, each.target)}
    if isinstance(message, duis.DccAlert) and message.device_id is not None:
        parties.add(message.device_id)
    return Mentions(ids, frozenset(parties))


@dataclass(frozen=True, slots=True)
class Interests:
    """What concerns a rig.

    Attributes:
        requests: those that it has sent.
        users: its Users.
        devices: its devices under test.
        dcc: the DCC's Access Control Broker.
    """

    requests: Container[RequestId]
    users: frozenset[Eui64]
    devices: frozenset[Eui64]
    dcc: Eui64

    def concern(self, found: Mentions | None) -> int:
        """How much a document concerns the rig, by what it names.

        Returns:
            3 if it answers a request of this rig; 2 if it names a device and a User of it; 1 if it names one of its
            devices, or a User of it and no device at all, or cannot be read, which every rig has to refuse; 0 if it
            is not for this rig.
        """
        if found is None:
            return 1
        if any(each in self.requests for each in found.requests):
            return 3
        if found.parties & self.devices:
            return 2 if found.parties & self.users else 1
        # A User may act on several rigs: a device that is not on this one is on another.
        return int(bool(found.parties & self.users) and not found.parties - self.users - {self.dcc})
