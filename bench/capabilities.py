"""What a device can do, as protocols of asynchronous verbs: all that a runbook and the engine may rely on.

A driver implements one or more of these. Every verb may be cancelled at any await: it then has sent either nothing
or a whole command, and the driver resynchronises the line before its next exchange. Every verb raises
`DeviceLost` for a silent or vanished device and `DeviceError` for one that refuses or talks nonsense; none waits
without bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeGuard, TypeVar, runtime_checkable

from bench.clock import Instant
from bench.eui import Eui64

T = TypeVar("T")


class TimedBy(StrEnum):
    """Who decided when an edge of the supply happened."""

    BENCH = "bench"
    """The bench sent a command: the edge is known to within the exchange."""
    INSTRUMENT = "instrument"
    """The instrument's own timing made it: the length is exact, its beginning is known to within the trigger."""


class EdgeKind(StrEnum):
    """What an edge did to the supply."""

    FALL = "fall"
    """Power went away: the output or the relay opened, or the voltage went to zero."""
    RESTORE = "restore"
    """Power came back."""
    SET = "set"
    """The voltage changed while power stayed."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One change of the supply.

    Attributes:
        kind: fall, restore or set.
        volts: the RMS voltage after the edge, as commanded.
        at: the best estimate of its moment.
        uncertainty_ns: half the width of the interval in which it lies, on the bench's own clock.
        timed_by: who timed it.
    """

    kind: EdgeKind
    volts: float
    at: Instant
    uncertainty_ns: int
    timed_by: TimedBy


@dataclass(frozen=True, slots=True)
class Measurement:
    """One reading: value in the unit named ("V", "A", "Hz", "W"), and when it was asked for and got."""

    quantity: str
    value: float
    unit: str
    at: Instant


@dataclass(frozen=True, slots=True)
class SourceState:
    """What an AC source says of itself: settings read back from it, and the voltage it measures at its terminals."""

    output_on: bool
    set_volts: float
    set_hertz: float
    measured_volts: float


@runtime_checkable
class AcSource(Protocol):
    """A programmable AC supply. Voltages are RMS volts, frequencies hertz, durations seconds.

    The verbs that change the output return the edges they made. A set value is believed only after it was read
    back: `DeviceError` if the instrument accepted a command and did not follow it.
    """

    async def output(self, on: bool) -> Edge:
        """Switch the output on or off."""

    async def set_voltage(self, volts: float) -> Edge:
        """Set the RMS voltage at once."""

    async def set_frequency(self, hertz: float) -> None:
        """Set the frequency at once."""

    async def ramp(self, volts: float, volts_per_second: float) -> Sequence[Edge]:
        """Move to a voltage at a constant slope; returns when it is reached, with the last edge."""

    async def excursion(self, volts: float, duration_s: float) -> Sequence[Edge]:
        """Sag or swell: go to a voltage, stay for the duration, return to what was before; two edges."""

    async def interrupt(self, duration_s: float) -> Sequence[Edge]:
        """Take the supply away for the duration and give it back; a fall and a restore."""

    async def read_state(self) -> SourceState:
        """Read settings and the measured voltage back."""

    async def make_safe(self) -> None:
        """Output off, by the shortest path, and read back; clears a pending exchange first if there is one."""


@runtime_checkable
class Switch(Protocol):
    """A relay or contactor in the supply path."""

    async def switch(self, closed: bool) -> Edge:
        """Close or open it, and read it back; `Edge.volts` is 0 for open and NaN for closed: it does not know."""

    async def is_closed(self) -> bool:
        """Read the state of its contact."""


@runtime_checkable
class Measures(Protocol):
    """A meter."""

    async def measure(self, quantity: str) -> Measurement:
        """Read "voltage" (V), "current" (A), "frequency" (Hz) or "power" (W); UsageError for what it cannot measure."""


@dataclass(frozen=True, slots=True)
class HubState:
    """What the Comms Hub monitor last said; None where it has not said it yet.

    Attributes:
        power: "on", "off" or "booting".
        wan: "up" or "down".
        han: "up" or "down".
        leds: LED name to "on", "off" or a blink pattern.
        at: when the newest part arrived.
    """

    power: str | None = None
    wan: str | None = None
    han: str | None = None
    leds: Mapping[str, str] = field(default_factory=dict)
    at: Instant | None = None


@runtime_checkable
class ActsAlone(Protocol):
    """Something that takes the supply away by itself when the bench is dead."""

    @property
    def acts_alone_after_s(self) -> float | None:
        """How long after the last word of the bench, by a watchdog of its own; None if it has none."""

    @property
    def opens_unpowered(self) -> bool:
        """Whether the supply path is open while it has no power."""


