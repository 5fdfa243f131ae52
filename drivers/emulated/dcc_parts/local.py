"""Responses to commands that a User delivered itself, returned to the DCC (8.13).

The schema of DUIS lists the codes of refusals (E081301 to E081303) and not what they mean; which one says what is
this emulation's choice.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.duis.requests import Request
from bench.errors import CodecError
from bench.gbcs.message import Cra, Message
from bench.parties import User
from drivers.emulated.dcc_parts.base import Part, Service

_DONE = "I99"
UNKNOWN = "E081301"
"""It answers no local command that this User was given."""
OTHER_REQUEST = "E081302"
"""It answers a local command of another request than the one that is named."""
NOT_AUTHENTIC = "E081303"
"""It is not the device's, or not what its use case answers."""


class LocalResponses(Part):
    """What the DCC learns from commands that did not cross the WAN."""

    @property
    def services(self) -> Mapping[str, Service]:
        """The requests that it answers."""
        return {"8.13": self._returned}

    def _returned(self, request: Request, user: User) -> str:
        delivery = self.dcc.delivery
        try:
            response = Message.parse(request.params["device_gbcs_response"])
        except CodecError:
            return NOT_AUTHENTIC
        order = delivery.handed_out(response) if response.cra is Cra.RESPONSE else None
        if order is None or order.request.request_id.originator != user.eui:
            return UNKNOWN
        named = request.params.get("original_request_id")
        if named is not None and named != order.request.request_id:
            return OTHER_REQUEST
        if not delivery.is_authentic(response):
            return NOT_AUTHENTIC
        try:
            delivery.settle_local(order, response)
        except CodecError:
            return NOT_AUTHENTIC
        return _DONE


PARTS: tuple[type[Part], ...] = (LocalResponses,)
"""In the order in which they take note."""
