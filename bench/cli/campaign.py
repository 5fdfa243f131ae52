"""The command line of campaigns: `hilbench campaign FILE`, and what belongs to it."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import JSON, UNDECIDED, say, state_folder
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.campaign.file import Campaign
    from bench.campaign.plan import CampaignPlan, Case
    from bench.campaign.summary import Summary
    from bench.campaign.work import CampaignOptions

_FILE = click.argument("file", type=click.Path(path_type=Path))
_OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="campaigns",
    show_default=True,
    help="Folder in which each night gets a folder.",
)


class _FileFirst(click.Group):
    """`campaign FILE` is `campaign run FILE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_FileFirst, subcommand_metavar="FILE | COMMAND [ARGS]...")
def campaign() -> None:
    """A night of runs: `campaign FILE` plans it, runs it, and says in the morning what happened.

    Exit codes: 0 all passed, if need be after a retry; 1 something failed; 2 wrong usage or a bad file; 3 something
    could not be decided or did not run; 4 a safe state was not confirmed.
    """


@campaign.command("run")
@_FILE
@_OUT
@click.option("--plan", "only_plan", is_flag=True, help="Only say what it would do.")
@click.option("--resume", is_flag=True, help="Go on with the last night, which was interrupted or killed.")
@click.option("--wait", is_flag=True, help="Wait for each start that the file's `schedule` names, until Ctrl-C.")
@click.option("--realtime", is_flag=True, help="Real time, though every rig is emulated.")
@click.option("--speed", type=click.FloatRange(0.001, 1e6), help="Pace virtual time: virtual seconds a second.")
@click.option(
    "--virtual-from",
    type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d"]),
    help="UTC at which virtual time begins, to rehearse a certain night.",
)
@JSON
def run(
    file: Path,
    out: Path,
    only_plan: bool,
    resume: bool,
    wait: bool,
    realtime: bool,
    speed: float | None,
    virtual_from: datetime | None,
    as_json_: bool,
) -> None:
    """Plan the campaign in FILE, and run it.

    Rigs that an engine serves run by their engine; others in this process, those that are emulated in virtual time if
    all of them are. Ctrl-C ends it in the safe state, and `--resume` goes on.
    """
    from bench.campaign.file import load_campaign
    from bench.campaign.work import CampaignOptions, plan_now, resume_night, run_night

    if resume and wait:
        raise UsageError("--resume and --wait exclude each other")
    loaded = load_campaign(file)
    plan = plan_now(loaded, state_folder())
    start = virtual_from.replace(tzinfo=UTC) if virtual_from is not None else None
    options = CampaignOptions(
        out, state_folder(), realtime, speed, start, (lambda text: click.echo(text, err=True)) if as_json_ else say
    )
    if only_plan:
        _say_plan(plan, as_json=as_json_)
        sys.exit(UNDECIDED if plan.blocked else 0)
    if not as_json_:
        _say_plan(plan, as_json=False)
    if wait:
        _wait(loaded, options, as_json=as_json_)
        return
    summary = (resume_night if resume else run_night)(plan, options)
    _finish(summary, out, as_json=as_json_)
    sys.exit(summary.exit_code)


def _finish(summary: Summary, out: Path, *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(summary.as_json() | {"exit_code": summary.exit_code}, indent=2))
    else:
        say(f"{out / summary.night / 'summary.html'}")


def _say_plan(plan: CampaignPlan, *, as_json: bool) -> None:
    from bench.campaign.plan import by_rig, numbers
    from bench.quantities import format_duration

    if as_json:
        say(json.dumps(plan.as_json(), indent=2))
        return
    say(f"{plan.campaign.name}  {plan.campaign.file.title}".rstrip())
    for rig, cases in by_rig(plan.cases).items():
        served = f", by its engine ({plan.served[rig]})" if rig in plan.served else ""
        say(f"  {rig}: {len(cases)} runs{served}")
        for (entry, runbook), same in _grouped(cases).items():
            each = same[0].plan
            times = f"  about {format_duration(each.usual_s)} each" if each is not None else ""
            say(f"    {len(same):>5} x  {entry}: {runbook}{times}")
    say(f"  takes about {format_duration(plan.usual_s)}, at most {format_duration(plan.longest_s)} without retries")
    if plan.covers:
        say(f"  covers {', '.join(plan.covers)}")
    for why, cases in plan.blocked.items():
        say(f"  CANNOT RUN  {numbers(cases)}: {why}")
    for note in plan.notes:
        say(f"  note: {note}")


def _grouped(cases: Sequence[Case]) -> dict[tuple[str, str], list[Case]]:
    found: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        found.setdefault((case.entry_name, case.runbook), []).append(case)
    return found


def _wait(campaign: Campaign, options: CampaignOptions, *, as_json: bool) -> None:
    """Run a night at each start, for ever; a start that comes while a night goes on is left out, and said to be."""
    import asyncio

    from bench.campaign.file import load_campaign
    from bench.campaign.times import wait_until
    from bench.campaign.work import plan_now, run_night
    from bench.clock import RealClock

    clock = RealClock()
    after, path = clock.now().utc, campaign.document.path
    while (start := next(_starts(campaign, after), None)) is not None:
        now = clock.now().utc
        if start < now:
            say(f"the start at {_local(start, campaign)} was left out: a night went on")
            after = start
            continue
        say(f"the next start is {_local(start, campaign)}")
        asyncio.run(wait_until(clock, start))
        try:
            # Whoever changes the files by day finds them in use at night.
            campaign = load_campaign(path)
            summary = run_night(plan_now(campaign, options.state), options)
        except UsageError as error:
            click.echo(f"hilbench: this night did not run: {error}", err=True)
        else:
            _finish(summary, options.out, as_json=as_json)
            if summary.not_ended:
                sys.exit(summary.exit_code)
        after = start
    say("there is no further start")


def _starts(campaign: Campaign, after: datetime) -> itertools.islice[datetime]:
    if campaign.file.schedule is None:
        raise UsageError(
            "the campaign has no schedule",
            where=str(campaign.document.path),
            next_step='Add one, such as schedule: {cron: "0 22 * * mon-fri"}',
        )
    return itertools.islice(campaign.file.schedule.starts(after, campaign.file.zone), 1_000_000)


def _local(moment: datetime, campaign: Campaign) -> str:
    return f"{moment.astimezone(campaign.file.zone):%a %Y-%m-%d %H:%M %Z} ({moment:%Y-%m-%dT%H:%MZ})"


@campaign.command("next")
@_FILE
@click.option("-n", "count", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many.")
@click.option("--after", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d"]), help="UTC; now by default.")
@JSON
def next_starts(file: Path, count: int, after: datetime | None, as_json_: bool) -> None:
    """Say when the campaign in FILE starts next, in its local time and in UTC."""
    from bench.campaign.file import load_campaign
    from bench.clock import RealClock

    loaded = load_campaign(file)
    moment = after.replace(tzinfo=UTC) if after is not None else RealClock().now().utc
    starts = list(itertools.islice(_starts(loaded, moment), count))
    if as_json_:
        say(json.dumps([start.isoformat() for start in starts]))
    else:
        say("\n".join(_local(start, loaded) for start in starts) or "there is no further start")


@campaign.command("summary")
@click.argument("night", type=click.Path(path_type=Path, file_okay=False))
@JSON
def summary(night: Path, as_json_: bool) -> None:
    """Say what a NIGHT came to: its folder."""
    from bench.campaign.pages import text_lines
    from bench.campaign.summary import load_summary

    found = load_summary(night)
    say(json.dumps(found.as_json(), indent=2) if as_json_ else "\n".join(text_lines(found)))
    sys.exit(found.exit_code)


@campaign.command("notify")
@_FILE
@click.argument("night", type=click.Path(path_type=Path, file_okay=False))
def notify(file: Path, night: Path) -> None:
    """Send what did not go out of a NIGHT of the campaign in FILE. Exit code 3 if something still does not."""
    from bench.campaign.file import load_campaign
    from bench.campaign.work import tell_again

    sys.exit(0 if tell_again(load_campaign(file), night, say) else UNDECIDED)


@campaign.command("tidy")
@_FILE
@_OUT
def tidy_up(file: Path, out: Path) -> None:
    """Compress and delete old bundles of the campaign in FILE, as its `retention` says."""
    from bench.campaign.file import load_campaign
    from bench.campaign.retention import tidy
    from bench.clock import RealClock

    say("\n".join(tidy(out, load_campaign(file), RealClock().now().utc).lines()) or "nothing to do")
