"""The SMETS1 Service Provider: it signs what its devices say and answer, and tells of troubles of its own (N55, N56).

No public material says which codes a provider's alerts have; those here are of this emulation's choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bench.duis.request_id import RequestId
from bench.duis.signatures import sign
from bench.duis.smets1 import S1spAlert, Smets1Alert, Smets1Header
from bench.duis.smets1_write import build_alert, build_result, build_s1sp_alert
from bench.eui import Eui64
from bench.parties import KeyPair
from drivers.emulated.smets1 import DESCRIPTIONS, Spoken

UNREACHABLE = "S1SP01"
"""N55: a request could not be carried out, because the device or its Comms Hub does not answer."""
TOP_UP_REFUSED = "S1SP02"
"""N55: the meter does not take a top-up."""
UTRN_MADE = "S1SP10"
"""N56: the UTRN that the consumer has to enter at the meter."""


class S1sp:
    """The service provider.

    Args:
        keys: with which it signs.
    """

    def __init__(self, keys: KeyPair) -> None:
        self._keys = keys

    def alert(self, spoken: Spoken) -> bytes:
        """The signed document of a device's alert."""
        header = Smets1Header(originator=spoken.device, target=spoken.user, originator_counter=spoken.counter)
        described = DESCRIPTIONS.get(spoken.code, "")
        document = self._sign(
            build_alert(Smets1Alert(header=header, code=spoken.code, description=described, timestamp=spoken.at))
        )
        # A signature over another text: the digest does not fit.
        return document.replace(b"<ra:AlertDescription>", b"<ra:AlertDescription> ", 1) if spoken.forged else document

    def answer(
        self,
        request_id: RequestId,
        variant: str,
        name: str,
        *,
        at: datetime,
        success: bool,
        content: Mapping[str, Any],
        error: str,
    ) -> bytes:
        """The signed document of a device's answer to a request.

        Args:
            request_id: the request.
            variant: its Service Reference Variant.
            name: the element of the Message Mapping Catalogue that answers it.
            at: the device's time.
            success: it was carried out.
            content: what was read.
            error: what went wrong, or "".
        """
        header = Smets1Header(
            originator=request_id.target,
            target=request_id.originator,
            originator_counter=request_id.counter,
            service_reference=".".join(variant.split(".")[:2]),
            service_reference_variant=variant,
            timestamp=at,
            clock_status="reliable",
        )
        return self._sign(build_result(header, name, success=success, content=content, error=error))

    def own_alert(
        self,
        code: str,
        *,
        at: datetime,
        request_id: RequestId | None,
        device: Eui64,
        information: str,
        utrn: str | None = None,
    ) -> bytes:
        """The signed document of an alert of its own."""
        alert = S1spAlert(
            request_id=request_id,
            device_id=device,
            code=code,
            additional_information=information,
            utrn=utrn,
            date_time=at,
        )
        return self._sign(build_s1sp_alert(alert))

    def _sign(self, document: bytes) -> bytes:
        return sign(document, self._keys.private_key, self._keys.certificate)