@runtime_checkable
class Witness(Protocol):
    """Something that sees by itself what happens; one that cannot see is "unavailable", which is not "absent"."""

    def can_see(self) -> bool:
        """Whether it sees now, as far as is known."""

    def gaps(self) -> int:
        """How often it may have missed something since it was connected: losses, and what could not be read."""


@runtime_checkable
class CommsHub(Witness, Protocol):
    """The monitor of a Comms Hub; its news is `seen.hub` events."""

    def hub_state(self) -> HubState:
        """What it last said."""


@runtime_checkable
class Console(Protocol):
    """A device's service console, with commands that the rig file describes."""

    def commands(self) -> Sequence[str]:
        """Names of the commands that the rig file describes."""

    async def ask(self, command: str, arguments: Mapping[str, str]) -> Mapping[str, str]:
        """Run one described command and return the named parts of its answer."""


@runtime_checkable
class HanSniffer(Witness, Protocol):
    """An independent listener on the HAN; what it recognises is `seen.han` events, each frame a `wire` event."""

    async def listen(self, channel: int) -> None:
        """Listen on an IEEE 802.15.4 channel, 11 to 26; returns when the sniffer confirmed it."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the DCC said at once to one Service Request.

    Attributes:
        request_id: the RequestID under which later responses come, in DUIS form.
        response_code: "I0", "I99", "E13" ... of the last synchronous answer.
        sent_at: just before the first byte of the (last) request went out.
        answered_at: when that answer was complete.
    """

    request_id: str
    response_code: str
    sent_at: Instant
    answered_at: Instant


@runtime_checkable
class DccGateway(Protocol):
    """The way to the DCC for the rig's Users, and the receive service at which it answers.

    Responses and alerts are `seen.response`, `seen.device_alert` and `seen.dcc_alert` events.
    """

    async def request(
        self,
        user: str,
        service_request: str,
        target: Eui64,
        params: Mapping[str, Any],
        command_variant: int | None = None,
    ) -> Exchange:
        """Send one Service Request as a User of the rig, by the variant's name ("8.11", "6.20.1").

        A critical one is transformed, compared with what was asked, signed and sent under the same RequestID.
        `command_variant` overrides the usual one.

        Raises:
            UsageError: unknown User or variant, or parameters that the variant does not have.
            DeviceLost: the DCC does not answer.
            DeviceError: it answers what DUIS does not allow, or its signature is bad.
        """

    def local_command(self, digest: str) -> bytes:
        """The GBCS command that the DCC gave a User for local delivery, by the SHA-256 that its response's event names.

        It may hold link keys, so it stands in no event.

        Raises:
            UsageError: this gateway was given no such command since it was connected.
        """


@runtime_checkable
class HandHeld(Protocol):
    """A hand-held terminal on the HAN, which delivers the commands that a User was given for local delivery."""

    async def deliver(self, target: Eui64, command: bytes) -> bytes:
        """Deliver a GBCS command to a device, and return the device's response, which is the device's own.

        Raises:
            DeviceLost: the terminal cannot be reached.
            DeviceError: no response came, or it is not to be believed.
        """


@dataclass(frozen=True, slots=True)
class LogIn:
    """A log-in to the Self Service Interface.

    Attributes:
        subject: whom the identity provider says that it let in (`sub` of the ID token).
        issuer: the identity provider.
        title: of the page that the interface presented.
        picture: whether a browser drew it, and the picture is among the captures.
    """

    subject: str
    issuer: str
    title: str
    picture: bool


@runtime_checkable
class SelfService(Protocol):
    """The way to the DCC's Self Service Interface, by way of an identity provider."""

    async def log_in(self, user: str) -> LogIn:
        """Log in as a User of the rig, and look at the page that the interface presents.

        The page is a `wire` event on the channel "page", its picture one on the channel "picture".

        Raises:
            UsageError: the rig's configuration has no account for the User.
            DeviceLost: the provider or the interface does not answer.
            DeviceError: the log-in is refused, a token is not what it has to be, or the page is another one.
        """


def can(device: object, capability: type[T]) -> TypeGuard[T]:
    """Whether a device's class has the verbs of a capability."""
    question = (type(device), capability)
    if question not in _ANSWERS:
        # Python compares every name of a protocol each time that it is asked; every step asks for every device.
        _ANSWERS[question] = issubclass(*question)
    return _ANSWERS[question]


_ANSWERS: dict[tuple[type, type], bool] = {}
