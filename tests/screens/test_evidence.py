"""Runs and nights of campaigns on the evidence screen, over recorded answers."""

from __future__ import annotations

from typing import Any

import pytest
from textual.widgets import DataTable

from bench.campaign.state import AttemptResult
from bench.campaign.summary import CaseSummary, Summary
from tests.screens.replay import Recorded, replay, until

pytestmark = pytest.mark.realtime
NIGHT = "night-20260102T220000Z"


def case(runbook: str, outcome: str, reason: str, *attempts: AttemptResult) -> CaseSummary:
    return CaseSummary(f"e/{runbook}/a/1", "e", runbook, "a", 1, outcome, reason, "2026-01-02T22:00:00Z", attempts)


def nights() -> dict[str, Any]:
    """What an engine says of a night with a pass, a failure after a retry, and a run that was left out."""
    failed = [AttemptResult(number, "failed", "no alert", bundle=f"/b/20260102T22000{number}Z-y") for number in (1, 2)]
    cases = [
        case("x", "passed", "", AttemptResult(1, "passed", bundle="/b/20260102T220000Z-x")),
        case("y", "failed", "no alert", *failed),
        case("z", "skipped", "only after y"),
    ]
    times = ("2026-01-02T22:00:00Z", "2026-01-03T05:00:00Z")
    outcomes = {"passed": 1, "failed": 1, "skipped": 1}
    summary = Summary(
        NIGHT, "night", "", "real", "UTC", *times, 0, outcomes, 0, cases, [], ["R1"], ["R2"], unsafe=False, latencies={}
    )
    summary.before, summary.differences = "night-20260101T220000Z", {"new failures": ["e/y/a: failed"]}
    entries = [{"name": NIGHT, "campaign": "night", "verdict": "failed", "clock": "real", "headline": ""}]
    night = {"name": NIGHT, "page": "", "summary": summary.as_json(), "going_on": ""}
    return {"nights": {"folder": "/campaigns", "nights": entries}, "night": night}


async def test_a_night_is_shown_and_its_runs_are_looked_into() -> None:
    app = replay()
    link = app.link
    assert isinstance(link, Recorded)
    link.answers |= nights()

    def shown() -> str:
        found = app.screen.query("#bundle")
        return str(found.first().render()) if found else ""

    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "over-voltage" in shown(), "a run")
        await pilot.press("c")
        await until(pilot, lambda: NIGHT in shown(), "the night")
        for text in (
            "FAILED: night: 1 failed, 1 passed, 1 skipped",
            "Differences from night-20260101T220000Z\n  new failures\n    e/y/a: failed",
            "failed     y  e 1 on a in 2 attempts",
            "Requirements not passed\n  R2",
        ):
            assert text in shown()
        await pilot.press("v", "o")
        await until(pilot, lambda: len(app._notifications) == 2, "refusals")
        assert any("the night has not come to its end" in each.message for each in app._notifications)
        await pilot.press("enter")
        table = app.screen.query_one("#bundles", DataTable)
        await until(pilot, lambda: table.row_count == 4, "its runs")
        rows = [table.get_row_at(index) for index in range(4)]
        assert [(row[0], row[1]) for row in rows] == [
            ("passed", "x"),
            ("failed", "y"),
            ("failed", "y"),
            ("skipped", "z"),
        ]
        await pilot.press("down", "down")
        wanted = ("bundle", {"bundle": "20260102T220002Z-y", "night": NIGHT})
        await until(pilot, lambda: wanted in link.calls, "the second attempt")
        await pilot.press("v")
        await until(pilot, lambda: ("verify", wanted[1]) in link.calls, "its verification")
        await pilot.press("down")
        await until(pilot, lambda: "SKIPPED: only after y" in shown(), "why it was left out")
        await pilot.press("escape")
        await until(pilot, lambda: NIGHT in shown() and table.row_count == 1, "the nights again")
        await pilot.press("escape")
        await until(pilot, lambda: "over-voltage" in shown(), "the runs again")
