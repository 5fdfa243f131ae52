"""Counters on disk: never back, never twice, whoever asks and whatever dies."""

from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import counters
from bench.counters import MAX_VALUE, FileCounters
from bench.durable import StorageError
from bench.errors import BenchError

NAME = "90-B3-D5-1F-30-00-00-02/originator"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "counters"


def reboot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    boot_id = tmp_path / "boot_id"
    boot_id.write_text(name)
    monkeypatch.setattr(counters, "_BOOT_ID", boot_id)


def take(folder: Path, count: int = 1, *, at_least: int = 1, block: int = 1000) -> list[int]:
    with_block = FileCounters(folder, block=block)
    try:
        return [with_block.next(NAME, at_least=at_least) for _ in range(count)]
    finally:
        with_block.close()


def test_counts_from_one_and_goes_on_after_reopening(folder: Path) -> None:
    assert take(folder, 3) == [1, 2, 3]
    assert take(folder, 2) == [4, 5]


def test_counters_are_apart_by_name(folder: Path) -> None:
    both = FileCounters(folder)
    assert [both.next("a"), both.next("a"), both.next("A"), both.next("a/b"), both.next("..")] == [1, 2, 1, 1, 1]
    both.close()
    assert sorted(os.listdir(folder)) == ["...counter", "A.counter", "a%2Fb.counter", "a.counter"]


def test_at_least_lifts_but_never_lowers(folder: Path) -> None:
    assert take(folder, at_least=5000) == [5000]
    assert take(folder, at_least=10) == [5001]
    assert take(folder, at_least=-7) == [5002]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(min_value=0, max_value=60).map(lambda value: ("next", value)),
            st.just(("reopen", 0)),
            st.just(("reboot", 0)),
        ),
        max_size=40,
    )
)
def test_whatever_happens_no_value_comes_back(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("counters")
    seen = [0]
    boots = 0
    counter = FileCounters(folder, block=7)
    for action, value in actions:
        if action == "next":
            seen.append(counter.next(NAME, at_least=value))
            assert seen[-1] > seen[-2] and seen[-1] >= value
            continue
        counter.close()
        counter = FileCounters(folder, block=7)
        if action == "reboot":
            boots += 1
            counter._boot = f"boot {boots}".replace(" ", "-")
    counter.close()


def test_when_the_machine_goes_down_the_rest_of_the_block_is_skipped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reboot(monkeypatch, tmp_path, "first")
    assert take(folder, 3, block=10) == [1, 2, 3]
    reboot(monkeypatch, tmp_path, "second")
    assert take(folder, 2, block=10) == [11, 12]
    assert take(folder, block=10) == [13]


def test_what_is_on_disk_covers_every_value_given_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What a power cut leaves is what was last synced: each value given out must be within its reservation.
    durable: list[bytes] = []
    sync = os.fsync

    def record(fd: int) -> None:
        sync(fd)
        if not os.path.isdir(f"/proc/self/fd/{fd}"):
            durable.append(os.pread(fd, 200, 0))

    monkeypatch.setattr(os, "fsync", record)
    counter = FileCounters(folder, block=10)
    for step in range(95):
        value = counter.next(NAME, at_least=40 if step == 33 else 1)
        assert int(durable[-1].split()[1]) >= value
    counter.close()
    assert len(durable) == 11


def test_a_killed_process_loses_nothing(folder: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from bench.counters import FileCounters\n"
        "c = FileCounters(Path(sys.argv[1]))\n"
        f"for _ in range(1234): v = c.next({NAME!r})\n"
        "print(v, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == -9 and done.stdout == "1234\n", done.stderr
    assert take(folder) == [1235]


def _draw(folder: Path, queue: multiprocessing.Queue[list[int]]) -> None:
    queue.put(take(folder, 500, block=50))


def test_processes_and_threads_share_a_counter_in_one_order(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[list[int]] = context.Queue()
    workers = [context.Process(target=_draw, args=(folder, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    shared, mine = FileCounters(folder, block=50), [[], []]  # type: ignore[var-annotated]
    threads = [
        threading.Thread(target=lambda row=row: row.extend(shared.next(NAME) for _ in range(500))) for row in mine
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared.close()
    rows = [*mine, queue.get(), queue.get()]
    for worker in workers:
        worker.join()
    queue.close()
    queue.join_thread()
    assert all(row == sorted(row) for row in rows)
    assert sorted(value for row in rows for value in row) == list(range(1, 2001))


def test_the_end_of_the_range_is_an_error_and_not_a_wrap(folder: Path) -> None:
    assert take(folder, at_least=MAX_VALUE) == [MAX_VALUE]
    with pytest.raises(BenchError, match="no value left"):
        take(folder)


@pytest.mark.parametrize(
    "text", [b"\0" * 128, b"12", b"12 13", b"13 12 boot\n", b"12 13 boot", b"-1 13 boot\n", b"x" * 300]
)
def test_a_damaged_file_is_refused_and_left_alone(folder: Path, text: bytes) -> None:
    folder.mkdir()
    path = folder / "c.counter"
    path.write_bytes(text)
    counter = FileCounters(folder)
    with pytest.raises(StorageError, match="damaged.*at least as high") as caught:
        counter.next("c")
    counter.close()
    assert caught.value.where == str(path) and path.read_bytes() == text


def test_a_damaged_file_can_be_mended_as_the_message_says(folder: Path) -> None:
    folder.mkdir()
    (folder / "c.counter").write_text("700 700 restored\n")
    counter = FileCounters(folder)
    assert counter.next("c") == 701
    counter.close()


def test_a_file_removed_in_use_is_not_begun_anew(folder: Path) -> None:
    counter = FileCounters(folder)
    counter.next("c")
    (folder / "c.counter").unlink()
    with pytest.raises(StorageError, match="removed"):
        counter.next("c")
    assert not list(folder.iterdir())
    counter.close()
    counter.close()


def test_a_disk_that_refuses_gives_out_no_value(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = FileCounters(folder, block=2)
    assert [counter.next("c"), counter.next("c")] == [1, 2]

    def refuse(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        for _ in range(2):
            with pytest.raises(StorageError, match="did not reach the disk: input/output error"):
                counter.next("c")
    assert counter.next("c") == 3
    counter.close()


def test_a_name_that_no_file_can_have_is_refused(folder: Path) -> None:
    counter = FileCounters(folder)
    for name in ("", "x" * 300):
        with pytest.raises(BenchError, match="cannot be called"):
            counter.next(name)
    counter.close()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        FileCounters(tmp_path / "file" / "counters")


def test_files_are_for_this_user_alone(folder: Path) -> None:
    take(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]
