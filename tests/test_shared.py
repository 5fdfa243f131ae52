"""What rigs share is used by one at a time, in the order in which they asked, also across processes that die."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import shared
from bench.cli import main
from bench.clock import boot_id
from bench.guard import GuardReport, secure
from bench.lease import HeldElsewhere, Lease, holder_of
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.shared import Shares, shared_folder, shares_held, used_by_another, waiting
from tests.campaign.campaigns import entry as any_entry
from tests.campaign.campaigns import planned


@pytest.fixture
def rigs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Rig]:
    """Three rigs that share an AC source, their state in one folder."""
    monkeypatch.setattr(shared, "LOOK_S", 0.01)
    planned(tmp_path, any_entry("e"), rigs=("a", "b", "c"))
    found = []
    for name in ("a", "b", "c"):
        path = tmp_path / f"rig-{name}.yaml"
        path.write_text(path.read_text() + "shared: {source: lab-source}\nstate: state\n")
        (tmp_path / "state" / name).mkdir(parents=True)
        found.append(load_rig(path))
    return found


def folder_of(rig: Rig) -> Path:
    return rig.document.path.parent / "state" / rig.name


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def no(_text: str) -> None:
    raise AssertionError(_text)


@pytest.mark.realtime
async def test_a_queue_is_served_in_order(rigs: list[Rig]) -> None:
    order, said = [], list[str]()

    async def use(rig: Rig) -> None:
        async with shares_held(rig, folder_of(rig), "run x", on_lost=no, say=said.append):
            order.append(f"{rig.name} has it")
            await asyncio.sleep(0.05)
            order.append(f"{rig.name} gives it back")

    async with asyncio.TaskGroup() as group:
        for rig in rigs:
            group.create_task(use(rig))
            await asyncio.sleep(0.005)
    assert order == [f"{name} {what}" for name in "abc" for what in ("has it", "gives it back")]
    assert [text.partition(",")[0] for text in said] == ["waits for lab-source"] * 2
    assert "rig a: run x" in said[0]
    folder = shared_folder(folder_of(rigs[0]), "lab-source")
    assert holder_of(folder) is None
    assert waiting(folder) == []


@pytest.mark.realtime
async def test_who_died_waiting_or_holding_keeps_nobody(rigs: list[Rig]) -> None:
    folder = shared_folder(folder_of(rigs[0]), "lab-source")
    pid = dead_pid()
    (folder / "queue").mkdir(parents=True)
    ticket = {"number": 1, "pid": pid, "boot": boot_id(), "what": "rig z"}
    (folder / "queue" / "000000000001.json").write_text(json.dumps(ticket))
    Lease.take(folder, "rig z")
    found = holder_of(folder)
    assert found is not None
    left = replace(found, pid=pid)
    (folder / "lease.json").write_text(json.dumps({name: getattr(left, name) for name in left.__slots__}))
    async with asyncio.timeout(5), shares_held(rigs[0], folder_of(rigs[0]), "run", on_lost=no, say=no):
        assert holder_of(folder) != left


@pytest.mark.realtime
async def test_a_wait_can_be_given_up_and_leaves_no_trace(rigs: list[Rig]) -> None:
    first, second = rigs[:2]
    async with shares_held(first, folder_of(first), "run x", on_lost=no, say=no):
        with pytest.raises(HeldElsewhere, match="lab-source is used by .*rig a: run x"):
            async with shares_held(
                second, folder_of(second), "run", on_lost=no, say=lambda _: None, given_up=lambda: True
            ):
                raise AssertionError("both have it")
        assert waiting(shared_folder(folder_of(first), "lab-source")) == []


def test_what_was_not_left_parked_is_known_to_the_next(tmp_path: Path) -> None:
    first = Shares([tmp_path])
    assert not first.unparked
    first.begun()
    assert Shares([tmp_path]).unparked
    first.parked()
    assert not Shares([tmp_path]).unparked


@pytest.mark.realtime
async def test_a_guard_leaves_to_another_rig_what_that_uses(rigs: list[Rig]) -> None:
    mine, other = rigs[:2]
    report = GuardReport("a", "the engine ended", 1, "", "")
    report.engine_pid = 2**22 + 1  # of no process
    async with shares_held(other, folder_of(other), "run x", on_lost=no, say=no):
        assert used_by_another(mine, folder_of(mine), "source", report.engine_pid) is not None
        assert used_by_another(mine, folder_of(mine), "relay", report.engine_pid) is None
        only_source = mine.file.safe.model_copy(update={"actions": mine.file.safe.actions[1:]})
        alone = replace(mine, file=mine.file.model_copy(update={"safe": only_source}))
        await secure(alone, report, folder_of(mine))
    assert [(each.device, each.confirmed, each.attempts) for each in report.devices] == [("source", True, 0)]
    assert "left to" in report.devices[0].how
    assert used_by_another(mine, folder_of(mine), "source", report.engine_pid) is None


@pytest.mark.realtime
async def test_lease_show_says_who_uses_it_and_who_waits(rigs: list[Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(rigs[0].document.path)
    assert "lab-source: free" in CliRunner().invoke(main, ["lease", "show", path]).output

    async def wait() -> None:
        async with shares_held(rigs[1], folder_of(rigs[1]), "run y", on_lost=no, say=lambda _: None):
            pass

    async with shares_held(rigs[0], folder_of(rigs[0]), "run x", on_lost=no, say=no):
        waits = asyncio.create_task(wait())
        await asyncio.sleep(0.05)
        output = CliRunner().invoke(main, ["lease", "show", path]).output
    await waits
    assert "(rig a: run x)" in output
    assert "waits: rig b: run y" in output


def test_a_rig_shares_only_what_it_has(rigs: list[Rig]) -> None:
    path = rigs[0].document.path
    path.write_text(path.read_text().replace("shared: {source:", "shared: {sauce:"))
    output = CliRunner().invoke(main, ["lease", "show", str(path)])
    assert output.exit_code == 2
    assert "there is no device 'sauce'" in output.stderr
