"""The command line of the engine service: `serve`, and the commands that are clients of it."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.common import JSON, RIG, UNDECIDED, UNSAFE, say, state_folder
from bench.errors import BenchError, DeviceLost, UsageError

if TYPE_CHECKING:
    from bench.service.client import EngineClient
    from bench.service.remote import Remote

_who = click.option("--who", default="", help="Who acts, for the record; the user of this process unless given.")
_rig = click.argument("rig_path", metavar="RIG", type=RIG)


def _engine(rig_path: Path) -> Path | Remote:
    from bench.service.address import engine_address

    return engine_address(rig_path, state_folder(), os.environ)


def _with_engine(rig_path: Path, who: str, act: Callable[[EngineClient], Awaitable[Any]], *, hung: bool = False) -> Any:
    """Connect to an engine and do something; `hung` gives up on one that says nothing for half a second."""
    import asyncio

    from bench.service.client import connected

    async def whole() -> Any:
        from bench.estop import HELLO_S

        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(HELLO_S if hung else None):
                    client = await stack.enter_async_context(connected(_engine(rig_path), who=who))
            except TimeoutError:
                raise DeviceLost(f"the engine does not answer within {HELLO_S:g} s") from None
            return await act(client)

    return asyncio.run(whole())


@click.command()
@_rig
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="evidence", show_default=True)
@click.option(
    "--campaigns",
    type=click.Path(path_type=Path, file_okay=False),
    default="campaigns",
    show_default=True,
    help="Folder of the nights of campaigns, for clients to see.",
)
@click.option("--speed", type=click.FloatRange(0.001, 1e6), help="Virtual time, so many seconds a second.")
def serve(rig_path: Path, out: Path, campaigns: Path, speed: float | None) -> None:
    """Hold RIG and carry out what clients ask for, until Ctrl-C: `run`, `attach`, `abort`, the TUI ...

    With --speed a rig that brings its emulated world along runs in virtual time, paced for people to watch.
    """
    from bench.service.process import serve as serve_rig

    serve_rig(rig_path, out, state_folder(), say, speed, campaigns)


@click.command()
@_rig
@JSON
def status(rig_path: Path, as_json_: bool) -> None:
    """Say what the engine of RIG is doing."""

    async def ask(client: EngineClient) -> dict[str, Any]:
        return await client.call("status")

    found = _with_engine(rig_path, "", ask)
    say(json.dumps(found, indent=2) if as_json_ else "\n".join(status_lines(found)))


def status_lines(found: Mapping[str, Any]) -> list[str]:
    """The state of an engine for people."""
    lines = [f"{found['rig']}: {found['state']} ({found['clock']} time, process {found['pid']})"]
    run = found["run"]
    if run is not None:
        held = ", PAUSED" if run["paused"] else ""
        lines.append(f"  running  {run['runbook']}: {run['step'] or 'between steps'}{held}")
    if run is None and found.get("waits"):
        lines.append(f"  {found['waits']}")
    lines.extend(f"  waiting  {each['runbook']}" for each in found["waiting"])
    for prompt in found["prompts"]:
        lines.append(f"  asks     {prompt['text']} [{'/'.join(prompt['choices'])}]")
        lines.append(f"           hilbench answer RIG {prompt['prompt']} {prompt['choices'][0]}")
    for done in found["done"][-10:]:
        verdict = done.get("verdict", "not run")
        lines.append(
            f"  {verdict:9}  {done['runbook']}  {done.get('bundle', '')}  {done.get('reason') or done['error']}"
        )
    return [line.rstrip() for line in lines]


def _act(name: str, explanation: str, done: str) -> click.Command:
    """A command that takes nothing but the rig."""

    @click.command(name, help=explanation)
    @_rig
    @_who
    def command(rig_path: Path, who: str) -> None:
        _with_engine(rig_path, who, lambda client: client.call(name))
        say(done)

    return command


@click.command()
@_rig
@_who
def estop(rig_path: Path, who: str) -> None:
    """Bring RIG to its safe state at once, whatever is going on. Exit code 4 if that is not confirmed.

    Where no engine serves the rig, or it does not answer within half a second, this goes straight to the instruments.
    """
    try:
        confirmed = bool(_with_engine(rig_path, who, lambda client: client.call("estop"), hung=True)["confirmed"])
    except BenchError as error:
        if str(rig_path).startswith("tls:"):
            raise
        from bench.estop import stop_directly

        confirmed = stop_directly(rig_path, state_folder(), who or getpass.getuser(), str(error))
    say("the rig is safe" if confirmed else "THE SAFE STATE IS NOT CONFIRMED: look at the bench")
    sys.exit(0 if confirmed else UNSAFE)


@click.command()
@_rig
@click.argument("prompt", type=int)
@click.argument("choice")
@_who
def answer(rig_path: Path, prompt: int, choice: str, who: str) -> None:
    """Answer question number PROMPT of a runbook with CHOICE; `status` shows what is asked."""
    _with_engine(rig_path, who, lambda client: client.call("answer", prompt=prompt, choice=choice))
    say("answered")


@click.command()
@_rig
@click.option("--json", "as_json_", is_flag=True, help="Print every event as the engine sends it.")
def attach(rig_path: Path, as_json_: bool) -> None:
    """Watch what the engine of RIG does, until Ctrl-C; the run is not disturbed."""
    from bench.service.follow import Follower

    follower = Follower(sys.stdout, as_json=as_json_)
    _with_engine(rig_path, "", lambda client: follower.watch(client, until=None))


@click.command()
@click.argument("what", metavar="RIG|RUN", type=RIG)
@click.option("--rig", "rig_path", type=RIG, help="The rig file, to carry on with a run that was killed.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="evidence", show_default=True)
@JSON
@_who
def resume(what: Path, rig_path: Path | None, out: Path, as_json_: bool, who: str) -> None:
    """Let a held run on RIG go on, or carry on with a RUN that was killed: the folder of its evidence.

    What the run had finished stays as it is. The rig is made safe and parked first, its set-up made again; the step
    that was interrupted is repeated if the runbook says `repeatable: yes`, and otherwise if the operator says so. The
    evidence is a bundle of its own, with the journal of the killed run in it.
    """
    if not what.is_dir():
        _with_engine(what, who, lambda client: client.call("resume"))
        say("it goes on")
        return
    if rig_path is None:
        raise UsageError("a run is carried on with on a rig", next_step=f"hilbench resume {what} --rig RIG")
    from bench import runner
    from bench.cli.runs import run_and_tell

    if not _nobody_serves(rig_path):
        raise UsageError("an engine serves the rig", next_step="End it: hilbench stop RIG")
    rig, planned, interrupted = runner.prepare_resumption(rig_path, what)
    options = runner.RunOptions(out, state_folder(), say=lambda text: click.echo(text, err=True))
    sys.exit(run_and_tell(rig, planned, options, as_json=as_json_, interrupted=interrupted))


def _nobody_serves(rig_path: Path) -> bool:
    from bench.service.client import NoEngineError

    try:
        _with_engine(rig_path, "", lambda client: client.call("status"))
    except NoEngineError:
        return True
    return False


def run_there(rig_path: Path, runbooks: tuple[str, ...], as_json: bool) -> int | None:
    """Let the engine that serves a rig run runbooks; the exit code, or None where no engine serves it."""
    from bench.service.client import NoEngineError
    from bench.service.follow import Follower

    follower = Follower(sys.stdout, as_json=as_json)

    # The engine has another working folder.
    names = [str(Path(name).absolute()) if Path(name).suffix else name for name in runbooks]

    async def go(client: EngineClient) -> int:
        await client.call("subscribe")
        jobs = (await client.call("run", runbooks=names))["jobs"]
        say(f"the engine of this rig (process {client.hello['pid']}) runs it; Ctrl-C leaves it running")
        done = await follower.watch(client, until=set(jobs))
        codes = {"passed": 0, "failed": 1}
        found = [codes.get(each.get("verdict", ""), UNDECIDED) for each in done]
        if any(each.get("safe") is False for each in done):
            return UNSAFE
        return max(found, default=UNDECIDED)

    try:
        return int(_with_engine(rig_path, "", go))
    except NoEngineError:
        return None


def park_there(rig_path: Path) -> int | None:
    """Let the engine that serves a rig park it; the exit code, or None where no engine serves it."""
    from bench.service.client import NoEngineError

    try:
        state = _with_engine(rig_path, "", _park)["state"]
    except NoEngineError:
        return None
    say(f"the engine of this rig parked it: {state}")
    return 0


async def _park(client: EngineClient) -> dict[str, Any]:
    """Have the rig parked, and say what is waited for; who is interrupted meanwhile gives up."""
    import asyncio

    from bench.tasks import stop

    parking, told = asyncio.create_task(client.call("park")), ""
    try:
        while not (await asyncio.wait([parking], timeout=1.0))[0]:
            waits = str((await client.call("status"))["waits"])
            if waits and waits != told:
                say(f"{waits}. Ctrl-C gives up")
            told = waits
        return parking.result()
    except asyncio.CancelledError:
        if told:
            with contextlib.suppress(BenchError):
                await client.call("abort")
        raise
    finally:
        stop(parking)
        await asyncio.gather(parking, return_exceptions=True)


@click.group()
def lease() -> None:
    """Who holds a rig."""


@lease.command("show")
@_rig
def lease_show(rig_path: Path) -> None:
    """Say who holds RIG, who uses what it shares with other rigs, who waits for that, and who shares its address."""
    from bench.lease import holder_of
    from bench.rig.load import load_rig
    from bench.rig.state import folder_of
    from bench.shared import shared_folder, waiting
    from bench.shared_address import shared_root

    rig = load_rig(rig_path)
    folder = folder_of(rig, state_folder())
    holder = holder_of(folder)
    if holder is None:
        say("nobody holds the rig")
    else:
        say(f"held by {holder}" + (": expired; whoever takes the rig makes it safe first" if holder.expired else ""))
    for name in sorted(set(rig.file.shared.values())):
        shared = shared_folder(folder, name)
        user = holder_of(shared)
        say(f"{name}: used by {user}" if user is not None else f"{name}: free")
        for waiter in waiting(shared):
            say(f"  waits: {waiter.what}, process {waiter.pid}")
    for line in address_lines(shared_root(folder), rig.name):
        say(line)


def address_lines(shared: Path, rig: str) -> list[str]:
    """Who takes what the DCC posts to the addresses that a rig shares, and what is kept for whom.

    Args:
        shared: the folder of what rigs share.
        rig: the rig's name.
    """
    from bench.kept_messages import count
    from bench.shared_address import addresses_of, kept_of

    lines = []
    for address, entries in addresses_of(shared, rig).items():
        here = ", ".join(str(entry) for entry in entries if entry.here)
        lines.append(f"{address}: taken from by {here}" if here else f"{address}: nobody takes what is posted there")
        for entry in entries:
            if not entry.here and entry.rig not in (other.rig for other in entries if other.here):
                lines.append(f"  rig {entry.rig} is away: its engine {'left' if entry.left else 'died'}")
            if number := count(kept_of(shared / address, entry)):
                lines.append(f"  {number} message{'s' if number > 1 else ''} for rig {entry.rig} kept until it is back")
    return lines


@lease.command("take")
@_rig
def lease_take(rig_path: Path) -> None:
    """Take RIG away from whoever holds it: his run is aborted, the rig made safe and parked, and given back.

    What it shares with other rigs is waited for; Ctrl-C gives up.
    """
    from bench.service.process import take_over

    say(take_over(rig_path, state_folder(), say))


def add_to(main: click.Group) -> None:
    """Give a program these commands."""
    for command in (serve, status, estop, answer, attach, resume, lease):
        main.add_command(command)
    main.add_command(_act("pause", "Hold the run on RIG before its next step.", "held before the next step"))
    main.add_command(_act("abort", "Abort the run on RIG: it goes to its safe state.", "aborted"))
    main.add_command(_act("stop", "End the engine of RIG, if no run is going on.", "the engine ends"))
