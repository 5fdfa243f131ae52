"""The emergency stop where no engine can do it: straight to the instruments, by connections of its own."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from bench import stopped
from bench.clock import RealClock
from bench.errors import BenchError
from bench.guard import GuardReport, put_on_record, secure, tell_if_unsafe
from bench.lease import Holder, Lease, holder_of
from bench.rig.load import load_rig
from bench.rig.state import state_of

HELLO_S = 0.5
"""So long an engine may take to answer an emergency stop; then it counts as hung."""


def stop_directly(rig_path: Path, state: Path, who: str, why: str) -> bool:
    """Bring every device of a rig's safe state there at once, as its guard would; whether all of them confirmed it.

    An engine that holds the rig, hung or just starting, loses it: as soon as it can, it aborts and ends. The mark of
    the stop stays until a person parks the rig.

    Args:
        rig_path: the rig file.
        state: the bench's state folder.
        who: who stops it, for the record.
        why: why the engine did not do it.

    Raises:
        UsageError: the rig file is wrong.
        StorageError: the stop cannot be put on record; the devices were made safe, or tried to.
    """
    rig = load_rig(rig_path)
    folder = state_of(rig, state)
    before = _holder(folder)
    report = GuardReport(
        rig.name,
        f"emergency stop by {who}: {why}",
        before.pid if before is not None else 0,
        before.what if before is not None else "",
        RealClock().now().iso,
    )
    asyncio.run(secure(rig, report, folder))
    try:
        stopped.mark(folder, who)
        put_on_record(report, folder)
    finally:
        with contextlib.suppress(BenchError):
            Lease.take(folder, "emergency stop", force=True).release()
        asyncio.run(tell_if_unsafe(rig, report))
    return report.confirmed


def _holder(folder: Path) -> Holder | None:
    """Who holds the rig; None if nobody does, or nobody can tell."""
    try:
        return holder_of(folder)
    except BenchError:
        return None
