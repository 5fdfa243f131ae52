"""Captures: every exchange on a wire as it was, in forms that other tools open."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.clock import VirtualClock
from bench.durable import DurableWriter, StorageError
from bench.events import EventStream
from bench.evidence.captures import Captures, file_name
from bench.evidence.redact import Redactor
from bench.virtual_time import VirtualLoop
from bench.zigbee.pcapng import Packet, read_packets

FRAME = {"direction": "rx", "hex": "0200aa", "channel": 11, "power_dbm": -60.5, "lqi": 200}


class Bed:
    """A stream whose wires are captured."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = VirtualLoop(start_s=1.0)
        self.stream = EventStream(VirtualClock(self.loop))
        self.writer = DurableWriter(inline=True)
        self.captures = Captures(folder, self.writer, Redactor({"password": "correct horse"}))
        self.stream.subscribe(self.captures.receive)

    def lines(self, name: str) -> list[Any]:
        self.writer.flush()
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed(tmp_path)
    yield bed
    bed.writer.close()
    bed.loop.close()


def test_each_source_and_channel_has_a_transcript_of_its_own(bed: Bed) -> None:
    bed.stream.emit("ac", "wire", {"direction": "tx", "text": "MEAS:VOLT?"})
    bed.stream.emit(
        "dcc", "wire", {"direction": "tx", "text": "<Request/>", "channel": "transform"}, volatile={"port": 9}
    )
    bed.stream.emit("ac", "wire", {"direction": "rx", "text": "230.1"})
    bed.stream.emit("ac", "verb", {"verb": "measure"})
    assert bed.names() == ["ac.jsonl", "dcc.transform.jsonl"]
    at = {"mono_ns": 1_000_000_000, "utc_ns": 1_767_225_601_000_000_000}
    assert bed.lines("ac.jsonl") == [
        {"data": {"direction": "tx", "text": "MEAS:VOLT?"}} | at,
        {"data": {"direction": "rx", "text": "230.1"}} | at,
    ]
    (line,) = bed.lines("dcc.transform.jsonl")
    assert line["volatile"] == {"port": 9}


def test_gbcs_messages_are_one_hexadecimal_line_each_as_well(bed: Bed) -> None:
    for payload in ("df09aa", "df09bb"):
        bed.stream.emit("dcc", "wire", {"direction": "rx", "hex": payload, "channel": "gbcs"})
    bed.writer.flush()
    assert (bed.folder / "dcc.gbcs.hex").read_text() == "df09aa\ndf09bb\n"
    assert len(bed.lines("dcc.gbcs.jsonl")) == 2


