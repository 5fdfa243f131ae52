"""`hilbench uept` as its users call it: from a new project to the gate, and one clear message for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main

TEST = "8.1.16/ED/0x8F35"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    assert uept("new", "p", "--party", "Grid", "--role", "ED", "--start", "2026-03-02", "--rehearsal").exit_code == 0
    yield tmp_path


def uept(*arguments: str) -> Result:
    return CliRunner().invoke(main, ("uept", *arguments))


def done(*arguments: str) -> str:
    result = uept(*arguments, "--by", "Ada")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


def test_a_whole_project(place: Path) -> None:
    (place / "log.txt").write_text("it came")
    for test in json.loads(uept("tests", "p", "--json").stdout):
        if test["required"] == "due" and test["test"] != TEST:
            done("result", "p", test["test"], "passed", "--evidence", "log.txt")
    assert done("result", "p", TEST, "failed", "--reason", "it did not come") == "execution 89\n"
    assert done("raise", "p", "89", "--title", "No alert", "--severity", "1") == "issue 1\n"
    done(
        "issue", "p", "1", "--status", "fixed", "--plan", "mend", "--target", "2026-04-01", "--agreed-on", "2026-03-20"
    )
    assert uept("gate", "p").exit_code == 1
    done("result", "p", TEST, "passed", "--evidence", "log.txt", "--retest-of", "1")
    for name in ("plan", "traceability", "scripts", "dashboard", "completion"):
        done("document", "p", name, "submitted")
        done("document", "p", name, "approved")
    done("say", "p", "exit-gate", "2026-03-27")
    result = uept("gate", "p", "--json")
    assert (result.exit_code, json.loads(result.stdout)["met"]) == (0, True)
    assert uept("gate", "p", "--entry").exit_code == 1
    status = json.loads(uept("status", "p", "--json").stdout)
    assert (status["executions"], status["by_status"]["passed"], status["rag"]) == (89, 89, "green")
    assert uept("write", "p", "dashboard", "--format", "html").stdout.startswith("uept/dashboard.html")


def test_the_procedure_and_people(place: Path) -> None:
    done("done", "p", "5.4.2.1", "--on", "2025-12-01")
    steps = {each["step"]: each for each in json.loads(uept("due", "p", "--json").stdout)}
    assert (steps["5.4.2.1"]["state"], steps["5.4.2.2"]["due"]) == ("done 2025-12-01", "2025-12-03")
    done("schedule", "p", "--start", "2026-04-07", "--end", "2026-05-01")
    done("schedule", "p", TEST, "--on", "2026-04-08")
    assert f"{TEST}" in uept("tests", "p", "--status", "not run").stdout
    done("say", "p", "location", "Leeds")
    assert "Leeds" in uept("ask", "p").stdout
    assert done("raid", "p", "One meter only", "--priority", "high", "--environment") == "risk 1\n"
    done("raid", "p", "--close", "1")
    assert "closed" in uept("raid", "p").stdout
    done("suspend", "p", "--side", "DCC", "--cause", "down", "--actions", "up", "--whom", "DCC", "--due", "2026-04-09")
    assert "testing is suspended" in uept("status", "p").stdout
    done("resume", "p", "--agreed", "both")
    done("script", "p", "supply-outage-short", TEST, "--data-ready")
    done("not-testable", "p", "8.1.27/ED/SSI", "no browser")
    assert TEST in uept("tests", "p", "--status", "ready for test").stdout
    assert uept("executions", "p").stdout == uept("issues", "p").stdout == "none\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("status", "none"), "hilbench: there is no project none. `hilbench uept new` makes one"),
        (("new", "p", "--party", "x", "--role", "ED", "--start", "2026-03-02"), "p is there already"),
        (("new", "q", "--party", "x", "--role", "ED", "--start", "2035-03-02"), "bank holidays of 2035 are not known"),
        (("new", "q", "--party", " ", "--role", "ED", "--start", "2026-03-02"), "whose tests are these?"),
        (("new", "q", "--party", "x", "--role", "ED", "--start", "2. March"), "'2. March' is no day: write 2026-03-31"),
        (("tests", "p", "--status", "done"), "'done' is no status"),
        (("result", "p", TEST, "passed"), "a pass needs evidence"),
        (("result", "p", TEST, "failed"), f"why is {TEST} failed?"),
        (("result", "p", "x", "failed", "--reason", "y"), "has no test 'x'"),
        (("say", "p", "locaton", "Leeds"), "Did you mean location?"),
        (("issue", "p", "1"), "nothing to change"),
        (("issue", "p", "1", "--plan", "x"), "there is no issue 1"),
        (("take", "p", "nothing"), "nothing is no evidence"),
        (("write", "p", "plans"), "there is no document 'plans'"),
        (("schedule", "p"), "give either --start or --end"),
        (("done", "p", "5.4.9"), "has no step '5.4.9'"),
    ],
)
def test_what_is_wrong_is_said_once(place: Path, arguments: tuple[str, ...], says: str) -> None:
    result = uept(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert not (place / "q").exists()
