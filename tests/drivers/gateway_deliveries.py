"""Messages of devices and of the DCC, as several tests of the gateway have them delivered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.gbcs.alerts import Alert, SupplyOutage
from bench.gbcs.catalogue import Encoding
from tests.drivers.dcc_fake import (
    ESME,
    IS,
    NOW,
)

RESTORED = datetime(2026, 1, 1, 0, 10, 0, tzinfo=UTC)
OUTAGE = Alert(0x8F35, RESTORED, Encoding.DLMS, SupplyOutage(RESTORED - timedelta(minutes=2), RESTORED))
OVER_VOLTAGE = Alert(0x8002, RESTORED, Encoding.DLMS)
REQUEST = RequestId(IS, ESME, 1000)


def delivered_response(variant: str, payload: bytes, **changes: Any) -> duis.Response:
    response = duis.GbcsResponse(
        request_id=REQUEST,
        response_id=REQUEST.response_id(),
        response_date_time=NOW,
        service_reference=".".join(variant.split(".")[:2]),
        service_reference_variant=variant,
        payload=payload,
    )
    return replace(response, **changes)
