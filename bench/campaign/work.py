"""A campaign from its plan to the morning: the night itself, its summary, whom to tell, what to tidy up."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.campaign.attempt import Surroundings, engine_of
from bench.campaign.differences import compare, night_before
from bench.campaign.file import Campaign
from bench.campaign.night import Night
from bench.campaign.notices import finished, tell_all
from bench.campaign.pages import text_lines, write_all
from bench.campaign.plan import CampaignPlan, plan_campaign
from bench.campaign.record import (
    RUNS,
    Earlier,
    NightLock,
    NightRecord,
    last_night,
    new_night,
)
from bench.campaign.retention import room, tidy
from bench.campaign.state import NightState
from bench.campaign.summary import SUMMARY, Summary, load_summary, summarise
from bench.clock import VIRTUAL_EPOCH_UTC_NS, Clock, ClockKind, RealClock, VirtualClock
from bench.errors import UsageError
from bench.runner import bench_key
from bench.virtual_time import VirtualLoop, check_poll_readiness


@dataclass(frozen=True, slots=True)
class CampaignOptions:
    """How to run a campaign.

    Attributes:
        out: folder in which each night gets a folder.
        state: the bench's state folder.
        realtime: do not use virtual time, though every rig is emulated.
        speed: virtual seconds a second, for people to watch; None for as fast as it goes.
        virtual_from: UTC at which virtual time begins, to rehearse a certain night.
        say: told what happens, a line each time.
    """

    out: Path
    state: Path
    realtime: bool = False
    speed: float | None = None
    virtual_from: datetime | None = None
    say: Callable[[str], None] = lambda _text: None


def plan_now(campaign: Campaign, state: Path) -> CampaignPlan:
    """Plan a campaign, knowing which rigs an engine serves at this moment.

    Raises:
        UsageError: it comes to too many runs.
    """

    async def ask() -> dict[str, str]:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(engine_of(rig, state)) for name, rig in campaign.rigs.items()}
        return {name: said for name, task in tasks.items() if (said := task.result())}

    return plan_campaign(campaign, asyncio.run(ask()))


def run_night(plan: CampaignPlan, options: CampaignOptions) -> Summary:
    """Run a new night, and do all that follows it; see `_carry_out`."""
    return _carry_out(plan, options, new_night(options.out, plan.campaign), Earlier())


def resume_night(plan: CampaignPlan, options: CampaignOptions) -> Summary:
    """Go on with the last night of a campaign, which was interrupted or killed; see `_carry_out`.

    Raises:
        UsageError: there is none, or it has come to its end and everybody was told.
    """
    night, earlier = last_night(options.out, plan.campaign)
    if earlier.ended and (night / SUMMARY).is_file() and finished(night):
        raise UsageError(
            "the last night has come to its end", where=str(night), next_step="Start one, without --resume"
        )
    return _carry_out(plan, options, night, earlier)


def _carry_out(plan: CampaignPlan, options: CampaignOptions, night: Path, earlier: Earlier) -> Summary:
    """Run what is left of a night; if it comes to its end, tell whom it concerns, and tidy up.

    Raises:
        StorageError: the record cannot be written.
        UsageError: another process works on it.
    """
    lock = NightLock(night)
    try:
        state = NightState(plan.cases)
        state.replay(earlier.entries)
        virtual = plan.campaign.emulated and not options.realtime and not plan.served
        if options.speed is not None and not virtual:
            raise UsageError("--speed paces virtual time; this campaign is in real time")
        if not earlier.ended:
            factory = None
            if virtual:
                check_poll_readiness()
                factory = _factory(options.speed)
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(work(plan, options, night, earlier, state))
        kind = ClockKind.VIRTUAL if virtual else ClockKind.REAL
        summary = conclude(plan.campaign, night, state, kind.value)
        for line in text_lines(summary):
            options.say(line)
        if not summary.not_ended:
            asyncio.run(tell_all(plan.campaign, summary, night, say=options.say))
            for line in tidy(options.out, plan.campaign, RealClock().now().utc).lines():
                options.say(line)
        return summary
    finally:
        lock.release()


def _factory(speed: float | None) -> Callable[[], asyncio.AbstractEventLoop]:
    return lambda: VirtualLoop(speed=speed)


def conclude(campaign: Campaign, night: Path, state: NightState, clock: str) -> Summary:
    """Sum a night up, compare it with the one before, and write all of that to its folder.

    Raises:
        StorageError: it cannot be written.
    """
    summary = summarise(night, campaign, state, clock)
    compare(summary, night_before(night, campaign.name))
    write_all(summary, night)
    return summary


async def work(plan: CampaignPlan, options: CampaignOptions, night: Path, earlier: Earlier, state: NightState) -> None:
    """The night itself, on the running loop: virtual if that is.

    Raises:
        StorageError: the record cannot be written.
    """
    clock = _clock(options, earlier)
    record = NightRecord(night, clock, state.apply, earlier.sittings + 1)
    around = Surroundings(plan.campaign.name, night / RUNS, options.state, bench_key(options.state), clock, options.say)
    work_of_night = Night(
        plan, state, record, around, lambda: room(night, plan.campaign, RealClock().now().utc), options.say
    )
    try:
        await record.note("campaign", _start(plan, earlier))
        with _interruptible(work_of_night.stop):
            done = await work_of_night.run()
        if done:
            await record.note("campaign", {"state": "end", "outcomes": state.outcomes()})
            await record.close()
        else:
            await record.note("campaign", {"state": "interrupted"})
            options.say(f"interrupted; go on with: hilbench campaign {plan.campaign.document.path} --resume")
    finally:
        record.abandon()


def _clock(options: CampaignOptions, earlier: Earlier) -> Clock:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        return RealClock()
    epoch_ns = VIRTUAL_EPOCH_UTC_NS
    if options.virtual_from is not None:
        epoch_ns = round(options.virtual_from.timestamp()) * 1_000_000_000
    # A night that is resumed goes on where it stopped, as real time would.
    return VirtualClock(loop, earlier.entries[-1].at.utc_ns if earlier.entries else epoch_ns)


def _start(plan: CampaignPlan, earlier: Earlier) -> dict[str, object]:
    if earlier.sittings:
        return {"state": "resumed", "records": earlier.records, "head": earlier.head, "journal": earlier.sittings}
    return {
        "state": "start",
        "campaign": plan.campaign.name,
        "file_sha256": plan.campaign.digest,
        "cases": len(plan.cases),
        "rigs": {name: rig.name for name, rig in plan.campaign.rigs.items()},
    }


@contextlib.contextmanager
def _interruptible(stop: Callable[[str], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    names = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
    for number, name in names.items():
        loop.add_signal_handler(number, stop, name)
    try:
        yield
    finally:
        for number in names:
            loop.remove_signal_handler(number)


def tell_again(campaign: Campaign, night: Path, say: Callable[[str], None]) -> bool:
    """Send what did not go out of a night; whether all of it did now.

    Raises:
        UsageError: the night has no summary.
    """
    summary = load_summary(night)
    if summary.campaign != campaign.name:
        raise UsageError(f"this is a night of {summary.campaign}, not of {campaign.name}", where=str(night))
    return all(each.sent for each in asyncio.run(tell_all(campaign, summary, night, say=say, again_s=())))
