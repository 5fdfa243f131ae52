"""A night on two rigs at one address of the DCC: every message finds its rig by device and User."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bench.campaign.summary import summarise
from bench.journal_reader import read_journal
from tests.campaign.campaigns import ROOT, entry, planned, run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.soak
async def test_two_rigs_with_the_same_users_behind_one_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(tmp_path, entry("e"), rigs=("a", "b"))
    port = free_port()
    for name, byte in (("a", "90"), ("b", "91")):
        duts = tmp_path / f"duts-{name}.yaml"
        text = (ROOT / "rigs" / "duts" / "emulated.yaml").read_text()
        duts.write_text(text.replace("00-DB-12-34-56-78-90-", f"00-DB-12-34-56-78-{byte}-"))
        rig = tmp_path / f"rig-{name}.yaml"
        text = rig.read_text().replace(str(ROOT / "rigs" / "duts" / "emulated.yaml"), str(duts))
        rig.write_text(
            text.replace(
                "dcc: {driver: dcc-gateway}",
                f"dcc: {{driver: dcc-gateway, receive_port: {port}, receive_shared: yes}}",
            )
        )
    plan = planned(tmp_path, entry("e", "supply-outage-short", "ic02"), rigs=("a", "b"))
    ran = await run(plan, tmp_path / "out", monkeypatch)
    summary = summarise(ran.folder, plan.campaign, ran.state, "virtual")
    assert summary.outcomes == {"passed": 4}, summary.cases
    for case in summary.cases:
        other = "91" if case.rig == "a" else "90"
        kinds, text = [], ""
        for record in read_journal(Path(case.attempts[0].bundle) / "journal.jsonl"):
            kinds.append(record.kind)
            text += str(record.data)
        assert f"00-DB-12-34-56-78-{other}-" not in text
        assert "seen.refused" not in kinds
        assert "unsolicited" not in text
        assert "seen.dcc_alert" in kinds or "seen.device_alert" in kinds
    # They were at it at the same time.
    began = [state.began_utc_ns for state in ran.state.cases.values() if state.case.runbook == "supply-outage-short"]
    assert abs(began[0] - began[1]) < 10_000_000_000
