"""A project whose tests are run by the bench: linked to Test Scripts, run, recorded, written, judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from tests.testscripts.conftest import RIG, ROOT


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(ROOT)


def uept(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ("uept", *map(str, arguments)))


def new(path: Path, role: str, *more: str) -> None:
    made = uept("new", path, "--party", "Solar", "--role", role, "--start", "2026-03-02", "--by", "Ada", *more)
    assert made.exit_code == 0, made.output


def statuses(path: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads(uept("status", path, "--json").stdout)["by_status"]
    return found


def run(path: Path, out: Path, *only: str) -> Result:
    chosen = [word for each in only for word in ("--only", each)]
    return uept("run", "--project", path, "--rig", RIG, "--out", out, "--by", "Ada", *chosen)


def test_linked_run_and_recorded(tmp_path: Path) -> None:
    path, out = tmp_path / "es.uept", tmp_path / "out"
    new(path, "ES", "--rehearsal")
    assert statuses(path)["not run"] == 39
    linked = uept("link", path, "--rig", RIG, "--by", "Ada")
    assert (linked.exit_code, linked.stdout) == (0, "39 of 39 tests have a Test Script\n")
    assert statuses(path)["ready for test"] == 39

    ended = run(path, out, "8.1.26/ES/E13/SMETS1", "8.1.26/ES/E60")
    assert ended.exit_code == 0, ended.output
    assert f"{path}: 2 new results" in ended.stdout
    executions = json.loads(uept("executions", path, "--json").stdout)
    assert {(each["test"], each["result"], each["real"]) for each in executions} == {
        ("8.1.26/ES/E13/SMETS1", "passed", False),
        ("8.1.26/ES/E60", "passed", False),
    }
    assert statuses(path) == {"passed": 2, "failed": 0, "blocked": 0, "not run": 0, "ready for test": 37}

    # What has evidence is neither run nor recorded again, though a new project of the same role may have it.
    assert f"{path}: 0 new results" in run(path, out, "8.1.26/ES/E60").stdout
    other = tmp_path / "other.uept"
    new(other, "ES")
    again = run(other, out, "8.1.26/ES/E60")
    assert "is no rehearsal: results of the emulated rig uept are kept there, and do not count" in again.stdout
    assert f"{other}: 1 new results" in again.stdout
    assert statuses(other)["passed"] == 0


def test_a_failure_is_a_result(tmp_path: Path) -> None:
    path = tmp_path / "ou.uept"
    new(path, "OU", "--rehearsal")
    failed = uept(
        "run", "--project", path, "--rig", RIG, "--out", tmp_path / "out", "--only", "8.1.11/OU/11.2/CV1/SMETS2+",
        "--fault", "response-error:11.2",
    )  # fmt: skip
    assert failed.exit_code == 1
    assert statuses(path)["failed"] == 1
    (execution,) = json.loads(uept("executions", path, "--json").stdout)
    assert "the device answered with an error" in execution["reason"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--role", "OU"), "is about ES, new. Leave --role out"),
        (("--population", "additive"), "is about ES, new. Leave --role out"),
        (("--no-local-commands",), "has local commands. Leave --no-local-commands out"),
    ],
)
def test_a_project_says_itself_what_it_is_about(tmp_path: Path, more: tuple[str, ...], says: str) -> None:
    path = tmp_path / "es.uept"
    new(path, "ES")
    result = uept("run", "--project", path, *more)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "no role is given. Give --role ROLE, or --project FILE" in uept("run").stderr


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_whole_project_to_its_certificate(tmp_path: Path) -> None:
    path = tmp_path / "es.uept"
    new(path, "ES", "--rehearsal")
    assert uept("link", path, "--rig", RIG, "--by", "Ada").exit_code == 0
    ended = run(path, tmp_path / "out")
    assert ended.exit_code == 0, ended.output
    assert statuses(path)["passed"] == 39
    assert uept("gate", path).exit_code == 1, "documents and people are missing"
    for name in ("plan", "traceability", "scripts", "dashboard", "completion"):
        for step in ("submitted", "approved"):
            assert uept("document", path, name, step, "--by", "Ada").exit_code == 0
    assert uept("say", path, "exit-gate", "2026-03-27", "--by", "Ada").exit_code == 0
    gate = uept("gate", path)
    assert gate.exit_code == 0, gate.output
    written = uept("write", path, "certificate", "traceability", "--out", tmp_path / "documents", "--format", "html")
    assert written.exit_code == 0, written.output
    page = (tmp_path / "documents" / "traceability.html").read_text("utf-8")
    assert "8.1.7-es-4.2-cv1-smets1" in page
    assert (tmp_path / "documents" / "certificate.html").is_file()
