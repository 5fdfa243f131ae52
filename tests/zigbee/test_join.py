"""Joins as a listener sees them: whole, with gaps, repeated, interleaved, without keys."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.zigbee.application import KeyEstablishment
from bench.zigbee.aps import ApsFrame, ApsType, TransportKey, UpdateDevice
from bench.zigbee.frame import DeviceAnnounce, decode
from bench.zigbee.join import JoinStage, JoinTracker, Stage
from bench.zigbee.join_sequence import CAPABILITY_SLEEPY, join_sequence
from bench.zigbee.mac import AssociationResponse, FrameType, MacFrame
from bench.zigbee.nwk import Leave, NwkFrame, NwkType
from bench.zigbee.security import KeyId, Keys, SecurityHeader
from tests.zigbee.han import ALL_KEYS, ESME, GSME, HUB, LINK_KEY, NETWORK, decoded, join, timed, track

WHOLE = [Stage.ASSOCIATION, Stage.TRANSPORT_KEY, Stage.DEVICE_ANNOUNCE, Stage.CBKE, Stage.JOIN]
LINK_ONLY = Keys(link=(LINK_KEY,))


def stages(found: list[JoinStage], device: Eui64 = ESME) -> list[Stage]:
    return [item.stage for item in found if item.device == device]


def index_of(kind: type, keys: Keys = ALL_KEYS) -> int:
    """Where in a join the first frame of a kind stands."""
    for at, frame in enumerate(decoded(join(), keys)):
        command = frame.aps.command if frame.aps is not None else None
        if isinstance(frame.mac.content, kind) or isinstance(frame.content, kind) or isinstance(command, kind):
            return at
    raise AssertionError(kind)


def test_whole_join_gives_every_stage_once_with_address_and_time() -> None:
    air = timed(join(short_address=0x3344), begin_ns=1_000)
    found = track(air, LINK_ONLY)
    assert stages(found) == WHOLE
    assert {item.short_address for item in found} == {0x3344}
    assert found[-1].missed == () and found[-1].at_ns == air[-4][0]
    assert all(item.at_ns in [at for at, _ in air] for item in found)


def test_same_seed_same_air() -> None:
    assert join(seed=5) == join(seed=5)
    assert join(seed=5) != join(seed=6)


def test_sleepy_device_fetches_its_key() -> None:
    assert len(join(capability=CAPABILITY_SLEEPY)) == len(join()) + 2
    assert stages(track(timed(join(capability=CAPABILITY_SLEEPY)), LINK_ONLY)) == WHOLE


@pytest.mark.parametrize(
    ("missed", "stage"),
    [
        (AssociationResponse, Stage.ASSOCIATION),
        (TransportKey, Stage.TRANSPORT_KEY),
    ],
)
def test_join_is_seen_though_a_frame_was_missed(missed: type, stage: Stage) -> None:
    air = timed(join())
    del air[index_of(missed)]
    found = track(air, ALL_KEYS)
    assert stages(found) == [other for other in WHOLE if other is not stage]
    assert found[-1].missed == (stage,)
    assert stage.value in str(found[-1])


def test_both_announcements_missed() -> None:
    frames = join()
    kept = [(at, psdu) for at, psdu in timed(frames) if not isinstance(decode(psdu, ALL_KEYS).content, DeviceAnnounce)]
    found = track(kept, ALL_KEYS)
    assert found[-1].stage is Stage.JOIN and found[-1].missed == (Stage.DEVICE_ANNOUNCE,)


def test_sniffer_that_starts_late_still_names_the_device() -> None:
    # Only CBKE was heard: the network layer's security says which EUI-64 the short address is.
    air = timed(join(short_address=0x3344))
    found = track(air[index_of(KeyEstablishment) :], ALL_KEYS)
    assert stages(found) == [Stage.CBKE, Stage.JOIN]
    assert found[-1].missed == (Stage.ASSOCIATION, Stage.TRANSPORT_KEY, Stage.DEVICE_ANNOUNCE)
    assert found[-1].short_address == 0x3344


def test_join_that_stops_before_cbke_is_done_is_no_join() -> None:
    air = timed(join())
    assert Stage.JOIN not in stages(track(air[:-4], ALL_KEYS))
    assert Stage.JOIN in stages(track(air[:-3], ALL_KEYS))


def test_without_keys_association_and_key_transport_are_seen_and_nothing_is_invented() -> None:
    assert stages(track(timed(join()), Keys())) == [Stage.ASSOCIATION, Stage.TRANSPORT_KEY]


@pytest.mark.parametrize(("address", "status"), [(0xFFFF, 1), (0x1234, 2), (0xFFFF, 0), (0xFFFE, 0)])
def test_association_without_success_or_address_is_no_stage(address: int, status: int) -> None:
    response = AssociationResponse(address, status)
    refusal = MacFrame(FrameType.COMMAND, 1, NETWORK.pan_id, ESME, source=HUB, content=response)
    assert track([(0, refusal.encode())], Keys()) == []


@pytest.mark.parametrize(
    ("source", "sender", "response"), [(0x5555, GSME, True), (0x0000, HUB, False)], ids=["another", "request"]
)
def test_only_the_trust_centre_confirms_a_join(source: int, sender: Eui64, response: bool) -> None:
    air = timed(join())
    confirm = decode(air[-4][1], ALL_KEYS)
    assert isinstance(confirm.content, KeyEstablishment) and confirm.nwk is not None and confirm.aps is not None
    security = SecurityHeader(KeyId.NETWORK, 77, sender, 0)
    nwk = NwkFrame(NwkType.DATA, confirm.nwk.destination, source, 30, 1, security=security)
    step = replace(confirm.content, response=response)
    payload = nwk.encode(confirm.aps.encode(step.encode()), NETWORK.network_key)
    forged = MacFrame(FrameType.DATA, 1, NETWORK.pan_id, nwk.destination, source=source, content=payload)
    found = track([*air[:-4], (air[-4][0], forged.encode())], ALL_KEYS)
    assert Stage.JOIN not in stages(found)


@given(st.lists(st.integers(0, 39), max_size=12), st.integers(0, 2**32))
def test_repeated_frames_change_nothing(repeated: list[int], seed: int) -> None:
    air = []
    for number, entry in enumerate(timed(join(seed=seed))):
        air += [entry] * (1 + repeated.count(number))
    assert stages(track(air, LINK_ONLY)) == WHOLE


@settings(max_examples=200)
@given(st.sets(st.integers(0, 39)), st.integers(0, 2**32))
def test_whatever_is_missed_stages_stay_in_order_and_are_true(missed: set[int], seed: int) -> None:
    frames = timed(join(seed=seed))
    found = track([entry for at, entry in enumerate(frames) if at not in missed], ALL_KEYS)
    seen = stages(found)
    assert {item.device for item in found} <= {ESME}
    assert seen == [stage for stage in WHOLE if stage in seen]
    confirm = len(frames) - 4
    if Stage.JOIN in seen:
        assert confirm not in missed
        assert set(found[-1].missed) == set(WHOLE) - set(seen)
    # Association gives the address; with it or any frame of the device before it, the last word is enough.
    associated = next(at for at, (_, psdu) in enumerate(frames) if _is_association_response(psdu))
    if confirm not in missed and associated not in missed:
        assert Stage.JOIN in seen


def _is_association_response(psdu: bytes) -> bool:
    return isinstance(decode(psdu).mac.content, AssociationResponse)


@given(st.integers(0, 2**32), st.integers(0, 9_000_000_000))
def test_interleaved_joins_are_told_apart(seed: int, offset_ns: int) -> None:
    one = timed(join_sequence(NETWORK, ESME, LINK_KEY, Random(seed), short_address=0x1111))
    two = timed(
        join_sequence(NETWORK, GSME, LINK_KEY, Random(seed + 1), short_address=0x2222, coordinator_counter=17),
        offset_ns,
    )
    found = track(sorted(one + two), LINK_ONLY)
    assert stages(found, ESME) == WHOLE and stages(found, GSME) == WHOLE
    assert {item.short_address for item in found if item.device == GSME} == {0x2222}


def test_second_join_of_a_device_is_a_second_join() -> None:
    air = timed(join(seed=1)) + timed(join(seed=2), begin_ns=60_000_000_000)
    assert stages(track(air, LINK_ONLY)) == WHOLE * 2


def test_second_join_with_the_same_numbers_is_told_by_its_time() -> None:
    # Sequence numbers have 8 bits: the same address with the same number is a repetition only when it comes at once.
    air = timed(join()) + timed(join(), begin_ns=60_000_000_000)
    assert stages(track(air, LINK_ONLY)) == WHOLE * 2


def test_attempt_that_failed_starts_over() -> None:
    air = timed(join(seed=1))[:-4] + timed(join(seed=2), begin_ns=60_000_000_000)
    assert stages(track(air, LINK_ONLY)) == WHOLE[:3] + WHOLE


def _from(source: int, device: Eui64, payload: bytes, kind: NwkType = NwkType.DATA) -> bytes:
    security = SecurityHeader(KeyId.NETWORK, 900, device, 0)
    nwk = NwkFrame(kind, 0, source, 30, 9, security=security)
    content = nwk.encode(payload, NETWORK.network_key)
    return MacFrame(FrameType.DATA, 1, NETWORK.pan_id, 0, source=source, content=content, pan_compression=True).encode()


@pytest.mark.parametrize("rejoin", [False, True])
def test_device_that_left_may_join_unheard_association_and_all(rejoin: bool) -> None:
    first = timed(join(short_address=0x3344))
    leave = (20_000_000_000, _from(0x3344, ESME, Leave(False, rejoin).encode(), NwkType.COMMAND))
    second = timed(join(seed=2), begin_ns=60_000_000_000)[index_of(DeviceAnnounce) :]
    again = [Stage.DEVICE_ANNOUNCE, Stage.CBKE, Stage.JOIN] if not rejoin else []
    assert stages(track([*first, leave, *second], ALL_KEYS)) == WHOLE + again


def test_join_behind_a_router_is_told_by_its_word() -> None:
    def update(status: int) -> bytes:
        command = UpdateDevice(ESME, 0x3344, status)
        return _from(0x7777, GSME, ApsFrame(ApsType.COMMAND, 1, command=command).encode())

    heard = timed(join(short_address=0x3344))[index_of(TransportKey) :]
    later = [(at + 60_000_000_000, psdu) for at, psdu in heard]
    air = [(0, update(1)), (1, update(1)), *heard, (50_000_000_000, update(1)), *later]
    assert stages(track(air, ALL_KEYS)) == WHOLE * 2
    left = [(0, update(1)), *heard, (50_000_000_000, update(2)), *later]
    assert stages(track(left, ALL_KEYS)) == WHOLE + WHOLE[1:]


def test_memory_is_bounded() -> None:
    tracker = JoinTracker()
    for number in range(6000):
        response = AssociationResponse(number, 0)
        device = Eui64(number.to_bytes(8, "big"))
        frame = MacFrame(FrameType.COMMAND, 1, 1, device, source=HUB, content=response)
        assert len(tracker.feed(number, decode(frame.encode()))) == 1
    assert len(tracker._attempts) <= 1024 and len(tracker._devices) <= 4096
