"""What every emulated device is: a holder of keys with a clock, counters, people it trusts, and a way up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from bench.clock import Clock
from bench.eui import Eui64
from bench.gbcs import catalogue, crypto
from bench.gbcs.alerts import Alert, Asn1Specific, Specific, SupplyOutage, build_alert
from bench.gbcs.catalogue import Encoding
from bench.gbcs.message import Framing, Message
from bench.gbcs.use_cases import UseCase
from bench.parties import Dut, KeyUse
from drivers.emulated.commands import Action, Values, respond
from drivers.emulated.faults import STORM, Faults, canonical_code
from drivers.emulated.identities import Identities, RemotePartyRole
from drivers.emulated.schedule import Schedule
from drivers.emulated.spec import WorldSpec

if TYPE_CHECKING:
    from drivers.emulated.functions.base import Function

_F = TypeVar("_F", bound="Function")
_FIRST_FIRMWARE = "00000001"
"""Version of a device whose DUT file names none."""

_EARLIER = timedelta(days=1)
# What a device says under `alert-wrong-code`: a neighbour of the same criticality and form.
_NEIGHBOURS = {
    0x8F35: 0x8F36,
    0x8F36: 0x8F35,
    0x8F32: 0x8F30,
    0x8183: 0x810E,
    0x8002: 0x8006,
    0x8006: 0x8002,
    0x8085: 0x8089,
    0x8089: 0x8085,
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all models of one emulated world share.

    Attributes:
        schedule: timers and seeded randomness.
        clock: true time.
        faults: what goes wrong.
        identities: everybody's keys.
        spec: physics and timing.
        dcc: the Access Control Broker.
        stimulus: called with a word as something happens that a test could have caused.
    """

    schedule: Schedule
    clock: Clock
    faults: Faults
    identities: Identities
    spec: WorldSpec
    dcc: Eui64
    stimulus: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Anchor:
    """Somebody whom a device believes, in one role, with the public keys that it holds of him."""

    eui: Eui64
    signature_key: ec.EllipticCurvePublicKey
    agreement_key: ec.EllipticCurvePublicKey


def anchor_of(identities: Identities, eui: Eui64, role: RemotePartyRole) -> Anchor:
    """The anchor of an organisation of this world."""
    signing, agreement = (
        identities.organisation(eui, use, role).private_key.public_key()
        for use in (KeyUse.DIGITAL_SIGNATURE, KeyUse.KEY_AGREEMENT)
    )
    return Anchor(eui, signing, agreement)


class DeviceClock:
    """A device's own clock, which may be wrong.

    Args:
        clock: true time.

    Attributes:
        offset_ns: how far it was put ahead of true time since, beside the error that a fault makes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fault_ns = 0
        self._ppm, self._fast_since_ns = 0.0, 0
        self.offset_ns = 0

    def utc_ns(self) -> int:
        """UTC as the device has it, nanoseconds."""
        return self._clock.now().utc_ns + self.offset_ns + self._fault_ns + self._gained_ns()

    def utc(self) -> datetime:
        """UTC as the device has it."""
        return from_utc_ns(self.utc_ns())

    def set(self, utc: datetime) -> None:
        """Set it; an error that was injected stays, and it drifts on."""
        now = self._clock.now()
        self._fast_since_ns = now.mono_ns
        self.offset_ns = to_utc_ns(utc) - now.utc_ns

    def drift(self, offset_s: float) -> None:
        """Put it ahead by so much of true time, or behind, until it is set."""
        self.offset_ns = round(offset_s * 1e9)

    def err(self, by_s: float) -> None:
        """Be wrong by so much more from now on, whoever sets it: a fault."""
        self._fault_ns += round(by_s * 1e9)

    def run_fast(self, ppm: float) -> None:
        """Run fast by so much from now on, or slow; what it gained stays until it is set."""
        self.offset_ns += self._gained_ns()
        self._ppm, self._fast_since_ns = ppm, self._clock.now().mono_ns

    def _gained_ns(self) -> int:
        if not self._ppm:
            return 0
        return round((self._clock.now().mono_ns - self._fast_since_ns) * self._ppm / 1e6)


def from_utc_ns(utc_ns: int) -> datetime:
    """Nanoseconds since 1970 as a datetime, rounded down to microseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=utc_ns // 1000)


