"""Recognises devices joining a HAN from frames overheard, whatever the sniffer missed."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum

from bench.eui import Eui64
from bench.zigbee.application import CbkeCommand, DeviceAnnounce, KeyEstablishment
from bench.zigbee.aps import ApsType, KeyType, TransportKey, UpdateDevice
from bench.zigbee.frame import Frame
from bench.zigbee.mac import AssociationResponse, FrameType
from bench.zigbee.nwk import COORDINATOR, Leave, NwkFrame, RejoinResponse
from bench.zigbee.security import KeyId

_MAX_DEVICES = 1024
_MAX_ADDRESSES = 4096

_REPETITION_NS = 5_000_000_000
"""A frame with the number of the last one is a repetition for this long; numbers come round after 256 frames."""


class Stage(StrEnum):
    """How far a join has come, in this order."""

    ASSOCIATION = "association"
    """A parent gave the device a short address."""
    TRANSPORT_KEY = "transport_key"
    """The trust centre gave it the network key."""
    DEVICE_ANNOUNCE = "device_announce"
    """It said who it is, with the network key: it is on the network."""
    CBKE = "cbke"
    """It and the trust centre confirmed the key that they agreed from their certificates."""
    JOIN = "join"
    """All is done; comes together with the end of CBKE."""


_ORDER = (Stage.ASSOCIATION, Stage.TRANSPORT_KEY, Stage.DEVICE_ANNOUNCE, Stage.CBKE)


@dataclass(frozen=True, slots=True)
class JoinStage:
    """One stage of one device's join was overheard.

    Attributes:
        short_address: the device's, None while nothing overheard gave it.
        at_ns: when, as given with the frame.
        missed: stages before it that were not overheard; meaningful for `Stage.JOIN`, which does not need them all.
    """

    device: Eui64
    stage: Stage
    short_address: int | None
    at_ns: int
    missed: tuple[Stage, ...] = ()

    def __str__(self) -> str:
        missed = f", not overheard: {', '.join(self.missed)}" if self.missed else ""
        return f"{self.stage} of {self.device}{missed}"


@dataclass(slots=True)
class _Attempt:
    """One device's newest try to join.

    Attributes:
        seen: stages overheard, in their order.
        association: when an association response came last, the short address in it and its sequence number.
    """

    seen: list[Stage] = field(default_factory=list)
    association: tuple[int, int, int] | None = None


class JoinTracker:
    """Tells joins from frames; reads no clock and keeps a bounded memory.

    Each stage is given once for each attempt. A new attempt begins with an association that is not a repetition of
    the last one, with a router's word that a joined device joins, or after the device was overheard leaving. A stage
    is never given after a later one of the same attempt, so that a repeated or late frame does not make one join
    look like two.
    """

    def __init__(self) -> None:
        self._attempts: OrderedDict[Eui64, _Attempt] = OrderedDict()
        self._devices: OrderedDict[tuple[int, int], Eui64] = OrderedDict()
        self._addresses: OrderedDict[Eui64, int] = OrderedDict()

    def feed(self, at_ns: int, frame: Frame) -> list[JoinStage]:
        """Take one frame, in the order of the air, and return what it shows; usually nothing."""
        pan = frame.mac.destination_pan if frame.mac.destination_pan is not None else 0xFFFF
        content = frame.mac.content
        if frame.mac.type is FrameType.COMMAND:
            if isinstance(content, AssociationResponse) and isinstance(frame.mac.destination, Eui64):
                return self._association(at_ns, pan, frame.mac.destination, content, frame.mac.sequence)
            return []
        if frame.nwk is None:
            return []
        self._note_addresses(pan, frame, frame.nwk)
        return self._network(at_ns, pan, frame, frame.nwk)

    def _association(
        self, at_ns: int, pan: int, device: Eui64, response: AssociationResponse, sequence: int
    ) -> list[JoinStage]:
        if not response.successful:
            return []
        self._note(pan, response.short_address, device)
        attempt = self._attempt(device)
        last, attempt.association = attempt.association, (at_ns, response.short_address, sequence)
        if last is not None and last[1:] == attempt.association[1:] and at_ns - last[0] < _REPETITION_NS:
            return []
        attempt.seen.clear()
        return self._reach(at_ns, device, Stage.ASSOCIATION)

    def _network(self, at_ns: int, pan: int, frame: Frame, nwk: NwkFrame) -> list[JoinStage]:
        aps = frame.aps
        match nwk.command:
            case Leave(request=False, rejoin=False):
                self._forget(nwk.source_eui or self._devices.get((pan, nwk.source)))
                return []
            case RejoinResponse(short_address, 0) if nwk.destination_eui is not None:
                self._note(pan, short_address, nwk.destination_eui)
                return []
        if isinstance(frame.content, DeviceAnnounce):
            announce = frame.content
            self._note(pan, announce.short_address, announce.device)
            return self._reach(at_ns, announce.device, Stage.DEVICE_ANNOUNCE)
        if isinstance(frame.content, KeyEstablishment):
            return self._key_establishment(at_ns, pan, nwk, frame.content)
        if aps is None or aps.type is not ApsType.COMMAND:
            return []
        match aps.command:
            case TransportKey(type=KeyType.NETWORK, destination=device):
                return self._reach(at_ns, device, Stage.TRANSPORT_KEY)
            case UpdateDevice(device, address, 1):
                self._note(pan, address, device)
                if Stage.CBKE in self._attempt(device).seen:
                    self._forget(device)  # it joins again, out of hearing behind a router
                return self._reach(at_ns, device, Stage.ASSOCIATION)
            case UpdateDevice(device, _, 2):
                self._forget(device)
                return []
        # A listener without the link key still sees what the key-transport key is used for, and to whom it goes.
        if aps.command is None and aps.security is not None and aps.security.key_id is KeyId.KEY_TRANSPORT:
            tunnelled = frame.tunnel.destination if frame.tunnel is not None else None
            receiver = tunnelled or self._devices.get((pan, nwk.destination))
            if receiver is not None:
                return self._reach(at_ns, receiver, Stage.TRANSPORT_KEY)
        return []

    def _key_establishment(self, at_ns: int, pan: int, nwk: NwkFrame, step: KeyEstablishment) -> list[JoinStage]:
        # The joining device is the cluster's client; the last word is the trust centre's.
        if step.command is not CbkeCommand.CONFIRM_KEY or not step.response or nwk.source != COORDINATOR:
            return []
        device = nwk.destination_eui or self._devices.get((pan, nwk.destination))
        if device is None:
            return []
        stages = self._reach(at_ns, device, Stage.CBKE)
        if stages:
            seen = self._attempt(device).seen
            missed = tuple(stage for stage in _ORDER if stage not in seen)
            stages.append(JoinStage(device, Stage.JOIN, self._addresses.get(device), at_ns, missed))
        return stages

    def _reach(self, at_ns: int, device: Eui64, stage: Stage) -> list[JoinStage]:
        attempt = self._attempt(device)
        if attempt.seen and _ORDER.index(attempt.seen[-1]) >= _ORDER.index(stage):
            return []
        attempt.seen.append(stage)
        return [JoinStage(device, stage, self._addresses.get(device), at_ns)]

    def _attempt(self, device: Eui64) -> _Attempt:
        attempt = self._attempts.setdefault(device, _Attempt())
        self._attempts.move_to_end(device)
        if len(self._attempts) > _MAX_DEVICES:
            self._attempts.popitem(last=False)
        return attempt

    def _forget(self, device: Eui64 | None) -> None:
        if device is not None:
            self._attempts.pop(device, None)

    def _note_addresses(self, pan: int, frame: Frame, nwk: NwkFrame) -> None:
        """Every frame that states both addresses of a device teaches which belongs to which."""
        if nwk.security is not None and nwk.security.source is not None and isinstance(frame.mac.source, int):
            self._note(pan, frame.mac.source, nwk.security.source)
        if nwk.source_eui is not None:
            self._note(pan, nwk.source, nwk.source_eui)
        if nwk.destination_eui is not None:
            self._note(pan, nwk.destination, nwk.destination_eui)

    def _note(self, pan: int, address: int, device: Eui64) -> None:
        if address >= 0xFFF8:
            return
        self._devices[pan, address] = device
        self._devices.move_to_end((pan, address))
        self._addresses[device] = address
        self._addresses.move_to_end(device)
        for book in (self._devices, self._addresses):
            while len(book) > _MAX_ADDRESSES:
                book.popitem(last=False)
