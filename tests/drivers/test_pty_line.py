"""The emulated serial line: round trips, faults of the cable, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from serialx import open_serial_connection

from drivers.emulated.pty_line import PtyLine


def target(link: Path) -> str:
    return os.readlink(link)


Bench = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def opened(line: PtyLine) -> AsyncIterator[Bench]:
    reader, writer = await open_serial_connection(str(line.link), baudrate=115_200)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def echoing(link: Path) -> AsyncIterator[tuple[PtyLine, list[str]]]:
    heard: list[str] = []

    def on_line(text: str) -> None:
        heard.append(text)
        line.send(f"<{text}>\r\n".encode())

    line = PtyLine(link, on_line, Random(1))
    line.plug()
    try:
        yield line, heard
    finally:
        line.close()


async def answer(bench: Bench, text: str) -> str:
    bench[1].write(text.encode() + b"\r\n")
    async with asyncio.timeout(1):
        return (await bench[0].readline()).decode().strip()


async def test_lines_go_both_ways_and_take_no_time(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with echoing(tmp_path / "line") as (line, heard), opened(line) as bench:
        begun = loop.time()
        for number in range(50):
            assert await answer(bench, f"line {number}") == f"<line {number}>"
        assert loop.time() == begun
        assert heard == [f"line {number}" for number in range(50)]
        assert line.name.startswith("/dev/pts/") and target(line.link) == line.name


async def test_every_line_end_counts_once(tmp_path: Path) -> None:
    async with echoing(tmp_path / "line") as (line, heard), opened(line) as (reader, writer):
        writer.write(b"a\rb\nc\r\n\r\nd\n\ne" + b"\n")
        for _ in range(7):
            await reader.readline()
        assert heard == ["a", "b", "c", "", "d", "", "e"]


async def test_burst_larger_than_the_terminal_arrives_whole_without_blocking(tmp_path: Path) -> None:
    async with echoing(tmp_path / "line") as (line, _), opened(line) as (reader, _writer):
        sent = b"".join(b"%06d\n" % number for number in range(4000))
        for at in range(0, len(sent), 7):
            line.send(sent[at : at + 7])
        assert await reader.readexactly(len(sent)) == sent
        assert line.lost == 0


async def test_what_nobody_reads_is_bounded_and_lost_whole(tmp_path: Path) -> None:
    async with echoing(tmp_path / "line") as (line, _):
        for number in range(4000):
            line.send(b"%099d\n" % number)
        lost = line.lost
        assert 0 < lost < 4000
        async with opened(line) as (reader, _writer):
            # Opening throws away what the terminal held, as opening a port does, perhaps within a line.
            await reader.readline()
            numbers = [int(await reader.readline())]
            while numbers[-1] != 3999 - lost:
                numbers.append(int(await reader.readline()))
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) and len(numbers) > 100


async def test_drop_and_garble_hit_whole_units(tmp_path: Path) -> None:
    async with echoing(tmp_path / "line") as (line, _), opened(line) as (reader, _writer):
        line.drop_next()
        line.garble_next()
        for text in (b"first\n", b"second\n", b"third\n"):
            line.send(text)
        damaged = await reader.readline()
        assert damaged.endswith(b"\n") and len(damaged) == 7 and damaged != b"second\n" and max(damaged) > 0x7F
        assert await reader.readline() == b"third\n"
        assert line.lost == 1


async def test_delay_keeps_order(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with echoing(tmp_path / "line") as (line, _), opened(line) as (reader, _writer):
        begun = loop.time()
        line.delay_s = 2.0
        line.send(b"slow\n")
        line.delay_s = 0.0
        line.send(b"after\n")
        assert await reader.readline() == b"slow\n"
        assert await reader.readline() == b"after\n"
        assert loop.time() - begun == pytest.approx(2.0)


async def test_silence_hears_and_says_nothing(tmp_path: Path) -> None:
    async with echoing(tmp_path / "line") as (line, heard), opened(line) as bench:
        line.silent = True
        with pytest.raises(TimeoutError):
            await answer(bench, "hello")
        line.silent = False
        assert await answer(bench, "again") == "<again>"
        assert heard == ["again"]


async def test_unplugging_is_an_error_and_replugging_a_new_pty_at_the_same_path(
    tmp_path: Path,
) -> None:
    async with echoing(tmp_path / "line") as (line, _):
        async with opened(line) as (reader, _writer):
            line.delay_s = 5.0
            line.send(b"never arrives\n")
            line.unplug()
            assert not line.plugged and line.name == "" and not line.link.is_symlink()
            with pytest.raises(OSError):
                assert await reader.read(1) == b""
                raise OSError("end of file")
            line.send(b"lost\n")
            assert line.lost == 1
        with pytest.raises(OSError):
            await open_serial_connection(str(line.link), baudrate=115_200)
        line.delay_s = 0.0
        line.plug()
        async with opened(line) as bench:
            assert await answer(bench, "back") == "<back>"


async def test_callback_may_pull_the_plug(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "line", lambda _text: line.unplug(), Random(1))
    line.plug()
    async with opened(line) as (reader, writer):
        writer.write(b"one\ntwo\n")
        with suppress(OSError):
            assert await reader.read(1) == b""
    assert not line.plugged


async def test_directory_is_private_and_the_link_replaces_a_stale_one(tmp_path: Path) -> None:
    link = tmp_path / "private" / "line"
    line = PtyLine(link, lambda _text: None, Random(1))
    line.plug()
    assert link.parent.stat().st_mode & 0o077 == 0
    line.plug()
    name = line.name
    line.close()
    line.close()
    link.symlink_to("/dev/pts/no-such")
    line.plug()
    assert target(link) == line.name
    line.close()
    assert name.startswith("/dev/pts/") and list(link.parent.iterdir()) == []


@pytest.mark.realtime
async def test_round_trip_on_an_ordinary_loop(tmp_path: Path) -> None:
    async with echoing(tmp_path / "line") as (line, _), opened(line) as bench:
        assert await answer(bench, "real") == "<real>"
