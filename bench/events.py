"""The event stream: everything the bench does and sees, in order, once.

Journal, expectations, terminal, TUI and reports are readers of it; nothing else carries state between rooms.
`EventStream.emit` is synchronous and cheap, so a driver may call it from any coroutine of the loop.

Kinds, and what their `data` holds (all values JSON):

====================  =========================================================================================
`wire`                one exchange on a wire: `direction` ("tx", "rx"), `text` or `hex`; goes to captures only
`verb`                a capability verb ended: `verb`, `arguments`, `result` or `error`, `began_mono_ns`
`edge`                the supply changed: see `capabilities.Edge`
`measurement`         `quantity`, `value`, `unit`
`device`              `state`: "connected", "lost", "reconnected", "closed", "garbled", "tripped" (by a watchdog of
                      its own); `detail`
`seen.response`       a DUIS response: `user`, `request_id`, `service_request`, `response_code`, `synchronous`,
                      `device`, `signature`, `digest`, `gbcs` (decoded content or null)
`seen.device_alert`   `user`, `device` (EUI-64), `code` ("0x8F35"), `counter`, `device_time_utc_ns`, `values`,
                      `signature`, `digest`
`seen.dcc_alert`      `user`, `code` ("N24"), `for_request` (RequestID or null), `device` (EUI-64 or null),
                      `values`, `signature`, `digest`
`seen.han`            a join on the air: `stage` ("association", "transport_key", "device_announce", "cbke",
                      "join"), `device` (EUI-64), `short_address`, `device_us`
`seen.hub`            Comms Hub monitor: `power`, `wan`, `han`, `leds`, which of them `changed`, and whether it was
                      `retained` by the broker
`seen.console`        a line that a console printed of itself: `line`, `text`, `values`
`awaiting`            what must or must not come: `items` of `label`, `must`, `after`, `due_mono_ns` (or null), `to`
`sent`                a Service Request: `user`, `service_request`, `to`, `about`, `request_id`, `params` (no secrets)
`manual`              an act by hand: `state`, `act`, `who`, `did`, at its end `summary` or `error`
`seen.refused`        something came that could not be believed or read: `what`, `why`
`run` `step` `verdict` `expectation` `safe` `park` `finding` `clock`    the engine's own
====================  =========================================================================================

A message from the DCC about whose coming something is strange has `strange`: "late", "duplicate", "repeated",
"out of order", "contradictory", "unsolicited" (`bench.duis.correlation`).

`signature` is "valid", or a sentence saying why it is not. `digest` is SHA-256 of the message as it was signed: the
same digest twice is a duplicate delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.clock import Clock, Instant

Listener = Callable[["Event"], None]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        at: when the bench learned of it.
        source: the device's name in the rig, or "engine".
        kind: one of the kinds above.
        data: JSON values only; the same seed must give the same data.
        volatile: what may differ between identical runs (port numbers, HTTP dates): recorded, but outside the body
            hash.
    """

    at: Instant
    source: str
    kind: str
    data: Mapping[str, Any]
    volatile: Mapping[str, Any] = field(default_factory=dict)


class EventStream:
    """Hands each event to every listener, in the order they subscribed."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._listeners: list[Listener] = []

    def emit(
        self,
        source: str,
        kind: str,
        data: Mapping[str, Any],
        *,
        at: Instant | None = None,
        volatile: Mapping[str, Any] | None = None,
    ) -> Event:
        """Record that something happened, now or at `at`, and tell every listener before returning."""
        event = Event(at or self.clock.now(), source, kind, data, volatile or {})
        for listener in tuple(self._listeners):
            listener(event)
        return event

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; call what is returned to remove it. A listener must not raise and must not block."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
