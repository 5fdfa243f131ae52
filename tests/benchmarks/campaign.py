"""What a campaign adds to each run: its record on disk, the evidence read back and verified, the summary."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from bench.campaign import attempt, night
from bench.campaign.file import load_campaign
from bench.campaign.plan import Case, plan_campaign
from bench.campaign.state import AttemptResult
from bench.campaign.work import CampaignOptions, run_night
from bench.runner import RunOptions, bench_key, execute, prepare
from bench.terminal import Silent, TerminalOperator
from tests.benchmarks.result import RIG, ROOT, Result

_RUNS = 100
_REPEATS = 5
_NAME = "supply-outage-short"


def campaign() -> list[Result]:
    """Nights of runs that are over at once, their evidence that of a run made before."""
    processor, real = [], []
    for _ in range(_REPEATS):
        with tempfile.TemporaryDirectory(prefix="hilbench-campaign-") as name:
            folder = Path(name)
            runbook = ROOT / "runbooks" / f"{_NAME}.yaml"
            rig, planned = prepare(RIG, [str(runbook)])
            options = RunOptions(folder / "evidence", folder / "state")
            bundle = execute(rig, planned, options, TerminalOperator(), Silent())[0].bundle
            trusted = (bench_key(folder / "state").fingerprint,)

            async def at_once(
                around: object,
                rig: object,
                case: Case,
                number: int,
                out: object,
                bundle: Path = bundle,
                trusted: tuple[str, ...] = trusted,
            ) -> AttemptResult:
                return await asyncio.to_thread(attempt._from_evidence, number, bundle, trusted, True)

            path = folder / "campaign.yaml"
            entry = f"{{entry: e, runbooks: [{runbook}], repeats: {_RUNS}}}"
            path.write_text(f"campaign: overhead\nrigs: {{a: {RIG}}}\nentries:\n  - {entry}\n")
            plan = plan_campaign(load_campaign(path))
            with patch.object(night, "in_this_process", at_once):
                began_s, began_processor_s = time.perf_counter(), time.process_time()
                summary = run_night(plan, CampaignOptions(folder / "nights", folder / "state"))
                real.append((time.perf_counter() - began_s) / _RUNS * 1000)
                processor.append((time.process_time() - began_processor_s) / _RUNS * 1000)
        if summary.outcomes != {"passed": _RUNS}:
            raise RuntimeError(f"not all passed: {summary.headline}")
    what = f"campaign: overhead per run ({_NAME}, a night of {_RUNS})"
    note = "record synced, evidence read back and verified, summary"
    return [
        Result(what, "ms", real, 100.0, note),
        Result("the same, time of the processor alone", "ms", processor),
    ]
