"""What the command line says and exits with when an emulated bench misbehaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from tests.faults.runs import RIG, ROOT


def hilbench(folder: Path, runbooks: str, *options: str) -> Result:
    paths = [str(ROOT / "runbooks" / f"{name}.yaml") for name in runbooks.split()]
    arguments = ["run", *paths, "--rig", str(RIG), "--out", str(folder / "out"), *options]
    return CliRunner().invoke(main, arguments, env={"HILBENCH_STATE": str(folder / "state")})


SHORT, ARM = "supply-outage-short", "arm-supply"


@pytest.mark.parametrize(
    ("runbooks", "faults", "code", "said"),
    [
        (ARM, [], 0, "arm-supply PASSED"),
        (ARM, ["alert-never:0x8F32"], 1, "arm-supply FAILED"),
        (f"{ARM} {SHORT}", ["alert-never:0x8F32"], 1, "supply-outage-short PASSED"),
        (f"{ARM} {SHORT}", ["alert-never:0x8F32", "dcc-silent@150s"], 3, "supply-outage-short UNDECIDED"),
        (ARM, ["relay-silent@20s"], 4, "the safe state was not confirmed: relay ("),
        (f"{ARM} {SHORT}", ["source-silent@20s"], 4, "the safe state was not confirmed: source ("),
        (ARM, ["meter-silent@20s"], 3, "aborted: the reference meter is lost"),
        (ARM, ["sniffer-unplugged", "relay-silent"], 3, "these devices could not be reached:\n  relay: relay ("),
        (ARM, ["relay-sticks"], 2, "there is no fault 'relay-sticks'. Did you mean relay-stuck?"),
        (ARM, ["alert-bad-mac:0x8F32"], 2, "0x8F32 has a signature and no MAC: alert-bad-signature:0x8F32"),
    ],
)
def test_exit_codes(tmp_path: Path, runbooks: str, faults: list[str], code: int, said: str) -> None:
    result = hilbench(tmp_path, runbooks, *(part for fault in faults for part in ("--fault", fault)))
    assert result.exit_code == code, result.output
    assert said in " ".join(result.output.split()) or said in result.output, result.output
    assert "Traceback" not in result.output


def test_a_program_reads_the_same(tmp_path: Path) -> None:
    result = hilbench(tmp_path, f"{SHORT} {ARM}", "--json", "--fault", "alert-never:0x8F32")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["exit_code"] == 1
    short, arm = told["runs"]
    assert (short["verdict"], short["reason"], short["covers"]) == ("passed", "", ["8.1.16/ED/0x8F35"])
    assert (arm["verdict"], arm["covers"]) == ("failed", [])
    assert "0x8F32 from esme: did not come within 1 min 0 s" in arm["reason"]


def test_faults_are_listed() -> None:
    result = CliRunner().invoke(main, ["run", "--fault", "list"])
    assert result.exit_code == 0
    assert "alert-never" in result.output and "device-clock-off" in result.output
