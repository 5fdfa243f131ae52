"""The journal as it is read back: nobody can change, shorten or mix it up unseen."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from bench.clock import VirtualClock
from bench.events import EventStream
from bench.journal import FIRST_PREV, Journal, JournalCutShort, JournalError
from bench.journal_reader import read_journal
from bench.virtual_time import VirtualLoop


async def write_small(path: Path) -> None:
    stream = EventStream(VirtualClock(asyncio.get_running_loop()))
    journal = Journal.open(path, stream, run="r1")
    stream.emit("engine", "run", {"state": "start"})
    stream.emit("hub", "seen.hub", {"wan": True, "note": "übel"}, volatile={"port": 1234})
    stream.emit("ref", "measurement", {"quantity": "voltage", "value": 230.1, "unit": "V"})
    stream.emit("engine", "run", {"state": "end", "verdict": "passed"})
    await journal.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A sealed journal of six records."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(write_small(path))
    return path.read_bytes()


def read_all(path: Path) -> list[Any]:
    return list(read_journal(path))


EACH = pytest.param(1, marks=pytest.mark.soak)
"""Every single place, which takes long; `make test` looks at some of them."""


@pytest.mark.parametrize("stride", [7, EACH])
def test_any_byte_changed_before_the_last_line_is_found(small: bytes, tmp_path: Path, stride: int) -> None:
    good = small
    last_line = good.rindex(b"\n", 0, -1) + 1
    bad = tmp_path / "bad.jsonl"
    for offset in range(0, last_line, stride):
        for other in {good[offset] ^ 1, good[offset] ^ 0x20, 0x0A} - {good[offset]}:
            bad.write_bytes(good[:offset] + bytes([other]) + good[offset + 1 :])
            with pytest.raises(JournalError) as caught:
                read_all(bad)
            line = good.count(b"\n", 0, offset) + 1
            assert caught.value.where in (f"bad.jsonl line {line}", f"bad.jsonl line {line + 1}")
            assert caught.value.good in (line - 1, line)


@pytest.mark.parametrize("stride", [3, EACH])
def test_a_cut_anywhere_is_found_or_the_journal_says_that_it_is_unsealed(
    small: bytes, tmp_path: Path, stride: int
) -> None:
    good = small
    bad = tmp_path / "bad.jsonl"
    for length in range(0, len(good), stride):
        bad.write_bytes(good[:length])
        whole = good.count(b"\n", 0, length)
        if length == 0:
            with pytest.raises(JournalError, match="empty"):
                read_all(bad)
        elif good[length - 1 : length] == b"\n":
            reader = read_journal(bad)
            assert len(list(reader)) == whole
            assert reader.seal is None and reader.status == f"unsealed: ends cleanly after record {whole}"
        else:
            with pytest.raises(JournalCutShort, match=f"line {whole + 1}: .*middle of record {whole + 1}") as caught:
                read_all(bad)
            assert caught.value.good == whole


def test_what_happened_to_the_lines_is_said(small: bytes, tmp_path: Path) -> None:
    one, two, three, four, five, six = small.splitlines(keepends=True)
    forged = three.replace(b'"wan":true', b'"wan":null')
    cases = {
        "line 3: record 3 is missing: removed": [one, two, four, five, six],
        "line 2: records 2 to 4 are missing: removed": [one, five, six],
        "line 1: record 2 stands where record 1 belongs: the order": [two, one, three],
        "line 3: record 4 stands where record 3 belongs: the order": [one, two, four, three, five, six],
        "line 4: record 3 is there a second time.*inserted": [one, two, three, three, four, five, six],
        "line 4: record 3 is there a second time": [one, two, forged, three, four, five, six],
        "line 4: record 4 does not follow from record 3: one of them was changed": [one, two, forged, four, five, six],
        "line 7: something follows the seal": [one, two, three, four, five, six, six],
        "line 1: record 2 stands where record 1 belongs|line 1: record 1 is missing": [two, three],
        "line 2: .*not canonical": [one, b"\n", two],
        "line 2: .*does not have the fields": [one, b"{}\n", two],
        "line 2: .*wrong type": [one, two.replace(b'"seq":2', b'"seq":"2"')],
        "line 2: .*seq. of the record has": [one, two.replace(b'"seq":2', b'"seq":true')],
        "line 2: .*not real or virtual": [one, two.replace(b'"virtual"', b'"ideal"')],
        "line 2: .*one kind of clock": [one, two.replace(b'"virtual"', b'"real"')],
        "line 1: .*not a journal of the format": [one.replace(b"journal/1", b"journal/2")],
        "line 1: .*names one before it": [one.replace(FIRST_PREV.encode(), b"1" * 64)],
        'line 6: the seal\'s "kinds"': [one, two, three, four, five, six.replace(b'"run":2', b'"run":3')],
        'line 6: the seal\'s "records"': [one, two, three, four, five, six.replace(b'"records":5', b'"records":4')],
    }
    for what, lines in cases.items():
        bad = tmp_path / "bad.jsonl"
        bad.write_bytes(b"".join(lines))
        with pytest.raises(JournalError, match=what):
            read_all(bad)


def test_good_records_come_before_the_error(small: bytes, tmp_path: Path) -> None:
    lines = small.splitlines(keepends=True)
    path = tmp_path / "killed.jsonl"
    path.write_bytes(b"".join(lines[:4]) + lines[4][:20])
    reader = iter(read_journal(path))
    assert [record.seq for record in itertools.islice(reader, 4)] == [1, 2, 3, 4]
    with pytest.raises(JournalCutShort):
        next(reader)


def test_a_journal_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be read: No such file"):
        read_all(tmp_path / "journal.jsonl")
