"""Measures what is named, or all, and prints one table; exit code 1 if a target is missed."""

from __future__ import annotations

import argparse
import json
import sys

from tests.benchmarks import campaign, cockpit, dcc, messages, night, process, service, steps, uept, wires
from tests.benchmarks.result import Benchmark, Result, machine

BENCHMARKS: dict[str, Benchmark] = {
    "night": night.night,
    "repeat": night.repeat,
    "campaign": campaign.campaign,
    "steps": steps.steps,
    "query": wires.query,
    "rigs": wires.rigs,
    "messages": messages.messages,
    "dcc": dcc.dcc,
    "inventory": dcc.inventory,
    "uept": uept.plan_is,
    "start": process.start,
    "ctrl-c": process.ctrl_c,
    "safety": service.safety,
    "events": service.events,
    "first-frame": cockpit.first_frame,
    "cockpit": cockpit.attached,
    "flood": cockpit.flood,
}


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure how fast the bench is.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--json", action="store_true", help="print one JSON document for a program to read")
    options = parser.parse_args()
    names = options.names or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    where, results = machine(), list[Result]()
    for name in names:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        results += BENCHMARKS[name]()
    if options.json:
        print(json.dumps({"machine": where, "results": [result.as_json() for result in results]}, indent=2))
    else:
        _print(where, results)
    return 0 if all(result.met for result in results) else 1


def _print(where: dict[str, str], results: list[Result]) -> None:
    width = max(len(result.what) for result in results)
    print("\n".join(f"{key:10} {value}" for key, value in where.items()))
    print(f"\n{'measure':{width}}  {'target':>10}  {'median':>10}  {'least-most':>19}  {'n':>2}")
    for result in results:
        unit = f" {result.unit}" if result.unit else ""
        target = "" if result.target is None else f"<= {result.target:g}{unit}"
        if not result.samples:
            print(f"{result.what:{width}}  {target:>10}  {'-':>10}  {'':>19}   0  ({result.note})")
            continue
        spread = f"{_short(min(result.samples))}-{_short(max(result.samples))}"
        over = "" if result.met else "  OVER"
        note = f"  ({result.note})" if result.note else ""
        print(
            f"{result.what:{width}}  {target:>10}  {_short(result.median) + unit:>10}  {spread:>19}  "
            f"{len(result.samples):2}{over}{note}"
        )


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


if __name__ == "__main__":
    sys.exit(main())
