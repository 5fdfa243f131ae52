"""Captures: what is written is read back, Wireshark reads it too, and every damage is found at its place."""

from __future__ import annotations

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.zigbee.pcapng import Packet, PcapngError, PcapngWriter, read_packets
from tests.zigbee.han import LINK_KEY, join, timed

UTC_NS = 1_767_225_600_123_456_789

packets = st.builds(
    Packet,
    st.integers(0, 2**64 - 1),
    st.binary(max_size=127),
    st.integers(11, 26),
    st.integers(-100, 0).map(float),
    st.integers(0, 255),
    st.text(st.characters(codec="utf-8"), max_size=40),
)


def written(items: list[Packet]) -> bytes:
    stream = BytesIO()
    writer = PcapngWriter(stream, "han-sniffer")
    for packet in items:
        writer.write(packet)
    return stream.getvalue()


def read(tmp_path: Path, data: bytes) -> list[Packet]:
    path = tmp_path / "han.pcapng"
    path.write_bytes(data)
    return list(read_packets(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(packets, max_size=6))
def test_capture_comes_back(tmp_path: Path, items: list[Packet]) -> None:
    assert read(tmp_path, written(items)) == items


SAMPLE = [Packet(UTC_NS + at, psdu, 15, -50.0, 200, f"event {at}") for at, psdu in timed(join())[:4]]


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_changed_byte_is_found_or_is_content(tmp_path: Path, data: st.DataObject) -> None:
    good = written(SAMPLE)
    at = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        found = read(tmp_path, bytes(changed))
    except PcapngError as error:
        assert error.offset is not None and error.offset <= len(good)
        assert f"byte {error.offset}" in str(error)
    else:
        # What can change without a fault is what a packet or a name says; never how many packets there are.
        assert len(found) == len(SAMPLE)
        assert found != SAMPLE or changed[: good.index(b"\x06\x00\x00\x00")] != good[: good.index(b"\x06\x00\x00\x00")]


@pytest.mark.parametrize("keep", range(0, 400, 7))
def test_truncated_capture_is_found(tmp_path: Path, keep: int) -> None:
    good = written(SAMPLE)
    whole = {len(written(SAMPLE[:count])) for count in range(len(SAMPLE) + 1)}
    if keep in whole:
        assert len(read(tmp_path, good[:keep])) < len(SAMPLE)
        return
    with pytest.raises(PcapngError) as caught:
        read(tmp_path, good[:keep])
    assert caught.value.offset is not None and caught.value.offset <= keep


def test_packets_before_a_fault_are_given(tmp_path: Path) -> None:
    path = tmp_path / "han.pcapng"
    path.write_bytes(written(SAMPLE)[:-3])
    reader = read_packets(path)
    assert [next(reader) for _ in range(3)] == SAMPLE[:3]
    with pytest.raises(PcapngError, match="ends within a packet block"):
        next(reader)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda good: b"", "empty"),
        (lambda good: b"\xd4\xc3\xb2\xa1" + good[4:], "type 0xa1b2c3d4"),
        (lambda good: good[:4] + b"\xff\xff\xff\x7f" + good[8:], "says it has 2147483647 bytes"),
        (lambda good: good.replace(b"\x09\x00\x01\x00\x09", b"\x09\x00\x01\x00\x06"), "not nanoseconds"),
        (lambda good: good + good, "type 0x0a0d0d0a stands where a packet"),
    ],
)
def test_what_is_no_capture_of_the_bench_is_refused(tmp_path: Path, damage, what: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PcapngError, match=what):
        read(tmp_path, damage(written(SAMPLE)))


def test_values_that_do_not_fit_are_refused() -> None:
    writer = PcapngWriter(BytesIO(), "x")
    for packet in (
        Packet(-1, b"", 11, 0.0, 0),
        Packet(0, bytes(128), 11, 0.0, 0),
        Packet(0, b"", 11, 0.0, 0, "x" * 70_000),
    ):
        with pytest.raises(UsageError):
            writer.write(packet)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_follows_the_join_with_the_install_code_alone(tmp_path: Path) -> None:
    path = tmp_path / "han.pcapng"
    air = timed(join(short_address=0x3344))
    path.write_bytes(written([Packet(UTC_NS + at, psdu, 15, -50.0, 200, f"event {at}") for at, psdu in air]))
    fields = ["frame.time_epoch", "wpan-tap.rss", "wpan-tap.ch_num", "frame.comment", "_ws.col.Info", "_ws.malformed"]
    key = LINK_KEY.hex(":")
    command = ["tshark", "-r", str(path), "-o", f'uat:zigbee_pc_keys:"{key}","Normal","link"', "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(lines) == len(air)
    times = [line[0] for line in lines]
    expected = [divmod(UTC_NS + at, 1_000_000_000) for at, _ in air]
    assert times == [f"{seconds}.{ns:09d}" for seconds, ns in expected]
    assert {(line[1], line[2]) for line in lines} == {("-50", "15")}
    assert [line[3] for line in lines] == [f"event {at}" for at, _ in air]
    assert not any(line[5] for line in lines if len(line) > 5)
    said = "\n".join(line[4] for line in lines)
    for what in (
        "Beacon Request",
        "Association Request",
        "Association Response, PAN: 0x1a2b Addr: 0x3344",
        "Device Announcement, Nwk Addr: 0x3344, Ext Addr: 00:db:12:34:56:78:90:a0",
        "Initiate Key Establishment Request",
        "Initiate Key Establishment Response",
        "Ephemeral Data Request",
        "Ephemeral Data Response",
        "Confirm Key Data Request",
        "Confirm Key Data Response",
    ):
        assert what in said
