"""Builds the frames of a device joining a smart metering HAN: for the emulated air, and for tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from bench.eui import Eui64
from bench.zigbee.application import (
    CERTIFICATE_BYTES,
    CONFIRM_BYTES,
    DEVICE_ANNOUNCE_CLUSTER,
    EPHEMERAL_BYTES,
    KEY_ESTABLISHMENT_CLUSTER,
    SMART_ENERGY_PROFILE,
    ZDO_PROFILE,
    CbkeCommand,
    DeviceAnnounce,
    KeyEstablishment,
)
from bench.zigbee.aps import ApsFrame, ApsType, Delivery, KeyType, TransportKey
from bench.zigbee.mac import (
    BROADCAST,
    Address,
    AssociationRequest,
    AssociationResponse,
    Beacon,
    BeaconRequest,
    DataRequest,
    FrameType,
    MacContent,
    MacFrame,
)
from bench.zigbee.nwk import ALL_AWAKE, COORDINATOR, NwkFrame, NwkType
from bench.zigbee.reader import eui_bytes
from bench.zigbee.security import KeyId, SecurityHeader, key_transport_key

CBKE_SUITE = 2
"""sect283k1, the suite of GBCS."""

CAPABILITY_MAINS = 0x8E
"""Capability information: mains powered full-function device with its receiver always on, short address wanted."""

CAPABILITY_SLEEPY = 0x80
"""Capability information: sleepy battery device, short address wanted."""

_BEACON_OPEN = 0xCFFF
_TURNAROUND_S = 0.001
_ZDO_ENDPOINT = 0
_APPLICATION_ENDPOINT = 1


@dataclass(frozen=True, slots=True)
class HanNetwork:
    """The HAN that a device joins.

    Attributes:
        pan_id: 16-bit PAN identifier.
        coordinator: EUI-64 of the Comms Hub's HAN radio: coordinator and trust centre.
        network_key: 16 bytes; a secret.
        key_sequence: number of the network key.
    """

    pan_id: int
    coordinator: Eui64
    network_key: bytes = field(repr=False)
    key_sequence: int = 0


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame on the air.

    Attributes:
        delay_s: seconds after the frame before it.
        psdu: the frame without its FCS.
    """

    delay_s: float
    psdu: bytes


def join_sequence(
    network: HanNetwork,
    device: Eui64,
    link_key: bytes,
    rng: Random,
    *,
    short_address: int | None = None,
    coordinator_counter: int = 1,
    capability: int = CAPABILITY_MAINS,
) -> list[TimedFrame]:
    """The frames of a whole join: association, transport key, device announce and CBKE, with acknowledgements.

    Args:
        network: the HAN.
        device: who joins.
        link_key: its link key with the trust centre, from its install code.
        rng: gives short address, sequence numbers and what stands for certificates and ephemeral keys.
        short_address: in place of a random one.
        coordinator_counter: the first frame counter of the trust centre; it uses fewer than 16, so add 16 for the next.
        capability: the device's capability information.

    Returns:
        the frames in the order of the air; together they take about 10 s, most of it CBKE arithmetic.
    """
    return list(_Join(network, device, link_key, rng, short_address, coordinator_counter, capability).frames())


