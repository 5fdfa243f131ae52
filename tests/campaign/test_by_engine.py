"""Campaigns whose rig an engine serves: it runs them, and goes on with what a killed campaign had given it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from bench.campaign.file import load_campaign
from bench.campaign.plan import CampaignPlan, plan_campaign
from bench.campaign.record import Earlier, new_night, read_record
from bench.campaign.state import NightState
from bench.campaign.summary import summarise
from bench.campaign.work import CampaignOptions, work
from tests.campaign.campaigns import RIG, RUNBOOKS
from tests.service.engines import engine


def a_plan(folder: Path, repeats: int, faults: str = "") -> CampaignPlan:
    path = folder / "campaign.yaml"
    lines = [
        "campaign: test",
        f"rigs: {{a: {RIG}}}",
        "entries:",
        f"  - {{entry: e, runbooks: [{RUNBOOKS / 'supply-outage-short.yaml'}], repeats: {repeats}{faults}}}",
    ]
    path.write_text("\n".join(lines))
    return plan_campaign(load_campaign(path), {"a": "process 1, connected"})


def options(folder: Path) -> CampaignOptions:
    return CampaignOptions(folder / "out", folder / "state")


async def test_the_engine_runs_it_and_its_evidence_counts(tmp_path: Path) -> None:
    plan, state_folder = a_plan(tmp_path, 2), tmp_path / "state" / "emulated"
    state_folder.mkdir(parents=True)
    night, state = new_night(tmp_path / "out", plan.campaign), NightState(plan.cases)
    async with engine(state_folder) as served:
        await work(plan, options(tmp_path), night, Earlier(), state)
        done = served.service._describe()["done"]
    summary = summarise(night, plan.campaign, state, "virtual")
    assert summary.outcomes == {"passed": 2}
    assert summary.covered == ["8.1.16/ED/0x8F35"]
    assert [Path(case.attempts[0].bundle) for case in summary.cases] == [Path(each["bundle"]) for each in done]
    assert not (night / "runs").exists()


async def test_an_engine_that_makes_its_rig_safe_takes_the_rig_out(tmp_path: Path) -> None:
    plan, state_folder = a_plan(tmp_path, 2), tmp_path / "state" / "emulated"
    state_folder.mkdir(parents=True)
    night, state = new_night(tmp_path / "out", plan.campaign), NightState(plan.cases)
    async with engine(state_folder) as served:
        running = asyncio.create_task(work(plan, options(tmp_path), night, Earlier(), state))
        await asyncio.sleep(20)
        assert served.service._runs.engine is not None
        served.service._runs.engine.abort("somebody pushed the button")
        await running
    outcomes = [each.outcome.value for each in state.cases.values() if each.outcome is not None]
    assert outcomes == ["undecided", "blocked"]
    assert ("a", "") in state.quarantined
    assert "somebody pushed the button" in state.quarantined["a", ""]


async def test_what_the_engine_went_on_with_is_picked_up_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, state_folder = a_plan(tmp_path, 2), tmp_path / "state" / "emulated"
    state_folder.mkdir(parents=True)
    night, state = new_night(tmp_path / "out", plan.campaign), NightState(plan.cases)
    async with engine(state_folder) as served:
        killed = asyncio.create_task(work(plan, options(tmp_path), night, Earlier(), state))
        await asyncio.sleep(50)
        killed.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await killed
        assert served.service._runs.engine is not None, "the run goes on without the campaign"
        earlier = read_record(night)
        again = NightState(plan.cases)
        again.replay(earlier.entries)
        assert again.cases[1].job is not None
        await work(plan, options(tmp_path), night, earlier, again)
        jobs = [each["job"] for each in served.service._describe()["done"]]
    assert jobs == [1, 2]
    assert [(len(each.attempts), each.attempts[0].interrupted) for each in again.cases.values()] == [
        (1, False),
        (1, False),
    ]
    assert again.outcomes() == {"passed": 2}


def test_a_world_that_an_engine_has_made_takes_no_faults(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, 1, ', faults: ["join-never"]')
    assert "an engine has made already" in plan.cases[0].blocked
