"""Air time on a hub's sub-GHz radio: the duty cycle, what the hub does as it rises, and images that take most of it.

The thresholds are those of 6.28, but for the last one, which is fixed. No public source gives that, nor how a hub paces
images: the figures here are plausible ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from bench.eui import Eui64
from bench.gbcs import sub_ghz
from bench.gbcs.message import Message
from bench.gbcs.sub_ghz import Discarded
from bench.gbcs.use_cases import use_case_for
from drivers.emulated.device import EmulatedDevice, from_utc_ns
from drivers.emulated.duty_cycle import DutyCycle
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.firmware import Firmware
from drivers.emulated.schedule import Timer

CRITICAL_REGULATED = 250
"""Duty cycle from which on the hub may not send at all, hundredths of a percent: the one threshold that nobody sets."""

NORMAL, LIMITED, CRITICAL, REGULATED = range(4)
"""How far the duty cycle has risen."""
_RISING = {LIMITED: sub_ghz.LIMITED, CRITICAL: sub_ghz.CRITICAL, REGULATED: sub_ghz.REGULATED}
_FALLING = {NORMAL: sub_ghz.NOT_LIMITED, LIMITED: sub_ghz.NOT_CRITICAL, CRITICAL: sub_ghz.NOT_REGULATED}

_TICK_S = 60.0
_IMAGE_BYTES_PER_S = 1000.0
_PACED = 0.9
"""After the duty cycle was limited once, an image takes no more than this part of what there is."""


@dataclass(slots=True)
class Transfer:
    """An image on its way to a device over this radio.

    Attributes:
        image: the whole of it.
        version: its version.
        sent: bytes that are there already.
        suspended: the hub has told its device to wait.
    """

    image: bytes
    version: str
    sent: int = 0
    suspended: bool = False


class AirTime(Function):
    """What the hub has sent on its sub-GHz radio within the last hour, and what it may send.

    Attributes:
        state: `NORMAL` to `REGULATED`.
        transfers: images on their way, by device.
        paced: the duty cycle was limited once: images have to leave room.
        sent: what was sent, as `DutyCycle` has it.
        thresholds: the normal-limited and the limited-critical threshold, hundredths of a percent.
        reaches: whether a device hears the hub now.
        misses: whether the hub knows that it does not.
        say: tells the DCC of an alert with its values.
    """

    remembers: ClassVar[tuple[str, ...]] = ("state", "transfers", "paced", "sent")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.spec = device.world.spec.dual_band
        self.state = NORMAL
        self.transfers: dict[Eui64, Transfer] = {}
        self.paced = False
        self.sent: tuple[Any, ...] = ()
        self.thresholds: Callable[[], tuple[int, int]] = lambda: (CRITICAL_REGULATED, CRITICAL_REGULATED)
        self.reaches: Callable[[Eui64], bool] = lambda eui: True
        self.misses: Callable[[Eui64], bool] = lambda eui: False
        self.say: Callable[[int, Mapping[str, Any]], None] = lambda code, values: None
        self._duty = DutyCycle()
        self._ticking: Timer | None = None

    def save(self) -> dict[str, Any]:
        """What it remembers."""
        self.sent = self._duty.sent
        return super().save()

    def load(self, saved: Mapping[str, Any]) -> None:
        """Remember what an earlier life saved."""
        super().load(saved)
        self._duty = DutyCycle(self.sent)

    def start(self) -> None:
        """Go on with what was on its way."""
        self._tick_later()

    @property
    def now(self) -> datetime:
        """UTC."""
        return from_utc_ns(self.world.clock.now().utc_ns)

    def send(self, eui: Eui64, raw: bytes) -> bool:
        """Send a command; false if it is discarded, of which the hub tells.

        Above the limited-critical threshold only what a User has signed is sent, above the critical-regulated one
        nothing.
        """
        message = Message.parse(raw)
        use_case = use_case_for(message.message_code)
        signed = use_case is not None and use_case.critical
        if self.state == REGULATED or (self.state == CRITICAL and not signed):
            parties = message.originator, message.recipient, message.cra
            self.say(sub_ghz.DISCARDED, {"message": Discarded(*parties, message.originator_counter)})
            return False
        self._use(eui, len(raw))
        return True

    @property
    def duty_cycle(self) -> float:
        """The share of the last hour in which the hub has sent, percent."""
        return self._duty.percent(self.now)

    def _threshold(self, state: int) -> float:
        """The duty cycle from which on a state holds, percent."""
        return (0, *self.thresholds(), CRITICAL_REGULATED)[state] / 100.0

    def _use(self, eui: Eui64, octets: int) -> None:
        assert self.spec is not None
        self._duty.add(self.now, eui, octets * 8 * self.spec.overhead / self.spec.bit_rate)
        self.settle()
        self._tick_later()

    def settle(self) -> None:
        """Come to the state that belongs to the duty cycle, and tell of every threshold on the way."""
        percent = self.duty_cycle
        state = max(each for each in (NORMAL, LIMITED, CRITICAL, REGULATED) if percent >= self._threshold(each))
        while self.state < state:
            self.state += 1
            busiest = self._suspend() if self.state == LIMITED else None
            self.say(_RISING[self.state], {} if busiest is None else {"device": busiest})
        while self.state > state:
            self.state -= 1
            self.say(_FALLING[self.state], {})
        if self.state == NORMAL:
            for transfer in self.transfers.values():
                transfer.suspended = False

    def _suspend(self) -> Eui64 | None:
        """Let the device wait that takes most of the air time."""
        self.paced = True
        busiest = self._duty.busiest()
        if busiest in self.transfers:
            self.transfers[busiest].suspended = True
        return busiest

    def _tick_later(self) -> None:
        busy = self.transfers or self._duty.sent or self.state != NORMAL
        if busy and (self._ticking is None or not self._ticking.pending):
            self._ticking = self.world.schedule.after(_TICK_S, self._tick)

    def _tick(self) -> None:
        """A minute has gone by: what is older than an hour counts no more, and images go on."""
        self.settle()
        for eui in tuple(self.transfers):
            self._go_on(eui)
        self._tick_later()

    # Images

    def distribute(self, eui: Eui64, image: bytes, version: str) -> None:
        """Begin to pass an image on; it arrives as soon as noise and duty cycle let it."""
        self.transfers[eui] = Transfer(image, version)
        self._tick_later()

    def _go_on(self, eui: Eui64) -> None:
        transfer = self.transfers[eui]
        device = self.device.neighbour(eui)
        if device is None or not device.powered:
            return
        if transfer.suspended or self.misses(eui) or self.state >= CRITICAL:
            return
        octets = min(self._image_bytes(), len(transfer.image) - transfer.sent)
        if octets > 0:
            self._use(eui, octets)
            transfer.sent += octets if self.reaches(eui) else 0
        if transfer.sent >= len(transfer.image):
            del self.transfers[eui]
            for function in device.functions:
                if isinstance(function, Firmware):
                    function.receive(transfer.image, transfer.version)

    def _image_bytes(self) -> int:
        """How much of an image may be sent in the next minute."""
        assert self.spec is not None
        most = int(_IMAGE_BYTES_PER_S * _TICK_S)
        if not self.paced:
            return most
        left_s = max(0.0, _PACED * self._threshold(LIMITED) - self.duty_cycle) * 36.0
        return min(most, int(left_s * self.spec.bit_rate / 8 / self.spec.overhead))
