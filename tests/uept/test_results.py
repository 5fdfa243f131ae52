"""Results from evidence: what verifies counts, once; what does not is refused whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.errors import UsageError
from bench.evidence.keys import BenchKey
from bench.runner import bench_key
from bench.uept import results
from bench.uept.model import Result, Status
from tests.faults.runs import run_session
from tests.uept.projects import evidence, project, step

KEY = BenchKey(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
SHORT, LONG, AD1 = "8.1.16/ED/0x8F35", "8.1.16/ED/0x8F36", "8.1.22/ED/AD1"


def test_evidence_becomes_results_once(tmp_path: Path) -> None:
    bundle = evidence(tmp_path, KEY, step("passed", LONG, AD1), step("failed", SHORT, reason="it did not come"))
    with project(tmp_path) as changes:
        ((_, new, foreign),) = results.take(changes, [bundle], [KEY.fingerprint])
        assert (new, foreign) == (3, 0)
        found = {each.test: each for each in changes.project.executions()}
        assert found[LONG].result is found[AD1].result is Result.PASSED
        assert (found[SHORT].result, found[SHORT].reason) == (Result.FAILED, "it did not come")
        assert (found[LONG].script, found[LONG].run, found[LONG].real) == ("outage", "r1", False)
        assert len(found[LONG].sha256) == 64
        assert found[LONG].at == changes.now, "virtual time is on no day: it counts as of when it was taken"
        assert results.take(changes, [bundle], [KEY.fingerprint]) == [(bundle, 0, 0)], "twice is once"


async def test_a_run_that_failed_says_of_which_requirement(tmp_path: Path) -> None:
    (finished,) = await run_session(tmp_path, ["supply-outage-short"], ["alert-never:0x8F35"])
    key = bench_key(tmp_path / "state").fingerprint
    (proven,) = results.read_proof(finished.bundle, [key]).proven
    assert (proven.test, proven.result) == (SHORT, Result.FAILED)
    assert "0x8F35" in proven.reason


def test_all_steps_that_cover_a_requirement_have_to_pass(tmp_path: Path) -> None:
    steps = (step("passed", LONG), step("blocked", LONG, reason="no supply"), step("passed", LONG))
    proof = results.read_proof(evidence(tmp_path, KEY, *steps), [KEY.fingerprint])
    assert [(each.result, each.reason) for each in proof.proven] == [(Result.BLOCKED, "no supply")]


@pytest.mark.parametrize(
    ("verdict", "result"),
    [("undecided", Result.BLOCKED), ("skipped", Result.NOT_RUN), ("blocked", Result.BLOCKED)],
)
def test_what_was_not_decided_is_no_pass(tmp_path: Path, verdict: str, result: Result) -> None:
    proof = results.read_proof(evidence(tmp_path, KEY, step(verdict, LONG, reason="why")), [KEY.fingerprint])
    assert [(each.result, each.reason) for each in proof.proven] == [(result, "why")]


def test_nothing_passes_in_a_run_that_could_not_be_decided(tmp_path: Path) -> None:
    bundle = evidence(tmp_path, KEY, step("passed", LONG), verdict="undecided", why="the clock was stepped")
    proof = results.read_proof(bundle, [KEY.fingerprint])
    assert [(each.result, each.reason) for each in proof.proven] == [(Result.BLOCKED, "the clock was stepped")]


def test_evidence_that_was_changed_or_is_of_a_stranger_is_refused_and_so_is_what_came_with_it(tmp_path: Path) -> None:
    good = evidence(tmp_path, KEY, step("passed", LONG), run="good")
    changed = evidence(tmp_path, KEY, step("failed", SHORT), run="changed")
    journal = changed / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"failed"', '"passed"'))
    with project(tmp_path) as changes:
        with pytest.raises(UsageError, match="is no evidence"):
            results.take(changes, [good, changed], [KEY.fingerprint])
        assert changes.project.executions() == ()
        with pytest.raises(UsageError, match=f"add --trust {KEY.fingerprint}"):
            results.take(changes, [good], [])


def test_a_retest_is_linked_to_the_issue_whose_fix_it_checks(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        results.take(changes, [evidence(tmp_path, KEY, step("failed", LONG, reason="late"))], [KEY.fingerprint])
        issue = changes.raise_issue(1, "It comes late", 3)
        again = evidence(tmp_path, KEY, step("passed", LONG, AD1), run="again")
        results.take(changes, [again], [KEY.fingerprint], retest_of=issue)
        assert [(each.test, each.retest_of) for each in changes.project.executions()] == [
            (LONG, None),
            (LONG, issue),
            (AD1, None),
        ]
        assert changes.issue(issue).closed_by == 2
        assert changes.project.statuses()[LONG] is Status.PASSED


def test_what_a_project_does_not_have_is_counted_apart(tmp_path: Path) -> None:
    bundle = evidence(tmp_path, KEY, step("passed", "8.1.14/GS/0x8F32", LONG))
    with project(tmp_path) as changes:
        assert results.take(changes, [bundle], [KEY.fingerprint]) == [(bundle, 1, 1)]
