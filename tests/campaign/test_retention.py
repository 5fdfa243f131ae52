"""Evidence is compressed, then deleted, as the campaign says, and never before a summary tells of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.campaign.file import load_campaign
from bench.campaign.record import new_night, nights_of
from bench.campaign.retention import tidy
from bench.campaign.state import AttemptResult
from bench.campaign.work import conclude
from bench.cli import main
from bench.clock import RealClock
from bench.evidence.keys import BenchKey
from tests.campaign.campaigns import Script, entry, planned, run, write
from tests.evidence.bundles import pack

RULES = "retention: {compress_after: 7 d, keep: 30 d}"


async def a_night(folder: Path, monkeypatch: pytest.MonkeyPatch, *, ended: bool = True) -> tuple[Path, Path, Path]:
    """A night with a bundle in its own folder, one that an engine left elsewhere, and one of an interrupted attempt."""
    key = BenchKey.load_or_create(folder / "keys")
    await pack(folder / "engine", key, run="by-engine")
    verdicts: dict[str, list[str | AttemptResult]] = {
        "e/han-join/a/1": [AttemptResult(1, "passed", bundle=str(folder / "engine" / "by-engine"))]
    }
    plan = planned(folder, entry("e"), head=RULES)
    ran = await run(plan, folder / "out", monkeypatch, Script(verdicts))
    await pack(ran.folder / "runs", key, run="own")
    if ended:
        conclude(plan.campaign, ran.folder, ran.state, "virtual")
    return ran.folder, ran.folder / "runs" / "own", folder / "engine" / "by-engine"


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_old_evidence_is_compressed_and_then_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night, own, engine = await a_night(tmp_path, monkeypatch)
    campaign = load_campaign(tmp_path / "campaign.yaml")
    before = files(night)
    now = RealClock().now().utc
    assert tidy(tmp_path / "out", campaign, now + timedelta(days=6)).lines() == []
    done = tidy(tmp_path / "out", campaign, now + timedelta(days=8))
    assert {path.name for path in done.compressed} == {"own.tar.gz", "by-engine.tar.gz"}
    assert not own.exists()
    assert not engine.exists()
    assert tidy(tmp_path / "out", campaign, now + timedelta(days=9)).lines() == []
    done = tidy(tmp_path / "out", campaign, now + timedelta(days=31))
    assert {path.name for path in done.deleted} == {"own.tar.gz", "by-engine.tar.gz"}
    assert not list((night / "runs").iterdir())
    # What the night came to stays.
    assert files(night) == before
    assert tidy(tmp_path / "out", campaign, now + timedelta(days=99)).lines() == []


async def test_nothing_goes_before_it_is_summarised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, own, engine = await a_night(tmp_path, monkeypatch, ended=False)
    campaign = load_campaign(tmp_path / "campaign.yaml")
    done = tidy(tmp_path / "out", campaign, RealClock().now().utc + timedelta(days=99))
    assert not done.deleted
    assert len(done.kept) == 1
    assert "has no summary yet" in done.kept[0]
    assert own.is_dir()
    assert engine.is_dir()


async def test_an_interrupted_night_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(tmp_path, entry("e", repeats="2"), head=RULES)
    ran = await run(plan, tmp_path / "out", monkeypatch, Script())
    ran.state.cases[2].outcome = None
    conclude(plan.campaign, ran.folder, ran.state, "virtual")
    (ran.folder / "runs" / "x").mkdir(parents=True)
    done = tidy(tmp_path / "out", plan.campaign, RealClock().now().utc + timedelta(days=99))
    assert "can be resumed" in done.kept[0]


def test_only_what_belongs_to_the_campaign_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, entry("e"), head="retention: {keep: 1 d}")
    campaign = load_campaign(path)
    night = new_night(tmp_path / "out", campaign)
    other = tmp_path / "out" / "test-2-mine"
    other.mkdir()
    (other / "notes.txt").write_text("keep me")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["campaign", "tidy", str(path), "--out", "out"])
    assert result.exit_code == 0, result.output
    assert "nothing to do" in result.output
    done = tidy(tmp_path / "out", campaign, datetime(2200, 1, 1, tzinfo=UTC))
    assert not done.deleted
    assert (other / "notes.txt").exists()
    assert night.is_dir()


def test_nights_are_told_apart_by_campaign_and_are_in_order(tmp_path: Path) -> None:
    names = ["test-20260101T220000Z", "test-20260101T220000Z-2", "test-20260101T220000Z-10", "test-20260102T220000Z"]
    for name in [*reversed(names), "test-2-20260101T220000Z", "test-20260103T220000Z.old"]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "campaign.yaml").touch()
    assert [path.name for path in nights_of(tmp_path, "test")] == names
    assert [path.name for path in nights_of(tmp_path, "test-2")] == ["test-2-20260101T220000Z"]
