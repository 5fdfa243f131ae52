"""A rig has one holder, also across processes that die and machines that start anew."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench import holding
from bench.clock import RealClock
from bench.errors import BenchError, DeviceLost, UnsafeError
from bench.lease import EXPIRES_S, HeldElsewhere, Holder, Lease, holder_of
from bench.rig.load import load_rig
from bench.rig.state import state_of
from tests.drivers.addresses import dead_pid
from tests.emulated.benches import RIG


def written(folder: Path, **changes: object) -> Holder:
    """A lease on disk as this process took it, but for some changes."""
    Lease.take(folder, "serve", force=True)
    found = holder_of(folder)
    assert found is not None
    changed = replace(found, **changes)  # type: ignore[arg-type]
    (folder / "lease.json").write_text(json.dumps(asdict(changed)))
    return changed


def test_a_held_rig_is_refused_and_says_who_has_it(tmp_path: Path) -> None:
    lease = Lease.take(tmp_path, "run ic02")
    assert lease.abandoned is None
    with pytest.raises(HeldElsewhere, match="run ic02"):
        Lease.take(tmp_path, "serve")
    lease.release()
    assert holder_of(tmp_path) is None
    assert Lease.take(tmp_path, "serve").abandoned is None


def test_a_rig_that_was_never_given_back_has_to_be_made_safe(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    gone = written(tmp_path, pid=process.pid)
    assert gone.expired
    assert Lease.take(tmp_path, "serve").abandoned == gone


@pytest.mark.parametrize(
    "changes",
    [
        {"boot": "another boot"},
        {"beat_mono_ns": RealClock().now().mono_ns - int((EXPIRES_S + 1) * 1e9)},
    ],
)
def test_a_lease_of_an_earlier_boot_or_without_a_heartbeat_has_expired(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    left = written(tmp_path, **changes)
    assert left.expired
    assert Lease.take(tmp_path, "run").abandoned == left


def test_a_stepped_wall_clock_ends_no_lease(tmp_path: Path) -> None:
    assert not written(tmp_path, taken_utc_ns=0).expired
    with pytest.raises(HeldElsewhere):
        Lease.take(tmp_path, "run")


async def test_who_loses_a_rig_is_told_once_and_does_not_give_back_what_is_not_his(tmp_path: Path) -> None:
    told: list[str] = []
    first = Lease.take(tmp_path, "run")
    async with first.kept(told.append):
        await asyncio.sleep(3.5)
        assert told == []
        second = Lease.take(tmp_path, "take over", force=True)
        assert second.abandoned is not None
        await asyncio.sleep(3.5)
    assert told == ["somebody else took the rig"]
    holder = holder_of(tmp_path)
    assert holder is not None
    assert holder.what == "take over"


async def test_a_disk_that_takes_no_heartbeat_ends_the_hold(tmp_path: Path) -> None:
    told: list[str] = []
    lease = Lease.take(tmp_path, "run")
    async with lease.kept(told.append):
        (tmp_path / "lease.json").unlink()
        (tmp_path / "lease.json").mkdir()
        await asyncio.sleep(1.5)
    assert len(told) == 1
    assert "the lease of the rig cannot be kept" in told[0]


def test_a_damaged_lease_gives_nothing_away(tmp_path: Path) -> None:
    (tmp_path / "lease.json").write_text("{")
    with pytest.raises(BenchError, match="cannot be read"):
        Lease.take(tmp_path, "run")


def test_a_lease_of_which_a_power_failure_left_nothing_is_one_that_was_never_given_back(tmp_path: Path) -> None:
    (tmp_path / "lease.json").touch()
    lease = Lease.take(tmp_path, "run")
    assert lease.abandoned is not None
    assert lease.abandoned.expired
    assert "before the last start of the machine" in str(lease.abandoned)


async def test_a_rig_that_did_not_become_safe_is_made_safe_by_the_next_who_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = load_rig(RIG)
    rig = replace(rig, file=rig.file.model_copy(update={"emulation": None}))
    folder = state_of(rig, tmp_path)
    written(folder, pid=dead_pid())
    outcomes: list[Exception | None] = [UnsafeError("the relay did not open"), DeviceLost("no relay"), None]

    @asynccontextmanager
    async def guarded(*_: object) -> AsyncIterator[None]:
        yield

    async def recover(*_: object) -> None:
        if (error := outcomes.pop(0)) is not None:
            raise error

    monkeypatch.setattr(holding, "guarded", guarded)
    monkeypatch.setattr(holding, "recover", recover)

    async def hold() -> bool:
        async with holding.held(rig, tmp_path, "run", on_lost=lambda _: None, say=lambda _: None) as hold:
            return hold.was_off

    for error in (UnsafeError, DeviceLost):
        with pytest.raises(error):
            await hold()
        holder = holder_of(folder)
        assert holder is not None
        # Its process goes on only in this test.
        written(folder, pid=dead_pid())
    assert await hold()
    assert holder_of(folder) is None
    assert not await hold()
    assert not outcomes
