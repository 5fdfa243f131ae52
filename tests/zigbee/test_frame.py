"""Frames: what is built is read back, and nothing that comes off the air can do worse than be left undecoded."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.zigbee.application import CbkeCommand, DeviceAnnounce, KeyEstablishment, Zcl
from bench.zigbee.aps import (
    ApsFrame,
    ApsType,
    Delivery,
    Fragment,
    KeyType,
    OtherApsCommand,
    TransportKey,
    Tunnel,
    UpdateDevice,
)
from bench.zigbee.frame import Frame, decode, learn
from bench.zigbee.mac import (
    AssociationRequest,
    AssociationResponse,
    Beacon,
    BeaconRequest,
    DataRequest,
    FrameType,
    MacContent,
    MacFrame,
    OtherMacCommand,
    parse_mac,
)
from bench.zigbee.nwk import Leave, NwkCommand, NwkFrame, NwkType, OtherNwkCommand, RejoinRequest, RejoinResponse
from bench.zigbee.reader import ZigbeeError
from bench.zigbee.security import KeyId, Keys, SecurityHeader, key_load_key, key_transport_key
from tests.zigbee.han import ALL_KEYS, ESME, HUB, LINK_KEY, NETWORK, decoded, join

euis = st.builds(Eui64, st.binary(min_size=8, max_size=8))
shorts = st.integers(0, 0xFFFF)
octets = st.integers(0, 255)
addresses = st.one_of(shorts, euis)


def on_air(nwk: bytes) -> bytes:
    frame = MacFrame(FrameType.DATA, 7, NETWORK.pan_id, 0x0000, source=0x1234, content=nwk, pan_compression=True)
    return frame.encode()


def secured(nwk: NwkFrame, payload: bytes = b"") -> bytes:
    security = SecurityHeader(KeyId.NETWORK, 9, ESME, 0)
    return on_air(replace(nwk, security=security).encode(payload, NETWORK.network_key))


commands: st.SearchStrategy[MacContent] = st.one_of(
    st.builds(AssociationRequest, octets),
    st.builds(AssociationResponse, shorts, octets),
    st.just(DataRequest()),
    st.just(BeaconRequest()),
    st.builds(OtherMacCommand, st.sampled_from([3, 5, 6, 8, 9, 200]), st.binary(max_size=60)),
)
frames = st.one_of(
    st.builds(
        MacFrame,
        st.just(FrameType.COMMAND),
        octets,
        shorts,
        addresses,
        shorts,
        addresses,
        commands,
        ack_request=st.booleans(),
        frame_pending=st.booleans(),
        version=st.integers(0, 1),
    ),
    st.builds(
        MacFrame,
        st.just(FrameType.DATA),
        octets,
        shorts,
        addresses,
        st.none(),
        addresses,
        st.binary(max_size=90),
        pan_compression=st.just(True),
    ),
    st.builds(
        MacFrame,
        st.just(FrameType.BEACON),
        octets,
        source_pan=shorts,
        source=shorts,
        content=st.builds(Beacon, shorts, st.just(b"\x00\x00"), st.binary(max_size=40)),
    ),
    st.builds(MacFrame, st.just(FrameType.ACK), octets, frame_pending=st.booleans()),
)


@given(frames)
def test_mac_frame_comes_back(frame: MacFrame) -> None:
    read, reader = parse_mac(frame.encode())
    assert read == frame
    assert frame.type is FrameType.DATA or not reader.remaining


def test_frame_too_long_for_the_air_is_not_built() -> None:
    MacFrame(FrameType.DATA, 0, 1, 2, source=3, content=bytes(116), pan_compression=True).encode()
    with pytest.raises(ZigbeeError, match="128 bytes"):
        MacFrame(FrameType.DATA, 0, 1, 2, source=3, content=bytes(117), pan_compression=True).encode()


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("01", 0),
        ("0100", 2),
        ("040000", 0),  # a reserved frame type
        ("01a800", 1),  # frame version 2
        ("090000", 0),  # MAC security
        ("010400", 1),  # a reserved addressing mode
        ("410000", 0),  # PAN compression without addresses
        ("0108ffff", 3),  # cut within the destination PAN
        ("0308ffffffffff", 7),  # a command without its identifier
        ("0308ffffffffff01", 8),  # an association request without its capability
    ],
)
def test_fault_of_the_mac_header_names_its_offset(text: str, offset: int) -> None:
    with pytest.raises(ZigbeeError) as caught:
        decode(bytes.fromhex(text))
    assert caught.value.offset == offset


nwk_commands: st.SearchStrategy[NwkCommand] = st.one_of(
    st.builds(Leave, st.booleans(), st.booleans(), st.booleans()),
    st.builds(RejoinRequest, octets),
    st.builds(RejoinResponse, shorts, octets),
    st.builds(OtherNwkCommand, st.sampled_from([1, 2, 3, 5, 8, 99]), st.binary(max_size=20)),
)


@given(
    st.builds(
        NwkFrame,
        st.just(NwkType.COMMAND),
        shorts,
        shorts,
        octets,
        octets,
        st.none() | euis,
        st.none() | euis,
        multicast=st.none() | octets,
        relays=st.none() | st.lists(shorts, max_size=5).map(tuple),
        discover_route=st.integers(0, 3),
        end_device_initiator=st.booleans(),
        command=nwk_commands,
    ),
    st.booleans(),
)
def test_network_command_comes_back(nwk: NwkFrame, with_key: bool) -> None:
    frame = decode(secured(nwk), ALL_KEYS if with_key else None)
    assert frame.nwk is not None and frame.nwk.header() == replace(nwk, security=frame.nwk.security).header()
    assert frame.encrypted is not with_key
    assert frame.nwk.command == (nwk.command if with_key else None)
    assert with_key or ("encrypted" in frame.summary and frame.undecoded)


def to_device(aps: ApsFrame, payload: bytes = b"", key: bytes | None = None) -> bytes:
    return on_air(NwkFrame(NwkType.DATA, 0x2233, 0, 30, 1).encode(aps.encode(payload, key)))


@pytest.mark.parametrize(
    ("key_id", "key"),
    [
        (KeyId.LINK, LINK_KEY),
        (KeyId.KEY_TRANSPORT, key_transport_key(LINK_KEY)),
        (KeyId.KEY_LOAD, key_load_key(LINK_KEY)),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        TransportKey(KeyType.NETWORK, b"n" * 16, ESME, HUB, 3),
        TransportKey(KeyType.TRUST_CENTRE_LINK, b"t" * 16, ESME, HUB),
        TransportKey(KeyType.APPLICATION_LINK, b"a" * 16, ESME, initiator=True),
        UpdateDevice(ESME, 0x2233, 1),
        OtherApsCommand(0x0F, b"\x04"),
    ],
)
def test_secured_aps_command_comes_back(
    command: TransportKey | UpdateDevice | OtherApsCommand, key_id: KeyId, key: bytes
) -> None:
    aps = ApsFrame(ApsType.COMMAND, 4, security=SecurityHeader(key_id, 1, HUB), command=command)
    psdu = to_device(aps, key=key)
    frame = decode(psdu, ALL_KEYS)
    assert frame.aps == aps and not frame.undecoded
    assert str(command) in frame.summary
    for secret in ("n" * 16, "t" * 16, "a" * 16, (b"n" * 16).hex()):
        assert secret not in frame.summary and secret not in repr(frame)
    blind = decode(psdu, Keys(link=(b"wrong key, 16 by",)))
    assert blind.encrypted and blind.aps is not None and blind.aps.command is None
    assert "encrypted" in blind.summary


def test_transport_key_teaches_the_network_key() -> None:
    keys = Keys(link=(LINK_KEY,))
    summaries = []
    for frame in decoded(join(), keys):
        summaries.append(frame.summary)
        keys = learn(keys, frame)
    assert keys.network == (NETWORK.network_key,)
    assert not any("encrypted" in summary for summary in summaries)


def test_tunnelled_transport_key_is_read_inside_its_tunnel() -> None:
    inner = ApsFrame(
        ApsType.COMMAND,
        8,
        security=SecurityHeader(KeyId.KEY_TRANSPORT, 1, HUB),
        command=TransportKey(KeyType.NETWORK, NETWORK.network_key, ESME, HUB),
    )
    tunnel = Tunnel(ESME, inner.encode(key=key_transport_key(LINK_KEY)))
    psdu = secured(NwkFrame(NwkType.DATA, 0x4444, 0, 30, 1), ApsFrame(ApsType.COMMAND, 7, command=tunnel).encode())
    frame = decode(psdu, ALL_KEYS)
    assert frame.tunnel == tunnel and frame.aps == inner
    assert learn(Keys(), frame).network == (NETWORK.network_key,)
    # A tunnel inside a tunnel is not followed.
    deep = ApsFrame(ApsType.COMMAND, 7, command=Tunnel(HUB, ApsFrame(ApsType.COMMAND, 7, command=tunnel).encode()))
    frame = decode(secured(NwkFrame(NwkType.DATA, 0x4444, 0, 30, 1), deep.encode()), ALL_KEYS)
    assert frame.aps is not None and frame.aps.command == tunnel


def test_sender_known_only_from_the_network_layer_opens_a_link_key_frame() -> None:
    aps = ApsFrame(
        ApsType.DATA, 1, Delivery.UNICAST, 1, None, 0x0702, 0x0109, 1, security=SecurityHeader(KeyId.LINK, 5)
    )
    payload = aps.encode(Zcl(3, 0x0A, b"value", cluster_specific=False).encode(), LINK_KEY, source=ESME)
    frame = decode(secured(NwkFrame(NwkType.DATA, 0, 0x1234, 30, 1), payload), ALL_KEYS)
    assert frame.content == Zcl(3, 0x0A, b"value", cluster_specific=False)
    # Over a second hop the network layer's security names the router, not the sender.
    frame = decode(secured(NwkFrame(NwkType.DATA, 0, 0x9999, 30, 1), payload), ALL_KEYS)
    assert frame.encrypted


def cbke(step: KeyEstablishment, fragment: Fragment | None = None, cut: int | None = None) -> Frame:
    aps = ApsFrame(ApsType.DATA, 1, Delivery.UNICAST, 1, None, 0x0800, 0x0109, 1, fragment=fragment)
    return decode(secured(NwkFrame(NwkType.DATA, 0, 0x1234, 30, 1), aps.encode(step.encode()[:cut])), ALL_KEYS)


@pytest.mark.parametrize("response", [False, True])
@pytest.mark.parametrize(
    ("command", "size", "suite", "name"),
    [
        (CbkeCommand.INITIATE_KEY_ESTABLISHMENT, 74, 2, "CBKE initiate key establishment"),
        (CbkeCommand.INITIATE_KEY_ESTABLISHMENT, 48, 1, "CBKE initiate key establishment"),
        (CbkeCommand.EPHEMERAL_DATA, 37, None, "CBKE ephemeral data"),
        (CbkeCommand.EPHEMERAL_DATA, 22, None, "CBKE ephemeral data"),
        (CbkeCommand.CONFIRM_KEY, 16, None, "CBKE confirm key"),
    ],
)
def test_cbke_is_told_by_name_and_direction(
    command: CbkeCommand, size: int, suite: int | None, name: str, response: bool
) -> None:
    step = KeyEstablishment(command, response, 3, bytes(size), suite)
    frame = cbke(step)
    assert frame.content == step
    assert f"{name} {'response' if response else 'request'}" in frame.summary
    wrong = cbke(replace(step, data=bytes(size + 1)))
    assert isinstance(wrong.content, Zcl) and "bytes, not" in wrong.problem and wrong.undecoded


def test_cbke_termination_says_why() -> None:
    step = KeyEstablishment(CbkeCommand.TERMINATE_KEY_ESTABLISHMENT, True, 3, b"", 2, 6)
    frame = cbke(step)
    assert frame.content == step and "invalid certificate" in frame.summary


def test_fragments_of_cbke_are_recognised_by_the_first() -> None:
    step = KeyEstablishment(CbkeCommand.INITIATE_KEY_ESTABLISHMENT, False, 3, bytes(74), 2)
    first = cbke(step, Fragment(0, 2), cut=60)
    assert isinstance(first.content, KeyEstablishment) and "block 1 of 2" in first.summary and not first.problem
    later = cbke(step, Fragment(1), cut=30)
    assert later.content is None and later.undecoded and not later.problem


@given(octets, shorts, euis, octets)
def test_device_announce_comes_back(sequence: int, address: int, device: Eui64, capability: int) -> None:
    announce = DeviceAnnounce(sequence, address, device, capability)
    aps = ApsFrame(ApsType.DATA, 1, Delivery.BROADCAST, 0, None, 0x0013, 0x0000, 0)
    frame = decode(secured(NwkFrame(NwkType.DATA, 0xFFFD, 1, 30, 1), aps.encode(announce.encode())), ALL_KEYS)
    assert frame.content == announce and str(device) in frame.summary


def test_reserved_bits_do_not_break_decryption() -> None:
    # Network frame control bits 14 and 15 are reserved, and authenticated as they are.
    nwk = NwkFrame(NwkType.COMMAND, 0, 0x1234, 30, 1, security=SecurityHeader(KeyId.NETWORK, 9, ESME, 0))
    header = bytearray(nwk.header())
    header[1] |= 0xC0
    assert nwk.security is not None
    sealed = nwk.security.protect(NETWORK.network_key, bytes(header), Leave(False, False).encode())
    frame = decode(on_air(bytes(header) + sealed), ALL_KEYS)
    assert frame.nwk is not None and frame.nwk.command == Leave(False, False)


def test_fault_above_the_mac_keeps_what_was_understood() -> None:
    aps = ApsFrame(ApsType.DATA, 1, Delivery.BROADCAST, 0, None, 0x0013, 0x0000, 0)
    payload = aps.encode(DeviceAnnounce(1, 2, ESME, 0x80).encode()[:-1])
    psdu = secured(NwkFrame(NwkType.DATA, 0xFFFD, 1, 30, 1), payload)
    frame = decode(psdu, ALL_KEYS)
    assert frame.nwk is not None and frame.aps is not None and frame.content is None
    assert frame.undecoded == DeviceAnnounce(1, 2, ESME, 0x80).encode()[:-1]
    # 4 bytes of MIC follow the clear bytes; the fault is where the capability should be.
    assert f"byte {len(psdu) - 4}: " in frame.problem and "capability" in frame.problem


def test_bytes_after_the_end_are_left_over() -> None:
    frame = decode(MacFrame(FrameType.ACK, 3).encode() + b"more")
    assert frame.undecoded == b"more" and "4 bytes follow" in frame.summary


SAMPLES = [timed.psdu for timed in join()] + [
    secured(NwkFrame(NwkType.DATA, 0, 1, 30, 1, relays=(1, 2), multicast=3), b"\x00"),
    to_device(ApsFrame(ApsType.COMMAND, 1, command=Tunnel(ESME, b"\x21\x01"))),
    on_air(b"\x0b\x00\x0b\x00\x08\x09\x01rest"),
]


@settings(max_examples=500)
@given(st.sampled_from(SAMPLES), st.data())
def test_mutated_frame_is_an_error_or_a_partial_decode(psdu: bytes, data: st.DataObject) -> None:
    changed = bytearray(psdu)
    for _ in range(data.draw(st.integers(1, 4))):
        match data.draw(st.sampled_from(["flip", "cut", "grow"])):
            case "flip" if changed:
                changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(octets)
            case "cut":
                del changed[data.draw(st.integers(0, len(changed))) :]
            case _:
                changed += data.draw(st.binary(max_size=6))
    _decodes_or_says_why(bytes(changed))


@settings(max_examples=500)
@given(st.binary(max_size=127))
def test_any_bytes_are_an_error_or_a_partial_decode(psdu: bytes) -> None:
    _decodes_or_says_why(psdu)


@settings(max_examples=500)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_under_good_security_are_a_partial_decode(payload: bytes, command: bool) -> None:
    kind = NwkType.COMMAND if command else NwkType.DATA
    _decodes_or_says_why(secured(NwkFrame(kind, 0, 1, 30, 1), payload or b"\x00"))


def _decodes_or_says_why(psdu: bytes) -> None:
    try:
        frame = decode(psdu, ALL_KEYS)
    except ZigbeeError as error:
        assert error.offset is not None and 0 <= error.offset <= len(psdu)
        return
    assert len(frame.undecoded) <= len(psdu)
    assert frame.summary and NETWORK.network_key.hex() not in frame.summary
