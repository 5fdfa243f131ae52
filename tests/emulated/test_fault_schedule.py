"""Faults that come and go: what they do while they last, that nothing is left of them, and what a seed draws."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bench.capabilities import AcSource, DccGateway, Measures, Switch
from bench.clock import VirtualClock
from bench.errors import BenchError, UsageError
from bench.parties import DeviceType
from bench.rig.emulation import build_emulation, drawn_faults
from bench.rig.load import load_rig
from bench.rig.session import RigSession, open_rig
from drivers.emulated.fault_kinds import KINDS
from drivers.emulated.fault_schedule import GROUPS, FaultScheduleSpec, draw
from drivers.emulated.faults import Fault
from tests.emulated.benches import RIG, rig
from tests.emulated.worlds import small_world

NIGHT = FaultScheduleSpec.model_validate(
    {"faults": list(GROUPS), "every": "5 min", "shortest": "1 s", "longest": "2 min", "until": "8 h"}
)
Act = Callable[[RigSession], Awaitable[object]]


async def asked(session: RigSession, act: Act) -> object:
    try:
        return await act(session)
    except BenchError as error:
        return str(error)


async def volts(session: RigSession) -> float:
    return round((await session.capability(Measures, "meter").measure("voltage")).value)


async def output(session: RigSession) -> bool:
    return (await session.capability(AcSource).read_state()).output_on


async def closed(session: RigSession) -> bool:
    return await session.capability(Switch).is_closed()


async def status(session: RigSession) -> str:
    chf = next(dut.eui for dut in session.rig.duts.values() if dut.type is DeviceType.CHF)
    answer = await session.capability(DccGateway).request("IS", "8.2", session.rig.file.dcc, {"device_id": chf})
    return answer.response_code


def test_the_same_seed_draws_the_same_night_and_another_one_another() -> None:
    assert draw(NIGHT, 1) == draw(NIGHT, 1)
    assert draw(NIGHT, 1) != draw(NIGHT, 2)
    assert draw(NIGHT.model_copy(update={"seed": 1}), 2) == draw(NIGHT, 1)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_drawn_keeps_to_what_was_asked(seed: int) -> None:
    night = draw(NIGHT, seed)
    assert len(night) == pytest.approx(96, abs=35), "one every five minutes of eight hours"
    begins = [fault.begins_s for fault in night]
    assert begins == sorted(begins) and begins[-1] <= 8 * 3600
    assert all(math.isinf(fault.lasts_s) or 1 <= fault.lasts_s <= 120 for fault in night)
    assert all(math.isinf(fault.lasts_s) != KINDS[fault.name].takes_length for fault in night)
    for name in {fault.name for fault in night}:
        same = [fault for fault in night if fault.name == name]
        assert all(one.ends_s <= other.begins_s for one, other in zip(same, same[1:], strict=False))
    assert [Fault.parse(str(fault)) for fault in night] == list(night)


def test_every_group_is_of_faults_that_there_are() -> None:
    assert all(Fault.parse(text) for names in GROUPS.values() for text in names)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"faults": ["meter-quiet"]}, "Did you mean"),
        ({"faults": ["meter-silent for 3 s"]}, "which the schedule does"),
        ({"faults": []}, "faults"),
        ({"every": "0 s"}, "every"),
        ({"longest": "10 ms"}, "longest is shorter than shortest"),
        ({"sometimes": "yes"}, "sometimes"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    section = {"faults": ["wire"], "every": "10 min"} | changes
    with pytest.raises(UsageError, match=words):
        drawn_faults(section, 1)


async def test_a_mistake_in_a_rig_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "duts").mkdir()
    (tmp_path / "duts" / "emulated.yaml").write_text((RIG.parent / "duts" / "emulated.yaml").read_text())
    path = tmp_path / "rig.yaml"
    path.write_text(RIG.read_text() + "  fault_schedule: {faults: [meter-quiet], every: 10 min}\n")
    with pytest.raises(UsageError, match=r"rig.yaml:\d+.*meter-quiet"):
        build_emulation(load_rig(path), VirtualClock(asyncio.get_running_loop()), seed=None, faults=())


async def see(kinds: dict[str, object], act: Act, sound: object, *, rest_s: float = 30.0) -> None:
    """Let faults come one after the other, for ten seconds each; see what is said meanwhile, and ten seconds later."""
    texts = []
    for number, name in enumerate(kinds):
        length = " for 10 s" if KINDS[name.partition(":")[0]].takes_length else ""
        texts.append(f"{name} from {number * rest_s + 10:g} s{length}")
    async with rig(*texts) as (session, _):
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number, (name, wrong) in enumerate(kinds.items()):
            await asyncio.sleep(number * rest_s + 9 - (loop.time() - began_s))
            assert await asked(session, act) == sound, f"before {name}"
            await asyncio.sleep(number * rest_s + 11 - (loop.time() - began_s))
            found = (
                [await asked(session, act) for _ in range(4)] if name.endswith("drops") else [await asked(session, act)]
            )
            assert any(wrong in str(each) for each in found) if isinstance(wrong, str) else found == [wrong], (
                name,
                found,
            )
            await asyncio.sleep(number * rest_s + 27 - (loop.time() - began_s))
            await asked(session, act)  # the first exchange may still find the wreck of the last one
            assert await asked(session, act) == sound, f"after {name}"


LOST = {
    "silent": "does not answer",
    "slow": "does not answer",
    "drops": "does not answer",
    "half": "",
    "stuck": "does not answer",
    "vanishes": "",
}


async def test_what_goes_wrong_with_the_reference_meter_passes() -> None:
    kinds: dict[str, object] = {f"meter-{name}": words for name, words in LOST.items()}
    kinds |= {"meter-garbled": "", "meter-wrong-unit": 0, "meter-reboots": "", "mains-sag:190 V": 190}
    kinds |= {"mains-brown-out": 60}
    await see(kinds, volts, 230)


async def test_what_goes_wrong_with_the_relay_passes() -> None:
    await see({f"relay-{name}": words for name, words in LOST.items()} | {"relay-garbled": ""}, closed, True)


async def test_what_goes_wrong_with_the_source_passes() -> None:
    await see({f"source-{name}": words for name, words in LOST.items()} | {"source-garbled": ""}, output, True)


async def test_what_goes_wrong_with_the_dcc_passes() -> None:
    kinds: dict[str, object] = {
        "dcc-away": "503",
        "dcc-rejects": "E4",
        "dcc-rejects:E5": "E5",
        "dcc-slow": "does not answer",
        "dcc-silent": "does not answer",
        "dcc-garbled": "not well-formed",
        "dcc-bad-xml-signature": "does not verify",
    }
    await see(kinds, status, "I0")


async def test_instruments_that_restart_lose_what_they_were_set_to() -> None:
    async with rig("source-reboots from 10 s", "relay-reboots from 60 s") as (session, _):
        await asyncio.sleep(20)
        assert (await output(session), await volts(session)) == (False, 0)
        await session.capability(AcSource).output(True)
        assert (await closed(session), await volts(session)) == (True, 230)
        await asyncio.sleep(50)
        assert (await closed(session), await volts(session)) == (False, 0)
        await session.capability(Switch).switch(True)
        assert await volts(session) == 230


async def test_a_stale_meter_repeats_itself_and_a_frequency_wanders() -> None:
    faults = ("meter-stale from 10 s for 20 s", "mains-frequency-drift:2 Hz from 60 s for 60 s")
    async with rig(*faults) as (session, _):
        meter = session.capability(Measures, "meter")
        await asyncio.sleep(9)
        await volts(session)
        await asyncio.sleep(3)
        await session.capability(AcSource).set_voltage(240.0)
        assert await volts(session) == 230
        await asyncio.sleep(20)
        assert await volts(session) == 240
        await asyncio.sleep(58)
        assert (await meter.measure("frequency")).value == pytest.approx(51.0, abs=0.1), "after half a minute"
        await asyncio.sleep(40)
        assert (await meter.measure("frequency")).value == pytest.approx(50.0, abs=0.1)


async def test_flicker_is_seen_by_the_meter_and_averaged_by_the_esme() -> None:
    voltage = {"voltage": {"period": "60 s", "over": "253 V", "under": "225 V"}}
    with small_world("mains-flicker:210 V@1s from 5 s for 10 min", world=voltage) as small:
        await asyncio.sleep(300)
        mean = small.world.esme.average.mean_v
        assert mean == pytest.approx(220, abs=1)
        assert [post.code for post in small.posts] == ["0x8006"]
        await asyncio.sleep(600)
        assert [post.code for post in small.posts] == ["0x8006", "0x8089"]


async def test_a_brown_out_is_an_outage_to_whoever_lives_on_the_supply() -> None:
    with small_world("mains-brown-out from 10 s for 30 s") as small:
        await asyncio.sleep(200)
        assert [post.code for post in small.posts] == ["0x8F35"]


@pytest.mark.parametrize(
    ("fault", "arrivals"),
    [
        ("dcc-late@20s", [121.0]),
        ("dcc-duplicate@3s", [101.0, 104.0]),
        ("dcc-storm@30s from 90 s for 65 s", [90.0, 101.0, 120.0, 150.0]),
        ("dcc-late@20s for 50 s", [101.0]),
    ],
)
async def test_what_the_dcc_delivers_late_twice_or_unasked(fault: str, arrivals: list[float]) -> None:
    with small_world(fault) as small:
        began_s = small.loop.time()
        small.world.schedule.after(100.0, lambda: small.world.esme.raise_alert(0x8F32))
        await asyncio.sleep(200)
        assert [round(post.at_s - began_s, 3) for post in small.posts] == arrivals
        assert len({post.raw for post in small.posts}) == (1 if "duplicate" in fault else len(arrivals))


async def test_deliveries_that_overtake_each_other() -> None:
    with small_world("dcc-out-of-order@20s") as small:
        for number in range(10):
            small.world.schedule.after(100.0 + number, lambda: small.world.esme.raise_alert(0x8F32))
        await asyncio.sleep(200)
        counters = [post.gbcs.originator_counter for post in small.posts if post.gbcs is not None]
        assert len(counters) == 10
        assert counters != sorted(counters)


async def test_clocks_drift_while_that_lasts_and_stay_where_they_are() -> None:
    with small_world("device-clock-drifts:1000ppm from 100 s for 1000 s", "device-clock-off:5 from 2000 s") as small:
        esme, clock = small.world.esme, small.world.clock

        def ahead_s() -> float:
            return (esme.clock.utc_ns() - clock.now().utc_ns) / 1e9

        for sleep_s, wanted_s in ((99, 0.0), (501, 0.5), (900, 1.0), (600, 6.0)):
            await asyncio.sleep(sleep_s)
            assert ahead_s() == pytest.approx(wanted_s, abs=0.01)


async def test_the_world_keeps_a_record_of_its_own(tmp_path: Path) -> None:
    record = tmp_path / "faults.jsonl"
    clock = VirtualClock(asyncio.get_running_loop())
    faults = ("meter-silent from 10 s for 5 s", "relay-reboots from 12 s", "alert-never:0x8F35")
    async with open_rig(load_rig(RIG), clock, faults=faults, world_record=record):
        await asyncio.sleep(30)
    notes = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(note["age_s"], note["state"], note["fault"]) for note in notes[1:]] == [
        (10.0, "begins", "meter-silent from 10 s for 5 s"),
        (12.0, "happens", "relay-reboots from 12 s"),
        (15.0, "ends", "meter-silent from 10 s for 5 s"),
    ]
    assert (notes[0]["state"], notes[0]["fault"]) == ("begins", "alert-never:0x8F35")


def test_a_length_is_for_what_lasts() -> None:
    with pytest.raises(UsageError, match="takes no length"):
        Fault.parse("source-reboots for 3 s")
    with pytest.raises(UsageError, match="longer than no time"):
        Fault.parse("meter-silent for 0 s")
    with pytest.raises(UsageError, match="not negative"):
        Fault.parse("meter-silent from -3 s")
