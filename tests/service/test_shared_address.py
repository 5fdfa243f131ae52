"""Engines in processes of their own, behind one address that the DCC posts to, and what is left when one is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.cli.service import address_lines
from bench.eui import Eui64
from bench.journal_reader import read_journal
from bench.service.client import connected
from tests.drivers.addresses import Rig, about, free_address, post, taking_part
from tests.drivers.dcc_fake import IS
from tests.service.engines import until
from tests.service.neighbours import device_of, engine, neighbours

pytestmark = pytest.mark.realtime

RUNBOOK = """
runbook: arm
title: Disable and arm the supply
steps:
  - step: 1
    title: Disable
    as: IS
    send: {service_request: "7.2", to: esme}
    expect: [{response: "7.2", code: I0, within: 20 s}]
  - step: 2
    title: Arm
    as: IS
    send: {service_request: "7.3", to: esme}
    expect:
      - {response: "7.3", code: I0, within: 20 s}
      - {device_alert: 0x8F32, from: esme, within: 20 s}
"""


async def run(folder: Path, name: str, *, arm: bool = True) -> dict[str, Any]:
    """Run the runbook, or only its first step, on a rig; how it ended."""
    path = folder / ("arm.yaml" if arm else "disable.yaml")
    path.write_text(RUNBOOK if arm else RUNBOOK[: RUNBOOK.index("  - step: 2")])
    async with connected(engine(folder, name)) as client:
        await client.call("subscribe")
        await client.call("run", runbooks=[str(path)])
        return await until(client, type="job", state="end")


def seen(done: dict[str, Any]) -> tuple[str, list[str], str]:
    """A run's verdict, the kinds of what it saw, and all that its journal says."""
    records = list(read_journal(Path(done["bundle"]) / "journal.jsonl"))
    kinds = [record.kind for record in records if record.kind.startswith("seen.")]
    return done["verdict"], kinds, "".join(str(record.data) for record in records)


def judge(done: dict[str, Any], number: int, rigs: int, *, alerts: int = 1) -> None:
    """The run passed, and saw its own messages and nothing of another rig's."""
    verdict, kinds, text = seen(done)
    assert verdict == "passed", text
    assert kinds.count("seen.device_alert") == alerts
    assert "seen.refused" not in kinds
    assert "duplicate" not in text
    assert device_of(number) in text
    assert not [other for other in range(rigs) if other != number and device_of(other) in text]


async def test_every_engine_gets_what_is_for_its_rig_also_when_the_one_that_opened_the_address_is_killed(
    tmp_path: Path,
) -> None:
    address = replace(free_address("/smartdcc/duis"), tls="None")
    with neighbours(tmp_path, address.port, "a", "b") as pids:
        for number, done in enumerate(await asyncio.gather(run(tmp_path, "a"), run(tmp_path, "b"))):
            judge(done, number, 2)
        goes_on = asyncio.create_task(run(tmp_path, "b", arm=False))
        os.kill(pids["a"], signal.SIGKILL)
        # Two rigs of this process take part besides; whoever accepts a message, it finds its own.
        here = [Rig(name, Eui64.parse(f"{device_of(number)}A0")) for number, name in ((2, "c"), (3, "d"))]
        shared = tmp_path / "bench" / "shared"
        async with taking_part(address, here[0], shared), taking_part(address, here[1], shared):
            posts = [about(rig.device, IS, counter) for counter in range(20) for rig in here]
            assert {status for status, _ in await asyncio.gather(*(post(address, each) for each in posts))} == {204}
            assert [set(rig.got) for rig in here] == [set(posts[0::2]), set(posts[1::2])]
            assert [len(rig.got) for rig in here] == [20, 20]
            judge(await goes_on, 1, 2, alerts=0)
        of_a = about(Eui64.parse(f"{device_of(0)}A0"), IS)
        assert (await post(address, of_a))[0] == 204
        lines = address_lines(shared, "b")
        assert lines == [
            f"127.0.0.1:{address.port}: taken from by rig b (process {pids['b']})",
            "  rig a is away: its engine died",
            "  1 message for rig a kept until it is back",
            "  rig c is away: its engine left",
            "  rig d is away: its engine left",
        ]


@pytest.mark.soak
@pytest.mark.timeout(180)
async def test_one_engine_hangs_and_another_is_killed_and_the_third_one_goes_on(tmp_path: Path) -> None:
    address = replace(free_address("/smartdcc/duis"), tls="None")
    with neighbours(tmp_path, address.port, "a", "b", "c") as pids:
        runs = [run(tmp_path, name) for name in pids]
        for number, done in enumerate(await asyncio.gather(*runs)):
            judge(done, number, 3)
        # Its guard ends it after three seconds; meanwhile nobody waits but for what is for it.
        os.kill(pids["b"], signal.SIGSTOP)
        hung = asyncio.create_task(post(address, about(Eui64.parse(f"{device_of(1)}A0"), IS)))
        for number, done in zip((0, 2), await asyncio.gather(run(tmp_path, "a"), run(tmp_path, "c")), strict=True):
            judge(done, number, 3)
        assert (await hung)[0] == 204
        os.kill(pids["a"], signal.SIGKILL)
        for _ in range(5):
            judge(await run(tmp_path, "c"), 2, 3)
        lines = address_lines(tmp_path / "bench" / "shared", "c")
        assert lines[0] == f"127.0.0.1:{address.port}: taken from by rig c (process {pids['c']})"
        assert "  1 message for rig b kept until it is back" in lines
