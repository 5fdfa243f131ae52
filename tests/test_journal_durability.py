"""When the journal is on disk, and what becomes of it when the disk is slow, full or meddled with."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.clock import RealClock
from bench.durable import StorageError
from bench.events import EventStream
from bench.journal import Journal, JournalCutShort
from bench.journal_reader import read_journal
from tests.journals import read_all, virtual_stream


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


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
