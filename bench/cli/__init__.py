"""The command line: how its errors end, the commands about runs, rigs, evidence and messages; the others stand beside.

Everything heavy is imported by the command that needs it, so that `--help` is there at once.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from bench.cli import campaign, report, screens, service, uept
from bench.cli.common import JSON, RIG, UNDECIDED, UNSAFE, USAGE, say, state_folder
from bench.errors import BenchError, UnsafeError, UsageError


class _Commands(click.Group):
    """Turns every error of ours into one sentence and an exit code, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        # Whoever started us may have closed them: then what is said goes nowhere, and the work is done all the same.
        sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
        sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a character is no reason to stop.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except UsageError as error:
            _fail(error, USAGE)
        except UnsafeError as error:
            _fail(error, UNSAFE)
        except BenchError as error:
            _fail(error, UNDECIDED)
        except KeyboardInterrupt:
            _fail(BenchError("interrupted"), UNDECIDED)


def _fail(error: BenchError, code: int) -> None:
    click.echo(f"hilbench: {error}", err=True)
    sys.exit(code)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="hilbench")
def main() -> None:
    """Drive a smart-metering test bench: real, or wholly emulated.

    Exit codes of `run`, the gravest of several runbooks: 0 all passed, 1 something failed, 2 wrong usage or a bad
    file, 3 could not be decided (lost device, no evidence), 4 safe state not confirmed.
    """


def _list_faults(ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    if "list" in value:
        from bench.rig.installed import emulator_class

        for name, meaning in emulator_class().faults_known().items():
            say(f"{name:28} {meaning}")
        ctx.exit(0)
    return value


_fault = click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="'NAME[:ARG][@DELAY][ from MOMENT][ for LENGTH]'",
    callback=_list_faults,
    is_eager=True,
    help="Make the emulated world misbehave; repeatable. `--fault list` names the faults.",
)
_seed = click.option(
    "--seed", type=click.IntRange(0, (1 << 63) - 1), help="Seed of the emulated world instead of the rig file's."
)


def _a_number(_ctx: click.Context, _param: click.Parameter, value: float | None) -> float | None:
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is not a number")
    return value


