"""Changes of a project: each is whole, checked, and on record with who made it and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.uept import procedure
from bench.uept.files import file_hash
from bench.uept.model import SEVERITIES, IssueStatus, Result, Test
from bench.uept.project import Project
from bench.uept.questions import question
from bench.uept.working_days import day_of, working_days

DOCUMENTS = (
    "notification",
    "acknowledgement",
    "readiness",
    "plan",
    "traceability",
    "scripts",
    "data-plan",
    "dashboard",
    "completion",
    "certificate",
    "suspension",
)
"""The documents of a project, by name."""

NEXT_STATES = {
    "": ("draft", "submitted"),
    "draft": ("draft", "submitted"),
    "submitted": ("draft", "submitted", "approved", "rejected"),
    "approved": ("draft", "submitted"),
    "rejected": ("draft", "submitted"),
}
"""What a document may become, by what it is."""


class Changes:
    """What people and the bench do to a project.

    Args:
        project: that is changed.
        who: the person, or the bench.
        now: UTC.
    """

    def __init__(self, project: Project, who: str, now: datetime) -> None:
        if not who.strip():
            raise UsageError("who makes this change?", next_step="Give --by NAME")
        self.project, self.who, self.now = project, who.strip(), now
        self.store = project.store

    def _note(self, what: str) -> None:
        self.store.insert("log", {"at": self.now.isoformat(), "who": self.who, "what": what})

    # The plan

    def set_dates(self, start: date, end: date) -> None:
        """Set the start and the planned end of testing, and spread the open tests over the Working Days between them.

        Raises:
            UsageError: the end is before the start, or the calendar does not know a year.
        """
        days = test_days(start, end)
        with self.store.change():
            for key, value in (("test_start", start), ("test_end", end)):
                self.store.update("meta", {"key": key}, {"value": value.isoformat()})
            self._spread(days)
            self._note(f"testing from {start} to {end}")

    def _spread(self, days: Sequence[date]) -> None:
        open_tests = [test for test in self.project.tests() if test.due]
        for place, test in enumerate(open_tests):
            day = days[place * len(days) // len(open_tests)]
            self.store.update("tests", {"id": test.id}, {"planned_on": day.isoformat()})

    def plan_test(self, test_id: str, day: date) -> None:
        """Put a test on another day of the Test Schedule.

        Raises:
            UsageError: there is no such test.
        """
        test = self.test(test_id)
        with self.store.change():
            self.store.update("tests", {"id": test.id}, {"planned_on": day.isoformat()})
            self._note(f"{test.id} planned on {day}")

    def not_testable(self, test_id: str, reason: str) -> None:
        """Say why a requirement cannot be tested; an empty reason says that it can.

        Raises:
            UsageError: there is no such test.
        """
        test = self.test(test_id)
        with self.store.change():
            self.store.update("tests", {"id": test.id}, {"not_testable": reason})
            self._note(f"{test.id} not testable: {reason}" if reason else f"{test.id} testable")

    def link_script(self, test_ids: Sequence[str], script: str, *, produced: bool, data_ready: bool) -> None:
        """Link tests to the Test Script that covers them.

        Raises:
            UsageError: there is no such test.
        """
        tests = [self.test(each) for each in test_ids]
        with self.store.change():
            for test in tests:
                self._link(test.id, script, produced=produced, data_ready=data_ready)
            self._note(f"{script} covers {', '.join(test.id for test in tests)}")

    def _link(self, test_id: str, script: str, *, produced: bool, data_ready: bool) -> None:
        key = {"test": test_id, "script": script}
        values = {"state": "produced" if produced else "in progress", "data_ready": int(data_ready)}
        if not self.store.update("scripts", key, values):
            self.store.insert("scripts", key | values)

    def test(self, test_id: str) -> Test:
        """The test of an id.

        Raises:
            UsageError: the project has none.
        """
        if (test := self.project.test(test_id)) is not None:
            return test
        raise UsageError(
            f"this project has no test {test_id!r}", next_step="`hilbench uept tests PROJECT` lists those of it"
        )

    # Results

    def record(
        self,
        test_id: str,
        result: Result,
        *,
        at: datetime,
        script: str,
        reason: str = "",
        run: str = "",
        evidence: str = "",
        sha256: str = "",
        real: bool,
        regression: bool = False,
        retest_of: int | None = None,
    ) -> int:
        """Record an execution; its number. A passed retest closes the Testing Issue whose fix it checks.

        Raises:
            UsageError: there is no such test or issue, a result other than passed has no reason, or the retest is of
                another test than the one that raised the issue.
        """
        test = self.test(test_id)
        if result is not Result.PASSED and not reason:
            raise UsageError(
                f"why is {test.id} {result}?", next_step="Give a reason: the reports must have one (6.1.7)"
            )
        if retest_of is not None:
            raised = next(each for each in self.project.executions() if each.number == self.issue(retest_of).execution)
            if raised.test != test.id:
                raise UsageError(f"issue {retest_of} was raised by {raised.test}, not by {test.id}")
        with self.store.change():
            (before,) = self.store.rows("SELECT count(*) AS number FROM executions WHERE test = ?", (test.id,))
            number = self.store.insert(
                "executions",
                {
                    "test": test.id,
                    "cycle": before["number"] + 1,
                    "result": result.value,
                    "at": at.isoformat(),
                    "script": script,
                    "reason": reason,
                    "run": run,
                    "evidence": evidence,
                    "sha256": sha256,
                    "real": int(real),
                    "who": self.who,
                    "regression": int(regression),
                    "retest_of": retest_of,
                },
            )
            if script:
                self._link(test.id, script, produced=True, data_ready=True)
            if retest_of is not None and result is Result.PASSED and (real or self.project.rehearsal):
                closed = {"status": IssueStatus.CLOSED.value, "closed_by": number}
                self.store.update("issues", {"number": retest_of}, closed)
            self._note(f"execution {number}: {test.id} {result}")
        return number

    # Testing Issues

    def raise_issue(self, execution: int, title: str, severity: int) -> int:
        """Raise a Testing Issue of an execution; its number.

        Raises:
            UsageError: there is no such execution, it passed, or the severity is none of 1 to 5.
        """
        found = next((each for each in self.project.executions() if each.number == execution), None)
        if found is None:
            raise UsageError(
                f"there is no execution {execution}", next_step="`hilbench uept executions PROJECT` lists them"
            )
        if severity not in SEVERITIES:
            raise UsageError(
                f"there is no severity {severity}", next_step="; ".join(f"{n} {text}" for n, text in SEVERITIES.items())
            )
        if not title.strip():
            raise UsageError("an issue needs a title")
        values: dict[str, Any] = {
            "title": title,
            "severity": severity,
            "status": IssueStatus.OPEN.value,
            "raised_at": self.now.isoformat(),
            "execution": execution,
        }
        with self.store.change():
            number = self.store.insert("issues", values)
            self._note(f"issue {number}, severity {severity}: {title}")
        return number

    def issue(self, number: int) -> Any:
        """The Testing Issue of a number.

        Raises:
            UsageError: there is none.
        """
        for each in self.project.issues():
            if each.number == number:
                return each
        raise UsageError(f"there is no issue {number}", next_step="`hilbench uept issues PROJECT` lists them")

    def change_issue(self, number: int, values: Mapping[str, Any]) -> None:
        """Change severity, status (open or fixed), workaround, plan, target or agreed_on of a Testing Issue.

        Only a passed retest closes one: see `record`.

        Raises:
            UsageError: there is no such issue, or it is to be closed without a retest.
        """
        self.issue(number)
        if values.get("status") == IssueStatus.CLOSED:
            raise UsageError(
                "an issue is closed by a retest that passes", next_step="Record one, or run it, with --retest-of ISSUE"
            )
        if values.get("severity", 1) not in SEVERITIES:
            raise UsageError(f"there is no severity {values['severity']}")
        kept = {key: value.isoformat() if isinstance(value, date) else value for key, value in values.items()}
        with self.store.change():
            self.store.update("issues", {"number": number}, kept)
            self._note(f"issue {number}: " + ", ".join(f"{key} {value}" for key, value in kept.items()))

    # What people say and do

    def say(self, key: str, value: str) -> None:
        """Answer a question.

        Raises:
            UsageError: there is no such question, or no answer.
        """
        asked = question(key)
        if not value.strip():
            raise UsageError(f"no answer to: {asked.text}")
        if key == "severity-5-agreed" and not value.isdecimal():
            raise UsageError(f"{value!r} is no number of issues")
        with self.store.change():
            fact = {"key": key, "value": value, "at": self.now.isoformat(), "who": self.who}
            self.store.insert("facts", fact)
            self._note(f"{key}: {value}")

    def step_done(self, step_id: str, day: date) -> None:
        """Say on which day a step of the procedure was done.

        Raises:
            UsageError: there is no such step, or the day lies in the future.
        """
        step = procedure.step_of(self.project.population, step_id)
        if day > day_of(self.now):
            raise UsageError(f"{day} has not come yet")
        done = self.project.done().get(step.id, ())
        if day in done:
            return
        with self.store.change():
            self.store.insert("steps", {"step": step.id, "done_on": day.isoformat(), "who": self.who})
            self._note(f"{step.id} done on {day}")

    def document(self, name: str, state: str, path: Path | None = None) -> None:
        """Say what became of a document: drafted, submitted, approved or rejected. A new draft is a new version.

        Raises:
            UsageError: there is no such document, its state cannot follow the one before, or the file cannot be read.
        """
        if name not in DOCUMENTS:
            raise UsageError(f"there is no document {name!r}", next_step=f"Documents: {', '.join(DOCUMENTS)}")
        before = self.project.documents().get(name)
        was = before.state if before else ""
        if state not in NEXT_STATES[was]:
            raise UsageError(
                f"the document {name} is {was or 'not there'}: it cannot become {state}",
                next_step=f"It can become {' or '.join(NEXT_STATES[was])}",
            )
        version = before.version if before and was in ("draft", "submitted") else (before.version if before else 0) + 1
        if state in ("approved", "rejected") and before:
            version = before.version
        values = {
            "name": name,
            "version": version,
            "state": state,
            "at": self.now.isoformat(),
            "who": self.who,
            "path": str(path) if path else (before.path if before else ""),
            "sha256": file_hash(path) if path else (before.sha256 if before else ""),
        }
        with self.store.change():
            self.store.insert("documents", values)
            self._note(f"document {name}, version {version}: {state}")

    def add_raid(self, values: Mapping[str, Any]) -> int:
        """Add a risk, assumption, issue or dependency; its number."""
        kept = {key: value.isoformat() if isinstance(value, date) else value for key, value in values.items()}
        with self.store.change():
            number = self.store.insert("raid", kept | {"opened_at": self.now.isoformat()})
            self._note(f"{values['kind']} {number}: {values['title']}")
        return number

    def close_raid(self, number: int) -> None:
        """Close a risk, assumption, issue or dependency.

        Raises:
            UsageError: there is none of this number.
        """
        with self.store.change():
            if not self.store.update("raid", {"number": number}, {"closed_at": self.now.isoformat()}):
                raise UsageError(f"there is no risk, assumption, issue or dependency {number}")
            self._note(f"risk, assumption, issue or dependency {number} closed")

    def suspend(self, by: str, cause: str, actions: str, whom: str, due: date) -> int:
        """Suspend testing, with what must be done before it goes on (5.4.8); its number.

        Raises:
            UsageError: it is suspended already.
        """
        if self.project.suspended() is not None:
            raise UsageError("testing is suspended already", next_step="`hilbench uept resume` ends that")
        values = {"by": by, "since": self.now.isoformat(), "cause": cause, "actions": actions, "whom": whom}
        with self.store.change():
            number = self.store.insert("suspensions", values | {"due": due.isoformat()})
            self._note(f"suspended by the {by}: {cause}")
        return number

    def resume(self, agreed: str) -> None:
        """Go on with testing: Party and DCC have agreed that the criteria are met.

        Raises:
            UsageError: testing is not suspended, or nobody is said to have agreed.
        """
        suspension = self.project.suspended()
        if suspension is None:
            raise UsageError("testing is not suspended")
        if not agreed.strip():
            raise UsageError(
                "testing resumes only when Party and DCC agree (5.4.6)", next_step="Say who agreed: --agreed"
            )
        with self.store.change():
            values = {"resumed": self.now.isoformat(), "agreed": agreed}
            self.store.update("suspensions", {"number": suspension.number}, values)
            self._note(f"resumed: {agreed}")


def test_days(start: date, end: date) -> list[date]:
    """The Working Days of testing, both ends included.

    Raises:
        UsageError: there is none, or a year's bank holidays are not known.
    """
    if end < start:
        raise UsageError(f"testing cannot end on {end}, before it starts on {start}")
    days = list(working_days(start, end))
    if not days:
        raise UsageError(f"there is no Working Day from {start} to {end}")
    return days
