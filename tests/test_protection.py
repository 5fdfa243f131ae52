"""What protects a bench whose PC is dead: what the rig file may say of it, and the watchdogs of relay and source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.capabilities import Measures, Switch
from bench.clock import VirtualClock
from bench.errors import DeviceError, UsageError
from bench.rig.check import check
from bench.rig.load import load_rig
from bench.rig.session import RigSession, open_rig
from tests.emulated.benches import RIG
from tests.rig.rig_files import ROOT

LAB = ROOT / "rigs" / "example-lab.yaml"


def lab(folder: Path, protection: str, *, relay: str = "") -> Path:
    """The example rig, with something else under `protection`, and more keys of the relay."""
    (folder / "duts").mkdir()
    (folder / "duts" / "emulated.yaml").write_text((ROOT / "rigs" / "duts" / "emulated.yaml").read_text())
    text = "".join(line for line in LAB.read_text().splitlines(keepends=True) if "watchdog: {holding" not in line)
    head, _, rest = text.partition("protection:")
    text = head + f"protection: {protection}\n" + "clock:" + rest.partition("clock:")[2]
    path = folder / "rig.yaml"
    path.write_text(text.replace("driver: modbus-relay", f"driver: modbus-relay\n    {relay}", 1) if relay else text)
    return path


WATCHDOG = "watchdog: {holding_register: 100, time: 10 s}"


@pytest.mark.parametrize(
    ("protection", "relay", "problem", "note"),
    [
        ("[]", "", "", "nothing is said about what protects the bench"),
        ("[A big red button]", "", "", "in words alone, which nobody can check"),
        ("[{device: relay, how: watchdog}]", "", "has no watchdog in its section", ""),
        (
            "[{device: relay, how: watchdog, within: 5 s}]",
            WATCHDOG,
            "acts after 10.0 s, not within 5.0 s",
            "own watchdog 10",
        ),
        (
            "[{device: relay, how: watchdog, within: 15 s}]",
            WATCHDOG,
            "",
            "own watchdog 10.0 s after",
        ),
        ("[{device: relay, how: unpowered, note: fed by this PC}]", "", "", ""),
        ("[{device: relay, how: unpowered}]", "contact: normally_closed", "closes the supply path when it loses", ""),
        ("[{device: meter, how: watchdog}]", "", "meter is not in the supply path", ""),
        ("[{device: source, how: watchdog}]", "", "source has no watchdog in its section", ""),
        ("[{device: source, how: unpowered, note: fed by this PC}]", "", "", ""),
        ("[{device: rellay, how: watchdog}]", "", "there is no device 'rellay'", ""),
        ("[]", f"contact: normally_closed\n    {WATCHDOG}", "its watchdog would close the supply path", ""),
    ],
)
def test_what_a_rig_file_states_is_judged(tmp_path: Path, protection: str, relay: str, problem: str, note: str) -> None:
    report = check(lab(tmp_path, protection, relay=relay), tmp_path, offline=True)
    problems, notes = "\n".join(report.problems), "\n".join(report.notes)
    assert problem in problems and bool(problem) is bool(problems)
    assert note in notes
    assert report.exit_code == (2 if problem else 0)


@pytest.mark.parametrize(
    ("source", "protection", "problem", "note"),
    [
        ("", "[]", "", "source goes off by its own watchdog 30.0 s after this PC has died"),
        ("watchdog: {time: 12 s}", "[{device: source, how: watchdog, within: 15 s}]", "", "watchdog 12.0 s after"),
        (
            "watchdog: {time: 12 s}",
            "[{device: source, how: watchdog, within: 10 s}]",
            "source acts after 12.0 s, not within 10.0 s",
            "watchdog 12.0 s",
        ),
        (
            "watchdog: no",
            "[{device: source, how: watchdog}]",
            "source has no watchdog in its section",
            "source: its own watchdog is not armed",
        ),
    ],
)
def test_a_source_with_a_watchdog_is_judged(
    tmp_path: Path, source: str, protection: str, problem: str, note: str
) -> None:
    path = lab(tmp_path, protection)
    path.write_text(path.read_text().replace("profile: chroma-61500", f"profile: keysight-ac6800\n    {source}"))
    report = check(path, tmp_path, offline=True)
    problems, notes = "\n".join(report.problems), "\n".join(report.notes)
    assert problem in problems and bool(problem) is bool(problems)
    assert note in notes


@pytest.mark.parametrize("protection", ["[{device: relay}]", "[{how: watchdog}]", "[{device: relay, how: prayer}]"])
def test_what_says_nothing_is_refused(tmp_path: Path, protection: str) -> None:
    with pytest.raises(UsageError, match=r"rig.yaml:\d+"):
        check(lab(tmp_path, protection), tmp_path, offline=True)


@asynccontextmanager
async def watched(folder: Path, watchdog: str) -> AsyncIterator[RigSession]:
    (folder / "duts").mkdir()
    (folder / "duts" / "emulated.yaml").write_text((RIG.parent / "duts" / "emulated.yaml").read_text())
    path = folder / "rig.yaml"
    path.write_text(RIG.read_text().replace("{driver: modbus-relay}", f"{{driver: modbus-relay, {watchdog}}}"))
    async with open_rig(load_rig(path), VirtualClock(asyncio.get_running_loop())) as session:
        yield session


async def volts(session: RigSession) -> float:
    return round((await session.capability(Measures, "meter").measure("voltage")).value)


async def test_a_relay_opens_by_itself_when_nobody_speaks_to_it(tmp_path: Path) -> None:
    async with watched(tmp_path, WATCHDOG) as session:
        await asyncio.sleep(120)
        assert await volts(session) == 230, "it hears the bench all the while"
        relay = session.drivers["relay"]
        await relay.stop_background()  # the bench is dead
        await asyncio.sleep(6)
        assert await volts(session) == 230
        await asyncio.sleep(5)
        assert await volts(session) == 0
        assert not await session.capability(Switch).is_closed()


async def test_a_relay_that_did_not_say_that_it_opened_stays_watched(tmp_path: Path) -> None:
    async with watched(tmp_path, WATCHDOG) as session:
        relay = session.drivers["relay"]
        before = relay.config
        # Its feedback says "closed" whatever it does: as far as the bench knows the supply is still there.
        relay.config = before.model_copy(update={"feedback": 0, "feedback_inverted": True})
        with pytest.raises(DeviceError, match="did not follow it"):
            await session.capability(Switch).switch(False)
        relay.config = before
        await relay._unit.write_coil(0, True)
        await relay.close()
        await asyncio.sleep(9)
        assert await volts(session) == 230
        await asyncio.sleep(2)
        assert await volts(session) == 0


async def test_a_relay_that_is_left_in_order_stays_as_it_is(tmp_path: Path) -> None:
    async with watched(tmp_path, WATCHDOG) as session:
        await session.drivers["relay"].close()
        await asyncio.sleep(60)
        assert await volts(session) == 230


async def test_a_watchdog_that_was_not_armed_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 to 65535 fit into the register"):
        async with watched(tmp_path, "watchdog: {holding_register: 100, time: 3 h}"):
            pass
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(Exception, match="relay"):
        # The module has no such register at 200: the rig file that it was made from says 100.
        async with watched(other, WATCHDOG) as session:
            relay = session.drivers["relay"]
            await relay.close()
            relay.config = relay.config.model_copy(
                update={"watchdog": relay.config.watchdog.model_copy(update={"holding_register": 200})}
            )
            try:
                await relay.connect()
            except DeviceError as error:
                raise AssertionError(f"relay: {error}") from None