def test_frames_make_a_pcapng_with_the_moments_they_were_on_the_air(bed: Bed) -> None:
    bed.stream.emit("sniffer", "wire", {"direction": "tx", "text": "receive"})
    bed.stream.emit("sniffer", "wire", FRAME | {"air_mono_ns": 999_000_000})
    bed.stream.emit("sniffer", "wire", FRAME | {"hex": "0200bb"})
    bed.writer.flush()
    assert list(read_packets(bed.folder / "sniffer.pcapng")) == [
        Packet(1_767_225_600_999_000_000, bytes.fromhex("0200aa"), 11, -60.5, 200),
        Packet(1_767_225_601_000_000_000, bytes.fromhex("0200bb"), 11, -60.5, 200),
    ]
    assert len(bed.lines("sniffer.jsonl")) == 3


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_opens_the_pcapng(bed: Bed) -> None:
    bed.stream.emit("sniffer", "wire", FRAME)
    bed.writer.flush()
    done = subprocess.run(
        ["tshark", "-r", str(bed.folder / "sniffer.pcapng"), "-T", "fields", "-e", "wpan-tap.ch_num"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "11"


def test_secrets_are_left_out_of_every_form(bed: Bed) -> None:
    secret = b"correct horse".hex()
    bed.stream.emit("ac", "wire", {"direction": "tx", "text": "LOGIN correct horse"})
    bed.stream.emit("dcc", "wire", {"direction": "tx", "hex": f"00{secret}", "channel": "gbcs"})
    bed.stream.emit("sniffer", "wire", FRAME | {"hex": f"0200{secret}"})
    bed.stream.emit("sniffer", "wire", FRAME)
    bed.writer.flush()
    for path in bed.folder.iterdir():
        data = path.read_bytes()
        assert b"correct horse" not in data and secret.encode() not in data
    assert (bed.folder / "dcc.gbcs.hex").read_text() == "00(secret)\n"
    assert len(list(read_packets(bed.folder / "sniffer.pcapng"))) == 1


@pytest.mark.parametrize(
    "data",
    [
        {"direction": "tx", "text": object()},
        {"direction": "tx", "text": "x", "channel": ["no", "name"]},
        FRAME | {"hex": "zz"},
        FRAME | {"hex": "00" * 200},
        FRAME | {"lqi": 1000},
        {"direction": "rx", "hex": "00", "power_dbm": 1.0},
        {"direction": "rx", "hex": 5, "channel": "gbcs"},
    ],
)
def test_what_cannot_be_recorded_is_reported_once_and_harms_nothing(bed: Bed, data: dict[str, Any]) -> None:
    bed.stream.emit("odd", "wire", data)
    bed.stream.emit("odd", "wire", {"direction": "tx", "text": "good"})
    with pytest.raises(StorageError, match="odd: an exchange on the wire cannot be recorded: "):
        bed.captures.check()
    bed.captures.check()
    assert bed.lines("odd.jsonl")[-1]["data"]["text"] == "good"


def test_a_capture_that_cannot_be_made_is_reported(bed: Bed) -> None:
    (bed.folder / "ac.jsonl").mkdir()
    bed.stream.emit("ac", "wire", {"direction": "tx", "text": "x"})
    with pytest.raises(StorageError, match="cannot be made: file exists"):
        bed.captures.check()


def test_names_stay_apart_on_every_file_system(bed: Bed) -> None:
    names = ["meter", "Meter", "a/b", "..", "a b", "zähler", "con.gbcs", ""]
    made = [file_name(name) for name in names]
    assert len({name.casefold() for name in made}) == len(names)
    assert made[1:6] == ["%4deter", "a%2fb", "%2e%2e", "a%20b", "z%c3%a4hler"]
    for name in ("Meter", "meter", "../up"):
        bed.stream.emit(name, "wire", {"direction": "tx", "text": name})
    assert bed.names() == ["%2e%2e%2fup.jsonl", "%4deter.jsonl", "meter.jsonl"]


def test_sizes_and_digests_are_those_of_the_files(bed: Bed) -> None:
    for number in range(20):
        bed.stream.emit("ac", "wire", {"direction": "tx", "text": "x" * number})
        bed.stream.emit("sniffer", "wire", FRAME)
        if number % 7 == 0:
            bed.writer.flush()
    bed.writer.finish(bed.captures.files)
    for file in bed.captures.files:
        found = subprocess.run(["sha256sum", str(file.path)], capture_output=True, text=True, check=True)
        assert found.stdout.split()[0] == file.sha256 and file.path.stat().st_size == file.size
    assert [file.path.name for file in bed.captures.files] == ["ac.jsonl", "sniffer.jsonl", "sniffer.pcapng"]


def test_somebody_else_writing_into_a_capture_is_noticed(bed: Bed) -> None:
    bed.stream.emit("ac", "wire", {"direction": "tx", "text": "x"})
    bed.writer.flush()
    with (bed.folder / "ac.jsonl").open("a") as file:
        file.write("more")
    with pytest.raises(StorageError, match="somebody else changed"):
        bed.writer.finish(bed.captures.files)


async def test_captures_are_with_the_operating_system_after_a_barrier(tmp_path: Path) -> None:
    stream = EventStream(VirtualClock(asyncio.get_running_loop()))
    writer = DurableWriter(inline=True)
    captures = Captures(tmp_path, writer, Redactor())
    stream.subscribe(captures.receive)
    stream.emit("ac", "wire", {"direction": "tx", "text": "x"})
    await writer.barrier()
    assert (tmp_path / "ac.jsonl").read_text().count("\n") == 1
    writer.close()
