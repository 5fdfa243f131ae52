"""JUnit XML as common CI readers take it: Jenkins, GitLab and GitHub actions agree on this much.

`testsuites` / `testsuite` / `testcase` with `failure`, `error` or `skipped`; a pass after a retry is a passed test case
with `flakyFailure` children, as Maven Surefire writes it and Jenkins shows it; who does not know that sees a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lxml import etree

from bench.report.clean import clean
from bench.report.run import RunReport
from bench.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Case:
    """One test case.

    Attributes:
        verdict: as `bench.verdict.Verdict`, or "flaky pass".
        earlier: why earlier attempts did not pass, for a flaky pass.
        output: text to go with it.
    """

    classname: str
    name: str
    verdict: str
    reason: str
    duration_s: float
    earlier: tuple[str, ...] = ()
    output: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """Test cases that belong together.

    Attributes:
        began_utc: ISO 8601.
    """

    name: str
    began_utc: str
    cases: Sequence[Case]
    properties: Mapping[str, str] = field(default_factory=dict)


def to_xml(name: str, suites: Sequence[Suite]) -> bytes:
    """The document."""
    root = etree.Element("testsuites", name=clean(name))
    every = [case for suite in suites for case in suite.cases]
    _count(root, every)
    for suite in suites:
        element = etree.SubElement(root, "testsuite", name=clean(suite.name), timestamp=suite.began_utc[:19])
        _count(element, suite.cases)
        if suite.properties:
            properties = etree.SubElement(element, "properties")
            for key, value in suite.properties.items():
                etree.SubElement(properties, "property", name=clean(key), value=clean(value))
        for case in suite.cases:
            _case(element, case)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _outcome(verdict: str) -> str:
    """What JUnit calls it: "failure", "error", "skipped", or nothing for a pass."""
    outcomes = {
        Verdict.FAILED.value: "failure",
        Verdict.UNDECIDED.value: "error",
        Verdict.BLOCKED.value: "skipped",
        Verdict.SKIPPED.value: "skipped",
    }
    return outcomes.get(verdict, "")


def _count(element: etree._Element, cases: Sequence[Case]) -> None:
    outcomes = [_outcome(case.verdict) for case in cases]
    element.set("tests", str(len(cases)))
    element.set("failures", str(outcomes.count("failure")))
    element.set("errors", str(outcomes.count("error")))
    element.set("skipped", str(outcomes.count("skipped")))
    element.set("time", f"{sum(case.duration_s for case in cases):.3f}")


def _case(suite: etree._Element, case: Case) -> None:
    element = etree.SubElement(
        suite, "testcase", classname=clean(case.classname), name=clean(case.name), time=f"{case.duration_s:.3f}"
    )
    outcome = _outcome(case.verdict)
    reason = clean(f"{case.verdict}: {case.reason}" if outcome == "skipped" else case.reason or case.verdict)
    if outcome:
        found = etree.SubElement(element, outcome, message=reason)
        if outcome != "skipped":
            found.set("type", case.verdict)
            found.text = reason
    for earlier in case.earlier:
        flaky = etree.SubElement(element, "flakyFailure", message=clean(earlier), type="retried")
        flaky.text = clean(earlier)
    if case.output:
        etree.SubElement(element, "system-out").text = clean(case.output)


def suite_of(report: RunReport) -> Suite:
    """A run as a suite, its steps as cases; what was wrong beyond all steps is a case of its own."""
    steps = [
        Case(
            f"{report.rig}.{report.runbook}",
            f"{step.group}: {step.name}",
            step.verdict,
            step.reason,
            step.duration_s,
            output="\n".join(f"{each.what} after {each.after_s:.3f} s" for each in step.latencies),
        )
        for step in report.steps
    ]
    if report.verdict not in {step.verdict for step in report.steps} or not report.safe:
        reason = report.reason if report.safe else f"{report.reason}; the safe state was not confirmed".lstrip("; ")
        verdict = report.verdict if report.safe else Verdict.UNDECIDED.value
        steps.append(Case(f"{report.rig}.{report.runbook}", "the whole run", verdict, reason, 0.0))
    properties = {"run": report.run, "rig": report.rig, "clock": report.clock, "bundle": str(report.bundle)}
    return Suite(report.runbook, report.began_utc, steps, properties)
