"""`hilbench uept`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from tests.testscripts.conftest import ROOT


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "state"))
    return tmp_path


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, ["uept", *words])


def test_a_plan_lists_tests_with_their_counts(there: Path) -> None:
    shown = typed("plan", "--role", "es", "--out", str(there / "out"))
    assert shown.exit_code == 0, shown.output
    assert "ES, new: 24 tests, 39 executions (18 SMETS1, 20 SMETS2+), 0 optional" in shown.output
    assert "8.1.7/ES/4.2/CV1/SMETS2+" in shown.output
    document = json.loads(typed("plan", "--role", "ES", "--json", "--out", str(there / "out")).output)
    assert (document["tests"], document["executions"], document["runnable"]) == (24, 39, 39)
    assert document["by_smets"] == {"": 1, "SMETS1": 18, "SMETS2+": 20}
    assert len(document["requirements"]) == 39
    assert {"requirement", "runbook", "hardware", "usual_s", "evidence"} <= document["requirements"][0].keys()


def test_the_evidence_route_runs_nothing(there: Path) -> None:
    assert "handed to the DCC" in typed("plan", "--role", "RSA", "--population", "additive-evidence").output
    refused = typed("run", "--role", "RSA", "--population", "additive-evidence")
    assert refused.exit_code == 2
    assert "no scripts are run" in refused.output


def test_a_script_is_shown(there: Path) -> None:
    shown = typed("show", "8.1.16/ED/0x8F35")
    assert shown.output == (ROOT / "runbooks" / "supply-outage-short.yaml").read_text()
    assert "runbook: 8.1.26-ou-e19-smets2" in typed("show", "8.1.26/OU/E19/SMETS2+").output
    for wrong, why in (("8.1.99/x", "no requirement"), ("8.1.5/IS/6.15.2/CV5/SMETS2+", "SMKI")):
        refused = typed("show", wrong)
        assert refused.exit_code == 2
        assert why in refused.output


def test_without_the_folder_of_procedures_it_says_so(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(there)
    refused = typed("plan", "--role", "ES", "--rig", str(ROOT / "rigs" / "uept.yaml"))
    assert refused.exit_code == 2
    assert "runbooks/procedures" in refused.output


def test_a_run_goes_on_with_what_is_left(there: Path) -> None:
    words = ("run", "--role", "OU", "--only", "8.1.26/OU/E63", "--out", str(there / "out"))
    first = typed(*words)
    assert first.exit_code == 0, first.output
    assert "0 requirements have valid evidence; 1 runbooks to run" in first.output
    assert "1 of 1 mandatory executions have valid evidence" in first.output
    second = json.loads(typed(*words, "--json").output)
    assert (second["runs"], second["passed"], second["executions"]) == ([], 1, 1)
    nothing = typed("run", "--role", "OU", "--only", "8.1.11/OU/7.4", "--out", str(there / "out"))
    assert nothing.exit_code == 0
