"""How a run ends when things go wrong: parked, or safe, or saying loudly that it is neither."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from bench.clock import ClockKind, Instant, RealClock, VirtualClock
from bench.durable import StorageError
from bench.errors import ClockError, UnsafeError
from bench.ledger import Ledger
from bench.verdict import Verdict
from tests.fakes import RIG, make_bench, verdicts

LONG = "steps: [{step: '1', as: ED, supply: {interrupt: {for: 10 min}}}]\n"

WAIT = "steps: [{step: '1', wait: 60 s}]\n"


async def test_a_device_lost_in_the_middle_leaves_the_run_undecided_and_the_rig_parked(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.dcc.lose("request")
    result = await bench.run(
        "steps: [{title: a, as: IS, send: {service_request: '7.4', to: esme}}, {title: b, wait: 1 s}]\n"
        "teardown: [{title: c, as: IS, send: {service_request: '7.1', to: esme}}, {title: d, supply: {set: 240 V}}]\n"
    )
    assert result.verdict is Verdict.UNDECIDED
    assert verdicts(result) == [
        ("step", "a", "undecided"),
        ("step", "b", "blocked"),
        ("teardown", "c", "undecided"),
        ("teardown", "d", "passed"),
    ]
    assert "dcc does not answer" in result.reason
    assert (result.safe, result.parked, bench.is_parked) == (True, True, True)


@pytest.mark.parametrize("how", ["ignores", "raises", "blocks", "crashes"])
async def test_a_rig_that_cannot_be_parked_is_made_safe_before_the_drain(tmp_path: Path, how: str) -> None:
    bench = make_bench(tmp_path)
    if how == "ignores":
        bench.source.volts = 240.0
        bench.source.ignores.add("set_voltage")
    elif how == "raises":
        bench.source.lose("set_voltage")
    elif how == "blocks":
        bench.source.blocks.add("set_voltage")
    else:
        bench.source.raises["set_voltage"] = RuntimeError("a bug in a driver")
    result = await bench.run("steps: [{wait: 1 s}]\n")
    assert result.verdict is Verdict.UNDECIDED
    assert "the park state was not confirmed" in result.reason
    assert (result.safe, result.parked) == (True, False)
    assert bench.is_safe and not bench.source.on
    assert bench.relay.when("switch") == pytest.approx(21 if how == "blocks" else 1, abs=0.1), "not after the drain"


async def test_neither_parked_nor_safe_is_said_loudly(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.relay.ignores.add("switch")
    bench.relay.contact = False
    bench.source.lose("output", "make_safe")
    result = await bench.run("steps: [{wait: 1 s}]\n")
    assert (result.verdict, result.safe, result.parked) == (Verdict.UNDECIDED, False, False)
    unconfirmed = [
        (event.kind, event.data["device"]) for event in bench.events if event.data.get("state") == "unconfirmed"
    ]
    assert sorted(unconfirmed) == [("park", "relay"), ("park", "source"), ("safe", "source")]


@pytest.mark.realtime
async def test_what_is_not_confirmed_sounds_the_alarm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    horn = tmp_path / "horn"
    horn.write_text(f'#!/bin/sh\nprintf %s "$2" > {tmp_path}/heard\nexit 3\n')
    horn.chmod(0o700)
    text = RIG.replace("require_synchronised: yes", "require_synchronised: no") + f"alarm: [{horn}, --loud]\n"
    bench = make_bench(tmp_path, rig_text=text, clock=RealClock())
    bench.source.lose("make_safe")
    engine = bench.engine(WAIT)
    bench.at(0.05, engine.abort, "Ctrl-C")
    assert not (await engine.run()).safe
    words = "small: the safe state is not confirmed: source"
    assert (tmp_path / "heard").read_text().startswith(words)
    assert f"ALARM *** {words}" in capsys.readouterr().err
    assert bench.told("alarm")[0].data["program"] == f"{horn} ended with 3"


async def test_an_abort_acts_at_once_though_the_source_blocks_for_ever(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.source.blocks |= {"make_safe"}
    engine = bench.engine(LONG + "teardown: [{supply: {set: 230 V}}]\n")
    bench.at(100, engine.abort, "Ctrl-C")
    result = await engine.run()
    assert result.verdict is Verdict.UNDECIDED
    assert "aborted: Ctrl-C" in result.reason
    assert bench.is_safe
    assert bench.relay.when("switch") == 100.0, "the relay waits for nothing"
    assert bench.now_s == pytest.approx(110, abs=0.1), "and the source not beyond the deadline of the safe state"
    assert (result.safe, result.parked) == (False, False)
    assert verdicts(result) == [("step", "1", "undecided")], "the step that was under way, and no teardown"
    assert bench.told("safe", state="unconfirmed")[0].data["reason"] == "not confirmed within 10 s"


async def test_an_abort_in_the_middle_of_an_outage_ends_it_safely(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    engine = bench.engine(LONG)
    bench.at(100, engine.abort, "Ctrl-C")
    bench.at(100.5, engine.abort, "SIGTERM")
    result = await engine.run()
    assert (result.safe, result.parked, bench.source.on) == (True, False, False)
    assert bench.now_s < 101
    assert result.reason.endswith("aborted: Ctrl-C"), "the first reason is the reason"
    assert bench.relay.verbs().count("switch") == 1
    assert [event.data["reason"] for event in bench.told("run", state="abort")] == ["Ctrl-C"]


async def test_the_outer_task_may_be_cancelled_twice_and_the_rig_still_gets_safe(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.source.blocks.add("make_safe")
    task = asyncio.create_task(bench.engine(LONG).run())
    for when_s in (50, 52, 54):
        bench.at(when_s, task.cancel)
    result = await task
    assert "aborted: the run was cancelled" in result.reason
    assert bench.relay.when("switch") == 50.0
    assert bench.now_s == pytest.approx(60, abs=0.1), "the deadline of the safe state, not the second cancellation"
    assert result.safe is False


@pytest.mark.parametrize("when_s", [0.0, 1.0, 31.0, 60.0, 60.5, 75.0, 89.999, 90.0])
async def test_whenever_an_abort_comes_the_rig_ends_safe_or_parked(tmp_path: Path, when_s: float) -> None:
    bench = make_bench(tmp_path)
    engine = bench.engine(WAIT)
    if when_s == 0.0:
        engine.abort("before it began")
    else:
        bench.at(when_s, engine.abort, "an abort")
    result = await engine.run()
    await asyncio.sleep(0)
    assert result.safe
    assert result.parked != bench.is_safe
    assert result.verdict is (Verdict.PASSED if result.parked else Verdict.UNDECIDED)
    assert when_s or not bench.told("step"), "what was aborted before it began does not begin"


async def test_an_abort_while_parking_wins(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.source.blocks.add("set_voltage")
    engine = bench.engine("steps: [{wait: 1 s}]\n")
    bench.at(5, engine.abort, "Ctrl-C")
    result = await engine.run()
    assert (result.safe, result.parked, bench.is_safe) == (True, False, True)
    assert bench.now_s < 6


@pytest.mark.parametrize("where", ["{VERB}", "{parallel: [{VERB}, {wait: 1 h}]}"])
async def test_drivers_that_swallow_a_cancellation_hold_nothing_up(tmp_path: Path, where: str) -> None:
    bench = make_bench(tmp_path)

    measure, output = bench.meter.measure, bench.source.output

    async def deaf_once(*_: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()

    async def interrupt(duration_s: float) -> Any:
        await deaf_once()
        await asyncio.sleep(duration_s)
        return await output(True)

    async def slow_measure(quantity: str) -> Any:
        if bench.now_s > 5:
            await deaf_once()
        return await measure(quantity)

    bench.source.interrupt = interrupt  # type: ignore[method-assign]
    bench.meter.measure = slow_measure  # type: ignore[method-assign]
    steps = f"steps: [{where}, {{supply: {{set: 240 V}}}}]\n"
    engine = bench.engine(steps.replace("VERB", "supply: {interrupt: {for: 10 min}}"))
    bench.at(10, engine.abort, "Ctrl-C")
    result = await engine.run()
    assert result.safe and bench.relay.when("switch") == 10.0
    assert not {"set_voltage", "output"} & set(bench.source.verbs()), "no verb is begun or ended after an abort"
    assert bench.now_s < 15


async def test_one_broken_driver_does_not_keep_the_others_from_their_safe_state(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.relay.raises["switch"] = OSError("no such port")
    engine = bench.engine(LONG)
    bench.at(10, engine.abort, "Ctrl-C")
    result = await engine.run()
    assert not bench.source.on and "make_safe" in bench.source.verbs()
    assert result.safe is False
    assert "no such port" in bench.told("safe", state="unconfirmed")[0].data["reason"]


async def test_devices_that_lie_are_not_believed(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.relay.ignores.add("switch")
    bench.source.ignores.add("make_safe")
    engine = bench.engine(WAIT)
    bench.at(10, engine.abort, "Ctrl-C")
    result = await engine.run()
    assert result.safe is False
    reasons = {event.data["device"]: event.data["reason"] for event in bench.told("safe", state="unconfirmed")}
    assert reasons == {"relay": "relay reads back closed", "source": "source reads back output on"}
    assert all(reason in result.reason for reason in reasons.values())


async def test_the_stream_tells_how_the_rig_was_parked_and_what_the_meter_read(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    await bench.run("steps: [{wait: 3 s}]\n")
    told = [(event.data["state"], event.data.get("device"), event.data.get("action")) for event in bench.told("park")]
    assert told[0] == ("start", None, None)
    assert sorted(told[1:-1]) == [("done", "relay", "closed"), ("done", "source", "output on at 230 V")]
    assert told[-1] == ("end", None, None) and bench.told("park", state="end", confirmed=True)
    readings = [(event.at.mono_ns // 10**9, event.data["value"]) for event in bench.told("measurement")]
    assert readings[:4] == [(second, 230.0) for second in range(4)]


async def test_a_run_that_something_inside_cancels_is_made_safe(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def interrupt(_duration_s: float) -> Any:
        raise asyncio.CancelledError

    bench.source.interrupt = interrupt  # type: ignore[method-assign]
    result = await bench.run(LONG)
    assert (result.verdict, result.safe, bench.is_safe) == (Verdict.UNDECIDED, True, True)
    assert "something inside the bench cancelled the run" in result.reason
    assert [event.data["text"] for event in bench.told("problem")][-1] in result.reason


async def test_a_listener_that_raises_cannot_stop_the_safe_state(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    engine = bench.engine(LONG)

    def listener(event: Any) -> None:
        if event.kind == "run":
            raise BrokenPipeError

    bench.session.stream.subscribe(listener)

    def abort() -> None:
        with contextlib.suppress(BrokenPipeError):
            engine.abort("Ctrl-C")

    bench.at(10, abort)
    bench.at(10.1, lambda: engine._body and engine._body.cancel())
    result = await engine.run()
    assert bench.is_safe and result.safe


async def test_a_broken_limit_leads_to_the_safe_state(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(20.5, setattr, bench.meter, "reads", 280.0)
    result = await bench.run(LONG)
    assert result.verdict is Verdict.UNDECIDED
    assert "280 V, above the rig's limit of 270 V, 2 times in a row" in result.reason
    assert bench.relay.when("switch") == pytest.approx(22), "with the second reading"
    assert bench.is_safe and bench.now_s < 23


async def test_one_reading_above_the_limit_is_noise(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(20.5, setattr, bench.meter, "reads", 280.0)
    bench.at(21.5, setattr, bench.meter, "reads", None)
    assert (await bench.run(WAIT)).verdict is Verdict.PASSED


async def test_a_lost_reference_meter_leads_to_the_safe_state(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(20.5, bench.meter.lose, "measure")
    result = await bench.run(LONG)
    assert "the reference meter is lost, so that nothing watches the limits" in result.reason
    assert bench.relay.when("switch") == pytest.approx(23), "after three readings in a row"
    assert bench.is_safe


async def test_a_meter_that_comes_back_in_time_is_not_lost(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(20.5, bench.meter.lose, "measure")
    bench.at(22.5, bench.meter.raises.clear)
    assert (await bench.run(WAIT)).verdict is Verdict.PASSED
    assert len(bench.told("device", state="lost")) == 2


async def test_monitors_that_crash_are_no_reason_to_go_on_unwatched(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(20.5, bench.meter.raises.update, {"measure": ZeroDivisionError("a bug")})
    result = await bench.run(LONG)
    assert "nothing watches the limits any more: a bug" in result.reason
    assert bench.is_safe


async def test_a_verb_beyond_a_limit_is_refused_and_stops_everything(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    result = await bench.run(
        "steps: [{supply: {set: 300 V}}, {supply: {set: 240 V}}]\nteardown: [{supply: {set: 231 V}}]\n"
    )
    assert "300 V is outside the rig's limits" in result.reason
    assert "set_voltage" not in bench.source.verbs(), "nor anything after it"
    assert result.verdict is Verdict.UNDECIDED and bench.is_safe


async def test_a_full_disk_leads_to_the_safe_state_and_is_raised(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def barrier() -> None:
        raise StorageError("no space left")

    with pytest.raises(StorageError, match="no space left"):
        await bench.run("steps: [{wait: 1 s}, {supply: {set: 240 V}}]\n", barrier=barrier)
    assert bench.is_safe and "set_voltage" not in bench.source.verbs()
    bench.source.lose("make_safe")
    with pytest.raises(UnsafeError, match="no space left; and the safe state of the rig was not confirmed"):
        await bench.run("steps: [{wait: 1 s}]\n", barrier=barrier)


async def test_a_bug_in_the_bench_leads_to_the_safe_state_and_is_raised(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.source.raises["interrupt"] = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        await bench.run(LONG)
    assert bench.is_safe


async def test_a_ledger_that_cannot_be_written_leaves_the_run_undecided(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "gone" / "seen.jsonl")
    bench = make_bench(tmp_path, ledger=ledger)
    bench.at(5, bench.dcc.alert)
    result = await bench.run("steps: [{wait: 10 s, allow: [{device_alert: 0x8F35, from: esme}]}]\n")
    assert result.verdict is Verdict.UNDECIDED
    assert "the record of messages could not be written" in result.reason


class WallClock(VirtualClock):
    """Virtual time that says it is real, and how well it is known."""

    def __init__(self, uncertainty_ns: int | None) -> None:
        super().__init__(asyncio.get_running_loop())
        self.uncertainty_ns = uncertainty_ns
        self.stepped = False

    @property
    def kind(self) -> ClockKind:
        return ClockKind.REAL

    def now(self) -> Instant:
        now = super().now()
        return Instant(now.mono_ns, now.utc_ns, ClockKind.REAL, self.uncertainty_ns)

    def check(self) -> None:
        if self.stepped:
            raise ClockError("the system clock was stepped")


@pytest.mark.parametrize(
    ("required", "uncertainty_ns", "reason"),
    [
        ("yes", 50_000_000, ""),
        ("yes", 200_000_000, "the system clock may be wrong by 200 ms"),
        ("yes", None, "the system clock is unsynchronised"),
        ("no", None, ""),
    ],
)
async def test_a_run_on_a_bad_clock_is_undecided(
    tmp_path: Path, required: str, uncertainty_ns: int | None, reason: str
) -> None:
    rig = RIG.replace("require_synchronised: yes", f"require_synchronised: {required}")
    result = await make_bench(tmp_path, rig_text=rig, clock=WallClock(uncertainty_ns)).run("steps: [{wait: 1 s}]\n")
    assert result.verdict is (Verdict.UNDECIDED if reason else Verdict.PASSED)
    assert result.reason == reason


async def test_a_clock_that_gets_worse_or_is_stepped_during_the_run_is_noticed(tmp_path: Path) -> None:
    for change, bad, good in (("uncertainty_ns", None, 1_000_000), ("stepped", True, False)):
        for first, then in ((good, bad), (bad, good)):
            clock = WallClock(1_000_000)
            setattr(clock, change, first)
            bench = make_bench(tmp_path, clock=clock)
            bench.at(5, setattr, clock, change, then)
            result = await bench.run("steps: [{wait: 10 s}]\n")
            reason = "unsynchronised" if change == "uncertainty_ns" else "stepped"
            assert (result.verdict, reason in result.reason) == (Verdict.UNDECIDED, True)
