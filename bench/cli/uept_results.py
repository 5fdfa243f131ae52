"""`hilbench uept`: results, Testing Issues, risks, suspension."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from bench.cli.common import JSON, say
from bench.cli.uept_common import (
    DAY,
    by_option,
    changing,
    now,
    open_,
    print_rows,
    project_argument,
    trust,
    trusted_keys,
)
from bench.errors import UsageError


@click.command("take")
@project_argument
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...", type=click.Path(path_type=Path))
@trust
@click.option("--regression", is_flag=True, help="These are Regression Tests.")
@click.option("--retest-of", type=int, metavar="ISSUE", help="They check the fix of this Testing Issue.")
@by_option
def take(
    path: Path, bundles: tuple[Path, ...], trusted: tuple[str, ...], regression: bool, retest_of: int | None, by: str
) -> None:
    """Record what evidence proves. A bundle that does not verify is refused, and then nothing is recorded."""
    from bench.uept import results

    with changing(path, by) as changes:
        keys = trusted_keys(trusted)
        for bundle, new, foreign in results.take(changes, bundles, keys, regression=regression, retest_of=retest_of):
            beside = f", {foreign} of tests that this project does not have" if foreign else ""
            say(f"{bundle}: {new} results{beside}")


@click.command("result")
@project_argument
@click.argument("test")
@click.argument("result", type=click.Choice(("passed", "failed", "blocked", "not run")))
@click.option("--reason", default="", help="Why it did not pass.")
@click.option("--script", default="by hand", show_default=True, help="The Test Script.")
@click.option("--evidence", type=click.Path(path_type=Path), help="A file that shows it; its hash is kept.")
@click.option("--regression", is_flag=True)
@click.option("--retest-of", type=int, metavar="ISSUE")
@by_option
def result_command(
    path: Path,
    test: str,
    result: str,
    reason: str,
    script: str,
    evidence: Path | None,
    regression: bool,
    retest_of: int | None,
    by: str,
) -> None:
    """Record the result of TEST that the bench cannot run by itself."""
    from bench.uept.files import file_hash
    from bench.uept.model import Result

    if result == "passed" and evidence is None:
        raise UsageError("a pass needs evidence", next_step="Give --evidence FILE: a log, a screenshot, a letter")
    with changing(path, by) as changes:
        number = changes.record(
            test,
            Result(result),
            at=now(),
            script="" if result == "not run" else script,
            reason=reason,
            evidence=str(evidence.resolve()) if evidence else "",
            sha256=file_hash(evidence) if evidence else "",
            real=True,
            regression=regression,
            retest_of=retest_of,
        )
    say(f"execution {number}")


@click.command("executions")
@project_argument
@JSON
def executions(path: Path, as_json_: bool) -> None:
    """List the executions of PROJECT."""
    with open_(path) as project:
        rows = [
            (each.number, each.test, each.cycle, each.result.value, f"{each.at:%Y-%m-%d %H:%M}", each.real, each.reason)
            for each in project.executions()
        ]
    print_rows(as_json_, ("No", "Test", "Cycle", "Result", "At", "Real", "Reason"), rows)


@click.command("script")
@project_argument
@click.argument("script")
@click.argument("tests", nargs=-1, required=True, metavar="TEST...")
@click.option("--in-progress", is_flag=True, help="It is not written yet.")
@click.option("--data-ready", is_flag=True, help="Its test data is there.")
@by_option
def script_command(
    path: Path, script: str, tests: tuple[str, ...], in_progress: bool, data_ready: bool, by: str
) -> None:
    """Say that Test Script SCRIPT covers TEST..."""
    with changing(path, by) as changes:
        changes.link_script(tests, script, produced=not in_progress, data_ready=data_ready)


@click.command("not-testable")
@project_argument
@click.argument("test")
@click.argument("reason")
@by_option
def not_testable(path: Path, test: str, reason: str, by: str) -> None:
    """Say why requirement TEST cannot be tested; an empty REASON takes that back."""
    with changing(path, by) as changes:
        changes.not_testable(test, reason)


@click.command("issues")
@project_argument
@JSON
def issues(path: Path, as_json_: bool) -> None:
    """List the Testing Issues of PROJECT."""
    with open_(path) as project:
        rows = [
            (
                each.number,
                each.severity,
                each.status.value,
                each.execution,
                each.closed_by or "",
                each.target or "",
                each.title,
            )
            for each in project.issues()
        ]
    print_rows(as_json_, ("No", "Severity", "Status", "Execution", "Retest", "Target", "Title"), rows)


@click.command("raise")
@project_argument
@click.argument("execution", type=int)
@click.option("--title", required=True)
@click.option("--severity", type=int, required=True, help="1 critical to 5 minimal (Annex G).")
@by_option
def raise_command(path: Path, execution: int, title: str, severity: int, by: str) -> None:
    """Raise a Testing Issue of EXECUTION."""
    with changing(path, by) as changes:
        say(f"issue {changes.raise_issue(execution, title, severity)}")


@click.command("issue")
@project_argument
@click.argument("number", type=int)
@click.option("--severity", type=int)
@click.option("--status", type=click.Choice(("open", "fixed")), help="Closed it is by a retest that passes.")
@click.option("--workaround")
@click.option("--plan", help="The next steps.")
@click.option("--target", type=DAY, help="When it is to be resolved.")
@click.option("--agreed-on", type=DAY, help="When the DCC agreed to work-around and plan.")
@by_option
def issue(path: Path, number: int, by: str, **values: Any) -> None:
    """Change Testing Issue NUMBER."""
    given = {key: value for key, value in values.items() if value is not None}
    if not given:
        raise UsageError(
            "nothing to change", next_step="Give --status, --plan, --workaround, --target, --agreed-on ..."
        )
    with changing(path, by) as changes:
        changes.change_issue(number, given)


@click.command("raid")
@project_argument
@click.argument("title", required=False)
@click.option("--kind", type=click.Choice(("risk", "assumption", "issue", "dependency")), default="risk")
@click.option("--priority", type=click.Choice(("high", "medium", "low")), default="medium")
@click.option("--severity", type=click.IntRange(1, 5))
@click.option("--action", default="", help="What is done about it.")
@click.option("--target", type=DAY)
@click.option("--rag", type=click.Choice(("red", "amber", "green")), default="green")
@click.option("--environment", is_flag=True, help="It concerns the test environment.")
@click.option("--close", "closed", type=int, metavar="NO", help="Close this one.")
@by_option
def raid(
    path: Path,
    title: str | None,
    kind: str,
    priority: str,
    severity: int | None,
    action: str,
    target: date | None,
    rag: str,
    environment: bool,
    closed: int | None,
    by: str,
) -> None:
    """List risks, assumptions, issues and dependencies; with TITLE add one."""
    if closed is not None:
        with changing(path, by) as changes:
            changes.close_raid(closed)
        return
    if title is None:
        with open_(path) as project:
            rows = [
                (each.number, each.kind, each.priority, each.rag, "closed" if each.closed_at else "open", each.title)
                for each in project.raid()
            ]
        print_rows(False, ("No", "Kind", "Priority", "RAG", "State", "Title"), rows)
        return
    values = {
        "kind": kind,
        "title": title,
        "priority": priority,
        "severity": severity,
        "action": action,
        "target": target,
        "rag": rag,
        "environment": int(environment),
    }
    with changing(path, by) as changes:
        say(f"{kind} {changes.add_raid(values)}")


@click.command("suspend")
@project_argument
@click.option("--side", type=click.Choice(("Party", "DCC")), required=True, help="Who suspends testing.")
@click.option("--cause", required=True)
@click.option("--actions", required=True, help="What has to be done before testing resumes.")
@click.option("--whom", required=True, help="By whom.")
@click.option("--due", type=DAY, required=True, help="By when.")
@by_option
def suspend(path: Path, side: str, cause: str, actions: str, whom: str, due: date, by: str) -> None:
    """Suspend testing, with the Test Resumption Criteria."""
    with changing(path, by) as changes:
        changes.suspend(side, cause, actions, whom, due)


@click.command("resume")
@project_argument
@click.option("--agreed", required=True, help="Who of Party and DCC agreed that the criteria are met.")
@by_option
def resume(path: Path, agreed: str, by: str) -> None:
    """Resume testing."""
    with changing(path, by) as changes:
        changes.resume(agreed)


COMMANDS: tuple[click.Command, ...] = (
    take,
    result_command,
    executions,
    script_command,
    not_testable,
    issues,
    raise_command,
    issue,
    raid,
    suspend,
    resume,
)
"""In the order of their help."""
