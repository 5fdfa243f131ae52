"""One attempt at a planned run: in this process, or by the engine that serves the rig."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.campaign.plan import Case
from bench.campaign.state import AttemptResult
from bench.clock import Clock
from bench.errors import BenchError, DeviceLost, UnsafeError, UsageError
from bench.evidence.keys import BenchKey
from bench.evidence.verify import verify
from bench.holding import PATIENCE_S, held, patiently_open, until_quiet
from bench.lease import HeldElsewhere, holder_of
from bench.one_run import RigRunner
from bench.report.run import RunReport, read_run
from bench.rig.file import Rig
from bench.rig.session import open_rig
from bench.rig.state import folder_of
from bench.service.address import socket_path
from bench.service.client import EngineClient, NoEngineError, connected
from bench.terminal import Silent
from bench.verdict import Verdict

_TOO_LONG = 3.0
_MARGIN_S = 3600.0
"""A run that takes so many times, and so much, longer than its plan says at most is aborted: no night hangs."""

_RIG_S, _LOOK_S = 600.0, 2.0
"""How long to wait for somebody who uses the rig, and how often to look, in seconds."""

_RIG = ("",)
"""Lost: the rig as a whole."""


class Nobody:
    """At night nobody answers a runbook's questions."""

    async def ask(self, text: str, choices: Sequence[str]) -> str:
        """Refuse.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"the runbook asks {text!r}, and in a campaign nobody answers")


@dataclass(slots=True)
class Surroundings:
    """What attempts need.

    Attributes:
        runs: folder for the evidence of runs in this process.
        state: the bench's state folder.
        say: told what is done to a rig besides running.
        active: runs that go on in this process, to be aborted when the campaign is.
    """

    campaign: str
    runs: Path
    state: Path
    key: BenchKey
    clock: Clock
    say: Callable[[str], None]
    active: list[RigRunner] = field(default_factory=list)


async def engine_of(rig: Rig, state: Path) -> str:
    """What the engine that serves a rig says of itself, or nothing if none does."""
    try:
        async with connected(socket_path(folder_of(rig, state))) as client:
            return f"process {client.hello['pid']}, {client.hello['state']}"
    except BenchError:
        return ""


async def in_this_process(
    around: Surroundings, rig: Rig, case: Case, attempt: int, out: Collection[str]
) -> AttemptResult:
    """Bring the rig up, run, take it down.

    Args:
        around: the campaign's surroundings.
        rig: which.
        case: what to run; it can run.
        attempt: its number.
        out: devices in quarantine, which are not even connected to.
    """
    assert case.loaded is not None and case.plan is not None
    runs: RigRunner | None = None
    lost_rig: list[str] = []

    def on_lost(why: str) -> None:
        lost_rig.append(why)
        if runs is not None and runs.engine is not None:
            runs.engine.abort(why)

    only = [name for name in rig.file.devices if name not in out] if out else None
    opened = partial(open_rig, rig, around.clock, seed=case.seed, faults=case.faults, state=around.state, only=only)
    try:
        await _given_back(rig, around)
        async with (
            held(rig, around.state, f"campaign {around.campaign}", on_lost=on_lost, say=around.say) as hold,
            # A device that is silent for a moment is not lost for the night.
            patiently_open(opened, 0.0 if rig.emulated else PATIENCE_S, around.say) as session,
        ):
            await until_quiet(hold, session, around.say)
            runs = RigRunner(session, around.runs, around.key, seed=case.seed, faults=case.faults)
            around.active.append(runs)
            limit = asyncio.get_running_loop().call_later(
                case.plan.longest_s * _TOO_LONG + _MARGIN_S, on_lost, "it took far longer than planned"
            )
            try:
                hold.shares.begun()
                finished = await runs.run(case.loaded, case.plan, Nobody(), Silent())
                if finished.result.parked:
                    hold.shares.parked()
            finally:
                limit.cancel()
                around.active.remove(runs)
    except HeldElsewhere as error:
        return AttemptResult(attempt, Verdict.BLOCKED.value, _line(error))
    except DeviceLost as error:
        return AttemptResult(attempt, reason=_line(error), lost=error.devices or _RIG)
    except UsageError as error:
        # An emergency stop stands, or the files are wrong: so they will be for the next run. But a fault of an
        # emulated world is of this run alone.
        return AttemptResult(attempt, Verdict.BLOCKED.value, _line(error), lost=() if rig.emulated else _RIG)
    except UnsafeError as error:
        return AttemptResult(attempt, reason=_line(error), safe=False, parked=False, lost=_RIG)
    except BenchError as error:
        # The disk, a file, the emulated world: nothing of it says that the rig is lost.
        return AttemptResult(attempt, reason=_line(error))
    result = await asyncio.to_thread(
        _from_evidence, attempt, finished.bundle, (around.key.fingerprint,), finished.result.parked or rig.emulated
    )
    if lost_rig:
        result.lost, result.reason = _RIG, f"{result.reason or result.verdict}; {lost_rig[0]}"
    return result


async def _given_back(rig: Rig, around: Surroundings) -> None:
    """Wait a while for somebody who uses the rig; whoever is still there then is an error of `held`."""
    if rig.emulated:
        return
    until_s = asyncio.get_running_loop().time() + _RIG_S
    told = False
    while asyncio.get_running_loop().time() < until_s:
        holder = holder_of(folder_of(rig, around.state))
        if holder is None or holder.expired:
            return
        if not told:
            told = True
            around.say(f"      waits for {rig.name}, held by {holder}")
        await asyncio.sleep(_LOOK_S)


async def by_engine(
    around: Surroundings,
    rig: Rig,
    case: Case,
    attempt: int,
    note_job: Callable[[int, int], Awaitable[None]],
    known: tuple[int, int] | None = None,
) -> AttemptResult | None:
    """Let the engine that serves a rig run it, and wait for the end.

    Args:
        around: the campaign's surroundings.
        rig: which.
        case: what to run; it can run.
        attempt: its number.
        note_job: told of the engine's process and its number for the run, before the wait.
        known: these two of a run that an earlier sitting gave the engine.

    Returns:
        how it ended; None if no engine serves the rig, or it does not know the run of an earlier sitting.
    """
    try:
        async with connected(socket_path(folder_of(rig, around.state)), who=f"campaign {around.campaign}") as client:
            return await _job(around, client, case, attempt, note_job, known)
    except NoEngineError:
        return None
    except DeviceLost as error:
        return AttemptResult(attempt, reason=_line(error), parked=False, lost=_RIG)
    except UsageError as error:
        # It refuses: an emergency stop, an unparked rig, another version.
        return AttemptResult(attempt, Verdict.BLOCKED.value, _line(error), parked=False, lost=_RIG)


async def _job(
    around: Surroundings,
    client: EngineClient,
    case: Case,
    attempt: int,
    note_job: Callable[[int, int], Awaitable[None]],
    known: tuple[int, int] | None,
) -> AttemptResult | None:
    assert case.loaded is not None and case.plan is not None
    await client.call("subscribe")
    if known is None:
        path = str(case.loaded.documents[0].path.absolute())
        job = int((await client.call("run", runbooks=[path]))["jobs"][0])
        await note_job(int(client.hello["pid"]), job)
        done = None
    else:
        pid, job = known
        status = await client.call("status")
        running = [status["run"], *status["waiting"]]
        done = next((each for each in status["done"] if each["job"] == job), None)
        if status["pid"] != pid or (done is None and job not in [each["job"] for each in running if each]):
            return None
    if done is None:
        done = await _end_of(client, job, case.plan.longest_s * _TOO_LONG + _MARGIN_S)
    state = (await client.call("status"))["state"]
    if done.get("error"):
        return AttemptResult(attempt, reason=str(done["error"]), safe=state != "unsafe", parked=False, lost=_RIG)
    parked = state not in ("safe", "unsafe")
    return await asyncio.to_thread(_from_evidence, attempt, Path(str(done["bundle"])), (), parked)


async def _end_of(client: EngineClient, job: int, within_s: float) -> dict[str, Any]:
    """Wait for the end of a run; one that takes too long is aborted, but not one that a person holds."""
    while True:
        try:
            async with asyncio.timeout(within_s):
                while (message := await client.messages.get()) is not None:
                    if message["type"] == "job" and message["state"] == "end" and message["job"] == job:
                        return message
            raise DeviceLost("the engine has gone")
        except TimeoutError:
            run = (await client.call("status"))["run"]
            if run is not None and run["job"] == job and not run["paused"]:
                await client.call("abort")
            within_s = _MARGIN_S


def _from_evidence(attempt: int, bundle: Path, trusted: Collection[str], parked: bool) -> AttemptResult:
    """What a run's evidence says of it; without good evidence there is no pass."""
    evidence = verify(bundle, trusted)
    try:
        report = read_run(bundle)
    except UsageError as error:
        return AttemptResult(
            attempt, reason=_line(error), bundle=str(bundle.absolute()), evidence=evidence.level.value, parked=parked
        )
    result = AttemptResult(
        attempt,
        report.verdict,
        report.reason,
        report.safe,
        parked,
        report.duration_s,
        str(bundle.absolute()),
        report.body_hash,
        evidence.level.value,
        tuple(report.findings),
        tuple(report.covered),
        _latencies(report),
        tuple(report.lost),
    )
    if evidence.problem:
        result.verdict = Verdict.UNDECIDED.value
        result.reason = f"its evidence is not good: {evidence.problem}"
        result.covered = ()
    return result


def _line(error: BenchError) -> str:
    """An error on one line, for records that have one line for it."""
    return " ".join(str(error).split())


def _latencies(report: RunReport) -> tuple[tuple[str, float, float], ...]:
    return tuple(
        (f"{step.name}: {each.what}", each.after_s, each.uncertainty_s)
        for step in report.steps
        if step.group == "step" and not step.kept
        for each in step.latencies
    )
