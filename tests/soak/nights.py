"""A night on the emulated rig with faults that come by chance: a run every ten minutes, and what became of each."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.clock import VirtualClock
from bench.evidence.verify import verify
from bench.one_run import RigRunner
from bench.planner import Plan
from bench.rig.file import Rig
from bench.rig.session import RigSession, open_rig
from bench.runbook import Runbook
from bench.runner import bench_key, prepare
from bench.safety import reach
from bench.terminal import Silent, TerminalOperator
from bench.verdict import Verdict, gravest
from drivers.emulated.fault_schedule import FaultScheduleSpec, draw
from drivers.emulated.faults import Fault
from drivers.emulated.spec import EmulationSpec
from tests.emulated.benches import RIG
from tests.soak.implied import PARKED_BEFORE_S, Windows, arm_windows, implied, outage_windows

ROOT = Path(__file__).parents[2]
SLOT_S = 600.0
FIRST_S = 190.0
HOURS = 8
RUNBOOKS = ("supply-outage-short", "arm-supply")
_APART_S = 10.0
_PREFERRED = 1 / 3
_PARK_AGAIN_S = 10.0
_LAST_PARK_S = 70.0

LINES = [
    f"{device}-{how}"
    for device in ("source", "relay", "meter")
    for how in (
        "silent",
        "slow",
        "garbled",
        "half",
        "stuck",
        "vanishes",
        "disconnects",
        "reboots",
    )
]
LONG = FaultScheduleSpec.model_validate(
    {
        "faults": [
            *LINES,
            *("meter-stale", "meter-wrong-unit", "source-ignores", "relay-ignores", "meter-reboot@0s"),
            *(
                "broker-restart",
                "console-unplugged",
                "sniffer-unplugged",
                "sniffer-garbled",
                "device-clock-drifts:200ppm",
            ),
            *("mains-sag", "mains-brown-out", "mains-flicker:225 V", "mains-frequency-drift"),
            *("dcc-silent", "dcc-away", "dcc-slow", "dcc-rejects", "dcc-late", "dcc-out-of-order", "dcc-duplicate"),
            *("dcc-storm", "alert-storm", "alert-never"),
        ],
        "every": "40 s",
        "shortest": "10 s",
        "longest": "90 s",
        "until": f"{HOURS} h",
    }
)
SHORT = FaultScheduleSpec.model_validate(
    {
        "faults": [
            *(f"{device}-{how}" for device in ("source", "relay") for how in ("silent", "garbled", "half", "vanishes")),
            *("meter-silent", "meter-garbled", "meter-half", "meter-vanishes", "mains-sag", "dcc-silent", "dcc-away"),
        ],
        "every": "5 min",
        "shortest": "200 ms",
        "longest": "900 ms",
        "until": f"{HOURS} h",
    }
)


@dataclass(frozen=True)
class Footprint:
    """What the process holds after a run."""

    resident_bytes: int
    files: int
    tasks: int


@dataclass(frozen=True)
class Slot:
    """One run of a night.

    Attributes:
        runbook: its name.
        began_s: seconds after the start of the world.
        wanted: the verdict that the schedule implies.
        found: the verdict of the run.
        reason: its reason.
        faults: those that could matter.
        journal_bytes: the size of its journal.
    """

    runbook: str
    began_s: float
    wanted: Verdict
    found: Verdict
    reason: str
    faults: Sequence[str]
    journal_bytes: int
    footprint: Footprint
    body_hash: str


def prepared() -> tuple[Rig, list[tuple[Runbook, Plan]]]:
    """The rig, and the two runbooks of a night."""
    return prepare(RIG, [str(ROOT / "runbooks" / f"{name}.yaml") for name in RUNBOOKS])


def moments() -> list[float]:
    """When the runs of a night begin, in seconds after the start of the world."""
    return [FIRST_S + SLOT_S * number for number in range(round(HOURS * 3600 / SLOT_S))]


def night_windows(rig: Rig, planned: Sequence[tuple[Runbook, Plan]]) -> list[Windows]:
    """The windows of the runs, which alternate."""
    world = EmulationSpec.model_validate(rig.file.emulation).world
    outage = outage_windows(planned[0][0], world, rig.file.drain)
    arm = arm_windows(planned[1][0], world, rig.file.drain)
    return [(outage, arm)[number % 2] for number in range(len(moments()))]


def schedule(seed: int, windows: Sequence[Windows]) -> list[Fault]:
    """What a seed draws, without what leaves the verdict of a run open.

    Left out are faults at whose edges both answers would be right, those that are not ten seconds away from others, and
    all long ones of a run but one: what several do together is for no table to say.
    """
    long, short = draw(LONG, seed), draw(SHORT, seed)
    kept: list[Fault] = []
    taken: set[int] = set()
    chance = random.Random(seed)
    drawn = chance.sample((*long, *short), len(long) + len(short))
    # Most faults hit nothing: of those that change a verdict a third gets the first choice.
    drawn.sort(key=lambda each: chance.random() > _PREFERRED or _is_harmless(each, windows))
    for fault in drawn:
        if any(_are_close(fault, other) for other in kept):
            continue
        if any(implied(fault, began_s, each) is None for began_s, each in zip(moments(), windows, strict=True)):
            continue
        if fault in long:
            touched = {
                number
                for number, (began_s, each) in enumerate(zip(moments(), windows, strict=True))
                if fault.begins_s < began_s + each.ends + 5.0 and _ends_s(fault) > began_s - PARKED_BEFORE_S
            }
            if touched & taken:
                continue
            taken |= touched
        kept.append(fault)
    return sorted(kept, key=lambda fault: fault.begins_s)


def _is_harmless(fault: Fault, windows: Sequence[Windows]) -> bool:
    runs = zip(moments(), windows, strict=True)
    return all(implied(fault, began_s, each) in (Verdict.PASSED, None) for began_s, each in runs)


def _are_close(one: Fault, other: Fault) -> bool:
    return one.begins_s < _ends_s(other) + _APART_S and other.begins_s < _ends_s(one) + _APART_S


def _ends_s(fault: Fault) -> float:
    return max(fault.ends_s, fault.begins_s + 5.0)


async def night(seed: int, folder: Path) -> list[Slot]:
    """Run one; evidence is verified and thrown away."""
    rig, planned = prepared()
    windows = night_windows(rig, planned)
    faults = schedule(seed, windows)
    loop = asyncio.get_running_loop()
    began_s, slots = loop.time(), list[Slot]()
    texts = [str(fault) for fault in faults]
    record = folder / "world.jsonl"
    async with open_rig(rig, VirtualClock(loop), seed=seed, faults=texts, world_record=record) as session:
        key = bench_key(folder / "state")
        runs = RigRunner(session, folder / "evidence", key, seed=seed, faults=texts)
        for number, (moment_s, its) in enumerate(zip(moments(), windows, strict=True)):
            await _parked_in_time(session, began_s + moment_s)
            runbook, plan = planned[number % 2]
            finished = await runs.run(runbook, plan, TerminalOperator(), Silent())
            report = verify(finished.bundle, (key.fingerprint,))
            assert not report.problem, report.problem
            wanted = gravest(verdict for fault in faults if (verdict := implied(fault, moment_s, its)) is not None)
            near = [str(each) for each in faults if moment_s - 200 < _ends_s(each) and each.begins_s < moment_s + 300]
            journal = finished.bundle / "journal.jsonl"
            slots.append(
                Slot(
                    runbook.name,
                    moment_s,
                    wanted,
                    finished.result.verdict,
                    finished.result.reason,
                    near,
                    journal.stat().st_size,
                    _footprint(),
                    finished.body_hash,
                )
            )
            for path in sorted(finished.bundle.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            finished.bundle.rmdir()
    return slots


async def _parked_in_time(session: RigSession, moment_s: float) -> None:
    """Park the rig three minutes before a run, again while that is not confirmed; then wait for the moment."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(moment_s - PARKED_BEFORE_S - loop.time())
    while await reach(session, "park", session.rig.file.park):
        if loop.time() > moment_s - _LAST_PARK_S:
            break
        await asyncio.sleep(_PARK_AGAIN_S)
    await asyncio.sleep(moment_s - loop.time())


def _footprint() -> Footprint:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    files = len(os.listdir("/proc/self/fd"))
    # Each fault of a wire that is still to come has a task of its own.
    tasks = [task for task in asyncio.all_tasks() if not task.get_name().startswith("fault ")]
    return Footprint(pages * os.sysconf("SC_PAGE_SIZE"), files, len(tasks))
