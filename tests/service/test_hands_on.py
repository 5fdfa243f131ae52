"""Acts by hand: within the limits, on record, and what becomes of the rig afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bench.capabilities import AcSource, Switch
from bench.errors import BenchError, UsageError
from bench.evidence.verify import Level, verify
from bench.journal_reader import read_journal
from bench.service.client import EngineClient, connected
from tests.service.engines import attached, until


async def by_hand(client: EngineClient, **step: Any) -> dict[str, Any]:
    """Do it, and wait for its end."""
    number = (await client.call("act", step=step))["act"]
    return (await until(client, kind="manual", state="end", act=number))["data"]


async def test_acts_by_hand_have_a_bundle_of_their_own_and_the_rig_is_parked_after_them(tmp_path: Path) -> None:
    async with attached(tmp_path) as (served, client):
        await client.call("subscribe")
        done = await by_hand(client, supply={"set": "250 V"})
        assert (done["who"], done["error"]) == ("Ada", "")
        assert "set to 250 V" in done["summary"]
        status = await client.call("status")
        assert (status["state"], status["hands_on"]["who"]) == ("manual", "Ada")
        source = served.session.capability(AcSource)
        assert (await source.read_state()).set_volts == 250
        asked = await by_hand(client, send={"service_request": "7.4", "to": "esme"}, **{"as": "IS"})
        assert asked["error"] == ""
        assert await client.call("park") == {"state": "parked"}
        closed = await until(client, type="hands_on", state="closed")
        assert (closed["rig"], closed["error"]) == ("parked", "")
        assert (await source.read_state()).set_volts == 230
        bundle = Path(closed["bundle"])
        assert verify(bundle).level is Level.INTEGRITY_ONLY
        records = [(record.kind, record.data) for record in read_journal(bundle / "journal.jsonl")]
        assert ("operator", {"who": "Ada", "did": "by hand: supply: set 250 V"}) in records
        assert any(kind == "seen.response" and data["service_request"] == "7.4" for kind, data in records)
        assert any(kind == "measurement" for kind, _ in records)
        assert records[-2][1]["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        ({"supply": {"swell": {"to": "280 V", "for": "5 s"}}}, "280 V is outside the rig's limits"),
        ({"supply": {"interrupt": {"for": "40 min"}}}, "longer than the rig's limit of 30 min"),
        ({"supply": {"set": "a lot"}}, "is not a voltage"),
        ({"send": {"service_request": "7.4", "to": "esme"}}, "as which User"),
        ({"send": {"service_request": "6.5", "to": "esme", "params": {"nonsense": "1"}}, "as": "ED"}, "no parameter"),
        ({"wait": "5 s"}, "by hand there is only"),
        ({"supply": {"set": "240 V"}, "expect": [{"device_alert": "0x8F35", "from": "esme", "within": "5 s"}]}, "only"),
        ("up", "this is no act"),
    ],
)
async def test_what_a_runbook_may_not_do_nobody_may_do_by_hand(tmp_path: Path, act: Any, complaint: str) -> None:
    async with attached(tmp_path) as (served, client):
        with pytest.raises(UsageError, match=complaint):
            await client.call("act", step=act)
        assert (await client.call("status"))["state"] == "connected"
        assert not (tmp_path / "evidence").exists()
        assert (await served.session.capability(AcSource).read_state()).set_volts == 230


async def test_an_emergency_stop_ends_an_act_in_the_middle(tmp_path: Path) -> None:
    async with attached(tmp_path) as (served, client):
        await client.call("subscribe")
        await client.call("act", step={"supply": {"interrupt": {"for": "10 min"}}})
        with pytest.raises(UsageError, match="an act is going on"):
            await client.call("act", step={"supply": {"set": "240 V"}})
        await asyncio.sleep(5)
        assert await client.call("estop") == {"confirmed": True, "state": "safe"}
        closed = await until(client, type="hands_on", state="closed")
        assert closed["rig"] == "safe"
        assert not await served.session.capability(Switch).is_closed()
        await asyncio.sleep(700)
        assert not (await served.session.capability(AcSource).read_state()).output_on
        with pytest.raises(UsageError, match="not parked"):
            await client.call("act", step={"supply": {"set": "240 V"}})


async def test_a_supply_that_was_forgotten_comes_back_within_the_limit_of_an_outage(tmp_path: Path) -> None:
    async with attached(tmp_path) as (served, client):
        await client.call("subscribe")
        assert (await by_hand(client, relay={"closed": "no"}))["error"] == ""
        closed = await until(client, type="hands_on", state="closed")
        assert "as long as the rig allows" in closed["why"]
        assert await served.session.capability(Switch).is_closed()


async def test_a_run_takes_the_rig_over_parked(tmp_path: Path) -> None:
    async with attached(tmp_path) as (_, client):
        await client.call("subscribe")
        await by_hand(client, supply={"set": "245 V"})
        await client.call("run", runbooks=["supply-outage-short"])
        await until(client, type="hands_on", state="closed", rig="parked")
        assert (await until(client, type="job", state="end"))["verdict"] == "passed"


async def test_a_run_in_which_somebody_acted_by_hand_cannot_pass(tmp_path: Path) -> None:
    async with attached(tmp_path) as (_, client):
        await client.call("subscribe")
        await client.call("run", runbooks=["supply-outage-short"])
        await until(client, kind="edge")
        with pytest.raises(UsageError, match="a run is going on"):
            await client.call("act", step={"supply": {"set": "240 V"}})
        await client.call("pause")
        await until(client, kind="step", state="end", path="steps.1")
        await by_hand(client, supply={"set": "231 V"})
        await client.call("resume")
        end = await until(client, type="job", state="end")
        assert end["verdict"] == "undecided"
        assert "somebody acted by hand: Ada: supply: set 231 V" in end["reason"]
        assert "by hand" in (Path(end["bundle"]) / "journal.jsonl").read_text()


async def test_a_step_is_aborted_and_the_rest_of_the_run_cleans_up(tmp_path: Path) -> None:
    async with attached(tmp_path) as (served, client):
        with pytest.raises(UsageError, match="no run"):
            await client.call("abort_step")
        await client.call("subscribe")
        await client.call("run", runbooks=["supply-outage-long"])
        await until(client, kind="edge")
        await client.call("run", runbooks=["arm-supply"])
        await until(client, kind="awaiting")
        await client.call("abort_step")
        ended = (await until(client, kind="step", state="end", verdict="undecided"))["data"]
        assert ended["reason"].startswith("aborted by Ada")
        end = await until(client, type="job", state="end", job=1)
        assert (end["verdict"], end["safe"]) == ("undecided", True)
        assert await served.session.capability(Switch).is_closed()
        # The rig was parked: what waited goes on.
        assert (await until(client, type="job", state="end", job=2))["verdict"] == "passed"


async def test_who_may_only_look_changes_nothing(tmp_path: Path) -> None:
    async with attached(tmp_path) as (served, client), connected(served.socket, who="Eve") as viewer:
        await viewer.call("view")
        await viewer.call("subscribe", after=0)
        assert (await viewer.call("status"))["rig"] == "emulated"
        assert (await viewer.call("describe"))["limits"]["highest_v"] == 270
        commands = ("run", "pause", "resume", "abort", "abort_step", "estop", "park", "answer", "act", "stop")
        for do in commands:
            with pytest.raises(UsageError, match="may only look"):
                await viewer.call(do, runbooks=["ic02"], step={"supply": {"set": "240 V"}})
        assert (await client.call("status"))["state"] == "connected"


async def test_an_emergency_stop_overtakes_parking(tmp_path: Path) -> None:
    async with attached(tmp_path, "relay-silent@1s") as (served, client):
        await asyncio.sleep(2)
        parking = asyncio.create_task(client.call("park"))
        await asyncio.sleep(0.2)
        await client.call("estop")
        with pytest.raises(BenchError, match="stopped while"):
            await parking
        assert (await client.call("status"))["state"] == "unsafe"
        assert not (await served.session.capability(AcSource).read_state()).output_on