def to_utc_ns(moment: datetime) -> int:
    """A moment as nanoseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


@dataclass(frozen=True, slots=True)
class Sent:
    """A message on its way up from a device.

    Attributes:
        device: who sends it.
        message: its bytes.
        alert_code: its alert code in canonical form, or None for a response.
    """

    device: EmulatedDevice
    message: bytes
    alert_code: str | None = None


class EmulatedDevice(ABC):
    """A device with GBCS keys.

    Args:
        surroundings: the world.
        dut: what the rig says of it.
        encoding: the notation of its messages.
        anchors: whom it trusts, by role.

    Attributes:
        actions: what it can do, by use case name.
        last_counter: the counter of the last signed command of each sender.
        uplink: where its messages go.
        strangers: people whom its messages are not for.
        neighbours: the other devices of the world.
        firmware: version of the firmware in execution, eight hexadecimal digits.
        wants_alert: whether an alert code is to be sent, as the device is configured.
        on_event: told of everything that happens which has an alert code, whether that is sent or not.
        on_command: told of every command that it has answered, and whether it did what was asked.
        command: what it is carrying out, or has carried out last; None before the first.
        sender: whose command that is.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        dut: Dut,
        encoding: Encoding,
        anchors: Mapping[RemotePartyRole, Anchor],
    ) -> None:
        self.actions: dict[str, Action] = {}
        self.last_counter: dict[Eui64, int] = {}
        self.world = surroundings
        self.dut = dut
        self.encoding = encoding
        self.anchors = dict(anchors)
        self.clock = DeviceClock(surroundings.clock)
        self.signing = surroundings.identities.device(dut.eui, KeyUse.DIGITAL_SIGNATURE)
        self.agreement = surroundings.identities.device(dut.eui, KeyUse.KEY_AGREEMENT)
        self.uplink: Callable[[Sent], None] = lambda sent: None
        self.strangers: tuple[Anchor, ...] = ()
        self.neighbours: tuple[EmulatedDevice, ...] = ()
        self.firmware = dut.firmware or _FIRST_FIRMWARE
        self.wants_alert: Callable[[int], bool] = lambda code: True
        self.on_event: list[Callable[[int, Specific], None]] = []
        self.on_command: list[Callable[[UseCase, bool], None]] = []
        self.command: Message | None = None
        self.sender: Anchor | None = None
        self._functions: dict[type[Function], Function] = {}
        # Milliseconds of UTC: higher in every new life of the world than in the one before it.
        self._counter = surroundings.clock.now().utc_ns // 1_000_000
        self._last_alert: dict[int, bytes] = {}

    @property
    def eui(self) -> Eui64:
        """Its Device ID."""
        return self.dut.eui

    @property
    def metering_point(self) -> str | None:
        """Its MPAN or MPRN; None where it has none."""
        return self.dut.mpxn

    @property
    @abstractmethod
    def powered(self) -> bool:
        """Whether it is alive."""

    def add(self, function: Function) -> None:
        """Let it do more; what was there already under the name of a use case stays."""
        self._functions[type(function)] = function
        self.actions = {**function.actions, **self.actions}

    def function(self, kind: type[_F]) -> _F:
        """Its function of a kind, which a device of its type has."""
        found = self._functions[kind]
        assert isinstance(found, kind)
        return found

    @property
    def functions(self) -> tuple[Function, ...]:
        """Everything that it does beyond the basics of its type."""
        return tuple(self._functions.values())

    def receive(self, message: bytes) -> bytes | None:
        """Take a command and return the response, or None for one that it does not believe."""
        return respond(self, message)

    def refusal(self, use_case: UseCase, params: Values) -> Values:
        """What a response says beside "no", where its use case needs that."""
        return next((said for each in self.functions if (said := each.refusal(use_case, params))), {})

    def neighbour(self, eui: Eui64) -> EmulatedDevice | None:
        """The other device of this EUI-64, if there is one in the world."""
        return next((each for each in self.neighbours if each.eui == eui), None)

    def next_awake_s(self, from_s: float) -> float:
        """The next moment, not before `from_s`, at which it takes messages; at once unless it sleeps."""
        return from_s

    def save(self) -> dict[str, Any]:
        """What it keeps without power, beside what its functions keep; moments of the loop as seconds gone by."""
        return {
            "anchors": self.anchors,
            "last_counter": self.last_counter,
            "counter": self._counter,
            "clock_offset_ns": self.clock.offset_ns,
        }

    def restore(self, saved: Mapping[str, Any], away_s: float) -> None:
        """Go on where an earlier life of the world stopped, `away_s` seconds ago."""
        self.anchors = dict(saved["anchors"])
        self.last_counter = dict(saved["last_counter"])
        self._counter = max(self._counter, saved["counter"])
        self.clock.offset_ns = saved["clock_offset_ns"]

    def next_counter(self) -> int:
        """A new originator counter, higher than every one before it."""
        self._counter += 1
        return self._counter

    def happens(self, code: int, specific: Specific = b"") -> None:
        """Take note of something that has an alert code; nobody is told."""
        for listener in tuple(self.on_event):
            listener(code, specific)

    def raise_alert(self, code: int, specific: Specific = b"", *, to: Anchor | None = None) -> None:
        """Say something, as the faults allow: to whom the catalogue of alerts says, or to somebody in particular."""
        self.happens(code, specific)
        faults, schedule = self.world.faults, self.world.schedule
        name = canonical_code(f"{code:04X}")
        if not self.wants_alert(code) or faults.find("alert-never", name):
            return
        raw = self._faulty_alert(code, specific, to or self._recipient(code))
        if raw is None:
            return
        late = faults.find("alert-late", name)
        twice = faults.find("alert-twice", name)
        delay_s = late.delay_s if late else 0.0
        sent = Sent(self, raw, name)
        if not late:
            self.uplink(sent)
        else:
            schedule.after(delay_s, lambda: self.uplink(sent))
        if twice:
            schedule.after(delay_s + twice.delay_s, lambda: self.uplink(sent))
        storm = faults.find("alert-storm", name)
        if storm:
            for number in range(1, STORM):
                schedule.after(delay_s + number * storm.delay_s, lambda: self._repeat(code, specific, to))

    def _repeat(self, code: int, specific: Specific, to: Anchor | None) -> None:
        """Say the same once more, as a new alert."""
        raw = self._faulty_alert(code, specific, to or self._recipient(code))
        if raw is not None:
            self.uplink(Sent(self, raw, canonical_code(f"{code:04X}")))

    def _faulty_alert(self, code: int, specific: Specific, recipient: Anchor | None) -> bytes | None:
        find = self.world.faults.find
        name = canonical_code(f"{code:04X}")
        replay = find("alert-replay", name)
        if replay and self.world.schedule.age_s >= replay.delay_s:
            return self._last_alert.get(code) or self._alert_of_yesterday(code, specific, recipient)
        said = _NEIGHBOURS.get(code, 0x8F30) if find("alert-wrong-code", name) else code
        if find("alert-wrong-user", name):
            recipient = next((each for each in self.strangers if recipient is None or each.eui != recipient.eui), None)
        if recipient is None:
            return None
        sender: EmulatedDevice = self
        if find("alert-wrong-device", name) and self.neighbours:
            sender = self.neighbours[0]
        encoding = Encoding.ASN1 if isinstance(specific, Asn1Specific) else self.encoding
        alert = Alert(said, self.clock.utc(), encoding, specific)
        message = sender.protect_alert(alert, recipient, sender.next_counter())
        if find("alert-bad-signature", name) and message.signature is not None:
            message = replace(message, signature=_flip_last_bit(message.signature))
        if find("alert-bad-mac", name) and message.mac is not None:
            message = replace(message, mac=_flip_last_bit(message.mac))
        raw = message.encode()
        self._last_alert[code] = raw
        return raw

    def _alert_of_yesterday(self, code: int, specific: Specific, recipient: Anchor | None) -> bytes | None:
        if recipient is None:
            return None
        if isinstance(specific, SupplyOutage):
            specific = SupplyOutage(specific.interrupted - _EARLIER, specific.restored - _EARLIER)
        encoding = Encoding.ASN1 if isinstance(specific, Asn1Specific) else self.encoding
        alert = Alert(code, self.clock.utc() - _EARLIER, encoding, specific)
        counter = self._counter - _EARLIER // timedelta(milliseconds=1)
        return self.protect_alert(alert, recipient, counter).encode()

    def _recipient(self, code: int) -> Anchor | None:
        entry = catalogue.alert_entry(code)
        operator = entry is not None and entry.recipient == "NO"
        role = RemotePartyRole.NETWORK_OPERATOR if operator else RemotePartyRole.SUPPLIER
        return self.anchors.get(role)

    def protect_alert(self, alert: Alert, recipient: Anchor, counter: int) -> Message:
        """The message of an alert, signed if it is critical and MACed if it is not."""
        entry = catalogue.alert_entry(alert.code)
        configurable = alert.code & 0xFE00 == 0x8000  # GBCS section 16: 0x80.. and 0x81.. are not critical
        critical = not configurable if entry is None or entry.critical is None else entry.critical
        message = build_alert(
            alert, originator=self.eui, recipient=recipient.eui, originator_counter=counter, critical=critical
        )
        return self.protect(message, recipient, signed=critical)

    def protect(self, message: Message, recipient: Anchor, *, signed: bool) -> Message:
        """Sign a message of this device, or seal it for its recipient."""
        if signed:
            return crypto.sign(replace(message, framing=Framing.SIGNED), self.signing.private_key)
        key = crypto.message_key(message, self.agreement.private_key, recipient.agreement_key)
        return crypto.seal(message, key)


def _flip_last_bit(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])
