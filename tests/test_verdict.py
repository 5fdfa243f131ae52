from __future__ import annotations

import itertools

import pytest

from bench.verdict import Verdict, exit_code, gravest

MILDEST_FIRST = [Verdict.SKIPPED, Verdict.PASSED, Verdict.BLOCKED, Verdict.FAILED, Verdict.UNDECIDED]


def test_nothing_outweighs_what_nobody_could_tell() -> None:
    assert list(Verdict) == MILDEST_FIRST
    for one, other in itertools.combinations(MILDEST_FIRST, 2):
        assert gravest([one, other]) is gravest([other, one]) is other
    assert gravest([]) is Verdict.PASSED
    assert gravest(iter([Verdict.FAILED, Verdict.PASSED])) is Verdict.FAILED


def test_only_what_passed_or_need_not_run_counts_as_a_pass() -> None:
    assert [verdict for verdict in Verdict if verdict.passed] == [Verdict.SKIPPED, Verdict.PASSED]


@pytest.mark.parametrize(
    ("verdict", "code"), [("skipped", 0), ("passed", 0), ("blocked", 3), ("failed", 1), ("undecided", 3)]
)
def test_an_unconfirmed_safe_state_outweighs_every_verdict(verdict: str, code: int) -> None:
    assert exit_code(Verdict(verdict), safe=True) == code
    assert exit_code(Verdict(verdict), safe=False) == 4
