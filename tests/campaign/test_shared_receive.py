"""Two rigs at one DCC that posts to one address: every message finds its rig by device and User."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.campaign.summary import summarise
from bench.errors import DeviceError
from bench.journal_reader import read_journal
from drivers.shared_receive import Address, Member, SharedReceive, join
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


class Rig:
    """A member that is concerned by what names it."""

    def __init__(self, name: str, concern: Callable[[bytes], int], refusal: str | None = None) -> None:
        self.got: list[bytes] = []
        self.refusals: list[str] = []
        self.member = Member(concern, self._deliver, lambda what, why, peer: self.refusals.append(why), name)
        self._refusal = refusal

    def _deliver(self, document: bytes, peer: str) -> str | None:
        self.got.append(document)
        return self._refusal


async def test_those_whom_it_concerns_most_get_it_and_what_concerns_nobody_is_refused_by_all() -> None:
    address = Address("127.0.0.1", free_port(), "/x", "")
    one = Rig("one", lambda document: {b"mine": 3, b"all": 1, b"near": 1}.get(document, 0))
    two = Rig("two", lambda document: {b"all": 1, b"near": 2}.get(document, 0), "it is wrong")
    service = await join(address, None, one.member)
    assert await join(address, None, two.member) is service
    deliver = service._deliver
    assert deliver(b"mine", "") is None
    assert deliver(b"near", "") == "it is wrong"
    assert deliver(b"all", "") is None
    assert "no device and no User" in str(deliver(b"strange", ""))
    assert (one.got, two.got) == ([b"mine", b"all"], [b"near", b"all"])
    assert len(one.refusals) == len(two.refusals) == 1
    with pytest.raises(DeviceError, match="by another path"):
        await join(Address("127.0.0.1", address.port, "/y", ""), None, two.member)
    await service.leave(one.member)
    await service.leave(two.member)
    # The address is free again, also for another use.
    other = Address("127.0.0.1", address.port, "/y", "")
    again = await join(other, None, two.member)
    assert isinstance(again, SharedReceive)
    await again.leave(two.member)