class _Join:
    """Holds the counters of both ends while the frames are made."""

    def __init__(
        self,
        network: HanNetwork,
        device: Eui64,
        link_key: bytes,
        rng: Random,
        short_address: int | None,
        coordinator_counter: int,
        capability: int,
    ) -> None:
        self.network = network
        self.device = device
        self.link_key = link_key
        self.rng = rng
        self.short_address = rng.randrange(1, 0xFFF8) if short_address is None else short_address
        self.capability = capability
        # Sequence numbers of MAC, NWK and APS count on from anywhere; the index says whose: 0 coordinator, 1 device.
        self.sequences = [rng.randrange(256) for _ in range(6)]
        self.frame_counters = [coordinator_counter, 0]

    def frames(self) -> Iterator[TimedFrame]:
        """Every frame of the join."""
        yield from self._association()
        yield from self._transport_key()
        yield from self._announce()
        yield from self._cbke()

    def _association(self) -> Iterator[TimedFrame]:
        pan, coordinator, device = self.network.pan_id, self.network.coordinator, self.device
        request = MacFrame(FrameType.COMMAND, self._next(1), BROADCAST, BROADCAST, content=BeaconRequest())
        yield TimedFrame(0.0, request.encode())
        extended_pan = eui_bytes(coordinator)
        beacon = Beacon(_BEACON_OPEN, b"\x00\x00", b"\x00\x22\x84" + extended_pan + b"\xff\xff\xff\x00")
        frame = MacFrame(FrameType.BEACON, self._next(0), source_pan=pan, source=COORDINATOR, content=beacon)
        yield TimedFrame(0.005 + self.rng.random() * 0.01, frame.encode())
        ask = MacFrame(
            FrameType.COMMAND,
            self._next(1),
            pan,
            COORDINATOR,
            BROADCAST,
            device,
            AssociationRequest(self.capability),
            ack_request=True,
        )
        yield from self._acknowledged(0.2, ask)
        yield from self._poll(0.5, device)
        yield from self._mac(0.003, coordinator, device, AssociationResponse(self.short_address, 0), who=0)

    def _transport_key(self) -> Iterator[TimedFrame]:
        if not self.capability & 0x08:
            yield from self._poll(0.1, self.short_address)
        command = TransportKey(
            KeyType.NETWORK,
            self.network.network_key,
            self.device,
            self.network.coordinator,
            self.network.key_sequence,
        )
        security = SecurityHeader(KeyId.KEY_TRANSPORT, self._counter(0), self.network.coordinator)
        aps = ApsFrame(ApsType.COMMAND, self._next(4), security=security, command=command)
        nwk = NwkFrame(NwkType.DATA, self.short_address, COORDINATOR, 30, self._next(2))
        payload = nwk.encode(aps.encode(key=key_transport_key(self.link_key)))
        yield from self._mac(0.02, COORDINATOR, self.short_address, payload, who=0)

    def _announce(self) -> Iterator[TimedFrame]:
        announce = DeviceAnnounce(0, self.short_address, self.device, self.capability)
        aps = ApsFrame(
            ApsType.DATA,
            self._next(5),
            Delivery.BROADCAST,
            _ZDO_ENDPOINT,
            cluster=DEVICE_ANNOUNCE_CLUSTER,
            profile=ZDO_PROFILE,
            source_endpoint=_ZDO_ENDPOINT,
        ).encode(announce.encode())
        sequence = self._next(3)
        # The device broadcasts it, and the coordinator repeats it with one hop less.
        for who, radius, delay_s in ((1, 30, 0.05), (0, 29, 0.04)):
            nwk = NwkFrame(
                NwkType.DATA,
                ALL_AWAKE,
                self.short_address,
                radius,
                sequence,
                source_eui=self.device,
                security=self._network_security(who),
            )
            sender = self.short_address if who else COORDINATOR
            frame = MacFrame(
                FrameType.DATA,
                self._next(who),
                self.network.pan_id,
                BROADCAST,
                source=sender,
                content=nwk.encode(aps, self.network.network_key),
                pan_compression=True,
            )
            yield TimedFrame(delay_s, frame.encode())

    def _cbke(self) -> Iterator[TimedFrame]:
        sizes = {
            CbkeCommand.INITIATE_KEY_ESTABLISHMENT: (CERTIFICATE_BYTES[CBKE_SUITE], 0.3),
            CbkeCommand.EPHEMERAL_DATA: (EPHEMERAL_BYTES[CBKE_SUITE], 2.0),
            CbkeCommand.CONFIRM_KEY: (CONFIRM_BYTES, 2.0),
        }
        for number, (command, (size, delay_s)) in enumerate(sizes.items()):
            suite = CBKE_SUITE if command is CbkeCommand.INITIATE_KEY_ESTABLISHMENT else None
            for response in (False, True):
                data = self.rng.randbytes(size)
                step = KeyEstablishment(command, response, number, data, suite)
                yield from self._application(delay_s, step.encode(), who=0 if response else 1)

    def _application(self, delay_s: float, message: bytes, who: int) -> Iterator[TimedFrame]:
        """A message of the Key Establishment cluster, and the other end's APS acknowledgement of it."""
        aps = ApsFrame(
            ApsType.DATA,
            self._next(4 + who),
            Delivery.UNICAST,
            _APPLICATION_ENDPOINT,
            cluster=KEY_ESTABLISHMENT_CLUSTER,
            profile=SMART_ENERGY_PROFILE,
            source_endpoint=_APPLICATION_ENDPOINT,
            ack_request=True,
        )
        yield from self._routed(delay_s, aps.encode(message), who)
        ack = ApsFrame(
            ApsType.ACK,
            aps.counter,
            Delivery.UNICAST,
            _APPLICATION_ENDPOINT,
            cluster=KEY_ESTABLISHMENT_CLUSTER,
            profile=SMART_ENERGY_PROFILE,
            source_endpoint=_APPLICATION_ENDPOINT,
        )
        yield from self._routed(0.01, ack.encode(), 1 - who)

    def _routed(self, delay_s: float, payload: bytes, who: int) -> Iterator[TimedFrame]:
        ends = (COORDINATOR, self.short_address)
        source, destination = ends[who], ends[1 - who]
        nwk = NwkFrame(NwkType.DATA, destination, source, 30, self._next(2 + who), security=self._network_security(who))
        yield from self._mac(delay_s, source, destination, nwk.encode(payload, self.network.network_key), who)

    def _poll(self, delay_s: float, source: Address) -> Iterator[TimedFrame]:
        yield from self._mac(delay_s, source, COORDINATOR, DataRequest(), who=1)

    def _mac(
        self, delay_s: float, source: Address, destination: Address, content: MacContent, who: int
    ) -> Iterator[TimedFrame]:
        kind = FrameType.DATA if isinstance(content, bytes) else FrameType.COMMAND
        frame = MacFrame(
            kind,
            self._next(who),
            self.network.pan_id,
            destination,
            source=source,
            content=content,
            ack_request=True,
            pan_compression=True,
        )
        yield from self._acknowledged(delay_s, frame)

    @staticmethod
    def _acknowledged(delay_s: float, frame: MacFrame) -> Iterator[TimedFrame]:
        yield TimedFrame(delay_s, frame.encode())
        pending = isinstance(frame.content, DataRequest)
        yield TimedFrame(_TURNAROUND_S, MacFrame(FrameType.ACK, frame.sequence, frame_pending=pending).encode())

    def _network_security(self, who: int) -> SecurityHeader:
        source = self.device if who else self.network.coordinator
        return SecurityHeader(KeyId.NETWORK, self._counter(who), source, self.network.key_sequence)

    def _counter(self, who: int) -> int:
        self.frame_counters[who] += 1
        return self.frame_counters[who] - 1

    def _next(self, which: int) -> int:
        self.sequences[which] = (self.sequences[which] + 1) % 256
        return self.sequences[which]
