"""What the journal records: a chain of events that anyone can check, and one body for one seed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.clock import ClockKind, Instant, RealClock
from bench.durable import StorageError
from bench.events import EventStream
from bench.journal import Journal
from bench.journal_reader import read_journal
from bench.virtual_time import VirtualLoop
from tests.journals import read_all, virtual_stream


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


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


async def test_closing_twice_is_closing_once_and_nothing_is_recorded_after(path: Path) -> None:
    stream = virtual_stream()
    journal = Journal.open(path, stream)
    await journal.close()
    stream.emit("late", "x", {})
    await journal.close()
    journal.abandon()
    assert len(read_all(path)) == 2


async def test_a_journal_is_never_begun_over_another_or_where_it_cannot_be(path: Path) -> None:
    path.write_text("precious")
    for place, what in ((path, "file exists"), (path / "x", "not a directory"), (path.parent / "no/x", "no such file")):
        with pytest.raises(StorageError, match=what):
            Journal.open(place, virtual_stream())
    assert path.read_text() == "precious"