@main.command()
@click.argument("runbooks", nargs=-1, required=True)
@click.option("--rig", "rig_path", type=RIG, required=True, help="The rig file.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="evidence", show_default=True)
@_seed
@_fault
@click.option("--realtime", is_flag=True, help="Real time, also on an emulated rig.")
@click.option(
    "--speed",
    type=click.FloatRange(0.001, 1e6),
    callback=_a_number,
    help="Pace virtual time: virtual seconds a second.",
)
@click.option(
    "--world-record",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Append what goes wrong in the emulated world, and when, to this file.",
)
@JSON
def run(
    runbooks: tuple[str, ...],
    rig_path: Path,
    out: Path,
    seed: int | None,
    faults: tuple[str, ...],
    realtime: bool,
    speed: float | None,
    world_record: Path | None,
    as_json_: bool,
) -> None:
    """Run RUNBOOKS (names in ./runbooks, or paths) on a rig, in this order.

    If an engine serves the rig (`hilbench serve`), it runs them.
    """
    if (code := service.run_there(rig_path, runbooks, as_json_)) is not None:
        sys.exit(code)
    from bench import runner
    from bench.cli.runs import run_and_tell

    rig, planned = runner.prepare(rig_path, runbooks)
    tell = partial(click.echo, err=True)
    options = runner.RunOptions(out, state_folder(), seed, faults, realtime, speed, tell, world_record)
    sys.exit(run_and_tell(rig, planned, options, as_json=as_json_))


@main.command("plan")
@click.argument("runbooks", nargs=-1, required=True)
@click.option("--rig", "rig_path", type=RIG, required=True, help="The rig file.")
@JSON
def plan_command(runbooks: tuple[str, ...], rig_path: Path, as_json_: bool) -> None:
    """Say what RUNBOOKS would do on a rig, and touch nothing."""
    from dataclasses import asdict

    from bench import runner
    from bench.quantities import format_duration

    _, planned = runner.prepare(rig_path, runbooks)
    if as_json_:
        plans = [asdict(plan) | {"usual_s": plan.usual_s, "longest_s": plan.longest_s} for _, plan in planned]
        say(json.dumps({"plans": plans}, indent=2))
        return
    for _, plan in planned:
        say(f"{plan.runbook}  {plan.title}  (on {plan.rig})")
        for step in plan.steps:
            times = f"{format_duration(step.usual_s):>11}  {format_duration(step.longest_s):>11}"
            say(f"  {times}  {step.group:12}  {step.user or '':3}  {step.name}: {step.act}")
        say(f"  takes about {format_duration(plan.usual_s)}, at most {format_duration(plan.longest_s)}")
        if plan.highest_v is not None:
            say(f"  voltage from {plan.lowest_v:g} V to {plan.highest_v:g} V")
        if plan.outage_s:
            say(f"  longest outage {format_duration(plan.outage_s)}")
        for cover in plan.covers:
            say(f"  covers {cover}")
        for note in plan.notes:
            say(f"  note: {note}")


@main.command()
@click.argument("rig_path", metavar="RIG", type=RIG)
@click.option("--as", "folder", type=click.Path(path_type=Path), help="Write a rig file, keys and certificates here.")
@click.option(
    "--state", type=click.Path(path_type=Path), help="Keep the world here, and go on where it stopped, even if killed."
)
@_seed
@_fault
@JSON
def emulate(
    rig_path: Path,
    folder: Path | None,
    state: Path | None,
    seed: int | None,
    faults: tuple[str, ...],
    as_json_: bool,
) -> None:
    """Run the emulated world of RIG as a process of its own, in real time, until Ctrl-C.

    Any client may use it: SCPI, Modbus, MQTT, serial, DUIS over HTTP. With --as, `hilbench run --realtime --rig
    DIR/rig.yaml` in another process finds it.
    """
    from bench.emulate import serve

    serve(rig_path, folder, seed, faults, as_json_, state)


@main.group()
def rig() -> None:
    """Rig files."""


@rig.command("check")
@click.argument("rig_path", metavar="RIG", type=RIG)
@click.option("--offline", is_flag=True, help="Read the files only; connect to nothing.")
@JSON
def rig_check(rig_path: Path, offline: bool, as_json_: bool) -> None:
    """Check a rig file, connect to every device, and say what protects the bench."""
    from bench.rig.check import check

    report = check(rig_path, state_folder(), offline=offline)
    if as_json_:
        say(json.dumps(report.as_json(), indent=2))
    else:
        say("\n".join(report.lines()))
    sys.exit(report.exit_code)


@rig.command("park")
@click.argument("rig_path", metavar="RIG", type=RIG)
@click.option("--no-wait", is_flag=True, help="Do not wait for what devices still say of the run before.")
def rig_park(rig_path: Path, no_wait: bool) -> None:
    """Bring a rig back to its park state after an abort made it safe. Exit code 4 if it does not confirm.

    Alerts that come late are waited for, and booked to the run that cut the supply; an engine does so by itself.
    What it shares with other rigs is waited for, too; Ctrl-C gives up.
    """
    if (code := service.park_there(rig_path)) is not None:
        sys.exit(code)
    from bench.rig.park import park

    report = park(rig_path, state_folder(), say, wait=not no_wait)
    sys.exit(0 if report.confirmed else UNSAFE)


@main.command()
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...", type=click.Path(path_type=Path))
@click.option(
    "--trust", "trusted", multiple=True, metavar="FINGERPRINT", help="Fingerprint of a bench's key; repeatable."
)
@click.option(
    "--tsa-root",
    "tsa_roots",
    metavar="PEM",
    type=click.Path(path_type=Path),
    help="Roots of the authorities of time stamps.",
)
@JSON
def verify(bundles: tuple[Path, ...], trusted: tuple[str, ...], tsa_roots: Path | None, as_json_: bool) -> None:
    """Check evidence offline: every file, the journal's chain, the signature. Exit code 1 if anything is wrong."""
    from bench.cli.runs import verify_bundle

    reports = [(bundle, verify_bundle(bundle, trusted, tsa_roots=tsa_roots)) for bundle in bundles]
    if as_json_:
        from dataclasses import asdict

        documents = [
            {"bundle": str(bundle)} | asdict(report) | {"compliance": report.compliance} for bundle, report in reports
        ]
        say(json.dumps(documents, indent=2))
    else:
        for bundle, report in reports:
            say(f"{bundle}: {report}")
    sys.exit(1 if any(report.problem for _, report in reports) else 0)


@main.command()
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...", type=click.Path(path_type=Path))
@click.option("--tsa", envvar="HILBENCH_TSA", metavar="URL", required=True, help="The authority; or in $HILBENCH_TSA.")
def stamp(bundles: tuple[Path, ...], tsa: str) -> None:
    """Have an authority (RFC 3161) certify that sealed evidence is there now. What has a stamp stays as it is."""
    from bench.cli.runs import stamp_bundles

    sys.exit(stamp_bundles(bundles, tsa))


@main.command("decode")
@click.argument("message", metavar="FILE|HEX|-")
@click.option(
    "--certificates",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Verify signatures with the certificates there: EUI-ds.pem and so on.",
)
@JSON
def decode_command(message: str, folder: Path | None, as_json_: bool) -> None:
    """Explain a GBCS or DUIS message: binary, hexadecimal text, base64 or XML.

    Exit code 1 if its content breaks its notation or a signature is not valid, 2 if it is no message.
    """
    from bench.decode import decode, read_input
    from bench.errors import CodecError

    certificates = None
    if folder is not None:
        from bench.decode_certificates import Certificates

        certificates = Certificates(folder)
    try:
        decoded = decode(read_input(message, sys.stdin.buffer), certificates)
    except CodecError as error:
        _fail(error, USAGE)
        return
    say(json.dumps(decoded.as_json(), indent=2) if as_json_ else "\n".join(decoded.lines()))
    sys.exit(decoded.exit_code)


@main.command("utrn")
@click.argument("rig_path", metavar="RIG", type=RIG)
@click.option("--as", "user", metavar="USER", required=True, help="The supplier, by its name on the rig.")
@click.option("--device", metavar="NAME", required=True, help="The meter, by its name on the rig.")
@click.option("--pence", type=int, help="The amount in pence, up to 8191.")
@click.option("--pounds", type=int, help="The amount in pounds, up to 8191.")
@click.option("--number", type=int, required=True, help="Upper half of the counter: higher for every top up.")
def utrn_command(rig_path: Path, user: str, device: str, pence: int | None, pounds: int | None, number: int) -> None:
    """Make a top-up token (UTRN) for Service Request 2.2, or to be typed in at the meter."""
    from bench.errors import CodecError
    from bench.top_up import issue

    value = pence if pounds is None else pounds
    if value is None or (pence is not None and pounds is not None):
        raise UsageError("an amount is wanted", next_step="Say --pence N or --pounds N")
    try:
        say(issue(rig_path, user, device, value, number, pounds=pounds is not None))
    except CodecError as error:
        _fail(error, USAGE)


service.add_to(main)
main.add_command(report.report)
main.add_command(report.pack)
main.add_command(campaign.campaign)
uept.add_to(main)
screens.add_to(main)
