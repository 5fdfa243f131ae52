"""A role's Test Scripts as a campaign."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.campaign.file import load_campaign
from bench.campaign.plan import plan_campaign
from bench.cli import main
from tests.testscripts.conftest import ROOT

ALERTS = "8.1.16/ED/0x8F3"


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "state"))
    return tmp_path / "night"


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_the_folder_needs_nothing_else_and_its_evidence_counts(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = typed("uept", "campaign", "--role", "ed", "--only", ALERTS, "--out", str(out))
    assert written.exit_code == 0, written.output
    assert "2 runbooks" in written.output
    # Somewhere else, without the project's folder of runbooks.
    monkeypatch.chdir(out.parent)
    plan = plan_campaign(load_campaign(out / "uept-ed.yaml"))
    assert [(case.entry_name, case.runbook, case.blocked) for case in plan.cases] == [
        ("da", "supply-outage-short", ""),
        ("da", "supply-outage-long", ""),
    ]
    ran = typed("campaign", str(out / "uept-ed.yaml"), "--out", str(out.parent / "nights"))
    assert ran.exit_code == 0, ran.output
    (runs,) = (out.parent / "nights").glob("uept-ed-*/runs")
    monkeypatch.chdir(ROOT)
    left = typed("uept", "run", "--role", "ED", "--only", ALERTS, "--out", str(runs))
    assert "3 requirements have valid evidence; 0 runbooks to run" in left.output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--role", "ED", "--only", "8.1.99"), "no runbook of this role can run"),
        (("--role", "RSA", "--population", "additive-evidence"), "no scripts are run"),
        (("--role", "ED", "--only", ALERTS, "--rig", "rigs/none.yaml"), "rigs/none.yaml"),
    ],
)
def test_nothing_is_written_if_there_is_nothing_to_run(out: Path, words: tuple[str, ...], why: str) -> None:
    refused = typed("uept", "campaign", *words, "--out", str(out))
    assert refused.exit_code == 2
    assert why in refused.output
    assert not out.exists()


def test_nothing_is_overwritten(out: Path) -> None:
    out.mkdir()
    (out / "uept-ed.yaml").write_text("mine")
    refused = typed("uept", "campaign", "--role", "ED", "--only", ALERTS, "--out", str(out))
    assert refused.exit_code == 2
    assert "not empty" in refused.output
    assert [path.name for path in out.iterdir()] == ["uept-ed.yaml"]
