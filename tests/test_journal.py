"""The journal as it is written: what it holds, when it is on disk, and what happens when the disk fails."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import math
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.clock import ClockKind, Instant, RealClock, VirtualClock
from bench.durable import StorageError
from bench.events import EventStream
from bench.journal import Journal, JournalCutShort
from bench.journal_reader import read_journal
from bench.virtual_time import VirtualLoop


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def virtual_stream() -> EventStream:
    return EventStream(VirtualClock(asyncio.get_running_loop()))


async def write_small(path: Path, *, port: int = 1234, seal: bool = True) -> tuple[str, str]:
    """A little journal; returns its body hash and its head."""
    stream = virtual_stream()
    journal = Journal.open(path, stream, run="r1")
    stream.emit("engine", "run", {"state": "start"})
    stream.emit("ac", "wire", {"direction": "tx", "text": "VOLT 230"})
    await asyncio.sleep(0.25)
    stream.emit("hub", "seen.hub", {"wan": True, "leds": ["on", "off"], "note": "übel"}, volatile={"port": port})
    stream.emit("ref", "measurement", {"quantity": "voltage", "value": 230.1, "unit": "V"})
    await journal.barrier()
    stream.emit("engine", "run", {"state": "end", "verdict": "passed"})
    if seal:
        await journal.close({"captures/ac.jsonl": {"size": 3, "sha256": "00"}})
    else:
        await journal.barrier()
        journal.abandon()
    return journal.body, journal.head


def read_all(path: Path) -> list[Any]:
    return list(read_journal(path))


# What it holds


async def test_every_event_but_wires_is_a_record_in_order(path: Path) -> None:
    await write_small(path)
    reader = read_journal(path)
    records = list(reader)
    assert [(record.seq, record.source, record.kind) for record in records] == [
        (1, "journal", "journal"),
        (2, "engine", "run"),
        (3, "hub", "seen.hub"),
        (4, "ref", "measurement"),
        (5, "engine", "run"),
        (6, "journal", "journal"),
    ]
    assert records[2].data == {"wan": True, "leds": ["on", "off"], "note": "übel"}
    assert records[2].volatile == {"port": 1234}
    assert records[2].at == Instant(250_000_000, 1_767_225_600_250_000_000, ClockKind.VIRTUAL, 0)
    assert records[0].volatile == {"run": "r1"} and records[-1].sealed
    assert records[-1].data["kinds"] == {"journal": 1, "run": 2, "seen.hub": 1, "measurement": 1}
    assert records[-1].data["captures"] == {"captures/ac.jsonl": {"size": 3, "sha256": "00"}}
    assert reader.status == "sealed: complete with 6 records" and reader.clock is ClockKind.VIRTUAL


async def test_a_stranger_can_recompute_chain_and_body_with_nothing_but_json_and_sha256(path: Path) -> None:
    body_hash, head = await write_small(path)
    lines = path.read_bytes().splitlines(keepends=True)
    previous, body = "0" * 64, hashlib.sha256()
    for number, line in enumerate(lines, 1):
        record = json.loads(line)
        assert record["prev"] == previous and record["seq"] == number
        assert line.decode() == json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
        previous = hashlib.sha256(line).hexdigest()
        if number < len(lines):
            del record["prev"], record["volatile"]
            body.update(json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
    assert head == previous
    assert body_hash == body.hexdigest() == record["data"]["body"]
    assert record["data"]["head"] == record["prev"] and record["data"]["records"] == len(lines) - 1


def test_two_virtual_runs_have_one_body_and_two_heads(tmp_path: Path) -> None:
    results = []
    for port in (1, 2):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            results.append(runner.run(write_small(tmp_path / str(port), port=port)))
    (body, head), (other_body, other_head) = results
    assert body == other_body and head != other_head


@pytest.mark.realtime
async def test_on_a_real_clock_times_are_recorded_but_not_of_the_body(path: Path) -> None:
    bodies = set()
    for number in range(2):
        stream = EventStream(RealClock())
        journal = Journal.open(path.with_name(str(number)), stream)
        stream.emit("engine", "step", {"n": 1})
        await journal.barrier()
        await journal.close()
        bodies.add(journal.body)
        reader = read_journal(journal.path)
        records = list(reader)
        assert all(
            record.at.kind is ClockKind.REAL and record.at.utc_ns > 1_700_000_000_000_000_000 for record in records
        )
        assert reader.body == journal.body and reader.head == journal.head
        assert reader.uncertainty_ns == journal.uncertainty_ns
    assert len(bodies) == 1


async def test_the_worst_uncertainty_counts_and_not_to_know_is_the_worst(path: Path) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    for uncertainty in (5_000, 90_000, 7_000):
        stream.emit("a", "x", {}, at=Instant(1, 2, ClockKind.VIRTUAL, uncertainty))
    assert journal.uncertainty_ns == 90_000
    stream.emit("a", "x", {}, at=Instant(1, 2, ClockKind.VIRTUAL, None))
    stream.emit("a", "x", {}, at=Instant(1, 2, ClockKind.VIRTUAL, 1))
    await journal.close()
    reader = read_journal(path)
    assert len(list(reader)) == 7 and reader.uncertainty_ns is None and journal.uncertainty_ns is None


async def test_a_record_survives_text_that_is_no_unicode(path: Path) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    for text in (b"V=\xff\x80".decode("utf-8", "surrogateescape"), "\ud83d\ude00", "\x00\x1f\x7f\u2028\r\n"):
        stream.emit("console", "device", {"detail": text})
    await journal.close()
    texts = [record.data["detail"] for record in read_journal(path) if record.kind == "device"]
    assert texts == ["V=\udcff\udc80", "\U0001f600", "\x00\x1f\x7f\u2028\r\n"]


def circular() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["self"] = [loop]
    return loop


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"x": math.nan}, "not JSON compliant"),
        ({"x": object()}, "not JSON serializable"),
        ({"x": {1: 2}}, "a key is int"),
        ({"x": b"bytes"}, "not JSON serializable"),
        (circular(), "recursion|[Cc]ircular"),
    ],
)
async def test_what_is_no_json_is_reported_at_the_barrier_and_leaves_its_mark(
    path: Path, data: Mapping[str, Any], reason: str
) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    stream.emit("ac", "verb", data)
    stream.emit("ac", "verb", {"good": 1})
    with pytest.raises(StorageError, match=f'ac: an event of kind "verb" cannot be recorded: .*({reason})'):
        await journal.barrier()
    await journal.barrier()
    await journal.close()
    marks = [record.data for record in read_journal(path) if record.source == "ac"]
    assert marks[0]["refused_kind"] == "verb" and marks[1] == {"good": 1}


async def test_nobody_else_can_write_the_journals_own_records(path: Path) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    stream.emit("journal", "journal", {"state": "sealed"})
    with pytest.raises(StorageError, match="journal's own"):
        await journal.barrier()
    await journal.close()
    assert [record.kind for record in read_journal(path)] == ["journal", "seen.refused", "journal"]


async def test_what_is_changed_after_it_was_emitted_is_recorded_as_it_was(path: Path) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    data = {"values": [1]}
    stream.emit("a", "x", data)
    data["values"].append(2)
    await journal.close()
    assert read_all(path)[1].data == {"values": [1]}


# When it is on disk


async def test_after_a_barrier_all_of_it_is_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    really = os.fdatasync

    def record(fd: int) -> None:
        really(fd)
        synced.append(os.fstat(fd).st_size)

    monkeypatch.setattr(os, "fdatasync", record)
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    for number in range(5):
        stream.emit("engine", "step", {"number": number})
        await journal.barrier()
        assert synced[-1] == path.stat().st_size
        assert f'"number":{number}' in path.read_text()
    await journal.close()


async def test_without_a_barrier_it_is_synced_in_real_time_though_the_loop_stands_still(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    await journal.barrier()
    done = threading.Event()
    really = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (really(fd), done.set()))
    stream.emit("engine", "step", {"number": 7})
    assert done.wait(5), "nobody wrote it"
    assert '"number":7' in path.read_text()
    await journal.close()


async def test_barriers_do_not_move_the_virtual_clock(path: Path) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    fired: list[float] = []
    asyncio.get_running_loop().call_later(0.001, fired.append, 1.0)
    for _ in range(50):
        stream.emit("engine", "step", {})
        await journal.barrier()
    assert not fired and stream.clock.now().mono_ns == 0
    await journal.close()


@pytest.mark.realtime
async def test_a_slow_disk_does_not_stop_a_real_loop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = EventStream(RealClock())
    journal = Journal.open(path, stream)
    await journal.barrier()
    begun, go_on = threading.Event(), threading.Event()
    really = os.fdatasync

    def slow(fd: int) -> None:
        begun.set()
        assert go_on.wait(5)
        really(fd)

    monkeypatch.setattr(os, "fdatasync", slow)
    stream.emit("engine", "step", {})
    barrier = asyncio.create_task(journal.barrier())
    cancelled = asyncio.create_task(journal.barrier())
    await asyncio.sleep(0)
    assert begun.wait(5)
    for _ in range(20):
        stream.emit("ref", "measurement", {"value": 1.0})
        await asyncio.sleep(0)
    assert not barrier.done()
    cancelled.cancel()
    go_on.set()
    await barrier
    assert path.read_text().count("\n") >= 2
    await journal.close()
    assert len(read_all(path)) == 23


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from bench.clock import RealClock, VirtualClock
from bench.events import EventStream
from bench.journal import Journal
from bench.virtual_time import VirtualLoop

async def main():
    virtual = sys.argv[2] == "virtual"
    stream = EventStream(VirtualClock(asyncio.get_running_loop()) if virtual else RealClock())
    journal = Journal.open(Path(sys.argv[1]), stream)
    for number in range(300):
        stream.emit("engine", "step", {"number": number})
        stream.emit("engine", "verdict", {"number": number})
        await journal.barrier()
    print(journal.records, flush=True)
    stream.emit("engine", "step", {"number": "unfinished"})
    os.kill(os.getpid(), signal.SIGKILL)

with asyncio.Runner(loop_factory=VirtualLoop if sys.argv[2] == "virtual" else None) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_a_killed_run_leaves_every_finished_step(path: Path, clock: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), clock], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    reader = read_journal(path)
    records = list(reader)
    assert len(records) >= int(done.stdout) == 601
    assert reader.seal is None and reader.status == f"unsealed: ends cleanly after record {len(records)}"


async def test_closing_twice_is_closing_once_and_nothing_is_recorded_after(path: Path) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    await journal.close()
    stream.emit("late", "x", {})
    await journal.close()
    journal.abandon()
    assert len(read_all(path)) == 2


# When the disk fails


async def test_a_full_disk_fails_the_barrier_and_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    await journal.barrier()
    really = os.write
    space = [100]

    def write(fd: int, data: bytes) -> int:
        if space[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = really(fd, data[: space[0]])
        space[0] -= count
        return count

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        for number in range(3):
            stream.emit("engine", "step", {"number": number})
            with pytest.raises(StorageError, match="no space left.*Free some space") as caught:
                await journal.barrier()
            assert caught.value.where == str(path)
    with pytest.raises(JournalCutShort, match="cut short in the middle of record 2"):
        read_all(path)
    stream.emit("engine", "step", {"number": 3})
    await journal.barrier()
    await journal.close()
    assert [record.data.get("number") for record in read_all(path)[1:-1]] == [0, 1, 2, 3]


async def test_a_real_limit_on_the_file_is_met_in_the_middle_of_a_record_and_overcome(path: Path) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        for number in range(10):
            stream.emit("engine", "step", {"number": number})
        with pytest.raises(StorageError, match="file too large"):
            await journal.barrier()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.stat().st_size == 1000
    await journal.barrier()
    await journal.close()
    assert len(read_all(path)) == 12


async def test_what_did_not_reach_the_disk_fails_every_later_barrier(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    await journal.barrier()

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        stream.emit("engine", "step", {})
        with pytest.raises(StorageError, match="did not reach the disk: input/output error"):
            await journal.barrier()
    stream.emit("engine", "step", {})
    with pytest.raises(StorageError, match="did not reach the disk"):
        await journal.barrier()
    with pytest.raises(StorageError, match="did not reach the disk"):
        await journal.close()


def remove(path: Path) -> None:
    path.unlink()


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def replace(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def truncate(path: Path) -> None:
    os.truncate(path, 10)


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write("x")


@pytest.mark.parametrize(
    ("meddle", "what"),
    [
        (remove, "was removed, or its folder moved.*/proc/"),
        (move_folder, "was removed, or its folder moved"),
        (replace, "was replaced"),
        (truncate, "somebody else changed the file"),
        (append, "somebody else changed the file"),
    ],
)
async def test_a_journal_meddled_with_fails_the_next_barrier(
    tmp_path: Path, meddle: Callable[[Path], None], what: str
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    stream = virtual_stream()
    journal = Journal.open(folder / "journal.jsonl", stream)
    await journal.barrier()
    meddle(journal.path)
    stream.emit("engine", "step", {})
    with pytest.raises(StorageError, match=what):
        await journal.barrier()
    with pytest.raises(StorageError, match=what):
        await journal.close()


async def test_a_journal_is_never_begun_over_another_or_where_it_cannot_be(path: Path) -> None:
    path.write_text("precious")
    for place, what in ((path, "file exists"), (path / "x", "not a directory"), (path.parent / "no/x", "no such file")):
        with pytest.raises(StorageError, match=what):
            Journal.open(place, virtual_stream())
    assert path.read_text() == "precious"
