"""What an engine tells of the nights of campaigns that lie beside it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.campaign.work import conclude
from bench.errors import UsageError
from bench.evidence.keys import BenchKey
from bench.evidence.packed import pack as compress
from bench.service.nights import describe_night, folder_of_run, list_nights, night_folder
from tests.campaign.campaigns import Ran, Script, entry, planned, run
from tests.evidence.bundles import pack
from tests.service.engines import attached


async def a_night(folder: Path, monkeypatch: pytest.MonkeyPatch, *verdicts: str, ends: bool = True) -> Ran:
    plan = planned(folder, entry("e"), head="retry: {times: 1}")
    ran = await run(plan, folder / "campaigns", monkeypatch, Script({"e/han-join/a/1": list(verdicts)}))
    if ends:
        conclude(plan.campaign, ran.folder, ran.state, "virtual")
    return ran


async def test_nights_are_listed_with_the_newest_first_and_say_what_is_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = tmp_path / "campaigns"
    assert list_nights(nights) == []
    first = await a_night(tmp_path, monkeypatch, "passed")
    second = await a_night(tmp_path, monkeypatch, "failed", "failed")
    third = await a_night(tmp_path, monkeypatch, "passed", ends=False)
    (nights / "test-20260101T000000Z").mkdir()  # no night: the copy of the campaign file is missing
    found = list_nights(nights)
    assert [each["name"] for each in found] == [third.folder.name, second.folder.name, first.folder.name]
    assert [each["verdict"] for each in found] == [None, "failed", "passed"]
    assert found[1] == {
        "name": second.folder.name,
        "campaign": "test",
        "verdict": "failed",
        "clock": "virtual",
        "headline": "test: 1 failed",
    }
    shown = describe_night(second.folder)
    assert shown["summary"]["before"] == first.folder.name
    assert shown["summary"]["differences"] == {"new failures": ["e/han-join/a: failed"]}
    assert Path(shown["page"]).name == "summary.html"
    going_on = describe_night(third.folder)
    assert (going_on["summary"], going_on["page"]) == (None, "")
    assert going_on["going_on"] == "it has not come to its end: of 1 planned runs 1 have, 1 passed"
    journal = third.folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"passed"', b'"failed"', 1))
    assert "was changed" in describe_night(third.folder)["going_on"]
    (second.folder / "summary.json").write_text("{")
    assert "cannot be read" in describe_night(second.folder)["going_on"]


@pytest.mark.parametrize("name", [None, 7, "", "..", "../campaigns", "test-20260101T000000Z", "other"])
def test_what_is_no_night_is_refused(tmp_path: Path, name: object) -> None:
    with pytest.raises(UsageError, match="there is no night"):
        night_folder(tmp_path / "campaigns", name)


async def test_a_run_of_a_night_is_shown_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with attached(tmp_path) as (engine, client):
        ran = await a_night(tmp_path, monkeypatch, "passed")
        key = BenchKey.load_or_create(tmp_path / "keys")
        own = ran.folder / "runs" / "20260101T000000Z-own"
        await pack(own.parent, key, run=own.name)
        night = ran.folder.name
        assert [each["name"] for each in (await client.call("nights"))["nights"]] == [night]
        assert (await client.call("night", night=night))["summary"]["headline"] == "test: 1 passed"
        shown = await client.call("bundle", bundle=own.name, night=night)
        assert (shown["runbook"], shown["folder"]) == ("own", str(own))
        for bundle in ("..", "../runs", "none", None):
            with pytest.raises(UsageError, match="there is no evidence"):
                await client.call("bundle", bundle=bundle, night=night)
        with pytest.raises(UsageError, match="there is no evidence"):
            await client.call("bundle", bundle=own.name)
        await asyncio.to_thread(compress, own)
        with pytest.raises(UsageError, match="compressed"):
            folder_of_run(ran.folder, tmp_path / "evidence", own.name)
        assert engine.service.unsafe is False
