"""Runs from the command line, and what is said of them at the end."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench import runner
from bench.cli.common import UNDECIDED, say, state_folder
from bench.errors import BenchError
from bench.evidence.packed import unpacked
from bench.evidence.verify import Report, verify
from bench.planner import Plan
from bench.resume_bundle import Interrupted
from bench.rig.file import Rig
from bench.runbook import Runbook
from bench.terminal import Silent, TablePrinter, TerminalOperator

if TYPE_CHECKING:
    from cryptography import x509


def run_and_tell(
    rig: Rig,
    planned: Sequence[tuple[Runbook, Plan]],
    options: runner.RunOptions,
    *,
    as_json: bool,
    interrupted: Interrupted | None = None,
) -> int:
    """Run runbooks, say what happens while it does, then how they ended; the exit code.

    Raises:
        BenchError: see `runner.run_all`.
    """
    reporter = Silent() if as_json else TablePrinter(sys.stdout)
    finished = runner.execute(rig, planned, options, TerminalOperator(), reporter, interrupted)
    for number in (signal.SIGINT, signal.SIGTERM):
        # All is done but for telling how it ended: one more Ctrl-C must not take that, and the exit code, away.
        signal.signal(number, signal.SIG_IGN)
    code = runner.overall_exit_code(finished, len(planned))
    reports = [(item, verify_bundle(item.bundle, own=True)) for item in finished]
    if any(report.problem for _, report in reports):
        code = max(code, UNDECIDED)
    if as_json:
        runs = [runner.as_json(item) | {"evidence": report.level.value} for item, report in reports]
        say(json.dumps({"exit_code": code, "runs": runs}, indent=2))
    else:
        say("\nEvidence")
        for item, report in reports:
            say(f"  {item.result.verdict.value:9}  {item.bundle}  {report.problem or report.level.value}")
        say(f"  signed by {runner.bench_key(options.state).fingerprint}, this bench's own key")
    return code


def verify_bundle(
    bundle: Path, trusted: tuple[str, ...] = (), *, own: bool = False, tsa_roots: Path | None = None
) -> Report:
    """Check a bundle, or a compressed one, with the keys that are believed, with `own` this bench's among them."""
    fingerprints = (*trusted, runner.bench_key(state_folder()).fingerprint) if own else trusted
    roots: tuple[x509.Certificate, ...] = ()
    if tsa_roots is not None:
        from bench.evidence.timestamp import load_roots

        roots = load_roots(tsa_roots)
    with unpacked(bundle) as folder:
        return verify(folder, fingerprints, roots)


def stamp_bundles(bundles: Sequence[Path], url: str) -> int:
    """Have bundles stamped, and say how each went; the exit code: 3 if any could not be."""
    import asyncio

    from bench.evidence.manifest import TIMESTAMP
    from bench.evidence.timestamp import stamp

    code = 0
    for bundle in bundles:
        if (bundle / TIMESTAMP).exists():
            say(f"{bundle}: stamped already")
            continue
        try:
            found = asyncio.run(stamp(bundle, url))
        except BenchError as error:
            say(f"{bundle}: {error}")
            code = UNDECIDED
            continue
        say(f"{bundle}: {found.at:%Y-%m-%dT%H:%M:%SZ}, {found.authority or 'an authority that is not named'}")
    return code
