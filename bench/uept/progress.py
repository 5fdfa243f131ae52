"""How far a project is: counts, the glide path, and red, amber or green."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bench.uept.model import Issue, Result, Status
from bench.uept.project import Project
from bench.uept.working_days import day_of, working_days

AMBER, RED = 0.05, 0.15
"""Behind the plan by more than this share of all tests: amber, red. No source fixes these."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Tests of a project.

    Attributes:
        due: executions without which the project is not complete.
        tests: the same as the document's matrix counts them: once, whichever devices they are due on.
        optional: executions that may be made.
        by_status: how many of the due ones stand where.
    """

    due: int
    tests: int
    optional: int
    by_status: dict[Status, int]

    @property
    def executed(self) -> int:
        """Due tests that were executed, however they ended."""
        return self.due - self.by_status[Status.READY] - self.by_status[Status.NOT_RUN]

    @property
    def passed(self) -> int:
        """Due tests that passed."""
        return self.by_status[Status.PASSED]


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the glide path.

    Attributes:
        planned: tests planned up to and with it.
        executed: due tests executed for the first time up to and with it; None for days to come.
        passed: those whose last result by then is passed; None for days to come.
        results: executions of this day by result.
    """

    day: date
    planned: int
    executed: int | None
    passed: int | None
    results: dict[Result, int]


def counts(project: Project) -> Counts:
    """How many tests there are, and where they stand."""
    tests, statuses = project.tests(), project.statuses()
    due = [test for test in tests if test.due]
    found = Counter(statuses[test.id] for test in due)
    return Counts(
        len(due),
        len({test.test for test in due}),
        sum(not test.mandatory for test in tests),
        {status: found[status] for status in Status},
    )


def glide_path(project: Project, today: date) -> tuple[Day, ...]:
    """Planned against real progress, for each Working Day of testing and each other day that tests were executed on."""
    due = {test.id: test for test in project.tests() if test.due}
    executions = [each for each in project.executions() if each.test in due and (each.real or project.rehearsal)]
    days = set(working_days(project.test_start, project.test_end)) | {day_of(each.at) for each in executions}
    found = []
    for day in sorted(days):
        until = [each for each in executions if day_of(each.at) <= day]
        last = {each.test: each.result for each in until}
        of_day = Counter(each.result for each in executions if day_of(each.at) == day)
        gone = day <= today
        found.append(
            Day(
                day,
                sum(test.planned_on is not None and test.planned_on <= day for test in due.values()),
                len(last) if gone else None,
                sum(result is Result.PASSED for result in last.values()) if gone else None,
                {result: of_day[result] for result in Result},
            )
        )
    return tuple(found)


def planned_by(project: Project, today: date) -> int:
    """How many due tests the Test Schedule has up to and with a day."""
    return sum(test.due and test.planned_on is not None and test.planned_on <= today for test in project.tests())


def rag(project: Project, today: date) -> tuple[str, str]:
    """Red, amber or green by progress against the Test Schedule, and why."""
    suspended = project.suspended()
    if suspended is not None:
        return "red", f"testing is suspended since {suspended.since:%Y-%m-%d}: {suspended.cause}"
    grave = [each for each in project.issues() if each.outstanding and each.severity <= 2]
    if grave:
        return "red", f"{len(grave)} Testing Issue{'s' * (len(grave) > 1)} of severity 1 or 2 outstanding"
    total = counts(project)
    behind = planned_by(project, today) - total.passed
    share = behind / total.due if total.due else 0.0
    if share > RED:
        return "red", f"{behind} of {total.due} tests behind the schedule"
    if share > AMBER or total.by_status[Status.FAILED] or total.by_status[Status.BLOCKED]:
        failing = total.by_status[Status.FAILED] + total.by_status[Status.BLOCKED]
        return "amber", f"{max(0, behind)} of {total.due} tests behind the schedule, {failing} failed or blocked"
    return "green", "on schedule"


def issues_by(issues: Sequence[Issue]) -> tuple[dict[str, int], dict[int, int]]:
    """Testing Issues counted by status and by severity."""
    by_status = Counter(each.status.value for each in issues)
    by_severity = Counter(each.severity for each in issues)
    return dict(by_status), {severity: by_severity[severity] for severity in range(1, 6)}
